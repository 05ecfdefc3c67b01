"""What otlp-arrow query does."""

from __future__ import annotations

import contextlib
import sys
from itertools import chain, count, islice
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from . import output
from .progress import progress
from .query import DIRECTORY, is_signal
from .where import Condition, meet

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa

# What a table on a terminal has room for.
SHORT = {
    "traces": (
        "start_time_unix_nano",
        "duration_nano",
        "service_name",
        "name",
        "status_code",
        "trace_id",
    ),
    "logs": ("time_unix_nano", "severity_text", "service_name", "body", "attributes"),
    "metrics": (
        "time_unix_nano",
        "service_name",
        "metric_name",
        "metric_type",
        "value",
        "count",
        "metric_unit",
        "attributes",
    ),
}
SHORT_LIMIT = 100


def run(options: argparse.Namespace) -> int:
    """The exit code."""
    what, source = _split(options)
    if options.trace is not None:
        return _tree(options, source)
    format = output.choose(options.format, options.output)
    if is_signal(what):
        return _filtered(options, what, source, format)
    return _sql(options, what, source, format)


def _split(options: argparse.Namespace) -> tuple[str, str]:
    """WHAT and DIR, of which the first is left out where a trace is asked for. Raises ConfigError."""
    if options.trace is not None:
        if options.dir is not None or is_signal(options.what):
            raise ConfigError("--trace takes a directory, and neither a signal nor SQL")
        return "", options.what or DIRECTORY
    if options.what is None:
        raise ConfigError("say what: traces, logs, metrics, SQL, or --trace ID")
    if not is_signal(options.what) and " " not in options.what.strip():
        raise ConfigError(f"{options.what!r} is neither traces, logs, metrics nor SQL")
    return options.what, options.dir or DIRECTORY


def _tree(options: argparse.Namespace, source: str) -> int:
    from ..trees import trace_tree

    with progress(sys.stderr, "reading"):
        tree = trace_tree(source, options.trace, since=options.since, until=options.until)
    print(tree)
    return 0 if tree else 1


# --- SQL ---


def _sql(options: argparse.Namespace, query: str, source: str, format: str) -> int:
    given = ("service", "since", "until", "where", "columns")
    wrong = [f"--{name}" for name in given if getattr(options, name)]
    if wrong:
        raise ConfigError(f"{', '.join(wrong)}: for traces, logs and metrics; SQL has WHERE and SELECT")
    from .._read.sql import sql
    from .._work import Work

    with progress(sys.stderr, "asking"):
        table = Work(lambda _: sql(query, source=source)).run(wait=False)
    table = table.rename_columns(distinct(table.schema.names))
    _print(options, format, table.schema, [table])
    return 0


def distinct(names: list[str]) -> list[str]:
    """Names of columns, those that come again as body_1, body_2: in SQL they may, in rows they cannot."""
    taken, given = set(names), list[str]()
    for name in names:
        if name in given:
            name = next(other for n in count(1) if (other := f"{name}_{n}") not in taken)
            taken.add(name)
        given.append(name)
    return given


# --- filters ---


def _filtered(options: argparse.Namespace, signal: str, source: str, format: str) -> int:
    from ..tables import read_batches

    conditions = [Condition.parse(text) for text in options.where]
    wanted = _columns(options, signal, format)
    reading = None if wanted is None else list(dict.fromkeys([*wanted, *(c.column for c in conditions)]))
    with contextlib.ExitStack() as shown:
        show = shown.enter_context(progress(sys.stderr, "reading"))
        batches = read_batches(
            signal,
            source,
            since=options.since,
            until=options.until,
            service=options.service,
            columns=reading,
        )
        schema = _schema(batches.schema, wanted)
        tables: Iterator[pa.Table] = _matching(batches, conditions, schema, show)
        if output.on_terminal(options.output):  # the progress ends where results begin
            tables = chain(list(islice(tables, 1)), tables)
            shown.close()
        _print(options, format, schema, tables)
    return 0


def _columns(options: argparse.Namespace, signal: str, format: str) -> list[str] | None:
    """The columns to print; None for all."""
    if options.columns:
        return list(dict.fromkeys(name for name in options.columns.split(",") if name))
    return list(SHORT[signal]) if format == "table" else None


def _schema(read: pa.Schema, wanted: list[str] | None) -> pa.Schema:
    import pyarrow as pa

    return read if wanted is None else pa.schema([read.field(name) for name in wanted])


def _matching(
    batches: Iterable[Any], conditions: list[Condition], schema: pa.Schema, show: Callable[..., None]
) -> Iterator[pa.Table]:
    import pyarrow as pa

    seen = 0
    for batch in batches:
        seen += batch.num_rows
        show(0, 0, f"{seen} rows")
        table = meet(pa.Table.from_batches([batch]), conditions)
        if table.num_rows:
            yield table.select(schema.names)


# --- printing ---


def _print(options: argparse.Namespace, format: str, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    limit = options.limit
    if limit is None:
        limit = SHORT_LIMIT if format == "table" else 0
    first = _First(tables, limit)
    with output.opened(options.output) as out:
        output.write(format, schema, first, out, when=options.color)
        out.flush()
    if first.more and options.limit is None:
        print(f"otlp-arrow: the first {limit} rows; --limit 0 gives all", file=sys.stderr)


class _First:
    """The first rows of tables, 0 for all; more is whether there were others."""

    def __init__(self, tables: Iterable[pa.Table], limit: int) -> None:
        self._tables, self._limit = tables, limit
        self.more = False

    def __iter__(self) -> Iterator[pa.Table]:
        left = self._limit
        for table in self._tables:
            if not self._limit:
                yield table
                continue
            if table.num_rows > left:
                self.more = True
            if left:
                yield table.slice(0, left)
            left -= min(left, table.num_rows)
            if self.more:
                return
