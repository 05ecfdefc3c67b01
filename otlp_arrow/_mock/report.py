"""What a mock service received, told so that a failed test explains itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..trees import TraceTree, shown_attributes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from .counts import Requests
    from .items import DataPoint, LogRecord

_SPANS = 200  # that are drawn, of
_TRACES = 20
_LAST = 20  # log records and data points
_EXPORTERS = ("OTEL_TRACES_EXPORTER", "OTEL_LOGS_EXPORTER", "OTEL_METRICS_EXPORTER")


def summary(spans: int, logs: int, points: int) -> str:
    """3 spans, 1 log record, no data points"""
    return ", ".join((_count(spans, "span"), _count(logs, "log record"), _count(points, "data point")))


def requests_told(requests: Requests) -> str:
    """traces: 2 accepted, 1 refused; of signals without requests nothing."""
    told = [f"{signal}: {counts}" for signal, counts in vars(requests).items() if counts.answered]
    return "; ".join(told) or "none"


def advice(env: dict[str, str]) -> str:
    """What to look at where no request came at all; env is what an app needs."""
    settings = " ".join(f"{name}={value}" for name, value in env.items())
    lines = [f"Nobody has sent anything. An app needs {settings} before it makes its exporters."]
    for name, value in os.environ.items():
        off = name == "OTEL_SDK_DISABLED" and value.lower() == "true"
        if off or (name in _EXPORTERS and value not in ("", "otlp")):
            lines.append(f"{name}={value} is set here.")
    return "\n".join(lines)


def traces_told(table: pa.Table) -> list[str]:
    """The trees of the traces in a table, in the order in which they came."""
    ids = [each for each in table["trace_id"].unique().to_pylist() if each is not None]
    told, left = [], _SPANS
    for place, trace_id in enumerate(ids):
        if place == _TRACES or left <= 0:
            told.append(f"... and {_count(len(ids) - place, 'trace')} more")
            break
        tree = TraceTree(table, trace_id)
        told.append(tree.render(left, attributes=True))
        left -= len(tree)
    loose = table["trace_id"].null_count
    return [*told, f"and {_count(loose, 'span')} without a trace id"] if loose else told


def logs_told(records: Sequence[LogRecord]) -> list[str]:
    """The last log records, a line each."""
    return _last(
        "log records",
        [
            f"{record.severity_text or record.severity_number} [{record.service or ''}] {record.body!r}"
            + shown_attributes(record.attributes)
            for record in records
        ],
    )


def points_told(points: Sequence[DataPoint]) -> list[str]:
    """The last data points, a line each."""
    return _last(
        "data points",
        [
            f"{point.name} [{point.service or ''}] {_measured(point)}{shown_attributes(point.attributes)}"
            for point in points
        ],
    )


def _measured(point: DataPoint) -> str:
    if point.count is None:
        return f"{point.value} {point.unit}".rstrip()
    return f"{point.type} of {point.count}, sum {point.sum} {point.unit}".rstrip()


def _last(what: str, lines: list[str]) -> list[str]:
    if not lines:
        return []
    left = len(lines) - _LAST
    head = f"{what}:" if left <= 0 else f"{what}, the last {_LAST} of {len(lines)}:"
    return ["\n  ".join([head, *lines[-_LAST:]])]


def _count(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"
