"""Rows for people and for JSON: ids as hex digits, times as RFC 3339, attributes as a mapping."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .._read.values import value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TYPES = "attribute_types"  # of attributes, and resource_attribute_types likewise


def rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows of a table, with values that JSON has, some at a time."""
    readers = [(field.name, _reader(field.type)) for field in table.schema]
    exact = table.cast(pa.schema([field.with_type(_counted(field.type)) for field in table.schema]))
    for batch in exact.to_batches(max_chunksize=1024):
        columns = [batch.column(place).to_pylist() for place in range(batch.num_columns)]
        for values in zip(*columns, strict=True):
            row = {
                name: None if value is None else read(value)
                for (name, read), value in zip(readers, values, strict=True)
            }
            yield _typed(row)


def document(row: dict[str, Any]) -> str:
    """A row as a line of JSON, without what could move a terminal's cursor: it is data of strangers."""
    text = json.dumps(row, ensure_ascii=False)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    """Attributes have their types where the column of these is there too."""
    for name, letters in row.items():
        of = name.removesuffix("_types") + "s"
        attributes = row.get(of)
        if not name.endswith(_TYPES) or not isinstance(attributes, dict) or not isinstance(letters, str):
            continue
        if len(letters) == len(attributes):
            pairs = zip(attributes.items(), letters, strict=True)
            row[of] = {key: _json(value_of(letter, text)) for (key, text), letter in pairs}
    return row


def _json(value: Any) -> Any:
    """A typed value of an attribute as JSON has it."""
    if isinstance(value, float) and not math.isfinite(value):
        return _float(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: _json(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(each) for each in value]
    return value


def _counted(kind: pa.DataType) -> pa.DataType:
    """The type with times as numbers: Python's have no nanoseconds."""
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        return pa.int64()
    if pa.types.is_dictionary(kind):
        return _counted(kind.value_type)
    if pa.types.is_map(kind):
        return pa.map_(_counted(kind.key_type), _counted(kind.item_type))
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_counted(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_counted(field.type)) for field in kind])
    return kind


def _reader(kind: pa.DataType) -> Callable[[Any], Any]:
    """What makes a value of a type, which is not null, one of JSON's."""
    if pa.types.is_timestamp(kind):
        return lambda number: rfc3339(number, kind.unit)
    if pa.types.is_duration(kind):
        return lambda number: number / _PER_SECOND[kind.unit]
    if pa.types.is_dictionary(kind):
        return _reader(kind.value_type)
    if pa.types.is_fixed_size_binary(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return lambda value: value.hex()
    if pa.types.is_floating(kind):
        return _float
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_string(kind):
        return lambda value: value
    return _nested(kind)


def _nested(kind: pa.DataType) -> Callable[[Any], Any]:
    if pa.types.is_map(kind):
        key, item = _reader(kind.key_type), _optional(_reader(kind.item_type))
        return lambda pairs: {_key(key(name)): item(value) for name, value in pairs}
    if pa.types.is_list(kind):
        each = _optional(_reader(kind.value_type))
        return lambda values: [each(value) for value in values]
    if pa.types.is_struct(kind):
        fields = {field.name: _optional(_reader(field.type)) for field in kind}
        return lambda value: {name: read(value[name]) for name, read in fields.items()}
    return str  # dates, decimals and what else a query may make


def _key(value: Any) -> Any:
    """A key as JSON may have it."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value


def _optional(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


def _float(value: float) -> float | str:
    """JSON has no NaN and no infinities; OTLP's JSON has these names."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def rfc3339(number: int, unit: str) -> str:
    """A time of so many units since 1970 UTC, with all its digits."""
    seconds, rest = divmod(number, _PER_SECOND[unit])
    try:
        whole = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    except OverflowError:
        return f"{number} {unit}"
    digits = _DIGITS[unit]
    return f"{whole}.{rest:0{digits}}Z" if digits else f"{whole}Z"
