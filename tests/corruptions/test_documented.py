"""The page on evaluation lists the corruptions, severities and tiers that there are."""

from __future__ import annotations

import re
from pathlib import Path

from cinemae.corruptions import KINDS, TIERS
from cinemae.scores import ImageScore, write_scores

PAGE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()


def test_every_corruption_and_its_severities() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| .+ \| ([\d., ]+) \|$", PAGE, re.MULTILINE)
    assert rows == [(name, ", ".join(f"{s:g}" for s in kind.severities)) for name, kind in KINDS.items()]


def test_every_tier() -> None:
    for name, tier in TIERS.items():
        (text,) = re.findall(rf"^- \*\*{name}\*\*: (.+?)(?=\n- |\n\n)", PAGE, re.MULTILINE | re.DOTALL)
        assert re.findall(r"`([\w.:-]+)`", text) == [str(corruption) for corruption in tier]


def test_the_python_examples_run(capsys, monkeypatch, tmp_path) -> None:
    first, again = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(first, {})
    assert "#### Operating points" in capsys.readouterr().out
    (tmp_path / "results").mkdir()
    values = {"name": "a", "generator": "gen", "source": "s", "split": "val", "head": "h", "protocol": "raw"}
    rows = [ImageScore(**values, label=label, probability=p) for label, p in (("ai", 0.9), ("real", 0.2))]
    write_scores(tmp_path / "results" / "scores.csv", rows)
    monkeypatch.chdir(tmp_path)
    exec(again, {})
    assert "| gen | 1 | 1 | 100.0 |" in capsys.readouterr().out
