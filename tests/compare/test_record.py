"""Which code and which machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import cinemae
from cinemae.compare import record


def test_the_code_is_hashed_where_scores_depend_on_it(tmp_path, monkeypatch):
    package = tmp_path / "cinemae"
    for name, text in (("__init__.py", "a = 1"), ("fusion/fit.py", "b = 2"), ("cli/app.py", "c = 3")):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    monkeypatch.setattr(cinemae, "__file__", str(package / "__init__.py"))

    def sources() -> str:
        record.code.cache_clear()
        return record.code().sources

    try:
        before = sources()
        (package / "cli" / "app.py").write_text("c = 4")
        assert sources() == before
        (package / "fusion" / "fit.py").write_text("b = 3")
        assert sources() != before
        (package / "fusion" / "fit.py").write_text("b = 2")
        (package / "fusion" / "fit.py").rename(package / "fusion" / "fat.py")
        assert sources() != before
        assert (record.code().commit, record.code().changed) == (None, None)  # in no checkout
    finally:
        record.code.cache_clear()


def test_the_commit_is_that_of_the_package_s_own_checkout(tmp_path, monkeypatch):
    package = tmp_path / "cinemae"
    package.mkdir()
    (package / "__init__.py").write_text("")

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *identity, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "someone else's")
    monkeypatch.setattr(cinemae, "__file__", str(package / "__init__.py"))
    record.code.cache_clear()
    try:
        assert record.code().commit is None  # installed into another project's folder
        git("add", "."), git("commit", "-q", "-m", "ours")
        record.code.cache_clear()
        assert (record.code().commit, record.code().changed) == (git("rev-parse", "HEAD"), False)
        (package / "__init__.py").write_text("a = 1")
        record.code.cache_clear()
        assert record.code().changed is True
    finally:
        record.code.cache_clear()


def test_the_machine():
    found = record.environment()
    assert found.cpu
    assert found.cores >= 1
    assert found.packages["numpy"].count(".") == 2
    assert str(Path.home()) not in found.model_dump_json()
