"""Ablations: one method becomes many, each with one thing changed, or with every combination."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from cinemae.compare.errors import CompareError
from cinemae.compare.settings import short_text

Scalar = bool | int | float | str | None
Settings = dict[str, Any]


class Ablations(BaseModel):
    """What is varied of one method.

    Attributes:
        base: Name of the method; of kind ``head``.
        axes: By the dotted path of a training setting, the values that it takes in turn: a list of plain
            values, or values by name, which may be anything that can stand there.
        grid: Whether to form every combination of the axes' values instead of changing one at a time.
        variants: By a method's name, several settings that change together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: str
    axes: dict[str, list[Any] | dict[str, Any]] = Field(default_factory=dict)
    grid: bool = False
    variants: dict[str, Settings] = Field(default_factory=dict)

    @field_validator("axes")
    @classmethod
    def _plain(cls, axes: dict[str, list[Any] | dict[str, Any]]) -> dict[str, list[Any] | dict[str, Any]]:
        for path, values in axes.items():
            if not values:
                raise ValueError(f"{path}: no values")
            if isinstance(values, list) and not all(isinstance(value, Scalar) for value in values):
                raise ValueError(f"{path}: values that are not plain need names, as in {{name: value}}")
        return axes

    def expand(self) -> dict[str, Settings]:
        """Return the settings of each new method by its name.

        An axis gives ``BASE PATH=VALUE``, a grid ``BASE PATH=VALUE PATH=VALUE``, a variant its own name.

        Raises:
            CompareError: If two of them have one name.
        """
        choices = [
            [(f"{path}={label}", {path: value}) for label, value in labelled(values).items()]
            for path, values in self.axes.items()
        ]
        combinations = itertools.product(*choices) if self.grid else ((choice,) for axis in choices for choice in axis)
        found: dict[str, Settings] = {}
        for combination in combinations:
            if combination:  # the product of no axes is one empty combination
                name = " ".join([self.base, *(label for label, _ in combination)])
                _add(found, name, {path: value for _, setting in combination for path, value in setting.items()})
        for name, settings in self.variants.items():
            _add(found, name, settings)
        return found


def labelled(values: list[Any] | Mapping[str, Any]) -> dict[str, Any]:
    """Return an axis's values by the label that they have in a method's name."""
    return dict(values) if isinstance(values, Mapping) else {short_text(value): value for value in values}


def _add(found: dict[str, Settings], name: str, settings: Settings) -> None:
    if name in found:
        raise CompareError(f"ablations: two methods are called {name!r}")
    found[name] = settings
