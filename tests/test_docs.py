"""The documentation agrees with itself and with what is shipped."""

import re
from pathlib import Path

from cinemae.fusion.head import FusionHead
from cinemae.weights import shipped

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "samples" / "README.md"]


def summary(page: str) -> list[str]:
    """The lines that scripts/write_results.py wrote for each head and protocol."""
    text = (ROOT / page).read_text()
    (block,) = re.findall(r"(?s)<!-- summary: scripts/write_results.py -->(.*?)<!-- end -->", text)
    return re.findall(r"^\| fused.*$", block, re.MULTILINE)


def test_the_card_s_figures_are_those_of_the_results():
    assert len(summary("MODEL_CARD.md")) == 27  # nine heads, three protocols
    assert summary("MODEL_CARD.md") == summary("docs/results.md")


def test_the_results_are_of_the_shipped_head():
    threshold = FusionHead.load(shipped("head")).config.threshold
    stated = re.findall(r"^## Fused, \w+, threshold (\S+)$", (ROOT / "docs/results.md").read_text(), re.MULTILINE)
    assert len(stated) >= 2
    assert set(stated) == {f"{threshold:.3f}"}


def test_links_lead_somewhere_and_nothing_is_left_to_fill_in():
    for page in PAGES:
        text = page.read_text()
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
        assert not re.findall(r"\b[A-Z]+_HERE\b|\bTODO\b|CARD_TABLE", text), page.name
