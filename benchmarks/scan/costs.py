"""What an input costs besides its score: being listed and planned, hashed, and its row in the table."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from pyarrow import parquet

from cinemae.mae.runtime import cores
from cinemae.scan.dedupe import equal_together
from cinemae.scan.folder import ScanFolder
from cinemae.scan.items import Item
from cinemae.scan.plan import Planned, write_plan
from cinemae.scan.sources import list_items, read_item

from .pictures import write_mixed
from .rates import run_scan, scan_command
from .results import Costs

PART_SIZE = 512
MAP_COLUMNS = ("map", "map_rows", "map_cols")
HASHED = 2000  # files: what is read twice is in the page cache


def measure_costs(pictures: Path, folder: Path, listed: int) -> Costs:
    """Measure them.

    Args:
        pictures: JPEG files; their table is weighed.
        folder: An empty folder.
        listed: Files to list and plan.
    """
    write_mixed(folder / "listed", listed, every=100)
    plain = partial(map, Planned)
    planning, size = _plan(folder / "listed", folder / "plan", plain, listed)
    few = min(listed, HASHED)
    source = str(folder / "listed")
    together = partial(equal_together, read=partial(read_item, source=source))
    without, _ = _plan(folder / "listed", folder / "plan-plain", plain, few)
    hashed, _ = _plan(folder / "listed", folder / "plan-dedupe", together, few)
    rows, row, with_map = _row_bytes(pictures, folder / "maps")
    return Costs(
        listed=listed,
        planning=planning,
        plan_bytes=size,
        hashing=max(0.0, hashed - without),
        rows=rows,
        row_bytes=row,
        map_row_bytes=with_map,
    )


def _plan(
    source: Path, out: Path, planned: Callable[[Iterable[Item]], Iterator[Planned]], count: int
) -> tuple[float, float]:
    """Return the seconds and the bytes that an input's plan takes."""
    folder = ScanFolder(str(out))
    start = time.perf_counter()
    state = write_plan(folder, planned(list_items(str(source), since=None, limit=count)), PART_SIZE)
    seconds = time.perf_counter() - start
    assert state.items == count
    return seconds / count, sum(path.stat().st_size for path in (out / "plan").iterdir()) / count


def _row_bytes(pictures: Path, out: Path) -> tuple[int, float, float]:
    """Return the rows of a table, and the bytes of one without and with its map."""
    run_scan(scan_command(pictures, out, "--maps", "--workers", 1, "--jobs", cores(), "--part-size", PART_SIZE))
    rows = plain = whole = 0
    for path in sorted((out / "parts").iterdir()):
        table = parquet.read_table(path)
        small = io.BytesIO()
        parquet.write_table(table.drop_columns(list(MAP_COLUMNS)), small, compression="zstd")
        rows, plain, whole = rows + table.num_rows, plain + small.tell(), whole + path.stat().st_size
    return rows, plain / rows, whole / rows
