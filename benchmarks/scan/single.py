"""The pipeline in one process: ``python -m benchmarks.scan.single FOLDER JOBS`` prints when each image was done."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from cinemae.detector import Detector


def main() -> None:
    """Score a folder's files; prints the seconds, on one clock, at which each verdict was there."""
    folder, jobs = Path(sys.argv[1]), int(sys.argv[2])
    detector = Detector.load(device="cpu", jobs=jobs)
    done = []
    for scored in detector.score_many(sorted(folder.iterdir())):
        assert scored.verdict.error is None
        done.append(time.time())
    print(json.dumps(done))


if __name__ == "__main__":
    main()
