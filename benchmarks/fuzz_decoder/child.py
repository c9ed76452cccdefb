"""The process that decodes: told numbers on standard input, it says in JSON when it begins and ends each."""

from __future__ import annotations

import faulthandler
import json
import resource
import sys
import time

from cinemae.images import ImageError, ImageLimits, load_image

from .mutations import damaged
from .samples import sound_files

PIXELS = 64_000_000  # what the service allows unless told otherwise


def main(seed: int, memory: int, pixels: int = PIXELS) -> None:
    """Decode files of this seed until standard input ends.

    Args:
        seed: Seed of the run.
        memory: Most bytes of address space that decoding may add to what the process has by now.
        pixels: Most pixels of an image.
    """
    faulthandler.enable()
    files = sound_files()
    for data in files.values():  # import and load every decoder before anything is limited or timed
        load_image(data)
    limit = _address_space() + memory
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        number = int(line)
        kind, data = damaged(files, seed, number)
        print(json.dumps({"begin": number, "kind": kind, "bytes": len(data)}), flush=True)
        start = time.perf_counter()
        outcome = decode(data, f"file-{number}", pixels)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"end": number, "outcome": outcome, "seconds": seconds, "peak_kb": peak}), flush=True)


def decode(data: bytes, name: str, pixels: int = PIXELS) -> str:
    """Return ``image``, the class of the refusal, or what should never happen, after ``defect:``."""
    try:
        loaded = load_image(data, name=name, limits=ImageLimits(max_pixels=pixels))
    except ImageError as error:
        named = error.name == name and str(error).startswith(f"{name}: ") and bool(error.reason)
        return type(error).__name__ if named else f"defect: {type(error).__name__} that doesn't name the input"
    except BaseException as error:  # what this program looks for
        return f"defect: {type(error).__name__}: {error}"
    if loaded.pixels.shape != (loaded.facts.height, loaded.facts.width, 3):
        return f"defect: {loaded.pixels.shape} pixels, {loaded.facts.width}x{loaded.facts.height} stated"
    if loaded.facts.width * loaded.facts.height > pixels:
        return f"defect: {loaded.facts.width}x{loaded.facts.height} pixels where {pixels} are allowed"
    return "image"


def _address_space() -> int:
    with open("/proc/self/statm") as file:  # noqa: PTH123 - no path to compute with
        return int(file.read().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
