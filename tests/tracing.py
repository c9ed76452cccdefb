"""Tracing a scorer takes most of an export's time: tests that write one scorer in several ways trace it once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def traced_once() -> Iterator[None]:
    """Let scorers of like outputs share one graph; they must be of the same detector, masks included."""
    from cinemae.export import onnx_graph  # not above: tests are skipped without what it needs
    from cinemae.export.scorer import Scorer

    programs: dict[str, Any] = {}
    trace = onnx_graph.to_onnx

    def traced(scorer: Scorer, shapes: Any) -> Any:
        key = str(scorer.outputs)
        if key not in programs:
            programs[key] = trace(scorer, shapes)
        return programs[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_graph, "to_onnx", traced)
        yield
