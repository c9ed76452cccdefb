"""What the API takes and gives; verdicts are those of :mod:`cinemae.verdict`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from cinemae.maps import PatchMap
from cinemae.verdict import Precision, Verdict

# For the documentation; the decoder itself is stricter and quicker.
BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"


class EncodedImage(BaseModel):
    """An image in a JSON body.

    Attributes:
        name: What the answer calls it.
        data: The file's bytes in base64 (RFC 4648, with padding and without line breaks).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="upload", min_length=1, max_length=255)
    data: str = Field(json_schema_extra={"contentEncoding": "base64", "pattern": BASE64})


class DetectBody(BaseModel):
    """A JSON body.

    Attributes:
        images: The images, in the order of the answers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: list[EncodedImage] = Field(min_length=1)


class MapResult(PatchMap):
    """The map of one image, as numbers and as a picture.

    Attributes:
        png: The map alone, to be laid over ``box``: a PNG with transparency, in base64.
    """

    png: str


class Reconstruction(BaseModel):
    """What the MAE saw of an image, and what it predicted of it where it was hidden.

    Attributes:
        view: The view, a PNG in base64.
        predicted: The prediction of the same size, a PNG in base64.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    view: str
    predicted: str


class Problem(BaseModel):
    """What is wrong (RFC 9457).

    Attributes:
        type: Stable name of the kind of problem.
        title: What that kind means.
        status: HTTP status.
        detail: What happened this time; names the image if it is about one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = Field(pattern=r"^urn:cinemae:problem:[a-z-]+$")
    title: str
    status: int = Field(ge=400, le=599)
    detail: str


class ItemResult(BaseModel):
    """The answer for one image.

    Attributes:
        status: 200, or the HTTP status of the refusal.
        verdict: The verdict; of a refused image its error.
        map: The map, if it was asked for and the image was scored.
        reconstruction: The reconstruction, likewise.
        problem: Why the image was refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: int
    verdict: Verdict
    map: MapResult | None = None
    reconstruction: Reconstruction | None = None
    problem: Problem | None = None


class FieldError(BaseModel):
    """What is wrong with one part of a request.

    Attributes:
        where: The part, for example ``query.seed`` or ``body.images.0.data``.
        message: What is wrong with it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    where: str
    message: str


class ProblemReply(Problem):
    """The answer to a request that failed, as ``application/problem+json``.

    Attributes:
        instance: This occurrence: ``urn:cinemae:request:`` and the request's id.
        errors: The parts of an invalid request that are wrong.
        results: One result an image, if all of a request were refused.
    """

    instance: str
    errors: list[FieldError] | None = None
    results: list[ItemResult] | None = None


class DetectResponse(BaseModel):
    """The answer to a request, if at least one of its images was scored.

    Attributes:
        results: One an image, in the order of the request.
        request_id: Name of the request in the logs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    results: list[ItemResult]
    request_id: str


class ScaleInfo(BaseModel):
    """One of the MAEs.

    Attributes:
        scale: What it looks at: ``semantic`` or ``fine``.
        name: Name of the checkpoint.
        licence: Licence of its weights (SPDX), if it is a known one.
        licence_note: Where that is stated.
        fingerprint: Hash of configuration and weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: str
    name: str
    licence: str | None
    licence_note: str | None
    fingerprint: str


class LimitInfo(BaseModel):
    """What a request must keep to.

    Attributes:
        body_bytes: Most bytes of a body.
        files: Most images in a request.
        pixels: Most pixels of an image.
        min_side: Shortest allowed side of an image, in pixels.
        deadline_seconds: Longest time from the end of the body to the answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    body_bytes: int
    files: int
    pixels: int
    min_side: int
    deadline_seconds: float


class ModelInfo(BaseModel):
    """The detector behind the service.

    Attributes:
        version: Version of cinemae.
        fingerprint: Hash of head and MAEs, as in each verdict.
        precision: Type of the MAEs' arithmetic.
        device: Where they run.
        threshold: As in each verdict; None without a head.
        band: As in each verdict; None without a head.
        alpha: Error rate of the verdicts; None with a threshold of the operator's, and without a head.
        accurate: Whether every image gets four rounds of masks.
        evidence: Whether files' own statements are read beside the pixels.
        maps: Whether the model has maps and reconstructions to give.
        formats: File formats that are taken.
        backbones: The MAEs.
        limits: Limits of a request.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    fingerprint: str
    precision: Precision
    device: str
    threshold: float | None
    band: tuple[float, float] | None
    alpha: float | None
    accurate: bool
    maps: bool
    evidence: bool
    formats: tuple[str, ...]
    backbones: list[ScaleInfo]
    limits: LimitInfo


class Health(BaseModel):
    """Whether the service is alive, or ready.

    Attributes:
        status: ``ok``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: str
