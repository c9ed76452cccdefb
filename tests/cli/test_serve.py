"""``cinemae serve`` and ``cinemae serve key`` as commands."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from cinemae.cli.app import app
from cinemae.serve import run as running
from cinemae.serve.config import MIB
from cinemae.serve.keys import hash_key


@pytest.fixture
def told(monkeypatch):
    """What the command would serve, and where."""
    calls = []
    monkeypatch.setattr(running, "run", lambda *arguments: calls.append(arguments))
    return calls


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["serve", *map(str, arguments)])


def test_without_a_word_it_serves_at_home(told):
    assert invoke().exit_code == 0
    ((config, host, port),) = told
    assert (host, port, config.workers, config.metrics) == ("127.0.0.1", 8000, 1, "open")
    assert config.cors_origins == ()
    assert config.detector.device is None  # CUDA where it is
    assert config.detector.max_bytes == config.limits.body_bytes == 64 * MIB


def test_options_reach_the_configuration(told, monkeypatch):
    monkeypatch.setattr("cinemae.mae.runtime.cores", lambda: 9)
    options = (
        "--port 1 --host :: --workers 4 --device cpu --max-pixels 99 --max-body 2 --max-files 3 --max-queue 5"
        " --max-memory 7 --max-uploads 9 --read-timeout 1.5 --upload-timeout 8 --deadline 4 --drain 6 --drain-delay 0.5"
        " --keys k.json --images-per-minute 12 --cors-origin https://a.example --cors-origin https://b.example"
        " --metrics key --log-level DEBUG --threshold 0.4 --accurate --precision f32"
    )
    assert invoke(*options.split()).exit_code == 0
    ((config, host, port),) = told
    assert (host, port) == ("::", 1)
    assert config.limits.model_dump() == {
        "body_bytes": 2 * MIB, "files": 3, "uploads": 9, "queue_images": 5, "memory_bytes": 7 * MIB,
        "read_seconds": 1.5, "upload_seconds": 8, "deadline_seconds": 4,
    }  # fmt: skip
    detector = config.detector
    assert (detector.jobs, detector.max_pixels, detector.threshold) == (2, 99, 0.4)
    assert (detector.alpha, detector.accurate, detector.precision) == (None, True, "f32")
    assert invoke("--alpha", "0.2").exit_code == 0
    assert told[1][0].detector.alpha == 0.2
    assert (str(config.keys), config.images_per_minute, config.metrics) == ("k.json", 12, "key")
    assert config.cors_origins == ("https://a.example", "https://b.example")
    assert (config.drain_seconds, config.drain_delay_seconds, config.log_level) == (6, 0.5, "DEBUG")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--max-files 10 --max-queue 5", "never fits a queue"),
        ("--max-body 10 --max-memory 5", "never fits a memory"),
        ("--threshold 2", "--threshold"),
        ("--alpha 1", "--alpha"),
        ("--alpha 0.1 --threshold 0.5", "not both"),
        ("--device nonsense", "unknown device"),
        ("--port 70000", "--port"),
        ("--metrics maybe", "--metrics"),
    ],
)
def test_what_cannot_work_is_said_at_once(told, options, said):
    result = invoke(*options.split())
    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("│", " ").split())
    assert told == []


def test_keys_that_cannot_be_read_are_one_line(tmp_path):
    result = invoke("--keys", tmp_path / "none.json", "--device", "cpu")
    assert result.exit_code == 2
    assert "none.json: the keys can't be read" in result.stderr


def test_a_new_key_is_printed_once_and_its_hash_kept(tmp_path):
    file = tmp_path / "keys.json"
    result = invoke("key", "alice", "--keys", file, "--images-per-minute", "30")
    assert result.exit_code == 0
    key = result.stdout.strip()
    (entry,) = json.loads(file.read_text())["keys"]
    assert (entry["name"], entry["sha256"], entry["images_per_minute"]) == ("alice", hash_key(key), 30)
    assert key not in result.stderr
    again = invoke("key", "alice", "--keys", file)
    assert again.exit_code == 2
    assert "alice already" in again.stderr
    assert again.stdout == ""


def test_without_a_file_the_hash_is_told_for_the_environment():
    result = invoke("key", "bob")
    assert f"CINEMAE_API_KEYS: bob={hash_key(result.stdout.strip())}" in result.stderr
    assert invoke("key", "bob", "--images-per-minute", "3").exit_code == 2
    assert invoke("key", "two words").exit_code == 2
