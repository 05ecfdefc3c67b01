"""Real files, opened by pyarrow, pandas, polars and DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData

from otlp_arrow import ConfigError, OtlpLibrary

if TYPE_CHECKING:
    from pathlib import Path


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def spans_request(number: int) -> bytes:
    """Two spans with what readers stumble over: repeated keys, texts that end in NUL, maps in events."""
    attributes = [text("http.route", "/old"), text("nul", f"x{number}\0"), text("http.route", "/x")]
    event = Span.Event(name="e\0", attributes=[text("k", "v\0"), text("k", "v")])
    spans = [Span(name="n\0", attributes=attributes, events=[event]), Span(name="n")]
    return TracesData(
        resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])]
    ).SerializeToString()


@pytest.fixture(params=["lz4", "zstd", "none"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with OtlpLibrary(output_dir=tmp_path, files={"compression": request.param}) as library:
        for number in range(3):
            library.export_traces(spans_request(number))
            library.flush()
    (only,) = (tmp_path / "otlp" / "traces").glob("*.arrows")
    return only


def stream(path: Path) -> pa.Table:
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        return reader.read_all()


def test_pyarrow_and_pandas(path: Path) -> None:
    table = stream(path)
    table.validate(full=True)
    assert table["name"].to_pylist() == ["n\0", "n"] * 3
    assert table["attributes"].to_pylist()[::2] == [
        [("nul", f"x{number}\0"), ("http.route", "/x")] for number in range(3)
    ]
    frame = table.to_pandas()
    assert frame["attributes"].map(lambda a: dict(a).get("http.route") == "/x").sum() == 3
    assert frame["events"][0][0]["attributes"] == [("k", "v")]


def test_polars(path: Path) -> None:
    frame = pl.read_ipc_stream(path)
    assert frame["name"].cast(pl.String).to_list() == ["n\0", "n"] * 3
    assert frame.filter(pl.col("attributes").map.get("http.route") == "/x").height == 3


def test_duckdb(path: Path) -> None:
    spans = stream(path)  # DuckDB finds it by its name
    connection = duckdb.connect()
    assert connection.sql("select count(*) from spans where attributes['http.route'] = '/x'").fetchall() == [
        (3,)
    ]
    assert connection.sql("select events[1].attributes['k'] from spans limit 1").fetchall() == [("v",)]
    assert connection.sql("select name from spans order by name limit 1").fetchall() == [("n",)]
    del spans


def test_promoted_columns(tmp_path: Path) -> None:
    """Files with and without promoted columns are one table, and the value stays in the map."""
    with OtlpLibrary(output_dir=tmp_path) as library:
        library.export_traces(spans_request(0))
    with OtlpLibrary(output_dir=tmp_path, files={"promote": ["http", "nul:string"]}) as library:
        assert "http_route" in library.logs().schema.names  # before the first request too
        library.export_traces(spans_request(1))
        table = library.traces()
    assert table["http_route"].to_pylist() == [None, None, "/x", None]
    assert table["nul"].to_pylist() == [None, None, "x1\0", None]
    assert dict(table["attributes"][2].as_py())["http.route"] == "/x"
    assert table.schema.field("http_route").metadata == {b"promoted_from": b"attributes[http.route]"}


def test_a_clash_of_promoted_columns_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"files\.promote.*column name already"):
        OtlpLibrary(output_dir=tmp_path, files={"promote": ["name"]})
