"""Whether a pyarrow filter can be true for any row of a batch, by what the batch says of itself.

pyarrow passes over the fragments of a dataset whose partition expression excludes a filter. So each batch is
taken for a fragment that guarantees its times and services: no filter has to be taken apart here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs

from ..frames import MICROS, NANOS
from .plain import plain_schema
from .select import SERVICE, TIMES

if TYPE_CHECKING:
    from .ipc import Statistics


class Guarantee:
    """Tells of batches of a signal whether a filter on its columns can be true for any of their rows."""

    def __init__(self, signal: str, schema: pa.Schema, filter: pc.Expression) -> None:
        self._schema, self._filter = plain_schema(schema), filter
        (self._time, *others) = TIMES[signal]
        self._timed = not others  # of two columns it is not known which one a row's time is of
        self._format, self._disk = ds.IpcFileFormat(), pyarrow.fs.LocalFileSystem()
        self._services: dict[str | None, bool] = {}

    def allows(self, statistics: Statistics) -> bool:
        """False only where no row of a batch can pass."""
        return self._allows_times(statistics) and self._allows_services(statistics)

    def _allows_times(self, statistics: Statistics) -> bool:
        if not self._timed or statistics.untimed or not statistics.times:
            return True
        lowest, highest = statistics.times
        nanos, micros = pc.field(self._time), pc.field(self._time.removesuffix(NANOS))
        kind = self._schema.field(self._time).type
        return self._possible(
            (nanos >= pa.scalar(lowest, kind))
            & (nanos <= pa.scalar(highest, kind))
            & (micros >= pa.scalar(_micros(lowest), MICROS))
            & (micros <= pa.scalar(_micros(highest), MICROS))
        )

    def _allows_services(self, statistics: Statistics) -> bool:
        return statistics.services is None or any(map(self._allows_service, statistics.services))

    def _allows_service(self, service: str | None) -> bool:
        if service not in self._services:
            field = pc.field(SERVICE)
            self._services[service] = self._possible(field.is_null() if service is None else field == service)
        return self._services[service]

    def _possible(self, guaranteed: pc.Expression) -> bool:
        fragment = self._format.make_fragment("batch", self._disk, partition_expression=guaranteed)
        dataset = ds.FileSystemDataset([fragment], self._schema, self._format, self._disk)
        return next(iter(dataset.get_fragments(self._filter)), None) is not None


def _micros(nanos: int) -> int:
    """Microseconds as with_times makes them: cut off towards 1970, while // goes down."""
    return nanos // 1000 if nanos >= 0 else -(-nanos // 1000)
