"""What a report is made of: an evaluation with its scores, perhaps an audit, and whether they belong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from cinemae.audit.schema import Audit
from cinemae.evaluation import Evaluation
from cinemae.metrics.evaluate import Scored, evaluate_scores
from cinemae.metrics.schema import EvaluationTable
from cinemae.report.errors import ReportError
from cinemae.scores import SCORES_FILE, ImageScore, read_image_scores

EVALUATION_FILE = "evaluation.json"
_CLOSE = 1e-9
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Inputs:
    """An evaluation and its scores.

    Attributes:
        evaluation: The evaluation.
        rows: Scores of clean images, by head and protocol, in the file's order.
        audit: An audit of the set, if there is one.
    """

    evaluation: Evaluation
    rows: Mapping[tuple[str, str], list[ImageScore]]
    audit: Audit | None = None

    def scored(self, head: str) -> dict[str, Scored]:
        """Return one head's scores by protocol."""
        return {protocol: scored_of(self.rows[head, protocol]) for protocol in self.evaluation.tables[head]}


def read_inputs(folder: Path, audit: Path | None = None) -> Inputs:
    """Read what ``cinemae evaluate --out`` wrote, and perhaps what ``cinemae audit --out`` did.

    Raises:
        ReportError: If a file is missing or damaged, or the scores are not those of the evaluation.
        ScoresError: If the scores can't be read.
        OSError: If a file can't be opened.
    """
    for name in (EVALUATION_FILE, SCORES_FILE):
        if not (folder / name).is_file():
            raise ReportError(f"{folder}: no {name}: write the folder with `cinemae evaluate DATA --out {folder}`")
    evaluation = _read(folder / EVALUATION_FILE, Evaluation)
    rows: dict[tuple[str, str], list[ImageScore]] = {}
    for row in read_image_scores(folder / SCORES_FILE):
        if not row.corruption:
            rows.setdefault((row.head, row.protocol), []).append(row)
    for head, tables in evaluation.tables.items():
        for protocol, table in tables.items():
            _check(rows.get((head, protocol), []), table, f"{folder / SCORES_FILE}: {head}, {protocol}")
    if not any(evaluation.tables.values()):
        raise ReportError(f"{folder / EVALUATION_FILE}: no head was evaluated under any protocol")
    return Inputs(evaluation, rows, None if audit is None else _read(audit, Audit))


def _read(file: Path, model: type[_Model]) -> _Model:
    try:
        return model.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ReportError(
            f"{file}: not an {model.__name__.lower()} of this version: {place}: {first['msg']}"
        ) from error


def scored_of(rows: list[ImageScore]) -> Scored:
    """Return scores as the metrics take them."""
    return Scored(
        [row.probability for row in rows],
        [row.label == "ai" for row in rows],
        [row.generator for row in rows],
        [row.source for row in rows],
    )


def _check(rows: list[ImageScore], table: EvaluationTable, place: str) -> None:
    """Compare the scores with the table: the same images, the same areas and accuracies.

    Raises:
        ReportError: If they differ.
    """
    if not rows:
        raise ReportError(f"{place}: no scores")
    again = evaluate_scores(
        scored_of(rows), table.threshold, band=table.band, alpha=table.alpha, empty=table.empty, resamples=0
    )
    wanted, found = ({_fingerprint(row) for row in each.rows} for each in (table, again))
    for row, other in zip(
        sorted(table.rows, key=lambda row: row.generator),
        sorted(again.rows, key=lambda row: row.generator),
        strict=False,
    ):
        same = _fingerprint(row) == _fingerprint(other)
        if same and row.ranking and other.ranking:
            same = bool(np.isclose(row.ranking.roc_auc.value, other.ranking.roc_auc.value, atol=_CLOSE, rtol=0))
        if not same:
            raise ReportError(f"{place}, {row.generator}: not the scores that the evaluation was made of")
    if wanted != found:
        raise ReportError(f"{place}: not the images that the evaluation was made of")


def _fingerprint(row: object) -> tuple[object, ...]:
    return tuple(getattr(row, field) for field in ("generator", "n_ai", "n_real"))
