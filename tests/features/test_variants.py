"""A set in several variants: which row is of which image, and whose sizes count."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cinemae.corruptions import Corruption
from cinemae.datasets import LabelledImage, ManifestError, read_images
from cinemae.features.collect import Variant
from cinemae.features.measurer import ExtractorConfig
from cinemae.features.spec import FeatureSpec
from cinemae.features.variants import Meter
from toys import SCALES, extractor_from, pink

RAW, FORMAT = Variant(), Variant(protocol="format")
NOISE = Variant(corruption=Corruption(name="noise", severity=5))


@pytest.fixture(scope="module")
def meter(mae_folders, tmp_path_factory) -> Meter:
    names = {"fine": mae_folders["fine"]}
    spec = FeatureSpec(scales={"fine": SCALES["fine"].model_copy(update={"crops": 1})})
    return Meter(ExtractorConfig.of(extractor_from(names, spec), names), tmp_path_factory.mktemp("cache"), jobs=1)


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> list[LabelledImage]:
    place = tmp_path_factory.mktemp("set")
    for kind, side in (("fake", 64), ("real", 96)):
        (place / kind).mkdir()
        for number in range(2):
            Image.fromarray(pink(number + side, side)).save(place / kind / f"{number}.png")
    return read_images(place)


def test_rows_belong_to_their_image_and_variant(meter, images):
    gone = images[0].model_copy(update={"path": images[0].path.with_name("gone.png")})
    listed = [gone, *images, images[1]]
    found = meter.measure(listed, [RAW, NOISE, RAW])
    assert found.variants == [RAW, NOISE]
    assert len(found.refused) == 1
    assert "gone.png" in found.refused[0]
    assert found.known([RAW, NOISE]).tolist() == [1, 2, 3, 4, 5]
    extractor = extractor_from(dict(meter.measurer.backbone_names), meter.measurer.spec)
    for number in (2, 4):
        pixels = np.array(Image.open(listed[number].path))
        wanted = extractor.extract(pixels).features
        assert np.array_equal(found.features(RAW, np.array([number]))[0], wanted)
        assert not np.array_equal(found.features(NOISE, np.array([number]))[0], wanted)
    twice = found.features(NOISE, np.array([2, 5]))
    assert np.array_equal(twice[0], twice[1])


def test_real_images_alone_are_cut_to_the_sizes_that_both_classes_have(meter, images):
    everything = meter.measure(images, [FORMAT])
    real = meter.measure(images, [FORMAT], real_only=True)
    assert [image.label for image in real.images] == [0, 0]
    numbers = np.array([number for number, image in enumerate(images) if image.label == 0])
    alone = real.features(FORMAT, real.known([FORMAT]))
    assert np.array_equal(alone, everything.features(FORMAT, numbers))
    with pytest.raises(ManifestError, match="no ai images"):
        meter.measure(real.images, [FORMAT])
