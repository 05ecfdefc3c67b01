"""The files of a signal that a follower watches: which may grow, which are open, which are done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ClosedError, IoError
from .files import Part, age, find, told
from .growing import Asleep, Growing, stat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from .files import StrPath
    from .select import Selection

_MOST_OPEN = 256  # files at a time, those that grew last; another one is opened when its size changes


class Watched:
    """The files of a signal and how far each was read. For one thread at a time."""

    def __init__(self, source: StrPath, selection: Selection, flush: Callable[[], None] | None) -> None:
        self._source, self._selection, self._flush = source, selection, flush
        self._open: dict[Path, Growing] = {}  # what grew last is last
        self._asleep: dict[Path, Asleep] = {}
        self._done: set[Path] = set()
        self.ended = False  # the library was closed, and all of it was read
        self.passed: list[Part] = []

    def skip(self) -> None:
        """Passes over what is there now; files that are finished are not even opened."""
        listed, growing = self._list()
        self._done = {part.path for part in listed} - growing
        oldest_first = sorted(growing, key=_changed)
        for path in oldest_first[:-_MOST_OPEN]:
            if (found := stat(path)) is not None:
                self._asleep[path] = Asleep.of(found.st_size, found)
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

    def _new(self, path: Path, file: Growing) -> Iterator[pa.Table]:
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

    def _opened(self, path: Path) -> Growing | None:
        asleep = self._asleep.pop(path, None)
        try:
            file = Growing(path, asleep.place if asleep is not None else 0)
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
    found = stat(path)
    return found.st_mtime_ns if found is not None else 0
