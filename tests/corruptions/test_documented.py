"""The page on evaluation lists the corruptions, severities and tiers that there are."""

from __future__ import annotations

import re
from pathlib import Path

from cinemae.corruptions import KINDS, TIERS

PAGE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()


def test_every_corruption_and_its_severities() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| .+ \| ([\d., ]+) \|$", PAGE, re.MULTILINE)
    assert rows == [(name, ", ".join(f"{s:g}" for s in kind.severities)) for name, kind in KINDS.items()]


def test_every_tier() -> None:
    for name, tier in TIERS.items():
        (text,) = re.findall(rf"^- \*\*{name}\*\*: (.+?)(?=\n- |\n\n)", PAGE, re.MULTILINE | re.DOTALL)
        assert re.findall(r"`([\w.:-]+)`", text) == [str(corruption) for corruption in tier]


def test_the_python_example_runs(capsys) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(example, {})
    assert "#### Operating points" in capsys.readouterr().out
