"""Whole audits of generated sets: a biased one raises the warning, the same set aligned does not."""

import pytest

from cinemae.audit import Audit, AuditConfig, Scores, audit_images, to_markdown
from cinemae.audit.measure import FACTS
from cinemae.datasets import ManifestError


@pytest.fixture(scope="module")
def scores(png_against_jpeg) -> Scores:
    """A detector that is right about 30 of 40 images of each class; one image has no score."""
    wrong = {image.key for label in (0, 1) for image in [i for i in png_against_jpeg if i.label == label][:10]}
    rated = {image.key: abs(image.label - (image.key in wrong) * 1.0) for image in png_against_jpeg[:-1]}
    return Scores({"raw": rated, "history": rated})


@pytest.fixture(scope="module")
def audited(png_against_jpeg, scores) -> Audit:
    broken = png_against_jpeg[0].path.with_name("broken.png")
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    bad = png_against_jpeg[0].model_copy(update={"path": broken, "name": "gen/val/ai/broken.png"})
    config = AuditConfig(resamples=100, folds=2)
    return audit_images([*png_against_jpeg, bad], ("raw", "format", "history"), scores=scores, config=config, jobs=1)


def test_png_against_jpeg_is_solved_by_facts_of_the_files(audited):
    raw = audited.protocol("raw")
    comparison = raw.comparison("gen")
    assert comparison.joint["file"].value == 1
    assert comparison.fact("format").alone.value == 1
    assert comparison.fact("chroma").alone.value == 1
    file = next(finding for finding in raw.findings if finding.evidence == "file")
    assert {"format", "jpeg_quality", "chroma", "bytes_per_pixel"} <= {row.name for row in file.alone}


def test_aligned_they_solve_nothing(audited):
    for protocol in ("format", "history"):
        found = audited.protocol(protocol)
        assert not [finding for finding in found.findings if finding.evidence == "file"]
        assert found.comparison("gen").fact("format").alone.value == 0.5
        assert found.comparison("gen").joint["file"].value < 0.65


def test_the_detector_stands_beside_the_facts(audited):
    assert audited.protocol("format").comparison("gen").detector is None
    comparison = audited.protocol("raw").comparison("gen")
    assert comparison.scored == 79
    assert comparison.detector.value == pytest.approx(0.75, abs=0.01)
    assert audited.unscored == {"raw": 1, "history": 1}
    file = next(finding for finding in audited.protocol("raw").findings if finding.evidence == "file")
    assert file.detector_is_better is False


def test_slices_are_by_the_file_whatever_the_protocol(audited):
    formats = {(part.protocol, part.value): part for part in audited.slices if part.by == "format"}
    assert set(formats) == {(protocol, kind) for protocol in ("raw", "history") for kind in ("PNG", "JPEG")}
    assert formats["history", "PNG"].n_real == 0
    assert formats["history", "JPEG"].accuracy_real.value == pytest.approx(0.75, abs=0.02)


def test_refused_images_are_counted_and_named(audited):
    assert audited.images == 80
    assert [(one.name, one.label) for one in audited.refused] == [("gen/val/ai/broken.png", 1)]


def test_it_is_what_its_json_says(audited):
    assert Audit.model_validate_json(audited.model_dump_json()) == audited


def test_the_same_twice(audited, png_against_jpeg, scores):
    again = audit_images(
        png_against_jpeg, ("history",), scores=scores, config=AuditConfig(resamples=100, folds=2), jobs=1
    )
    assert again.protocol("history") == audited.protocol("history")


def test_the_text_warns_first_and_lists_everything(audited):
    text = to_markdown(audited)
    raw = text[text.index("## raw") : text.index("## format")]
    assert "**Warning: 1 of 1 generators can be told from real images by facts of the files" in raw
    assert raw.index("**Warning") < raw.index("| comparison")
    assert "Enough alone (in so many comparisons): format (1), " in raw
    assert "The detector is better than that in 0 of these 1 comparisons." in raw
    assert "facts of the files, whatever" not in text[text.index("## format") :]
    assert all(f"| {fact.name} |" in raw for fact in FACTS)
    assert "### history, by JPEG quality" in text
    assert "- gen/val/ai/broken.png (gen, ai): " in text
    assert "Of the images, 1 have no raw score." in text


def test_the_short_text_says_how_much_it_leaves_out(audited):
    short = to_markdown(audited, facts=5)
    assert short.count(f"{len(FACTS) - 5} weaker ones are in the files.") == 3
    assert len(short) < len(to_markdown(audited))


def test_a_set_that_can_not_be_read_at_all_is_refused(png_against_jpeg):
    gone = [image.model_copy(update={"path": image.path.with_name("gone")}) for image in png_against_jpeg[:4]]
    with pytest.raises(ManifestError, match="none of 4 images can be read"):
        audit_images(gone, jobs=1)


def test_one_class_alone_has_nothing_to_compare(png_against_jpeg):
    real = [image for image in png_against_jpeg if image.label == 0]
    found = audit_images(real, jobs=1)
    assert found.protocol("raw").skipped == ("gen",)
    assert "There is nothing to compare." in to_markdown(found)
    assert "no comparison of gen" in to_markdown(found)
