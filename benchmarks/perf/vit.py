"""The groups of one ViT shape: transformers against the two runtimes, and other encoders."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cinemae.mae.config import ViTMAEConfig
from cinemae.mae.frozen import FrozenMAE
from cinemae.mae.load import load_backbone
from cinemae.mae.openvino_runtime import OpenVINORuntime
from cinemae.mae.runtime import Runtime
from cinemae.mae.torch_runtime import TorchRuntime
from cinemae.masks import PartitionMasks
from cinemae.verdict import Precision

from . import flops, references
from .pictures import square
from .results import Group
from .rounds import Contender, measure

NAIVE = "HF fp32, one image"
AUTOCAST = "HF bf16 autocast, batch 8"
LATENCY = "cinemae, one image"
THROUGHPUT = "cinemae, throughput"
BATCH = 8
View = NDArray[np.uint8]
Masks = NDArray[np.bool_]


def vit_group(
    name: str,
    config: ViTMAEConfig,
    *,
    precision: Precision,
    threads: int,
    peak: Contender,
    rounds: int,
    also: bool = True,
) -> Group:
    """Measure one ViT shape with random weights against transformers' own code.

    Args:
        name: Name of the group.
        config: The shape.
        precision: Of cinemae's runtimes.
        threads: Cores.
        peak: The best matrix product.
        rounds: Rounds that count.
        also: Measure the references that nobody asked about too.
    """
    model = references.hub_model(config)
    with tempfile.TemporaryDirectory() as folder:
        mae = load_backbone(references.write_hub_folder(model, Path(folder))).mae
    assert isinstance(mae.config, ViTMAEConfig)
    view, hidden = square(config.image_size), PartitionMasks(groups=4).hidden(config.grid)
    useful = flops.vit_flops(config, len(hidden), int((~hidden[0]).sum()))
    reference = references.HuggingFaceMAE(model)
    contenders = [
        *reference_contenders(reference, view, hidden, mae.config, useful),
        *runtime_contenders(mae, view, hidden, precision, threads, useful),
        peak,
    ]
    if also:
        contenders += other_contenders(mae, model, view, hidden, useful)
    group = measure(name, "4 masked passes at 75 % and a full one", contenders, baseline=NAIVE, rounds=rounds)
    group.notes.append(f"{useful / 1e9:.1f} useful GFLOP an image")
    group.notes.append(agreement(reference, mae, view, hidden, precision, threads))
    return group


def reference_contenders(
    reference: references.HuggingFaceMAE, view: View, hidden: Masks, config: ViTMAEConfig, useful: int
) -> list[Contender]:
    """Return transformers' code as people call it, and the strongest easy one."""
    one, many = (references.normalised(view, config, batch) for batch in (1, BATCH))
    return [
        Contender(NAIVE, lambda: reference.run(one, hidden), 1, useful),
        Contender(AUTOCAST, lambda: reference.run(many, hidden, autocast=True), BATCH, useful),
    ]


def runtime_contenders(
    mae: FrozenMAE, view: View, hidden: Masks, precision: Precision, threads: int, useful: int
) -> list[Contender]:
    """Return cinemae with all cores for one image, and with one image a core."""
    alone = OpenVINORuntime(mae, precision, 1, threads)
    shared = OpenVINORuntime(mae, precision, threads, threads)
    count = 2 * threads
    return [
        Contender(LATENCY, repeat(lambda: alone.view(view, hidden, alone=True), 2), 2, useful),
        Contender(THROUGHPUT, in_threads(lambda: shared.view(view, hidden), count, threads), count, useful),
    ]


def other_contenders(mae: FrozenMAE, model: object, view: View, hidden: Masks, useful: int) -> list[Contender]:
    """Return transformers with bf16 weights, and cinemae's own torch runtime."""
    import copy

    halved = references.HuggingFaceMAE(copy.deepcopy(model).to(torch.bfloat16))  # type: ignore[attr-defined]
    assert isinstance(mae.config, ViTMAEConfig)
    pixels = references.normalised(view, mae.config, BATCH).to(torch.bfloat16)
    own = TorchRuntime(mae, "bf16")
    return [
        Contender("HF bf16 weights, batch 8", lambda: halved.run(pixels, hidden), BATCH, useful),
        Contender("cinemae's torch runtime, bf16", repeat(lambda: own.view(view, hidden), 2), 2, useful),
    ]


def agreement(
    reference: references.HuggingFaceMAE,
    mae: FrozenMAE,
    view: View,
    hidden: Masks,
    precision: Precision,
    threads: int,
) -> str:
    """Say how far the runtime's predictions of hidden pixels are from the naive reference's."""
    config = mae.config
    assert isinstance(config, ViTMAEConfig)
    logits, _ = reference.run(references.normalised(view, config, 1), hidden)
    flat = hidden.reshape(len(hidden), -1)
    wanted = np.concatenate([out[0].numpy()[mask] for out, mask in zip(logits, flat, strict=True)])
    got = _levels(OpenVINORuntime(mae, precision, 1, threads), view, hidden)
    std, mean = np.asarray(config.pixel_std) * 255, np.asarray(config.pixel_mean) * 255
    difference = got - (wanted.reshape(-1, 3) * std + mean)
    return f"predictions differ from the naive reference's by {np.sqrt((difference**2).mean()):.3f} of 255 levels (RMS)"


def _levels(runtime: Runtime, view: View, hidden: Masks) -> NDArray[np.float64]:
    """Return the runtime's predictions of hidden pixels in the reference's order, (sub-pixels / 3, 3)."""
    from cinemae.mae.runtime import patchify

    means = runtime.view(view, hidden).passes.mean
    size = runtime.mae.config.patch_size
    cut = [patchify(mean, size)[mask.reshape(-1)] for mean, mask in zip(means, hidden, strict=True)]
    return np.concatenate(cut).reshape(-1, 3).astype(np.float64)


def repeat(run: Callable[[], object], count: int) -> Callable[[], object]:
    """Return a call that makes ``count`` calls one after the other."""
    return lambda: [run() for _ in range(count)]


def in_threads(run: Callable[[], object], count: int, threads: int) -> Callable[[], object]:
    """Return a call that makes ``count`` calls in ``threads`` threads."""
    pool = ThreadPoolExecutor(threads)
    return lambda: [future.result() for future in [pool.submit(run) for _ in range(count)]]


def encoders_group(
    *, precision: Precision, threads: int, peak: Contender, rounds: int, depth: int | None = None
) -> Group:
    """Compare a full score of ViT-Base with one pass of the encoders that other detectors stand on.

    Args:
        precision: Of cinemae's runtimes.
        threads: Cores.
        peak: The best matrix product.
        rounds: Rounds that count.
        depth: Fewer blocks of ViT-Base, for a quick run.
    """
    clip, resnet = references.clip_encoder(), references.resnet50()
    config = ViTMAEConfig() if depth is None else ViTMAEConfig(depth=depth)
    pixels = references.normalised(square(224), config, BATCH).to(torch.bfloat16)
    last = pixels.to(memory_format=torch.channels_last)
    encoder = flops.clip_flops(1024, 24, 4096, 256, 14 * 14 * 3)

    @torch.inference_mode()
    def clip_on(batch: torch.Tensor) -> object:
        return clip(batch)

    @torch.inference_mode()
    def resnet_on(batch: torch.Tensor) -> object:
        return resnet(batch)

    mae = random_mae(config)
    view, hidden = square(224), PartitionMasks(groups=4).hidden(config.grid)
    useful = flops.vit_flops(config, len(hidden), int((~hidden[0]).sum()))
    contenders = [
        Contender("CLIP ViT-L/14, torch bf16, one image", lambda: clip_on(pixels[:1]), 1, encoder),
        Contender("CLIP ViT-L/14, torch bf16, batch 8", lambda: clip_on(pixels), BATCH, encoder),
        Contender("ResNet-50, torch bf16, batch 8", lambda: resnet_on(last), BATCH),
        *runtime_contenders(mae, view, hidden, precision, threads, useful),
        peak,
    ]
    title = "ViT-Base, all passes, against one pass of other detectors' encoders"
    return measure("encoders", title, contenders, baseline=contenders[1].name, rounds=rounds)


def random_mae(config: ViTMAEConfig) -> FrozenMAE:
    """Return an MAE of a shape with random weights."""
    from cinemae.mae.modules import to_frozen
    from cinemae.mae.vit import ViTMAE

    module = ViTMAE(config)
    module.initialise(torch.Generator().manual_seed(0))
    return to_frozen(module)
