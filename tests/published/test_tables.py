"""The shipped tables: complete, consistent with themselves, and as their sources have them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cinemae import published
from cinemae.published import Row, Shares

EVERY_ROW = [(name, row) for name in published.names() for row in published.table(name).rows]


def find(name: str, method: str) -> Row:
    return next(row for row in published.table(name).rows if row.method == method)


def test_the_three_benchmarks_are_there() -> None:
    assert published.names() == ("genimage", "aigcdetect", "chameleon")
    sizes = {name: len(published.table(name).columns) for name in published.names()}
    assert sizes == {"genimage": 8, "aigcdetect": 16, "chameleon": 3}


def test_an_unknown_table_is_refused_with_a_hint() -> None:
    with pytest.raises(ValueError, match="did you mean genimage"):
        published.table("genimag")
    with pytest.raises(ValueError, match="there are genimage, aigcdetect, chameleon"):
        published.table("xyz")


def test_the_means_that_do_not_follow_from_their_rows_are_those_two() -> None:
    differing = {
        (name, row.method): (row.mean, round(row.recomputed or 0, 1)) for name, row in EVERY_ROW if row.mean_differs
    }
    assert differing == {("genimage", "SAFE"): (90.3, 89.7), ("genimage", "Effort"): (91.1, 90.1)}


def test_all_other_means_are_those_of_their_rows() -> None:
    checked = 0
    for name, row in EVERY_ROW:
        if published.table(name).averaged and not row.mean_differs and row.recomputed and row.mean:
            assert row.recomputed == pytest.approx(row.mean, abs=0.07), row.method
            checked += 1
    assert checked > 50


def test_a_correction_is_in_and_its_source_with_it() -> None:
    table, row = published.table("genimage"), find("genimage", "DRCT/Conv-B")
    assert row.values is not None
    assert row.values[-1] == 59.81
    assert "README" in table.source_of(row, "BigGAN").text
    assert "Intra_GenImage.png" in table.source_of(row, "VQDM").text
    # The authors' mean already has the corrected figure in it, not the figure's 58.81.
    assert row.recomputed == pytest.approx(82.08, abs=0.005)


def test_conflicts_are_kept() -> None:
    dire = find("genimage", "DIRE")
    assert [report.mean for report in dire.conflicts] == [70.7]
    values = dire.conflicts[0].values
    assert values is not None
    assert sum(value for value in values if value is not None) / 8 == pytest.approx(70.7, abs=0.06)
    assert {report.mean for report in find("genimage", "UnivFD").conflicts} == {79.5, 73.3, 88.8}
    assert [report.mean for report in find("genimage", "C2P-CLIP").conflicts] == [93.1]


@pytest.mark.parametrize(
    ("name", "version", "mean"), [("genimage", "v1", 95.96), ("genimage", "v2", 96.63), ("aigcdetect", "v2", 93.96)]
)
def test_the_paper_that_we_follow_has_means_only(name: str, version: str, mean: float) -> None:
    row = find(name, f"CINEMAE {version}")
    assert (row.values, row.mean) == (None, mean)
    assert (row.comparable is True) == (version == "v1")


def test_a_reproduction_that_falls_short_stands_beside_the_paper() -> None:
    paper, again = find("genimage", "C2P-CLIP"), find("genimage", "C2P-CLIP, re-measured")
    assert again.kind == "reproduction"
    assert paper.recomputed == pytest.approx(95.8, abs=0.05)
    assert again.recomputed == pytest.approx(93.3, abs=0.05)


def test_chameleon_s_split_agrees_with_one_share_of_real_images() -> None:
    """Accuracy = w * real + (1 - w) * ai for the same w in all rows: a slip of the pen would show."""
    rows = [row.values for row in published.table("chameleon").rows if row.values and None not in row.values]
    assert len(rows) == 6
    shares = [(both - ai) / (real - ai) for both, ai, real in rows]  # type: ignore[operator]
    assert max(shares) - min(shares) < 1e-3


def test_what_is_not_comparable_says_so() -> None:
    assert find("genimage", "LOTA").comparable is False
    assert find("aigcdetect", "DIRE-D").comparable is False
    assert find("chameleon", "DDA").comparable is False
    assert not find("genimage", "AIDE").reason


def test_every_source_is_cited_somewhere() -> None:
    cited = {source for _, row in EVERY_ROW for source in row.cited()}
    cited |= {published.table(name).source for name in published.names()}
    assert set(published.table("genimage").sources) == cited


def test_our_figures_find_their_columns() -> None:
    shares = {"biggan": Shares(0.75), "stable_diffusion_v_1_4": Shares(1.0), "another": Shares(0.5)}
    assert published.cells("genimage", shares) == {"BigGAN": 75.0, "SD v1.4": 100.0}
    assert published.cells("chameleon", {"chameleon": Shares(0.6, 0.25, 0.9)}) == {
        "accuracy": 60.0,
        "on AI": 25.0,
        "on real": 90.0,
    }
    assert published.cells("chameleon", {"chameleon": Shares(0.9, None, 0.9)}) == {"accuracy": 90.0, "on real": 90.0}


def test_importing_it_stays_light() -> None:
    code = (
        "import sys; import cinemae.published as p; p.names(); print('torch' in sys.modules, 'sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=True)
    assert done.stdout.split() == ["False", "False"]
