"""Facts about the machine and what is installed on it."""

from __future__ import annotations

import os
import platform
import re
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cinemae.mae.runtime import cores
from cinemae.mae.select import cpu_flags

from .results import InstalledSize, Machine

_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_fp16", "avx_vnni")
_PROJECT = Path(__file__).parents[2] / "pyproject.toml"
_PACKAGES = ("cinemae", "numpy", "openvino", "pillow", "torch", "transformers")


def describe_machine() -> Machine:
    """Return what a reader needs to judge the numbers."""
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        cpu=_cpu_name(),
        flags=[flag for flag in _FLAGS if flag in cpu_flags()],
        cores=cores(),
        memory_gb=round(pages / 2**30, 1),
        system=f"{platform.system()} {platform.machine()}",
        load=round(os.getloadavg()[0], 2),
        versions={"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES},
    )


def _cpu_name() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or "unknown"
    facts = dict(re.findall(r"^(model name|cpu family|model|stepping)\s*: (.*)$", text, re.MULTILINE))
    numbers = ", ".join(f"{key} {facts[key]}" for key in ("cpu family", "model", "stepping") if key in facts)
    return f"{facts.get('model name', 'unknown')} ({numbers})"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def installed_size(name: str, *roots: str) -> InstalledSize:
    """Add up the files of distributions and of everything they require, in this environment.

    Optional extras are left out; cinemae itself counts with its package's folder, editable or not.

    Raises:
        importlib.metadata.PackageNotFoundError: If a root is not installed.
    """
    sizes = {distribution: _bytes(distribution) / 1e6 for distribution in _closure(roots)}
    largest = dict(sorted(sizes.items(), key=lambda item: -item[1])[:6])
    total = round(sum(sizes.values()), 1)
    return InstalledSize(name=name, megabytes=total, largest={key: round(value, 1) for key, value in largest.items()})


def _closure(roots: tuple[str, ...]) -> set[str]:
    waiting, found = [canonicalize_name(root) for root in roots], set[str]()
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for text in _requires(name):
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(canonicalize_name(requirement.name))
    return found


def _requires(name: str) -> list[str]:
    if name == "cinemae":  # what this checkout asks for, whatever is installed
        needed: list[str] = tomllib.loads(_PROJECT.read_text())["project"]["dependencies"]
        return needed
    return metadata.requires(name) or []


def _bytes(name: str) -> int:
    if name == "cinemae":
        import cinemae

        return folder_bytes(Path(cinemae.__file__).parent)
    paths = {Path(str(file.locate())).resolve() for file in metadata.files(name) or []}
    return sum(path.stat().st_size for path in paths if path.is_file())


def folder_bytes(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
