"""Text that comes again and again in the same order is copied, and not gathered value by value.

One value in a whole batch (a scope's name, an empty trace_state), and the keys of maps where each row has the
same: that is a third of what a batch of real spans has. Comparing the dictionary's indices with themselves,
moved by one period, finds it at the speed of memory, and copying takes a third of what gathering does.
Batches with the same text share it.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from .plain import plain

_LEAST = 1 << 10  # values
_MOST = 1 << 6  # values in a period
_KNOWN = 32  # periods that are remembered, each with a batch's text
_UNIT = 1 << 9  # values that are put together one by one; the rest are copies of these


class Repeats:
    """Makes columns plain, those of a read, on several threads perhaps."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Any] = {}  # the longest text of each period

    def plain(self, column: Any, kind: pa.DataType) -> Any:
        """A chunked column in its plain type, as plain gives it."""
        made = [self._chunk(chunk, kind) for chunk in column.chunks]
        if all(repeated is None for repeated in made):
            return plain(column, kind)
        parts: list[Any] = []
        for chunk, repeated in zip(column.chunks, made, strict=True):
            parts.extend(
                [repeated] if repeated is not None else plain(pa.chunked_array([chunk]), kind).chunks
            )
        return pa.chunked_array(parts, kind)

    def _chunk(self, chunk: Any, kind: pa.DataType) -> Any:
        """A chunk in its plain type; None where nothing repeats."""
        try:
            if pa.types.is_dictionary(chunk.type):
                return self._text(chunk, 1)
            if pa.types.is_map(chunk.type) and len(chunk) > 1 and not chunk.null_count and not chunk.offset:
                return self._map(chunk, kind)
        except pa.ArrowInvalid:  # over 2 GiB of text, which is for plain to split
            pass
        return None

    def _map(self, chunk: Any, kind: pa.DataType) -> Any:
        offsets, keys = chunk.offsets, chunk.keys
        if not (pa.types.is_dictionary(keys.type) and pa.types.is_dictionary(chunk.items.type)):
            return None
        period = offsets[1].as_py() - offsets[0].as_py()
        keys = self._text(keys, period)
        if keys is None:
            return None
        items = self._text(chunk.items, period)  # where all rows are of one resource
        if items is None:
            items = chunk.items.cast(kind.item_type)
        return pa.MapArray.from_arrays(offsets, keys, items, kind)

    def _text(self, values: Any, period: int) -> Any:
        """Dictionary-encoded text, plain, if it repeats with a period; else None."""
        count, indices = len(values), values.indices
        if count < _LEAST or not 0 < period <= _MOST or values.null_count or indices.type != pa.int32():
            return None
        begin, moved = 4 * indices.offset, 4 * (count - period)
        bytes_ = indices.buffers()[1]
        if not bytes_.slice(begin, moved).equals(bytes_.slice(begin + 4 * period, moved)):
            return None
        return self._copied(values.dictionary.take(indices.slice(0, period)), count)

    def _copied(self, words: Any, count: int) -> Any:
        """So many values, of words over and over."""
        key = (*words.to_pylist(), words.type)
        made = self._known.get(key)
        if made is None or len(made) < count:
            made = _copies(words, count)
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known[key] = made
        return made.slice(0, count)


def _copies(words: Any, count: int) -> Any:
    """So many values, of words over and over."""
    unit = pa.concat_arrays([words] * (_UNIT // len(words)))
    return pa.concat_arrays([unit] * -(-count // len(unit)))
