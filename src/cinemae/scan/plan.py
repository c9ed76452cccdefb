"""The plan of a scan: the source, listed once to its end and cut into parts that never change."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from cinemae.scan.folder import PlanState, ScanFolder
from cinemae.scan.items import Item
from cinemae.scan.rows import arrow_fields


@dataclass(frozen=True)
class Planned:
    """An input of a part.

    Attributes:
        item: The input.
        sha256: Hash of its bytes, if equal contents are to be scored once and they could be read.
        duplicate_of: Id of the first input with these bytes, if this is another one.
    """

    item: Item
    sha256: str | None = None
    duplicate_of: str | None = None


def write_plan(
    folder: ScanFolder, planned: Iterable[Planned], part_size: int, left_out: Mapping[str, int] | None = None
) -> PlanState:
    """Write the plan, part by part, and at its end that it is complete.

    Args:
        folder: Where.
        planned: The inputs.
        part_size: Inputs of a part.
        left_out: What the listing leaves out, by kind; looked at once the inputs are listed.
    """
    stream = iter(planned)
    items = parts = 0
    while part := list(islice(stream, part_size)):
        folder.write_planned(parts, encode_planned(part))
        items, parts = items + len(part), parts + 1
    state = PlanState(items=items, parts=parts, left_out=dict(left_out or {}))
    folder.write_plan(state)
    return state


def read_planned(folder: ScanFolder, number: int) -> list[Planned]:
    """Return the inputs of a part, in their order."""
    return list(decode_planned(folder.read_planned(number)))


def encode_planned(part: list[Planned]) -> bytes:
    """Write inputs as a Parquet file."""
    import pyarrow as pa
    from pyarrow import parquet

    extra = [pa.field(name, pa.string()) for name in ("sha256", "duplicate_of")]
    rows = [one.item.model_dump() | {"sha256": one.sha256, "duplicate_of": one.duplicate_of} for one in part]
    out = io.BytesIO()
    table = pa.Table.from_pylist(rows, schema=pa.schema([*arrow_fields(Item), *extra]))
    parquet.write_table(table, out, compression="zstd")
    return out.getvalue()


def decode_planned(data: bytes) -> Iterator[Planned]:
    """Read what :func:`encode_planned` wrote."""
    from pyarrow import parquet

    for row in parquet.read_table(io.BytesIO(data)).to_pylist():
        sha256, duplicate_of = row.pop("sha256"), row.pop("duplicate_of")
        yield Planned(Item(**row), sha256, duplicate_of)
