"""Tables for pandas, polars and DuckDB: typed attributes, ids as hex digits, times and integers that survive.

No function here looks at rows one by one in Python; of attributes that are bytes each value is decoded once.
"""

from __future__ import annotations

import base64
from array import array
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ._read.plain import plain_schema
from .errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb
    import pandas
    import polars

# Columns of attributes, and the letters of their types; see docs/format.md.
TYPES = {
    "attributes": "attribute_types",
    "resource_attributes": "resource_attribute_types",
    "scope_attributes": "scope_attribute_types",
    "metric_metadata": "metric_metadata_types",
}
IDS = ("trace_id", "span_id", "parent_span_id")
NANOS = "_unix_nano"
MICROS = pa.timestamp("us", tz="UTC")
_PREFIXES = {"resource/": "resource_attributes", "scope/": "scope_attributes"}
_KINDS = {
    "i": pa.int64(),
    "d": pa.float64(),
    "b": pa.bool_(),
    "y": pa.binary(),
}


def attributes(table: pa.Table, key: str, *, column: str | None = None) -> pa.ChunkedArray:
    """The values of an attribute as a column: int64, float64, bool, binary or utf8.

    ::

        status = attributes(spans, "http.response.status_code")
        slow = spans.filter(pc.greater_equal(status, 500))
        host = attributes(spans, "resource/host.name")

    table: one that read_traces or its siblings gave, with dictionaries or without.
    key: of the attribute; "resource/..." and "scope/..." are those of the resource and of the scope.
    column: attributes, resource_attributes, scope_attributes or metric_metadata, with the key as it stands.

    The type is that of all its values in the table; where those are of several types, and for arrays and
    kvlists, it is their text, as docs/format.md describes it. Null where a row lacks the attribute or it has
    no value. Without the column of types beside it all is text.

    Raises ConfigError for a table without the column of attributes.
    """
    if column is None:
        column, key = _place(key)
    if column not in TYPES or column not in table.schema.names:
        raise ConfigError(f"the table has no column of attributes {column!r}: want one of {', '.join(TYPES)}")
    typed = TYPES[column] in table.schema.names
    names = [column, TYPES[column]] if typed else [column]
    found = [_Found(chunk, key, typed) for chunk in table.select(names).to_batches()]
    letters = set().union(*(each.letters() for each in found)) - {"n", "-", ""}
    kind = _KINDS.get(letters.pop(), pa.utf8()) if len(letters) == 1 else pa.utf8()
    return pa.chunked_array([_typed(each.texts(), kind) for each in found], kind)


def _place(key: str) -> tuple[str, str]:
    """The column that a key says, and the key there."""
    for prefix, column in _PREFIXES.items():
        if key.startswith(prefix):
            return column, key[len(prefix) :]
    return "attributes", key


class _Found:
    """Where a batch has an attribute.

    The entries of all rows lie behind one another: row r has those from offsets[r] to offsets[r + 1].
    Counting the entries of the key up to each offset tells which rows have one, and which of those it is.
    """

    def __init__(self, batch: pa.RecordBatch, key: str, typed: bool) -> None:
        maps = batch.column(0)
        self._types = batch.column(1) if typed else None
        self._items = maps.items
        offsets = maps.offsets
        matches = _equal(maps.keys, key)
        counts = pc.cumulative_sum(matches.cast(pa.int32()))
        counts = pa.concat_arrays([pa.array([0], pa.int32()), counts]).take(offsets)
        before, after = counts.slice(0, len(maps)), counts.slice(1)
        last = pc.if_else(pc.greater(after, before), pc.subtract(after, 1), pa.scalar(None, pa.int32()))
        self._entries = pc.indices_nonzero(matches).cast(pa.int64()).take(last)
        self._places = pc.subtract(self._entries, offsets.slice(0, len(maps)).cast(pa.int64()))

    def texts(self) -> pa.Array:
        return self._items.take(self._entries).cast(pa.utf8())

    def letters(self) -> set[str]:
        """The letters that the attribute has: of the distinct texts of types few places are looked at."""
        if self._types is None:
            return {"s"}
        types = self._types
        if not pa.types.is_dictionary(types.type):
            types = types.dictionary_encode()
        words = types.dictionary.to_pylist()
        width = max(map(len, words), default=0) + 1
        codes = pc.add(pc.multiply(types.indices.cast(pa.int64()), width), self._places)
        found = (divmod(code, width) for code in pc.unique(codes).to_pylist() if code is not None)
        return {words[word][place : place + 1] for word, place in found}


def _equal(keys: pa.Array, key: str) -> pa.Array:
    if not pa.types.is_dictionary(keys.type):
        return pc.equal(keys, key)
    return pc.is_in(keys.indices, pc.indices_nonzero(pc.equal(keys.dictionary, key)).cast(keys.indices.type))


def _typed(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    if not pa.types.is_binary(kind):
        return texts.cast(kind)
    encoded = texts.dictionary_encode()
    values = [base64.b64decode(text) for text in encoded.dictionary.to_pylist()]
    return pa.array(values, kind).take(encoded.indices)


def hex_ids(table: pa.Table) -> pa.Table:
    """The table with trace_id, span_id and parent_span_id as hex digits (utf8)."""
    for name in IDS:
        place = table.schema.get_field_index(name)
        if place >= 0 and pa.types.is_fixed_size_binary(table.schema.field(place).type):
            chunks = [_hex(chunk) for chunk in table.column(place).chunks]
            table = table.set_column(place, name, pa.chunked_array(chunks, pa.utf8()))
    return table


def _hex(ids: pa.Array) -> pa.Array:
    """All digits at once: the bytes of ids lie behind one another, those of nulls too."""
    if ids.offset:
        ids = pa.concat_arrays([ids])
    validity, data = ids.buffers()
    width, count = ids.type.byte_width, len(ids)
    digits = data.slice(0, width * count).to_pybytes().hex().encode() if data is not None else b""
    ends = array("i", range(0, 2 * width * (count + 1), 2 * width))
    return pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(digits), validity)


def with_times(table: pa.Table) -> pa.Table:
    """The table with microseconds beside nanoseconds: start_time for start_time_unix_nano."""
    for name in table.schema.names:
        short = name.removesuffix(NANOS)
        if short != name and short not in table.schema.names:
            table = table.append_column(short, table.column(name).cast(MICROS, safe=False))
    return table


def _prepared(table: pa.Table, keys: Iterable[str]) -> pa.Table:
    """The table with attributes as columns, ids as hex digits, and plain text."""
    made: list[tuple[str, Any]] = []
    for key in keys:
        if key in table.schema.names:
            raise ConfigError(f"attributes: {key!r} is a column of the table already")
        made.append((key, attributes(table, key)))
    for key, column in made:
        table = table.append_column(key, column)
    return hex_ids(table.cast(plain_schema(table.schema)))


def to_pandas(
    table: pa.Table, *, attributes: Iterable[str] = (), arrow_types: bool = False
) -> pandas.DataFrame:
    """A DataFrame of a table that read_traces or its siblings gave.

    Beyond table.to_pandas(): ids are hex digits, maps are dicts, integers and booleans with nulls stay what
    they are (Int64, UInt32, boolean; not float64 and object), and some attributes have typed columns.

    attributes: keys, as the function attributes takes them; each becomes a column of that name.
    arrow_types: True keeps Arrow's types (pandas.ArrowDtype), with which every time is exact; pandas' own
        take the earliest nanosecond, -2**63, as NaT.

    Raises ConfigError where pandas is not installed, or an attribute's key is a column's name.
    """
    pandas = needed("pandas")
    prepared = _prepared(table, attributes)
    if arrow_types:
        return prepared.to_pandas(types_mapper=pandas.ArrowDtype)
    kinds = {kind: getattr(pandas, name)() for kind, name in _PANDAS.items()}
    return prepared.to_pandas(types_mapper=kinds.get, maps_as_pydicts="lossy")


_PANDAS = {
    pa.int64(): "Int64Dtype",
    pa.int32(): "Int32Dtype",
    pa.uint64(): "UInt64Dtype",
    pa.uint32(): "UInt32Dtype",
    pa.bool_(): "BooleanDtype",
}


def to_polars(table: pa.Table, *, attributes: Iterable[str] = ()) -> polars.DataFrame:
    """A polars DataFrame: ids are hex digits, and there is a typed column for each of some attributes.

    attributes: as in to_pandas. Raises ConfigError where polars is not installed.
    """
    return needed("polars").from_arrow(_prepared(table, attributes))


def to_duckdb(
    table: pa.Table,
    name: str,
    *,
    connection: duckdb.DuckDBPyConnection | None = None,
    attributes: Iterable[str] = (),
) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection in which a table has a name: a new one, in memory, or yours.

    ::

        to_duckdb(spans, "spans").sql("select date_trunc('hour', start_time), count(*) from spans group by 1")

    Ids are hex digits; start_time, end_time, time and observed_time are TIMESTAMPTZ, for date functions.
    attributes: as in to_pandas. Raises ConfigError where DuckDB is not installed.
    """
    module = needed("duckdb")
    if connection is None:
        connection = module.connect()
        connection.execute("set TimeZone = 'UTC'")
    connection.register(name, with_times(_prepared(table, attributes)))
    return connection


def needed(name: str) -> Any:
    """An optional package. Raises ConfigError that says how to install it."""
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(f"{name} is not installed: pip install 'otlp-arrow[{name}]'") from error
