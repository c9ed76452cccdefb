"""Finished methods in the output folder: what an interrupted comparison goes on from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from cinemae.alignment import Protocol
from cinemae.compare.config import file_name
from cinemae.compare.paired import Scores
from cinemae.datasets import LabelledImage
from cinemae.fusion.conformal import Decision
from cinemae.scores import ImageScore, read_image_scores, write_scores

HEADS, SCORES = "heads", "scores"


class Key(BaseModel):
    """All that a method's scores depend on, hashed by kind; where one differs the method is run again.

    Attributes:
        settings: Its settings, the shared ones among them, and the protocols.
        data: The images' names, labels, generators, sources and order.
        features: What is measured: networks, views, masks, precision.
        code: The package's modules, and the versions of the packages that it computes with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: str
    data: str
    features: str
    code: str

    def differs(self, other: Key) -> list[str]:
        """Return the names of what differs."""
        return [name for name in Key.model_fields if getattr(self, name) != getattr(other, name)]


class Finished(BaseModel):
    """A method that was carried out; its scores are in a file of their own.

    Attributes:
        format: Version of this layout.
        name: The method's name.
        key: What its scores depend on.
        kind: Its kind.
        settings: Its settings.
        decision: How its probabilities become verdicts, the stored threshold among it.
        held_out_auc: ROC-AUC of held-out training images; None for a method trained elsewhere.
        refused: Images that could not be measured, with the reason.
        missing: By protocol, numbers in the test set of the images that have no score.
        scores: Hash of the file of scores.
        seconds: Time of fit and scores.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: str
    key: Key
    kind: str
    settings: dict[str, Any]
    decision: Decision
    held_out_auc: float | None
    refused: tuple[str, ...]
    missing: dict[Protocol, tuple[int, ...]]
    scores: str
    seconds: float


@dataclass(frozen=True)
class Shelf:
    """The methods' part of an output folder.

    Attributes:
        folder: The output folder.
        test: The test set.
    """

    folder: Path
    test: list[LabelledImage]

    def head(self, method: str) -> Path:
        """Return the folder of a trained method."""
        return self.folder / HEADS / file_name(method)

    def scores(self, method: str) -> Path:
        """Return the file of a method's scores."""
        return self.folder / SCORES / f"{file_name(method)}.csv"

    def find(self, method: str, key: Key, *, trained: bool) -> Finished | str:
        """Return what is kept of a method, or why nothing that is kept can be used; "" if nothing is.

        Args:
            method: Its name.
            key: What its scores would depend on now.
            trained: Whether it has a folder of its own among the heads.
        """
        record = self._record(method)
        if not record.exists():
            return ""
        try:
            found = Finished.model_validate_json(record.read_bytes())
        except ValidationError:
            return f"{record.name} is no record of this version"
        if found.name != method:
            return f"its files are those of {found.name!r}"
        if different := key.differs(found.key):
            return f"other {' and '.join(different)}"
        if not self.scores(method).exists() or file_hash(self.scores(method)) != found.scores:
            return "its scores are missing or were changed"
        if trained and not (self.head(method) / "config.json").exists():
            return "its head is missing"
        return found

    def write_scores(self, method: str, found: dict[Protocol, Scores]) -> str:
        """Write a method's scores and return the file's hash."""
        path = self.scores(method)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_scores(
            path,
            (
                _row(self.test[number], method, protocol, probability)
                for protocol, scores in found.items()
                for number, probability in zip(scores.numbers.tolist(), scores.p.tolist(), strict=True)
            ),
        )
        return file_hash(path)

    def read_scores(self, finished: Finished) -> dict[Protocol, Scores]:
        """Read a finished method's scores."""
        rows = read_image_scores(self.scores(finished.name))
        found: dict[Protocol, Scores] = {}
        for protocol, missing in finished.missing.items():
            numbers = np.setdiff1d(np.arange(len(self.test)), missing)
            p: NDArray[np.float64] = np.array([row.probability for row in rows if row.protocol == protocol])
            if len(p) != len(numbers):
                raise ValueError(f"{self.scores(finished.name)}: {len(p)} scores for {len(numbers)} images")
            found[protocol] = Scores(numbers.astype(np.intp), p, finished.decision.threshold)
        return found

    def finish(self, finished: Finished) -> None:
        """Note that a method is finished; what was written before is complete then."""
        write_text(self._record(finished.name), finished.model_dump_json(indent=1) + "\n")

    def forget(self, method: str) -> None:
        """Forget that a method was finished, before its files are written again."""
        self._record(method).unlink(missing_ok=True)

    def _record(self, method: str) -> Path:
        return self.folder / SCORES / f"{file_name(method)}.json"


def file_hash(path: Path) -> str:
    """Return the first 16 hex digits of a file's sha256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _row(image: LabelledImage, method: str, protocol: Protocol, probability: float) -> ImageScore:
    return ImageScore(
        name=image.key,
        generator=image.generator,
        label="ai" if image.label else "real",
        source=image.source,
        split=image.split,
        head=method,
        protocol=protocol,
        probability=probability,
    )
