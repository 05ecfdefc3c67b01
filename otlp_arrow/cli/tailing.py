"""What otlp-arrow tail does."""

from __future__ import annotations

import contextlib
import os
import select
import stat
import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .._read.follow import Follow, follow
from .._read.scan import scan
from .._read.select import Selection
from ..errors import ConfigError
from ..tables import schemas
from . import colour
from .convert import SIGNALS
from .lines import COLUMNS, line
from .query import DIRECTORY, is_signal
from .rows import document, rows
from .tail import SEVERITIES
from .where import Condition, meet

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from .._read.files import Part


def run(options: argparse.Namespace) -> int:
    """The exit code."""
    tail = Tail(options)
    with contextlib.suppress(KeyboardInterrupt):  # the way to end it
        tail.run()
    return 0


_STEP = 1024  # rows of which lines are made at a time


class Tail:
    """What to print, and how."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self.signal, self.source = _split(options)
        self._conditions = _conditions(options, self.signal)
        self._grep = options.grep.casefold() if options.grep else None
        self._colours = options.format == "text" and colour.wanted(sys.stdout, options.color)

    def run(self) -> None:
        columns = self._columns()
        with follow(
            self.signal,
            self.source,
            since=self._options.since,
            service=self._options.service,
            columns=columns,
            existing=False,
        ) as follower:
            self._check(follower.passed())
            self._print(self._last(follower, columns))
            if self._options.no_follow:
                return
            _end_with_pipe(follower)
            for batch in follower:
                self._print(self._lines(self._meet(pa.Table.from_batches([batch]))))

    def _columns(self) -> list[str] | None:
        if self._options.format == "json":
            return None
        return list(dict.fromkeys([*COLUMNS[self.signal], *(c.column for c in self._conditions)]))

    def _check(self, parts: list[Part]) -> None:
        """Raises ConfigError for a condition on a column that none of the files has."""
        missing = {condition.column: condition for condition in self._conditions}
        found = False
        for schema in schemas(reversed(parts)):
            found = True
            missing = {name: each for name, each in missing.items() if name not in schema.names}
            if not missing:
                return
        if found and missing:
            name, condition = next(iter(missing.items()))
            raise ConfigError(f"{condition}: there is no column {name}")

    def _meet(self, table: pa.Table) -> pa.Table:
        """The rows that meet the conditions: none where the file lacks a column, as of an attribute that
        others promote.
        """
        for condition in self._conditions:
            place = table.schema.get_field_index(condition.column)
            if place < 0 or pa.types.is_null(table.schema.field(place).type):
                return table.slice(0, 0)
        return meet(table, self._conditions)

    def _last(self, follower: Follow, columns: list[str] | None) -> list[str]:
        """The last lines of what was there at the beginning, of the newest files first, as far as needed."""
        wanted = self._options.lines if self._options.since is None else sys.maxsize
        selection = Selection.of(
            self.signal, self._options.since, None, self._options.service, columns, False
        )
        found: list[str] = []
        if wanted <= 0:
            return found
        for part in reversed(follower.passed()):
            for table in reversed(self._met(scan([part], selection), wanted - len(found))):
                found = self._end(table, wanted - len(found)) + found
                if len(found) >= wanted:
                    return found
        return found

    def _met(self, tables: Iterator[pa.Table], wanted: int) -> deque[pa.Table]:
        """What meets the conditions of tables, at least of the last ones with so many rows."""
        met: deque[pa.Table] = deque()
        held = 0
        for table in tables:
            met.append(self._meet(table))
            held += met[-1].num_rows
            # Of lines that are looked at for a text, nobody knows how many it is in.
            while self._grep is None and held - met[0].num_rows >= wanted:
                held -= met.popleft().num_rows
        return met

    def _end(self, table: pa.Table, wanted: int) -> list[str]:
        """The last lines of rows that meet the conditions. Those before are not made."""
        found: list[str] = []
        for end in range(table.num_rows, 0, -_STEP):
            begin = max(0, end - _STEP)
            found = list(self._lines(table.slice(begin, end - begin))) + found
            if len(found) >= wanted:
                break
        return found[max(0, len(found) - wanted) :]

    def _lines(self, met: pa.Table) -> Iterator[str]:
        """The lines of rows that meet the conditions, if the text is in them."""
        for row in rows(met):
            text = line(self.signal, row, colours=False)
            if self._grep is not None and self._grep not in text.casefold():
                continue
            yield self._shown(row, text)

    def _shown(self, row: dict[str, Any], text: str) -> str:
        if self._options.format == "json":
            return document(row)
        return line(self.signal, row, colours=True) if self._colours else text

    def _print(self, lines: Iterator[str] | list[str]) -> None:
        for each in lines:
            print(each)
        sys.stdout.flush()


def _split(options: argparse.Namespace) -> tuple[str, str]:
    """The signal and the directory, either of which may be left out. Raises ConfigError."""
    if options.what is None or is_signal(options.what):
        return options.what or "logs", options.dir or DIRECTORY
    if options.dir is not None:
        raise ConfigError(f"{options.what!r} is none of {', '.join(SIGNALS)}")
    return "logs", options.what


def _conditions(options: argparse.Namespace, signal: str) -> list[Condition]:
    conditions = [Condition.parse(text) for text in options.where]
    severity = options.severity
    if severity is not None and signal != "logs":
        raise ConfigError("--severity is for logs")
    if options.errors:
        if signal == "metrics":
            raise ConfigError("--errors is for traces and logs")
        if signal == "traces":
            conditions.append(Condition("status_code", None, "=", "ERROR"))
        severity = max(severity or "error", "error", key=SEVERITIES.__getitem__) if signal == "logs" else None
    if severity is not None:
        conditions.append(Condition("severity_number", None, ">=", str(SEVERITIES[severity])))
    return conditions


def _end_with_pipe(follower: Follow) -> None:
    """Ends the following when nobody reads the pipe any more, also while there is nothing to print."""
    try:
        descriptor = sys.stdout.fileno()
        piped = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    except (OSError, ValueError):
        return
    if not piped or not hasattr(select, "poll"):
        return
    poll = select.poll()
    poll.register(descriptor, 0)  # an error is told without being asked for

    def wait() -> None:
        poll.poll()
        follower.close()

    threading.Thread(target=wait, name="otlp-arrow-pipe", daemon=True).start()
