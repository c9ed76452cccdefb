"""The most wrong images of an evaluation, and their maps."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cinemae.alignment import SizeEqualiser, fit_sizes, max_side, short_sides
from cinemae.datasets import LabelledImage, manifest_hash
from cinemae.detector import Detector, Scored
from cinemae.evaluation import Evaluation, sample_images
from cinemae.features.collect import Variant
from cinemae.fusion.head import FusionHead
from cinemae.images import ImageError, header_size, load_image
from cinemae.loading import build_extractor, find_head
from cinemae.maps import tint, view
from cinemae.maps.colours import SCALE, colourise
from cinemae.naming import printable
from cinemae.report.errors import ReportError
from cinemae.report.schema import Gallery, Picture
from cinemae.scores import ImageScore

SHIPPED = "shipped"
"""What an evaluation calls the head that comes with the package."""
TOLERANCE = 0.01
"""How far a re-scored probability may be from the evaluation's: other machines round otherwise."""
_SIDE = 224
Progress = Callable[[Iterable[Any], int], Iterable[Any]]


def most_wrong(rows: Sequence[ImageScore], threshold: float, count: int) -> tuple[list[ImageScore], list[ImageScore]]:
    """Return the real images with the highest probabilities, and the AI-generated ones with the lowest.

    Args:
        rows: Scores of one head under one protocol.
        threshold: The stored threshold; only images on the wrong side of it are wrong.
        count: How many of each, at most.
    """
    real = [row for row in rows if row.label == "real" and row.probability >= threshold]
    ai = [row for row in rows if row.label == "ai" and row.probability < threshold]
    real.sort(key=lambda row: (-row.probability, row.name))
    ai.sort(key=lambda row: (row.probability, row.name))
    return real[:count], ai[:count]


def galleries(
    real: Sequence[ImageScore],
    ai: Sequence[ImageScore],
    studio: Studio | None,
    prefix: str,
    progress: Progress = lambda items, total: items,
) -> list[Gallery]:
    """Return both classes' most wrong images, with pictures if there is what draws them.

    Args:
        real: Real images that were taken for AI-generated ones.
        ai: AI-generated images that were taken for real ones.
        studio: Draws the pictures; None lists the names only.
        prefix: What the galleries' ids start with.
        progress: Wraps the iteration over images.

    Raises:
        ReportError: If an image can't be found or read again, or its score is another one now.
    """
    drawn = [_picture(row, studio) for row in progress([*real, *ai], len(real) + len(ai))]
    note = (
        "Left: what the MAE saw. Right: the same under its map, patches that cost more bits than the MAE expected in "
        "warm colours; the scale is the same for all images."
        if studio
        else "Names only: give `cinemae report` the set (--data) to see the images and their maps."
    )
    legend = _legend() if studio else ""
    parts = (
        ("real", "Real images with the highest probabilities of being AI-generated", drawn[: len(real)]),
        ("ai", "AI-generated images with the lowest", drawn[len(real) :]),
    )
    return [
        Gallery(id=f"{prefix}-{name}", title=title, note=note, pictures=tuple(some), scale=SCALE, legend=legend)
        for name, title, some in parts
    ]


def _picture(row: ImageScore, studio: Studio | None) -> Picture:
    values: dict[str, Any] = row.model_dump(include={"name", "generator", "source", "label", "probability"})
    if studio is not None:
        values |= studio.draw(row)
    return Picture.model_validate(values)


@dataclass(frozen=True)
class Studio:
    """Reads images of an evaluation again and draws them as they were scored.

    Attributes:
        detector: The head and its MAEs.
        images: The images, by name and generator.
        equalisers: What brings the sizes of each generator's classes together.
        seed: The evaluation's seed.
    """

    detector: Detector
    images: Mapping[tuple[str, str], LabelledImage]
    equalisers: Mapping[str, SizeEqualiser]
    seed: int

    @classmethod
    def of(
        cls,
        evaluation: Evaluation,
        head: str,
        images: Sequence[LabelledImage],
        protocol: str,
        *,
        device: str | None = None,
    ) -> Studio:
        """Set it up for one head and protocol of an evaluation.

        Args:
            evaluation: The evaluation.
            head: The head's name in it: ``shipped``, or its folder.
            images: The validation split of the set.
            protocol: The protocol of the scores.
            device: Where the MAEs run.

        Raises:
            ReportError: If the images or the head are not those of the evaluation.
            HeadError: If the head can't be loaded.
            CheckpointError: If an MAE can't be loaded.
        """
        run = evaluation.run
        if run is None:
            raise ReportError("the evaluation does not say what it was made with: evaluate again with this version")
        if run.limit is not None:
            images = sample_images(images, run.limit, run.seed)
        if (found := manifest_hash(images)) != evaluation.manifest_hash:
            raise ReportError(
                f"the images are not those of the evaluation: manifest hash {found[:16]}, not "
                f"{evaluation.manifest_hash[:16]}"
            )
        loaded = FusionHead.load(find_head(None if head == SHIPPED else Path(head)))
        if loaded.fingerprint() != run.heads.get(head):
            raise ReportError(f"{head}: the head has changed since the evaluation: its fingerprint is another one")
        spec = loaded.config.spec
        extractor = build_extractor(
            {**loaded.config.backbone_names}, spec, device=device, precision=evaluation.precision
        )
        if "semantic" not in extractor.spec.scales:
            raise ReportError(f"{head}: has no semantic scale to draw maps of; leave --data out")
        equalisers = {} if protocol == "raw" else fit_sizes(*short_sides(images))
        by_name = {(printable(image.key), printable(image.generator)): image for image in images}
        return cls(Detector(extractor, loaded), by_name, equalisers, run.seed)

    def draw(self, row: ImageScore) -> dict[str, Any]:
        """Return the pictures of an image and its NLL, as fields of :class:`Picture`.

        Raises:
            ReportError: If it can't be read, or its score is not what the evaluation says.
        """
        image = self.images.get((row.name, row.generator))
        if image is None:
            raise ReportError(f"{row.name}: not among the images of the set")
        try:
            scored = self._score(image, row)
        except (ImageError, OSError) as error:
            raise ReportError(f"{row.name}: can't be read again: {error}") from error
        again = scored.verdict.probability
        if again is None or abs(again - row.probability) > TOLERANCE:
            raise ReportError(
                f"{row.name}: scores {again} now and {row.probability} in the evaluation: the file, the head or the "
                "MAE has changed"
            )
        seen = view(scored)
        return {
            "nll": scored.verdict.bits_per_dim,
            "seen": _data_uri(seen, "WEBP", quality=80),
            "map": _data_uri(_under_map(seen, scored), "WEBP", quality=80),
        }

    def _score(self, image: LabelledImage, row: ImageScore) -> Scored:
        data = image.read()
        sha256 = hashlib.sha256(data).hexdigest()
        pixels = load_image(data, name=image.place).pixels
        side = None
        if row.protocol != "raw":
            short = min(header_size(data, name=image.place))
            side = max_side(short, image.label, sha256, self.equalisers[image.generator], self.seed)
        variant = Variant(protocol=row.protocol, seed=self.seed)
        return self.detector.score(variant.apply(pixels, sha256, side), name=row.name)


def _under_map(seen: Image.Image, scored: Scored) -> Image.Image:
    grey = seen.convert("L").convert("RGB")  # only the map has colours
    over = tint(scored, side=seen.width)
    grey.paste(over, (0, 0), over.getchannel("A").point(lambda alpha: round(0.8 * alpha)))
    return grey


def _legend() -> str:
    bar = colourise(np.linspace(0, 1, 200, dtype=np.float32)[None].repeat(8, 0))
    return _data_uri(Image.fromarray(bar), "PNG")


def _data_uri(picture: Image.Image, kind: str, **options: Any) -> str:
    picture.thumbnail((_SIDE, _SIDE))
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"
