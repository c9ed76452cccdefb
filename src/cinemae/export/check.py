"""Running an exported file in its own runtime, and comparing what it says with what the library says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinemae.detector import Detector
from cinemae.export.describe import Format, input_shape, smallest_side
from cinemae.features.extractor import views_of
from cinemae.features.spec import FeatureSpec
from cinemae.fusion.head import FusionHead

Pixels = NDArray[np.uint8]
Arrays = dict[str, NDArray[Any]]
Run = Callable[[Arrays], Arrays]


class ExportError(ValueError):
    """A detector can't be exported, an image has no views for it, or the exported file says something else."""


@dataclass(frozen=True)
class Comparison:
    """What an exported scorer says of one image, and how far that is from the library.

    Attributes:
        name: The image.
        probability: The exported P(AI-generated).
        probability_difference: Distance from the library's.
        nll_difference: Largest distance of a patch's NLL, over all scales, bits a sub-pixel.
    """

    name: str
    probability: float
    probability_difference: float
    nll_difference: float


def inputs_of(pixels: Pixels, spec: FeatureSpec) -> dict[str, Pixels]:
    """Return an image's views as an exported scorer takes them, by the scale's name.

    A small image gives fewer distinct crops than an input has views; they are repeated, which leaves
    their mean as it is.

    Raises:
        ExportError: If the image is too small for views of full size, or has a number of crops that
            can't be repeated evenly.
    """
    found = {}
    for name, scale in spec.scales.items():
        count, least = input_shape(scale)[0], smallest_side(scale)
        if min(pixels.shape[:2]) < least:
            size = f"{pixels.shape[1]}x{pixels.shape[0]}"
            raise ExportError(f"an image of {size} is too small for an exported model: its sides must be {least}")
        views = views_of(pixels, scale)
        if count % len(views):
            raise ExportError(f"an image with {len(views)} distinct {name} views can't fill {count} evenly")
        found[name] = np.stack(views * (count // len(views)))
    return found


def open_exported(path: Path, runtime: Format) -> Run:
    """Return a function that runs an exported file on the CPU in float32, from inputs to outputs by name.

    An ONNX file is run by ONNX Runtime; without it by OpenVINO, which reads such files too.
    """
    if runtime == "onnx" and find_spec("onnxruntime") is not None:
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        outputs = [output.name for output in session.get_outputs()]
        return lambda inputs: dict(zip(outputs, session.run(outputs, inputs), strict=True))
    from cinemae.mae.openvino_library import ov

    compiled = ov.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": ov.Type.f32})
    return lambda inputs: {output.any_name: np.array(values) for output, values in compiled(inputs).items()}


def compare(run: Run, detector: Detector, head: FusionHead, pixels: Pixels, name: str, seed: int) -> Comparison:
    """Score one image with an exported model and with the library.

    Args:
        run: The exported model.
        detector: The detector that it was made from, computing in f32.
        head: Its head.
        pixels: The image, (height, width, 3).
        name: Its name.
        seed: Seed of the masks that the model was exported with.

    Raises:
        ExportError: If the image has no views for it.
    """
    spec = detector.extractor.spec
    said = run(inputs_of(pixels, spec))
    extraction = detector.extractor.extract(pixels, seed, alone=True)
    probability = float(head.probabilities(extraction.features[None])[0])
    apart = 0.0
    for scale, likelihoods in extraction.likelihoods.items():
        wanted = np.stack([view.per_patch(view.nll, spec.scales[scale].patch) for view in likelihoods])
        given = said[f"{scale}_nll"][: len(wanted)]
        apart = max(apart, float(np.abs(given - wanted).max()))
    exported = float(said["probability"])
    return Comparison(name, exported, abs(exported - probability), apart)


def synthetic_picture(spec: FeatureSpec) -> Pixels:
    """Return a picture that every export can be tried on: waves, an edge, and a little noise."""
    least = max(smallest_side(scale) for scale in spec.scales.values())
    height, width = max(240, least + least // 4), max(320, 2 * least)
    rng = np.random.default_rng(0)
    row, column = np.indices((height, width), dtype=np.float32)
    waves = [40 * np.sin(row / (9 + 4 * number) + column / (23 - 5 * number)) for number in range(3)]
    level = 120 + np.stack(waves, axis=-1) + 30 * (column > row)[..., None]
    noisy = level + rng.normal(0, 6, (height, width, 3))
    picture: Pixels = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return picture
