"""One run: the groups in turn, then the files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from cinemae.mae.config import ARCHITECTURES, ViTMAEConfig
from cinemae.mae.runtime import cores
from cinemae.mae.select import resolve_precision

from . import GROUPS, QUICK, acceptance
from .gemm import peak_gemm
from .machine import describe_machine, installed_size
from .markdown import to_markdown
from .pictures import write_jpegs
from .processes import cold_start_group, detect_arguments, memory_points
from .profile import profile
from .results import Group, InstalledSize, MemoryPoint, Report
from .rounds import Contender
from .shipped import end_to_end_group, shipped_group
from .vit import encoders_group, vit_group

SMALL = ViTMAEConfig(
    width=192, depth=6, heads=3, mlp_width=768,
    decoder_width=128, decoder_depth=2, decoder_heads=4, decoder_mlp_width=512,
)  # fmt: skip
MEMORY_SIDE = 64  # small pictures: what is measured is memory, and 10,000 of them should not take hours


class Run:
    """The settings of a run and what its groups share."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.quick, self.folder, self.images = options.quick, folder, options.images
        self.rounds = options.rounds or (3 if self.quick else 7)
        self.memory = options.memory or ([30, 120] if self.quick else [100, 1000, 10000])
        self.threads = cores()
        self.precision = resolve_precision(options.precision, "cpu")
        torch.set_num_threads(self.threads)
        self._peak: Contender | None = None
        self._arguments: list[str] | None = None

    @property
    def peak(self) -> Contender:
        """The machine's best matrix product, found when it is first needed."""
        if self._peak is None:
            shapes = {"shapes": ((512, 1024),)} if self.quick else {}
            self._peak = peak_gemm(self.precision, self.threads, **shapes)
        return self._peak

    @property
    def arguments(self) -> list[str]:
        """What the command line needs to score with the shipped MAEs."""
        if self._arguments is None:
            self._arguments = detect_arguments()
        return self._arguments

    def vit(self, name: str, config: ViTMAEConfig) -> Group:
        """Measure one ViT shape."""
        return vit_group(
            name,
            config,
            precision=self.precision,
            threads=self.threads,
            peak=self.peak,
            rounds=5 * self.rounds if self.quick else self.rounds,  # short calls, easily disturbed
            also=not self.quick,
        )

    def groups(self) -> dict[str, Callable[[], Group]]:
        """Return how each group is measured."""
        shared: dict[str, Any] = {"precision": self.precision, "threads": self.threads, "rounds": self.rounds}

        def shape(name: str) -> Callable[[], Group]:
            config = ARCHITECTURES[name]
            assert isinstance(config, ViTMAEConfig)
            return lambda: self.vit(name, config)

        def end_to_end() -> Group:
            return end_to_end_group(
                write_jpegs(self.folder / "photos", self.images), arguments=self.arguments, **shared
            )

        return {
            "vit-small": lambda: self.vit("vit-small", SMALL),
            "vit-base": shape("vit-base"),
            "vit-large": shape("vit-large"),
            "encoders": lambda: encoders_group(peak=self.peak, **shared),
            "shipped": lambda: shipped_group(peak=self.peak, **shared),
            "end-to-end": end_to_end,
            "cold-start": lambda: cold_start_group(
                self.folder, self.arguments, rounds=self.rounds, uncompiled=not self.quick
            ),
        }

    def measure_memory(self) -> list[MemoryPoint]:
        """Measure peak memory over sets of rising size."""
        return memory_points(self.folder, self.arguments, self.memory, MEMORY_SIDE)


def run(options: argparse.Namespace, folder: Path) -> int:
    """Measure, write the files and return the exit status."""
    this = Run(options, folder)
    if options.profile:
        print(profile(options.profile, this.precision, this.threads))
        return 0
    wanted = options.only or (QUICK if this.quick else GROUPS)
    machine = describe_machine()
    groups: list[Group] = []
    for name, measure in this.groups().items():
        if name in wanted:
            _say(name)
            groups.append(measure())
    memory = []
    if "memory" in wanted:
        _say("memory")
        memory = this.measure_memory()
    report = Report(
        machine=machine,
        precision=this.precision,
        rounds=this.rounds,
        quick=this.quick,
        groups=groups,
        memory=memory,
        sizes=_sizes() if "size" in wanted else [],
    )
    judged = acceptance.regressions(report) if this.quick else acceptance.targets(report)
    report = report.model_copy(update={"targets": judged})
    write(report, options.out)
    return 1 if this.quick and not all(target.met for target in judged) else 0


def write(report: Report, out: Path) -> None:
    """Write the three files and print the tables."""
    from .plot import draw

    out.mkdir(parents=True, exist_ok=True)
    (out / "performance.json").write_text(report.model_dump_json(indent=1))
    tables = to_markdown(report)
    (out / "performance.md").write_text(tables)
    if report.groups:
        draw(report, out / "performance.png")
    print(tables)


def _sizes() -> list[InstalledSize]:
    return [installed_size("cinemae", "cinemae"), installed_size("torch and transformers", "torch", "transformers")]


def _say(name: str) -> None:
    print(f"measuring {name}", file=sys.stderr, flush=True)
