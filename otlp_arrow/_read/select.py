"""Which rows and columns of a signal are wanted."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import ConfigError, InvalidDataError
from .plain import joined, plain_schema
from .repeat import Repeats

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .guarantee import Guarantee
    from .ipc import Statistics

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
    nested_plain: bool = False  # also with dictionaries, those in lists and maps become plain
    guarantee: Guarantee | None = None  # of a filter that is applied elsewhere
    repeats: Repeats = field(default_factory=Repeats, compare=False, repr=False)

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
        if signal not in TIMES:
            raise ConfigError(f"signal={signal!r}: want traces, logs or metrics")
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

    def check(self, path: Path, schema: pa.Schema) -> None:
        """Raises InvalidDataError for a file without the columns that filters look at."""
        missing = self.looked_at().difference(schema.names)
        if missing:
            raise InvalidDataError(f"{path} holds no {self.signal}: it has no {sorted(missing)[0]}")

    def may_want(self, statistics: Statistics) -> bool:
        """Whether there may be wanted rows in a group; what is not told of it may be anything."""
        if self.guarantee is not None and not self.guarantee.allows(statistics):
            return False
        told = statistics.services
        if self.services is not None and told is not None and told.isdisjoint(self.services):
            return False
        if statistics.times is None or (self.since is None and self.until is None):
            return True
        if not statistics.times:
            return False
        lowest, highest = statistics.times
        return not (
            (self.since is not None and highest < self.since)
            or (self.until is not None and lowest >= self.until)
        )

    def schema(self, schema: pa.Schema) -> pa.Schema:
        """The schema that apply gives to a batch of a schema."""
        if self.columns is not None:
            fields = [schema.field(name) for name in self.columns if name in schema.names]
            schema = pa.schema(fields, metadata=schema.metadata)
        return self.text(schema)

    def text(self, schema: pa.Schema) -> pa.Schema:
        """A schema with its text as it is wanted."""
        if self.dictionaries and not self.nested_plain:
            return schema
        return plain_schema(schema, nested_only=self.dictionaries)

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
        if table.schema.types == schema.types:
            return table
        columns = [
            column if column.type == wanted.type else self.repeats.plain(column, wanted.type)
            for column, wanted in zip(table.columns, schema, strict=True)
        ]
        return joined(pa.Table.from_arrays(columns, schema=schema))

    def finish(self, tables: list[pa.Table], columns_known: bool) -> pa.Table:
        """One table of the tables of several files."""
        if self.columns == ():
            return bare(sum(table.num_rows for table in tables), tables[0].schema)
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


def bare(rows: int, schema: pa.Schema) -> pa.Table:
    """So many rows without columns, whose number pyarrow forgets where it makes tables of no columns."""
    one = pa.schema([("row", pa.null())], metadata=schema.metadata)
    return pa.table([pa.nulls(rows)], schema=one).select([])


def nanoseconds(option: str, when: When) -> int | None:
    """Nanoseconds since 1970 UTC of an aware datetime, a pandas Timestamp or an int; None stays."""
    if when is None:
        return None
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise ConfigError(f"{option}={when!r} has no time zone: use an aware datetime")
        number = _of_datetime(when)
    elif isinstance(when, bool) or not hasattr(when, "__index__"):
        raise ConfigError(f"{option}={when!r}: want an aware datetime or nanoseconds since 1970 UTC as int")
    else:
        number = when.__index__()
    return max(-(2**63), min(2**63 - 1, number))


def _of_datetime(when: datetime) -> int:
    try:
        exact = getattr(when, "value", None)  # pandas' Timestamp has nanoseconds
    except OverflowError:  # or has too few bits for them
        return 2**63 if when > _EPOCH else -(2**63)
    return (when - _EPOCH) // timedelta(microseconds=1) * 1000 if exact is None else int(exact)
