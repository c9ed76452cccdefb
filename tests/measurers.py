"""A measurer that needs no model. It stands here because worker processes must be able to import it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class CornerMeasurer:
    """Levels of the picture's corner: ``mean`` as float32, ``corner`` as 2 x 2 x 3 uint8.

    Attributes:
        parts: As every measurer's.
        log: A file that gets a line for each part measured.
    """

    parts: dict[str, str] = field(default_factory=lambda: {"corner": ""})
    log: str | None = None
    width: int = 12
    dtype: np.dtype = field(default_factory=lambda: np.dtype(np.uint8))

    def build(self) -> Callable[[np.ndarray, str], np.ndarray]:
        def measure(pixels: np.ndarray, part: str) -> np.ndarray:
            if self.log is not None:
                with Path(self.log).open("a") as stream:
                    stream.write(f"{part}\n")
            corner = pixels[:2, :2]
            return corner.astype(np.float32).mean((0, 1)) if part == "mean" else corner.flatten()

        return measure
