"""What made a comparison: configuration, code, machine. With it the comparison can be made again."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

import cinemae
from cinemae.compare.config import CompareConfig
from cinemae.compare.schema import SetRecord
from cinemae.verdict import Precision

PACKAGES = ("ml-dtypes", "numpy", "openvino", "pillow", "pydantic", "safetensors", "scikit-learn", "scipy", "torch")
_NO_SCORE_DEPENDS_ON = ("audit", "cli", "export", "maps", "metrics", "pretrain", "published", "report", "serve")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Code(_Frozen):
    """Which code ran.

    Attributes:
        version: Of cinemae.
        sources: Hash of the package's modules, but for those that no score depends on.
        commit: Of the git checkout that the package lies in; None if it lies in none.
        changed: Whether tracked files of the package differ from that commit.
    """

    version: str
    sources: str
    commit: str | None
    changed: bool | None


class Environment(_Frozen):
    """What it ran on.

    Attributes:
        python: Version.
        platform: Operating system.
        cpu: Model of the processor.
        cores: Cores that this process may use.
        packages: Versions of the packages that numbers depend on, of those that are installed.
    """

    python: str
    platform: str
    cpu: str
    cores: int
    packages: dict[str, str]


class RunRecord(_Frozen):
    """``run.json``: enough to make the comparison again, by ``cinemae compare run.json``.

    Attributes:
        format: Version of this layout.
        config: The configuration with all that the command line changed.
        code: The code.
        environment: The machine.
        precision: What the MAEs computed in.
        sets: The images.
        started: When the last sitting began, UTC.
        finished: When the comparison was complete; None before.
        seconds: For each method, the time of its fit and its scores; not of measuring, which methods share.
    """

    format: Literal[1] = 1
    config: CompareConfig
    code: Code
    environment: Environment
    precision: Precision
    sets: dict[str, SetRecord]
    started: datetime
    finished: datetime | None = None
    seconds: dict[str, float] = {}


def now() -> datetime:
    """Return the time, UTC, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


@cache
def code() -> Code:
    """Describe the running code."""
    folder = Path(cinemae.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).as_posix()
        if name.split("/")[0] not in _NO_SCORE_DEPENDS_ON:
            digest.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    commit = _git(folder, "rev-parse", "HEAD") if _git(folder, "ls-files", "__init__.py") else None
    changed = None if commit is None else bool(_git(folder, "status", "--porcelain", "--", "."))
    return Code(version=cinemae.__version__, sources=digest.hexdigest()[:16], commit=commit or None, changed=changed)


def environment() -> Environment:
    """Describe the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        cpu=_cpu(),
        cores=cores,
        packages={name: found for name in PACKAGES if (found := _version(name)) is not None},
    )


def _git(folder: Path, *arguments: str) -> str:
    """Ask git; empty where there is no git, or the folder is in no checkout."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
