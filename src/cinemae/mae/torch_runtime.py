"""The reference runtime, and the one for CUDA: the MAE as a torch module."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cinemae.likelihood.conditional import FloatArray
from cinemae.mae.conv import ConvMAE, condition_on_colour
from cinemae.mae.frozen import FrozenMAE
from cinemae.mae.modules import to_module
from cinemae.mae.runtime import BoolArray, ConvOutput, Runtime, VitOutput
from cinemae.mae.vit import ViTMAE
from cinemae.verdict import Precision

_TYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


class TorchRuntime(Runtime):
    """One frozen MAE as a torch module on one device.

    Attributes:
        module: The network, on the device and in the type of ``precision``.
    """

    def __init__(self, mae: FrozenMAE, precision: Precision = "f32", device: str = "cpu") -> None:
        super().__init__(mae, precision, device)
        self.module = to_module(mae).to(device=device, dtype=_TYPES[precision])
        if isinstance(self.module, ConvMAE):
            self.module = self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def _vit(self, patches: FloatArray, hidden: BoolArray, layers: tuple[int, ...], alone: bool) -> VitOutput:
        module, masks = self.module, torch.from_numpy(hidden).to(self.device)
        assert isinstance(module, ViTMAE)
        tokens = module.embed_patches(torch.from_numpy(patches)[None].to(self.device, _TYPES[self.precision]))
        full = [_array(out[0]) for out in module.encode(tokens, None, layers)]
        if not len(hidden):
            return VitOutput(None, full)
        prediction = module.decode(module.latent(tokens.expand(len(masks), -1, -1), masks), masks)
        return VitOutput(_array(prediction[masks].reshape(len(masks), -1, prediction.shape[-1])), full)

    @torch.inference_mode()
    def _conv(self, image: FloatArray, hidden: BoolArray, alone: bool) -> ConvOutput:
        module, dtype = self.module, _TYPES[self.precision]
        assert isinstance(module, ConvMAE)
        images = torch.from_numpy(image)[None].to(self.device)
        masks = torch.from_numpy(hidden).to(self.device)[:, None]
        shared = images.to(dtype).expand(len(masks), -1, -1, -1)
        encoded = module.encode(shared, masks)
        mean, log_scale = condition_on_colour(module.decode(encoded[-1], shared, masks), images)
        moments = []
        for out in encoded:
            flat = out.float().transpose(0, 1).flatten(1)
            moments.append((_array(flat.mean(1)), _array((flat * flat).mean(1))))
        return ConvOutput(_array(mean), _array(log_scale), moments)


def _array(values: Tensor) -> FloatArray:
    out: FloatArray = values.float().cpu().numpy()
    return np.ascontiguousarray(out)
