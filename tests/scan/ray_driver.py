"""Drives the Ray engine in a process of its own, as the command line does, and prints what comes as JSON lines.

Ray's native code may take its process with it: once, disconnecting ended a whole test run.
"""

from __future__ import annotations

import json
import sys

from cinemae.scan.config import ScanError, ScanOptions
from cinemae.scan.parts import Job
from cinemae.scan.progress import Quiet
from cinemae.scan.ray import run_ray
from cinemae.scan.run import scan


def say(**words: object) -> None:
    print(json.dumps(words), flush=True)


class Said(Quiet):
    def scored(self, count: int) -> None:
        say(rows=count)


def main() -> None:
    told = json.load(sys.stdin)
    address = told["address"]
    try:
        if "job" in told:
            job = Job.model_validate(told["job"])
            watch = Said().scored
            for report in run_ray(job, told["numbers"], workers=told["workers"], address=address, watch=watch):
                say(part=report.number)
        else:
            options = ScanOptions.model_validate(told["options"])
            scan(told["source"], told["out"], options, engine="ray", address=address, progress=Said(),
                 command=told["command"])  # fmt: skip
    except (ScanError, OSError) as error:
        say(error=str(error), kind=type(error).__name__)


if __name__ == "__main__":
    main()
