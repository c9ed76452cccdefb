"""Reading a comparison's configuration: YAML, JSON, or the record of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cinemae.compare.config import CompareConfig
from cinemae.compare.errors import CompareError
from cinemae.compare.settings import first_problem
from cinemae.extras import install_hint
from cinemae.plainfiles import EncodingError, read_text

SHIPPED = "configs"
"""Folder of the package with the configurations that it ships; in a checkout they lie at its root."""


def find_config(file: Path) -> Path:
    """Return a configuration's file: the one that is there, or the shipped one of the same name.

    Args:
        file: As it was given, for example ``configs/bench.yaml`` or ``bench.yaml``.
    """
    if file.exists() or file.parent not in (Path(), Path(SHIPPED)):
        return file
    shipped = Path(str(files("cinemae"))) / SHIPPED / file.name
    return shipped if shipped.is_file() else file


def load_config(file: Path, overrides: Mapping[str, Any] | None = None) -> CompareConfig:
    """Read a configuration; a shipped one is found by its name (:func:`find_config`).

    Args:
        file: A YAML (.yaml, .yml) or JSON (.json) file: a configuration, or the ``run.json`` of a comparison,
            whose configuration is taken.
        overrides: Values by dotted path that replace what the file says, for example ``data.test.path``.

    Raises:
        CompareError: If it is not a configuration; the message names the file and the setting.
        OSError: If it can't be read.
    """
    document = read_document(find_config(file))
    if "config" in document and "code" in document:  # a run's record
        document = document["config"]
    for path, value in (overrides or {}).items():
        place = document
        *above, last = path.split(".")
        for step in above:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise CompareError(f"{file}: {step}: a mapping is needed")
        place[last] = value
    try:
        return CompareConfig.model_validate(document)
    except ValidationError as error:
        raise CompareError(f"{file}: {first_problem(error)}") from error


def read_document(file: Path) -> dict[str, Any]:
    """Read a YAML or JSON file that holds a mapping; a key that occurs twice is an error.

    Raises:
        CompareError: If it can't be parsed, or is something else.
        OSError: If it can't be read.
    """
    try:
        text = read_text(file)
    except EncodingError as error:
        raise CompareError(str(error)) from error
    suffix = file.suffix.lower()
    if suffix == ".json":
        document = _json(file, text)
    elif suffix in (".yaml", ".yml"):
        document = _yaml(file, text)
    else:
        raise CompareError(f"{file}: a configuration ends in .yaml, .yml or .json")
    if not isinstance(document, dict):
        raise CompareError(f"{file}: not a mapping of settings")
    return document


def _json(file: Path, text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            raise CompareError(f"{file}: {next(key for key in keys if keys.count(key) > 1)!r} occurs twice")
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise CompareError(f"{file}: not JSON: {error}") from error


def _yaml(file: Path, text: str) -> Any:
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError as error:
        raise CompareError(f"{file}: YAML needs pyyaml: {install_hint('train')}") from error

    try:
        root = yaml.compose(text, yaml.SafeLoader)
        _refuse_twins(file, root)
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CompareError(f"{file}: not YAML: {' '.join(str(error).split())}") from error


def _refuse_twins(file: Path, node: Any) -> None:
    """PyYAML keeps the last of two equal keys and says nothing."""
    if node is None or isinstance(node.value, str):
        return
    keys = []
    for child in node.value:
        if isinstance(child, tuple):
            keys.append(child[0].value)
            _refuse_twins(file, child[1])
        else:
            _refuse_twins(file, child)
    for key in keys:
        if keys.count(key) > 1:
            raise CompareError(f"{file}, line {node.start_mark.line + 1}: {key!r} occurs twice")
