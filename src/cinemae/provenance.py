"""What made a result: the command, the code and the versions of what computes under it."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Self

from pydantic import BaseModel, ConfigDict

import cinemae

_PACKAGES = ("numpy", "openvino", "pillow", "scikit-learn", "torch")


class Run(BaseModel):
    """What made an evaluation, as far as its figures may depend on it.

    Attributes:
        command: The command, as it could be typed again.
        version: Of cinemae.
        python: Version of Python.
        platform: Operating system and processor.
        packages: Versions of what decodes and computes, of those that are installed.
        seed: Seed of alignment, corruptions and bootstrap.
        limit: At most this many images of each generator and class; None for all.
        heads: Fingerprint of each head, by its name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str
    version: str
    python: str
    platform: str
    packages: dict[str, str]
    seed: int
    limit: int | None
    heads: dict[str, str]

    @classmethod
    def here(cls, command: str, *, seed: int, limit: int | None, heads: dict[str, str]) -> Self:
        """Describe a run of this process."""
        return cls(
            command=command,
            version=cinemae.__version__,
            python=platform.python_version(),
            platform=f"{platform.system()} {platform.machine()}",
            packages={name: found for name in _PACKAGES if (found := _version(name))},
            seed=seed,
            limit=limit,
            heads=heads,
        )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
