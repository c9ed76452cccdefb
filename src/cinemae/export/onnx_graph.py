"""From the torch module to an ONNX model, of operators that ONNX Runtime and OpenVINO agree on."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx_ir
import torch
from onnx_ir.passes import common
from onnxscript import opset18, optimizer

from cinemae.export.scorer import Scorer

OPSET = 18
op: Any = opset18  # its annotations are for the authors of ONNX functions


def to_onnx(scorer: Scorer, shapes: Sequence[tuple[int, ...]]) -> Any:
    """Return the scorer as torch's ONNX program, for inputs of these shapes."""
    examples = tuple(torch.zeros(shape, dtype=torch.uint8) for shape in shapes)
    with torch.no_grad(), _quietly():
        program = torch.onnx.export(
            scorer,
            examples,
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=scorer.inputs,
            output_names=scorer.outputs,
            # The exporter's own passes look for thousands of patterns; ours take a thirtieth of the time.
            optimize=False,
            custom_translation_table=_TRANSLATIONS,
        )
    assert program is not None
    _tidy(program.model)
    return program


def _tidy(model: onnx_ir.Model) -> None:
    """Compute what is constant, store it once, and drop the notes on where each node came from."""
    optimizer.fold_constants(model)
    passes = (
        common.CommonSubexpressionEliminationPass(),
        common.LiftConstantsToInitializersPass(),
        common.DeduplicateInitializersPass(size_limit=2**31),
        common.RemoveUnusedNodesPass(),
        common.ClearMetadataAndDocStringPass(),
    )
    for each in passes:
        each(model)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the exporter's remarks on itself (deprecations, packages that we do not use) from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _sort(values: Any, stable: bool | None = None, dim: int = -1, descending: bool = False) -> Any:
    """Sort as TopK of all; torch translates only the variant that is not called stable."""
    size = op.Constant(value_ints=[values.shape[dim]])
    return op.TopK(values, size, axis=dim, largest=int(descending))


def _rfft2(planes: Any, dim: Sequence[int], normalization: int, onesided: bool) -> Any:
    """Half spectra of (planes, rows, columns) as matrix products; real and imaginary parts lie last.

    ONNX has a DFT, but OpenVINO 2026.4 gives a one-sided one another shape, ONNX Runtime is slow at
    sides that are no power of two, and many other runtimes lack it.
    """
    if tuple(dim) != (1, 2) or normalization or not onesided:
        raise NotImplementedError("only the plain half spectrum over rows and columns is translated")
    _, rows, columns = planes.shape
    cos, sin = _waves(columns, columns // 2 + 1)
    real, imaginary = op.MatMul(planes, cos), op.Neg(op.MatMul(planes, sin))
    cos, sin = _waves(rows, rows)
    last = op.Constant(value_ints=[-1])
    parts = (
        op.Add(op.MatMul(cos, real), op.MatMul(sin, imaginary)),
        op.Sub(op.MatMul(cos, imaginary), op.MatMul(sin, real)),
    )
    return op.Concat(*(op.Unsqueeze(part, last) for part in parts), axis=-1)


def _waves(points: int, frequencies: int) -> tuple[Any, Any]:
    """Return the cosines and sines of the first frequencies, each (points, frequencies)."""
    # Whole turns are taken off as integers, so that the angles are exact.
    turns = np.outer(np.arange(points), np.arange(frequencies)) % points / points
    cos, sin = (wave(2 * np.pi * turns).astype(np.float32) for wave in (np.cos, np.sin))
    return op.Constant(value=onnx_ir.tensor(cos)), op.Constant(value=onnx_ir.tensor(sin))


_TRANSLATIONS: Any = {
    torch.ops.aten.sort.stable: _sort,
    torch.ops.aten._fft_r2c.default: _rfft2,
}
