"""What goes with an exported scorer: a JSON that says how to make its inputs and read its outputs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

import cinemae
from cinemae.detector import Detector
from cinemae.features.spec import FeatureSpec, ScaleSpec
from cinemae.fusion.head import FusionHead
from cinemae.mae.errors import CheckpointError
from cinemae.mae.load import load_backbone

Format = Literal["onnx", "openvino"]
LABELS = ("real", "inconclusive", "ai")
IMAGE = (
    "The first frame as 8-bit sRGB: EXIF orientation applied, an ICC profile converted to sRGB, transparency"
    " flattened on white, 16-bit samples scaled by 255/65535. Rows from the top, columns from the left."
)
ARITHMETIC = (
    "float32, and it must stay so: the statistics do not bear less. OpenVINO computes in bfloat16 on some CPUs"
    " unless it is told INFERENCE_PRECISION_HINT = f32."
)


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ViewDescription(_Record):
    """How the views of one input are made from an image.

    Attributes:
        kind: ``resized``: one resampled view; ``native``: crops of the image's own pixels.
        resize: Length that the image's short side is brought to, for ``resized``.
        crop: Side of a view in pixels.
        enlarge: Whether an image whose short side is below ``crop`` times ``reduce`` gives one resampled view instead,
            its short side brought to ``crop``.
        reduce: Whole factor by which the image is reduced before native crops are cut.
        count: Number of views.
        smallest_side: The image's sides must not be shorter, in pixels.
        steps: The recipe, for people who write it again.
    """

    kind: Literal["resized", "native"]
    resize: int | None
    crop: int
    enlarge: bool
    reduce: int
    count: int
    smallest_side: int
    steps: tuple[str, ...]


class InputDescription(_Record):
    """One input of the model.

    Attributes:
        name: Its name, which is the scale's.
        type: Type of its elements.
        shape: Views, height, width, colours (red, green, blue).
        views: How it is made.
        backbone: Fingerprint of the MAE that sees it.
    """

    name: str
    type: Literal["uint8"] = "uint8"
    shape: tuple[int, int, int, int]
    views: ViewDescription
    backbone: str


class OutputDescription(_Record):
    """One output of the model; an empty shape is a scalar."""

    name: str
    type: Literal["float32", "int64"] = "float32"
    shape: tuple[int, ...] = ()
    meaning: str


class ExportDescription(_Record):
    """Everything that one must know to use an exported scorer.

    Attributes:
        format: Version of this description's layout.
        model_type: Always ``cinemae-scorer``.
        runtime: Kind of the model's file.
        file: Its name, beside this description.
        inputs: In order.
        outputs: In order.
        labels: What the numbers of ``verdict`` stand for.
        threshold: As in each verdict of the detector.
        band: Probabilities strictly inside are inconclusive, at its ends and beyond real and ai; inside the
            model, each end rounded outwards to float32.
        alpha: Error rate that the band was made for; None where it is a threshold of the caller's.
        seed: Seed of the masks, which are inside the model.
        model: Fingerprint of the head and the MAEs, as shown in each verdict.
        feature_version: Version of the feature definitions.
        family: Distribution under which the NLL is taken.
        licences: Licence of the head and of each scale's MAE.
        cinemae: Version of the library that exported it.
        image: What an image is before its views are cut.
        arithmetic: What precision the model needs.
    """

    format: Literal[2] = 2
    model_type: Literal["cinemae-scorer"] = "cinemae-scorer"
    runtime: Format
    file: str
    inputs: tuple[InputDescription, ...]
    outputs: tuple[OutputDescription, ...]
    labels: tuple[str, ...] = LABELS
    threshold: float
    band: tuple[float, float]
    alpha: float | None
    seed: int
    model: str
    feature_version: int
    family: str
    licences: dict[str, str]
    cinemae: str
    image: str = IMAGE
    arithmetic: str = ARITHMETIC


def describe(detector: Detector, head: FusionHead, runtime: Format, file: str, seed: int) -> ExportDescription:
    """Describe the export of a detector with this head."""
    extractor, decision = detector.extractor, head.decision(detector.threshold, detector.alpha)
    return ExportDescription(
        runtime=runtime,
        file=file,
        inputs=tuple(
            InputDescription(
                name=name,
                shape=input_shape(scale),
                views=_views(scale),
                backbone=extractor.fingerprints[name],
            )
            for name, scale in extractor.spec.scales.items()
        ),
        outputs=_outputs(extractor.spec),
        threshold=decision.threshold,
        band=decision.band,
        alpha=decision.alpha,
        seed=seed,
        model=detector.fingerprint,
        feature_version=extractor.spec.version,
        family=extractor.spec.family,
        licences=_licences(detector, head),
        cinemae=cinemae.__version__,
    )


def input_shape(scale: ScaleSpec) -> tuple[int, int, int, int]:
    """Return the shape of a scale's input: views, height, width, colours."""
    return (1 if scale.view == "resized" else scale.crops, scale.size, scale.size, 3)


def smallest_side(scale: ScaleSpec) -> int:
    """Return how long an image's sides must be for views of full size."""
    return 1 if scale.view == "resized" or scale.enlarge else (scale.size - 1) * scale.reduce + 1


def _outputs(spec: FeatureSpec) -> tuple[OutputDescription, ...]:
    out = [
        OutputDescription(name="probability", meaning="calibrated probability that an AI generator made the image"),
        OutputDescription(name="verdict", type="int64", meaning="; ".join(f"{n} {s}" for n, s in enumerate(LABELS))),
    ]
    if "semantic" in spec.scales:
        said = "mean conditional NLL of the semantic scale, bits a sub-pixel"
        out.append(OutputDescription(name="bits_per_dim", meaning=said))
    for name, scale in spec.scales.items():
        if scale.masks is None:
            continue
        views, side = input_shape(scale)[0], scale.size // scale.patch
        meaning = f"mean NLL of each patch of {scale.patch} pixels, bits a sub-pixel: views, rows, columns"
        out.append(OutputDescription(name=f"{name}_nll", shape=(views, side, side), meaning=meaning))
    return tuple(out)


def _licences(detector: Detector, head: FusionHead) -> dict[str, str]:
    """Look up the licence of every part; unknown where the head's record leads to another MAE, or to none."""
    found = {"head": head.config.licence}
    for scale, backbone in detector.extractor.backbones.items():
        try:
            loaded = load_backbone(head.config.backbone_names[scale], offline=True)
            same = loaded.mae.fingerprint == backbone.runtime.mae.fingerprint
        except (CheckpointError, KeyError):
            same = False
        found[scale] = loaded.licence if same else "unknown"
    return found


def _views(scale: ScaleSpec) -> ViewDescription:
    resized = scale.view == "resized"
    return ViewDescription(
        kind=scale.view,
        resize=scale.resize if resized else None,
        crop=scale.size,
        enlarge=not resized and scale.enlarge,
        reduce=1 if resized else scale.reduce,
        count=input_shape(scale)[0],
        smallest_side=smallest_side(scale),
        steps=_resized_steps(scale) if resized else _native_steps(scale),
    )


def _resized_steps(scale: ScaleSpec) -> tuple[str, ...]:
    size = scale.size
    return (
        f"Let W x H be the image's size and side = min(W, H) * {size} / {scale.resize}, not rounded.",
        "Take the box in the middle: left = (W - side) / 2, top = (H - side) / 2, not rounded.",
        f"Resample it to {size} x {size}, bicubic with antialiasing, as Pillow does:"
        f" image.resize(({size}, {size}), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side)).",
    )


def _native_steps(scale: ScaleSpec) -> tuple[str, ...]:
    size, count, reduce = scale.size, scale.crops, scale.reduce
    steps = []
    if scale.enlarge:
        steps.append(
            f"If the shorter side is below {size * reduce}, take the whole middle square instead, enlarged: as a"
            f" resized view whose short side is brought to {size}. Else:"
        )
    if reduce > 1:
        steps.append(
            f"Reduce the image by {reduce} with a box filter, sides rounded up, as Pillow does: image.reduce({reduce})."
        )
    steps.append(f"Let W x H be its size now; both must be at least {size}. Nothing is resampled from here on.")
    if count > 1:
        steps.append(
            f"For rows = 1 to {count} let columns = ceil({count} / rows); take the grid with the smallest"
            f" |ln((H / {size} / rows) / (W / {size} / columns))|, with rows = 1 first and a later one only if smaller."
        )
    else:
        steps.append("Let rows = columns = 1.")
    steps += [
        f"For each row r and column c from 0: top = round((r + 0.5) / rows * H - {size} / 2),"
        f" left = round((c + 0.5) / columns * W - {size} / 2); a half is rounded to the even number.",
        f"Order them by |top - (H - {size}) / 2| + |left - (W - {size}) / 2|, then by top, then by left.",
        f"Bring top into 0 to H - {size} and left into 0 to W - {size}; drop repetitions; keep the first {count}.",
        f"Cut {size} x {size} pixels from each. If there are fewer than {count}, repeat all of them equally often;"
        " an image where that does not come out even can't be scored by this model.",
    ]
    return tuple(steps)
