"""The documentation agrees with itself and with what is shipped."""

import re
from pathlib import Path

from cinemae.fusion.head import FusionHead
from cinemae.weights import shipped

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "samples" / "README.md"]


def block(page: str, mark: str) -> str:
    """What scripts/write_results.py wrote between two marks."""
    text = (ROOT / page).read_text(encoding="utf-8")
    (found,) = re.findall(rf"(?s)<!-- {mark}: scripts/write_results.py -->\n(.*?)\n<!-- end -->", text)
    return found


def test_the_card_s_figures_are_those_of_the_results():
    means = block("docs/results.md", "means")
    assert means == block("MODEL_CARD.md", "means")
    for protocol in ("raw", "format", "history"):
        assert f"| fused | {protocol} |" in means


def test_the_readme_s_figure_is_that_of_the_results():
    (area,) = re.findall(r"\| fused \| format \| \d+ \| \d+ \| ([^|]+) \|", block("docs/results.md", "means"))
    assert f"**{area}**" in block("README.md", "headline")


def test_the_pages_tell_of_the_images_that_the_shipped_head_was_trained_on():
    images = FusionHead.load(shipped("head")).config.training["images"]
    for page in ("docs/results.md", "MODEL_CARD.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert f"{images['ai']:,} AI-generated" in text, page
        assert f"{images['real']:,} real ones" in text, page


def test_links_lead_somewhere_and_nothing_is_left_to_fill_in():
    for page in PAGES:
        text = page.read_text()
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
        assert not re.findall(r"\b[A-Z]+_HERE\b|\bTODO\b|CARD_TABLE", text), page.name
