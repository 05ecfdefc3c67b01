"""What came into a node's own files since the last look, so that a wait reads nothing twice.

A batch brings all its dictionaries, and a snapshot's length ends with a whole batch. So a file's schema and
what was added to it make a whole stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.ipc

from ..tables import Selection

if TYPE_CHECKING:
    from collections.abc import Iterable

    Files = Iterable[tuple[str, int, int]]  # as Handle.files gives them


class Tail:
    """The files of a signal up to where they were read. Compaction would spoil it; a mock has none."""

    def __init__(self, signal: str) -> None:
        self._selection = Selection.of(signal, None, None, None, None, False)
        self._done: dict[str, int] = {}  # path: bytes

    def skip(self, files: Files) -> None:
        """Passes over all that is there."""
        self._done.update({path: length for path, length, _ in files})

    def read(self, files: Files) -> list[pa.Table]:
        """Tables of the rows that were not read or skipped before, in plain text."""
        found = []
        for path, length, _ in files:
            done = self._done.get(path, 0)
            if length > done:
                found.append(self._selection.apply(_added(path, done, length)))
                self._done[path] = length
        return found


def _added(path: str, begin: int, end: int) -> pa.Table:
    """The rows between two places of a file, each the end of a batch."""
    with open(path, "rb") as file:
        head = b""
        if begin:
            head = file.read(8)  # a mark of four bytes, and how long the schema is behind it
            head += file.read(int.from_bytes(head[4:], "little"))
            file.seek(begin)
        data = head + file.read(end - begin)
    return pa.ipc.open_stream(data).read_all()
