"""The residual network in torch: the module, its training, and its inference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from cinemae.baselines.base import Floats, Rows, Weights
from cinemae.baselines.threads import threads
from cinemae.seeding import seeded_digest

RANGE = 16.0  # levels of a residual that become 1
LIMIT = 4.0  # what lies beyond is cut
GROUPS = 4
_ENOUGH = 1e-4  # a smaller gain is none
_CHUNK = 64  # rows whose crops are in memory as floats at once


@dataclass(frozen=True)
class Plan:
    """Settings of a training run; see :class:`cinemae.baselines.ResidualConfig`."""

    channels: tuple[int, ...]
    epochs: int
    patience: int
    batch: int
    rate: float
    decay: float
    threads: int


class ResidualNet(nn.Module):
    """3 x 3 convolutions on the residual, each after the first of half the size; the mean over what is left; a logit.

    Group normalisation, so that a picture's logit can't depend on the batch.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        for number, (into, out) in enumerate(zip((3, *channels), channels, strict=False)):
            stride = 1 if number in (0, len(channels) - 1) else 2
            # Filled by initialise(); torch's default start would draw from the global generator.
            conv = nn.utils.skip_init(nn.Conv2d, into, out, 3, stride, 1, bias=False)  # type: ignore[no-untyped-call]
            self.blocks.append(nn.Sequential(conv, nn.GroupNorm(GROUPS, out), nn.ReLU()))
        self.out = nn.utils.skip_init(nn.Linear, channels[-1], 1)  # type: ignore[no-untyped-call]

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the start."""
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.kaiming_normal_(parameter, nonlinearity="relu", generator=generator)
        nn.init.zeros_(self.out.bias)

    def forward(self, crops: Tensor) -> Tensor:
        """Return logits (n,) of uint8 crops (n, side, side, 3)."""
        x = residual(crops)
        for block in self.blocks:
            x = block(x)
        return self.out(x.mean((2, 3))).squeeze(-1)  # type: ignore[no-any-return]


def residual(crops: Tensor) -> Tensor:
    """Return what is left of crops when every second pixel is taken and doubled again, by nearest neighbour.

    Within a block of 2 x 2 pixels these are the differences to its first pixel: the relations among
    neighbours that an up-sampling layer leaves behind (Tan et al., arXiv 2312.10461).

    Args:
        crops: (n, side, side, 3) uint8, the side even.

    Returns:
        (n, 3, side, side) float32, about -1 to 1.
    """
    x = crops.permute(0, 3, 1, 2).float()
    up = x[..., ::2, ::2].repeat_interleave(2, -1).repeat_interleave(2, -2)
    return ((x - up) / RANGE).clamp(-LIMIT, LIMIT)


def train(rows: Rows, side: int, plan: Plan, seed: int) -> tuple[Weights, dict[str, object]]:
    """Train with AdamW; the epoch with the least cross-entropy on the held-out rows is kept.

    Each epoch takes of each row one of its crops, turned and mirrored at random.

    Args:
        rows: Features are flat uint8 crops, (rows, crops * side * side * 3).
        side: Side of a crop in pixels.
        plan: Settings.
        seed: Seed of the start, the order and the crops.
    """
    crops = rows.features.reshape(len(rows.features), -1, side, side, 3)
    fit_on = np.flatnonzero(~rows.held_out & (rows.weights > 0))
    generator = torch.Generator().manual_seed(seeded_digest(seed, "residual-cnn") % 2**63)
    with threads(plan.threads):
        net = ResidualNet(plan.channels)
        net.initialise(generator)
        optimizer = torch.optim.AdamW(net.parameters(), lr=plan.rate, weight_decay=plan.decay)
        best, best_state, waited, epoch, losses = float("inf"), _state(net), 0, 0, []
        while epoch < plan.epochs and waited < plan.patience:
            epoch += 1
            net.train()
            for batch in torch.randperm(len(fit_on), generator=generator).split(plan.batch):  # type: ignore[no-untyped-call]
                _step(net, optimizer, crops, fit_on[batch.numpy()], rows, generator)
            losses.append(_held_out_loss(net, crops, rows))
            if losses[-1] < best - _ENOUGH:
                best, best_state, waited = losses[-1], _state(net), 0
            else:
                waited += 1
    record = {"epochs": epoch, "losses": [round(loss, 6) for loss in losses]}
    return {name: tensor.numpy() for name, tensor in best_state.items()}, record


def infer(weights: Weights, channels: tuple[int, ...], crops: NDArray[np.uint8]) -> Floats:
    """Return logits (rows,): the mean over each row's crops.

    Args:
        weights: Of :func:`train`.
        channels: The network's.
        crops: (rows, crops, side, side, 3).
    """
    net = ResidualNet(channels)
    # Copied: what safetensors or NumPy hands over may not be written to, which torch warns of.
    net.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
    net.eval()
    # A row at a time: how sums are ordered depends on how many pictures there are, and on the threads.
    with threads(1), torch.inference_mode():
        out = [float(net(torch.from_numpy(np.ascontiguousarray(row))).double().mean()) for row in crops]
    return np.array(out, dtype=np.float64)


def shapes(channels: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the network's weights by name."""
    return {name: tuple(tensor.shape) for name, tensor in ResidualNet(channels).state_dict().items()}


def _step(
    net: ResidualNet,
    optimizer: torch.optim.Optimizer,
    crops: NDArray[np.uint8],
    batch: NDArray[np.intp],
    rows: Rows,
    generator: torch.Generator,
) -> None:
    which = torch.randint(crops.shape[1], (len(batch),), generator=generator).numpy()
    images = torch.from_numpy(crops[batch, which])
    turned = torch.randint(8, (len(batch),), generator=generator)
    images = torch.stack([_turn(image, int(turn)) for image, turn in zip(images, turned, strict=True)])
    labels, weights = (torch.from_numpy(column[batch]).float() for column in (rows.labels, rows.weights))
    optimizer.zero_grad()
    loss = F.binary_cross_entropy_with_logits(net(images), labels, weights, reduction="sum") / weights.sum()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _turn(image: Tensor, turn: int) -> Tensor:
    """Return one of the eight ways to lay a square picture (side, side, 3)."""
    image = torch.rot90(image, turn % 4, (0, 1))
    return image.flip(1) if turn >= 4 else image


def _held_out_loss(net: ResidualNet, crops: NDArray[np.uint8], rows: Rows) -> float:
    net.eval()
    held = np.flatnonzero(rows.held_out)
    logits = []
    with torch.inference_mode():
        for start in range(0, len(held), _CHUNK):
            part = torch.from_numpy(crops[held[start : start + _CHUNK]])
            logits.append(net(part.flatten(0, 1)).reshape(part.shape[:2]).mean(1))
    x = torch.cat(logits).double().numpy()
    loss = np.logaddexp(0, x) - rows.labels[held] * x
    return float(np.average(loss, weights=rows.weights[held]))


def _state(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
