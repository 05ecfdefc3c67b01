"""A row as a line of text, as tail prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..trees import duration
from .colour import coloured
from .table import cell
from .text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

COLUMNS = {
    "traces": (
        "start_time_unix_nano",
        "duration_nano",
        "service_name",
        "kind",
        "name",
        "status_code",
        "status_message",
        "trace_id",
        "attributes",
    ),
    "logs": (
        "time_unix_nano",
        "observed_time_unix_nano",
        "severity_number",
        "severity_text",
        "service_name",
        "body",
        "attributes",
        "trace_id",
    ),
    "metrics": (
        "time_unix_nano",
        "service_name",
        "metric_name",
        "metric_unit",
        "value",
        "value_int",
        "count",
        "sum",
        "attributes",
    ),
}

Row = dict[str, Any]


def line(signal: str, row: Row, *, colours: bool) -> str:
    """time, [service], what it is about, attributes."""
    paint = coloured if colours else _plain
    parts = [_time(row, paint), *_LINES[signal](row, paint), _attributes(row, paint)]
    return " ".join(part for part in parts if part)


def _plain(text: str, colour: str) -> str:
    return text


def _time(row: Row, paint: Callable[[str, str], str]) -> str:
    names = ("start_time_unix_nano", "time_unix_nano", "observed_time_unix_nano")
    at = next((row[name] for name in names if row.get(name)), None)
    return paint("-" if at is None else at[11:23], "dim")


def _service(row: Row, paint: Callable[[str, str], str]) -> str:
    return paint(f"[{printable(row.get('service_name') or '-')}]", "cyan")


def _attributes(row: Row, paint: Callable[[str, str], str]) -> str:
    text = cell("attributes", row.get("attributes") or None)
    trace = f"trace={row['trace_id']}" if row.get("trace_id") else ""
    return paint(" ".join(filter(None, (text, trace))), "dim") if text or trace else ""


def _span(row: Row, paint: Callable[[str, str], str]) -> list[str]:
    failed = row.get("status_code") == "ERROR"
    took = "?" if row.get("duration_nano") is None else duration(row["duration_nano"])
    name = printable(row.get("name") or "")
    parts = [
        _service(row, paint),
        row.get("kind") or "",
        paint(name, "red") if failed else name,
        paint(took, "yellow"),
    ]
    if failed:
        parts.append(paint(f"ERROR {printable(row.get('status_message') or '')}".rstrip(), "red"))
    return parts


def _record(row: Row, paint: Callable[[str, str], str]) -> list[str]:
    number = row.get("severity_number") or 0
    shade = "red" if number >= 17 else "yellow" if number >= 13 else "green" if number >= 9 else "dim"
    severity = paint(f"{printable(row.get('severity_text') or '-'):5}", shade)
    return [severity, _service(row, paint), printable(row.get("body") or "")]


def _point(row: Row, paint: Callable[[str, str], str]) -> list[str]:
    value = row.get("value_int") if row.get("value_int") is not None else row.get("value")
    if value is None:
        text = f"count={row.get('count')} sum={cell('sum', row.get('sum'))}"
    else:
        text = cell("value", value)
    unit = printable(row.get("metric_unit") or "")
    return [
        _service(row, paint),
        printable(row.get("metric_name") or ""),
        paint(f"{text} {unit}".rstrip(), "yellow"),
    ]


_LINES = {"traces": _span, "logs": _record, "metrics": _point}
