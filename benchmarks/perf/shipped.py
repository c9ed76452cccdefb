"""The shipped MAEs: their networks against plain torch, and everything from the file to the verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cinemae.detector import Detector
from cinemae.features.extractor import FeatureExtractor, views_of
from cinemae.features.spec import DEFAULT_BACKBONES, FeatureSpec, default_scales
from cinemae.loading import build_extractor
from cinemae.mae.config import ConvMAEConfig, ViTMAEConfig
from cinemae.mae.conv import ConvMAE, condition_on_colour
from cinemae.mae.modules import to_module
from cinemae.mae.runtime import Runtime
from cinemae.verdict import Precision, Verdict

from . import flops, references
from .pictures import photographs
from .processes import detect_command, headless, run_process
from .results import Group
from .rounds import Contender, measure
from .vit import AUTOCAST, BATCH, LATENCY, NAIVE, THROUGHPUT, in_threads, repeat

NETWORKS = "networks only, one thread a core"
EXTRACT = "features of decoded images, one thread a core"
Masks = NDArray[np.bool_]


@dataclass(frozen=True)
class Task:
    """One view for one network.

    Attributes:
        scale: Where it belongs.
        runtime: What runs it.
        view: Its pixels.
        hidden: Its masks; none where only the encoder's features are wanted.
        layers: Middle blocks whose features are wanted.
    """

    scale: str
    runtime: Runtime
    view: NDArray[np.uint8]
    hidden: Masks
    layers: tuple[int, ...]

    @property
    def flops(self) -> int:
        """Useful operations of all its passes."""
        config, passes = self.runtime.mae.config, len(self.hidden)
        if isinstance(config, ConvMAEConfig):
            return flops.conv_flops(config, passes, *self.view.shape[:2])
        return flops.vit_flops(config, passes, int((~self.hidden[0]).sum()) if passes else 0)


def shipped_extractor(precision: Precision, jobs: int, threads: int) -> FeatureExtractor:
    """Return the shipped MAEs with the default scales."""
    spec = FeatureSpec(scales=default_scales())
    return build_extractor(dict(DEFAULT_BACKBONES), spec, device="cpu", precision=precision, jobs=jobs, threads=threads)


def tasks_of(extractor: FeatureExtractor, pixels: NDArray[np.uint8]) -> list[Task]:
    """Return the views that an extractor makes of an image."""
    out = []
    for scale, spec in extractor.spec.scales.items():
        backbone = extractor.backbones[scale]
        for view in views_of(pixels, spec):
            grid = (view.shape[0] // backbone.patch, view.shape[1] // backbone.patch)
            hidden = np.zeros((0, *grid), dtype=np.bool_) if spec.masks is None else spec.masks.hidden(grid)
            out.append(Task(scale, backbone.runtime, view, hidden, spec.layers))
    return out


def shipped_group(*, precision: Precision, threads: int, peak: Contender, rounds: int) -> Group:
    """Measure the shipped networks against the same shapes in transformers and torch."""
    pixels = np.asarray(photographs((1024,))[0])
    alone, shared = (shipped_extractor(precision, jobs, threads) for jobs in (1, threads))
    one, many = tasks_of(alone, pixels), tasks_of(shared, pixels)
    useful = sum(task.flops for task in one)
    count = 8 * threads
    contenders = [
        *torch_contenders(one, useful),
        Contender(LATENCY, repeat(lambda: _side_by_side(one), 4), 4, useful),
        Contender(THROUGHPUT, in_threads(lambda: _one_by_one(many), count, threads), count, useful),
        peak,
    ]
    title = "shipped MAEs, the networks of all scales"
    group = measure("shipped", title, contenders, baseline=NAIVE, rounds=rounds)
    group.notes.append(f"{useful / 1e9:.1f} useful GFLOP an image")
    return group


def _one_by_one(tasks: list[Task]) -> None:
    for task in tasks:
        task.runtime.view(task.view, task.hidden, task.layers)


def _side_by_side(tasks: list[Task]) -> None:
    """Run the scales of one image beside each other, as the extractor does."""
    scales = list(dict.fromkeys(task.scale for task in tasks))
    with ThreadPoolExecutor(len(scales)) as pool:
        list(pool.map(lambda scale: _one_by_one([task for task in tasks if task.scale == scale]), scales))


def torch_contenders(tasks: list[Task], useful: int) -> list[Contender]:
    """Return the same networks without cinemae's runtimes, naive and the strongest easy way.

    transformers has no logistic output, so its ViT predicts half as many numbers a patch.
    """
    vits: dict[str, Any] = {}
    runs: list[Callable[[int, bool], object]] = []
    for task in tasks:
        config = task.runtime.mae.config
        if isinstance(config, ViTMAEConfig):
            if task.scale not in vits:
                vits[task.scale] = references.HuggingFaceMAE(references.hub_model(config))
            runs.append(_vit_run(vits[task.scale], task, config))
        else:
            runs.append(_conv_run(to_module(task.runtime.mae), task))
    return [
        Contender(NAIVE, lambda: [run(1, False) for run in runs], 1, useful),
        Contender(AUTOCAST, lambda: [run(BATCH, True) for run in runs], BATCH, useful),
    ]


def _vit_run(vit: references.HuggingFaceMAE, task: Task, config: ViTMAEConfig) -> Callable[[int, bool], object]:
    pixels = references.normalised(task.view, config, BATCH)
    return lambda batch, autocast: vit.run(pixels[:batch], task.hidden, autocast)


def _conv_run(module: Any, task: Task) -> Callable[[int, bool], object]:
    assert isinstance(module, ConvMAE)
    array = task.view.astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
    images = torch.from_numpy(np.ascontiguousarray(array)).repeat(BATCH, 1, 1, 1)
    masks = torch.from_numpy(task.hidden)[:, None, None]  # (passes, 1, 1, height, width)

    @torch.inference_mode()
    def run(batch: int, autocast: bool) -> object:
        out = []
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            for mask in masks:
                hidden = mask.expand(batch, -1, -1, -1)
                encoded = module.encode(images[:batch], hidden)
                decoded = module.decode(encoded[-1], images[:batch], hidden)
                out.append(condition_on_colour(decoded, images[:batch]))
        return out

    return run


def end_to_end_group(
    paths: list[Path], *, precision: Precision, threads: int, rounds: int, arguments: list[str] | None = None
) -> Group:
    """Measure everything from JPEG files to verdicts, with its parts.

    Args:
        paths: The files.
        precision: Of the networks.
        threads: Cores.
        rounds: Rounds that count.
        arguments: More arguments of ``cinemae detect``; None leaves the command line out.
    """
    from cinemae.images import load_image

    count = len(paths)
    detectors = {jobs: Detector(shipped_extractor(precision, jobs, threads), None, jobs=jobs) for jobs in (1, threads)}
    extractor = detectors[threads].extractor
    images = [load_image(path).pixels for path in paths[:6]]
    networks = [_replay(task) for pixels in images for task in tasks_of(extractor, pixels)]
    extracts = [partial(extractor.extract, pixels) for pixels in images]
    several = max(1, round(count / len(images)))
    contenders = [
        Contender(NETWORKS, _spread_out(networks, several, threads), several * len(images)),
        Contender(EXTRACT, _spread_out(extracts, several, threads), several * len(images)),
        *(
            Contender(f"Detector.detect, jobs={jobs}", partial(_detect, detectors[jobs], paths), count)
            for jobs in sorted(detectors, reverse=True)
        ),
    ]
    if arguments is not None:
        command = [*detect_command(arguments), "--precision", precision, *map(str, paths)]
        contenders.append(
            Contender("cinemae detect --json, whole process", lambda: run_process(command)[0], count, tells=True)
        )
    title = "from JPEG files of 512 to 1500 pixels to verdicts"
    group = measure("end-to-end", title, contenders, baseline=NETWORKS, rounds=rounds)
    group.notes.extend(headless(arguments or []))
    return group


def _detect(detector: Detector, paths: list[Path]) -> list[Verdict]:
    return list(detector.detect(paths))


def _spread_out(runs: Sequence[Callable[[], object]], times: int, threads: int) -> Callable[[], object]:
    pool = ThreadPoolExecutor(threads)
    return lambda: [future.result() for future in [pool.submit(run) for _ in range(times) for run in runs]]


def _replay(task: Task) -> Callable[[], object]:
    """Return a call of a task's network alone, on the inputs that :meth:`Runtime.view` prepares for it."""
    name = "_vit" if isinstance(task.runtime.mae.config, ViTMAEConfig) else "_conv"
    network, seen = getattr(task.runtime, name), []

    def listen(*arguments: object) -> object:
        seen.append(arguments)
        return network(*arguments)

    setattr(task.runtime, name, listen)
    try:
        task.runtime.view(task.view, task.hidden, task.layers)
    finally:
        delattr(task.runtime, name)  # the class's own method again
    return lambda: network(*seen[0])
