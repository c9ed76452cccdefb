"""The output table: a row an input, its columns derived from :class:`~cinemae.verdict.Verdict`."""

from __future__ import annotations

import io
import types
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field

from cinemae.verdict import Verdict

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
REPORT_KEY = b"cinemae"


class LikelihoodMap(BaseModel):
    """The likelihood map of the semantic scale, as it travels from a worker.

    Attributes:
        rows: Patches from top to bottom.
        cols: Patches from left to right.
        bits: NLL of each patch, bits a sub-pixel, row by row.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = Field(ge=1)
    cols: int = Field(ge=1)
    bits: tuple[float, ...]


class PartReport(BaseModel):
    """What a part came to; lies in the metadata of its file.

    Attributes:
        number: The part.
        items: Rows, one an input.
        refused: Rows with an error.
        copies: Rows that took the verdict of an equal content.
        retried: Rows whose input was given to the decoder twice.
        seconds: Time for decoding and scoring, added up over the images.
        begun: When the part was begun, seconds since the epoch.
        ended: When its last row was there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    items: int
    refused: int
    copies: int
    retried: int
    seconds: float
    begun: float
    ended: float


def arrow_fields(model: type[BaseModel], leave_out: Sequence[str] = ()) -> list[pa.Field]:
    """Return the Arrow fields of a pydantic model; models inside of it become structs, and tuples lists.

    Raises:
        TypeError: If a field's type has no column type.
    """
    import pyarrow as pa

    fields = model.model_fields.items()
    return [pa.field(name, _arrow_type(field.annotation)) for name, field in fields if name not in leave_out]


def _arrow_type(annotation: Any) -> pa.DataType:
    import pyarrow as pa

    if get_origin(annotation) in (types.UnionType, Union):
        (annotation,) = (kind for kind in get_args(annotation) if kind is not type(None))
    if get_origin(annotation) is Literal:
        return pa.string()
    if get_origin(annotation) is tuple and get_args(annotation)[1:] == (...,):
        return pa.list_(_arrow_type(get_args(annotation)[0]))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return pa.struct(arrow_fields(annotation))
    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    if annotation not in kinds:
        raise TypeError(f"no column type for {annotation}")
    return kinds[annotation]


def schema(*, maps: bool) -> pa.Schema:
    """Return the columns of the output."""
    import pyarrow as pa

    fields = [
        pa.field("id", pa.string()),
        *arrow_fields(Verdict, ("path", "band", "error")),
        *(pa.field(name, pa.float64()) for name in ("band_low", "band_high")),
        *(pa.field(name, pa.string()) for name in ("error_type", "error_message", "duplicate_of")),
        pa.field("attempts", pa.int64()),
    ]
    if maps:
        fields += [
            pa.field("map", pa.list_(pa.float16())),
            *(pa.field(n, pa.int64()) for n in ("map_rows", "map_cols")),
        ]
    return pa.schema(fields)


def row_of(verdict: Verdict, likelihood: LikelihoodMap | None = None, *, attempts: int) -> Row:
    """Return a verdict as a row.

    Args:
        verdict: Its ``path`` is the input's id.
        likelihood: The map, if it was asked for and there is one.
        attempts: How often the input was given to the decoder.
    """
    import numpy as np

    row: Row = verdict.model_dump(exclude={"path", "band", "error"})
    row["id"] = verdict.path
    row["band_low"], row["band_high"] = verdict.band or (None, None)
    row["error_type"] = verdict.error and verdict.error.type
    row["error_message"] = verdict.error and verdict.error.message
    row |= {"duplicate_of": None, "attempts": attempts}
    if likelihood is not None:
        row["map"] = np.array(likelihood.bits, dtype=np.float16)
        row["map_rows"], row["map_cols"] = likelihood.rows, likelihood.cols
    return row


def copy_of(row: Row, name: str) -> Row:
    """Return the row of an equal content under another id: the same verdict, and no work of its own."""
    message = row["error_message"]
    if message is not None:
        message = name + message.removeprefix(row["id"])
    return row | {"id": name, "error_message": message, "seconds": 0.0, "attempts": 0}


def encode_rows(rows: list[Row], report: PartReport, *, maps: bool) -> bytes:
    """Write rows as a Parquet file, with the part's report in its metadata."""
    import pyarrow as pa
    from pyarrow import parquet

    columns = schema(maps=maps).with_metadata({REPORT_KEY: report.model_dump_json().encode()})
    table = pa.Table.from_pylist(rows, schema=columns)
    out = io.BytesIO()
    parquet.write_table(table, out, compression="zstd")
    return out.getvalue()


def read_report(data: bytes) -> PartReport:
    """Return the report of a finished part from its file.

    Raises:
        ValueError: If there is none.
    """
    from pyarrow import parquet

    metadata = parquet.read_schema(io.BytesIO(data)).metadata or {}
    if REPORT_KEY not in metadata:
        raise ValueError("not a part of a scan: its metadata have no report")
    return PartReport.model_validate_json(metadata[REPORT_KEY])
