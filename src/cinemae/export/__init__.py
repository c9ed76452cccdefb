"""The whole scorer as one ONNX or OpenVINO model, for other people's stacks."""

from __future__ import annotations

from cinemae.export.check import Comparison, ExportError, inputs_of, open_exported
from cinemae.export.describe import ExportDescription, Format
from cinemae.export.write import Exported, export_detector

__all__ = [
    "Comparison",
    "ExportDescription",
    "ExportError",
    "Exported",
    "Format",
    "export_detector",
    "inputs_of",
    "open_exported",
]
