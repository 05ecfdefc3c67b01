"""Arrow IPC stream files -> pyarrow tables, and record batches.

A reader maps the files, which may be growing: eight zero bytes end a stream, and so does the end of the
file or the length that a snapshot of the library gives.

Stored text is dictionary-encoded, and group_by, joins and map_lookup of pyarrow fail on that. So text
becomes plain unless dictionaries=True: by a cast of each column, after the filter, on the rows left.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.ipc

from . import _handle
from ._read.files import Part, Source, StrPath, find, map_part, told
from ._read.ipc import Stream
from ._read.scan import scan
from ._read.select import Selection, When, bare
from .errors import InvalidDataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = [
    "Selection",
    "Source",
    "StrPath",
    "When",
    "empty_table",
    "read",
    "read_batches",
    "read_logs",
    "read_metrics",
    "read_snapshot",
    "read_traces",
]


def read_traces(
    source: Source,
    *,
    since: When = None,
    until: When = None,
    service: str | Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    dictionaries: bool = False,
) -> pa.Table:
    """Reads spans from files: a row per span, see docs/format.md for the columns.

    source: a file, a directory (the library's output_dir, or one with such files), or several of them;
        files may be growing. Rows come file by file, oldest file first.
    since, until: only spans with since <= start_time_unix_nano < until; an aware datetime (also pandas'
        Timestamp) or nanoseconds since 1970 UTC. Spans without a start time are left out then.
    service: only these values of service_name.
    columns: only these, in this order.
    dictionaries: True leaves dictionary-encoded text, keys and values of maps included, as stored;
        False makes it utf8, with which group_by, joins and map_lookup work.

    A directory without files gives a table without rows. Files that differ in promoted columns become
    one table, null where a file lacks the column.

    Raises IoError for a path that is missing or unreadable, InvalidDataError for a damaged file,
    ConfigError for an argument that cannot be used.
    """
    return read("traces", source, Selection.of("traces", since, until, service, columns, dictionaries))


def read_logs(
    source: Source,
    *,
    since: When = None,
    until: When = None,
    service: str | Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    dictionaries: bool = False,
) -> pa.Table:
    """Reads log records from files: a row per record.

    since and until compare time_unix_nano, and observed_time_unix_nano where that is null. All else is
    as in read_traces.
    """
    return read("logs", source, Selection.of("logs", since, until, service, columns, dictionaries))


def read_metrics(
    source: Source,
    *,
    since: When = None,
    until: When = None,
    service: str | Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    dictionaries: bool = False,
) -> pa.Table:
    """Reads metrics from files: a row per data point.

    since and until compare time_unix_nano. All else is as in read_traces.
    """
    return read("metrics", source, Selection.of("metrics", since, until, service, columns, dictionaries))


def read_batches(
    signal: str,
    source: Source,
    *,
    since: When = None,
    until: When = None,
    service: str | Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    dictionaries: bool = False,
) -> pa.RecordBatchReader:
    """Reads files of a signal ("traces", "logs" or "metrics") batch by batch, with bounded memory.

    ::

        for batch in read_batches("traces", "telemetry", columns=["name", "duration_nano"]):
            ...

    All batches have the reader's schema, also where files differ in promoted columns. DuckDB, polars and
    others take the reader as it is (it is an Arrow C stream). Options and errors are those of read_traces;
    an error in a file comes when that file's turn does.
    """
    selection = Selection.of(signal, since, until, service, columns, dictionaries)
    return batches(list(find(signal, source)), selection, lambda: _handle.empty_stream(signal))


def empty_table(signal: str, *, dictionaries: bool = False) -> pa.Table:
    """A table without rows that has the columns of a signal ("traces", "logs" or "metrics")."""
    everything = Selection.of(signal, None, None, None, None, dictionaries)
    return _empty(_handle.empty_stream(signal), everything)


def _empty(stream: bytes, selection: Selection) -> pa.Table:
    table = pa.ipc.open_stream(pa.py_buffer(stream)).read_all()
    return table.cast(selection.text(table.schema))


def read_snapshot(
    files: Iterable[tuple[str, int, int]], selection: Selection, empty: Callable[[], bytes]
) -> pa.Table:
    """Reads files up to their lengths, as Handle.files gives them; empty is the stream for no files."""
    return _table(snapshot(files), selection, empty)


def read(signal: str, source: Source, selection: Selection) -> pa.Table:
    """The rows of a signal's files that a selection asks for."""
    return _table(list(find(signal, source)), selection, lambda: _handle.empty_stream(signal))


def snapshot(files: Iterable[tuple[str, int, int]]) -> list[Part]:
    """Files and their lengths, as Handle.files gives them."""
    return [Part(Path(path), length, number) for path, length, number in files]


def _table(parts: list[Part], selection: Selection, empty: Callable[[], bytes]) -> pa.Table:
    tables = list(scan(parts, selection))
    if tables:
        return selection.finish(tables, columns_known=True)
    return selection.finish([_empty(empty(), selection)], False)


def batches(parts: list[Part], selection: Selection, empty: Callable[[], bytes]) -> pa.RecordBatchReader:
    """The wanted rows of files, batch by batch."""
    found = [selection.schema(schema) for schema in schemas(parts)]
    columns_known = bool(found)
    if not found:
        found = [_empty(empty(), selection).schema]
    none = [schema.empty_table() for schema in found]
    schema = selection.finish(none, columns_known).schema
    return pa.RecordBatchReader.from_batches(schema, _conforming(parts, selection, schema))


def schemas(parts: Iterable[Part]) -> Iterator[pa.Schema]:
    """The schemas of files, each once."""
    known: list[pa.Schema] = []
    for part in parts:
        with told(part.path):
            data = map_part(part)
            schema = None if data is None else Stream(data).schema
        if schema is not None and schema not in known:
            known.append(schema)
            yield schema


def _conforming(parts: list[Part], selection: Selection, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for table in scan(parts, selection):
        yield from conform(table, schema).to_batches()


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table with a schema's columns in its order, null where it lacks one."""
    if not schema.names:
        return bare(table.num_rows, schema)
    columns = [
        table.column(field.name) if field.name in table.schema.names else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    try:
        return pa.Table.from_arrays(columns, schema=schema)
    except pa.ArrowException as error:  # a file that came since, or another one in its place
        raise InvalidDataError(f"the files do not fit together: {error}") from error
