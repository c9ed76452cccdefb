"""Pre-training of an MAE by NLL, with exact resume.

Everything random in step t (which tiles, crops, flips, masks) is drawn from a generator seeded by
(seed, t), so a resumed run needs no random state: it takes the same steps as an unbroken one.
"""

from __future__ import annotations

import copy
import json
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from cinemae.mae.checkpoint import ENCODER_FILE, CheckpointRecord, save_mae
from cinemae.mae.config import ARCHITECTURES, ViTMAEConfig
from cinemae.mae.conv import ConvMAE
from cinemae.mae.errors import CheckpointError
from cinemae.mae.frozen import FrozenMAE, encoder_config
from cinemae.mae.load import load_backbone
from cinemae.mae.modules import Module, build, to_frozen
from cinemae.pretrain.config import PretrainConfig
from cinemae.pretrain.objective import draw_batch, masked_nll

log = logging.getLogger(__name__)
NATS_TO_BITS = 1 / math.log(2)
VALIDATION_BATCHES = 8
REPORT_EVERY = 20  # steps


class RunMismatchError(ValueError):
    """A folder holds a run with other settings than those it should be resumed with."""


class Trainer:
    """State of one run: float32 master weights, their fast copy, the optimiser, the average."""

    def __init__(self, config: PretrainConfig, tiles: NDArray[np.uint8], out: Path, device: str = "cpu") -> None:
        """Start a run in ``out``, or take up the one that is there.

        Raises:
            RunMismatchError: If ``out`` holds a run with other settings.
            ValueError: If there are too few tiles to hold one out, or they are smaller than a crop.
        """
        if len(tiles) < 2 or tiles.shape[1] < config.crop:
            raise ValueError(f"tiles of shape {tiles.shape} for crops of {config.crop}: too few or too small")
        self.config, self.out, self.device = config, out, device
        held = max(1, int(len(tiles) * config.validation))
        self.held_out, self.tiles = tiles[:held], tiles[held:]
        self.encoder = None if config.encoder is None else load_backbone(config.encoder).mae.encoder
        self.master = start(config, self.encoder).to(device)
        self.average = copy.deepcopy(self.master).requires_grad_(False)
        fast = copy.deepcopy(self.master).to(torch.bfloat16 if config.precision == "bf16" else torch.float32)
        self.fast = channels_last(fast)
        matrices = [p for p in trained(self.master) if p.ndim > 1]
        others = [p for p in trained(self.master) if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=config.peak_rate,
            betas=(0.9, 0.95),
        )
        self.step, self.seconds = 0, 0.0
        out.mkdir(parents=True, exist_ok=True)
        self._resume()

    @property
    def progress(self) -> float:
        """Share of the schedule that is done, 0 to 1."""
        if self.config.minutes is not None:
            return min(1.0, self.seconds / (60 * self.config.minutes))
        return min(1.0, self.step / (self.config.steps or 1))

    def run(self, report: Callable[[dict[str, float]], None] = lambda line: None) -> Module:
        """Train to the end of the schedule; returns the averaged model, saved in ``out``.

        Checkpoints fall on log lines only, so that a resumed run's next line is the mean over the
        same steps as an unbroken run's.

        Args:
            report: Called with each log line (every ``REPORT_EVERY`` steps).
        """
        saved = time.monotonic()
        window: list[float] = []
        while self.progress < 1:
            start = time.monotonic()
            window.append(self._train_step())
            self.seconds += time.monotonic() - start
            if self.step % REPORT_EVERY and self.progress < 1:
                continue
            report(self._write_log(bits_per_dim=float(np.mean(window)) * NATS_TO_BITS))
            window.clear()
            if self.progress < 1 and time.monotonic() - saved > 60 * self.config.save_minutes:
                self.save()
                report(self._write_log(validation_bits_per_dim=self.validate()))
                saved = time.monotonic()
        self.save()
        report(self._write_log(validation_bits_per_dim=self.validate()))
        return self.average

    def _train_step(self) -> float:
        rate = self.config.peak_rate * learning_rate(self.progress, self.config.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        images, hidden = draw_batch(self.tiles, self.config, self.master.config, self.step)
        loss = masked_nll(self.fast, images.to(self.device), hidden.to(self.device))
        loss.backward()  # type: ignore[no-untyped-call]
        masters, copies = trained(self.master), trained(self.fast)
        for master, fast in zip(masters, copies, strict=True):
            master.grad = None if fast.grad is None else fast.grad.float()
            fast.grad = None
        torch.nn.utils.clip_grad_norm_(masters, 1.0)
        self.optimizer.step()
        self.step += 1
        with torch.no_grad():
            # A short memory at first, so that the average forgets the random start.
            decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
            names = [name for name, parameter in self.master.named_parameters() if parameter.requires_grad]
            averages = dict(self.average.named_parameters())
            torch._foreach_lerp_([averages[name] for name in names], list[Tensor](masters), 1 - decay)
            for master, fast in zip(masters, copies, strict=True):
                fast.copy_(master)
        return float(loss.detach())

    @torch.no_grad()
    def validate(self) -> float:
        """Return the averaged model's bits per sub-pixel on held-out tiles, always the same ones and masks."""
        losses = []
        for number in range(VALIDATION_BATCHES):
            images, hidden = draw_batch(self.held_out, self.config, self.master.config, -1 - number)
            losses.append(float(masked_nll(self.average, images.to(self.device), hidden.to(self.device))))
        return float(np.mean(losses)) * NATS_TO_BITS

    def save(self) -> None:
        """Write the whole state atomically, and the averaged model beside it."""
        tensors: dict[str, Tensor] = {}
        for name, module in (("master", self.master), ("average", self.average)):
            kept = {key: value for key, value in module.state_dict().items() if not self._is_frozen(key)}
            tensors |= {f"{name}.{key}": value.detach().contiguous() for key, value in kept.items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{key}": value.contiguous() for key, value in state.items()}
        metadata = {"step": str(self.step), "seconds": repr(self.seconds), "config": self.config.model_dump_json()}
        partial = self.out / "state.partial"
        save_file(tensors, partial, metadata)
        partial.replace(self.out / "state.safetensors")
        training = {"step": self.step, "seconds": round(self.seconds), "config": self.config.model_dump(mode="json")}
        record = CheckpointRecord(architecture=self.master.config, training=training)
        mae = to_frozen(self.average)
        if self.encoder is not None:  # as it was read, int8 matrices included
            own = {name: tensor for name, tensor in mae.tensors.items() if not self._is_frozen(name)}
            mae = FrozenMAE.of(self.master.config, self.encoder.tensors | own, str(self.out))
            record = record.model_copy(update={"encoder": ENCODER_FILE})
        save_mae(self.out, mae, record)

    def _is_frozen(self, name: str) -> bool:
        return self.encoder is not None and name in self.encoder.tensors

    def _resume(self) -> None:
        path = self.out / "state.safetensors"
        if not path.exists():
            (self.out / "log.jsonl").unlink(missing_ok=True)
            return
        metadata = check_resumable(self.out, self.config)
        tensors = load_file(path)
        for name, module in (("master", self.master), ("average", self.average), ("master", self.fast)):
            prefix = name + "."
            found = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            missing, unknown = module.load_state_dict(found, strict=False)
            if unknown or not all(map(self._is_frozen, missing)):
                raise RunMismatchError(f"{path}: not of this network: {[*missing, *unknown][:5]}")
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, number, name = key.split(".")
                state.setdefault(int(number), {})[name] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        self.step, self.seconds = int(metadata["step"]), float(metadata["seconds"])
        self._truncate_log()
        log.info("resumed %s at step %d", self.out, self.step)

    def _truncate_log(self) -> None:
        """Drop what a killed run logged after its last checkpoint; those steps are taken again."""
        path = self.out / "log.jsonl"
        kept = []
        for line in path.read_text().splitlines() if path.exists() else []:
            try:
                if json.loads(line)["step"] <= self.step:
                    kept.append(line + "\n")
            except json.JSONDecodeError:
                log.warning("%s: dropped a half-written line", path)
        path.write_text("".join(kept))

    def _write_log(self, **values: float) -> dict[str, float]:
        done = self.progress
        eta = self.seconds * (1 - done) / done if done else math.nan
        line = {"step": self.step, "seconds": round(self.seconds, 1), "eta": round(eta), **values}
        with (self.out / "log.jsonl").open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        return line


def start(config: PretrainConfig, encoder: FrozenMAE | None) -> Module:
    """Return the network that a run begins with: random weights, but for an encoder that is given, which is frozen.

    Args:
        config: Settings.
        encoder: The frozen encoder.

    Raises:
        CheckpointError: If the encoder is not of the configuration's architecture.
    """
    network = build(ARCHITECTURES[config.architecture])
    network.initialise(torch.Generator().manual_seed(config.seed))
    if encoder is None:
        return network
    if not isinstance(network.config, ViTMAEConfig) or encoder_config(network.config) != encoder.config:
        raise CheckpointError(f"{config.encoder}: its encoder is not that of {config.architecture}")
    own = {name: tensor.numpy() for name, tensor in network.state_dict().items() if name not in encoder.tensors}
    FrozenMAE.of(network.config, encoder.tensors | own, config.encoder or "the encoder")
    network.load_state_dict({name: torch.from_numpy(encoder.floats(name)) for name in encoder.names}, strict=False)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name not in encoder.tensors)
    return network


def trained(network: Module) -> list[torch.nn.Parameter]:
    """Return the parameters that are not frozen."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def check_resumable(out: Path, config: PretrainConfig) -> dict[str, str]:
    """Check that a run can be started or resumed in a folder.

    The length of the schedule and the time between checkpoints may differ from the saved run's,
    to train it further; nothing else may.

    Returns:
        The saved run's metadata (``step``, ``seconds``, ``config``); empty if there is none.

    Raises:
        RunMismatchError: If the folder holds a run with other settings; the message names them.
    """
    path = out / "state.safetensors"
    if not path.exists():
        return {}
    with safe_open(path, framework="pt") as stream:
        metadata: dict[str, str] = stream.metadata()
    saved = PretrainConfig.model_validate_json(metadata["config"]).model_dump(mode="json")
    wanted = config.model_dump(mode="json")
    free = ("steps", "minutes", "save_minutes")
    other = [name for name in wanted if name not in free and saved[name] != wanted[name]]
    if other:
        raise RunMismatchError(
            f"{out} holds a run with other settings ({', '.join(other)}); give another folder or the same settings"
        )
    return metadata


def learning_rate(progress: float, warmup: float) -> float:
    """Return the share of the peak rate at ``progress``: linear warm-up, then a half cosine to 0.01."""
    if progress < warmup:
        return max(0.01, progress / warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def channels_last(mae: Module) -> Module:
    """Lay out a convolutional net's weights for fast CPU convolution."""
    return mae.to(memory_format=torch.channels_last) if isinstance(mae, ConvMAE) else mae  # type: ignore[call-overload]
