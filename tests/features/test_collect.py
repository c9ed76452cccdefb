"""Measuring a labelled set: in any order and any process the same, through the cache, past bad files."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from cinemae.alignment import AlignParams, AugmentConfig, SizeEqualiser, WindowConfig
from cinemae.corruptions import Corruption
from cinemae.datasets import LabelledImage, read_images
from cinemae.features.cache import FeatureCache
from cinemae.features.collect import CACHE_FILE, Job, Variant, cache_key, collect
from cinemae.features.measurer import ExtractorConfig
from cinemae.features.spec import FeatureSpec, ScaleSpec
from cinemae.images import load_image
from cinemae.mae.errors import CheckpointError
from cinemae.mae.modules import to_frozen
from measurers import CornerMeasurer
from toys import MILD, SCALES, SMALL_VIT, extractor_from, pink, save_small, small_conv, small_vit, upsampled

ONE = {"fine": SCALES["fine"].model_copy(update={"crops": 1})}
RAW = Variant()
JPEG = Corruption(name="jpeg", severity=50)


@pytest.fixture(scope="module")
def config(mae_folders) -> ExtractorConfig:
    return config_of({"fine": mae_folders["fine"]}, ONE)


def config_of(names: dict[str, str], scales: dict[str, ScaleSpec]) -> ExtractorConfig:
    return ExtractorConfig.of(extractor_from(names, FeatureSpec(scales=scales)), names)


@pytest.fixture
def images(tmp_path) -> list[LabelledImage]:
    for label, kind, draw in ((0, "real", pink), (1, "fake", upsampled)):
        (tmp_path / kind).mkdir()
        for number in range(3):
            Image.fromarray(draw(100 * label + number, 80)).save(tmp_path / kind / f"{number}.png")
    return read_images(tmp_path)


def copied(config: ExtractorConfig, place: Path) -> ExtractorConfig:
    """The same configuration, its MAE in a folder of its own that a test may take away."""
    shutil.copytree(config.backbone_names["fine"], place)
    return config.model_copy(update={"backbone_names": {"fine": str(place)}})


def test_rows_are_the_extractor_s_and_in_order(config, images, tmp_path):
    measured = collect([Job(image, RAW) for image in images], config, tmp_path / "cache", workers=2)
    assert [job.image for job in measured.jobs] == images
    assert measured.labels.tolist() == [1, 1, 1, 0, 0, 0]
    assert measured.refused == []
    extractor = extractor_from(dict(config.backbone_names), config.spec)
    for row, image in zip(measured.features, images, strict=True):
        assert np.array_equal(row, extractor.extract(load_image(image.path).pixels).features)


def test_a_second_run_measures_nothing(config, images, tmp_path):
    """Nothing is left to measure with: the MAE is gone, and still every row comes, to the bit."""
    config = copied(config, tmp_path / "mae")
    equaliser = SizeEqualiser.fit([80], [64])
    jobs = [Job(image, Variant(protocol="augment", number=n), equaliser) for image in images for n in range(2)]
    first = collect(jobs, config, tmp_path / "cache", workers=1)
    shutil.rmtree(tmp_path / "mae")
    again = collect(jobs, config, tmp_path / "cache", workers=1)
    assert again.features.tobytes() == first.features.tobytes()
    assert [job.variant.number for job in again.jobs] == [0, 1] * 6
    with pytest.raises(CheckpointError, match="mae"):
        collect([Job(images[0], Variant(protocol="augment", number=2))], config, tmp_path / "cache", workers=1)


def test_bad_files_are_named_and_the_rest_goes_on(config, images, tmp_path):
    good = Path(images[0].path).read_bytes()
    bad = {"cut.png": good[:300], "text.jpg": b"not a picture", "tiny.png": None, "missing.png": None}
    Image.new("RGB", (8, 8)).save(tmp_path / "tiny.png")
    for name, data in bad.items():
        if data is not None:
            (tmp_path / name).write_bytes(data)
    odd = [images[0].model_copy(update={"path": tmp_path / name}) for name in bad]
    equaliser = SizeEqualiser.fit([80], [80])
    order = [
        Job(odd[0], RAW),
        Job(images[0], RAW),
        Job(odd[1], RAW, equaliser),
        Job(odd[2], RAW),
        Job(odd[3], RAW),
        Job(images[4], RAW),
    ]
    measured = collect(order, config, tmp_path / "cache", workers=1)
    assert [job.image for job in measured.jobs] == [images[0], images[4]]
    assert len(measured.features) == 2
    assert len(measured.refused) == 4
    for name, text in zip(bad, measured.refused, strict=True):
        assert name in text
        assert len(text) > len(str(tmp_path / name)) + 10  # and a reason


def test_order_workers_and_company_change_nothing(config, images, tmp_path):
    variant = Variant(protocol="augment", number=1, augment=AugmentConfig())
    jobs = [Job(image, variant) for image in images]
    ahead = collect(jobs, config, tmp_path / "a", workers=1)
    back = collect(jobs[::-1], config, tmp_path / "b", workers=2)
    alone = collect(jobs[2:3], config, tmp_path / "c", workers=1)
    assert np.array_equal(ahead.features, back.features[::-1])
    assert np.array_equal(ahead.features[2], alone.features[0])


def test_variants_differ_and_each_has_its_own_place_in_the_cache(config, images, tmp_path):
    image = images[0]
    variants = [
        RAW,
        Variant(protocol="format"),
        Variant(protocol="history"),
        Variant(protocol="augment"),
        Variant(protocol="augment", number=1),
        Variant(protocol="augment", seed=1),
        Variant(protocol="augment", augment=MILD),
        Variant(corruption=JPEG),
        Variant(protocol="format", corruption=JPEG),
        Variant(corruption=Corruption(name="jpeg", severity=30)),
        Variant(corruption=Corruption(name="noise", severity=2)),
        Variant(corruption=Corruption(name="noise", severity=2), seed=1),
    ]
    jobs = [Job(image, variant) for variant in variants] + [Job(image, variants[3], SizeEqualiser.fit([80], [40]))]
    measured = collect(jobs, config, tmp_path / "cache", workers=1)
    assert len({row.tobytes() for row in measured.features}) == len(jobs)
    again = collect(jobs[::-1], config, tmp_path / "cache", workers=1)
    assert np.array_equal(again.features[::-1], measured.features)


def test_settings_that_a_variant_does_not_use_leave_its_place_in_the_cache():
    other = {"augment": MILD, "window": WindowConfig(side=64)}
    align = {"align": AlignParams(qualities=(50, 60))}
    for protocol, unused in (("raw", {**other, **align}), ("format", other), ("history", other), ("augment", align)):
        plain = Variant(protocol=protocol)
        assert plain.model_copy(update=unused).digest() == plain.digest()
    for protocol, used in (("format", align), ("history", align), ("augment", other)):
        plain = Variant(protocol=protocol)
        for name, value in used.items():
            assert plain.model_copy(update={name: value}).digest() != plain.digest()


@pytest.mark.parametrize(
    ("variant", "digest"),
    [
        (Variant(), "ac24624c69f1fd00"),
        (Variant(seed=3), "b8a8259fe17492e4"),
        (Variant(protocol="format"), "ca577653f816986c"),
        (Variant(protocol="history", number=2), "97a32a767c2f9adc"),
        (Variant(protocol="augment", seed=1), "1570d89dc28e36ed"),
    ],
)
def test_what_was_measured_before_there_were_corruptions_keeps_its_place(variant, digest):
    assert variant.digest() == digest
    assert variant.model_copy(update={"corruption": JPEG}).digest() != digest


def test_a_corruption_comes_after_the_alignment_with_the_variant_s_seed():
    pixels, noise = pink(1, 80), Corruption(name="noise", severity=5)
    plain = Variant(protocol="format", seed=3)
    corrupted = plain.model_copy(update={"corruption": noise}).apply(pixels, "k", 48)
    assert np.array_equal(corrupted, noise.apply(plain.apply(pixels, "k", 48), 3, "k"))


def test_the_file_s_name_and_place_do_not_matter(config, images, tmp_path):
    elsewhere = tmp_path / "elsewhere.png"
    shutil.copy(images[1].path, elsewhere)
    other = images[1].model_copy(update={"path": elsewhere, "source": "x"})
    variant = Variant(protocol="augment")
    measured = collect([Job(images[1], variant), Job(other, variant)], config, tmp_path / "cache", workers=1)
    assert np.array_equal(*measured.features)


def test_equalised_sizes_are_applied():
    pixels = pink(1, 80)
    assert Variant(protocol="format").apply(pixels, "k", 48).shape == (48, 48, 3)
    assert Variant(protocol="format").apply(pixels, "k", None).shape == (80, 80, 3)
    assert Variant(protocol="raw").apply(pixels, "k", None) is pixels


def test_draws_belong_to_the_image_and_the_number():
    pixels = pink(1, 80)
    variant = Variant(protocol="augment")
    assert np.array_equal(variant.apply(pixels, "k", None), variant.apply(pixels, "k", None))
    other = variant.apply(pixels, "other", None)
    assert other.shape != variant.apply(pixels, "k", None).shape or not np.array_equal(
        other, variant.apply(pixels, "k", None)
    )


@pytest.mark.parametrize("protocol", ["sepia", "pseudo", "zoom"])
def test_unknown_protocols_are_refused(protocol):
    with pytest.raises(ValidationError, match="protocol"):
        Variant(protocol=protocol)


def test_nothing_to_do(config, tmp_path):
    measured = collect([], config, tmp_path / "cache", workers=1)
    assert measured.features.shape == (0, len(config.spec.names))
    assert measured.labels.shape == (0,)


def test_progress_sees_every_job(config, images, tmp_path):
    seen = []

    def progress(items, total):
        for item in items:
            seen.append(total)
            yield item

    collect([Job(image, RAW) for image in images], config, tmp_path / "cache", workers=1, progress=progress)
    assert seen == [6] * 6


def test_another_mae_for_one_scale_measures_only_that_scale(mae_folders, images, tmp_path):
    """The other scale's MAE has changed behind the cache's back: no number of it is in the rows."""
    names = {"semantic": str(tmp_path / "vit"), "fine": mae_folders["fine"]}
    shutil.copytree(mae_folders["semantic"], names["semantic"])
    jobs = [Job(image, RAW) for image in images[1:4]]
    first = collect(jobs, config_of(names, SCALES), tmp_path / "cache", workers=1)
    names["fine"] = save_small(tmp_path / "conv", small_conv(seed=1))
    config = config_of(names, SCALES)
    shutil.rmtree(names["semantic"])
    save_small(tmp_path / "vit", small_vit(seed=1))
    second = collect(jobs, config, tmp_path / "cache", workers=1)
    semantic = np.char.startswith(np.array(config.spec.names), "semantic.")
    assert np.array_equal(second.features[:, semantic], first.features[:, semantic])
    wanted = [
        extractor_from(names, config.spec).extract(load_image(image.path).pixels).features for image in images[1:4]
    ]
    assert np.array_equal(second.features[:, ~semantic], np.stack(wanted)[:, ~semantic])
    assert not np.array_equal(second.features[:, semantic], np.stack(wanted)[:, semantic])
    assert (second.features[:, ~semantic] != first.features[:, ~semantic]).any(axis=1).all()


def test_the_cache_is_one_file_with_a_vector_a_scale(mae_folders, images, tmp_path):
    jobs = [Job(image, RAW) for image in images[:2]]
    measured = collect(jobs, config_of(mae_folders, SCALES), tmp_path / "cache", workers=1)
    assert [file.name for file in (tmp_path / "cache").iterdir()] == [CACHE_FILE]
    with FeatureCache(tmp_path / "cache" / CACHE_FILE) as cache:
        assert len(cache) == 2 * len(SCALES)
    alone = config_of({"fine": mae_folders["fine"]}, {"fine": SCALES["fine"]})
    part = collect(jobs, alone, tmp_path / "cache", workers=1)
    assert np.array_equal(part.features, measured.features[:, -len(alone.spec.names) :])
    with FeatureCache(tmp_path / "cache" / CACHE_FILE) as cache:
        assert len(cache) == 2 * len(SCALES)  # one scale of what is there is not stored again


def test_an_mae_without_its_noise_model_stops_the_run(config, images, tmp_path):
    """What is wrong with the model is not reported as if the images were bad."""
    vit = small_vit(0, SMALL_VIT.model_copy(update={"output": "mean"}))
    broken = ExtractorConfig(
        backbone_names={"semantic": save_small(tmp_path / "vit", vit)},
        fingerprints={"semantic": to_frozen(vit).fingerprint},
        spec=FeatureSpec(scales={"semantic": SCALES["semantic"]}),
    )
    with pytest.raises(ValueError, match="fit-noise"):
        collect([Job(images[0], RAW)], broken, tmp_path / "cache", workers=1)


def test_a_place_in_the_cache_stays_what_it_was():
    """Features that users have measured are still found: the key of a part of an image, letter by letter."""
    sha256 = "cb2e3b4f09fbdae3c5aba0bfc2467585464fc50b3c8443dfd211abf84581468e"
    variant = Variant(protocol="augment", seed=1)
    place = "bab4dc7dbfcec48c/" + sha256 + "/1570d89dc28e36ed/"
    assert cache_key("bab4dc7dbfcec48c", sha256, variant, "") == place
    assert cache_key("bab4dc7dbfcec48c", sha256, variant, "375") == place + "375"
    assert cache_key("", sha256, variant, "375") == ""


def test_places_in_the_file_are_those_keys(config, images, tmp_path):
    job = Job(images[0], RAW, SizeEqualiser.fit([80], [64]))
    collect([Job(images[0], RAW), job], config, tmp_path / "cache", workers=1)
    sha256 = hashlib.sha256(images[0].path.read_bytes()).hexdigest()
    with FeatureCache(tmp_path / "cache" / CACHE_FILE) as cache:
        assert cache.get(cache_key(config.scale_key("fine"), sha256, RAW, "")) is not None
        assert cache.get(cache_key(config.scale_key("fine"), sha256, RAW, "64")) is not None
        assert len(cache) == 2


def test_pixels_stay_bytes_and_out_of_the_cache(images, tmp_path):
    jobs = [Job(image, RAW) for image in images]
    measured = collect(jobs, CornerMeasurer(), tmp_path / "cache", workers=2)
    assert measured.features.dtype == np.uint8
    for row, image in zip(measured.features, images, strict=True):
        assert np.array_equal(row.reshape(2, 2, 3), load_image(image.path).pixels[:2, :2])
    with FeatureCache(tmp_path / "cache" / CACHE_FILE) as cache:
        assert len(cache) == 0
    empty = collect([], CornerMeasurer(), tmp_path / "cache", workers=1)
    assert (empty.features.shape, empty.features.dtype) == ((0, 12), np.uint8)


def test_parts_with_a_key_are_kept_and_the_others_measured_again(images, tmp_path):
    log = tmp_path / "log"
    measurer = CornerMeasurer({"mean": "k", "corner": ""}, str(log), 15, np.dtype(np.float32))
    jobs = [Job(image, RAW) for image in images]
    first = collect(jobs, measurer, tmp_path / "cache", workers=1)
    assert sorted(log.read_text().split()) == ["corner"] * 6 + ["mean"] * 6
    again = collect(jobs, measurer, tmp_path / "cache", workers=1)
    assert sorted(log.read_text().split()) == ["corner"] * 12 + ["mean"] * 6
    assert np.array_equal(first.features, again.features)
    pixels = load_image(images[0].path).pixels[:2, :2]
    assert np.array_equal(first.features[0], [*pixels.astype(np.float32).mean((0, 1)), *pixels.flatten()])


def test_pixels_can_not_be_kept(images, tmp_path):
    with pytest.raises(TypeError, match="'corner' is kept in the cache, so it must be float32"):
        collect([Job(images[0], RAW)], CornerMeasurer({"corner": "k"}), tmp_path / "cache", workers=1)
