"""What a scan and its worker process say to each other: JSON lines on the worker's standard input and output."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from cinemae.scan.config import WorkerFacts
from cinemae.scan.items import Item
from cinemae.scan.rows import LikelihoodMap
from cinemae.settings import DetectorSettings
from cinemae.verdict import ErrorInfo, Verdict

AHEAD = 16  # files that are read while others are scored; hides the way to a remote storage


class Setup(BaseModel):
    """The first line to a worker.

    Attributes:
        settings: The detector to load.
        source: The source with what is needed to reach it.
        seed: Seed of the masks.
        maps: Whether likelihood maps are wanted.
        timeout: Seconds that reading one input may take, and again that decoding and scoring it may. The sender ends
            a process that takes longer; should the sender be gone, the process ends itself after twice that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: DetectorSettings
    source: str
    seed: int = 0
    maps: bool = False
    timeout: float = Field(default=60.0, gt=0)


class Task(BaseModel):
    """Each further line to a worker: an input to score, under a number of the sender's choice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    item: Item


class Reply(BaseModel):
    """A line from a worker; it says one of these things.

    Attributes:
        ready: The detector is loaded.
        failed: It can't be loaded; nothing else will come.
        reading: The input of this number is being read.
        read: Its bytes are there; it waits for its turn.
        begun: It is given to the decoder.
        done: It is scored or refused; ``verdict`` and ``likelihood`` belong to it.
        verdict: See ``done``.
        likelihood: See ``done``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ready: WorkerFacts | None = None
    failed: ErrorInfo | None = None
    reading: int | None = None
    read: int | None = None
    begun: int | None = None
    done: int | None = None
    verdict: Verdict | None = None
    likelihood: LikelihoodMap | None = None
