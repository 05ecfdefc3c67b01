"""Spans, log records and data points as simple objects, made of the rows of the tables.

Values of attributes have their Python types (see _read/values.py), times are nanoseconds since 1970 UTC, ids
are hex digits: all that a test compares is plain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .._read.values import value_of, values_of

if TYPE_CHECKING:
    from collections.abc import Callable

Attributes = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event of a span."""

    name: str
    time_unix_nano: int | None
    attributes: Attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link of a span; ids are hex digits, None for none."""

    trace_id: str | None
    span_id: str | None
    attributes: Attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A span as it was sent. trace_id, span_id, parent_span_id: hex digits, None for none.

    kind: "INTERNAL", "SERVER", ... status: "UNSET", "OK", "ERROR"; None where no Status was sent.
    duration_nano: None unless both times are set. service: service.name of the resource.
    """

    name: str
    service: str | None
    trace_id: str | None
    span_id: str | None
    parent_span_id: str | None
    kind: str
    start_time_unix_nano: int | None
    end_time_unix_nano: int | None
    duration_nano: int | None
    status: str | None
    status_message: str
    attributes: Attributes
    events: tuple[Event, ...]
    links: tuple[Link, ...]
    resource_attributes: Attributes
    scope_name: str
    scope_version: str
    scope_attributes: Attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """A log record as it was sent. body has its Python type: str, dict, ...; None for none."""

    body: Any
    service: str | None
    severity_text: str
    severity_number: int
    time_unix_nano: int | None
    observed_time_unix_nano: int | None
    event_name: str
    trace_id: str | None
    span_id: str | None
    attributes: Attributes
    resource_attributes: Attributes
    scope_name: str
    scope_version: str
    scope_attributes: Attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPoint:
    """A data point with its metric's name. What its type of metric does not have is None.

    type: "gauge", "sum", "histogram", "exponential_histogram", "summary".
    value: of a gauge or sum, an int where one was sent. quantiles: pairs of quantile and value.
    """

    name: str
    service: str | None
    type: str
    unit: str
    description: str
    value: int | float | None
    attributes: Attributes
    aggregation_temporality: str | None
    is_monotonic: bool | None
    start_time_unix_nano: int | None
    time_unix_nano: int | None
    count: int | None
    sum: float | None
    min: float | None
    max: float | None
    bucket_counts: tuple[int, ...] | None
    explicit_bounds: tuple[float, ...] | None
    scale: int | None
    zero_count: int | None
    positive_offset: int | None
    positive_bucket_counts: tuple[int, ...] | None
    negative_offset: int | None
    negative_bucket_counts: tuple[int, ...] | None
    quantiles: tuple[tuple[float, float], ...] | None
    resource_attributes: Attributes
    scope_name: str
    scope_version: str
    scope_attributes: Attributes


Item = Span | LogRecord | DataPoint
Row = dict[str, Any]


def items_of(signal: str, table: pa.Table) -> list[Any]:
    """The rows of a table of the signal, in plain text, as objects of its kind."""
    make = _MAKE[signal]
    columns = [column.cast(_numbers(column.type)) for column in table.columns]
    return [make(row) for row in pa.Table.from_arrays(columns, names=table.schema.names).to_pylist()]


def _numbers(kind: pa.DataType) -> pa.DataType:
    """A type with its times as integers: Python's datetime has no nanoseconds."""
    if pa.types.is_timestamp(kind):
        return pa.int64()
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_numbers(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_numbers(field.type)) for field in kind])
    return kind


def _span(row: Row) -> Span:
    return Span(
        **_common(row),
        **_same(row, "name", "kind", "start_time_unix_nano", "end_time_unix_nano", "duration_nano"),
        **_same(row, "status_message"),
        status=row["status_code"],
        **_ids(row, "trace_id", "span_id", "parent_span_id"),
        events=tuple(
            Event(**_same(each, "name", "time_unix_nano"), attributes=_attributes(each))
            for each in row["events"]
        ),
        links=tuple(
            Link(**_ids(each, "trace_id", "span_id"), attributes=_attributes(each)) for each in row["links"]
        ),
    )


def _log_record(row: Row) -> LogRecord:
    return LogRecord(
        **_common(row),
        **_same(row, "severity_text", "severity_number", "time_unix_nano", "observed_time_unix_nano"),
        **_same(row, "event_name"),
        body=value_of(row["body_type"], row["body"]),
        **_ids(row, "trace_id", "span_id"),
    )


def _data_point(row: Row) -> DataPoint:
    whole = row["value_int"]
    return DataPoint(
        **_common(row),
        **{name: row[f"metric_{name}"] for name in ("name", "type", "unit", "description")},
        **_same(row, "aggregation_temporality", "is_monotonic", "start_time_unix_nano", "time_unix_nano"),
        **_same(row, "count", "sum", "min", "max", "scale", "zero_count"),
        **_same(row, "positive_offset", "negative_offset"),
        value=row["value"] if whole is None else whole,
        **{name: _tuple(row[name]) for name in _LISTS},
        quantiles=_tuple(row["quantiles"], lambda each: (each["quantile"], each["value"])),
    )


_LISTS = ("bucket_counts", "explicit_bounds", "positive_bucket_counts", "negative_bucket_counts")
_MAKE: dict[str, Callable[[Row], Any]] = {"traces": _span, "logs": _log_record, "metrics": _data_point}


def _common(row: Row) -> Row:
    return {
        "service": row["service_name"],
        "attributes": _attributes(row),
        "resource_attributes": _attributes(row, "resource_"),
        "scope_attributes": _attributes(row, "scope_"),
        **_same(row, "scope_name", "scope_version"),
    }


def _same(row: Row, *names: str) -> Row:
    return {name: row[name] for name in names}


def _attributes(row: Row, prefix: str = "") -> Attributes:
    return values_of(row[f"{prefix}attributes"], row[f"{prefix}attribute_types"])


def _ids(row: Row, *names: str) -> Row:
    return {name: None if row[name] is None else row[name].hex() for name in names}


def _tuple(values: list[Any] | None, change: Callable[[Any], Any] = lambda each: each) -> Any:
    return None if values is None else tuple(change(each) for each in values)
