"""One page that says how good a detector is: figures, curves, the audit of the set, the most wrong images.

An evaluation folder becomes a :class:`Report`, a report becomes HTML that needs no network, JSON with every
number shown, and Markdown. matplotlib and jinja2 are loaded only where something is drawn.
"""

from cinemae.report.build import build_report
from cinemae.report.errors import ReportError
from cinemae.report.inputs import read_inputs
from cinemae.report.render import to_html, to_markdown
from cinemae.report.schema import Report

__all__ = ["Report", "ReportError", "build_report", "read_inputs", "to_html", "to_markdown"]
