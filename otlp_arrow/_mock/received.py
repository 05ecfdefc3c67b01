"""What a mock service received of a signal, as tables and as objects, each made once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..tables import empty_table
from .counts import Requests
from .items import items_of
from .tail import Tail

if TYPE_CHECKING:
    from ..library import OtlpLibrary

PATIENCE = 30.0  # seconds for what takes milliseconds


class Received:
    """What came of a signal since the last clear; the service's lock guards it."""

    def __init__(self, signal: str) -> None:
        self._signal = signal
        self._tail = Tail(signal)
        self._taken = 0  # requests of which all rows were read
        self._tables: list[pa.Table] = []
        self._made = 0  # tables of which objects were made
        self._items: list[Any] = []

    def skip(self, library: OtlpLibrary) -> None:
        self._taken = _taken(library, self._signal)
        self._tail.skip(library._handle.files(self._signal, PATIENCE))
        self._tables, self._items, self._made = [], [], 0

    def items(self, library: OtlpLibrary) -> list[Any]:
        self._read(library)
        for table in self._tables[self._made :]:
            self._items += items_of(self._signal, table)
        self._made = len(self._tables)
        return self._items

    def table(self, library: OtlpLibrary) -> pa.Table:
        self._read(library)
        if not self._tables:
            return empty_table(self._signal)
        return pa.concat_tables(self._tables)

    def _read(self, library: OtlpLibrary) -> None:
        """Reads what is new. The count comes first: what is taken after it is read next time."""
        taken = _taken(library, self._signal)
        if taken != self._taken:
            self._tables += self._tail.read(library._handle.files(self._signal, PATIENCE))
            self._taken = taken


def _taken(library: OtlpLibrary, signal: str) -> int:
    """How many requests of a signal brought rows."""
    counts = getattr(Requests.of(library._handle.requests(0, PATIENCE)["requests"]), signal)
    return int(counts.accepted + counts.partial)
