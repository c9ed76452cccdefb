"""The output folder of a scan: what lies where, and what of it is finished.

Each file is written under another name and then renamed, or is one PUT; so a file that is there is whole,
and a scan that is killed anywhere goes on with what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cinemae.scan.config import ScanConfig, ScanError
from cinemae.scan.rows import PartReport, read_report
from cinemae.scan.storage import MissingError, Storage

CONFIG_FILE, PLAN_FILE, DONE_FILE = "scan.json", "plan/complete.json", "done.json"
Content = TypeVar("Content", bound=BaseModel)
MOST = 1 << 34  # bytes of one of our own files: maps of 100,000 images fit


class PlanState(BaseModel):
    """The file ``plan/complete.json``: the source is listed to its end.

    Attributes:
        items: Inputs.
        parts: Parts.
        left_out: Files of the source that are no inputs, by kind (:mod:`cinemae.leftout`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: int
    parts: int
    left_out: dict[str, int] = Field(default_factory=dict)


class Totals(BaseModel):
    """Reports of several parts, added up.

    Attributes:
        parts: Parts.
        items: Rows.
        refused: Rows with an error.
        copies: Rows that took the verdict of an equal content.
        retried: Rows whose input was given to the decoder twice.
    """

    model_config = ConfigDict(extra="forbid")

    parts: int = 0
    items: int = 0
    refused: int = 0
    copies: int = 0
    retried: int = 0

    def add(self, report: PartReport) -> None:
        """Add one part."""
        self.parts += 1
        self.items += report.items
        self.refused += report.refused
        self.copies += report.copies
        self.retried += report.retried


class ScanFolder:
    """A folder, local or remote, with one scan.

    Attributes:
        storage: Where it is.
    """

    def __init__(self, place: str) -> None:
        """Open it; nothing is read yet.

        Args:
            place: Path or URI, with what is needed to reach it.
        """
        self.storage = Storage.of(place)

    def config(self) -> ScanConfig | None:
        """Return what the scan is, or None if there is none yet.

        Raises:
            ScanError: If the file is not one of ours.
        """
        data = self._find(CONFIG_FILE)
        return None if data is None else self._parsed(ScanConfig, data, CONFIG_FILE)

    def write_config(self, config: ScanConfig) -> None:
        """Write what the scan is."""
        self._write(CONFIG_FILE, config)

    def plan(self) -> PlanState | None:
        """Return the size of the plan, or None if it is not complete.

        Raises:
            ScanError: If the file is not one of ours.
        """
        data = self._find(PLAN_FILE)
        return None if data is None else self._parsed(PlanState, data, PLAN_FILE)

    def write_plan(self, state: PlanState) -> None:
        """Say that the plan is complete."""
        self._write(PLAN_FILE, state)

    def totals(self) -> Totals | None:
        """Return what the finished scan came to, or None if it is not finished."""
        data = self._find(DONE_FILE)
        return None if data is None else self._parsed(Totals, data, DONE_FILE)

    def write_totals(self, totals: Totals) -> None:
        """Say that the scan is finished."""
        self._write(DONE_FILE, totals)

    def write_planned(self, number: int, data: bytes) -> None:
        """Write the items of a part."""
        self.storage.write_atomically(planned_path(number), data)

    def read_planned(self, number: int) -> bytes:
        """Read the items of a part."""
        return self.storage.read(planned_path(number), limit=MOST)

    def write_part(self, number: int, data: bytes) -> None:
        """Write the rows of a part: it is finished."""
        self.storage.write_atomically(part_path(number), data)

    def read_part(self, number: int) -> bytes:
        """Read the rows of a finished part."""
        return self.storage.read(part_path(number), limit=MOST)

    def report(self, number: int) -> PartReport | None:
        """Return a part's report, or None if it is not finished.

        Raises:
            ScanError: If the file is not one of ours.
        """
        data = self._find(part_path(number))
        if data is None:
            return None
        try:
            return read_report(data)
        except (ValueError, OSError) as error:
            raise ScanError(f"{self.storage.place(part_path(number))}: {error}") from error

    def finished(self) -> set[int]:
        """Return the numbers of the finished parts."""
        return {int(name[5:-8]) for name in self.storage.names("parts", suffix=".parquet") if name.startswith("part-")}

    def reports(self) -> Iterator[PartReport]:
        """Yield the reports of the finished parts, in order."""
        for number in sorted(self.finished()):
            report = self.report(number)
            if report is not None:
                yield report

    def clean(self) -> None:
        """Remove what killed writers have left half done."""
        for folder in ("", "plan", "parts"):
            self.storage.clean(folder)

    def _write(self, path: str, content: BaseModel) -> None:
        self.storage.write_atomically(path, content.model_dump_json(indent=1).encode() + b"\n")

    def _find(self, path: str) -> bytes | None:
        try:
            return self.storage.read(path, limit=MOST)
        except MissingError:
            return None

    def _parsed(self, kind: type[Content], data: bytes, path: str) -> Content:
        try:
            return kind.model_validate_json(data)
        except ValidationError as error:
            raise ScanError(f"{self.storage.place(path)}: not written by this cinemae: {error}") from error


def planned_path(number: int) -> str:
    """Return where the items of a part lie."""
    return f"plan/part-{number:06d}.parquet"


def part_path(number: int) -> str:
    """Return where the rows of a part lie."""
    return f"parts/part-{number:06d}.parquet"
