"""An image processor's record as transformers writes it, for checkpoints that tests make."""

from __future__ import annotations

import json
from pathlib import Path

PROCESSOR = {
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.5, 0.4, 0.3],
    "image_processor_type": "ViTImageProcessor",
    "image_std": [0.5, 0.25, 0.2],
    "resample": 2,
    "rescale_factor": 0.00392156862745098,
    "size": {"height": 64, "width": 64},
}


def write_json(place: Path, values: dict[str, object]) -> None:
    place.write_text(json.dumps(values))
