"""Miniature copies of published labelled sets: their folder and file names and formats, with invented pictures.

Real pictures are 1/f noise, AI-generated ones the same noise up-sampled (``toys.pink``, ``toys.upsampled``), so a head
can learn the difference. Everything is a function of its arguments: the same call writes the same bytes.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from toys import pink, upsampled

GENIMAGE: Mapping[str, str] = {
    "midjourney": "Midjourney/imagenet_midjourney",
    "stable_diffusion_v_1_4": "stable_diffusion_v_1_4/imagenet_ai_0419_sdv4",
    "stable_diffusion_v_1_5": "stable_diffusion_v_1_5/imagenet_ai_0424_sdv5",
    "adm": "ADM/imagenet_ai_0508_adm",
    "glide": "glide/imagenet_glide",
    "wukong": "wukong/imagenet_ai_0424_wukong",
    "vqdm": "VQDM/imagenet_ai_0419_vqdm",
    "biggan": "BigGAN/imagenet_ai_0419_biggan",
}
"""cinemae's name of each generator of GenImage -> the folder that its archive unpacks to, below the generator's own."""

GENIMAGE_FILES: Mapping[str, str] = {
    "midjourney": "{c:03d}_midjourney_{n}.png",
    "stable_diffusion_v_1_4": "{c:03d}_sdv4_{n:05d}.png",
    "stable_diffusion_v_1_5": "{c:03d}_sdv5_{n:05d}.png",
    "adm": "{c:03d}_adm_{n}.PNG",
    "glide": "GLIDE_1000_200_08_{c:03d}_glide_{n:05d}.png",
    "wukong": "{c:03d}_wukong_image{n}.png",
    "vqdm": "VQDM_1000_200_00_{c:03d}_vqdm_{n:05d}.png",
    "biggan": "{c:03d}_biggan_{n:05d}.png",
}
"""How GenImage calls the AI-generated files: ``c`` is ImageNet's class, ``n`` a number."""

GENIMAGE_CORRUPT = "BigGAN/imagenet_ai_0419_biggan/train/ai/116_biggan_00094.png"
"""One of the files that are known to be broken in GenImage as it is published."""

AIGCDETECT: Mapping[str, str] = {
    "progan": "progan", "stylegan": "stylegan", "biggan": "biggan", "cyclegan": "cyclegan", "stargan": "stargan",
    "gaugan": "gaugan", "stylegan2": "stylegan2", "whichfaceisreal": "whichfaceisreal", "adm": "ADM", "glide": "Glide",
    "midjourney": "Midjourney", "stable_diffusion_v_1_4": "stable_diffusion_v_1_4",
    "stable_diffusion_v_1_5": "stable_diffusion_v_1_5", "vqdm": "VQDM", "wukong": "wukong", "dalle_2": "DALLE2",
}  # fmt: skip
"""cinemae's name of each of AIGCDetectBenchmark's 16 generators -> its folder."""

FORENSYNTHS_CLASSES: Mapping[str, Sequence[str]] = {
    "progan": ("airplane", "car", "train"),
    "stylegan": ("bedroom", "car"),
    "cyclegan": ("apple", "horse"),
    "stylegan2": ("cat", "church"),
}
"""Generators whose test images lie in folders of objects, with a few of them. ``train`` is the vehicle, not a split."""


def genimage(
    folder: Path,
    *,
    generators: Sequence[str] | None = None,
    train: int = 4,
    val: int = 4,
    side: int = 64,
    corrupt: bool = False,
) -> Path:
    """Write GenImage as its archives unpack: ``BigGAN/imagenet_ai_0419_biggan/{train,val}/{ai,nature}/FILE``.

    AI-generated images are PNG, real ones JPEG with ImageNet's names, as they are published.

    Args:
        folder: Where; made if it is not there.
        generators: Keys of ``GENIMAGE``; default: all eight.
        train: Images of each class and generator in the training split.
        val: Images of each class and generator in the validation split.
        side: Width and height in pixels.
        corrupt: Also write the empty file ``GENIMAGE_CORRUPT``.
    """  # fmt: skip
    for index, generator in enumerate(generators or GENIMAGE):
        for split, count in (("train", train), ("val", val)):
            for number in range(count):
                seed = _seed(index, split, number)
                c = 100 + seed % 800
                name = GENIMAGE_FILES[generator].format(c=c, n=number)
                real = f"n0{2_000_000 + seed}_{number}.JPEG" if split == "train" else f"ILSVRC2012_val_{seed:08d}.JPEG"
                place = folder / GENIMAGE[generator] / split
                save(place / "ai" / name, upsampled(seed, side))
                save(place / "nature" / real, pink(seed + 500_000, side))
    if corrupt:
        broken = folder / GENIMAGE_CORRUPT
        broken.parent.mkdir(parents=True, exist_ok=True)
        broken.write_bytes(b"")
    return folder


def aigcdetect(folder: Path, *, generators: Sequence[str] | None = None, count: int = 4, side: int = 64) -> Path:
    """Write AIGCDetectBenchmark's test set: ``GENERATOR[/OBJECT]/{0_real,1_fake}/FILE``, without a split.

    Args:
        folder: Where.
        generators: Keys of ``AIGCDETECT``; default: all sixteen.
        count: Images of each class in each folder.
        side: Width and height in pixels.
    """
    for index, generator in enumerate(generators or AIGCDETECT):
        for inner, name in enumerate(FORENSYNTHS_CLASSES.get(generator, ("",))):
            pair(folder / AIGCDETECT[generator] / name, count, side, seed=_seed(index, "test", 1000 * inner))
    return folder


def forensynths(folder: Path, *, count: int = 4, side: int = 64) -> Path:
    """Write ForenSynths with all its parts.

    ``train/OBJECT/{0_real,1_fake}`` and ``val/OBJECT/...`` are ProGAN's, without a folder of its own, and one of the
    objects is called ``train``; ``test/GENERATOR[/OBJECT]/{0_real,1_fake}`` has three generators.

    Args:
        folder: Where.
        count: Images of each class in each folder.
        side: Width and height in pixels.
    """
    for part, split in enumerate(("train", "val")):
        for inner, name in enumerate(("car", "cat", "train")):
            pair(folder / split / name, count, side, seed=_seed(20 + part, split, 1000 * inner))
    aigcdetect(folder / "test", generators=("progan", "biggan", "stylegan"), count=count, side=side)
    return folder


def chameleon(folder: Path, *, count: int = 4, side: int = 96) -> Path:
    """Write Chameleon's only part, ``test/{0_real,1_fake}/FILE``, all JPEG.

    Args:
        folder: Where; the layout is recognised by ``chameleon`` in this folder's name.
        count: Images of each class.
        side: Width and height in pixels.
    """
    return pair(folder / "test", count, side, seed=900_000, suffix=".jpg").parent


def webdataset(
    folder: Path,
    *,
    shards: int = 2,
    count: int = 4,
    side: int = 64,
    sidecar: str = "json",
    label: Mapping[int, Any] | None = None,
) -> Path:
    """Write WebDataset shards, ``train-000000.tar`` and on, and one of ``val-000000.tar``.

    Members are ``KEY.jpg``, ``KEY.png`` and ``KEY.webp`` in turn, each followed by its sidecar.

    Args:
        folder: Where.
        shards: Shards of the training split.
        count: Images of each class and shard.
        side: Width and height in pixels.
        sidecar: ``json`` (label, generator, source) or ``cls`` (the label alone).
        label: What the sidecar calls real (0) and AI-generated (1); default: the words.
    """  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    names = label or {0: "real", 1: "ai"}
    for shard in range(shards + 1):
        split, number = ("train", shard) if shard < shards else ("val", 0)
        with tarfile.open(folder / f"{split}-{number:06d}.tar", "w") as tar:
            for index in range(2 * count):
                ai = index % 2
                seed = _seed(30 + shard, split, index)
                suffix = (".jpg", ".png", ".webp")[index // 2 % 3]
                facts = {"label": names[ai], "generator": f"gen{index // 2 % 2}", "source": f"s{seed}"}
                text = json.dumps(facts) if sidecar == "json" else str(names[ai])
                _add(tar, f"{seed:08d}{suffix}", encoded((upsampled if ai else pink)(seed, side), suffix))
                _add(tar, f"{seed:08d}.{sidecar}", text.encode())
    return folder


def huggingface(
    folder: Path,
    *,
    count: int = 4,
    side: int = 64,
    names: Sequence[str] | None = ("real", "fake"),
) -> Path:
    """Write a set of the Hugging Face hub: ``data/{train,test}-00000-of-00001.parquet``.

    Columns are ``image`` (struct of bytes and path) and ``label`` (int64, a ClassLabel).

    Args:
        folder: Where.
        count: Images of each class in each table.
        side: Width and height in pixels.
        names: Names of the labels 0 and 1 as the schema's metadata states them; None states none.
    """  # fmt: skip
    import pyarrow as pa
    import pyarrow.parquet as parquet

    (folder / "data").mkdir(parents=True, exist_ok=True)
    ai = 1 if names is None or names[0] in ("real", "nature") else 0
    for split in ("train", "test"):
        images, labels = [], []
        for index in range(2 * count):
            seed = _seed(40, split, index)
            pixels = (upsampled if index % 2 else pink)(seed, side)
            images.append({"bytes": encoded(pixels, ".png"), "path": f"{index:04d}.png"})
            labels.append(ai if index % 2 else 1 - ai)
        fields: dict[str, Any] = {"image": {"_type": "Image"}, "label": {"dtype": "int64", "_type": "Value"}}
        if names is not None:
            fields["label"] = {"names": list(names), "_type": "ClassLabel"}
        image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        schema = pa.schema(
            [("image", image), ("label", pa.int64())],
            metadata={"huggingface": json.dumps({"info": {"features": fields}})},
        )
        table = pa.table({"image": images, "label": labels}, schema=schema)
        parquet.write_table(table, folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def pair(
    folder: Path, count: int, side: int, *, seed: int, real: str = "0_real", ai: str = "1_fake", suffix: str = ".png"
) -> Path:
    """Write two class folders of equally named files, and return the folder that they lie in."""
    for number in range(count):
        save(folder / real / f"{number:05d}{suffix}", pink(seed + number + 500_000, side))
        save(folder / ai / f"{number:05d}{suffix}", upsampled(seed + number, side))
    return folder


def save(path: Path, pixels: np.ndarray) -> Path:
    """Write one image in the format of its suffix; folders are made as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(pixels, path.suffix))
    return path


def encoded(pixels: np.ndarray, suffix: str) -> bytes:
    """Return pixels as a PNG, a lossless WebP or a JPEG of quality 95."""
    kind = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}[suffix.lower()]
    options: dict[str, Any] = {"JPEG": {"quality": 95}, "PNG": {}, "WEBP": {"lossless": True}}[kind]
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def _seed(index: int, split: str, number: int) -> int:
    """A number of its own for each picture, so that no two are alike."""
    return 10_000 * (index + 1) + 5_000 * (split != "train") + number


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
