"""Batches as they are written, of files that this or another process writes.

::

    round: flush ─> list of files ─> for each that is not done: what has grown ─> batches
             │ own library only          │
                                         └─ done: there is a newer one of its writer

A file is done when the list has one of its writer with a higher number, since that is begun when the one
before is closed. Until then it stays open (of more writers than files may be open, what did not grow for
longest is closed until it changes), so whatever takes its place meanwhile, by compaction or retention, its
own rows are read to the end; and a path that is done is not looked at again, whatever file is there. That
gives each row once. Rows of a write that its writer took back, in a crash or when its disk failed, may come
a second time: the writer stores them anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import threading
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple, Self

import pyarrow as pa

from ..errors import ClosedError, ConfigError, IoError
from .files import Part, age, find, told
from .ipc import CutStreamError, OddStreamError, Stream, group_at, message_at
from .scan import decode, rest, runs
from .select import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from .files import StrPath
    from .select import When

INTERVAL = 0.2  # seconds
_SLICE = 0.1  # seconds; an event loop's sleep until close() is seen
_MOST_OPEN = 256  # files at a time, those that grew last; another one is opened when its size changes


def follow(
    signal: str,
    source: StrPath,
    *,
    since: When = None,
    service: str | Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    dictionaries: bool = False,
    existing: bool | None = None,
    timeout: float | None = None,
    interval: float = INTERVAL,
) -> Follow:
    """Gives batches of a signal ("traces", "logs" or "metrics") as they are written to a directory.

    ::

        for batch in follow("logs", "telemetry", service="shop"):      # or: async for
            print(batch.column("body"))

    source: a directory that another process writes, or will; it writes a batch every write_interval_secs.
    since, service, columns, dictionaries: as in read_traces.
    existing: True gives what is there already first; by default only with since.
    timeout: seconds without a row after which the iteration ends; None: never.
    interval: seconds between looks at the directory.

    Batches have the columns of their file; one of columns= that it lacks is null. Each row comes once, in
    spite of rotation, compaction and retention; only rows that their writer had to write again after a crash
    may come again.

    Raises IoError where source is no directory, ConfigError for an argument that cannot be used; the
    iteration raises IoError and InvalidDataError as read_traces does.
    """
    selection = Selection.of(signal, since, None, service, columns, dictionaries)
    if not os.path.isdir(source):
        raise IoError(20, f"{os.fspath(source)} is not a directory")
    return Follow(source, selection, existing=existing, timeout=timeout, interval=interval)


class Follow:
    """An iterator, also an asynchronous one, of live batches; close() ends it, also from another thread.

    Leaving `with` closes it, and so does the end of a `for` with the last reference.
    """

    def __init__(
        self,
        source: StrPath,
        selection: Selection,
        *,
        existing: bool | None,
        timeout: float | None,
        interval: float,
        flush: Callable[[], None] | None = None,
    ) -> None:
        if not interval > 0:
            raise ConfigError(f"interval={interval!r}: want seconds above 0")
        self._ready: deque[pa.RecordBatch] = deque()
        self._closing = _Flag()
        self._lock = threading.Lock()  # guards what reads: the next two
        self._here = threading.local()  # of a thread: holds the lock, left a close() to be done
        self._round: Iterator[pa.Table] | None = None
        self._files = _Files(source, selection, flush)
        self._source, self._signal = source, selection.signal
        self._timeout, self._interval = timeout, interval
        self._last = time.monotonic()  # when a batch was given
        if not (selection.since is not None if existing is None else existing):
            self._files.skip()

    def _step(self) -> bool:
        """Reads until there is a batch to give; False: nothing more for now, or ever."""
        with self._locked():
            if self._closing.is_set() or self._ready:
                return bool(self._ready)
            try:
                # A round that gave a batch is gone on with, and then nothing was looked at anew yet.
                return (self._round is not None and self._advance()) or self._advance()
            except BaseException:
                self._closing.set()
                raise

    def _advance(self) -> bool:
        """Goes on with a round, or begins one, until there is a batch or the round is at its end."""
        if self._round is None:
            self._round = self._files.grown()
        for table in self._round:
            if table.num_rows:
                self._ready.extend(table.to_batches())
                return True
        self._round = None
        if self._files.ended:
            self._closing.set()
        return False

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """The lock, and behind it the close() that came meanwhile in this thread."""
        self._here.holds = True
        try:
            with self._lock:
                yield
        finally:
            self._here.holds = False
            if getattr(self._here, "left", False):
                self._here.left = False
                self.close()

    def _take(self) -> pa.RecordBatch | None:
        """A batch that was read; the time it is idle begins anew."""
        try:
            batch = self._ready.popleft()
        except IndexError:
            return None
        self._last = time.monotonic()
        return batch

    def _wait(self) -> float:
        """Seconds until the next look; 0 where it is over."""
        left = self._interval
        if self._timeout is not None:
            left = min(left, self._last + self._timeout - time.monotonic())
        return 0.0 if self._closing.is_set() else max(0.0, left)

    def passed(self) -> list[Part]:
        """What was there already when it began, and is not given, as parts of files, oldest first."""
        with self._locked():
            return self._files.passed

    def __next__(self) -> pa.RecordBatch:
        while True:
            self._step()
            batch = self._take()
            if batch is not None:
                return batch
            wait = self._wait()
            if not wait:
                self.close()
                raise StopIteration
            self._closing.wait(wait)

    async def __anext__(self) -> pa.RecordBatch:
        while True:
            await asyncio.to_thread(self._step)  # when cancelled, what it read is there for the next call
            batch = self._take()
            if batch is not None:
                return batch
            wait = self._wait()
            if not wait:
                self.close()
                raise StopAsyncIteration
            await asyncio.sleep(min(wait, _SLICE))

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    @property
    def closed(self) -> bool:
        return self._closing.is_set()

    def close(self) -> None:
        """Ends the iteration; again is fine, and so is a signal handler."""
        self._closing.set()
        if getattr(self._here, "holds", False):  # a signal handler, in what _locked guards, which closes then
            self._here.left = True
            return
        with self._locked():
            self._round = None
            self._ready.clear()
            self._files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_files"):
            self._files.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<Follow {state} {self._signal} of {str(self._source)!r}>"


class _Flag:
    """An event that a signal handler may set: threading.Event has a lock that its thread may hold already."""

    def __init__(self) -> None:
        self._is_set = False
        self._woken: SimpleQueue[None] = SimpleQueue()

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        self._woken.put(None)

    def wait(self, seconds: float) -> None:
        """Until it is set, or so many seconds are over."""
        with contextlib.suppress(Empty):
            self._woken.get(timeout=seconds)
            self._woken.put(None)  # for others that wait


class _Files:
    """The files of a signal and how far each was read. For one thread at a time."""

    def __init__(self, source: StrPath, selection: Selection, flush: Callable[[], None] | None) -> None:
        self._source, self._selection, self._flush = source, selection, flush
        self._open: dict[Path, _Growing] = {}  # what grew last is last
        self._asleep: dict[Path, _Asleep] = {}
        self._done: set[Path] = set()
        self.ended = False  # the library was closed, and all of it was read
        self.passed: list[Part] = []

    def skip(self) -> None:
        """Passes over what is there now; files that are finished are not even opened."""
        listed, growing = self._list()
        self._done = {part.path for part in listed} - growing
        oldest_first = sorted(growing, key=_changed)
        for path in oldest_first[:-_MOST_OPEN]:
            if (found := _stat(path)) is not None:
                self._asleep[path] = _Asleep.of(found.st_size, found)
        for path in oldest_first[-_MOST_OPEN:]:
            file = self._opened(path)
            if file is not None:
                with told(path):
                    file.skip()
        places = [(path, file.place) for path, file in (self._asleep | self._open).items()]
        parts = [*(Part(path, place) for path, place in places), *map(Part, self._done)]
        self.passed = sorted(parts, key=lambda part: age(part.path))

    def grown(self) -> Iterator[pa.Table]:
        """The wanted rows that came since the last time."""
        listed, growing = self._list()
        paths = {part.path for part in listed}
        for path in sorted((paths | self._open.keys()) - self._done, key=age):
            asleep = self._asleep.get(path)
            if asleep is not None and path in growing and asleep.is_same(path):
                continue
            file = self._open.get(path) or self._opened(path)
            if file is not None:
                with told(path):
                    yield from self._new(path, file)
            if path not in growing:
                self._finish(path)
        self._asleep = {path: asleep for path, asleep in self._asleep.items() if path in paths}
        self._done &= paths  # the names of files that retention removed need not be known

    def _new(self, path: Path, file: _Growing) -> Iterator[pa.Table]:
        before = file.place
        yield from file.tables(self._selection)
        if file.place > before:
            self._open[path] = self._open.pop(path)

    def _list(self) -> tuple[list[Part], set[Path]]:
        """The files that are there, and those of them that may grow."""
        try:
            if self._flush is not None:
                self._flush()
        except ClosedError:
            self.ended = True
        listed = list(find(self._selection.signal, self._source))
        return listed, _growing(listed)

    def _opened(self, path: Path) -> _Growing | None:
        asleep = self._asleep.pop(path, None)
        try:
            file = _Growing(path, asleep.place if asleep is not None else 0)
        except FileNotFoundError:  # retention was faster
            return None
        except OSError as error:
            raise IoError(error.errno, f"cannot read {path}: {error}") from error
        self._open[path] = file
        if asleep is not None and file.asleep().number != asleep.number:  # compacted, so it was at its end
            self._finish(path)
            return None
        if len(self._open) > _MOST_OPEN:
            self._put_to_sleep(next(iter(self._open)))
        return file

    def _put_to_sleep(self, path: Path) -> None:
        file = self._open.pop(path)
        self._asleep[path] = file.asleep()
        file.close()

    def _finish(self, path: Path) -> None:
        file = self._open.pop(path, None)
        if file is not None:
            file.close()
        self._done.add(path)

    def close(self) -> None:
        for file in self._open.values():
            file.close()
        self._open.clear()


def _growing(listed: list[Part]) -> set[Path]:
    """The files that may grow: the newest one of each writer."""
    newest: dict[str, Path] = {}
    for part in sorted(listed, key=lambda part: age(part.path)[2]):  # by number: a clock may step back
        newest[age(part.path)[1]] = part.path
    return set(newest.values())


def _changed(path: Path) -> int:
    """When a file was written to, in nanoseconds; 0 for one that is gone."""
    found = _stat(path)
    return found.st_mtime_ns if found is not None else 0


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


class _Asleep(NamedTuple):
    """A file that is not open: how far it was read, and what it was before that."""

    place: int
    size: int
    changed: int  # zeros that are written over change the time only
    number: int  # what replaces the file has another one

    @classmethod
    def of(cls, place: int, found: os.stat_result) -> Self:
        return cls(place, found.st_size, found.st_mtime_ns, found.st_ino)

    def is_same(self, path: Path) -> bool:
        found = _stat(path)
        return found is not None and self == self.of(self.place, found)


class _Growing:
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

    def asleep(self) -> _Asleep:
        return _Asleep.of(self._place, self._found)

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
