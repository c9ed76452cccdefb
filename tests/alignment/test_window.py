"""The window of a large image that a training looks at."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from cinemae.alignment import WindowConfig, training_window
from cinemae.seeding import rng_for
from pictures import photo


def test_the_window_is_a_slice_of_a_small_image_and_reduces_large_ones() -> None:
    small = photo(300, 200)
    assert np.array_equal(training_window(small, rng_for(0, "w")), small)
    large = np.array(Image.fromarray(photo()).resize((1200, 900)))
    cut = training_window(large, rng_for(0, "w"), WindowConfig(reduce=0.0))
    assert cut.shape == (640, 640, 3)
    places = np.argwhere((large[: 900 - 639, : 1200 - 639] == cut[0, 0]).all(-1))
    assert any(np.array_equal(large[row : row + 640, column : column + 640], cut) for row, column in places)
    reduced = training_window(large, rng_for(0, "w"), WindowConfig(reduce=1.0, side=2000))
    assert 512 <= min(reduced.shape[:2]) <= 900
    assert reduced.shape[1] / reduced.shape[0] == pytest.approx(4 / 3, abs=0.01)


def test_the_same_generator_state_gives_the_same_window() -> None:
    large = np.array(Image.fromarray(photo()).resize((1000, 800)))
    config = WindowConfig(side=64, reduce=0.0)
    first, again, other = (training_window(large, rng_for(0, key), config) for key in ("a", "a", "b"))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_every_image_and_configuration_takes_the_same_number_of_draws() -> None:
    after = set()
    for side, config in ((100, None), (900, WindowConfig(reduce=0.0)), (900, WindowConfig(reduce=1.0, side=64))):
        rng = rng_for(3, "draws")
        training_window(np.array(Image.fromarray(photo()).resize((side, side))), rng, config)
        after.add(float(rng.random()))
    assert len(after) == 1


@pytest.mark.parametrize("bad", [{"reduce": 1.5}, {"side": 63}, {"unknown": 1}])
def test_settings_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(bad))):
        WindowConfig.model_validate(bad)
