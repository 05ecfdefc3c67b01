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
import os
import threading
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Self

from ..errors import ConfigError, IoError
from .select import Selection
from .watched import Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    import pyarrow as pa

    from .files import Part, StrPath
    from .select import When

INTERVAL = 0.2  # seconds
_SLICE = 0.1  # seconds; an event loop's sleep until close() is seen


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
        self._files = Watched(source, selection, flush)
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
