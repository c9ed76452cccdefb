"""What a scan is: its source, its detector and what changes its result, as one file beside the result."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cinemae.scan.storage.uris import is_uri, local_place, public
from cinemae.settings import DetectorSettings
from cinemae.verdict import Precision


class ScanError(RuntimeError):
    """A scan that can't be carried out as asked; the message says what to mend."""


class WorkerFacts(BaseModel):
    """What a worker process says of itself once its detector is loaded.

    Attributes:
        model: Fingerprint of head and MAEs.
        precision: Type of the MAEs' arithmetic.
        device: Where they run.
        jobs: Images that it scores at the same time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    precision: Precision
    device: str
    jobs: int = Field(ge=1)


class ScanOptions(BaseModel):
    """What a scan is asked for; whatever here differs gives another table.

    How fast it is made (workers, jobs, engine, time limit) is no part of it: that may change from
    one run to the next.

    Attributes:
        source: Folder, list, tar shards or Parquet, local or remote, as :func:`cinemae.scan.sources.list_items`
            takes it.
        settings: The detector; ``jobs`` is None.
        seed: Seed of the masks and of the sample.
        maps: Whether rows hold the likelihood map.
        dedupe: Whether equal contents are scored once.
        since: Only inputs that were modified then or later.
        limit: At most this many inputs.
        sample: Share of the inputs that is taken, 0 to 1.
        part_size: Inputs of a part.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    settings: DetectorSettings = DetectorSettings()
    seed: int = Field(default=0, ge=0)
    maps: bool = False
    dedupe: bool = False
    since: datetime | None = None
    limit: int | None = Field(default=None, ge=1)
    sample: float | None = Field(default=None, gt=0, le=1)
    part_size: int = Field(default=512, ge=1, le=100_000)


class ScanConfig(BaseModel):
    """The file ``scan.json``: what was asked, of which detector, and when.

    Attributes:
        options: What the scan was asked for.
        cinemae: Version that began it.
        model: Fingerprint of head and MAEs.
        precision: Type of the MAEs' arithmetic.
        started: When the source began to be listed, UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    options: ScanOptions
    cinemae: str
    model: str
    precision: Precision
    started: datetime

    def differences(self, other: ScanConfig) -> list[str]:
        """Say in what another scan differs from this one, setting by setting; the start doesn't count."""
        mine, theirs = _flat(self), _flat(other)
        return [f"{name} was {mine[name]}, is {theirs[name]}" for name in mine if mine[name] != theirs[name]]

    def check(self, facts: WorkerFacts) -> None:
        """Check that a worker scores as this scan does.

        Raises:
            ScanError: If its model or its arithmetic is another.
        """
        if facts.model != self.model:
            raise ScanError(f"this scan was begun with model {self.model}, the worker has loaded {facts.model}")
        if facts.precision != self.precision:
            raise ScanError(
                f"this scan was begun in {self.precision}, the worker computes in {facts.precision}:"
                f" give --precision {self.precision}, on machines that have it"
            )


def source_name(source: str) -> str:
    """Return a source as it may be stored and shown: absolute, and without user, password and query.

    Raises:
        ScanError: If it is a URI without a valid host.
    """
    mark = "@" if source.startswith("@") else ""
    place = source.removeprefix(mark)
    try:
        return mark + (public(place) if is_uri(place) else local_place(place))
    except ValueError as error:
        raise ScanError(str(error)) from error


def _flat(config: ScanConfig) -> dict[str, Any]:
    """Return what must agree, under the names that a user knows."""
    options: dict[str, Any] = config.options.model_dump(mode="json")
    settings: dict[str, Any] = options.pop("settings")
    # A head's folder and its fingerprint are not one thing, nor are the type asked for and the one used.
    used = {"cinemae": config.cinemae, "fingerprint": config.model, "arithmetic": config.precision}
    return options | settings | used
