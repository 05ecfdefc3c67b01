"""Arrow IPC stream files -> pyarrow tables.

A reader maps the files, which may be growing: eight zero bytes end a stream, and so does the end of the
file or the length that a snapshot of the library gives. Batches are filtered and cut to the wanted columns
a group at a time, on a few threads, so that memory holds the result and a few groups. A group is a large
batch, or many small ones: what a call of pyarrow costs is then paid once for all of them.

Stored text is dictionary-encoded, and group_by, joins and map_lookup of pyarrow fail on that. So text
becomes plain unless dictionaries=True: by a cast of each column, after the filter, on the rows left.

pyarrow's own threads stay off: they take a column each and cost more than they bring, 10 times the time for
small batches (bench/read.py).
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from . import _handle
from .errors import ConfigError, InvalidDataError, IoError, OtlpArrowError

StrPath = str | os.PathLike[str]
Source = StrPath | Iterable[StrPath]
When = datetime | int | None

# The times by which since and until filter, best first.
TIMES = {
    "traces": ("start_time_unix_nano",),
    "logs": ("time_unix_nano", "observed_time_unix_nano"),
    "metrics": ("time_unix_nano",),
}
SERVICE = "service_name"
TRACE = "trace_id"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAME = re.compile(r"otlp_(traces|logs|metrics)_(\d{8}_\d{6})_(.+)_(\d+)\.arrows")
_WORKERS = min(4, os.cpu_count() or 1)
_GROUP_ROWS = 1 << 16
_GROUP_BYTES = 1 << 26
_SMALL_ROWS = 1 << 12


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


def empty_table(signal: str, *, dictionaries: bool = False) -> pa.Table:
    """A table without rows that has the columns of a signal ("traces", "logs" or "metrics")."""
    if signal not in TIMES:
        raise ConfigError(f"signal={signal!r}: want traces, logs or metrics")
    return _empty(_handle.empty_stream(signal), dictionaries)


def _empty(stream: bytes, dictionaries: bool) -> pa.Table:
    table = pa.ipc.open_stream(pa.py_buffer(stream)).read_all()
    return table if dictionaries else table.cast(plain_schema(table.schema))


@dataclass(frozen=True)
class Selection:
    """Which rows and columns of a signal are wanted, checked."""

    signal: str
    since: int | None  # nanoseconds
    until: int | None
    services: tuple[str, ...] | None
    columns: tuple[str, ...] | None
    dictionaries: bool
    trace_id: bytes | None = None

    @classmethod
    def of(
        cls,
        signal: str,
        since: When,
        until: When,
        service: str | Sequence[str] | None,
        columns: Sequence[str] | None,
        dictionaries: bool,
        *,
        trace_id: bytes | None = None,
    ) -> Selection:
        if isinstance(columns, str):
            raise ConfigError(f"columns={columns!r}: want a list of names")
        return cls(
            signal=signal,
            since=nanoseconds("since", since),
            until=nanoseconds("until", until),
            services=(service,) if isinstance(service, str) else None if service is None else tuple(service),
            columns=None if columns is None else tuple(dict.fromkeys(columns)),
            dictionaries=dictionaries,
            trace_id=trace_id,
        )

    def looked_at(self) -> set[str]:
        """The columns that filters look at."""
        names = set() if self.services is None else {SERVICE}
        if self.since is not None or self.until is not None:
            names.update(TIMES[self.signal])
        if self.trace_id is not None:
            names.add(TRACE)
        return names

    def fields(self, schema: pa.Schema) -> list[int] | None:
        """The fields to read from a file: the wanted ones and those that filters look at; None: all."""
        if self.columns is None:
            return None
        names = self.looked_at().union(self.columns)
        found = [place for place, name in enumerate(schema.names) if name in names]
        return found or [0]  # one is needed to count rows, and to the reader none means all

    def schema(self, schema: pa.Schema) -> pa.Schema:
        """The schema that apply gives to a batch of a schema."""
        if self.columns is not None:
            fields = [schema.field(name) for name in self.columns if name in schema.names]
            schema = pa.schema(fields, metadata=schema.metadata)
        return schema if self.dictionaries else plain_schema(schema)

    def rows(self, table: pa.Table) -> Any:
        """A mask of the wanted rows; None: all of them."""
        masks = []
        if self.services is not None:
            names = table.column(SERVICE).cast(pa.utf8())
            masks.append(pc.is_in(names, value_set=pa.array(self.services, pa.utf8())))
        if self.since is not None or self.until is not None:
            time = pc.coalesce(*(table.column(name) for name in TIMES[self.signal]))
            if self.since is not None:
                masks.append(pc.greater_equal(time, pa.scalar(self.since, time.type)))
            if self.until is not None:
                masks.append(pc.less(time, pa.scalar(self.until, time.type)))
        if self.trace_id is not None:
            ids = table.column(TRACE)
            masks.append(pc.equal(ids, pa.scalar(self.trace_id, ids.type)))
        mask = None
        for each in masks:
            mask = each if mask is None else pc.and_(mask, each)
        return mask

    def apply(self, table: pa.Table) -> pa.Table:
        """The wanted rows and columns of a table, in their final types."""
        mask = self.rows(table)
        schema = self.schema(table.schema)
        table = table.select(schema.names)
        if mask is not None and not pc.all(mask, skip_nulls=False).as_py():
            table = table.filter(mask)  # drops where the mask is null
        if not table.num_rows:
            return pa.Table.from_batches([], schema=schema)
        if self.dictionaries or not table.num_columns:
            return table
        columns = [plain(column, field.type) for column, field in zip(table.columns, schema, strict=True)]
        return _joined(pa.Table.from_arrays(columns, schema=schema))

    def finish(self, tables: list[pa.Table], columns_known: bool) -> pa.Table:
        """One table of the tables of several files."""
        try:
            table = tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="default")
        except pa.ArrowException as error:
            raise InvalidDataError(f"the files do not fit together: {error}") from error
        if self.columns is None:
            return table
        for name in self.columns:
            if name not in table.schema.names:
                if columns_known:
                    raise ConfigError(f"columns: {name!r} is in none of the files")
                table = table.append_column(name, pa.nulls(0))
        return table.select(list(self.columns))


def nanoseconds(option: str, when: When) -> int | None:
    """Nanoseconds since 1970 UTC of an aware datetime, a pandas Timestamp or an int; None stays."""
    if when is None:
        return None
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise ConfigError(f"{option}={when!r} has no time zone: use an aware datetime")
        exact = getattr(when, "value", None)  # pandas' Timestamp has nanoseconds
        number = (when - _EPOCH) // timedelta(microseconds=1) * 1000 if exact is None else int(exact)
    elif isinstance(when, bool) or not hasattr(when, "__index__"):
        raise ConfigError(f"{option}={when!r}: want an aware datetime or nanoseconds since 1970 UTC as int")
    else:
        number = when.__index__()
    return max(-(2**63), min(2**63 - 1, number))


# --- plain text ---


def plain_type(kind: pa.DataType) -> pa.DataType:
    """A type with its dictionaries, also nested ones, replaced by their values' types."""
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_map(kind):
        return pa.map_(_plain_field(kind.key_field), _plain_field(kind.item_field), kind.keys_sorted)
    if pa.types.is_list(kind):
        return pa.list_(_plain_field(kind.value_field))
    if pa.types.is_struct(kind):
        return pa.struct([_plain_field(field) for field in kind])
    return kind


def _plain_field(field: pa.Field) -> pa.Field:
    return field.with_type(plain_type(field.type))


def plain_schema(schema: pa.Schema) -> pa.Schema:
    return pa.schema([_plain_field(field) for field in schema], metadata=schema.metadata)


def plain(column: Any, kind: pa.DataType) -> Any:
    """A chunked column in its plain type; in more chunks where one would hold over 2 GiB of text."""
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        return pa.chunked_array([part for chunk in column.chunks for part in _cast(chunk, kind)], kind)


def _cast(chunk: Any, kind: pa.DataType) -> list[Any]:
    try:
        return [chunk.cast(kind)]
    except pa.ArrowInvalid:
        half = len(chunk) // 2
        if not half:
            raise
        return [
            each for part in (chunk.slice(0, half), chunk.slice(half)) for each in _cast(_cut(part), kind)
        ]


def _cut(chunk: Any) -> Any:
    return pa.concat_arrays([chunk])  # a cast of a slice would go over all that its lists and maps ever had


def _joined(table: pa.Table) -> pa.Table:
    """The table with one chunk a column if it has many small ones, which would slow down all that follows."""
    chunks = table.column(0).num_chunks
    return table.combine_chunks() if chunks > 1 and table.num_rows < chunks * _SMALL_ROWS else table


# --- files ---


@dataclass(frozen=True)
class Part:
    """A file, up to a length in bytes (None: its end). A listed one may vanish before it is read.

    The length is that of the file with a number (st_ino); another one in its place, which compaction made
    meanwhile of all its rows, is read whole.
    """

    path: Path
    length: int | None = None
    number: int = 0
    listed: bool = True


def read_snapshot(
    files: Iterable[tuple[str, int, int]], selection: Selection, empty: Callable[[], bytes]
) -> pa.Table:
    """Reads files up to their lengths, as Handle.files gives them; empty is the stream for no files."""
    return _read_parts([Part(Path(path), length, number) for path, length, number in files], selection, empty)


def read(signal: str, source: Source, selection: Selection) -> pa.Table:
    """The rows of a signal's files that a selection asks for."""
    return _read_parts(list(find(signal, source)), selection, lambda: _handle.empty_stream(signal))


def find(signal: str, source: Source) -> Iterator[Part]:
    """The files of a signal in a source, oldest first within a directory."""
    if not isinstance(source, (str, os.PathLike)):
        for each in source:
            yield from find(signal, each)
        return
    path = Path(source)
    if not path.is_dir():
        yield Part(path, listed=False)
        return
    for candidate in (path / "otlp" / signal, path / signal):
        if candidate.is_dir():
            path = candidate
            break
    try:
        found = [entry for entry in path.iterdir() if _signal_of(entry.name) == signal]
    except OSError as error:
        raise IoError(error.errno, f"cannot list {path}: {error.strerror}") from error
    yield from (Part(entry) for entry in sorted(found, key=_age))


def _signal_of(name: str) -> str | None:
    match = _NAME.fullmatch(name)
    return match[1] if match else None


def _age(path: Path) -> tuple[str, str, int]:
    match = _NAME.fullmatch(path.name)
    assert match
    return match[2], match[3], int(match[4])


def _read_parts(parts: list[Part], selection: Selection, empty: Callable[[], bytes]) -> pa.Table:
    tables: list[pa.Table] = []
    waiting: deque[tuple[Part, Future[pa.Table]]] = deque()
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="otlp-arrow-read") as pool:
        for part in parts:
            with _told(part):
                for group in _groups(part, selection):
                    waiting.append((part, _submit(pool, selection.apply, group)))
                    if len(waiting) > _WORKERS:
                        tables.append(_finished(*waiting.popleft()))
        tables.extend(_finished(*each) for each in waiting)
    if tables:
        return selection.finish(tables, columns_known=True)
    return selection.finish([_empty(empty(), selection.dictionaries)], False)


@contextlib.contextmanager
def _told(part: Part) -> Iterator[None]:
    """Makes an error of pyarrow's one that names the file."""
    try:
        yield
    except OtlpArrowError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise InvalidDataError(f"{part.path} is no Arrow IPC stream, or is damaged: {error}") from error


def _finished(part: Part, future: Future[pa.Table]) -> pa.Table:
    with _told(part):
        return future.result()


def _submit(
    pool: ThreadPoolExecutor, function: Callable[[pa.Table], pa.Table], table: pa.Table
) -> Future[pa.Table]:
    try:
        return pool.submit(function, table)
    except RuntimeError:  # the interpreter ends, and we are called by an atexit hook: no more threads
        future: Future[pa.Table] = Future()
        future.set_result(function(table))
        return future


def _groups(part: Part, selection: Selection) -> Iterator[pa.Table]:
    """The fields that a selection needs of a file, in groups; none when it has no schema yet, or is gone.

    A file without rows gives one table without rows, for its columns.
    """
    data = _map(part)
    if data is None:
        return
    reader = pa.ipc.open_stream(data, options=_options())
    fields = selection.fields(reader.schema)
    if fields is not None:
        reader = pa.ipc.open_stream(data, options=_options(fields))
    _check(part, selection, reader.schema)
    group: list[pa.RecordBatch] = []
    rows = size = batches = 0
    for batch in reader:
        group.append(batch)
        rows, size, batches = rows + batch.num_rows, size + batch.get_total_buffer_size(), batches + 1
        if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield pa.Table.from_batches(group, schema=reader.schema)
            group, rows, size = [], 0, 0
    if group or not batches:
        yield pa.Table.from_batches(group, schema=reader.schema)


def _options(fields: list[int] | None = None) -> Any:
    return pa.ipc.IpcReadOptions(use_threads=False, included_fields=fields)


def _map(part: Part) -> Any:
    """The file's bytes, mapped; None when there are none or only zeros so far."""
    try:
        with part.path.open("rb") as file:
            length = _length(part, os.fstat(file.fileno()))
            if not length:
                return None
            data = pa.py_buffer(mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ))
    except FileNotFoundError as error:
        if part.listed:
            return None  # retention was faster
        raise IoError(error.errno, f"{part.path} does not exist") from error
    except OSError as error:
        raise IoError(error.errno, f"cannot read {part.path}: {error}") from error
    return None if not any(data[:8].to_pybytes()) else data


def _length(part: Part, found: os.stat_result) -> int:
    """How much of a file is to be read, in bytes."""
    number = found.st_ino & 0xFFFF_FFFF_FFFF_FFFF  # Windows may give more bits
    replaced = part.number not in (0, number)
    return found.st_size if part.length is None or replaced else min(found.st_size, part.length)


def _check(part: Part, selection: Selection, schema: pa.Schema) -> None:
    missing = selection.looked_at().difference(schema.names)
    if missing:
        raise InvalidDataError(f"{part.path} holds no {selection.signal}: it has no {sorted(missing)[0]}")
