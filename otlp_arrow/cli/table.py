"""A table drawn for people: fitted to a width, ids as hex digits, times and durations readable."""

from __future__ import annotations

import json
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..trees import duration
from .colour import coloured
from .rows import rows
from .text import columns, cut, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LEAST = 6  # characters that a column keeps when others need room
LOOKED_AT = 200  # rows that decide on the widths


def lines(
    schema: pa.Schema, tables: Iterable[pa.Table], width: int, *, colours: bool = False
) -> Iterator[str]:
    """The lines of tables of a schema, the head first. Reads no more than it needs to go on."""
    cells = chain.from_iterable(map(_cells, tables))
    right = [_is_number(field) for field in schema]
    whole = [_is_number(field) or pa.types.is_timestamp(field.type) for field in schema]
    first = list(islice(cells, LOOKED_AT))
    names = list(map(printable, schema.names))
    widths = fitted([names, *first], width, whole)
    head = _line(names, widths, right)
    yield coloured(head, "bold") if colours else head
    for row in chain(first, cells):
        yield _line(row, widths, right)


def _line(cells: list[str], widths: list[int], right: list[bool]) -> str:
    return "  ".join(_fill(cell, w, r) for cell, w, r in zip(cells, widths, right, strict=True)).rstrip()


def _cells(table: pa.Table) -> Iterator[list[str]]:
    for row in rows(table):
        yield [cell(name, value) for name, value in row.items()]


def cell(column: str, value: Any) -> str:
    """A value in a line of text, without what could move a terminal's cursor."""
    if value is None:
        return ""
    if column == "duration_nano":
        return duration(value) if value >= 0 else str(value)
    if isinstance(value, dict) and column.endswith("attributes"):
        value = " ".join(f"{key}={_text(each)}" for key, each in value.items())
    if isinstance(value, str) and _is_time(column, value):
        value = value[:23].replace("T", " ")
    return printable(_text(value))


def _is_time(column: str, value: str) -> bool:
    return column.endswith(("time_unix_nano", "time")) and len(value) > 23 and value.endswith("Z")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.6g}"
    return json.dumps(value, ensure_ascii=False, default=str)


def fitted(table: list[list[str]], width: int, whole: list[bool]) -> list[int]:
    """Widths of columns: as wide as they are, but where that is too much, the widest give way.

    Numbers and times, which are whole, mean something else when they are cut, so they never are.
    """
    widths = [max(map(columns, column), default=0) for column in zip(*table, strict=True)]
    over = sum(widths) + 2 * (len(widths) - 1) - width
    while over > 0:
        places = [place for place, kept in enumerate(whole) if not kept and widths[place] > LEAST]
        if not places:
            break
        widths[max(places, key=widths.__getitem__)] -= 1
        over -= 1
    return widths


def _fill(text: str, width: int, right: bool) -> str:
    text = cut(text, width)
    space = " " * (width - columns(text))
    return space + text if right else text + space


def _is_number(field: pa.Field) -> bool:
    return bool(pa.types.is_integer(field.type) or pa.types.is_floating(field.type))
