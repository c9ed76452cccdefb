"""The most wrong images: the right ones, drawn from what was scored, or not at all."""

from __future__ import annotations

import base64
import io
import shutil

import numpy as np
import pytest
from PIL import Image

from cinemae.datasets import read_images
from cinemae.evaluation import evaluate_heads
from cinemae.provenance import Run
from cinemae.report.errors import ReportError
from cinemae.report.worst import Studio, galleries, most_wrong
from cinemae.scores import ImageScore
from toys import pink, write_set


def row(name: str, label: str, probability: float) -> ImageScore:
    values = {"generator": "g", "source": "s", "split": "val", "head": "h", "protocol": "raw"}
    return ImageScore.model_validate({"name": name, "label": label, "probability": probability, **values})


def test_the_furthest_on_the_wrong_side_come_first():
    rows = [row(f"r{n}", "real", p) for n, p in enumerate((0.2, 0.9, 0.5, 0.7))]
    rows += [row(f"a{n}", "ai", p) for n, p in enumerate((0.9, 0.1, 0.5, 0.1))]
    real, ai = most_wrong(rows, 0.5, 2)
    assert [one.name for one in real] == ["r1", "r3"]
    assert [one.name for one in ai] == ["a1", "a3"]  # 0.5 counts as AI
    assert [one.name for one in most_wrong(rows, 0.5, 9)[0]] == ["r1", "r3", "r2"]


def test_without_pictures_names_are_listed():
    (real, ai) = galleries([row("r.png", "real", 0.9)], [], None, "p")
    assert [(one.name, one.seen, one.nll) for one in real.pictures] == [("r.png", "", None)]
    assert "--data" in real.note
    assert ai.pictures == ()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = write_set(tmp_path_factory.mktemp("set"), {"val": 4})
    Image.fromarray(pink(1, 200)).save(folder / "toygen" / "val" / "nature" / "large.png")
    return folder


@pytest.fixture(scope="module")
def evaluated(place, head, head_folder, tmp_path_factory):
    """An evaluation with its scores; sizes differ, so that alignment crops."""
    scores: list[ImageScore] = []
    found = evaluate_heads(
        {str(head_folder): head}, read_images(place, split="val"), ["raw", "format", "history"],
        cache=tmp_path_factory.mktemp("cache"), families={}, resamples=0, jobs=1, record=scores.append, seed=3,
    )  # fmt: skip
    run = Run.here("cinemae evaluate", seed=3, limit=None, heads={str(head_folder): head.fingerprint()})
    return found.model_copy(update={"run": run}), scores


def picture(uri: str) -> Image.Image:
    kind, data = uri.split(",", 1)
    assert kind == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize("protocol", ["raw", "format", "history"])
def test_what_is_drawn_is_what_was_scored(evaluated, place, head_folder, protocol):
    evaluation, scores = evaluated
    studio = Studio.of(evaluation, str(head_folder), read_images(place, split="val"), protocol)
    mine = [one for one in scores if one.protocol == protocol]
    assert len(mine) == 9
    for one in mine:
        drawn = studio.draw(one)  # raises if the score is another one now
        seen, under = picture(drawn["seen"]), picture(drawn["map"])
        assert seen.size == under.size == (224, 224)
        assert drawn["nll"] > 0
        assert np.asarray(seen).std() > 5
        assert (np.asarray(seen) != np.asarray(under)).any()


def test_what_has_changed_since_is_refused(evaluated, place, head, head_folder, tmp_path):
    evaluation, scores = evaluated
    name = str(head_folder)
    images = read_images(place, split="val")
    with pytest.raises(ReportError, match=r"not those of the evaluation: manifest hash"):
        Studio.of(evaluation, name, images[1:], "raw")
    with pytest.raises(ReportError, match="does not say what it was made with"):
        Studio.of(evaluation.model_copy(update={"run": None}), name, images, "raw")
    other = evaluation.run.model_copy(update={"heads": {name: "f" * 16}})
    with pytest.raises(ReportError, match="the head has changed since the evaluation"):
        Studio.of(evaluation.model_copy(update={"run": other}), name, images, "raw")

    copy = shutil.copytree(place, tmp_path / place.name)
    studio = Studio.of(evaluation, name, read_images(copy, split="val"), "raw")
    ai = next(one for one in scores if one.protocol == "raw" and one.label == "ai")
    file = next(image.path for image in studio.images.values() if image.key == ai.name)
    Image.fromarray(pink(5)).save(file)
    with pytest.raises(ReportError, match=r"scores .* now and .* in the evaluation"):
        studio.draw(ai)
    file.write_bytes(b"")
    with pytest.raises(ReportError, match="can't be read again"):
        studio.draw(ai)
    with pytest.raises(ReportError, match=r"gone\.png: not among the images"):
        studio.draw(ai.model_copy(update={"name": "gone.png"}))


def test_a_sample_is_drawn_again(evaluated, place, head_folder, head, tmp_path):
    from cinemae.evaluation import sample_images

    images = read_images(place, split="val")
    scores: list[ImageScore] = []
    some = sample_images(images, 2, 7)
    found = evaluate_heads(
        {str(head_folder): head}, some, ["format"], cache=tmp_path, families={}, resamples=0, jobs=1,
        record=scores.append, seed=7,
    )  # fmt: skip
    run = Run.here("cinemae evaluate", seed=7, limit=2, heads={str(head_folder): head.fingerprint()})
    studio = Studio.of(found.model_copy(update={"run": run}), str(head_folder), images, "format")
    assert len(scores) == 4
    for one in scores:
        studio.draw(one)
