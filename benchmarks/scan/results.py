"""What a run leaves behind: the schema of the JSON file."""

from __future__ import annotations

from benchmarks.perf.results import Machine, Result, Spread
from pydantic import Field


class Rate(Result):
    """How fast one way of scoring the files is.

    Attributes:
        name: The contender.
        images_per_second: From when a quarter of the images is done to the end, over the rounds.
        ratio: To the pipeline's in the same round.
        wall: Seconds of the whole process, over the rounds.
        rounds: Images a second of each round.
    """

    name: str
    images_per_second: Spread
    ratio: Spread
    wall: Spread
    rounds: list[float]


class MemoryPoint(Result):
    """Peak memory of a scan.

    Attributes:
        inputs: Files in the folder.
        scored: How many of them are pictures; the others are refused.
        tree_mb: Peak of driver and children together (proportional set size).
        driver_mb: Peak of the driver alone.
        files: Most files, sockets and pipes that the driver had open.
        wall: Seconds.
    """

    inputs: int
    scored: int
    tree_mb: float
    driver_mb: float
    files: int
    wall: float


class Costs(Result):
    """What an input costs besides its score.

    Attributes:
        listed: Files in the folder that was listed.
        planning: Seconds an input, to list it and write the plan.
        plan_bytes: Of the plan's files, an input.
        hashing: Seconds an input that a pass with ``--dedupe`` takes more.
        rows: Rows of the table that was measured.
        row_bytes: Of the table without maps, a row.
        map_row_bytes: Of the table with maps, a row.
    """

    listed: int
    planning: float
    plan_bytes: float
    hashing: float
    rows: int
    row_bytes: float
    map_row_bytes: float


class ScanReport(Result):
    """All of one run.

    Attributes:
        machine: Where.
        images: Files of the rates.
        image_bytes: Mean size of them.
        cores: Cores that the fastest contenders had.
        rates: One a contender; the first is the pipeline.
        memory: One a size.
        costs: None if they were not measured.
    """

    machine: Machine
    images: int
    image_bytes: float
    cores: int
    rates: list[Rate] = Field(default_factory=list)
    memory: list[MemoryPoint] = Field(default_factory=list)
    costs: Costs | None = None

    def rate(self, name: str) -> Rate:
        """Return a contender's rate.

        Raises:
            KeyError: If it was not measured.
        """
        for rate in self.rates:
            if rate.name == name:
                return rate
        raise KeyError(name)
