"""The fuzzer on some hundred files, and that it notices what it looks for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))

from benchmarks.fuzz_decoder import __main__ as command  # noqa: E402
from benchmarks.fuzz_decoder import child, harness, mutations, samples  # noqa: E402

from cinemae.images import CorruptImageError, load_image  # noqa: E402


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return samples.sound_files()


def test_mutated_files_give_an_image_or_an_error_that_names_them(tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    status = command.main(["--count", "600", "--seed", "7", "--limit", "10", "--out", str(out)])
    report = json.loads(out.read_text())
    assert report["defects"] == []
    assert status == 0
    assert sum(report["outcomes"].values()) == report["files"] == 600
    assert {"image", "CorruptImageError", "TruncatedImageError", "UnsupportedFormatError"} <= set(report["outcomes"])
    assert report["processes_replaced"] == 0


def test_the_sound_files_are_sound_and_of_every_format(files: dict[str, bytes]) -> None:
    loaded = {name: load_image(data) for name, data in files.items()}
    assert {"JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF"} <= {one.facts.format for one in loaded.values()}
    assert ("heic" in files) == bool(find_spec("pillow_heif"))
    assert loaded["gif-animation"].facts.frames == loaded["webp-animation"].facts.frames == 3


def test_the_sound_files_are_always_the_same(files: dict[str, bytes]) -> None:
    time.sleep(1.1)  # some formats and profiles state the second in which they were made
    assert files == samples.sound_files()


def test_a_number_is_always_the_same_file_and_every_mutation_damages(files: dict[str, bytes]) -> None:
    made = [mutations.damaged(files, 3, number) for number in range(300)]
    assert made == [mutations.damaged(files, 3, number) for number in range(300)]
    assert made != [mutations.damaged(files, 4, number) for number in range(300)]
    assert {kind.split("+")[0] for kind, _ in made} == set(files)
    assert {step for kind, _ in made for step in kind.split("+")[1:]} == set(mutations.MUTATIONS)
    changed = sum(data != files[kind.split("+")[0]] for kind, data in made)
    assert changed > 290
    assert max(len(data) for _, data in made) <= mutations.LONGEST + 20


def test_mended_pngs_have_right_sums(files: dict[str, bytes]) -> None:
    broken = bytearray(files["png"])
    broken[20] ^= 255
    assert samples.mend_png(files["png"]) == files["png"]
    assert load_image(samples.mend_png(files["png"])).facts.format == "PNG"
    with pytest.raises(CorruptImageError):
        load_image(bytes(broken))


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (KeyError("x"), "defect: KeyError"),
        (CorruptImageError("another", "is broken"), "defect: CorruptImageError that doesn't name"),
        (CorruptImageError("file", ""), "defect: CorruptImageError that doesn't name"),
        (CorruptImageError("file", "is broken"), "CorruptImageError"),
    ],
)
def test_what_should_never_happen_is_a_defect(raised: Exception, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(child, "load_image", load)
    assert child.decode(b"", "file").startswith(said)


BROKEN = """
import json, os, signal, sys, time
for line in sys.stdin:
    number = int(line)
    print(json.dumps({"begin": number, "kind": "png+cut", "bytes": 5}), flush=True)
    if number == 1:
        print("what it was doing", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    if number == 2:
        time.sleep(6000)
    if number == 3 and not os.path.exists(os.environ["FUZZ_MARK"]):
        open(os.environ["FUZZ_MARK"], "w").close()
        time.sleep(6000)
    print(json.dumps({"end": number, "outcome": "image", "seconds": 0.1, "peak_kb": 1}), flush=True)
"""


def test_crashes_and_hangs_are_defects_and_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1 crashes, 2 hangs whenever it is tried, 3 only the first time."""
    popen = subprocess.Popen
    monkeypatch.setenv("FUZZ_MARK", str(tmp_path / "mark"))
    monkeypatch.setattr(
        harness.subprocess, "Popen", lambda command, **kept: popen([sys.executable, "-c", BROKEN], **kept)
    )
    outcomes = [one for one, _ in harness.fuzz(range(5), seed=0, seconds=5, memory=1)]
    assert [one.number for one in outcomes] == [0, 1, 2, 3, 4]
    assert [one.defect for one in outcomes] == [False, True, True, False, False]
    assert "SIGSEGV" in outcomes[1].outcome
    assert "what it was doing" in outcomes[1].outcome
    assert "longer than 5 s" in outcomes[2].outcome


def test_a_child_that_never_works_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    popen = subprocess.Popen
    monkeypatch.setattr(
        harness.subprocess, "Popen", lambda _, **kept: popen([sys.executable, "-c", "input(); exit('no')"], **kept)
    )
    with pytest.raises(RuntimeError, match="doesn't work: no"):
        list(harness.fuzz(range(3), seed=0, seconds=1, memory=1))


def test_the_child_cannot_take_more_memory_than_it_may(tmp_path: Path) -> None:
    """64 MB beyond the start are too few for an image of 50 million pixels: a refusal, not a crash."""
    code = (
        "import io, sys; from PIL import Image; from benchmarks.fuzz_decoder import child\n"
        "stream = io.BytesIO(); Image.new('L', (9000, 5000)).save(stream, 'PNG', compress_level=1)\n"
        "child.damaged = lambda *_: ('png', stream.getvalue()); child.main(0, 64 << 20)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input="0\n", capture_output=True, text=True, cwd=ROOT, timeout=600, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[1])["outcome"] == "PixelLimitError"


def test_files_with_defects_are_kept(tmp_path: Path, files: dict[str, bytes]) -> None:
    command.keep(tmp_path / "kept", 3, [5])
    (kept,) = (tmp_path / "kept").iterdir()
    kind, data = mutations.damaged(files, 3, 5)
    assert kept.read_bytes() == data
    assert kept.name == f"3-5-{kind.split('+')[0]}"


def test_a_file_that_keeps_the_processor_busy_is_ended_by_its_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    popen = subprocess.Popen
    busy = "import json\nprint(json.dumps({'begin': int(input()), 'kind': '', 'bytes': 1}), flush=True)\nwhile 1: 0"
    monkeypatch.setattr(harness.subprocess, "Popen", lambda _, **kept: popen([sys.executable, "-c", busy], **kept))
    monkeypatch.setattr(harness, "PATIENCE", 1000)
    with harness.Child(0, 1) as alone:
        outcome = alone.decode(0, 0.2)
    assert outcome.outcome == "defect: hang: longer than 0.2 s"
