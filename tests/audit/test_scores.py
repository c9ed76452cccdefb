"""Score files: read as written, or refused by line."""

import math

import pytest

from cinemae.audit.scores import read_scores
from cinemae.datasets import LabelledImage, ManifestError

IMAGES = [
    LabelledImage(path=f"here/{name}", name=name, label=0, generator="g", source="s", split="val")
    for name in ("a.png", "b.png", "c.png")
]


@pytest.fixture
def written(tmp_path):
    def write(text: str):
        (tmp_path / "scores.csv").write_text(text, encoding="utf-8-sig")
        return read_scores(tmp_path / "scores.csv")

    return write


def test_names_are_those_of_the_set(written):
    scores = written("name,score\nb.png,0.25\na.png,-3\nelsewhere.png,1\n")
    assert scores.of(IMAGES, "raw")[:2] == [-3, 0.25]
    assert math.isnan(scores.of(IMAGES, "raw")[2])
    assert scores.of(IMAGES, "format") is None


def test_protocols_are_kept_apart(written):
    scores = written("name,score,protocol\na.png,0.1,raw\na.png,0.9,history\n")
    assert scores.of(IMAGES[:1], "raw") == [0.1]
    assert scores.of(IMAGES[:1], "history") == [0.9]


def test_the_csv_of_detect_is_taken_as_it_is(written):
    scores = written("path,verdict,probability\nhere/a.png,ai,0.75\nhere/b.png,,\n")
    assert scores.of(IMAGES[:1], "raw") == [0.75]
    assert scores.empty == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,points\na.png,1\n", "no column 'score' or 'probability'; columns are name, points"),
        ("file,score\na.png,1\n", "no column 'name' or 'path'"),
        ("name,score\na.png,high\n", "line 2: the score 'high' is not a finite number"),
        ("name,score\na.png,nan\n", "line 2: the score 'nan'"),
        ("name,score\na.png,1\na.png,2\n", "line 3: a second score of 'a.png'"),
        ("name,score,protocol\na.png,1,sepia\n", "line 2: unknown protocol 'sepia'"),
        ("name,score\n", "no scores"),
    ],
)
def test_what_is_wrong_is_named(written, text, message):
    with pytest.raises(ManifestError, match=message):
        written(text)


def test_scores_of_other_images_are_refused(written):
    with pytest.raises(ManifestError, match=r"none is called 'a\.png'"):
        written("name,score\nz.png,1\n").of(IMAGES, "raw")


COLUMNS = "name,generator,label,source,split,head,protocol,corruption,probability\n"
EVALUATED = (
    "a.png,g,real,s,val,one,raw,,0.1\na.png,g,real,s,val,one,history,,0.2\na.png,g,real,s,val,one,history,jpeg:50,0.3\n"
)


def test_the_file_of_evaluate_is_taken_as_it_is_without_its_corruptions(written):
    scores = written(COLUMNS + EVALUATED)
    assert scores.of(IMAGES[:1], "raw") == [0.1]
    assert scores.of(IMAGES[:1], "history") == [0.2]


def test_of_several_heads_one_is_chosen(written, tmp_path):
    both = COLUMNS + EVALUATED + "a.png,g,real,s,val,two,raw,,0.9\n"
    with pytest.raises(ManifestError, match="line 5: scores of a second head, 'two': choose one"):
        written(both)
    assert read_scores(tmp_path / "scores.csv", head="two").of(IMAGES[:1], "raw") == [0.9]
    with pytest.raises(ManifestError, match="no scores of the head 'three'; there are 'one', 'two'"):
        read_scores(tmp_path / "scores.csv", head="three")


def test_an_image_that_is_listed_twice_may_have_its_score_twice(written):
    assert written("name,score\na.png,1\na.png,1\n").of(IMAGES[:1], "raw") == [1]
