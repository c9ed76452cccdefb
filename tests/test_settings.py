import pytest
from pydantic import ValidationError

from cinemae.detector import ACCURATE_ROUNDS
from cinemae.settings import DetectorSettings


def test_the_settings_arrive_and_survive_json(head_folder):
    said = DetectorSettings(
        model=str(head_folder), device="cpu", precision="f32", jobs=3, threshold=0.4, max_pixels=5_000, max_bytes=777
    )
    detector = DetectorSettings.model_validate_json(said.model_dump_json()).load()
    assert (detector.jobs, detector.threshold, detector.extractor.precision) == (3, 0.4, "f32")
    assert (detector.limits.max_pixels, detector.limits.max_bytes) == (5_000, 777)


def test_the_error_rate_arrives(head_folder):
    said = DetectorSettings(model=str(head_folder), device="cpu", alpha=0.3)
    detector = DetectorSettings.model_validate_json(said.model_dump_json()).load()
    assert (detector.alpha, detector.decision.alpha) == (0.3, 0.3)


def test_accurate_takes_more_rounds(head_folder):
    detector = DetectorSettings(model=str(head_folder), device="cpu", accurate=True).load()
    assert detector.extractor.spec.scales["semantic"].masks.rounds == ACCURATE_ROUNDS


@pytest.mark.parametrize(
    "wrong",
    [
        {"precision": "int3"},
        {"threshold": 1.0},
        {"alpha": 0.0},
        {"threshold": 0.5, "alpha": 0.1},
        {"jobs": 0},
        {"modle": "x"},
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        DetectorSettings(**wrong)
