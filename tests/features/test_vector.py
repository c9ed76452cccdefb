"""One view's vector: its entries are what the names say, on NumPy and on torch alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cinemae.features.extractor import FeatureExtractor, views_of
from cinemae.features.spec import FeatureSpec
from cinemae.features.vector import encoder_widths, feature_names, view_vector
from cinemae.likelihood import combine
from cinemae.likelihood.conditional import PassPredictions
from cinemae.likelihood.noise import NoiseModel
from cinemae.mae.config import ConvMAEConfig, ViTMAEConfig
from cinemae.mae.modules import to_frozen
from cinemae.mae.openvino_runtime import OpenVINORuntime
from cinemae.mae.runtime import ViewOutput
from toys import SCALES, SMALL_CONV, SMALL_VIT, pink, small_vit, upsampled

CONFIGS = {"semantic": SMALL_VIT, "fine": SMALL_CONV}
SCALE_NAMES = sorted(SCALES)


def measured(extractor: FeatureExtractor, scale: str, pixels: np.ndarray) -> tuple[np.ndarray, ViewOutput, np.ndarray]:
    """A view of a scale, what the MAE says of it, and the masks."""
    spec, backbone = SCALES[scale], extractor.backbones[scale]
    view = views_of(pixels, spec)[0]
    hidden = spec.masks.hidden((view.shape[0] // backbone.patch, view.shape[1] // backbone.patch), 3)
    return view, backbone.runtime.view(view, hidden, spec.layers), hidden


@pytest.mark.parametrize("scale", SCALE_NAMES)
def test_names_and_vector_have_one_length(extractor, scale):
    view, out, hidden = measured(extractor, scale, pink(1))
    vector = view_vector(
        combine(view, out.passes, hidden, patch=extractor.backbones[scale].patch), out.encoder, SCALES[scale]
    )
    names = feature_names(FeatureSpec(scales={scale: SCALES[scale]}), CONFIGS)
    assert vector.shape == (len(names),)
    assert vector.dtype == np.float32
    assert len(set(names)) == len(names)
    assert all(name.startswith(f"{scale}.") for name in names)


def test_the_names_are_the_extractors_scale_by_scale(extractor):
    assert feature_names(FeatureSpec(scales=SCALES, names=("not", "looked", "at")), CONFIGS) == extractor.spec.names
    apart = [feature_names(FeatureSpec(scales={scale: SCALES[scale]}), CONFIGS) for scale in SCALES]
    assert sum(apart, ()) == extractor.spec.names
    vectors = [extractor.extract_scale(pink(2), scale)[0] for scale in SCALES]
    assert [len(vector) for vector in vectors] == [len(names) for names in apart]
    assert np.array_equal(np.concatenate(vectors), extractor.extract(pink(2)).features)


@pytest.mark.parametrize("scale", SCALE_NAMES)
def test_encoder_features_stand_under_their_names(extractor, scale):
    """Every pooled vector is found where the names put it: its statistics, then a number a channel."""
    view, out, hidden = measured(extractor, scale, pink(3))
    vector = view_vector(
        combine(view, out.passes, hidden, patch=extractor.backbones[scale].patch), out.encoder, SCALES[scale]
    )
    names = feature_names(FeatureSpec(scales={scale: SCALES[scale]}), CONFIGS)
    place = dict(zip(names, vector, strict=True))
    widths = encoder_widths(CONFIGS[scale], SCALES[scale].layers)
    assert list(widths) == list(out.encoder)
    wanted = {name for name in widths if scale == "fine" or not name.startswith("last.")}  # a block is named
    for name in wanted:
        values = out.encoder[name]
        assert [place[f"{scale}.global.{name}.{number}"] for number in range(widths[name])] == values.tolist()
    assert sum(widths[name] for name in wanted) == sum(".global." in name for name in names)


@pytest.mark.parametrize(
    ("config", "layers", "wanted"),
    [
        (ViTMAEConfig(), (), ["last.cls", "last.mean", "last.std"]),
        (ViTMAEConfig(), (12,), ["12.cls", "12.mean", "12.std", "last.cls", "last.mean", "last.std"]),
        (ConvMAEConfig(encoder_blocks=1), (), ["0.mean", "0.std", "1.mean", "1.std"]),
    ],
)
def test_widths(config, layers, wanted):
    assert encoder_widths(config, layers) == dict.fromkeys(wanted, config.width)


def test_layers_that_the_mae_lacks_are_refused():
    with pytest.raises(ValueError, match=r"12 blocks, layers \(4, 13\)"):
        encoder_widths(ViTMAEConfig(), (4, 13))


@pytest.mark.parametrize(
    ("layers", "pools", "wanted"),
    [
        ((), ("cls", "mean", "std"), ["last.cls", "last.mean", "last.std"]),
        ((), ("std",), ["last.std"]),
        ((2, 4), ("cls",), ["2.cls", "4.cls"]),
        ((3,), ("mean", "cls"), ["3.cls", "3.mean"]),
    ],
)
@pytest.mark.parametrize("masks", [None, SCALES["semantic"].masks])
def test_pools_and_layers_choose_the_features(extractor, layers, pools, wanted, masks):
    spec = SCALES["semantic"].model_copy(update={"layers": layers, "pools": pools, "masks": masks})
    view = views_of(pink(6), spec)[0]
    hidden = SCALES["semantic"].masks.hidden((14, 14))
    out = extractor.backbones["semantic"].runtime.view(view, hidden, layers)
    likelihood = None if masks is None else combine(view, out.passes, hidden, patch=16)
    names = feature_names(FeatureSpec(scales={"semantic": spec}), CONFIGS)
    place = dict(zip(names, view_vector(likelihood, out.encoder, spec), strict=True))
    found = [name for name in names if ".global." in name]
    assert found == [f"semantic.global.{name}.{number}" for name in wanted for number in range(24)]
    for name in wanted:
        values = [place[f"semantic.global.{name}.{number}"] for number in range(24)]
        assert values == out.encoder[name].tolist()
    assert (len(found) == len(names)) is (masks is None)


def test_a_convolutional_nets_blocks_have_no_class_token():
    spec = SCALES["fine"].model_copy(update={"pools": ("cls", "std")})
    names = feature_names(FeatureSpec(scales={"fine": spec}), CONFIGS)
    kinds = {name.split(".")[3] for name in names if ".global." in name}
    assert kinds == {"std"}


def on_torch(passes: PassPredictions) -> PassPredictions:
    scale = None if passes.scale is None else torch.from_numpy(passes.scale)
    return PassPredictions(torch.from_numpy(passes.mean), scale)


@pytest.mark.parametrize("family", ["logistic", "laplace", "gaussian"])
@pytest.mark.parametrize("scale", SCALE_NAMES)
@pytest.mark.parametrize("draw", [pink, upsampled, lambda seed: np.full((96, 96, 3), 255, dtype=np.uint8)])
def test_torch_measures_what_numpy_measures(extractor, scale, family, draw):
    """The exported graph is this code, traced on torch: the numbers must be those of a verdict."""
    view, out, hidden = measured(extractor, scale, draw(4))
    patch, spec = extractor.backbones[scale].patch, SCALES[scale].model_copy(update={"patch": 8})
    wanted = view_vector(combine(view, out.passes, hidden, patch=patch, family=family), out.encoder, spec)
    likelihood = combine(
        torch.from_numpy(view), on_torch(out.passes), torch.from_numpy(hidden), patch=patch, family=family
    )
    pooled = {name: torch.from_numpy(values) for name, values in out.encoder.items()}
    found = view_vector(likelihood, pooled, spec)
    assert isinstance(found, torch.Tensor)
    assert found.dtype == torch.float32
    assert np.isfinite(wanted).all()
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-3, atol=1e-3)


def test_a_noise_model_is_the_same_on_torch():
    runtime = OpenVINORuntime(to_frozen(small_vit(2, SMALL_VIT.model_copy(update={"output": "mean"}))))
    view = views_of(pink(5), SCALES["semantic"])[0]
    hidden = SCALES["semantic"].masks.hidden((14, 14))
    plain = SCALES["semantic"].model_copy(update={"layers": ()})
    out = runtime.view(view, hidden)
    noise = NoiseModel(coefficients=(3.0, 0.4, 0.3))
    wanted = view_vector(combine(view, out.passes, hidden, patch=16, noise=noise), out.encoder, plain)
    likelihood = combine(torch.from_numpy(view), on_torch(out.passes), torch.from_numpy(hidden), patch=16, noise=noise)
    found = view_vector(likelihood, {name: torch.from_numpy(values) for name, values in out.encoder.items()}, plain)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-3, atol=1e-3)
