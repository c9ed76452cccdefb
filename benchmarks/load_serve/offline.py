"""The same images without a service: the verdicts that every answer is compared with, and the rate to compare with.

    python -m benchmarks.load_serve.offline FOLDER SECONDS SETTINGS

Scores the files of a folder with ``Detector.score_many`` again and again for so many seconds, and prints JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from cinemae.maps import patch_map
from cinemae.settings import DetectorSettings


def measure(folder: Path, seconds: float, settings: DetectorSettings) -> dict[str, object]:
    """Return verdicts and maps by file name, and images a second.

    Args:
        folder: The images.
        seconds: Least time of the measurement; it ends after a whole round.
        settings: Of the detector.
    """
    paths = sorted(folder.iterdir())
    detector = settings.load()
    expected = {}
    for path, scored in zip(paths, detector.score_many(paths), strict=True):  # warms up, too
        verdict = scored.verdict.model_dump(mode="json", exclude={"path", "seconds"})
        bits = patch_map(scored, resize=detector.extractor.spec.scales["semantic"].resize).model_dump(mode="json")[
            "bits"
        ]
        expected[path.name] = {"verdict": verdict, "bits": bits}
    start, done = time.perf_counter(), 0
    spent = time.process_time()

    def rounds() -> Iterator[Path]:
        while time.perf_counter() - start < seconds:
            yield from paths

    for _ in detector.score_many(rounds()):
        done += 1
    wall, cpu = time.perf_counter() - start, time.process_time() - spent
    return {"expected": expected, "images": done, "rate": done / wall, "cpu_seconds_per_image": cpu / done}


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), float(sys.argv[2]), DetectorSettings.model_validate_json(sys.argv[3]))))
