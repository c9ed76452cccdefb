"""Comparisons on invented facts: what was planted is found and named, and nothing else."""

import numpy as np
import pytest

from cinemae.audit import AuditConfig
from cinemae.audit.compare import POOLED
from cinemae.audit.compare import audit_protocol as audit_facts
from cinemae.audit.measure import FACTS

FEW_FACTS = tuple(
    fact
    for fact in FACTS
    if fact.name
    in {"format", "width", "aspect", "megapixels", "bytes_per_pixel", "jpeg_quality", "exif", "double_jpeg", "border"}
)


def audit_protocol(*arguments):
    return audit_facts(*arguments, FEW_FACTS)


@pytest.fixture
def planted(invent):
    """Invent images, one fact of which depends on the label."""

    def plant(name, value_of, **options):
        images, values = invent(80, **options)
        for image, row in zip(images, values, strict=True):
            row[name] = value_of(image, row[name])
        return images, values

    return plant


PLANTED = {
    "format": lambda image, value: "PNG" if image.label else "JPEG",
    "width": lambda image, value: 512.0 if image.label else 400 + 100 * value,
    "jpeg_quality": lambda image, value: value + 3 * image.label,
    "exif": lambda image, value: float(not image.label and value > -1),
    "double_jpeg": lambda image, value: abs(value) * (1 - image.label),
    "border": lambda image, value: value - 3 * image.label,
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_single_biased_fact_is_found_and_named_and_no_other_is(name, planted, quick):
    images, values = planted(name, PLANTED[name], seed=4)
    found = audit_protocol("raw", images, values, None, quick)
    group = next(fact.group for fact in FACTS if fact.name == name)
    assert [(finding.comparison, finding.evidence) for finding in found.findings] == [("g", group)]
    assert [row.name for row in found.findings[0].alone] == [name]
    assert found.comparison("g").fact(name).alone.value > 0.8
    assert found.comparison("g").joint["together"].value > 0.8


def test_nothing_is_found_where_nothing_is(invent, quick):
    found = audit_protocol("raw", *invent(80, seed=9), None, quick)
    assert found.findings == ()
    assert found.mean.generators == ("g",)


def test_the_order_says_which_class_has_more(planted, quick):
    images, values = planted("megapixels", lambda image, value: value - 2 * image.label)
    row = audit_protocol("raw", images, values, None, quick).comparison("g").fact("megapixels")
    assert row.order < 0.2
    assert row.alone.value > 0.8


def test_generators_are_compared_with_their_own_and_pooled(planted, quick):
    """One generator is biased, the other the other way round: pooled, the fact says nothing."""
    images, values = planted(
        "aspect", lambda image, value: float(image.label == (image.generator == "one")), generators=("one", "other")
    )
    found = audit_protocol("raw", images, values, None, quick)
    assert [comparison.name for comparison in found.comparisons] == ["one", "other", POOLED]
    areas = [comparison.fact("aspect").alone.value for comparison in found.comparisons]
    assert areas[:2] == [1, 1]
    assert areas[2] < 0.6
    assert found.mean.joint["file"].value > 0.99
    assert {finding.comparison for finding in found.findings} == {"one", "other"}


def test_small_classes_are_marked_and_never_warned_of(planted, quick):
    images, values = planted("format", PLANTED["format"])
    found = audit_protocol("raw", images, values, None, quick.model_copy(update={"few": 41}))
    assert found.comparison("g").few
    assert found.comparison("g").fact("format").alone.value == 1
    assert found.findings == ()
    assert found.mean is None


def test_a_class_that_is_absent_is_skipped_by_name(invent, quick):
    images, values = invent(40, generators=("both", "half"))
    kept = [n for n, image in enumerate(images) if image.generator == "both" or image.label]
    found = audit_protocol("raw", [images[n] for n in kept], [values[n] for n in kept], None, quick)
    assert found.skipped == ("half",)
    assert [comparison.name for comparison in found.comparisons] == ["both", POOLED]


def test_the_size_of_an_aligned_file_is_a_statistic_of_its_pixels(planted, quick):
    images, values = planted("bytes_per_pixel", lambda image, value: value + 3 * image.label)
    for protocol, group in (("raw", "file"), ("format", "pixels")):
        found = audit_protocol(protocol, images, values, None, quick)
        assert {finding.evidence for finding in found.findings} == {group}


def test_the_limit_moves_the_warning(planted, quick):
    images, values = planted("width", lambda image, value: value + 1.5 * image.label, seed=2)
    low, high = (
        audit_protocol("raw", images, values, None, quick.model_copy(update={"limit": limit})) for limit in (0.6, 0.95)
    )
    assert low.findings
    assert not high.findings


def test_the_detector_is_compared_on_the_images_that_it_scored(planted, quick):
    images, values = planted("format", PLANTED["format"])
    rng = np.random.default_rng(0)
    scores = [float(image.label + rng.normal()) for image in images]
    scores[:20] = [float("nan")] * 20
    found = audit_protocol("raw", images, values, scores, quick)
    comparison = found.comparison("g")
    assert comparison.scored == 60
    assert 0.6 < comparison.detector.value < 0.9
    assert found.mean.detector.value == comparison.detector.value
    assert [finding.detector_is_better for finding in found.findings] == [False]


def test_the_same_twice(invent):
    images, values = invent(60, sources=7)
    config = AuditConfig(resamples=40, folds=3)
    assert audit_protocol("raw", images, values, None, config) == audit_protocol("raw", images, values, None, config)
