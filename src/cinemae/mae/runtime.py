"""Running a frozen MAE on views: uint8 in, levels and features out, as NumPy arrays.

This is the reference runtime. On a CPU the passes of one image are one packed call and images
follow each other: a view never shares a matrix product with another image's, so its numbers can't
depend on the batch it came in, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinemae.likelihood.conditional import FloatArray, PassPredictions
from cinemae.mae.checkpoint import MAE
from cinemae.mae.conv import ConvMAE, condition_on_colour
from cinemae.mae.vit import ViTMAE, patchify

Precision = Literal["f32", "bf16"]
HALF_RANGE = 127.5


@dataclass(frozen=True)
class ViewOutput:
    """What an MAE says of one view.

    Attributes:
        passes: Predictions of the masked passes.
        encoder: Named pooled features of the frozen encoder, each a vector.
    """

    passes: PassPredictions
    encoder: dict[str, FloatArray]


class TorchRuntime:
    """One frozen MAE on one device.

    Attributes:
        mae: The network, moved to the device.
        device: Where it runs.
        precision: Type of the network's arithmetic; what leaves it is float32.
    """

    def __init__(self, mae: MAE, device: str = "cpu", precision: Precision = "f32") -> None:
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self.mae = mae.to(device=device, dtype=dtype).eval().requires_grad_(False)
        if isinstance(self.mae, ConvMAE):
            self.mae = self.mae.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.device, self.dtype, self.precision = device, dtype, precision

    @torch.inference_mode()
    def view(self, view: NDArray[np.uint8], hidden: NDArray[np.bool_], layers: tuple[int, ...] = ()) -> ViewOutput:
        """Run all masked passes, and for a ViT the full pass, over one view.

        Args:
            view: (height, width, 3) pixels.
            hidden: (passes, rows, columns) masks over the MAE's patches.
            layers: Middle encoder blocks whose features are wanted, counted from 1.

        Raises:
            ValueError: If the view or the masks do not fit the MAE.
        """
        levels = torch.from_numpy(np.array(view)).to(self.device).permute(2, 0, 1)[None].float()
        masks = torch.from_numpy(hidden).to(self.device)
        if isinstance(self.mae, ViTMAE):
            return self._vit(self.mae, levels, masks, layers)
        return self._conv(self.mae, levels, masks)

    def _vit(self, mae: ViTMAE, levels: Tensor, masks: Tensor, layers: tuple[int, ...]) -> ViewOutput:
        config = mae.config
        side = config.image_size
        if levels.shape[2:] != (side, side) or tuple(masks.shape[1:]) != config.grid:
            raise ValueError(
                f"view {tuple(levels.shape[2:])} with masks {tuple(masks.shape[1:])} for an MAE of"
                f" {side}x{side} pixels and {config.grid} patches"
            )
        if layers and not 1 <= min(layers) <= max(layers) <= config.depth:
            raise ValueError(f"this MAE has {config.depth} blocks, layers {layers} are asked for")
        mean = torch.tensor(config.pixel_mean, device=self.device) * 255
        std = torch.tensor(config.pixel_std, device=self.device) * 255
        images = (levels - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
        tokens = mae.embed(images.to(self.dtype))
        flat = masks.flatten(1)
        shared = tokens.expand(len(flat), -1, -1)
        prediction = mae.decode(mae.encode(shared, flat)[-1], flat).float()
        scale = None
        if config.output == "logistic":
            prediction, log_scale = prediction.chunk(2, dim=-1)
            scale = _unpatchify(torch.exp(log_scale), config.patch_size, config.grid) * std
        if config.target == "patch_norm":
            # Back to pixels with the true patch's moments: what is scored is its pattern, given
            # its mean and contrast.
            truth = patchify(images, config.patch_size)
            prediction = prediction * (truth.var(-1, keepdim=True) + 1e-6).sqrt() + truth.mean(-1, keepdim=True)
        centre = _unpatchify(prediction, config.patch_size, config.grid) * std + mean
        encoder: dict[str, FloatArray] = {}
        for name, out in zip((*map(str, layers), "last"), mae.encode(tokens, None, layers), strict=True):
            out = out[0].float()
            encoder |= {
                f"{name}.cls": out[0].cpu().numpy(),
                f"{name}.mean": out[1:].mean(0).cpu().numpy(),
                f"{name}.std": out[1:].std(0, correction=0).cpu().numpy(),
            }
        scales = None if scale is None else scale.cpu().numpy()
        return ViewOutput(PassPredictions(centre.cpu().numpy(), scales), encoder)

    def _conv(self, mae: ConvMAE, levels: Tensor, masks: Tensor) -> ViewOutput:
        if levels.shape[2] % 2 or levels.shape[3] % 2 or masks.shape[1:] != levels.shape[2:]:
            raise ValueError(
                f"view {tuple(levels.shape[2:])} with masks {tuple(masks.shape[1:])}: need equal, even sides"
            )
        images = levels / HALF_RANGE - 1
        shared = images.to(self.dtype).expand(len(masks), -1, -1, -1)
        hidden = masks[:, None]
        encoded = mae.encode(shared, hidden)
        prediction = mae.decode(encoded[-1], shared, hidden)
        mean, log_scale = condition_on_colour(prediction, images)
        encoder: dict[str, FloatArray] = {}
        for number, out in enumerate(encoded):
            flat = out.float().transpose(0, 1).flatten(1)
            average = flat.mean(1)
            # E[x^2] - E[x]^2: torch's own std is twenty times slower on a CPU.
            spread = ((flat * flat).mean(1) - average**2).clamp_min(0).sqrt()
            encoder |= {f"{number}.mean": average.cpu().numpy(), f"{number}.std": spread.cpu().numpy()}
        centre = ((mean + 1) * HALF_RANGE).permute(0, 2, 3, 1)
        scale = (torch.exp(log_scale) * HALF_RANGE).permute(0, 2, 3, 1)
        return ViewOutput(PassPredictions(centre.cpu().numpy(), scale.cpu().numpy()), encoder)


def _unpatchify(patches: Tensor, size: int, grid: tuple[int, int]) -> Tensor:
    """(passes, patches, size * size * 3) to (passes, height, width, 3)."""
    cut = patches.reshape(-1, *grid, size, size, 3)
    return cut.permute(0, 1, 3, 2, 4, 5).reshape(-1, grid[0] * size, grid[1] * size, 3)


def default_device() -> str:
    """Return "cuda" when it is there, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"
