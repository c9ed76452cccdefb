"""Folders with things that are no pictures, outputs that can't be written: nothing stops the run or vanishes."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest
from PIL import Image

from cinemae.cli import detect as detect_module
from pictures import encode
from toys import pink

SETTINGS = ("--device", "cpu", "--precision", "f32")


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures, and beside them a pipe, a socket, a device and two broken links with names of pictures."""
    place = tmp_path / "odd"
    place.mkdir()
    for name in ("a.jpg", "z.jpg"):
        Image.fromarray(pink(1)).save(place / name, quality=95)
    os.mkfifo(place / "b.jpg")
    monkeypatch.chdir(place)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("c.jpg")
    (place / "d.jpg").symlink_to("/dev/zero")
    (place / "e.jpg").symlink_to("gone")
    (place / "f.jpg").symlink_to("f.jpg")
    return place


REFUSED = {
    "b.jpg": "a named pipe, not a file",
    "c.jpg": "a socket, not a file",
    "d.jpg": "a device, not a file",
    "e.jpg": "a link that leads nowhere",
    "f.jpg": "symbolic links",
}


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_detect_refuses_what_is_no_file_and_goes_on(cinemae, odd, head_folder, tmp_path):
    done = cinemae("detect", odd, "--model", head_folder, "--json", "--map", tmp_path / "maps", *SETTINGS)
    assert done.returncode == 1, done.stderr
    found = {Path(row["path"]).name: row for row in lines(done.stdout)}
    assert set(found) == {"a.jpg", "z.jpg", *REFUSED}
    assert all(found[name]["probability"] is not None for name in ("a.jpg", "z.jpg"))
    for name, reason in REFUSED.items():
        assert reason in found[name]["error"]["message"]
    assert len(list((tmp_path / "maps").iterdir())) == 4


def test_scan_refuses_what_is_no_file_and_goes_on(cinemae, odd, head_folder, tmp_path):
    done = cinemae("scan", odd, "--out", tmp_path / "out", "--model", head_folder, *SETTINGS)
    assert done.returncode == 1, done.stderr
    table = pyarrow.dataset.dataset(tmp_path / "out" / "parts").to_table().to_pylist()
    assert {row["id"]: row["attempts"] for row in table} == dict.fromkeys(("a.jpg", "z.jpg", *REFUSED), 1)
    for row in table:
        assert (row["error_message"] is None) == (row["id"] not in REFUSED)
        assert REFUSED.get(row["id"], "") in (row["error_message"] or "")


@pytest.mark.parametrize("source", ["@pipe.txt", "pipe.tar", "pipe.parquet", "pipe.jpg"])
def test_a_source_that_is_a_pipe_is_refused(cinemae, head_folder, tmp_path, source):
    os.mkfifo(tmp_path / source.removeprefix("@"))
    done = cinemae("scan", source, "--out", "out", "--model", head_folder, *SETTINGS, cwd=tmp_path)
    assert done.returncode in (1, 2)
    said = done.stderr
    if done.returncode == 1:
        (row,) = pyarrow.dataset.dataset(tmp_path / "out" / "parts").to_table().to_pylist()
        said = row["error_message"]
    assert "a named pipe, not a file" in said


def test_data_check_evaluate_and_train_refuse_what_is_no_file(cinemae, tmp_path, odd, head_folder):
    sets = tmp_path / "set"
    for split in ("train", "val"):
        for folder in ("ai", "nature"):
            place = sets / "gen" / split / folder
            place.mkdir(parents=True)
            for number in range(3):
                Image.fromarray(pink(hash((split, folder, number)) % 1000)).save(place / f"{split}{folder}{number}.png")
            os.mkfifo(place / f"pipe-{split}-{folder}.png")
    done = cinemae("data", "check", sets, "--jobs", 1)
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("a named pipe, not a file") == 4
    done = cinemae(
        "evaluate", sets, "--model", head_folder, "--protocol", "raw", "--resamples", 0, "--cache", tmp_path / "cache",
        "--jobs", 1, *SETTINGS,
    )  # fmt: skip
    assert "a named pipe, not a file" in done.stderr
    assert done.returncode == 0, done.stderr
    done = cinemae("train", sets, "--out", tmp_path / "head", "--cache", tmp_path / "cache", "--jobs", 1, *SETTINGS)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 2)  # it ends: too few images are left for a head


# --- outputs ---------------------------------------------------------------------------------------


def test_maps_of_equal_long_names(cinemae, head_folder, tmp_path):
    name = "图" * 80
    for folder in ("1", "2", "3"):
        (tmp_path / folder).mkdir()
        Image.fromarray(pink(1)).save(tmp_path / folder / f"{name}.png")
    done = cinemae("detect", tmp_path, "--map", tmp_path / "m", "--model", head_folder, "--json", *SETTINGS)
    assert done.returncode == 0, done.stderr
    assert len(lines(done.stdout)) == 3
    maps = list((tmp_path / "m").iterdir())
    assert len(maps) == 6
    assert all(len(os.fsencode(path.name)) <= 255 for path in maps)


def test_a_map_that_can_t_be_written_is_the_error_of_its_input(monkeypatch, head_folder, tmp_path):
    """As on a full disk or in a folder that may not be written to; root may write anywhere."""
    from typer.testing import CliRunner

    from cinemae.cli.app import app
    from cinemae.maps import files

    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(pink(1)).save(tmp_path / name)
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if Path(target).name.startswith("b."):
            raise OSError(28, "No space left on device", str(target))
        return replace(self, target)

    monkeypatch.setattr(files.Path, "replace", full)
    out = tmp_path / "maps"
    command = ["detect", *(str(tmp_path / f"{n}.png") for n in "abc"), "--map", str(out), "--model", str(head_folder)]
    result = CliRunner().invoke(app, [*command, "--json", *SETTINGS])
    assert result.exit_code == 1, result.output
    found = lines(result.stdout)
    assert [row["error"] and row["error"]["type"] for row in found] == [None, "MapError", None]
    assert "No space left on device" in found[1]["error"]["message"]
    assert found[1]["probability"] is not None  # nothing that is known is lost
    assert sorted(path.name for path in out.iterdir()) == [f"{n}.{k}.png" for n in "ac" for k in ("overlay", "sides")]
    result = CliRunner().invoke(app, [*command, *SETTINGS])
    assert "No space left on device" in result.stdout


def test_maps_beside_the_pictures_are_not_scored(cinemae, head_folder, tmp_path):
    for name in ("a.png", "b.overlay.png"):
        Image.fromarray(pink(1)).save(tmp_path / name)
    command = ("detect", tmp_path, "--map", tmp_path, "--model", head_folder, "--json", *SETTINGS)
    first, second = (lines(cinemae(*command).stdout) for _ in range(2))
    assert [Path(row["path"]).name for row in first] == ["a.png", "b.overlay.png"]
    *again, left_out = second
    assert [row["path"] for row in again] == [row["path"] for row in first]
    assert left_out == {"left_out": {"count": 4, "kinds": {"map of cinemae's": 4}}}
    assert len(list(tmp_path.iterdir())) == 6
    done = cinemae("scan", tmp_path, "--out", tmp_path.parent / "table", "--model", head_folder, *SETTINGS)
    assert "2 inputs, 0 of them refused; left out as no images: 4 (4 map of cinemae's)" in done.stderr


def test_map_onto_a_file_is_a_usage_error(cinemae, tmp_path):
    (tmp_path / "taken").write_bytes(b"mine")
    done = cinemae("detect", "x.png", "--map", tmp_path / "taken")
    assert done.returncode == 2
    assert "is no folder" in " ".join(done.stderr.replace("│", " ").split())
    assert (tmp_path / "taken").read_bytes() == b"mine"


@pytest.mark.parametrize("size", [(32, 20_000), (20_000, 32)])
def test_maps_of_very_thin_pictures(size, head_folder, tmp_path):
    from cinemae.detector import Detector

    Image.new("RGB", size, (120, 90, 60)).save(tmp_path / "thin.png")
    detector = Detector.load(head_folder, device="cpu")
    verdict = detect_module.with_map(detector.score(tmp_path / "thin.png"), tmp_path, 256)
    assert verdict.error is None
    assert (tmp_path / "thin.overlay.png").is_file()


# --- what is left out --------------------------------------------------------------------------------


def test_everything_in_a_folder_is_scored_refused_or_counted(cinemae, head_folder, tmp_path):
    place = tmp_path / "mixed"
    place.mkdir()
    png = encode(pink(1), "PNG")
    images = ["a.png", "b.PNG", "c.apng", "d.jfif", "e.jpe", "f.hif"]
    others = ["g.pdf", "h.svg", "i.txt", ".j.png", "k", "l.psd", "m.zip", "n.nef", "o.png.bak", "p.json"]
    for name in (*images, *others):
        (place / name).write_bytes(png)
    done = cinemae("detect", place, "--model", head_folder, "--json", *SETTINGS)
    assert done.returncode == 0, done.stderr
    *rows, last = lines(done.stdout)
    assert [Path(row["path"]).name for row in rows] == images
    assert last["left_out"]["count"] == len(others)
    assert {"hidden": 1, "no suffix": 1, ".pdf": 1, ".bak": 1}.items() <= last["left_out"]["kinds"].items()
    assert f"left out as no images: {len(others)}" in done.stderr
    done = cinemae("detect", place, "--model", head_folder, "--csv", *SETTINGS)
    assert len(list(csv.DictReader(io.StringIO(done.stdout)))) == len(images)
    assert f"left out as no images: {len(others)}" in done.stderr
    sets = tmp_path / "sets"
    for folder in ("ai", "nature"):
        shutil.copytree(place, sets / "val" / folder)
    done = cinemae("data", "check", sets, "--json", tmp_path / "check.json", "--jobs", 1)
    assert done.returncode in (0, 1), done.stderr
    skipped = {one["name"] for one in json.loads((tmp_path / "check.json").read_text())["skipped"]}
    assert {".pdf: 2", "hidden: 2", "no suffix: 2", "val/ai/m.zip"} <= skipped


def test_a_cell_of_the_csv_is_never_a_formula(cinemae, head_folder, tmp_path):
    for name in ("=1+1.png", "-2.png", "@x.png", "plain.png"):
        (tmp_path / name).write_bytes(encode(pink(1), "PNG"))
    done = cinemae("detect", ".", "--model", head_folder, "--csv", *SETTINGS, cwd=tmp_path)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert {row["path"] for row in rows} == {"'=1+1.png", "'-2.png", "'@x.png", "plain.png"}


# --- texts -------------------------------------------------------------------------------------------


def test_manifests_of_spreadsheets_and_of_windows(cinemae, tmp_path):
    for folder in ("ai", "nature"):
        (tmp_path / "set" / folder).mkdir(parents=True)
        (tmp_path / "set" / folder / "bild ü.png").write_bytes(encode(pink(len(folder)), "PNG"))
    rows = "path,label,generator\nset\\ai\\bild ü.png,ai,g\nset\\nature\\bild ü.png,real,g\n"
    (tmp_path / "wide.csv").write_bytes(rows.encode("utf-16"))
    done = cinemae("data", "check", tmp_path / "wide.csv", "--jobs", 1)
    assert "can't be decoded" not in done.stdout
    assert "2 images, read as table" in done.stdout
    (tmp_path / "old.csv").write_bytes(rows.encode("cp1252"))
    for command in (("data", "check"), ("evaluate",), ("train", "--out", tmp_path / "head")):
        done = cinemae(*command, tmp_path / "old.csv")
        assert done.returncode == 2
        assert "old.csv, line 2: not UTF-8 (byte 0xfc)" in done.stderr
        assert "Traceback" not in done.stderr


def test_lists_of_other_encodings(cinemae, head_folder, tmp_path):
    (tmp_path / "bilder").mkdir()
    for name in ("ü.png", "x.png"):
        (tmp_path / "bilder" / name).write_bytes(encode(pink(1), "PNG"))
    (tmp_path / "wide.txt").write_bytes("bilder\\ü.png\r\nbilder/x.png\r\n".encode("utf-16"))
    (tmp_path / "old.txt").write_bytes("bilder/ü.png\nbilder/x.png\n".encode("cp1252"))
    found = {}
    for name in ("wide", "old"):
        done = cinemae("scan", f"@{name}.txt", "--out", name, "--model", head_folder, *SETTINGS, cwd=tmp_path)
        found[name] = done.returncode
        table = pyarrow.dataset.dataset(tmp_path / name / "parts").to_table().to_pylist()
        assert len(table) == 2
        if name == "old":
            said = {row["id"]: row["error_message"] for row in table}
            assert "save the list as UTF-8" in said["old.txt:1"]
            assert said["bilder/x.png"] is None
    assert found == {"wide": 0, "old": 1}


def test_settings_of_other_encodings(cinemae, tmp_path):
    (tmp_path / "keys.json").write_bytes('{"keys": [], "café": 1}'.encode("cp1252"))
    done = cinemae("serve", "key", "me", "--keys", tmp_path / "keys.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "keys.json, line 1: not UTF-8" in done.stderr
    (tmp_path / "c.yaml").write_bytes("name: café\n".encode("cp1252"))
    done = cinemae("compare", tmp_path / "c.yaml", "--dry-run")
    assert done.returncode == 2
    assert "not UTF-8" in " ".join(done.stderr.replace("│", " ").split())
    (tmp_path / "c.yaml").write_bytes("methods: {shipped: {kind: saved}}\n".encode("utf-16"))
    assert cinemae("compare", tmp_path / "c.yaml", "--dry-run").returncode == 0


@pytest.mark.parametrize("name", ["set.csv", "set.tsv", "set.parquet", "set.tar"])
def test_a_manifest_that_is_a_pipe_is_refused(cinemae, tmp_path, name):
    os.mkfifo(tmp_path / name)
    done = cinemae("data", "check", name, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = (line for line in done.stderr.splitlines() if "read as" not in line)
    assert line.startswith(f"cinemae: {name}: ")
    assert "a named pipe, not a file" in line


def test_a_model_of_pipes_is_refused(cinemae, tmp_path):
    for name in ("config.json", "model.safetensors"):
        os.mkfifo(tmp_path / name)
    done = cinemae("detect", "x.png", "--model", tmp_path)
    assert done.returncode == 2
    assert "a named pipe, not a file" in done.stderr
