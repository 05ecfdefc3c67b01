"""How much of a signal an output directory holds, when, and of which services: for people to look at.

Told from the statistics that batches have, so that a directory of any size takes moments; of batches without
them, or of a long time, two or three columns are read. The newest files come first, and what time does not
allow is left out.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from .._read.files import map_part, told
from .._read.ipc import OddStreamError, Statistics, Stream, group_at
from .._read.select import SERVICE, TIMES, Selection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .._read.files import Part


_LONG = 10_000_000_000  # nanoseconds; batches are of 5 s by default
_PIECES = 32


class Stretch(NamedTuple):
    """Rows of a batch or a piece of it, and the times between which they lie: nanoseconds since 1970 UTC."""

    rows: int
    start: int
    end: int


@dataclass
class Overview:
    """What files of a signal hold.

    rows: how many; more where it is not complete, which says that time was up.
    stretches: when they were; rows without a time are in none.
    """

    signal: str
    rows: int = 0
    services: set[str] = field(default_factory=set)
    stretches: list[Stretch] = field(default_factory=list)
    complete: bool = True

    @property
    def start(self) -> int | None:
        """The earliest time, in nanoseconds since 1970 UTC."""
        return min((each.start for each in self.stretches), default=None)

    @property
    def end(self) -> int | None:
        """The latest time."""
        return max((each.end for each in self.stretches), default=None)

    def counts(self, start: int, end: int, bins: int) -> list[float]:
        """About how many rows are in each of equal parts of the time from start to end, which is included.

        The rows of a stretch count as if they were spread evenly over it.
        """
        counts = [0.0] * bins
        width = max(1, end - start + 1) / bins
        for rows, low, high in self.stretches:
            first, last = (min(bins - 1, max(0, int((at - start) / width))) for at in (low, high))
            if first == last:
                counts[first] += rows
                continue
            for place in range(first, last + 1):
                begin, finish = max(low, start + place * width), min(high, start + (place + 1) * width)
                counts[place] += rows * max(0.0, finish - begin) / (high - low)
        return counts


def overview(signal: str, parts: Sequence[Part], seconds: float) -> Overview:
    """Looks at files for at most so many seconds. Raises InvalidDataError and IoError."""
    found = Overview(signal)
    deadline = time.monotonic() + seconds
    columns = [*TIMES[signal], SERVICE]
    selection = Selection.of(signal, None, None, None, columns, True)
    for part in reversed(parts):
        with told(part.path):
            for batch in _batches(part, selection):
                if time.monotonic() > deadline:
                    found.complete = False
                    return found
                if isinstance(batch, Statistics):
                    _add(found, batch)
                else:
                    _add_rows(found, pa.Table.from_batches([batch]))
    return found


def _batches(part: Part, selection: Selection) -> Iterator[Statistics | pa.RecordBatch]:
    """A file's batches: what is told of them, or those columns of them that have to be read."""
    data = map_part(part)
    if data is None:
        return
    stream = Stream(data)
    place, fields = stream.begin, selection.fields(stream.schema)
    # A batch that is being written, or damage, ends the file here; reading tells of it.
    with contextlib.suppress(OddStreamError, pa.ArrowException):
        while (group := group_at(stream.view, place)) is not None:
            known, place = group.statistics, group.end
            if known is None:
                yield from stream.reader([(group.start, len(data))], fields)
                return
            if known.times is None or known.services is None or _is_long(known.times):
                yield from stream.reader([(group.start, group.end)], fields)
            else:
                yield known


def _add(found: Overview, known: Statistics) -> None:
    assert known.times is not None
    assert known.services is not None
    found.rows += known.rows
    found.services.update(name for name in known.services if name)
    if known.times:
        found.stretches.append(Stretch(known.rows, *known.times))


def _is_long(times: tuple[int, ...]) -> bool:
    return bool(times) and times[1] - times[0] > _LONG


def _add_rows(found: Overview, table: pa.Table) -> None:
    found.rows += table.num_rows
    if SERVICE in table.schema.names:
        names = pc.unique(table.column(SERVICE).cast(pa.utf8())).to_pylist()
        found.services.update(name for name in names if name)
    columns = [table.column(name) for name in TIMES[found.signal] if name in table.schema.names]
    if not columns:
        return
    times = pc.coalesce(*columns).cast(pa.int64()).drop_null()
    times = times.take(pc.sort_indices(times))
    step = max(1, -(-len(times) // _PIECES))
    for piece in (times.slice(at, step) for at in range(0, len(times), step)):
        found.stretches.append(Stretch(len(piece), piece[0].as_py(), piece[-1].as_py()))
