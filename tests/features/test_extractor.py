"""From pixels to a feature vector: right names, right views, nothing left to chance."""

import numpy as np
import pytest
from PIL import Image

from cinemae.features.extractor import Backbone, FeatureExtractor, views_of
from cinemae.features.spec import TOKEN_LAYERS, FeatureSpec, ScaleSpec, SpecMismatchError, default_scales
from cinemae.features.statistics import error_statistics, likelihood_statistics, residual_statistics
from cinemae.images import native_crops, resized_view
from cinemae.likelihood.noise import NoiseModel
from cinemae.mae.errors import CheckpointError
from cinemae.mae.modules import to_frozen
from cinemae.mae.openvino_runtime import OpenVINORuntime
from cinemae.masks import LatticeMasks, PartitionMasks
from toys import SCALES, SMALL_VIT, extractor_from, pink, save_small, small_conv, small_vit, upsampled


def test_names_match_values(extractor):
    """Each value is recomputed from the likelihood maps and the MAE, and looked up by its name."""
    extraction = extractor.extract(pink(1), seed=3)
    named = dict(zip(extractor.spec.names, extraction.features, strict=True))
    assert len(named) == len(extractor.spec.names) == len(extraction.features)
    assert extraction.features.dtype == np.float32
    seen = set()
    for scale, spec in SCALES.items():
        views = extraction.likelihoods[scale]
        groups = {
            "likelihood": [likelihood_statistics(view, spec.patch) for view in views],
            "error": [error_statistics(view, spec.patch) for view in views],
            "residual": [residual_statistics(view) for view in views],
        }
        for group, measured in groups.items():
            for name in measured[0]:
                full = f"{scale}.{group}.{name}"
                assert named[full] == pytest.approx(np.mean([values[name] for values in measured]), rel=1e-5, abs=1e-6)
                seen.add(full)
    assert all(".global." in name for name in named.keys() - seen)


def test_global_features_are_the_unmasked_encoder(extractor):
    pixels = pink(2)
    named = dict(zip(extractor.spec.names, extractor.extract(pixels).features, strict=True))
    hidden = SCALES["semantic"].masks.hidden((14, 14), 99)  # masks must not matter
    encoder = extractor.backbones["semantic"].runtime.view(resized_view(pixels), hidden, (2,)).encoder
    assert set(encoder) == {f"{layer}.{pool}" for layer in ("2", "last") for pool in ("cls", "mean", "std")}
    assert not any(".last." in name for name in named)  # a block is named
    for name, vector in encoder.items():
        assert len(vector) == 24
        if name.startswith("last."):
            continue
        found = [named[f"semantic.global.{name}.{number}"] for number in range(24)]
        np.testing.assert_allclose(found, vector, rtol=1e-6)


def test_likelihoods_are_of_the_views(extractor):
    pixels = pink(3)
    extraction = extractor.extract(pixels)
    (semantic,) = extraction.likelihoods["semantic"]
    assert np.array_equal(semantic.values, resized_view(pixels))
    fine = extraction.likelihoods["fine"]
    assert len(fine) == 2
    for found, crop in zip(fine, native_crops(pixels, size=64, count=2), strict=True):
        assert np.array_equal(found.values, crop)
    assert extraction.bits_per_dim("fine") == pytest.approx(np.mean([view.nll.mean() for view in fine]))


def test_deterministic_to_the_bit(extractor, mae_folders):
    again = extractor_from(mae_folders, FeatureSpec(scales=SCALES))
    first = extractor.extract(pink(4), seed=5).features
    assert np.array_equal(first, extractor.extract(pink(4), seed=5).features)
    assert np.array_equal(first, again.extract(pink(4), seed=5).features)


def test_does_not_depend_on_the_images_before(extractor):
    alone = extractor.extract(pink(5)).features
    for other in (upsampled(1), pink(6, 40), np.zeros((300, 200, 3), dtype=np.uint8)):
        extractor.extract(other)
    assert np.array_equal(extractor.extract(pink(5)).features, alone)


def test_seed_moves_semantic_features_and_only_a_little(extractor, toy_features):
    names = np.array(extractor.spec.names)
    local = np.char.startswith(names, "semantic.likelihood")
    ours, theirs = (extractor.extract(pink(7), seed).features for seed in (0, 1))
    assert (ours[local] != theirs[local]).mean() > 0.5
    spread = toy_features[0][:, names == "semantic.likelihood.nll.mean"].std()
    moved = np.abs(ours - theirs)[names == "semantic.likelihood.nll.mean"]
    assert 0 < moved < 0.2 * spread
    fixed = np.char.find(names, ".global.") > 0
    assert np.array_equal(ours[fixed], theirs[fixed])


def test_the_fine_scale_has_no_mask_noise(extractor):
    """A lattice has only its order to draw: the same passes, whatever the seed."""
    fine = np.char.startswith(np.array(extractor.spec.names), "fine.")
    ours, theirs = (extractor.extract(pink(8), seed).features[fine] for seed in range(2))
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(32, 32), (33, 47), (32, 200), (200, 40), (63, 64)])
def test_images_smaller_than_a_crop(extractor, shape):
    pixels = np.ascontiguousarray(pink(9, 200)[: shape[0], : shape[1]])
    extraction = extractor.extract(pixels)
    assert len(extraction.features) == len(extractor.spec.names)
    assert np.isfinite(extraction.features).all()
    for view in extraction.likelihoods["fine"]:
        assert view.values.shape[:2] == tuple(min(64, side) // 2 * 2 for side in shape)


@pytest.mark.parametrize("level", [0, 77, 255])
def test_constant_images_are_finite(extractor, level):
    assert np.isfinite(extractor.extract(np.full((96, 96, 3), level, dtype=np.uint8)).features).all()


def test_the_fine_scale_sees_native_pixels(extractor):
    """A checkerboard of single pixels is gone after resizing, but not for the fine scale."""
    row, column = np.indices((512, 512))
    flat = np.full((512, 512, 3), 128, dtype=np.uint8)
    board = (flat + 20 * (2 * ((row + column) % 2) - 1)[..., None]).astype(np.uint8)
    plain, marked = extractor.extract(flat), extractor.extract(board)
    assert marked.bits_per_dim("fine") > plain.bits_per_dim("fine") + 0.5
    assert marked.bits_per_dim("semantic") == pytest.approx(plain.bits_per_dim("semantic"), abs=0.05)


def test_views_follow_the_spec():
    pixels = pink(10, 128)
    fine = ScaleSpec(view="native", size=32, crops=4, patch=8, masks=LatticeMasks())
    crops = views_of(pixels, fine)
    assert [crop.shape for crop in crops] == [(32, 32, 3)] * 4
    resized = ScaleSpec(view="resized", size=64, resize=72, patch=16, masks=PartitionMasks())
    (view,) = views_of(pixels, resized)
    assert view.shape == (64, 64, 3)
    box = Image.fromarray(pixels).resize(
        (64, 64), Image.Resampling.BICUBIC, box=(64 / 9, 64 / 9, 128 - 64 / 9, 128 - 64 / 9)
    )
    assert np.array_equal(view, np.array(box))


@pytest.mark.parametrize("shape", [(128, 96), (33, 47), (32, 32)])
def test_a_reduced_scale_sees_the_mean_of_each_block(shape):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    half = ScaleSpec(view="native", reduce=2, size=32, patch=8, masks=LatticeMasks())
    (view,) = views_of(pixels, half)
    assert view.shape[:2] == tuple(min(32, -(-side // 2)) // 2 * 2 for side in shape)
    even = pixels[: shape[0] // 2 * 2, : shape[1] // 2 * 2].reshape(shape[0] // 2, 2, shape[1] // 2, 2, 3).mean((1, 3))
    if all(side % 2 == 0 for side in shape):
        top, left = ((shape[n] // 2 - view.shape[n]) // 2 for n in (0, 1))
        found = even[top : top + view.shape[0], left : left + view.shape[1]]
        assert np.abs(view - found).max() <= 0.5


def test_the_default_scales_measure_the_smallest_image(mae_folders, tmp_path):
    deep = SMALL_VIT.model_copy(update={"depth": max(TOKEN_LAYERS), "decoder_depth": 0})
    encoder = save_small(tmp_path / "deep", small_vit(0, deep))
    names = {"semantic": mae_folders["semantic"], "resized": encoder, "native": encoder}
    whole = extractor_from(names, FeatureSpec(scales=default_scales()))
    assert {name.split(".")[0] for name in whole.spec.names} == set(default_scales())
    assert sum(name.startswith("native.") for name in whole.spec.names) == 24 * len(TOKEN_LAYERS)
    for shape in ((32, 32), (33, 35), (400, 32)):
        features = whole.extract(np.ascontiguousarray(pink(11, 400)[: shape[0], : shape[1]])).features
        assert np.isfinite(features).all()


def test_names_that_the_code_does_not_measure_are_refused(extractor):
    names = (*extractor.spec.names[:10], "semantic.likelihood.charm.mean", *extractor.spec.names[11:])
    with pytest.raises(SpecMismatchError, match="number 10 on"):
        FeatureExtractor(extractor.backbones, extractor.spec.model_copy(update={"names": names}))


TOKENS = SCALES["semantic"].model_copy(update={"masks": None, "layers": (1, 3), "pools": ("cls",)})


@pytest.fixture(scope="module")
def encoder() -> Backbone:
    """An encoder without a decoder: all that a scale without masks takes."""
    return Backbone(OpenVINORuntime(to_frozen(small_vit(0, SMALL_VIT.model_copy(update={"decoder_depth": 0})))))


def test_a_scale_without_masks_has_the_encoder_s_features_and_no_likelihood(extractor, encoder):
    spec = FeatureSpec(scales={"tokens": TOKENS, "fine": SCALES["fine"]})
    both = FeatureExtractor({"tokens": encoder, "fine": extractor.backbones["fine"]}, spec)
    pixels = pink(12)
    found = both.extract(pixels)
    assert set(found.likelihoods) == {"fine"}
    assert both.spec.names[:48] == tuple(f"tokens.global.{layer}.cls.{n}" for layer in (1, 3) for n in range(24))
    out = encoder.runtime.view(resized_view(pixels), np.zeros((0, 14, 14), dtype=bool), (1, 3)).encoder
    assert np.array_equal(found.features[:48], np.concatenate([out["1.cls"], out["3.cls"]]))
    assert np.array_equal(found.features[:48], both.extract(pixels, seed=9).features[:48])  # there are no masks to draw
    together = both.extract(pixels, alone=True)
    assert np.array_equal(together.features, found.features)


def test_native_crops_of_a_vit_are_enlarged_where_the_image_is_smaller(encoder):
    native = TOKENS.model_copy(update={"view": "native", "enlarge": True, "resize": 224})
    large = pink(13, 260)
    (middle,) = views_of(large, native)
    assert np.array_equal(middle, large[18:242, 18:242])
    small = np.ascontiguousarray(large[:100, :180])
    (enlarged,) = views_of(small, native)
    assert np.array_equal(enlarged, resized_view(small, resize=224, crop=224))
    whole = FeatureExtractor({"native": encoder}, FeatureSpec(scales={"native": native}))
    for pixels in (large, small, np.ascontiguousarray(large[:223, :260]), np.ascontiguousarray(large[:32, :32])):
        assert np.isfinite(whole.extract(pixels).features).all()
    assert whole.reduce_to is None


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ({"view": "native"}, "the x scale cuts native crops for a ViT, which takes one size only: set enlarge"),
        ({"masks": PartitionMasks(groups=4)}, "the x scale has masks, its encoder has no decoder"),
        ({"size": 208}, "the x scale has views of 208 pixels, its MAE takes 224"),
    ],
)
def test_scales_that_an_encoder_cannot_serve_are_refused(encoder, update, message):
    with pytest.raises(CheckpointError, match=message):
        FeatureExtractor({"x": encoder}, FeatureSpec(scales={"x": TOKENS.model_copy(update=update)}))


def test_a_convolutional_mae_without_masks_is_refused(extractor):
    scales = {"fine": SCALES["fine"].model_copy(update={"masks": None})}
    with pytest.raises(CheckpointError, match="the fine scale has no masks, and a convolutional MAE has masked passes"):
        FeatureExtractor(extractor.backbones, FeatureSpec(scales=scales))
    with pytest.raises(ValueError, match="masked passes only: no masks are given"):
        extractor.backbones["fine"].runtime.view(pink(1, 64), np.zeros((0, 64, 64), dtype=bool))


def test_fingerprints_are_of_what_the_features_depend_on():
    """Of the encoder alone where there are no masks, whatever decoder and noise model stand behind it."""
    mean = Backbone(
        OpenVINORuntime(to_frozen(small_vit(0, SMALL_VIT.model_copy(update={"output": "mean"})))),
        NoiseModel(coefficients=(6.0, 0.2, 0.2)),
    )
    spec = FeatureSpec(scales={"semantic": SCALES["semantic"], "tokens": TOKENS})
    prints = FeatureExtractor({"semantic": mean, "tokens": mean}, spec).fingerprints
    assert prints == {"semantic": mean.fingerprint, "tokens": mean.runtime.mae.encoder.fingerprint}
    assert "+" in prints["semantic"]
    bare = Backbone(mean.runtime)  # without masks no noise model is asked for
    assert FeatureExtractor({"tokens": bare}, FeatureSpec(scales={"tokens": TOKENS})).fingerprints == {
        "tokens": prints["tokens"]
    }


def test_a_scale_without_an_mae_is_refused(extractor):
    with pytest.raises(ValueError, match=r"no MAE for the scales \['fine'\]"):
        FeatureExtractor({"semantic": extractor.backbones["semantic"]}, FeatureSpec(scales=SCALES))


def test_layers_that_the_mae_lacks_are_refused(extractor):
    scales = {"semantic": SCALES["semantic"].model_copy(update={"layers": (2, 9)})}
    with pytest.raises(ValueError, match=r"4 blocks, layers \(2, 9\)"):
        FeatureExtractor(extractor.backbones, FeatureSpec(scales=scales))


def test_an_mae_that_predicts_a_mean_needs_its_noise_model(tmp_path):
    vit = small_vit(0, SMALL_VIT.model_copy(update={"output": "mean"}))
    spec = FeatureSpec(scales={"semantic": SCALES["semantic"]})
    with pytest.raises(ValueError, match="fit-noise"):
        FeatureExtractor({"semantic": Backbone(OpenVINORuntime(to_frozen(vit)))}, spec)
    names = {"semantic": save_small(tmp_path / "vit", vit, NoiseModel(coefficients=(6.0, 0.2, 0.2)))}
    assert np.isfinite(extractor_from(names, spec).extract(pink(1)).features).all()


def test_backbones_know_their_patch():
    assert Backbone(OpenVINORuntime(to_frozen(small_vit()))).patch == 16
    assert Backbone(OpenVINORuntime(to_frozen(small_conv()))).patch == 1
