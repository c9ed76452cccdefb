"""The aligned file is the evaluation's aligned image, to the pixel."""

import hashlib

import numpy as np
import pytest

from cinemae.alignment import SizeEqualiser, align
from cinemae.alignment.sizes import max_side
from cinemae.audit.aligned import aligned_file
from cinemae.features.collect import Variant
from cinemae.images import header_size, load_image
from cinemae.seeding import rng_for
from pictures import encode, photo
from toys import pink

EQUALISER = SizeEqualiser.fit(ai=[64, 80, 96], real=[50, 90, 120, 300])


@pytest.mark.parametrize("protocol", ["format", "history"])
@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("seed", [0, 5])
def test_decoded_it_is_what_the_evaluation_measures(protocol, label, seed):
    for number, pixels in enumerate((photo(120, 160), pink(3, 96), pink(4, 64), photo(40, 200))):
        data = encode(pixels, "PNG")
        sha256 = hashlib.sha256(data).hexdigest()
        side = EQUALISER.side(min(header_size(data)), label, rng_for(seed, f"{sha256}/side"))
        assert max_side(min(pixels.shape[:2]), label, sha256, EQUALISER, seed) == side
        expected = Variant(protocol=protocol, seed=seed).apply(pixels, sha256, side)
        found = load_image(aligned_file(pixels, protocol, sha256, side, seed)).pixels
        np.testing.assert_array_equal(found, expected, err_msg=str(number))


def test_another_image_is_aligned_otherwise():
    one, other = (aligned_file(photo(), "history", sha256, 100, 0) for sha256 in ("a" * 64, "b" * 64))
    assert one != other
    assert (
        align(photo(), "history", rng_for(0, f"{'a' * 64}/history/0"), max_side=100).shape
        == load_image(one).pixels.shape
    )
