"""Alignment and augmentation: seeded by name, blind to class, format and size, and doing what they say."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError
from scipy.stats import ks_2samp, kstest
from skimage import data

from cinemae.alignment.equalise import (
    AlignParams,
    AugmentConfig,
    align,
    augment,
    plan_alignment,
    plan_augmentation,
)
from cinemae.alignment.sizes import SizeEqualiser
from cinemae.seeding import rng_for

Pixels = NDArray[np.uint8]
GOLDEN = 0.6660814982881352  # the stream must not change between versions: results would
NO_STEPS = AugmentConfig(resize=0, flip=0, prior_jpeg=0, blur=0, jpeg=0, double_jpeg=0, webp=0)


@pytest.fixture(scope="module")
def photo() -> Pixels:
    return np.ascontiguousarray(data.astronaut())


def jpeg(pixels: Pixels, quality: int, subsampling: str = "4:2:0") -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return np.array(Image.open(buffer).convert("RGB"))


def find(part: Pixels, whole: Pixels) -> tuple[int, int] | None:
    """Where a part occurs in an image, pixel for pixel."""
    h, w = part.shape[:2]
    corners = np.argwhere((whole[: whole.shape[0] - h + 1, : whole.shape[1] - w + 1] == part[0, 0]).all(-1))
    return next(((y, x) for y, x in corners if np.array_equal(whole[y : y + h, x : x + w], part)), None)


def test_streams_depend_on_seed_and_key_alone_in_every_process() -> None:
    first = rng_for(7, "image").random(3)
    assert first.tolist() == rng_for(7, "image").random(3).tolist()
    assert first[0] != rng_for(8, "image").random()
    assert first[0] != rng_for(7, "other").random()
    assert rng_for(1, "1").random() != rng_for(11, "").random()
    code = "from cinemae.seeding import rng_for; print(rng_for(7, 'image').random(3).tolist())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == str(first.tolist())
    assert first[0] == GOLDEN


def test_raw_is_the_image_itself(photo: Pixels) -> None:
    assert align(photo, "raw", rng_for(0, "a")) is photo


def test_format_is_a_crop_without_resampling_and_one_jpeg(photo: Pixels) -> None:
    params = AlignParams(sides=(96, 200))
    plan = plan_alignment(rng_for(0, "a"), params)
    out = align(photo, "format", rng_for(0, "a"), params)
    assert out.shape == (plan.side, plan.side, 3)
    assert out.dtype == np.uint8
    corners = [int(place * (512 - plan.side + 1)) for place in plan.position]
    crop = photo[corners[0] : corners[0] + plan.side, corners[1] : corners[1] + plan.side]
    assert np.array_equal(out, jpeg(crop, plan.codec.quality))


def test_history_resamples_first_and_shares_the_other_draws(photo: Pixels) -> None:
    params = AlignParams(sides=(100, 100), factors=(0.5, 0.5), qualities=(95, 95))
    out = align(photo, "history", rng_for(0, "a"), params)
    plan = plan_alignment(rng_for(0, "a"), params)
    top, left = (int(place * (512 - 200 + 1)) for place in plan.position)
    crop = photo[top : top + 200, left : left + 200]
    half = Image.fromarray(crop).resize((100, 100), Image.Resampling.BICUBIC)
    assert np.array_equal(out, jpeg(np.array(half), 95))
    # Cropping first and resampling first differ at the crop's edge only.
    even = Image.fromarray(photo[top % 2 : 510 + top % 2, left % 2 : 510 + left % 2])
    whole = np.array(even.resize((255, 255), Image.Resampling.BICUBIC))
    inner = whole[top // 2 + 4 : top // 2 + 96, left // 2 + 4 : left // 2 + 96]
    assert np.abs(np.array(half)[4:96, 4:96].astype(int) - inner).max() <= 1


def test_history_uses_the_whole_range_of_factors() -> None:
    pixels = np.zeros((400, 400, 3), np.uint8)
    sides = [align(pixels, "history", rng_for(0, str(i))).shape[0] for i in range(300)]
    assert kstest(np.array(sides), "uniform", args=(200, 160)).statistic < 0.1


def test_limits_of_the_crop(photo: Pixels) -> None:
    wide = photo[:150]
    assert align(wide, "format", rng_for(0, "a")).shape == (150, 150, 3)
    assert align(photo, "format", rng_for(0, "a"), max_side=77).shape == (77, 77, 3)
    assert align(photo, "format", rng_for(0, "a"), max_side=5000).shape == (512, 512, 3)
    tiny = align(photo, "history", rng_for(0, "a"), AlignParams(factors=(0.5, 0.5)), max_side=100)
    assert tiny.shape == (64, 64, 3)  # not 50: min_side
    assert align(photo[:40, :40], "history", rng_for(0, "a")).shape == (40, 40, 3)


def test_alignment_equalises_sizes_and_qualities_of_the_classes() -> None:
    fit = SizeEqualiser.fit([512] * 150, np.random.default_rng(1).integers(200, 600, 150).tolist())
    params = AlignParams()
    found: dict[str, list[list[int]]] = {"format": [[], []], "history": [[], []]}
    qualities: list[list[int]] = [[], []]
    for label, sides in ((1, fit.ai), (0, fit.real)):
        for index, own in enumerate(sides):
            key = f"{label}/{index}"
            pixels = np.zeros((own, own + 50 * (1 - label), 3), np.uint8)
            limit = fit.side(own, label, rng_for(0, f"{key}/size"))
            for protocol in ("format", "history"):
                out = align(pixels, protocol, rng_for(0, key), params, max_side=limit)
                assert out.shape[0] == out.shape[1]
                found[protocol][label].append(out.shape[0])
            qualities[label].append(plan_alignment(rng_for(0, key), params).codec.quality)
    for sides_by_class in found.values():
        assert ks_2samp(*sides_by_class).pvalue > 0.05
    assert ks_2samp(*qualities).pvalue > 0.05
    assert set(qualities[0] + qualities[1]) == set(range(85, 97))


def test_unknown_protocols_and_bad_settings_are_refused(photo: Pixels) -> None:
    with pytest.raises(ValueError, match="unknown protocol 'web'"):
        align(photo, "web", rng_for(0, "a"))  # type: ignore[arg-type]
    for bad in ({"sides": (300, 200)}, {"qualities": (50, 101)}, {"factors": (0.0, 1.0)}, {"quality": 3}):
        with pytest.raises(ValidationError):
            AlignParams.model_validate(bad)
    with pytest.raises(ValidationError):
        AugmentConfig(jpeg=1.5)


def test_plans_take_as_many_draws_whatever_the_settings() -> None:
    def after(config: AugmentConfig | AlignParams) -> float:
        rng = rng_for(0, "a")
        if isinstance(config, AlignParams):
            plan_alignment(rng, config)
        else:
            plan_augmentation(rng, config)
        return float(rng.random())

    assert after(AugmentConfig()) == after(NO_STEPS) == after(AugmentConfig(equalise=False))
    assert after(AlignParams()) == after(AlignParams(sides=(32, 64)))


def test_augmentation_has_the_configured_distribution() -> None:
    config = AugmentConfig()
    plans = [plan_augmentation(rng_for(0, str(i)), config) for i in range(4000)]

    def share(values: list[bool]) -> float:
        return sum(values) / len(values)

    first = [plan.codecs[0] for plan in plans if plan.codecs and plan.codecs[0].format == "JPEG"]
    twice = [[codec.format for codec in plan.codecs][:2] == ["JPEG", "JPEG"] for plan in plans]
    tolerance = 0.025  # three standard deviations of a share of 4000
    assert share([plan.factor != 1 for plan in plans]) == pytest.approx(0.7, abs=tolerance)
    assert share([plan.flip for plan in plans]) == pytest.approx(0.5, abs=tolerance)
    assert share([plan.sigma is not None for plan in plans]) == pytest.approx(0.1, abs=tolerance)
    assert share([plan.prior is not None for plan in plans]) == pytest.approx(0.3, abs=tolerance)
    assert len(first) / 4000 == pytest.approx(0.8, abs=tolerance)
    assert share(twice) == pytest.approx(0.8 * 0.15, abs=tolerance)
    webp = [any(codec.format == "WEBP" for codec in plan.codecs) for plan in plans]
    assert share(webp) == pytest.approx(0.1, abs=tolerance)
    assert share([codec.subsampling == "4:2:0" for codec in first]) == pytest.approx(0.5, abs=tolerance)
    logs = np.log([plan.factor for plan in plans if plan.factor != 1])
    assert kstest(logs, "uniform", args=(np.log(0.4), np.log(1.5 / 0.4))).pvalue > 0.01
    assert {codec.quality for codec in first} == set(range(60, 99))
    assert {plan.filter for plan in plans} == set(config.filters)
    assert (min(p.side for p in plans), max(p.side for p in plans)) == (128, 512)


def test_augmentation_depends_on_the_generator_alone(photo: Pixels) -> None:
    first = augment(photo, rng_for(3, "a"))
    assert np.array_equal(first, augment(photo.copy(), rng_for(3, "a")))
    others = [augment(photo, rng_for(3, str(i))) for i in range(5)]
    assert len({other.tobytes() for other in [first, *others]}) == 6
    assert first.flags.c_contiguous
    assert first.flags.writeable


def test_without_steps_augmentation_is_a_plain_crop(photo: Pixels) -> None:
    out = augment(photo, rng_for(0, "a"), NO_STEPS)
    assert out.shape[0] == plan_augmentation(rng_for(0, "a"), NO_STEPS).side
    assert find(out, photo) is not None
    mirrored = augment(photo, rng_for(0, "a"), NO_STEPS.model_copy(update={"flip": 1.0}))
    assert np.array_equal(mirrored, out[:, ::-1])


@pytest.mark.parametrize("step", ["resize", "prior_jpeg", "blur", "jpeg", "webp"])
def test_every_step_changes_the_pixels(photo: Pixels, step: str) -> None:
    plain = NO_STEPS.model_copy(update={"sides": (200, 200)})
    out = augment(photo, rng_for(0, "a"), plain.model_copy(update={step: 1.0}))
    assert out.shape == (200, 200, 3)
    before = augment(photo, rng_for(0, "a"), plain)
    assert not np.array_equal(out, before)
    if step != "resize":
        assert np.abs(out.astype(int) - before).mean() < 8


def test_second_jpeg_follows_the_first(photo: Pixels) -> None:
    config = NO_STEPS.model_copy(update={"jpeg": 1.0, "double_jpeg": 1.0})
    first, second = plan_augmentation(rng_for(0, "a"), config).codecs
    crop = augment(photo, rng_for(0, "a"), NO_STEPS)
    expected = jpeg(jpeg(crop, first.quality, first.subsampling), second.quality, second.subsampling)
    assert np.array_equal(augment(photo, rng_for(0, "a"), config), expected)
    alone = NO_STEPS.model_copy(update={"double_jpeg": 1.0})
    assert plan_augmentation(rng_for(0, "a"), alone).codecs == ()


def test_prior_jpeg_keeps_the_block_grid_of_the_whole_image(photo: Pixels) -> None:
    config = NO_STEPS.model_copy(update={"prior_jpeg": 1.0, "prior_qualities": (75, 75), "sides": (200, 200)})
    plan = plan_augmentation(rng_for(0, "b"), config)
    assert plan.prior is not None
    whole = jpeg(photo, 75, plan.prior.subsampling)
    top, left = (int(place * (512 - 200 + 1)) for place in plan.position)
    assert (top % 8, left % 8) != (0, 0)
    out = augment(photo, rng_for(0, "b"), config)
    inner = slice(16, 168)  # at the rim, blocks are cut and chroma has other neighbours
    assert np.array_equal(out[inner, inner], whole[top : top + 200, left : left + 200][inner, inner])


def test_equalised_augmentation_gives_squares_of_one_size_distribution() -> None:
    fit = SizeEqualiser.fit([512] * 150, np.random.default_rng(1).integers(150, 600, 150).tolist())
    sides: list[list[int]] = [[], []]
    for label, owns in ((1, fit.ai), (0, fit.real)):
        for index, own in enumerate(owns):
            key = f"{label}/{index}"
            limit = fit.side(own, label, rng_for(0, f"{key}/size"))
            out = augment(np.zeros((own, own + 30, 3), np.uint8), rng_for(0, key), max_side=limit)
            assert out.shape[0] == out.shape[1] >= 64
            sides[label].append(out.shape[0])
    assert ks_2samp(*sides).pvalue > 0.05


def test_without_equalisation_the_whole_image_is_kept(photo: Pixels) -> None:
    config = NO_STEPS.model_copy(update={"equalise": False})
    assert np.array_equal(augment(photo[:300], rng_for(0, "a"), config, max_side=50), photo[:300])
    halved = config.model_copy(update={"resize": 1.0, "factors": (0.5, 0.5)})
    assert augment(photo[:300], rng_for(0, "a"), halved).shape == (150, 256, 3)


def test_saved_configuration_comes_back_and_shows_the_equalisation() -> None:
    text = AugmentConfig().model_dump_json()
    assert '"equalise":true' in text
    assert AugmentConfig.model_validate_json(text) == AugmentConfig()
