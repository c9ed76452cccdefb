"""The evidence beside a verdict: the one place where files, pixels and conclusions meet."""

from __future__ import annotations

import mmap
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cinemae.evidence.buffers import Buffer
from cinemae.evidence.containers import kind_of
from cinemae.evidence.reader import read_evidence
from cinemae.evidence.rules import conclude
from cinemae.evidence.schema import Evidence, EvidenceOptions
from cinemae.evidence.trust import TrustListError, trust_lists
from cinemae.images import ImageError, ImageLimits, LoadedImage, Source, UnreadableFileError, UnsupportedFormatError
from cinemae.images import read_file as read_whole
from cinemae.verdict import ErrorInfo, Verdict

EVIDENCE_ONLY = "evidence-only"
MAPPED_FROM = 1 << 16  # bytes of a file from which it is mapped: of most files only the beginning is looked at


def gather(data: Buffer, options: EvidenceOptions, image: LoadedImage | None = None) -> Evidence:
    """Read a file's evidence; whatever goes wrong becomes a note, since the verdict must go on.

    Args:
        data: The whole file.
        options: How to read it.
        image: The decoded file, if it could be decoded.

    Raises:
        TrustListError: If the trust list can't be used.
    """
    pixels = None
    if image is not None and image.pixels.shape[:2] == (image.facts.height, image.facts.width):
        pixels = image.pixels  # at a reduced scale there is no watermark to be seen
    try:
        return read_evidence(data, options, pixels=pixels)
    except TrustListError:
        raise
    except Exception as error:  # hostile bytes: what a reader did not foresee is said, and costs only the evidence
        return Evidence(notes=(f"the file's metadata could not be read, by a fault of ours ({type(error).__name__})",))


def with_evidence(verdict: Verdict, evidence: Evidence | None, *, looked: bool = True) -> Verdict:
    """Return a verdict with what the file says and the conclusion; unchanged if the file was not read.

    Args:
        verdict: The verdict on the pixels.
        evidence: What the file says.
        looked: Whether the pixels were to be looked at at all.
    """
    if evidence is None:
        return verdict
    together = conclude(evidence, verdict.verdict, verdict.probability, looked=looked)
    return verdict.model_copy(update={"evidence": evidence, "conclusion": together})


@dataclass(frozen=True)
class Read:
    """A file of which only the evidence was read; has the fields of :class:`cinemae.detector.Scored`."""

    verdict: Verdict
    image: None = None
    extraction: None = None


class EvidenceOnly:
    """Reads what files say of themselves and decodes no pixel; takes the place of a detector without loading one.

    What can only be seen in pixels (a watermark, a thumbnail of another picture) is left out.

    Attributes:
        options: How files are read.
        limits: What a file must keep to.
        jobs: Files read at the same time by a scan; reading holds the interpreter's lock, so 1.
        fingerprint: Stands where a detector names its model.
    """

    def __init__(self, options: EvidenceOptions | None = None, limits: ImageLimits | None = None) -> None:
        """Take the options.

        Raises:
            TrustListError: If the trust list can't be used.
        """
        self.options, self.limits = options or EvidenceOptions(), limits or ImageLimits()
        self.jobs, self.fingerprint = 1, EVIDENCE_ONLY
        trust_lists(self.options.trust_list)

    def score_many(self, sources: Iterable[Source], *, seed: int = 0, batch_size: int = 1) -> Iterator[Read]:
        """Read files in order; ``seed`` and ``batch_size`` are there for the likeness to a detector."""
        for source in sources:
            yield self.score(source, seed=seed)

    def score(self, source: Source, *, name: str | None = None, seed: int = 0, alone: bool = True) -> Read:
        """Read one file; a refused one gives its error."""
        start = time.perf_counter()
        size = None
        try:
            data, name, close = self._open(source, name)
            try:
                size = len(data)
                kind, _, _ = kind_of(data)
                if not kind:
                    raise UnsupportedFormatError(name, "not an image of a format whose metadata are read")
                evidence = gather(data, self.options)
            finally:
                if close is not None:
                    close.close()
        except ImageError as error:
            info = ErrorInfo(type=type(error).__name__, message=str(error))
            name = name or error.name
            return Read(Verdict(path=name, model=EVIDENCE_ONLY, seed=seed, file_bytes=size, error=info))
        verdict = Verdict(
            path=name, format=kind.upper(), file_bytes=size, model=EVIDENCE_ONLY, seed=seed,
            seconds=time.perf_counter() - start,
        )  # fmt: skip
        return Read(with_evidence(verdict, evidence, looked=False))

    def _open(self, source: Source, name: str | None) -> tuple[Buffer, str, mmap.mmap | None]:
        """Return a file's bytes, its name, and what has to be closed; files on disk are mapped, not read."""
        if isinstance(source, str | Path):
            path = Path(source)
            try:
                if MAPPED_FROM <= path.stat().st_size <= self.limits.max_bytes and path.is_file():
                    with path.open("rb") as file:
                        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                    return mapped, name or str(source), mapped
            except (OSError, ValueError):  # whatever it is, reading it whole finds the words for it
                pass
        whole = read_whole(source, name=name, limits=self.limits)
        if whole is None:
            raise UnreadableFileError(name or "<pixels>", "pixels without a file have no metadata to read")
        return *whole, None
