"""Writing an exported scorer with its description; what does not agree with the library is not kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cinemae.detector import Detector
from cinemae.export.check import (
    Comparison,
    ExportError,
    Pixels,
    compare,
    inputs_of,
    open_exported,
    synthetic_picture,
)
from cinemae.export.describe import ExportDescription, Format, describe, input_shape

DESCRIPTION_FILE = "cinemae.json"
MODEL_FILES: dict[Format, str] = {"onnx": "cinemae.onnx", "openvino": "cinemae.xml"}
METADATA_KEY = "cinemae"
TOLERANCE = 1e-3  # in probability
NLL_TOLERANCE = 1e-2  # in bits a sub-pixel of one patch; a saturated probability hides what is wrong below it


@dataclass(frozen=True)
class Exported:
    """An export that was written and checked.

    Attributes:
        files: What was written, the model first.
        description: What stands in the JSON.
        comparisons: One a picture that was tried.
    """

    files: tuple[Path, ...]
    description: ExportDescription
    comparisons: tuple[Comparison, ...]


def export_detector(
    detector: Detector,
    place: Path,
    runtime: Format,
    *,
    seed: int = 0,
    pictures: dict[str, Pixels] | None = None,
) -> Exported:
    """Write the whole scorer as one model, try it in its own runtime, and describe it in a JSON beside it.

    The files are moved to their place only once they agree with the library: a failed export leaves
    what was there.

    Args:
        detector: A detector with a head, whose MAEs compute in f32.
        place: Folder for the files; made if it is not there.
        runtime: Kind of model.
        seed: Seed of the masks, which become constants.
        pictures: Pictures by name on which it is tried, beside a synthetic one.

    Raises:
        ExportError: If the detector has no head or computes in less than f32, a picture is too small,
            or a probability differs by more than ``TOLERANCE`` or a patch's NLL by more than ``NLL_TOLERANCE``.
    """
    head = detector.head
    if head is None:
        raise ExportError("without a head there is no probability to export: train one with `cinemae train`")
    if (precision := detector.extractor.precision) != "f32":
        raise ExportError(f"the detector computes in {precision}; load it with precision f32, to compare with")
    spec = detector.extractor.spec
    tried = {"synthetic": synthetic_picture(spec)} | (pictures or {})
    for name, pixels in tried.items():
        try:
            inputs_of(pixels, spec)  # before the export, which takes a minute
        except ExportError as error:
            raise ExportError(f"{name}: {error}") from error
    description = describe(detector, head, runtime, MODEL_FILES[runtime], seed)
    place.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=place, prefix=".export-") as folder:
        work = Path(folder)
        _write(detector, work, description)
        run = open_exported(work / description.file, runtime)
        found = tuple(compare(run, detector, head, pixels, name, seed) for name, pixels in tried.items())
        del run  # Windows moves no file that is open
        for comparison in found:
            _require_agreement(comparison)
        written = sorted(work.iterdir(), key=lambda path: path.name != description.file)
        for path in written:
            path.replace(place / path.name)
    return Exported(tuple(place / path.name for path in written), description, found)


def _require_agreement(found: Comparison) -> None:
    # NaN compares as false, so that it fails too.
    if not found.probability_difference <= TOLERANCE:
        raise ExportError(
            f"the exported model says {found.probability:.6f} of {found.name}, which is"
            f" {found.probability_difference:.1e} from the library; it was not kept"
        )
    if not found.nll_difference <= NLL_TOLERANCE:
        raise ExportError(
            f"the exported model's NLL of a patch of {found.name} is {found.nll_difference:.1e} bits from the"
            " library's; it was not kept"
        )


def _write(detector: Detector, work: Path, description: ExportDescription) -> None:
    # Torch and the exporter take seconds to import.
    from cinemae.export.onnx_graph import to_onnx
    from cinemae.export.scorer import Scorer

    assert detector.head is not None
    scorer = Scorer(detector, detector.head, description.seed)
    program = to_onnx(scorer, [input_shape(scale) for scale in detector.extractor.spec.scales.values()])
    text = description.model_dump_json(indent=1)
    (work / DESCRIPTION_FILE).write_text(text + "\n")
    program.model.metadata_props[METADATA_KEY] = text
    if description.runtime == "onnx":
        program.save(work / description.file)  # with weights in a file of their own where ONNX's 2 GB require it
    else:
        _write_openvino(program, work / description.file, text)


def _write_openvino(program: Any, path: Path, text: str) -> None:
    from cinemae.mae.openvino_library import ov

    with TemporaryDirectory(dir=path.parent) as folder:
        source = Path(folder) / "scorer.onnx"
        program.save(source)
        model = ov.convert_model(source)
        model.set_rt_info(text, [METADATA_KEY])
        ov.save_model(model, path, compress_to_fp16=False)
