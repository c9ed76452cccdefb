"""The training recipe, end to end on the toy set."""

import numpy as np
import pytest
from pydantic import ValidationError

from cinemae.datasets import ManifestError, manifest_hash, read_images, read_photos
from cinemae.detector import Detector
from cinemae.features.collect import Collected
from cinemae.features.spec import default_scales
from cinemae.fusion.config import FitConfig, TrainConfig, part_config
from cinemae.fusion.errors import AlphaError
from cinemae.fusion.head import FusionHead
from cinemae.fusion.jobs import training_jobs
from cinemae.fusion.recipe import prepare_extractor, train_head, weigh_and_divide
from cinemae.mae.select import resolve_precision


@pytest.fixture(scope="module")
def trained(config, toy_set, toy_photos, tmp_path_factory):
    place = tmp_path_factory.mktemp("trained")
    (place / "photos").mkdir()
    (place / "photos" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    arguments = {"photos": [toy_photos, place / "photos"], "cache": place / "cache", "jobs": 1}
    everything = config.model_copy(update={"photos_limit": 17})
    return place, train_head(everything, toy_set, place / "head", parts=True, **arguments), arguments, everything


def test_the_head_tells_new_pictures_apart(trained, toy_set):
    place, reports, *_ = trained
    detector = Detector.load(place / "head")
    images = read_images(toy_set, split="val")
    p = np.array([verdict.probability for verdict in detector.detect(image.path for image in images)])
    labels = np.array([image.label for image in images])
    assert ((p >= detector.head.config.threshold) == labels).mean() >= 0.9
    assert reports[place / "head"].held_out_auc > 0.95


def test_parts_go_beside_the_head(trained):
    place, reports, *_ = trained
    parts = ("local", "tokens")
    assert list(reports) == [place / name for name in ("head", *(f"head-{part}" for part in parts))]
    heads = {part: FusionHead.load(folder) for part, folder in zip(("fused", *parts), reports, strict=True)}
    assert {head.config.training["part"] for head in heads.values()} == set(heads)
    names = heads["fused"].config.spec.names
    groups = {"local": {"likelihood", "error", "residual"}, "tokens": {"global"}}
    scales = {"local": {"semantic", "fine"}, "tokens": {"semantic"}}
    for part, head in heads.items():
        assert head.config.parts == (parts if part == "fused" else (part,))
        for name in head.config.parts:
            read = [names[n].split(".") for n in head.weights[f"{name}.index"]]
            assert {group for _, group, *_ in read} == groups[name]
            assert {scale for scale, *_ in read} == scales[name]


def test_the_record_says_where_the_head_comes_from(trained, config, toy_set, toy_photos):
    place, reports, *_ = trained
    head = FusionHead.load(place / "head")
    record = head.config.training
    used = read_images(toy_set, split="train") + read_photos(toy_photos) + read_photos(place / "photos")
    assert record["manifest_hash"] == manifest_hash(used)
    assert record["images"] == {"ai": 12, "real": 12, "photos": 17}
    assert len(record["refused"]) == 2  # once a variant
    assert all("broken.png" in text for text in record["refused"])
    assert record["weights"] == pytest.approx(reports[place / "head"].weights, abs=1e-4)
    assert record["weights"].keys() == {"local", "tokens"}
    assert record["held_out_loss"] == pytest.approx(reports[place / "head"].held_out_loss, abs=1e-4)
    assert record["held_out_auc"] == pytest.approx(reports[place / "head"].held_out_auc, abs=1e-4)
    assert record["config"]["augment"]["equalise"] is True
    assert record["config"]["seed"] == 4
    assert head.config.licence == "MIT"
    assert head.config.backbone_names == config.backbones
    again = TrainConfig.model_validate(record["config"] | {"scales": head.config.spec.scales})
    found = {"precision": resolve_precision("auto"), "device": "cpu"}  # not "auto": what it was measured with
    assert again == config.model_copy(update={"photos_limit": 17} | found)


def test_a_second_run_only_fits_and_gives_the_same_head(trained, toy_set, tmp_path):
    place, reports, arguments, config = trained
    (cache,) = (place / "cache").iterdir()
    before = cache.read_bytes()
    again = train_head(config, toy_set, tmp_path / "again", **arguments)
    assert cache.read_bytes() == before  # nothing was measured, so nothing was stored
    assert again[tmp_path / "again"].head.fingerprint() == reports[place / "head"].head.fingerprint()


def test_another_seed_gives_another_head(trained, toy_set, tmp_path):
    _, _, arguments, config = trained
    few = config.model_copy(update={"augmentations": 1, "photos_limit": 0})
    prints, records = zip(
        *(
            (report.head.fingerprint(), report.head.config.training)
            for seed in (4, 5)
            for report in train_head(
                few.model_copy(update={"seed": seed}), toy_set, tmp_path / "h", **arguments
            ).values()
        ),
        strict=True,
    )
    assert prints[0] != prints[1]
    assert [record["config"]["seed"] for record in records] == [4, 5]


def test_conformal_scores_are_one_an_image(trained):
    place, *_ = trained
    head = FusionHead.load(place / "head")
    images = head.config.training["images"]
    assert len(head.weights["conformal.ai"]) == images["ai"]
    refused = 1
    assert len(head.weights["conformal.real"]) == images["real"] + images["photos"] - refused


def test_families_reach_the_division(config, toy_set):
    """Two generators of one family are left out together, and the record says which they are."""
    images = read_images(toy_set, split="train")
    other = [image.model_copy(update={"generator": f"gen{n % 4}"}) if image.label else image
             for n, image in enumerate(images)]  # fmt: skip
    jobs = training_jobs(other, config)
    measured = Collected(np.zeros((len(jobs), 1), np.float32), jobs, [], other)
    plain = config.model_copy(update={"fit": config.fit.model_copy(update={"folds": 2})})
    families = {"pair": ("gen0", "gen3")}
    rows = weigh_and_divide(measured, plain.model_copy(update={"families": families}))
    fold_of = {
        job.image.generator: fold for job, fold in zip(jobs, rows.folds.tolist(), strict=True) if job.image.label
    }
    assert fold_of["gen0"] == fold_of["gen3"]
    weight = {name: rows.weights[[job.image.generator == name for job in jobs]].sum() for name in fold_of}
    assert weight["gen0"] < weight["gen1"]


def test_too_few_images_for_alpha_are_an_error_before_anything_is_measured(config, toy_set, tmp_path):
    strict = config.model_copy(update={"fit": config.fit.model_copy(update={"alpha": 0.01})})
    with pytest.raises(AlphaError, match=r"alpha 0.01 needs 99 AI-generated images to calibrate on, there are 12:"):
        train_head(strict, toy_set, tmp_path / "head", photos=[], cache=tmp_path / "cache", jobs=1)
    assert not list(tmp_path.iterdir())


def test_too_few_images_for_the_folds_are_an_error_before_anything_is_measured(config, toy_set, tmp_path):
    many = config.model_copy(update={"fit": config.fit.model_copy(update={"folds": 20})})
    with pytest.raises(ManifestError, match=r"12 real images can't be divided into 20 folds; give more"):
        train_head(many, toy_set, tmp_path / "head", photos=[], cache=tmp_path / "cache", jobs=1)
    assert not list(tmp_path.iterdir())


def test_a_part_that_reads_a_scale_that_is_not_there_is_refused():
    scales = {name: scale for name, scale in default_scales().items() if name != "native"}
    with pytest.raises(ValidationError, match=r"fit\.parts\.tokens reads the scale native; there is no such scale"):
        TrainConfig(scales=scales)
    assert TrainConfig().fit.parts["tokens"].scales == ("resized", "native")


def test_prepare_extractor_fills_in_names_and_fingerprints(config, extractor):
    prepared = prepare_extractor(config)
    assert prepared.spec.names == extractor.spec.names
    assert prepared.fingerprints == extractor.fingerprints
    assert prepared.backbone_names == config.backbones


def test_part_settings():
    fit = FitConfig()
    assert part_config(fit, "fused") == fit
    for part in ("tokens", "likelihood"):
        assert part_config(fit, part).parts == {part: fit.parts[part]}
        assert part_config(fit, part).folds == fit.folds
