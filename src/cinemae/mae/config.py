"""Configuration of a masked autoencoder: what crosses the checkpoint's boundary as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class ViTMAEConfig(BaseModel):
    """A ViT-MAE (He et al. 2021, arXiv 2111.06377).

    Attributes:
        image_size: Side of the square input in pixels.
        patch_size: Side of a patch in pixels.
        width: Channels of the encoder; ``depth`` blocks, ``heads`` heads, ``mlp_width`` hidden units.
        decoder_width: Channels of the decoder; likewise ``decoder_depth`` and so on. A depth of 0 says that there is
            no decoder: the encoder gives features and no likelihood.
        norm_eps: Epsilon of the layer norms (1e-12 in Hugging Face's ViTMAE, 1e-6 in Meta's code).
        activation: Of the encoder's blocks; ``quick_gelu`` is x * sigmoid(1.702 x), CLIP's. The decoder's is ``gelu``.
        pre_norm: Whether the encoder's tokens are normed before its first block, as CLIP's are.
        taps: Encoder blocks whose visible tokens the decoder reads, side by side, 0 being the embedded patches; ()
            for the normed last ones alone. An encoder that was not pre-trained to reconstruct has forgotten the
            pixels at its end.
        target: What the decoder predicts: ``raw`` normalised pixels, or ``patch_norm`` pixels
            normalised by their own patch's mean and (unbiased) standard deviation.
        output: ``mean``: a mean a sub-pixel; ``logistic``: mean and log-scale of a discretised
            logistic a sub-pixel, pre-trained by NLL.
        pixel_mean: Mean of the input normalisation, a colour, in [0, 1].
        pixel_std: Standard deviation of the input normalisation, a colour, in [0, 1].
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["vit"] = "vit"
    image_size: int = Field(default=224, ge=2)
    patch_size: int = Field(default=16, ge=1)
    width: int = Field(default=768, ge=4)
    depth: int = Field(default=12, ge=1)
    heads: int = Field(default=12, ge=1)
    mlp_width: int = Field(default=3072, ge=1)
    decoder_width: int = Field(default=512, ge=4)
    decoder_depth: int = Field(default=8, ge=0)
    decoder_heads: int = Field(default=16, ge=1)
    decoder_mlp_width: int = Field(default=2048, ge=1)
    norm_eps: float = 1e-12
    activation: Literal["gelu", "quick_gelu"] = "gelu"
    pre_norm: bool = False
    taps: tuple[int, ...] = ()
    target: Literal["raw", "patch_norm"] = "raw"
    output: Literal["mean", "logistic"] = "mean"
    pixel_mean: tuple[float, float, float] = IMAGENET_MEAN
    pixel_std: tuple[float, float, float] = IMAGENET_STD

    @model_validator(mode="after")
    def _divisible(self) -> ViTMAEConfig:
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size {self.image_size} is not a multiple of patch_size {self.patch_size}")
        for width, heads in ((self.width, self.heads), (self.decoder_width, self.decoder_heads)):
            if width % heads or width % 4:
                raise ValueError(f"width {width} must be a multiple of 4 and of its {heads} heads")
        if self.output == "logistic" and self.target == "patch_norm":
            raise ValueError("a logistic output is a distribution of raw pixels; target must be 'raw'")
        if list(self.taps) != sorted(set(self.taps)) or (
            self.taps and not 0 <= self.taps[0] <= self.taps[-1] <= self.depth
        ):
            raise ValueError(f"taps must be rising numbers from 0 to the depth, {self.depth}; got {self.taps}")
        return self

    @property
    def has_decoder(self) -> bool:
        """Whether there is a likelihood, not features alone."""
        return self.decoder_depth > 0

    @property
    def tapped_width(self) -> int:
        """Channels that the decoder reads of each visible patch."""
        return self.width * max(len(self.taps), 1)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        side = self.image_size // self.patch_size
        return side, side

    @property
    def outputs(self) -> int:
        """Numbers that the decoder gives for each patch."""
        return self.patch_size**2 * 3 * (2 if self.output == "logistic" else 1)


class ConvMAEConfig(BaseModel):
    """A convolutional masked autoencoder of single pixels, for the fine scale.

    Its patch is one pixel, its context the visible pixels around it, its output mean, log-scale
    and colour coefficients of a discretised logistic. Takes any even image size.

    Attributes:
        width: Channels at half resolution.
        encoder_blocks: Residual blocks of the encoder, two 3x3 convolutions each.
        decoder_blocks: Residual blocks of the decoder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["conv"] = "conv"
    width: int = Field(default=64, ge=8)
    encoder_blocks: int = Field(default=2, ge=1)
    decoder_blocks: int = Field(default=1, ge=1)

    @property
    def patch_size(self) -> int:
        """Side of a masked patch in pixels."""
        return 1


MAEConfig = Annotated[ViTMAEConfig | ConvMAEConfig, Field(discriminator="kind")]
"""Either configuration, told apart by ``kind``."""


def parse_config(values: dict[str, Any]) -> ViTMAEConfig | ConvMAEConfig:
    """Validate a configuration read from JSON.

    Raises:
        pydantic.ValidationError: If a field is unknown, missing or out of range.
    """
    parsed: ViTMAEConfig | ConvMAEConfig = TypeAdapter(MAEConfig).validate_python(values)
    return parsed


CLIP_VIT_BASE = ViTMAEConfig(
    decoder_depth=0,
    norm_eps=1e-5,
    activation="quick_gelu",
    pre_norm=True,
    pixel_mean=CLIP_MEAN,
    pixel_std=CLIP_STD,
)
"""The image tower of CLIP ViT-B/16 (arXiv 2103.00020): an encoder alone."""

ARCHITECTURES: dict[str, ViTMAEConfig | ConvMAEConfig] = {
    "vit-base": ViTMAEConfig(),
    "vit-large": ViTMAEConfig(width=1024, depth=24, heads=16, mlp_width=4096),
    "vit-huge": ViTMAEConfig(patch_size=14, width=1280, depth=32, heads=16, mlp_width=5120),
    "vit-tiny": ViTMAEConfig(
        width=192,
        depth=8,
        heads=3,
        mlp_width=768,
        decoder_width=128,
        decoder_depth=2,
        decoder_heads=4,
        decoder_mlp_width=512,
        norm_eps=1e-6,
        output="logistic",
    ),
    "clip-vit-base": CLIP_VIT_BASE,
    "clip-vit-base-mae": CLIP_VIT_BASE.model_copy(
        update={
            "decoder_width": 256,
            "decoder_depth": 4,
            "decoder_heads": 8,
            "decoder_mlp_width": 1024,
            "taps": (0, 4, 8, 12),
            "output": "logistic",
        }
    ),
    "conv-fine": ConvMAEConfig(),
}
"""Named shapes: the published ones, and those whose weights or decoders cinemae trains itself."""
