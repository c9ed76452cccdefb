"""What a run leaves behind: the schema of ``performance.json``."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Result(BaseModel):
    """Base of all results: immutable, no field unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Spread(Result):
    """Median and quartiles over rounds."""

    median: float
    low: float
    high: float


class Entry(Result):
    """What was measured of one contender.

    Attributes:
        name: The contender.
        images: Images a call.
        flops: Useful floating-point operations an image, where they are counted.
        seconds: Of each round's call.
        seconds_per_image: Over rounds.
        ratio: How many times as fast as the group's baseline in the same round.
        share: FLOP/s over those of the machine's best matrix product in the same round.
    """

    name: str
    images: int
    flops: float | None
    seconds: list[float]
    seconds_per_image: Spread
    ratio: Spread
    share: Spread | None = None


class Group(Result):
    """Contenders that were called in turn.

    Attributes:
        name: Short name.
        title: What is compared.
        baseline: Contender that ratios refer to.
        entries: One a contender.
        notes: What else was seen.
    """

    name: str
    title: str
    baseline: str
    entries: list[Entry]
    notes: list[str] = Field(default_factory=list)

    def entry(self, name: str) -> Entry:
        """Return a contender's entry.

        Raises:
            KeyError: If there is none of that name.
        """
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise KeyError(name)


class MemoryPoint(Result):
    """Peak memory of one ``cinemae detect`` process."""

    images: int
    peak_mb: float
    seconds: float


class InstalledSize(Result):
    """Bytes on disk of a set of distributions with all that they need."""

    name: str
    megabytes: float
    largest: dict[str, float]


class Machine(Result):
    """Where it was measured."""

    cpu: str
    flags: list[str]
    cores: int
    memory_gb: float
    system: str
    load: float
    versions: dict[str, str]


class Target(Result):
    """Something that was to be reached, on two cores with AMX.

    Attributes:
        name: What.
        wanted: The bound, with its direction.
        got: What this run gave.
        met: Whether that is within the bound.
    """

    name: str
    wanted: str
    got: str
    met: bool


class Report(Result):
    """All of one run."""

    machine: Machine
    precision: str
    rounds: int
    quick: bool
    groups: list[Group] = Field(default_factory=list)
    memory: list[MemoryPoint] = Field(default_factory=list)
    sizes: list[InstalledSize] = Field(default_factory=list)
    targets: list[Target] = Field(default_factory=list)

    def group(self, name: str) -> Group | None:
        """Return a group, or None if it was not measured."""
        return next((group for group in self.groups if group.name == name), None)
