"""The training recipe, end to end on the toy set."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from cinemae.alignment import ZoomConfig, short_sides
from cinemae.datasets import manifest_hash, read_images, read_photos
from cinemae.detector import Detector
from cinemae.features.collect import Collected
from cinemae.features.spec import FeatureSpec
from cinemae.fusion.config import DistanceConfig, FitConfig
from cinemae.fusion.division import divide, parts_of
from cinemae.fusion.errors import AlphaError
from cinemae.fusion.head import FusionHead
from cinemae.fusion.recipe import (
    TrainConfig,
    choose_photos,
    part_config,
    prepare_extractor,
    train_head,
    training_jobs,
    weigh_and_split,
)
from cinemae.loading import build_extractor
from cinemae.mae.select import resolve_precision
from toys import FIT, MILD, SCALES, pink, upsampled


@pytest.fixture(scope="module")
def config(mae_folders) -> TrainConfig:
    scales = SCALES | {"fine": SCALES["fine"].model_copy(update={"crops": 1})}
    return TrainConfig(
        scales=scales,
        backbones=mae_folders,
        augment=MILD,
        augmentations=2,
        pseudo_fakes=False,
        photos_limit=6,
        fit=FIT,
        licence="MIT",
        seed=4,
    )


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


def test_jobs_are_every_image_with_every_variant_and_one_equaliser(config, toy_set, toy_photos):
    images = read_images(toy_set, split="train") + read_photos(toy_photos)
    jobs = training_jobs(images, config)
    assert len(jobs) == 2 * len(images)
    assert Counter(job.image.path for job in jobs) == {image.path: 2 for image in images}
    assert {job.variant.number for job in jobs} == {0, 1}
    assert len({job.variant.model_dump_json() for job in jobs}) == 2  # the same for both classes
    (equaliser,) = {id(job.equaliser): job.equaliser for job in jobs}.values()
    assert len(equaliser.ai) == 12
    assert len(equaliser.real) == 12 + 16


def test_real_images_also_give_pseudo_fakes(config, toy_set, toy_photos):
    images = read_images(toy_set, split="train") + read_photos(toy_photos)
    jobs = training_jobs(images, config.model_copy(update={"pseudo_fakes": True}))
    count = Counter((job.image.label, job.variant.protocol, job.label) for job in jobs)
    assert count == {(1, "augment", 1): 24, (0, "augment", 0): 56, (0, "pseudo", 1): 56}
    pixels = pink(1)
    pairs = {job.variant.protocol: job.variant.apply(pixels, "k", None) for job in jobs if job.variant.number == 1}
    assert pairs["augment"].shape == pairs["pseudo"].shape
    assert not np.array_equal(pairs["augment"], pairs["pseudo"])


def test_large_photographs_of_the_training_part_are_measured_at_several_scales(config, toy_set, toy_photos):
    images = read_images(toy_set, split="train") + read_photos(toy_photos)
    distance = DistanceConfig(groups=("global",), zoom_axes=2)
    fit = config.fit.model_copy(update={"distances": {"far": distance}})
    asked = config.model_copy(update={"fit": fit, "zoom": ZoomConfig(side=64, factors=(1.0, 0.8)), "zoom_photos": 3})
    jobs = training_jobs(images, asked)
    plain = training_jobs(images, config)
    assert jobs[: len(plain)] == plain
    zoom = jobs[len(plain) :]
    assert [job.variant.number for job in zoom] == [0, 1] * 3
    chosen = {job.image.place: job.image for job in zoom}
    allowed = {image.place for image in divide(images, fit.model_copy(update={"seed": config.seed})).training}
    assert len(chosen) == 3
    assert chosen.keys() <= allowed
    assert {image.label for image in chosen.values()} == {0}
    assert min(short_sides(list(chosen.values()))[1]) >= 80
    parts = parts_of(jobs, fit)
    assert not (parts.training | parts.validation | parts.conformal)[len(plain) :].any()
    measured = Collected(np.zeros((len(jobs), 1), np.float32), jobs, [])
    weights, _ = weigh_and_split(measured, asked)
    before, _ = weigh_and_split(Collected(np.zeros((len(plain), 1), np.float32), plain, []), asked)
    assert weights.tolist() == [*before, *[0.0] * 6]
    assert measured.zoomed.tolist() == (len(plain) + np.arange(6).reshape(3, 2)).tolist()
    refused = Collected(np.zeros((len(jobs) - 1, 1), np.float32), jobs[:-1], [])  # one view of the last photograph
    assert refused.zoomed.tolist() == measured.zoomed.tolist()[:2]
    assert weigh_and_split(refused, asked)[0].tolist() == [*before, *[0.0] * 5]
    for none in ({"zoom": ZoomConfig(side=4000)}, {"zoom_photos": 0}, {"fit": config.fit}):
        assert training_jobs(images, asked.model_copy(update=none)) == plain


def test_a_head_learns_from_photographs_and_pseudo_fakes(config, toy_set, toy_photos, tmp_path):
    """The record says that there were some, and both sides of a pair are on one side of the split."""
    few = config.model_copy(update={"pseudo_fakes": True, "augmentations": 1})
    options = {"photos": [], "cache": tmp_path / "cache", "jobs": 1}
    (report,) = train_head(few, toy_set, tmp_path / "head", **options).values()
    assert report.head.config.training["config"]["pseudo_fakes"] is True
    assert report.held_out_auc > 0.6
    real, fake = (report.head.probabilities(rows).mean() for rows in np.split(probes(config), 2))
    assert fake > real


def test_the_parts_of_a_fit_share_no_source(config, toy_set, toy_photos):
    images = read_images(toy_set, split="train") + read_photos(toy_photos)
    fit = config.fit.model_copy(update={"seed": 4})
    division = divide(images, fit)
    parts = {name: {image.source for image in part} for name, part in vars(division).items()}
    for one, other in combinations(parts, 2):  # but for the one that has most photographs, divided by file
        assert parts[one] & parts[other] <= {"large"}
    assert {image.place for part in vars(division).values() for image in part} == {image.place for image in images}
    assert sum(map(len, vars(division).values())) == len(images)
    for part in vars(division).values():
        assert {image.label for image in part} == {0, 1}
    assert divide(images[::-1], fit).conformal == division.conformal[::-1]
    assert divide(images, fit.model_copy(update={"seed": 5})) != division


def test_conformal_rows_are_the_first_augmentation_of_each_image_and_no_pseudo_fake(config, toy_set, toy_photos):
    images = read_images(toy_set, split="train") + read_photos(toy_photos)
    jobs = training_jobs(images, config.model_copy(update={"pseudo_fakes": True}))
    parts, division = parts_of(jobs, config.fit), divide(images, config.fit)
    chosen = [job for job, inside in zip(jobs, parts.conformal, strict=True) if inside]
    assert Counter(job.image.place for job in chosen) == Counter(image.place for image in division.conformal)
    assert {(job.variant.protocol, job.variant.number) for job in chosen} == {("augment", 0)}
    for rows, wanted in ((parts.training, division.training), (parts.validation, division.validation)):
        places = {image.place for image in wanted}
        assert rows.tolist() == [job.image.place in places for job in jobs]


def test_too_few_images_for_alpha_are_an_error_before_anything_is_measured(config, toy_set, tmp_path):
    strict = config.model_copy(update={"fit": config.fit.model_copy(update={"alpha": 0.01})})
    with pytest.raises(AlphaError, match=r"alpha 0.01 needs 99 AI-generated images to calibrate on, there are \d:"):
        train_head(strict, toy_set, tmp_path / "head", photos=[], cache=tmp_path / "cache", jobs=1)
    assert not list(tmp_path.iterdir())


def probes(config: TrainConfig) -> np.ndarray:
    extractor = build_extractor(dict(config.backbones), FeatureSpec(scales=config.scales))
    return np.stack([extractor.extract(draw(80_000 + n)).features for draw in (pink, upsampled) for n in range(6)])


def test_equalisation_takes_the_size_away(config, tmp_path):
    """Small fakes and large photographs: what is measured of both has one distribution of sizes."""
    for kind, side in (("fake", 64), ("real", 200)):
        (tmp_path / kind).mkdir()
        for number in range(3):
            Image.fromarray(pink(number, side)).save(tmp_path / kind / f"{number}.png")
    images = read_images(tmp_path)
    assert sorted(short_sides(images)[1]) == [64] * 3 + [200] * 3
    for equalise in (True, False):
        augment = MILD.model_copy(update={"equalise": equalise})
        sides = {0: set(), 1: set()}
        for job in training_jobs(images, config.model_copy(update={"augment": augment})):
            pixels = np.array(Image.open(job.image.path))
            limit = (
                job.equaliser.side(min(pixels.shape[:2]), job.image.label, np.random.default_rng(0))
                if job.equaliser
                else None
            )
            sides[job.image.label].add(job.variant.apply(pixels, job.image.name, limit).shape[0])
        assert (sides[0] == sides[1]) is equalise


def test_photographs_are_chosen_balanced_and_the_same_each_time(tmp_path):
    for source, count in (("large", 400), ("small", 25)):
        (tmp_path / source).mkdir()
        for number in range(count):
            (tmp_path / source / f"{number:03d}.jpg").touch()
    chosen = choose_photos([tmp_path], None, 40, seed=0)
    assert chosen == choose_photos([tmp_path], None, 40, seed=0)
    assert {p.path for p in chosen} != {p.path for p in choose_photos([tmp_path], None, 40, seed=1)}
    assert len({photo.path for photo in chosen}) == 40
    # Fourth roots of 400 and 25 are in the ratio of 2 to 1: a third of the draws, not a seventeenth.
    small = [sum(p.source == "small" for p in choose_photos([tmp_path], None, 12, seed)) for seed in range(60)]
    assert np.mean(small) == pytest.approx(12 / 3, abs=0.8)
    assert all(photo.label == 0 for photo in chosen)


def test_large_photographs_are_drawn_more_often(tmp_path):
    for side in (32, 128):
        for number in range(30):
            Image.new("RGB", (side, side + 10)).save(tmp_path / f"{side}-{number}.png")
    (tmp_path / "broken.png").touch()
    drawn = [photo.path.name for seed in range(60) for photo in choose_photos([tmp_path], None, 3, seed)]
    assert sum(name.startswith("128-") for name in drawn) / len(drawn) == pytest.approx(0.8, abs=0.1)


def test_all_photographs_where_there_are_few(toy_photos):
    assert len(choose_photos([toy_photos], None, 100, seed=0)) == 16
    assert choose_photos([toy_photos], None, 0, seed=0) == []
    assert choose_photos([], None, 10, seed=0) == []


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
