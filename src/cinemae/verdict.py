"""The verdict: one schema for the Python API, the command line, JSON and reports."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from cinemae.evidence.schema import Conclusion, Evidence

Label = Literal["ai", "real", "inconclusive"]
Precision = Literal["f32", "bf16", "f16"]


class ErrorInfo(BaseModel):
    """Why an input was refused.

    Attributes:
        type: Name of the exception class, for example ``TruncatedImageError``.
        message: Sentence that names the input and the reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    message: str


class Verdict(BaseModel):
    """What cinemae says of one input: a verdict on its pixels or an error, and beside it what the file says of itself.

    Where only the evidence is read, there is neither verdict nor error, but a conclusion.

    Attributes:
        path: The input as it was named by the caller.
        verdict: ``ai``, ``real`` or ``inconclusive`` (at this error rate either class would do, or
            neither); None if the input was refused.
        probability: Calibrated P(AI-generated), 0 to 1; None without a head for this backbone.
        threshold: The caller's threshold on the probability, which then decides alone; else the head's,
            which decides nothing.
        band: Probabilities strictly inside are ``inconclusive``, at its ends and beyond ``real`` and ``ai``.
            Both ends are the threshold where the caller gave one.
        alpha: Error rate that the verdict was made at (:func:`guarantee`); None with a threshold of the
            caller's, and without a head.
        p_ai: Conformal p-value of ``ai``: how many of the AI-generated images of calibration have at most
            this probability, itself counted among them.
        p_real: The same of ``real``: how many of the real ones have at least this probability.
        bits_per_dim: Mean conditional NLL of the semantic scale, bits a sub-pixel.
        width: Width in pixels, after orientation.
        height: Height in pixels, after orientation.
        format: File format as decoded, for example ``JPEG``; None for raw pixels.
        file_bytes: Size of the file in bytes.
        sha256: Hash of the file.
        frames: Frames in the file; only the first is scored.
        notes: What was done to the image on the way in, and what limits the verdict.
        model: Fingerprint of head and MAEs.
        precision: Type of the MAEs' arithmetic, as the runtime reports it; None if nothing was computed.
        seed: Seed of the masks.
        seconds: Time for decoding and scoring.
        error: The refusal, or None. An image that was scored and whose map can't be written has an error (``MapError``)
            beside its numbers.
        evidence: What the file says of itself; None if it was not read. The fields above are of the pixels alone.
        conclusion: What pixels and file come to together; None if the file was not read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    verdict: Label | None = None
    probability: float | None = None
    threshold: float | None = None
    band: tuple[float, float] | None = None
    alpha: float | None = None
    p_ai: float | None = None
    p_real: float | None = None
    bits_per_dim: float | None = None
    width: int | None = None
    height: int | None = None
    format: str | None = None
    file_bytes: int | None = None
    sha256: str | None = None
    frames: int | None = None
    notes: tuple[str, ...] = ()
    model: str = ""
    precision: Precision | None = None
    seed: int = 0
    seconds: float = 0.0
    error: ErrorInfo | None = None
    evidence: Evidence | None = None
    conclusion: Conclusion | None = None


def guarantee(alpha: float) -> str:
    """Say for people what an error rate means: of images like those that the head was calibrated on."""
    return f"at most {100 * alpha:g} % of AI images like those of calibration are called real, and of real ones AI"
