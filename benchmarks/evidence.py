"""What readers of evidence find in real files, and how fast they are beside other programs.

``python -m benchmarks.evidence find DATA`` reads every image below a folder and prints a table of what its sources
carry. The source of an image is the first part of its name (``SOURCE__...``), or the folder that it lies in.

``python -m benchmarks.evidence speed DATA`` reads the same files with ``cinemae detect --evidence-only``, ExifTool and
issynthetic, in interleaved rounds.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from cinemae.evidence.beside import EvidenceOnly, gather
from cinemae.evidence.schema import Evidence, EvidenceOptions
from cinemae.images import IMAGE_SUFFIXES, ImageError, load_image

ROUNDS = 3


def images(folder: Path) -> list[Path]:
    """List the image files below a folder."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())


def source_of(path: Path, folder: Path) -> str:
    """Return the set and the source of an image."""
    parts = path.relative_to(folder).parts
    name = path.name.split("__")[0] if "__" in path.name else "-"
    return f"{parts[0] if len(parts) > 1 else '-'} / {name}"


def evidence_of(path: Path, pixels: bool) -> Evidence:
    """Read a file's evidence, with its pixels if asked for and if it can be decoded."""
    data = path.read_bytes()
    image = None
    if pixels:
        try:
            image = load_image(data, name=str(path))
        except ImageError as error:
            print(error, file=sys.stderr)
    return gather(data, EvidenceOptions(), image)


def kinds(evidence: Evidence) -> Iterator[str]:
    """Yield what is counted of a file: each finding that claims something, contradictions and notes."""
    for one in evidence.findings:
        if one.says != "unclear":
            named = f": {one.generator}" if one.generator else ""
            yield f"{one.source} {one.says} ({one.strength}){named}"
    for text in evidence.contradictions:
        yield "contradiction: " + ("thumbnail" if "thumbnail" in text else "dates" if "EXIF" in text[:5] else "other")
    if evidence.notes:
        yield "something not read"


def find(folder: Path, pixels: bool) -> None:
    """Print what the files below a folder carry, a line a source."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    total: Counter[str] = Counter()
    for path in images(folder):
        evidence = evidence_of(path, pixels)
        found = set(kinds(evidence))
        found |= {"any AI claim"} if any(one.says in ("ai", "partly_ai") for one in evidence.findings) else set()
        for count in (counts[source_of(path, folder)], total):
            count.update(found | {"files"})
    print("| set / source | files | with an AI claim | found |\n| --- | ---: | ---: | --- |")
    for source, count in [*sorted(counts.items()), ("all", total)]:
        rest = [f"{name}: {n:,}" for name, n in count.most_common() if name not in ("files", "any AI claim")]
        print(f"| {source} | {count['files']:,} | {count['any AI claim']:,} | {'; '.join(rest)} |")


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that some work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def speed(folder: Path, count: int, exiftool: str | None, seed: int) -> None:
    """Print files a second of each program on the same files; a first round, to warm the page cache, doesn't count."""
    paths = images(folder)
    chosen = random.Random(seed).sample(paths, min(count, len(paths)))
    with tempfile.TemporaryDirectory() as place:
        links = Path(place)
        for number, path in enumerate(chosen):
            (links / f"{number:05}{path.suffix}").symlink_to(path.resolve())
        programs: dict[str, Callable[[], object]] = {
            "cinemae, in one process": lambda: sum(1 for _ in EvidenceOnly().score_many(chosen)),
            "cinemae detect --evidence-only --json": lambda: _run(
                sys.executable, "-m", "cinemae", "detect", str(links), "--evidence-only", "--json"
            ),
        }
        if exiftool and (found := shutil.which(exiftool)):
            programs["ExifTool -json -fast"] = lambda: _run(found, "-json", "-fast", "-q", str(links))
        try:
            from issynthetic import inspect
        except ImportError:
            print("issynthetic is not installed", file=sys.stderr)
        else:
            programs["issynthetic, in one process"] = lambda: [_quietly(inspect, path) for path in chosen]
        times: dict[str, list[float]] = {name: [timed(work)][:0] for name, work in programs.items()}
        for _ in range(ROUNDS):
            for name, work in programs.items():
                times[name].append(timed(work))
    result = {name: round(len(chosen) / statistics.median(seconds), 1) for name, seconds in times.items()}
    print(json.dumps({"files": len(chosen), "rounds": ROUNDS, "files a second, median": result}, indent=1))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode not in (0, 1):  # 1: some files were refused
        raise RuntimeError(done.stderr.decode(errors="replace"))


def _quietly(inspect: Callable[[Path], object], path: Path) -> None:
    try:
        inspect(path)
    except Exception as error:  # another program's faults are counted as its time
        print(f"issynthetic: {path.name}: {type(error).__name__}", file=sys.stderr)


def main() -> None:
    """Run the chosen measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    finder = commands.add_parser("find")
    finder.add_argument("folder", type=Path)
    finder.add_argument("--pixels", action="store_true", help="decode, for watermarks and thumbnails")
    runner = commands.add_parser("speed")
    runner.add_argument("folder", type=Path)
    runner.add_argument("--count", type=int, default=5_000)
    runner.add_argument("--exiftool", default="exiftool")
    runner.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.command == "find":
        find(given.folder, given.pixels)
    else:
        speed(given.folder, given.count, given.exiftool, given.seed)


if __name__ == "__main__":
    main()
