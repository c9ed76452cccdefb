"""Environments that hold one built artefact and what it says that it needs, and nothing of the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def copy_tree(target: Path, names: Iterable[str] | None = None) -> Path:
    """Copy parts of the checkout; None copies all but what tools leave there."""
    left_out = shutil.ignore_patterns(
        "__pycache__", ".git", ".venv*", ".*_cache", ".hypothesis", "dist", ".cinemae-cache"
    )
    for name in names or sorted(entry.name for entry in ROOT.iterdir()):
        source = ROOT / name
        if names is None and left_out(str(ROOT), [name]):
            continue
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=left_out, dirs_exist_ok=True)
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / name)
    return target


def build(tree: Path, out: Path, *what: str) -> None:
    """Build artefacts with the backend that is installed here; the network is not needed."""
    command = [sys.executable, "-m", "build", "--no-isolation", *what, "--outdir", str(out), str(tree)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def needed(requirements: Iterable[str]) -> list[Distribution]:
    """Return the distributions here that some requirements bring, with all that these need."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    stack = [Requirement(text) for text in requirements]
    while stack:
        wanted = stack.pop()
        name = canonicalize_name(wanted.name)
        for extra in ("", *sorted(wanted.extras)):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            found[name] = distribution(name)
            for text in found[name].requires or ():
                below = Requirement(text)
                if below.marker is None or below.marker.evaluate({"extra": extra}):
                    stack.append(below)
    return list(found.values())


class Environment:
    """A virtual environment whose packages are links to those that are installed here.

    Attributes:
        place: Its folder.
        python: Its interpreter.
    """

    def __init__(self, place: Path) -> None:
        """Make it; it is empty, without pip even."""
        self.place = place
        venv.create(place, symlinks=True, with_pip=False)
        self.python = place / "bin" / "python"
        self.packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(place), "platbase": str(place)}))

    def link(self, requirements: Iterable[str]) -> None:
        """Put in what some requirements bring."""
        for each in needed(requirements):
            for top in _tops(each):
                target = self.packages / top
                if not target.exists():
                    target.symlink_to(Path(str(each.locate_file(top))))

    def install(self, what: str) -> str:
        """Let pip install an artefact, with what is there and nothing from the network; returns what pip said.

        A requirement that is not there, or not of a version that is asked for, fails.
        """
        options = ["--no-index", "--no-build-isolation", "--disable-pip-version-check", "--no-compile"]
        command = [sys.executable, "-m", "pip", "--python", str(self.python), "install", *options, what]
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.place, env=clean)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, *arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """Run its Python from its own folder; nothing of the checkout can be imported."""
        command = [str(self.python), "-I", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=self.place, timeout=timeout)


def _tops(each: Distribution) -> Iterator[str]:
    """Yield the names directly in site-packages that a distribution has."""
    names = {file.parts[0] for file in each.files or ()} - {"..", "__pycache__"}
    yield from sorted(names)
