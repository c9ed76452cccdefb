"""Between a frozen MAE's arrays and a torch module: for training, the reference runtime and CUDA."""

from __future__ import annotations

import torch

from cinemae.mae.config import ConvMAEConfig, ViTMAEConfig
from cinemae.mae.conv import ConvMAE
from cinemae.mae.frozen import FrozenMAE
from cinemae.mae.vit import ViTMAE

Module = ViTMAE | ConvMAE


def build(config: ViTMAEConfig | ConvMAEConfig) -> Module:
    """Return an uninitialised network of this shape."""
    return ViTMAE(config) if isinstance(config, ViTMAEConfig) else ConvMAE(config)


def to_module(mae: FrozenMAE) -> Module:
    """Return a float32 network in evaluation mode with these weights, which it shares where they are float32."""
    with torch.device("meta"):  # drawing random weights first takes seconds
        module = build(mae.config)
    module.load_state_dict({name: torch.from_numpy(mae.floats(name)) for name in mae.names}, assign=True)
    return module.eval().requires_grad_(False)


def to_frozen(module: Module) -> FrozenMAE:
    """Return a copy of a network's weights as they are now."""
    state = {name: tensor.detach().float().cpu().numpy().copy() for name, tensor in module.state_dict().items()}
    return FrozenMAE.of(module.config, state, "the network")
