"""SQL over the tables of files, by DuckDB.

DuckDB asks a pyarrow Dataset for a scanner of the columns that a query needs, with a filter of what it can
translate of its WHERE, and does not filter again itself. So each signal is a Dataset whose scanner reads just
that from the files. Text stays dictionary-encoded, which DuckDB reads faster than plain text; but not within
lists and maps: with such a column in the schema, DuckDB 2.0 pushes no filter at all.

DuckDB has no date functions for nanoseconds in a time zone. So each column <time>_unix_nano has one of
microseconds beside it, named <time>, which is made where a query asks for it.
"""

from __future__ import annotations

import os
import re
import threading
from concurrent.futures import Future, wait
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from .. import _handle
from ..errors import ConfigError
from ..frames import NANOS, needed, with_times
from ..tables import batches, conform
from .files import find
from .guarantee import Guarantee
from .scan import scan
from .select import TIMES, Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .files import Part, Source

    Parameters = Sequence[object] | Mapping[str, object] | None
    Listing = Callable[[str], tuple[list[Part], bytes]]  # a signal's files, and the stream for none

_SLICE = 0.1  # seconds


def sql(query: str, parameters: Parameters = None, *, source: Source) -> pa.Table:
    """The result of a query over the tables traces, logs and metrics, which are those of files.

    ::

        sql("select name, count(*) from traces where start_time > now() - interval 1 hour group by name",
            source="telemetry")
        sql("select body from logs where service_name = ?", ["shop"], source="telemetry")

    query: one statement of DuckDB's SQL. Columns are those of docs/format.md, and start_time, end_time, time
        and observed_time as TIMESTAMPTZ, in microseconds, for date functions; the session's time zone is UTC.
        Only the columns that a query needs are read, and rows that WHERE excludes are left out on the way.
    parameters: values for ? or $1, as a list, or for $name, as a dict.
    source: as in read_traces.

    Raises ConfigError for a query that DuckDB refuses and where DuckDB is not installed
    (pip install 'otlp-arrow[duckdb]'); all else as read_traces.
    """

    paths = source if isinstance(source, (str, os.PathLike)) else list(source)  # each signal asks for it

    def listing(signal: str) -> tuple[list[Part], bytes]:
        parts = list(find(signal, paths))
        return parts, b"" if parts else _handle.empty_stream(signal)

    return run(query, parameters, listing)


def run(query: str, parameters: Parameters, listing: Listing) -> pa.Table:
    """The result of a query over the signals that it names."""
    duckdb = needed("duckdb")
    named = [signal for signal in TIMES if re.search(rf"\b{signal}\b", query, re.IGNORECASE)]
    signals = [SignalDataset(signal, *listing(signal)) for signal in named]
    try:
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute("set python_enable_replacements = false")  # no variables as tables
            for signal in signals:
                connection.register(signal.signal, signal)
            return _interruptible(connection, lambda: _result(connection, query, parameters))
    except duckdb.Error as error:
        for signal in signals:
            if signal.failed is not None:
                raise signal.failed from error
        hint = "; the tables are traces, logs and metrics" if "does not exist" in str(error) else ""
        raise ConfigError(f"DuckDB: {error}{hint}") from error


def _result(connection: Any, query: str, parameters: Parameters) -> pa.Table:
    relation = connection.sql(query, params=parameters)
    if relation is None:
        raise ConfigError(f"the query has no result: {query!r}")
    return relation.to_arrow_table()


def _interruptible(connection: Any, compute: Callable[[], pa.Table]) -> pa.Table:
    """Lets Ctrl-C through: DuckDB 2.0 misses some, so it gets a thread, and what waits for that tells it."""
    if threading.current_thread() is not threading.main_thread():
        return compute()
    future: Future[pa.Table] = Future()

    def work() -> None:
        try:
            future.set_result(compute())
        except BaseException as error:
            future.set_exception(error)

    thread = threading.Thread(target=work, name="otlp-arrow-sql")
    thread.start()
    try:
        while not wait([future], timeout=_SLICE).done:
            pass
        return future.result()
    finally:
        while thread.is_alive():  # one that comes before the query has begun is forgotten, too
            connection.interrupt()
            thread.join(_SLICE)


class SignalDataset(ds.Dataset):  # type: ignore[misc] # pyarrow has no types
    """A signal's files as a Dataset that reads the columns and rows which a scanner is asked for."""

    def __init__(self, signal: str, parts: list[Part], empty: bytes) -> None:
        # pyarrow's own forbids to be called.
        self.signal = signal
        self.failed: BaseException | None = None
        self._parts = parts
        everything = replace(Selection.of(signal, None, None, None, None, True), nested_plain=True)
        self._stored = batches(parts, everything, lambda: empty).schema
        self._schema = with_times(self._stored.empty_table()).schema

    @property
    def schema(self) -> pa.Schema:
        return self._schema

    def scanner(
        self, columns: list[str] | None = None, filter: pc.Expression | None = None, **_: object
    ) -> _Scan:
        """What DuckDB calls; it asks for some columns (None: all) of the rows that a filter is true for."""
        wanted = self._schema.names if columns is None else columns
        return _Scan(pa.schema([self._schema.field(name) for name in wanted]), self._rows(wanted, filter))

    def _rows(self, wanted: list[str], filter: pc.Expression | None) -> Iterator[pa.RecordBatch]:
        """The rows, in batches. The first error is kept: of what passes DuckDB only the text is left."""
        try:
            needed = self._needed(wanted, filter)
            guarantee = None if filter is None else Guarantee(self.signal, self._schema, filter)
            whole = Selection.of(self.signal, None, None, None, needed, True)
            selection = replace(whole, guarantee=guarantee, nested_plain=True)
            stored = pa.schema([self._stored.field(name) for name in needed])
            for table in scan(self._parts, selection):
                full = with_times(conform(table, stored))
                rows = full if filter is None else full.filter(filter)
                yield from rows.select(wanted).to_batches()
        except Exception as error:
            self.failed = error
            raise

    def _needed(self, wanted: list[str], filter: pc.Expression | None) -> list[str]:
        """The stored columns for some wanted ones and for a filter: perhaps more, if its values look so."""
        text = "" if filter is None else str(filter)
        names = {name for name in self._schema.names if name in wanted or name in text}
        stored = [n for n in self._stored.names if n in names or n.removesuffix(NANOS) in names]
        return stored or self._stored.names[:1]


class _Scan:
    """What DuckDB needs of a pyarrow Scanner."""

    def __init__(self, schema: pa.Schema, rows: Iterator[pa.RecordBatch]) -> None:
        self.projected_schema = schema
        self._rows = rows

    def to_reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self.projected_schema, self._rows)
