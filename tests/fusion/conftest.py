"""The training that these tests share."""

import pytest

from cinemae.fusion.config import TrainConfig
from toys import FIT, MILD, SCALES


@pytest.fixture(scope="session")
def config(mae_folders) -> TrainConfig:
    scales = SCALES | {"fine": SCALES["fine"].model_copy(update={"crops": 1})}
    return TrainConfig(
        scales=scales,
        backbones=mae_folders,
        augment=MILD,
        augmentations=2,
        photos_limit=6,
        fit=FIT,
        licence="MIT",
        seed=4,
    )
