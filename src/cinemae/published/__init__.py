"""Published results of other detectors, every figure with its source, and ours in a row under them.

The figures are data (``tables.json``), read and checked when they are first asked for. What nobody
has published is None and stays empty; a mean that does not follow from its own row is shown beside
the one that does.
"""

from cinemae.published.markdown import markdown
from cinemae.published.schema import Column, Note, PublishedTable, Report, Row, Shares, Source
from cinemae.published.tables import cells, names, table

__all__ = [
    "Column",
    "Note",
    "PublishedTable",
    "Report",
    "Row",
    "Shares",
    "Source",
    "cells",
    "markdown",
    "names",
    "table",
]
