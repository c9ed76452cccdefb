"""Reading the published tables, and bringing our figures into their columns."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict

from cinemae.published.schema import PublishedTable, Shares, Source


class _File(BaseModel):
    """What ``tables.json`` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: dict[str, Source]
    tables: dict[str, PublishedTable]


@cache
def _file() -> _File:
    data = json.loads(files("cinemae.published").joinpath("tables.json").read_text("utf-8"))
    for entry in data["tables"].values():
        entry["sources"] = data["sources"]
    return _File.model_validate(data)


def names() -> tuple[str, ...]:
    """Return the names of the published tables."""
    return tuple(_file().tables)


def table(name: str) -> PublishedTable:
    """Return a published table.

    Raises:
        ValueError: If there is none of that name.
    """
    try:
        return _file().tables[name]
    except KeyError:
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names())}"
        raise ValueError(f"no published table is called {name}; {hint}") from None


def cells(name: str, shares: Mapping[str, Shares]) -> dict[str, float]:
    """Bring accuracies per generator into a table's columns.

    Args:
        name: The table.
        shares: Accuracies by generator, as ``cinemae.datasets`` calls them. Generators that the table
            doesn't have are left out, and so are columns whose generator was not measured.

    Returns:
        Per cent by column title.
    """
    found = {}
    for column in table(name).columns:
        if column.generator in shares:
            value: float | None = getattr(shares[column.generator], column.share)
            if value is not None:
                found[column.title] = 100 * value
    return found
