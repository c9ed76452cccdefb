"""The whole scorer as one torch module: views in, probability and likelihood maps out.

The network's inputs and outputs are written here in torch, beside the runtimes that have them in
NumPy; likelihood, statistics and head are the library's own functions, called with tensors. The masks
of one seed are constants, so nothing in the module depends on the image but its arithmetic.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cinemae.detector import Detector
from cinemae.features.extractor import Backbone
from cinemae.features.spec import ScaleSpec
from cinemae.features.vector import view_vector
from cinemae.fusion.conformal import Band, Decision
from cinemae.fusion.forward import arranged, part_logits
from cinemae.fusion.head import FusionHead
from cinemae.likelihood.conditional import ConditionalLikelihood, PassPredictions, combine
from cinemae.likelihood.distributions import Family
from cinemae.mae.conv import ConvMAE, condition_on_colour
from cinemae.mae.modules import Module, to_module
from cinemae.mae.runtime import BoolArray
from cinemae.mae.vit import ViTMAE, patchify

HALF_RANGE = 127.5
REAL, INCONCLUSIVE, AI = range(3)
Pooled = dict[str, Tensor]


class Scorer(nn.Module):
    """A detector whose masks are fixed, on the views of one image.

    Attributes:
        scales: The scales in the order of the inputs.
        inputs: Their names.
        outputs: Names of what :meth:`forward` returns.
    """

    def __init__(self, detector: Detector, head: FusionHead, seed: int = 0) -> None:
        """Take over a detector's MAEs, likelihood and statistics, and a head.

        Args:
            detector: The detector; its own threshold or alpha, if it has one, replaces the head's.
            head: Its head.
            seed: Seed of the masks.
        """
        super().__init__()
        spec, backbones = detector.extractor.spec, detector.extractor.backbones
        modules = {id(backbone): to_module(backbone.runtime.mae) for backbone in backbones.values()}
        self.inputs = list(spec.scales)
        self.scales = nn.ModuleList(
            _Scale(scale, backbones[name], modules[id(backbones[name])], spec.family, seed)
            for name, scale in spec.scales.items()
        )
        self.head = _Head(head, head.decision(detector.threshold, detector.alpha))
        self.patches = {name: scale.patch for name, scale in spec.scales.items() if scale.masks is not None}
        self.has_bits = "semantic" in self.patches
        bits = ["bits_per_dim"] if self.has_bits else []
        self.outputs = ["probability", "verdict", *bits, *(f"{name}_nll" for name in self.patches)]
        self.eval().requires_grad_(False)

    def forward(self, *views: Tensor) -> tuple[Tensor, ...]:
        """Score one image.

        Args:
            *views: Of each scale, uint8 (views, height, width, 3).

        Returns:
            As named by ``outputs``.
        """
        measured = {name: scale(given) for name, scale, given in zip(self.inputs, self.scales, views, strict=True)}
        probability, verdict = self.head(torch.cat([vector for vector, _ in measured.values()]))
        likelihoods = {name: found for name, (_, found) in measured.items() if found}
        bits = [torch.stack([each.nll.mean() for each in likelihoods["semantic"]]).mean()] if self.has_bits else []
        return probability, verdict, *bits, *(self._maps(name, found) for name, found in likelihoods.items())

    def _maps(self, name: str, likelihoods: list[ConditionalLikelihood]) -> Tensor:
        """Return the NLL of each view's patches, (views, rows, columns), in bits a sub-pixel."""
        patch = self.patches[name]
        return torch.stack([each.per_patch(each.nll, patch) for each in likelihoods])


class _Scale(nn.Module):
    """One scale: its MAE under the masks of one seed, and what is measured of its views."""

    def __init__(self, spec: ScaleSpec, backbone: Backbone, module: Module, family: Family, seed: int) -> None:
        super().__init__()
        self.spec, self.family, self.patch, self.noise = spec, family, backbone.patch, backbone.noise
        side = spec.size // self.patch
        self.hidden = np.zeros((0, side, side), dtype=np.bool_)
        if spec.masks is not None:
            self.hidden = spec.masks.hidden((side, side), seed)
        self.network: nn.Module
        if isinstance(module, ViTMAE):
            self.network = _VitNetwork(module, self.hidden.reshape(len(self.hidden), side * side), spec.layers)
        else:
            self.network = _ConvNetwork(module, self.hidden)

    def forward(self, views: Tensor) -> tuple[Tensor, list[ConditionalLikelihood]]:
        """Return the features, and the views' likelihoods; none without masks."""
        measured = [self._view(view) for view in views.unbind(0)]
        vector = torch.stack([vector for vector, _ in measured]).mean(0)
        return vector, [likelihood for _, likelihood in measured if likelihood is not None]

    def _view(self, view: Tensor) -> tuple[Tensor, ConditionalLikelihood | None]:
        passes, pooled = self.network(view)
        likelihood = None
        if passes is not None:
            likelihood = combine(view, passes, self.hidden, patch=self.patch, noise=self.noise, family=self.family)
        return view_vector(likelihood, pooled, self.spec), likelihood


class _VitNetwork(nn.Module):
    """A ViT on one view, as :meth:`cinemae.mae.runtime.Runtime.view` has it.

    Which patches a pass sees stands in constants, so that no exporter has to follow a sort of masks.
    Hidden and visible patches are brought back to levels alike: the mixture gives the visible ones
    no weight.
    """

    seen: Tensor
    restore: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, module: ViTMAE, hidden: BoolArray, layers: tuple[int, ...]) -> None:
        super().__init__()
        self.module, self.layers, self.passes = module, layers, len(hidden)
        self.visible = int((~hidden[0]).sum()) if self.passes else 0
        # Rows of the table that a pass's patches are taken from: the mask token, then what it sees.
        restore = np.where(hidden, 0, np.cumsum(~hidden, axis=1))
        restore += np.arange(self.passes)[:, None] * (1 + self.visible)
        self.register_buffer("seen", torch.from_numpy(np.nonzero(~hidden)[1]))
        self.register_buffer("restore", torch.from_numpy(restore.ravel()))
        for name in ("mean", "std"):
            colours = np.asarray(getattr(module.config, f"pixel_{name}"), dtype=np.float32) * np.float32(255)
            self.register_buffer(name, torch.from_numpy(colours))

    def forward(self, view: Tensor) -> tuple[PassPredictions | None, Pooled]:
        """Return the passes' predictions in levels, None without passes, and the pooled encoder features."""
        module = self.module
        image = ((view.float() - self.mean) / self.std).permute(2, 0, 1)
        patches = patchify(image[None], module.config.patch_size)
        tokens = module.embed_patches(patches)
        pooled: Pooled = {}
        names = (*map(str, self.layers), "last")
        for name, (found,) in zip(names, module.encode(tokens, layers=self.layers), strict=True):
            rest = found[1:]
            pooled |= {f"{name}.cls": found[0], f"{name}.mean": rest.mean(0), f"{name}.std": rest.std(0, correction=0)}
        if not self.passes:
            return None, pooled
        visible = tokens[0].index_select(0, self.seen).reshape(self.passes, self.visible, -1)
        predicted = self._decode(module.latent(visible))
        return self._to_levels(predicted, patches[0]), pooled

    def _decode(self, latent: Tensor) -> Tensor:
        """Predict every patch, as :meth:`cinemae.mae.vit.ViTMAE.decode` does."""
        module = self.module
        x = module.decoder_embed(latent)
        table = torch.cat([module.mask_token.expand(self.passes, -1, -1), x[:, 1:]], dim=1).flatten(0, 1)
        full = table.index_select(0, self.restore).reshape(self.passes, -1, x.shape[-1])
        x = torch.cat([x[:, :1], full], dim=1) + module.decoder_pos_embed
        for block in module.decoder_blocks:
            x = block(x)
        out: Tensor = module.decoder_pred(module.decoder_norm(x))[:, 1:]
        return out

    def _to_levels(self, predicted: Tensor, patches: Tensor) -> PassPredictions:
        config, scale = self.module.config, None
        if config.output == "logistic":
            predicted, log_scale = predicted.chunk(2, dim=-1)
            scale = self._unfold(log_scale.exp()) * self.std
        if config.target == "patch_norm":
            spread = torch.sqrt(patches.var(-1, correction=1, keepdim=True) + 1e-6)
            predicted = predicted * spread + patches.mean(-1, keepdim=True)
        return PassPredictions(self._unfold(predicted) * self.std + self.mean, scale)

    def _unfold(self, patches: Tensor) -> Tensor:
        """Put (passes, patches, size * size * 3) together as (passes, height, width, 3)."""
        config = self.module.config
        size, (rows, columns) = config.patch_size, config.grid
        cut = patches.reshape(self.passes, rows, columns, size, size, 3).permute(0, 1, 3, 2, 4, 5)
        return cut.reshape(self.passes, rows * size, columns * size, 3)


class _ConvNetwork(nn.Module):
    """A convolutional MAE on one view, as :meth:`cinemae.mae.runtime.Runtime.view` has it."""

    hidden: Tensor

    def __init__(self, module: ConvMAE, hidden: BoolArray) -> None:
        super().__init__()
        self.module = module
        self.register_buffer("hidden", torch.from_numpy(hidden)[:, None])

    def forward(self, view: Tensor) -> tuple[PassPredictions, Pooled]:
        """Return the passes' predictions in levels and the pooled encoder features."""
        image = (view.float() / HALF_RANGE - 1).permute(2, 0, 1)[None]
        shared = image.expand(self.hidden.shape[0], -1, -1, -1)
        encoded = self.module.encode(shared, self.hidden)
        mean, log_scale = condition_on_colour(self.module.decode(encoded[-1], shared, self.hidden), image)
        pooled: Pooled = {}
        for number, found in enumerate(encoded):
            middle, square = found.mean((0, 2, 3)), (found * found).mean((0, 2, 3))
            spread = (square - middle * middle).clamp_min(0).sqrt()
            pooled |= {f"{number}.mean": middle, f"{number}.std": spread}
        levels = ((mean + 1) * HALF_RANGE).permute(0, 2, 3, 1)
        return PassPredictions(levels, (log_scale.exp() * HALF_RANGE).permute(0, 2, 3, 1)), pooled


class _Head(nn.Module):
    """The fusion head with its calibration and its decision, in float32."""

    def __init__(self, head: FusionHead, decision: Decision) -> None:
        super().__init__()
        self.config, self.band = head.config, outwards(decision.band)
        weights = arranged(head.config, head.weights)
        self.names = {name: name.replace(".", "_") for name in weights}
        for name, array in weights.items():
            self.register_buffer(self.names[name], _constant(array))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return P(AI-generated) and the verdict's number."""
        weights = {name: getattr(self, field) for name, field in self.names.items()}
        total = torch.cat(list(part_logits(self.config, weights, features[None]).values())).sum()
        probability = torch.sigmoid(total / self.config.temperature + self.config.bias)
        low, high = self.band
        unsure = torch.where(probability <= low, REAL, INCONCLUSIVE)
        return probability, torch.where(probability >= high, AI, unsure)


def outwards(band: Band) -> Band:
    """Return a band's ends rounded outwards to float32, so that one that is open in float64 is not closed there."""
    low, high = np.float32(band[0]), np.float32(band[1])
    if float(low) > band[0]:
        low = np.nextafter(low, np.float32(-np.inf))
    if float(high) < band[1]:
        high = np.nextafter(high, np.float32(np.inf))
    return float(low), float(high)


def _constant(array: NDArray[np.generic]) -> Tensor:
    kind = np.int64 if np.issubdtype(array.dtype, np.integer) else np.float32
    return torch.from_numpy(np.ascontiguousarray(array, dtype=kind))
