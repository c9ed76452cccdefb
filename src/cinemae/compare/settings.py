"""Settings by dotted path: what one method changes of the training that all share."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from cinemae.compare.errors import CompareError
from cinemae.fusion.config import TrainConfig

COLLECTIONS = ("scales", "backbones", "families", "fit.parts")
"""Settings whose parts have free names, and can be added or taken out."""


def with_settings(config: TrainConfig, settings: Mapping[str, Any]) -> TrainConfig:
    """Return a training with some settings changed.

    A path such as ``fit.parts.tokens.axes`` leads to one setting. What is given replaces all that
    lies there: ``{"fit": {"folds": 3}}`` also brings the fit's other settings back to their defaults,
    ``{"fit.folds": 3}`` does not. None takes a scale or a part out: ``{"fit.parts.likelihood": None}``.

    Args:
        config: The training to start from.
        settings: Values by path, applied in this order.

    Raises:
        CompareError: If a path leads nowhere or a value is not allowed; the message names the path.
    """
    values = config.model_dump(mode="json")
    for path, value in settings.items():
        *above, last = path.split(".")
        place: Any = values
        for number, step in enumerate(above):
            if not isinstance(place, dict) or step not in place:
                raise CompareError(f"{path}: no setting {'.'.join(above[: number + 1])}{_choice(place)}")
            place = place[step]
        if not isinstance(place, dict):
            raise CompareError(f"{path}: {'.'.join(above)} has no parts")
        if value is None and ".".join(above) in COLLECTIONS:
            if last not in place:
                raise CompareError(f"{path}: there is none to take out{_choice(place)}")
            del place[last]
            continue
        place[last] = copy.deepcopy(value)  # a later path may lead into it
    try:
        return TrainConfig.model_validate(values)
    except ValidationError as error:
        raise CompareError(f"{_blamed(settings, error)}: {first_problem(error)}") from error


def changed(config: BaseModel, base: BaseModel) -> dict[str, Any]:
    """Return what differs between two settings of one type, by dotted path."""
    return dict(_differences(config.model_dump(mode="json"), base.model_dump(mode="json"), ""))


def first_problem(error: ValidationError) -> str:
    """Return the first of a validation's problems in one line: where, and what."""
    problem = error.errors(include_url=False)[0]
    where = ".".join(str(step) for step in problem["loc"])
    text = str(problem["msg"]).removeprefix("Value error, ")
    return f"{where}: {text}" if where else text


def short_text(value: Any) -> str:
    """Return a value as it stands in a method's name: text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _blamed(settings: Mapping[str, Any], error: ValidationError) -> str:
    """The path that the first problem comes from, with what was given; all of them if it is none alone."""
    where = ".".join(str(step) for step in error.errors()[0]["loc"])
    guilty = [path for path in settings if where == path or where.startswith(f"{path}.")]
    return ", ".join(f"{path} = {short_text(settings[path])}" for path in guilty or settings)


def _choice(place: Any) -> str:
    return f"; there are {', '.join(place)}" if isinstance(place, dict) else ""


def _differences(mine: Any, other: Any, path: str) -> list[tuple[str, Any]]:
    if mine == other:
        return []
    if not (isinstance(mine, dict) and isinstance(other, dict) and mine.keys() == other.keys()):
        return [(path, mine)]
    inside = f"{path}." if path else ""
    return [pair for key in mine for pair in _differences(mine[key], other[key], f"{inside}{key}")]
