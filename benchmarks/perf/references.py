"""What cinemae is compared with: transformers' ViT-MAE as people call it, and two other image encoders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cinemae.mae.config import ViTMAEConfig


def hub_model(config: ViTMAEConfig, seed: int = 0) -> Any:
    """Return ``ViTMAEForPreTraining`` of a shape with random weights, in evaluation mode."""
    from transformers import ViTMAEConfig as HubConfig
    from transformers import ViTMAEForPreTraining

    torch.manual_seed(seed)
    hub = HubConfig(
        hidden_size=config.width,
        num_hidden_layers=config.depth,
        num_attention_heads=config.heads,
        intermediate_size=config.mlp_width,
        image_size=config.image_size,
        patch_size=config.patch_size,
        decoder_hidden_size=config.decoder_width,
        decoder_num_hidden_layers=config.decoder_depth,
        decoder_num_attention_heads=config.decoder_heads,
        decoder_intermediate_size=config.decoder_mlp_width,
        layer_norm_eps=config.norm_eps,
        hidden_act=config.activation,
        mask_ratio=0.75,
    )
    model = ViTMAEForPreTraining(hub)
    # transformers leaves the decoder's positions at zero in a model that was just built.
    model.decoder.initialize_weights(config.grid[0] * config.grid[1])
    return frozen(model)


def frozen(model: Any) -> Any:
    """Return a model in evaluation mode, without gradients."""
    return model.eval().requires_grad_(False)


def write_hub_folder(model: Any, folder: Path) -> Path:
    """Save a model in the hub's layout."""
    model.save_pretrained(folder)
    return folder


class HuggingFaceMAE:
    """All passes of an image with transformers' classes: one call a mask and one unmasked.

    Attributes:
        model: ``ViTMAEForPreTraining``.
        encoder: ``ViTMAEModel`` that hides nothing, with the same weights.
    """

    def __init__(self, model: Any) -> None:
        from transformers import ViTMAEModel

        self.model = model
        config = type(model.config).from_dict(model.config.to_dict() | {"mask_ratio": 0.0})
        with torch.device("meta"):
            encoder = ViTMAEModel(config)
        encoder.load_state_dict(model.vit.state_dict(), assign=True)
        self.encoder: Any = frozen(encoder)

    @torch.inference_mode()
    def run(
        self, pixels: torch.Tensor, hidden: NDArray[np.bool_], autocast: bool = False
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Score normalised pixels (batch, 3, side, side) under masks (passes, rows, columns).

        Returns:
            The logits of each mask, and the last hidden state of the unmasked pass.
        """
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            logits = [self.model(pixels, noise=_noise(mask, len(pixels))).logits for mask in hidden]
            order = torch.arange(hidden.shape[1] * hidden.shape[2], dtype=torch.float32).expand(len(pixels), -1)
            return logits, self.encoder(pixels, noise=order).last_hidden_state


def _noise(mask: NDArray[np.bool_], batch: int) -> torch.Tensor:
    """Return the noise that makes transformers hide a mask: the lowest numbers stay visible."""
    ranks = np.argsort(np.argsort(mask.reshape(-1), kind="stable"))
    return torch.from_numpy(ranks.astype(np.float32)).expand(batch, -1)


def normalised(view: NDArray[np.uint8], config: ViTMAEConfig, batch: int) -> torch.Tensor:
    """Return a view as the reference takes it, repeated: (batch, 3, side, side)."""
    mean, std = (np.asarray(value, np.float32) for value in (config.pixel_mean, config.pixel_std))
    array = ((view.astype(np.float32) / 255 - mean) / std).transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(array)).repeat(batch, 1, 1, 1)


CLIP: dict[str, Any] = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}
"""CLIP's ViT-L/14, the encoder of UnivFD and C2P-CLIP."""


def clip_encoder() -> Any:
    """Return CLIP's ViT-L/14 image encoder with random weights, bf16."""
    from transformers import CLIPVisionConfig, CLIPVisionModel

    config = CLIPVisionConfig(**CLIP, patch_size=14, image_size=224, projection_dim=768)
    return frozen(CLIPVisionModel(config)).to(torch.bfloat16)


def resnet50() -> Any:
    """Return a ResNet-50 with random weights, bf16 and channels last."""
    from transformers import ResNetConfig, ResNetModel

    model = frozen(ResNetModel(ResNetConfig()))
    return model.to(dtype=torch.bfloat16, memory_format=torch.channels_last)
