"""Typed attributes, and tables for pandas, polars and DuckDB."""

import random

import duckdb
import pandas
import polars
import pyarrow as pa
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData

from otlp_arrow import ConfigError, OtlpLibrary, attributes, read_traces, to_duckdb, to_pandas, to_polars
from otlp_arrow._read.values import values_of
from otlp_arrow.frames import hex_ids

START = 1_767_323_045_123_456_789
VALUES = {
    "text": ["a", "", "b\0"],
    "int": [1, -(2**63), 2**63 - 1],
    "double": [1.5, float("inf"), 1e300],
    "bool": [True, False],
    "bytes": [b"\0\1", b""],
    "mixed": [1, "x"],
    "list": [[1, "x"]],
    "nothing": [None],
}


def any_value(value):
    if value is None:
        return AnyValue()
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[any_value(each) for each in value]))
    kinds = {bool: "bool_value", int: "int_value", str: "string_value", float: "double_value"}
    return AnyValue(**{kinds.get(type(value), "bytes_value"): value})


def pairs(r):
    keys = r.sample(list(VALUES), r.randrange(len(VALUES) + 1))
    return [KeyValue(key=key, value=any_value(r.choice(VALUES[key]))) for key in keys]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Spans with any of the attributes, in several batches."""
    r, directory = random.Random(1), tmp_path_factory.mktemp("frames")
    with OtlpLibrary(output_dir=directory) as library:
        for _ in range(4):
            spans = [
                Span(
                    name="n",
                    attributes=pairs(r),
                    trace_id=r.randbytes(16),
                    span_id=r.randbytes(8),
                    parent_span_id=r.choice([b"", r.randbytes(8)]),
                    start_time_unix_nano=START,
                    end_time_unix_nano=START + r.choice([-1, 5]),
                )
                for _ in range(50)
            ]
            scope = ScopeSpans(spans=spans)
            scope.scope.attributes.extend(pairs(r))
            made = ResourceSpans(scope_spans=[scope])
            made.resource.attributes.extend(pairs(r))
            library.export_traces(TracesData(resource_spans=[made]).SerializeToString())
            library.flush()
    return directory


def expected(table, key, column="attributes"):
    types = {"attributes": "attribute_types", "scope_attributes": "scope_attribute_types"}
    letters = types.get(column, "resource_attribute_types")
    return [
        values_of(entries, of).get(key)
        for entries, of in zip(table[column].to_pylist(), table[letters].to_pylist(), strict=True)
    ]


@pytest.mark.parametrize("dictionaries", [True, False])
@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("text", pa.utf8()),
        ("int", pa.int64()),
        ("double", pa.float64()),
        ("bool", pa.bool_()),
        ("bytes", pa.binary()),
        ("nothing", pa.utf8()),
        ("absent", pa.utf8()),
    ],
)
def test_attributes_have_their_type(out, key, kind, dictionaries):
    table = read_traces(out, dictionaries=dictionaries)
    for part in (table, table.slice(37, 80), table.slice(0, 0), table.combine_chunks()):
        column = attributes(part, key)
        column.validate(full=True)
        assert len(column) == len(part)
        assert column.to_pylist() == expected(part, key)
    assert attributes(table, key).type == kind


@pytest.mark.parametrize("prefix", ["resource", "scope"])
def test_attributes_of_resource_and_scope(out, prefix):
    table = read_traces(out)
    for key in VALUES:
        if key in ("mixed", "list"):
            continue
        column = attributes(table, f"{prefix}/{key}")
        assert column.to_pylist() == expected(table, key, f"{prefix}_attributes")
        assert column.equals(attributes(table, key, column=f"{prefix}_attributes"))


def test_values_of_several_types_are_text(out):
    table = read_traces(out)
    assert set(attributes(table, "mixed").to_pylist()) == {"1", "x", None}
    assert set(attributes(table, "list").to_pylist()) == {'[1,"x"]', None}
    untyped = table.drop_columns(["attribute_types"])
    assert set(attributes(untyped, "int").to_pylist()) == {str(n) for n in VALUES["int"]} | {None}


def test_of_repeated_keys_the_last_counts():
    kind = pa.map_(pa.utf8(), pa.utf8())
    maps = pa.array([[("k", "1"), ("k", "2")], None, [], [("k", None)], [("x", "3"), ("k", "4")]], kind)
    table = pa.table({"attributes": maps, "attribute_types": ["ii", "", "", "n", "si"]})
    assert attributes(table, "k").to_pylist() == [2, None, None, None, 4]
    doubled = pa.DictionaryArray.from_arrays([0, 1, 1], ["k", "k"])
    maps = pa.MapArray.from_arrays([0, 2, 3], doubled, ["1", "2", "3"])
    assert attributes(pa.table({"attributes": maps}), "k").to_pylist() == ["2", "3"]


def test_a_key_may_begin_as_a_prefix_does():
    maps = pa.array([[("resource/x", "1")]], pa.map_(pa.utf8(), pa.utf8()))
    table = pa.table({"attributes": maps})
    assert attributes(table, "resource/x", column="attributes").to_pylist() == ["1"]
    with pytest.raises(ConfigError, match="no column of attributes 'resource_attributes'"):
        attributes(table, "resource/x")
    with pytest.raises(ConfigError, match="no column of attributes 'name'"):
        attributes(table, "x", column="name")


@pytest.mark.parametrize("dictionaries", [True, False])
def test_hex_ids(out, dictionaries):
    table = read_traces(out, dictionaries=dictionaries)
    for part in (table, table.slice(7, 60), table.slice(0, 0)):
        made = hex_ids(part)
        made.validate(full=True)
        for name in ("trace_id", "span_id", "parent_span_id"):
            assert made[name].to_pylist() == [each and each.hex() for each in part[name].to_pylist()]
        assert hex_ids(made).equals(made)


def test_pandas(out):
    table = read_traces(out, dictionaries=True)
    frame = to_pandas(table, attributes=["int", "resource/text"])
    assert frame["trace_id"][0] == table["trace_id"][0].as_py().hex()
    assert frame["parent_span_id"].isna().sum() == table["parent_span_id"].null_count > 0
    assert frame["duration_nano"].dtype == pandas.Int64Dtype()
    assert frame["duration_nano"].dropna().unique().tolist() == [5]
    assert frame["flags"].dtype == pandas.UInt32Dtype()
    assert frame["start_time_unix_nano"][0].value == START
    assert frame["int"].dtype == pandas.Int64Dtype()
    assert frame["int"].dropna().tolist() == [v for v in expected(table, "int") if v is not None]
    assert frame["resource/text"].dropna().isin(VALUES["text"]).all()
    assert isinstance(frame["attributes"][0], dict)
    assert frame.groupby("name").size().tolist() == [200]
    earliest = pa.table({"time_unix_nano": pa.array([-(2**63), 1], pa.timestamp("ns", "UTC"))})
    exact = to_pandas(earliest, arrow_types=True)["time_unix_nano"]
    assert exact.dtype == pandas.ArrowDtype(pa.timestamp("ns", "UTC"))
    assert pa.array(exact).cast(pa.int64()).to_pylist() == [-(2**63), 1]


def test_polars(out):
    table = read_traces(out)
    frame = to_polars(table, attributes=["double"])
    assert frame["trace_id"][0] == table["trace_id"][0].as_py().hex()
    assert frame["double"].dtype == polars.Float64
    assert frame["double"].drop_nulls().to_list() == [v for v in expected(table, "double") if v is not None]


def test_duckdb(out):
    table = read_traces(out)
    query = 'select year(start_time), count("int"), max(len(trace_id)) from spans group by 1'
    ints = sum(value is not None for value in expected(table, "int"))
    with to_duckdb(table, "spans", attributes=["int"]) as connection:
        assert connection.sql(query).fetchall() == [(2026, ints, 32)]
    with duckdb.connect() as own:
        assert to_duckdb(table, "spans", connection=own, attributes=["int"]) is own
        assert own.sql("select count(*) from spans").fetchall() == [(200,)]


def test_an_attribute_that_is_a_column_is_refused(out):
    with pytest.raises(ConfigError, match="'name' is a column of the table already"):
        to_polars(read_traces(out), attributes=["name"])
