"""Put a real ``cinemae serve`` under load, check every answer, and compare its rate with the offline one.

    python -m benchmarks.load_serve --clients 64 --minutes 10 --out load.json [--write-docs docs/operations.md]
    python -m benchmarks.load_serve --out load.json --write-docs docs/operations.md --again

The second form measures nothing: it writes the table of an earlier run. Ends with status 1 if an answer
was lost, crossed or wrong, or an error of the service, and with 0 otherwise, whatever the speed was.
Needs the extra ``serve`` and the developers' tools (httpx, scikit-image).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.pages import write_docs
from benchmarks.perf.machine import describe_machine

from cinemae.settings import DetectorSettings

from .clients import Knowledge, Tally, run_clients
from .images import good_images, refused_images
from .report import Report, latencies, memory_of, rate_of, to_markdown
from .requests import Mixture
from .server import Server

ROOT = Path(__file__).parents[2]
MIB = 1 << 20


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.load_serve", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=64, help="clients at the same time (64)")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long they ask (10)")
    parser.add_argument("--offline", type=float, default=60.0, help="seconds of each offline measurement (60)")
    parser.add_argument("--images", type=int, default=48, help="different good images (48)")
    parser.add_argument("--sides", type=int, nargs=2, default=(512, 1500), help="their long sides (512 1500)")
    parser.add_argument("--workers", type=int, default=1, help="processes of the service (1)")
    parser.add_argument("--model", help="head to serve; default: the shipped one")
    parser.add_argument("--max-body", type=int, default=8, help="the service's limit of bodies, MiB (8)")
    parser.add_argument("--read-timeout", type=float, default=5.0, help="its wait for a part of a body, s (5)")
    parser.add_argument("--seed", type=int, default=0, help="seed of images and requests (0)")
    parser.add_argument("--out", type=Path, default=Path("load.json"), help="file of the results (load.json)")
    parser.add_argument("--write-docs", type=Path, metavar="PAGE", help="put the table between the page's two marks")
    parser.add_argument("--again", action="store_true", help="measure nothing; take the results of --out")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table and return the exit status."""
    options = parse(arguments)
    if options.again:
        report = Report.model_validate_json(options.out.read_text())
    else:
        with tempfile.TemporaryDirectory(prefix="cinemae-load-") as folder:
            report = measure(options, Path(folder))
        options.out.write_text(report.model_dump_json(indent=2) + "\n")
    table = to_markdown(report)
    print(table)
    for line in [*report.examples, *report.complaints]:
        print(line, file=sys.stderr)
    if options.write_docs:
        write_docs(options.write_docs, load=table)
    return 0 if report.sound else 1


def measure(options: argparse.Namespace, folder: Path) -> Report:
    """Score offline, serve under load, score offline again."""
    place = folder / "images"
    place.mkdir()
    good, bad = good_images(options.images, tuple(options.sides), options.seed), refused_images()
    for name, data in good.items():
        (place / name).write_bytes(data)
    machine, load = describe_machine(), os.getloadavg()[0]
    settings = DetectorSettings(model=options.model, device="cpu")
    before = offline(place, options.offline, settings)
    seconds = 60 * options.minutes
    warm_up = min(60.0, seconds / 5)
    mixture = Mixture(good, bad, options.max_body * MIB, stall=options.read_timeout + 2)
    with Server(serve_arguments(options), folder / "log") as server:
        knowledge = Knowledge(mixture, before["expected"], bad)
        tally = asyncio.run(run_clients(server.url, options.clients, seconds, knowledge, options.seed))
        counted, status = server.counted(), server.stop()
        complaints = server.complaints()
    after = offline(place, options.offline, settings)
    return Report(
        command=" ".join(server.command),
        machine=f"{machine.cpu}, {machine.cores} cores, {machine.memory_gb:.0f} GB, {machine.system}",
        clients=options.clients,
        seconds=seconds,
        warm_up=warm_up,
        files=len(good),
        requests=dict(sorted(tally.kinds.items())),
        statuses=dict(sorted(tally.statuses.items())),
        counted=counted,
        **counts(tally),
        latency=latencies(tally),
        rate=round(rate_of(tally, warm_up, seconds), 3),
        offline=(round(before["rate"], 3), round(after["rate"], 3)),
        load=(round(load, 2), round(os.getloadavg()[0], 2)),
        memory=memory_of(server.memory, warm_up),
        exit_status=status,
        complaints=complaints[:20],
        examples=tally.examples,
    )


def counts(tally: Tally) -> dict[str, int]:
    """Return the counts that the report has under the same names."""
    names = ("busy", "errors", "lost", "crossed", "wrong", "hung_up")
    return {name: getattr(tally, name) for name in names} | {"images": sum(tally.images.values())}


def offline(place: Path, seconds: float, settings: DetectorSettings) -> dict[str, Any]:
    """Score the images in a process of its own."""
    command = [sys.executable, "-m", f"{__package__}.offline", str(place), str(seconds), settings.model_dump_json()]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def serve_arguments(options: argparse.Namespace) -> list[str]:
    """Return the service's command line, without host and port."""
    arguments = ["--device", "cpu", "--workers", str(options.workers), "--max-body", str(options.max_body)]
    arguments += ["--read-timeout", f"{options.read_timeout:g}"]
    return arguments + (["--model", options.model] if options.model else [])


if __name__ == "__main__":
    sys.exit(main())
