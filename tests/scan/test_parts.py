"""A part's rows: in the plan's order, written once, without a pause between two parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from cinemae.scan.config import ScanConfig, ScanError, ScanOptions, WorkerFacts
from cinemae.scan.isolate import IsolatedScorer
from cinemae.scan.items import Item
from cinemae.scan.parts import Job, score_part, score_parts
from cinemae.scan.plan import Planned, write_plan
from cinemae.scan.rows import Row, row_of
from cinemae.verdict import ErrorInfo, Verdict

FACTS = WorkerFacts(model="m", precision="f32", device="cpu", jobs=2)


class Pretended(IsolatedScorer):
    """Answers at once, each input only after ``ahead`` more were taken; remembers what it was given."""

    def __init__(self, ahead: int = 0) -> None:
        self.ahead, self.given, self.log = ahead, [], []  # type: ignore[var-annotated]

    def facts(self) -> WorkerFacts:
        return FACTS

    def score(self, work: Iterable[tuple[Any, Item]]) -> Iterator[tuple[Any, Row]]:
        waiting = []
        for key, item in work:
            self.given.append(item.id)
            self.log.append(f"take {item.id}")
            waiting.append((key, item))
            if len(waiting) > self.ahead:
                # The last one taken overtakes the others now and then.
                key, item = waiting.pop(0 if len(self.given) % 3 else len(waiting) // 2)
                yield key, self._row(item)
        for key, item in waiting:
            yield key, self._row(item)

    def _row(self, item: Item) -> Row:
        error = ErrorInfo(type="Odd", message=f"{item.id}: odd") if item.id.startswith("bad") else None
        verdict = Verdict(path=item.id, model="m", seconds=0.25, error=error, verdict=None if error else "real")
        return row_of(verdict, attempts=1)


def job_of(place: Path, planned: list[Planned], size: int) -> Job:
    options = ScanOptions(source="/x", part_size=size)
    config = ScanConfig(options=options, cinemae="0", model="m", precision="f32", started=datetime.now(UTC))
    job = Job(config=config, source="/x", out=str(place))
    job.folder().write_config(config)
    write_plan(job.folder(), planned, size)
    return job


def item(name: str) -> Item:
    return Item(id=name, kind="file", place=f"/x/{name}")


def rows(job: Job, number: int) -> list[Row]:
    place = Path(job.out) / "parts" / f"part-{number:06d}.parquet"
    return pyarrow.parquet.read_table(place).to_pylist()


def test_rows_keep_the_plan_s_order_and_parts_overlap(tmp_path):
    names = [f"{n:02d}" for n in range(25)]
    job = job_of(tmp_path, [Planned(item(name)) for name in names], 10)
    scorer, counts = Pretended(ahead=4), []
    reports = list(score_parts(scorer, job, range(3), watch=counts.append))
    assert [report.number for report in reports] == [0, 1, 2]
    assert [report.items for report in reports] == [10, 10, 5]
    assert [row["id"] for number in range(3) for row in rows(job, number)] == names
    assert scorer.given == names
    assert sum(counts) == 25


def test_the_next_part_is_begun_before_the_last_one_is_written(tmp_path):
    job = job_of(tmp_path, [Planned(item(f"{n:02d}")) for n in range(20)], 10)
    scorer = Pretended(ahead=4)
    first = next(score_parts(scorer, job, range(2)))
    assert first.number == 0
    assert len(scorer.given) > 10


def test_a_finished_part_costs_nothing(tmp_path):
    job = job_of(tmp_path, [Planned(item("a")), Planned(item("bad b")), Planned(item("c"))], 2)
    done = score_part(Pretended(), job, 0)
    assert (done.items, done.refused, done.copies, done.retried, done.seconds) == (2, 1, 0, 0, 0.5)
    scorer = Pretended()
    assert score_part(scorer, job, 0) == done
    assert scorer.given == []
    assert [report.number for report in score_parts(scorer, job, [0, 1, 0])] == [0, 1, 0] or scorer.given == ["c"]
    assert scorer.given == ["c"]


def test_copies_take_the_verdict_of_the_first_in_the_part(tmp_path):
    one, other = "ab" * 32, "cd" * 32
    planned = [
        Planned(item("gone")),
        Planned(item("a"), one),
        Planned(item("b"), one, "a"),
        Planned(item("c"), one, "a"),  # the first of its part: scored, though it is a copy
        Planned(item("d"), one, "a"),
        Planned(item("bad e"), other),
        Planned(item("bad f"), other, "bad e"),
    ]
    job, scorer = job_of(tmp_path, planned, 3), Pretended()
    reports = list(score_parts(scorer, job, range(3)))
    assert scorer.given == ["gone", "a", "c", "bad e", "bad f"]
    assert [report.copies for report in reports] == [1, 1, 0]
    found = [row for number in range(3) for row in rows(job, number)]
    assert [(row["id"], row["duplicate_of"], row["attempts"]) for row in found] == [
        ("gone", None, 1),
        ("a", None, 1),
        ("b", "a", 0),
        ("c", "a", 1),
        ("d", "a", 0),
        ("bad e", None, 1),
        ("bad f", "bad e", 1),
    ]


def test_a_worker_that_scores_otherwise_is_refused(tmp_path):
    job = job_of(tmp_path, [Planned(item("a"))], 2)
    other = job.model_copy(update={"config": job.config.model_copy(update={"precision": "bf16"})})
    with pytest.raises(ScanError, match="begun in bf16, the worker computes in f32"):
        score_part(Pretended(), other, 0)
    other = job.model_copy(update={"config": job.config.model_copy(update={"model": "another"})})
    with pytest.raises(ScanError, match="begun with model another, the worker has loaded m"):
        score_part(Pretended(), other, 0)


def test_a_job_shows_no_secret_and_travels_as_json(tmp_path):
    job = job_of(tmp_path, [], 2)
    secret = job.model_copy(update={"source": "s3://key:word@b/?token=hidden", "out": "s3://b/?token=hidden"})
    assert "hidden" not in repr(secret)
    assert "word" not in str(secret)
    assert Job.model_validate_json(secret.model_dump_json()) == secret
