"""Put figures into docs/results.md, MODEL_CARD.md and README.md, between the marks that stand there.

    python scripts/write_results.py LEFT_OUT

LEFT_OUT is the folder of a `cinemae leave-out`; the command stands in docs/results.md. Nothing but what lies between
the marks is touched.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from cinemae.leaveout import LeftOut, LeftOutTable
from cinemae.metrics.tables import markdown_figure

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("left_out", type=Path)
    given = parser.parse_args()
    found = LeftOut.model_validate_json((given.left_out / "leave-out.json").read_text(encoding="utf-8"))
    sections = dict(re.findall(r"(?ms)^### (.+?)\n\n(.*?)(?=^### |\Z)", found.to_markdown()))
    write("docs/results.md", "means", sections["Means over families"])
    write("MODEL_CARD.md", "means", sections["Means over families"])
    write("docs/results.md", "parts", sections["Parts"])
    write("docs/results.md", "kinds", sections["False alarms by kind of real image"])
    families = (f"### {name}\n\n{text}" for name, text in sections.items() if name.startswith("fused, "))
    write("docs/results.md", "families", "\n".join(families))
    write("README.md", "headline", headline(next(table for table in found.tables if table.variant == "format")))


def headline(table: LeftOutTable) -> str:
    """Say the one figure that everybody should know."""
    point, verdicts = table.mean.points["stored"], table.mean.selective
    figures = (table.mean.ranking, point.accuracy_ai, point.accuracy_real, verdicts and verdicts.error)
    if verdicts is None or None in figures:
        raise SystemExit("the means lack a figure")
    ranking, found, passed, wrong = figures
    area = markdown_figure(ranking.roc_auc, interval=True)
    return (
        f"On {len(table.rows)} families of generators, each judged by a head that knew neither the family nor the\n"
        f"sources of its real images, formats equalised: ROC-AUC **{area}** on average; at the stored\n"
        f"threshold {100 * found.value:.0f} % of the generated images are found and {100 * (1 - passed.value):.0f} % of"
        f" the real ones called AI; {100 * verdicts.coverage.value:.0f} %\nget a verdict, {100 * wrong.value:.0f} % of"
        " these are wrong."
    )


def write(page: str, mark: str, text: str) -> None:
    place = ROOT / page
    before = place.read_text(encoding="utf-8")
    pattern = rf"(?s)(<!-- {mark}: scripts/write_results.py -->\n).*?(\n<!-- end -->)"
    after, found = re.subn(pattern, lambda match: f"{match[1]}\n{text.rstrip()}\n{match[2]}", before)
    if found != 1:
        raise SystemExit(f"{page}: {found} places marked {mark}")
    place.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
