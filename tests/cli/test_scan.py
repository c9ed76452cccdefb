"""``cinemae scan`` from outside: exit status, Ctrl-C, refusals, the terminal, the summary."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest

from cinemae.detector import Detector
from cinemae.scan.config import ScanConfig
from cinemae.scan.rows import schema
from processes import environment, start

INPUTS = 60
SETTINGS = ("--device", "cpu", "--precision", "f32")


def rows(out: Path) -> list[dict[str, Any]]:
    return pyarrow.dataset.dataset(out / "parts").to_table().to_pylist()


@pytest.fixture(scope="module")
def scanned(cinemae: Any, album: Path, head_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scanned") / "out"
    done = cinemae("scan", album, "--out", out, "--model", head_folder, *SETTINGS, "--maps", "--seed", 3)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    left_out = "left out as no images: 3 (1 .txt, 1 hidden, 1 hidden folder)"
    last = f"cinemae: 3 inputs, 0 of them refused; {left_out}; the table is {out}/parts"
    assert done.stderr.splitlines()[-1] == last
    return out


def test_a_folder_is_scanned_with_maps(scanned, album, head_folder):
    detector = Detector.load(head_folder, device="cpu", precision="f32")
    found = rows(scanned)
    assert [row["id"] for row in found] == ["a.JPG", "b.png", "deep/er/c.webp"]
    for row in found:
        scored = detector.score(album / row["id"], seed=3)
        assert (row["probability"], row["seed"]) == (scored.verdict.probability, 3)
        assert (row["map_rows"], row["map_cols"], len(row["map"])) == (14, 14, 196)
        assert sum(row["map"]) / 196 == pytest.approx(row["bits_per_dim"], rel=1e-3)


def test_again_is_quick_and_other_settings_are_refused(cinemae, scanned, album, head_folder):
    command = ("scan", album, "--out", scanned, "--model", head_folder, *SETTINGS, "--maps")
    assert cinemae(*command, "--seed", 3).returncode == 0
    done = cinemae(*command, "--seed", 4, "--sample", 0.5)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "seed was 3, is 4; sample was None, is 0.5" in done.stderr


def test_summary_as_text_and_as_json(cinemae, scanned):
    done = cinemae("scan", "summary", scanned)
    assert (done.returncode, done.stderr) == (0, "")
    assert "inputs     3 of 3 done, in 1 of 1 parts" in done.stdout
    assert "left out as no images: 3 (1 .txt, 1 hidden, 1 hidden folder)" in done.stdout.splitlines()
    found = json.loads(cinemae("scan", "summary", scanned, "--json").stdout)
    assert found["left_out"] == {"count": 3, "kinds": {".txt": 1, "hidden": 1, "hidden folder": 1}}
    assert (found["rows"], sum(found["verdicts"].values()), sum(found["histogram"])) == (3, 3, 3)


def test_refused_inputs_give_status_1(cinemae, bad_files, head_folder, tmp_path):
    paths = [*bad_files.values(), tmp_path / "none.png"]
    (tmp_path / "list.txt").write_text("".join(f"{path}\n" for path in paths))
    command = ("scan", tmp_path / "list.txt", "--out", tmp_path / "out", "--model", head_folder, *SETTINGS)
    done = cinemae(*command)
    assert done.returncode == 1, done.stderr
    assert "4 inputs, 4 of them refused" in done.stderr
    types = {row["id"]: row["error_type"] for row in rows(tmp_path / "out")}
    assert types == {str(path): name for name, path in bad_files.items()} | {str(paths[-1]): "MissingItemError"}
    # The status is that of the table, whoever made it.
    assert cinemae(*command).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sample", "1.5"), "does not lie between 0 and 1"),
        (("--threshold", "0"), "does not lie between 0 and 1"),
        (("--alpha", "1"), "does not lie between 0 and 1"),
        (("--alpha", "0.1", "--threshold", "0.5"), "not both"),
        (("--timeout", "0"), "is no time"),
        (("--address", "auto"), "is for --engine ray"),
        (("--since", "yesterday"), "neither an ISO date"),
        (("--model", "no/such"), "no/such"),
        (("--device", "tpu"), "tpu"),
    ],
)
def test_what_can_t_be_done_is_said_and_nothing_is_written(cinemae, album, tmp_path, arguments, message):
    done = cinemae("scan", album, "--out", tmp_path / "out", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("source", "out"), [("no/such/folder", "out"), ("s3://bad host/x", "out"), (".", "magic://x/y")]
)
def test_a_place_that_can_t_be_is_named_in_one_line(cinemae, head_folder, tmp_path, source, out):
    done = cinemae("scan", source, "--out", out, "--model", head_folder, *SETTINGS, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("cinemae: ")


def test_since_an_earlier_scan(cinemae, scanned, album, head_folder, tmp_path):
    started = ScanConfig.model_validate_json((scanned / "scan.json").read_text()).started
    source = tmp_path / "source"
    source.mkdir()
    for name, age in (("old.png", -3600), ("new.png", 3600)):
        (source / name).write_bytes((album / "b.png").read_bytes())
        os.utime(source / name, (started.timestamp() + age,) * 2)
    for number, since in enumerate((scanned, started.isoformat(), f"{started:%Y-%m-%dT%H:%M:%S}")):
        out = tmp_path / f"out{number}"
        done = cinemae("scan", source, "--out", out, "--since", since, "--model", head_folder, *SETTINGS)
        assert done.returncode == 0, done.stderr
        assert [row["id"] for row in rows(out)] == ["new.png"]


def test_ctrl_c_keeps_what_is_finished_and_leaves_no_child(quick_scan):
    command, out = quick_scan
    driver = start(*command)
    until = time.monotonic() + 600
    while not list(out.glob("parts/*.parquet")):
        assert time.monotonic() < until
        time.sleep(0.02)
    workers = children(driver.pid)
    assert workers
    driver.send_signal(signal.SIGINT)
    _, said = driver.communicate(timeout=600)
    assert driver.returncode == 130
    assert said.splitlines()[-1] == "interrupted; finished parts are kept, the same command goes on with the rest"
    assert "Traceback" not in said
    until = time.monotonic() + 600
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < until
        time.sleep(0.02)
    kept = {path: path.stat().st_mtime_ns for path in out.glob("parts/*.parquet")}
    assert kept
    driver = start(*command)
    driver.communicate(timeout=600)
    assert driver.returncode == 0
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
    assert len({row["id"] for row in rows(out)}) == len(rows(out)) == INPUTS


def test_a_terminal_gets_a_bar_with_rate_and_time(quick_scan):
    command, _ = quick_scan
    main, side = pty.openpty()
    driver = start(*command, stderr=side)
    os.close(side)
    said = b""
    while driver.poll() is None or select.select([main], [], [], 0.1)[0]:
        if select.select([main], [], [], 0.1)[0]:
            try:
                said += os.read(main, 65536)
            except OSError:  # the other end is closed
                break
    os.close(main)
    assert driver.wait(timeout=600) == 0
    driver.communicate()
    text = said.decode()
    assert "scoring" in text
    assert re.search(r"\d/60", text)
    assert "images/s" in text
    assert re.search(r"\d:\d\d:\d\d", text)


@pytest.fixture
def quick_scan(album: Path, head_folder: Path, tmp_path: Path) -> tuple[tuple[object, ...], Path]:
    """A scan that takes some seconds, in parts of 5."""
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    data = (album / "b.png").read_bytes()
    for number in range(INPUTS):
        (source / f"{number:02d}.png").write_bytes(data)
    return ("scan", source, "--out", out, "--model", head_folder, *SETTINGS, "--part-size", 5), out


def children(pid: int) -> list[int]:
    """Processes that this one has started, from whichever thread."""
    return [int(n) for place in Path(f"/proc/{pid}/task").glob("*/children") for n in place.read_text().split()]


DOCS = (Path(__file__).parents[2] / "docs" / "scan.md").read_text()


@pytest.fixture(scope="module")
def desk(album: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the documentation's commands have been run, one after the other."""
    place = tmp_path_factory.mktemp("desk")
    shutil.copytree(album, place / "pictures")
    block = re.findall(r"```sh\n(.*?)```", DOCS, flags=re.DOTALL)[0]  # the other ones need a cluster
    for line in block.splitlines():
        command = line.split("#")[0].strip()
        assert command.startswith("cinemae scan ")
        shell = f"{shlex.quote(sys.executable)} -m {command}"
        done = subprocess.run(
            shell, shell=True, cwd=place, capture_output=True, text=True, timeout=300, env=environment()
        )
        assert done.returncode == 0, done.stderr
    assert "inputs     3 of 3 done" in done.stdout
    return place


@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", DOCS, flags=re.DOTALL))
def test_the_documentation_s_examples_run(desk, example):
    done = subprocess.run([sys.executable, "-c", example], cwd=desk, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "3" in done.stdout or "a.JPG" in done.stdout


def test_the_documentation_names_every_column_and_no_other():
    section = DOCS.split("## The table")[1].split("\n## ")[0]
    lines = re.findall(r"^\| (`.*?) \|", section, flags=re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(lines))) == sorted(schema(maps=True).names)
