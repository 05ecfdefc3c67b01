"""Text without dictionaries: stored text is dictionary-encoded, and group_by, joins and map_lookup of pyarrow
fail on that."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

_SMALL_ROWS = 1 << 12


def plain_type(kind: pa.DataType) -> pa.DataType:
    """A type with its dictionaries, also nested ones, replaced by their values' types."""
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_map(kind):
        return pa.map_(_plain_field(kind.key_field), _plain_field(kind.item_field), kind.keys_sorted)
    if pa.types.is_list(kind):
        return pa.list_(_plain_field(kind.value_field))
    if pa.types.is_struct(kind):
        return pa.struct([_plain_field(field) for field in kind])
    return kind


def _plain_field(field: pa.Field) -> pa.Field:
    return field.with_type(plain_type(field.type))


def plain_schema(schema: pa.Schema, nested_only: bool = False) -> pa.Schema:
    fields = [
        field if nested_only and pa.types.is_dictionary(field.type) else _plain_field(field)
        for field in schema
    ]
    return pa.schema(fields, metadata=schema.metadata)


def plain(column: Any, kind: pa.DataType) -> Any:
    """A chunked column in its plain type; in more chunks where one would hold over 2 GiB of text."""
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        return pa.chunked_array([part for chunk in column.chunks for part in _cast(chunk, kind)], kind)


def _cast(chunk: Any, kind: pa.DataType) -> list[Any]:
    try:
        return [chunk.cast(kind)]
    except pa.ArrowInvalid:
        half = len(chunk) // 2
        if not half:
            raise
        return [
            each for part in (chunk.slice(0, half), chunk.slice(half)) for each in _cast(_cut(part), kind)
        ]


def _cut(chunk: Any) -> Any:
    return pa.concat_arrays([chunk])  # a cast of a slice would go over all that its lists and maps ever had


def joined(table: pa.Table) -> pa.Table:
    """The table with one chunk a column if it has many small ones, which would slow down all that follows."""
    chunks = table.column(0).num_chunks
    return table.combine_chunks() if chunks > 1 and table.num_rows < chunks * _SMALL_ROWS else table
