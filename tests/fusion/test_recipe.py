"""The training recipe, end to end on the toy set."""

import numpy as np
import pytest

from cinemae.datasets import manifest_hash, read_images, read_photos
from cinemae.detector import Detector
from cinemae.features.spec import FeatureSpec
from cinemae.fusion.config import FitConfig, TrainConfig, part_config
from cinemae.fusion.errors import AlphaError
from cinemae.fusion.head import FusionHead
from cinemae.fusion.recipe import prepare_extractor, train_head
from cinemae.loading import build_extractor
from cinemae.mae.select import resolve_precision
from toys import pink, upsampled


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
    parts = ("error", "local", "global", "unusual", "contrast")
    assert list(reports) == [place / name for name in ("head", *(f"head-{part}" for part in parts))]
    heads = {part: FusionHead.load(folder) for part, folder in zip(("fused", *parts), reports, strict=True)}
    assert {head.config.training["part"] for head in heads.values()} == set(heads)
    names = heads["fused"].config.spec.names
    groups = {"error": {"error"}, "local": {"likelihood", "residual"}, "global": {"global"}}
    groups |= {"unusual": {"global"}, "contrast": {"error"}}
    for part, head in heads.items():
        read = {
            branch: {names[n].split(".")[1] for n in head.weights[f"{branch}.index"]} for branch in head.config.parts
        }
        assert read == (groups if part == "fused" else {part: groups[part]})


def test_the_record_says_where_the_head_comes_from(trained, config, toy_set, toy_photos):
    place, reports, *_ = trained
    head = FusionHead.load(place / "head")
    record = head.config.training
    used = read_images(toy_set, split="train") + read_photos(toy_photos) + read_photos(place / "photos")
    assert record["manifest_hash"] == manifest_hash(used)
    assert record["images"] == {"ai": 12, "real": 12, "photos": 17, "zoomed": 0}
    assert len(record["refused"]) == 2  # once a variant
    assert all("broken.png" in text for text in record["refused"])
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


def test_a_head_learns_from_photographs_and_pseudo_fakes(config, toy_set, toy_photos, tmp_path):
    """The record says that there were some, and both sides of a pair are on one side of the split."""
    few = config.model_copy(update={"pseudo_fakes": True, "augmentations": 1})
    options = {"photos": [], "cache": tmp_path / "cache", "jobs": 1}
    (report,) = train_head(few, toy_set, tmp_path / "head", **options).values()
    assert report.head.config.training["config"]["pseudo_fakes"] is True
    assert report.held_out_auc > 0.6
    real, fake = (report.head.probabilities(rows).mean() for rows in np.split(probes(config), 2))
    assert fake > real


def test_too_few_images_for_alpha_are_an_error_before_anything_is_measured(config, toy_set, tmp_path):
    strict = config.model_copy(update={"fit": config.fit.model_copy(update={"alpha": 0.01})})
    with pytest.raises(AlphaError, match=r"alpha 0.01 needs 99 AI-generated images to calibrate on, there are \d:"):
        train_head(strict, toy_set, tmp_path / "head", photos=[], cache=tmp_path / "cache", jobs=1)
    assert not list(tmp_path.iterdir())


def probes(config: TrainConfig) -> np.ndarray:
    extractor = build_extractor(dict(config.backbones), FeatureSpec(scales=config.scales))
    return np.stack([extractor.extract(draw(80_000 + n)).features for draw in (pink, upsampled) for n in range(6)])


def test_prepare_extractor_fills_in_names_and_fingerprints(config, extractor):
    prepared = prepare_extractor(config)
    assert prepared.spec.names == extractor.spec.names
    assert prepared.fingerprints == {scale: backbone.fingerprint for scale, backbone in extractor.backbones.items()}
    assert prepared.backbone_names == config.backbones


def test_part_settings():
    fit = FitConfig()
    assert part_config(fit, "fused") == fit
    for part in ("local", "global", "error"):
        assert part_config(fit, part).branches == {part: fit.branches[part]}
        assert part_config(fit, part).distances == {}
    for part in ("unusual", "contrast", "semantic-contrast"):
        assert part_config(fit, part).branches == {}
        assert part_config(fit, part).distances == {part: fit.distances[part]}
