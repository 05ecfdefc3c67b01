"""A file that may grow: how far it was read, while it is open and while it is not."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, NamedTuple, Self

import pyarrow as pa

from .ipc import CutStreamError, OddStreamError, Stream, group_at, message_at
from .scan import decode, rest, runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .select import Selection


def stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


class Asleep(NamedTuple):
    """A file that is not open: how far it was read, and what it was before that."""

    place: int
    size: int
    changed: int  # zeros that are written over change the time only
    number: int  # what replaces the file has another one

    @classmethod
    def of(cls, place: int, found: os.stat_result) -> Self:
        return cls(place, found.st_size, found.st_mtime_ns, found.st_ino)

    def is_same(self, path: Path) -> bool:
        found = stat(path)
        return found is not None and self == self.of(self.place, found)


class Growing:
    """An open file, and how far it was read."""

    def __init__(self, path: Path, place: int) -> None:
        self._path = path
        self._file = path.open("rb", buffering=0)  # a buffer would keep zeros that are written over
        self._found = os.fstat(self._file.fileno())
        self._place = place
        self._fresh = not place  # its schema was not read yet

    @property
    def place(self) -> int:
        """In bytes; what stands before it was given, or passed over."""
        return self._place

    def close(self) -> None:
        self._file.close()

    def asleep(self) -> Asleep:
        return Asleep.of(self._place, self._found)

    def skip(self) -> None:
        stream = self._stream()
        if stream is not None:
            self._place = _end(stream, self._place)

    def tables(self, selection: Selection) -> Iterator[pa.Table]:
        """The wanted rows from where it was read to on."""
        stream = self._stream()
        if stream is None:
            return
        selection.check(self._path, stream.schema)
        for run in runs(stream, self._place, selection):
            if run.ranges:
                yield _complete(decode(stream, run.ranges, selection), selection)
            self._place = run.end
        end = _end(stream, self._place)
        for table in rest(stream, self._place, end, selection):
            yield _complete(selection.apply(table), selection)
        self._place = end

    def _stream(self) -> Stream | None:
        """The file as it is now; None where nothing was added."""
        self._found = os.fstat(self._file.fileno())
        size = self._found.st_size
        if size < self._place + 8:
            return None
        self._file.seek(self._place)
        if not any(self._file.read(8)):
            return None
        data = pa.py_buffer(mmap.mmap(self._file.fileno(), size, access=mmap.ACCESS_READ))
        if self._fresh and _cut(data):
            return None
        stream = Stream(data)
        if self._fresh:
            self._place, self._fresh = stream.begin, False
        return stream


def _complete(table: pa.Table, selection: Selection) -> pa.Table:
    """The table with all columns that are wanted, null where the file has none: another one may have it."""
    if selection.columns is None:
        return table
    for name in selection.columns:
        if name not in table.schema.names:
            table = table.append_column(name, pa.nulls(table.num_rows))
    return table.select(list(selection.columns))


def _cut(data: pa.Buffer) -> bool:
    """Whether not even the schema is whole, as while the file is copied here."""
    try:
        message_at(memoryview(data), 0)
    except CutStreamError:
        return True
    except OddStreamError:
        pass  # to be told by pyarrow
    return False


def _end(stream: Stream, place: int) -> int:
    """Where the last whole group ends. Raises ArrowInvalid where something else stands behind it."""
    while True:
        try:
            group = group_at(stream.view, place)
        except CutStreamError:
            return place
        except OddStreamError as error:
            raise pa.ArrowInvalid(f"byte {place} begins no message") from error
        if group is None:
            return place
        place = group.end
