"""The output's columns: derived from the verdict, whole in every reader."""

from __future__ import annotations

import io
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from pydantic import BaseModel

from cinemae.evidence import Conclusion, Detail, Evidence, Finding, conclude
from cinemae.scan.rows import (
    LikelihoodMap,
    PartReport,
    Row,
    arrow_fields,
    copy_of,
    encode_rows,
    read_report,
    row_of,
    schema,
)
from cinemae.verdict import ErrorInfo, Verdict

PROMISED = (
    "id sha256 verdict probability threshold band_low band_high alpha p_ai p_real bits_per_dim"
    " width height format file_bytes frames notes error_type error_message model precision seed seconds"
    " duplicate_of attempts evidence conclusion"
)
SCORED = Verdict(
    path="a/ä.png",
    verdict="ai",
    probability=0.1 + 0.2,
    threshold=0.5,
    band=(0.4, 0.6),
    alpha=0.1,
    bits_per_dim=3.25,
    width=40,
    height=30,
    format="PNG",
    file_bytes=2**40,
    sha256="ab" * 32,
    frames=1,
    notes=("first of 3 frames", "alpha flattened on white"),
    model="m",
    precision="bf16",
    seed=7,
    seconds=0.5,
)
REFUSED = Verdict(path="b.jpg", model="m", error=ErrorInfo(type="TruncatedImageError", message="b.jpg: ends early"))
REPORT = PartReport(number=3, items=2, refused=1, copies=0, retried=1, seconds=0.5, begun=10.0, ended=12.5)


@pytest.fixture
def rows() -> list[Row]:
    likelihood = LikelihoodMap(rows=2, cols=3, bits=(0.5, 1.0, 7.99, 2.0, 3.3333333, 0.0))
    return [row_of(SCORED, likelihood, attempts=1), row_of(REFUSED, attempts=2)]


def test_every_promised_column_is_there_and_no_other():
    assert sorted(schema(maps=False).names) == sorted(PROMISED.split())
    assert set(schema(maps=True).names) - set(PROMISED.split()) == {"map", "map_rows", "map_cols"}
    assert schema(maps=False).names[0] == "id"


def test_no_field_of_a_verdict_is_lost():
    """A field that is added to the verdict must show up in the table."""
    spread = {"path": {"id"}, "band": {"band_low", "band_high"}, "error": {"error_type", "error_message"}}
    wanted = set().union(*(spread.get(name, {name}) for name in Verdict.model_fields))
    assert wanted == set(schema(maps=False).names) - {"duplicate_of", "attempts"}


@pytest.mark.parametrize("maps", [False, True])
def test_pyarrow_pandas_and_duckdb_read_the_same(rows, tmp_path, maps):
    place = tmp_path / "part.parquet"
    place.write_bytes(encode_rows(rows, REPORT, maps=maps))
    first, second = parquet.read_table(place).to_pylist()
    assert first["id"] == "a/ä.png"
    assert (first["probability"], first["band_low"], first["band_high"]) == (0.1 + 0.2, 0.4, 0.6)
    assert first["notes"] == ["first of 3 frames", "alpha flattened on white"]
    assert (first["file_bytes"], first["error_type"], first["duplicate_of"]) == (2**40, None, None)
    assert (second["verdict"], second["probability"], second["notes"]) == (None, None, [])
    assert (second["error_type"], second["error_message"], second["attempts"]) == (
        "TruncatedImageError",
        "b.jpg: ends early",
        2,
    )
    frame = pd.read_parquet(place)
    assert list(frame["id"]) == ["a/ä.png", "b.jpg"]
    assert list(frame["probability"].isna()) == [False, True]
    query = f"SELECT id, probability, len(notes) FROM '{place}' WHERE error_type IS NULL"
    assert duckdb.sql(query).fetchall() == [("a/ä.png", 0.1 + 0.2, 2)]
    if maps:
        wanted = np.float16([0.5, 1.0, 7.99, 2.0, 3.3333333, 0.0])
        assert (first["map_rows"], first["map_cols"], second["map"]) == (2, 3, None)
        assert parquet.read_schema(place).field("map").type == pa.list_(pa.float16())
        assert np.array_equal(np.float16(first["map"]), wanted)
        assert np.array_equal(np.float16(frame["map"][0]), wanted)
        (said,) = duckdb.sql(f"SELECT map FROM '{place}' WHERE map IS NOT NULL").fetchall()
        assert np.array_equal(np.float16(said[0]), wanted)


def test_a_part_has_its_report(rows):
    assert read_report(encode_rows(rows, REPORT, maps=False)) == REPORT
    other = pa.BufferOutputStream()
    parquet.write_table(pa.table({"x": [1]}), other)
    with pytest.raises(ValueError, match="not a part of a scan"):
        read_report(other.getvalue().to_pybytes())


def test_a_column_that_is_null_everywhere_keeps_its_type(tmp_path):
    place = tmp_path / "part.parquet"
    place.write_bytes(encode_rows([row_of(REFUSED, attempts=1)], REPORT, maps=False))
    assert parquet.read_schema(place).remove_metadata() == schema(maps=False)


def test_a_copy_has_the_verdict_and_its_own_name(rows):
    copy = copy_of(rows[0], "c.png")
    assert copy | {"id": "a/ä.png", "seconds": 0.5, "attempts": 1} == rows[0]
    assert (copy["id"], copy["seconds"], copy["attempts"]) == ("c.png", 0.0, 0)
    refused = copy_of(rows[1], "d.jpg")
    assert (refused["error_message"], refused["error_type"]) == ("d.jpg: ends early", "TruncatedImageError")


def test_a_type_without_a_column_is_refused():
    class Odd(BaseModel):
        place: Path

    with pytest.raises(TypeError, match="no column type for"):
        arrow_fields(Odd)


def test_evidence_and_conclusion_are_nested_columns():
    camera = Finding(
        source="camera", says="captured", strength="weak", where="EXIF", text="a camera",
        details=(Detail(name="camera", value="X100"),), contradicts=(1,),
    )  # fmt: skip
    evidence = Evidence(findings=(camera,), contradictions=("a, but b",), notes=("XMP: not read",))
    verdict = SCORED.model_copy(update={"evidence": evidence, "conclusion": conclude(evidence, "ai", 0.3)})
    table = parquet.read_table(io.BytesIO(encode_rows([row_of(verdict, attempts=1)], REPORT, maps=False)))
    (row,) = table.to_pylist()
    assert Evidence.model_validate(row["evidence"]) == evidence
    assert Conclusion.model_validate(row["conclusion"]) == verdict.conclusion
    (found,) = row["evidence"]["findings"]
    assert found["details"] == [{"name": "camera", "value": "X100"}]
    empty = parquet.read_table(io.BytesIO(encode_rows([row_of(REFUSED, attempts=1)], REPORT, maps=False)))
    assert empty.schema == table.schema
    assert empty.to_pylist()[0]["evidence"] is None
