"""What a scan's table holds, in a few numbers; read part by part, so that any size needs the same memory."""

from __future__ import annotations

import io
from array import array
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from cinemae.leftout import LeftOutCounts, as_counts, sentence
from cinemae.pipeline import ordered_map
from cinemae.scan.config import ScanError
from cinemae.scan.folder import ScanFolder
from cinemae.scan.rows import PartReport, read_report

BINS = 20
READERS = 4
_COLUMNS = ("verdict", "error_type", "probability")


class Summary(BaseModel):
    """A scan in numbers.

    Attributes:
        source: What was scanned.
        started: When.
        model: Fingerprint of head and MAEs.
        precision: Type of the MAEs' arithmetic.
        planned: Inputs of the plan; None if the source is not listed to its end.
        parts: Finished parts.
        parts_planned: Parts of the plan; None likewise.
        rows: Inputs that are done.
        verdicts: Rows of each verdict.
        errors: Refused rows of each error class.
        copies: Rows that took the verdict of an equal content.
        retried: Rows whose input was given to the decoder twice.
        histogram: Rows by probability, in 20 equal bins from 0 to 1; 1 itself is in the last.
        left_out: Files of the source that are no inputs, by kind; None if there are none.
        images_per_second: Rows that were scored, over the time in which any part was being scored.
    """

    model_config = ConfigDict(extra="forbid")

    source: str
    started: datetime
    model: str
    precision: str
    planned: int | None
    parts: int
    parts_planned: int | None
    rows: int
    verdicts: dict[str, int]
    errors: dict[str, int]
    copies: int
    retried: int
    histogram: list[int]
    left_out: LeftOutCounts | None
    images_per_second: float | None


def summarise(folder: ScanFolder) -> Summary:
    """Read a scan, finished or not, and sum it up.

    Raises:
        ScanError: If there is no scan in the folder, or a part is damaged.
        OSError: If it can't be read.
    """
    config = folder.config()
    if config is None:
        raise ScanError(f"{folder.storage.uri}: no scan in this folder")
    plan = folder.plan()
    tally = _Tally()
    numbers = sorted(folder.finished())
    for data in ordered_map(folder.read_part, numbers, workers=READERS, ahead=READERS):
        tally.add(data)
    busy = busy_time(tally.begun, tally.ended)
    return Summary(
        source=config.options.source,
        started=config.started,
        model=config.model,
        precision=config.precision,
        planned=plan and plan.items,
        parts=len(numbers),
        parts_planned=plan and plan.parts,
        rows=tally.rows,
        verdicts=dict(tally.verdicts.most_common()),
        errors=dict(tally.errors.most_common()),
        copies=tally.copies,
        retried=tally.retried,
        histogram=tally.histogram,
        left_out=as_counts(plan.left_out) if plan else None,
        images_per_second=(tally.rows - tally.copies) / busy if busy else None,
    )


class _Tally:
    def __init__(self) -> None:
        self.rows = self.copies = self.retried = 0
        self.verdicts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.histogram = [0] * BINS
        self.begun, self.ended = array("d"), array("d")

    def add(self, data: bytes) -> None:
        import numpy as np
        from pyarrow import parquet

        report: PartReport = read_report(data)
        table = parquet.read_table(io.BytesIO(data), columns=list(_COLUMNS))
        self.rows += table.num_rows
        self.copies, self.retried = self.copies + report.copies, self.retried + report.retried
        self.begun.append(report.begun)
        self.ended.append(report.ended)
        for column, counter in (("verdict", self.verdicts), ("error_type", self.errors)):
            for pair in table[column].value_counts().to_pylist():
                if pair["values"] is not None:
                    counter[pair["values"]] += pair["counts"]
        scores = table["probability"].drop_null().to_numpy()
        bins, _ = np.histogram(scores, bins=BINS, range=(0, 1))
        self.histogram = [before + more for before, more in zip(self.histogram, bins.tolist(), strict=True)]


def busy_time(begun: Sequence[float], ended: Sequence[float]) -> float:
    """Return how long at least one of some spans lasted.

    Args:
        begun: When each began.
        ended: When each ended, not before it began; in the same unit.
    """
    import numpy as np

    if not len(begun):
        return 0.0
    starts, ends = np.asarray(begun, dtype=np.float64), np.asarray(ended, dtype=np.float64)
    order = np.argsort(starts)
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    before = np.concatenate([[-np.inf], ends[:-1]])
    return float(np.maximum(0, ends - np.maximum(starts, before)).sum())


def in_words(summary: Summary) -> str:
    """Return a summary as text for people."""
    said = [
        f"source     {summary.source}",
        f"started    {summary.started:%Y-%m-%d %H:%M:%S} UTC",
        f"model      {summary.model} ({summary.precision})",
        f"inputs     {_of(summary.rows, summary.planned)} done, in {_of(summary.parts, summary.parts_planned)} parts",
        f"refused    {sum(summary.errors.values()):,}",
        f"copies     {summary.copies:,}",
        f"retried    {summary.retried:,}",
    ]
    if summary.left_out is not None:
        said.append(sentence(summary.left_out))
    if summary.images_per_second is not None:
        said.append(f"speed      {summary.images_per_second:.1f} images/s")
    for title, counts in (("verdicts", summary.verdicts), ("errors", summary.errors)):
        if counts:
            width = max(map(len, counts))
            said += ["", title, *(f"  {name.ljust(width)}  {count:>12,}" for name, count in counts.items())]
    if any(summary.histogram):
        said += ["", "P(ai)", *_bars(summary.histogram)]
    return "\n".join(said)


def _of(count: int, planned: int | None) -> str:
    return f"{count:,}" if planned is None else f"{count:,} of {planned:,}"


def _bars(histogram: list[int], width: int = 40) -> list[str]:
    most = max(histogram)
    step = 1 / len(histogram)
    return [
        f"  {n * step:.2f} to {(n + 1) * step:.2f}  {count:>12,}  {'#' * round(width * count / most)}".rstrip()
        for n, count in enumerate(histogram)
    ]
