"""The tile pack: photographs decoded once, cut into tiles, kept in one memory-mapped array.

Decoding 20,000 photographs takes minutes, a training run reads each many times; with the pack
the training never waits for a decoder.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cinemae.images import IMAGE_SUFFIXES, ImageError, load_image
from cinemae.pretrain.config import TileConfig

log = logging.getLogger(__name__)


def find_photos(root: Path) -> list[Path]:
    """Return the image files below ``root`` in a stable order.

    Raises:
        FileNotFoundError: If there is none.
    """
    found = sorted(path for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir())
    if not found:
        raise FileNotFoundError(f"no image below {root}")
    return found


def plan_tiles(photos: list[Path], root: Path, config: TileConfig, seed: int) -> list[int]:
    """Draw the number of tiles of each photograph, folders balanced as ``config.balance`` says."""
    # Photographs that lie in the root itself are one folder, not one each.
    folders = [path.relative_to(root).parts[:-1][:1] for path in photos]
    sizes = Counter(folders)
    weight = np.array([sizes[folder] ** (config.balance - 1.0) for folder in folders])
    drawn = np.random.default_rng([seed, 0]).multinomial(config.count, weight / weight.sum())
    return [int(number) for number in drawn]


def cut_tiles(path: Path, number: int, config: TileConfig, seed: int) -> NDArray[np.uint8]:
    """Decode one photograph and cut its tiles.

    Returns:
        (number, size, size, 3) uint8.

    Raises:
        ImageError: If the photograph is refused.
    """
    pixels = load_image(path).pixels
    digest = hashlib.sha256(path.name.encode()).digest()
    rng = np.random.default_rng([seed, 1, *digest[:8]])
    return np.stack([_cut(Image.fromarray(pixels), config, rng) for _ in range(number)])


def _cut(photo: Image.Image, config: TileConfig, rng: np.random.Generator) -> NDArray[np.uint8]:
    side = config.size
    native, cover, across, down, jpeg = rng.random(5)
    short = min(photo.size)
    if native < config.native and short >= side:
        window = float(side)
    else:
        low, high = config.cover
        # A tile may shrink the photograph but never enlarge it, unless it is smaller than a tile.
        window = max((low + cover * (high - low)) * short, float(min(side, short)))
    left, top = across * (photo.width - window), down * (photo.height - window)
    if window == side:
        left, top = round(left), round(top)
        tile = photo.crop((left, top, left + side, top + side))
    else:
        box = (left, top, left + window, top + window)
        tile = photo.resize((side, side), Image.Resampling.BICUBIC, box=box, reducing_gap=3.0)
    if jpeg < config.jpeg:
        buffer = io.BytesIO()
        tile.save(buffer, "JPEG", quality=int(rng.integers(*config.jpeg_quality, endpoint=True)))
        tile = Image.open(buffer, formats=["JPEG"]).convert("RGB")
    return np.asarray(tile)


def _job(job: tuple[Path, int, TileConfig, int]) -> NDArray[np.uint8] | str:
    try:
        return cut_tiles(*job)
    except ImageError as error:
        return str(error)


def build_pack(
    root: Path,
    place: Path,
    config: TileConfig,
    *,
    seed: int = 0,
    jobs: int | None = None,
    progress: Callable[[Iterable[Any], int], Iterable[Any]] = lambda items, total: items,
) -> NDArray[np.uint8]:
    """Build the pack of a folder of photographs, or open it if it is there.

    The pack is rebuilt when the settings, the seed or the list of files differ from those it was
    built with. A photograph that can't be decoded is logged, recorded in ``pack.json`` and left
    out; it never stops the run.

    Args:
        root: Folder of photographs; its first-level folders are what ``balance`` balances.
        place: Folder that gets ``tiles.npy`` and ``pack.json``.
        config: The tiles.
        seed: Seed of the draw.
        jobs: Worker processes; None takes one a core.
        progress: Wraps the iteration over photographs, for a progress bar.

    Returns:
        Memory-mapped (tiles, size, size, 3) uint8, in random order.

    Raises:
        FileNotFoundError: If there is no photograph.
    """
    photos = find_photos(root)
    listing = hashlib.sha256("\n".join(str(path.relative_to(root)) for path in photos).encode()).hexdigest()
    wanted = {"tiles": config.model_dump(mode="json"), "seed": seed, "photos": len(photos), "listing": listing}
    record, tiles = place / "pack.json", place / "tiles.npy"
    if record.exists() and json.loads(record.read_text())["made_from"] == wanted:
        return np.load(tiles, mmap_mode="r")  # type: ignore[no-any-return]
    record.unlink(missing_ok=True)
    place.mkdir(parents=True, exist_ok=True)
    counts = plan_tiles(photos, root, config, seed)
    work = [(path, number, config, seed) for path, number in zip(photos, counts, strict=True) if number]
    shape = (config.count, config.size, config.size, 3)
    # Under another name, since a running training may have the old pack mapped.
    partial = place / "tiles.partial"
    pack = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
    order = np.random.default_rng([seed, 2]).permutation(config.count)
    filled, refused = 0, []
    # Ctrl-C reaches the workers too: they leave it to this process, which drops what is queued.
    ignore = (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(jobs or os.cpu_count(), get_context("spawn"), signal.signal, ignore) as pool:
        try:
            for cut in progress(pool.map(_job, work, chunksize=8), len(work)):
                if isinstance(cut, str):
                    log.warning("left out: %s", cut)
                    refused.append(cut)
                    continue
                pack[order[filled : filled + len(cut)]] = cut
                filled += len(cut)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if not filled:
        partial.unlink()
        raise FileNotFoundError(f"none of the {len(photos)} images below {root} can be decoded: {refused[0]}")
    # Refused photographs leave gaps: fill them with tiles that are there.
    pack[order[filled:]] = pack[order[np.arange(config.count - filled) % filled]]
    pack.flush()
    del pack
    partial.replace(tiles)
    # The record last and whole: it says that the tiles are complete.
    fresh = place / "pack.partial"
    fresh.write_text(json.dumps({"made_from": wanted, "refused": refused}, indent=1))
    fresh.replace(record)
    return np.load(tiles, mmap_mode="r")  # type: ignore[no-any-return]
