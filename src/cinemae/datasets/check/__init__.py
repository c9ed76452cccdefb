"""Whether a labelled set is sound: every file decodes, nothing is there twice, and no split gives another one away."""

from cinemae.datasets.check.run import check_set
from cinemae.datasets.check.schema import CheckReport
from cinemae.datasets.check.tables import to_markdown
from cinemae.datasets.check.write import write_manifest

__all__ = ["CheckReport", "check_set", "to_markdown", "write_manifest"]
