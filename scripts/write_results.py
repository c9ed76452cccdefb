"""Put the figures of evaluations and comparisons into docs/results.md, docs/experiments.md and MODEL_CARD.md.

    python scripts/write_results.py RESULTS [--robustness RESULTS2] [--comparison COMPARISON] [--ablations COMPARISON2]
        [--axes COMPARISON3]

RESULTS and RESULTS2 are folders of `cinemae evaluate`, COMPARISON to COMPARISON3 are of `cinemae compare`; the
commands stand in these pages. Nothing but what lies between the marks is touched.
"""

import argparse
import re
from pathlib import Path

from cinemae.compare.markdown import means_table
from cinemae.compare.schema import Comparison
from cinemae.evaluation import Evaluation

ROOT = Path(__file__).parents[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--robustness", type=Path)
    parser.add_argument("--comparison", type=Path)
    parser.add_argument("--ablations", type=Path)
    parser.add_argument("--axes", type=Path)
    given = parser.parse_args()
    evaluation = Evaluation.model_validate_json((given.results / "evaluation.json").read_text())
    summary = evaluation.summary()
    write("docs/results.md", "summary", summary)
    write("MODEL_CARD.md", "summary", summary)
    tables = evaluation.tables["fused"].items()
    write("docs/results.md", "generators", "\n".join(generator_table(protocol, table) for protocol, table in tables))
    write("docs/results.md", "verdicts", "\n".join(verdict_table(protocol, table) for protocol, table in tables))
    if given.robustness:
        corrupted = Evaluation.model_validate_json((given.robustness / "evaluation.json").read_text())
        table = next(iter(corrupted.robustness.values()))
        write("docs/results.md", "robustness", f"{table.images} images.\n\n{table.to_markdown()}")
    for page, mark, folder in (
        ("docs/results.md", "comparison", given.comparison),
        ("docs/experiments.md", "ablations", given.ablations),
        ("docs/experiments.md", "axes", given.axes),
    ):
        if folder:
            comparison = Comparison.model_validate_json((folder / "comparison.json").read_text())
            write(page, mark, comparison_tables(comparison))


def generator_table(protocol, table):
    return f"## Fused, {protocol}, threshold {table.threshold:.3f}\n\n{table.to_markdown()}"


def verdict_table(protocol, table):
    """The section on abstention of an evaluation's details, under a heading of its own."""
    section = table.details_markdown().split("Abstention\n\n")[1]
    return f"### Verdicts, {protocol}\n\n{section}"


def comparison_tables(comparison):
    protocols = next(iter(comparison.methods.values())).tables
    return "\n\n".join(f"**{protocol}**\n\n{means_table(comparison, protocol)}" for protocol in protocols)


def write(page, mark, text):
    place = ROOT / page
    before = place.read_text()
    pattern = rf"(?s)(<!-- {mark}: scripts/write_results.py -->\n).*?(\n<!-- end -->)"
    after, found = re.subn(pattern, lambda match: f"{match[1]}\n{text.rstrip()}\n{match[2]}", before)
    if found != 1:
        raise SystemExit(f"{page}: {found} places marked {mark}")
    place.write_text(after)


if __name__ == "__main__":
    main()
