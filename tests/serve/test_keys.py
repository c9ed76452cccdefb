"""Keys: stored as hashes, made once, read again when their file changes; and their rates."""

from __future__ import annotations

import hashlib
import hmac
import json
import stat

import pytest
from pydantic import ValidationError

from cinemae.serve import keys as module
from cinemae.serve.keys import KeyFileError, KeyRing, RateLimiter, hash_key, make_key, parse_keys, read_keys


def test_only_the_hash_of_a_new_key_is_stored(tmp_path):
    file = tmp_path / "keys.json"
    first, entry = make_key("alice", file)
    second, _ = make_key("bob", file, images_per_minute=30)
    text = file.read_text()
    assert first.startswith("cinemae_")
    assert len(first) >= 43 + 8  # 256 bits in base64
    assert first not in text
    assert second not in text
    assert entry.sha256 == hashlib.sha256(first.encode()).hexdigest()
    stored = json.loads(text)["keys"]
    assert [(one["name"], one.get("images_per_minute")) for one in stored] == [("alice", None), ("bob", 30)]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]


def test_a_name_is_used_once(tmp_path):
    file = tmp_path / "keys.json"
    make_key("alice", file)
    before = file.read_bytes()
    with pytest.raises(KeyFileError, match="alice already"):
        make_key("alice", file)
    with pytest.raises(ValidationError):
        make_key("two words", file)
    assert file.read_bytes() == before


def test_other_files_are_not_replaced(tmp_path):
    file = tmp_path / "notes.json"
    file.write_text("dear diary")
    with pytest.raises(KeyFileError, match=r"notes\.json"):
        make_key("alice", file)
    assert file.read_text() == "dear diary"
    with pytest.raises(KeyFileError, match="can't be read"):
        read_keys(tmp_path / "none.json")


def test_a_key_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def full(_):
        raise OSError("disk full")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        make_key("alice", tmp_path / "keys.json")
    assert list(tmp_path.iterdir()) == []


def test_finding_a_key_compares_with_every_entry_in_constant_time(monkeypatch):
    ring = KeyRing(None, ",".join(f"k{n}={hash_key(f'key {n}')}" for n in range(4)))
    compared = []

    def compare(one, other):
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert ring.find("key 1").name == "k1"
    assert len(compared) == 4
    assert ring.find("key 9") is None
    assert ring.find("ключ") is None


def test_keys_of_the_environment():
    ring = KeyRing(None, f" a={hash_key('1')}, b={hash_key('2')},")
    assert ring.required
    assert ring.find("2").name == "b"
    assert not KeyRing(None, "").required
    assert not KeyRing(None, None).required
    for bad in ("a", "a=xyz", f"a={hash_key('1')},a={hash_key('2')}"):
        with pytest.raises(KeyFileError, match="CINEMAE_API_KEYS"):
            parse_keys(bad)


def test_a_changed_file_is_read_again_and_a_broken_one_changes_nothing(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(module, "REREAD_SECONDS", 0)
    file = tmp_path / "keys.json"
    file.write_text('{"keys": []}')
    ring = KeyRing(file)
    assert ring.required  # an empty file lets nobody in
    key, _ = make_key("alice", file)
    assert ring.find(key).name == "alice"
    file.write_text("{")
    assert ring.find(key).name == "alice"
    assert "not read again" in caplog.text
    file.write_text('{"keys": [ ]}')
    assert ring.find(key) is None  # withdrawn
    file.unlink()
    assert ring.find(key) is None


def test_a_rate_holds_in_the_mean(monkeypatch):
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    rates, let_in = RateLimiter(), 0
    for second in range(600):
        now = float(second)
        for _ in range(5):
            if rates.wait("a", 30) == 0:
                rates.take("a", 30, 4)
                let_in += 4
    assert 300 <= let_in <= 300 + 30 + 4
    assert rates.wait("b", 30) == 0


def test_the_wait_is_long_enough(monkeypatch):
    now = 0.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    rates = RateLimiter()
    rates.take("a", 60, 100)
    wait = rates.wait("a", 60)
    assert wait == pytest.approx(41)
    now = wait - 0.1
    assert rates.wait("a", 60) > 0
    now = wait
    assert rates.wait("a", 60) == pytest.approx(0, abs=1e-9)
