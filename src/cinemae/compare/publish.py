"""Our figures under a published table's."""

from __future__ import annotations

from collections.abc import Mapping

from cinemae.compare.config import PublishedConfig
from cinemae.compare.schema import MethodResult
from cinemae.metrics import EvaluationTable
from cinemae.published import Shares, cells, markdown


def published_text(config: PublishedConfig | None, methods: Mapping[str, MethodResult]) -> str | None:
    """Return the published rows with ours under them, a row a method and protocol; None if none were asked for.

    Args:
        config: Which table, and what is set under it.
        methods: The results by method.
    """
    if config is None:
        return None
    several = len(config.protocols) > 1
    ours = {
        f"{name} ({protocol})" if several else name: cells(config.table, _shares(config, result.tables[protocol]))
        for name, result in methods.items()
        for protocol in config.protocols
        if not config.methods or name in config.methods
    }
    return markdown(config.table, ours)


def _shares(config: PublishedConfig, table: EvaluationTable) -> dict[str, Shares]:
    found = {}
    for row in table.rows:
        point = row.points[config.point]
        ai, real = (None if figure is None else figure.value for figure in (point.accuracy_ai, point.accuracy_real))
        found[config.generators.get(row.generator, row.generator)] = Shares(point.accuracy.value, ai, real)
    return found
