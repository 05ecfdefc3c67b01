"""The Python value of an attribute: its text and its letter, see docs/format.md.

======  =====================================================
letter  value
======  =====================================================
s       str
i       int
d       float
b       bool
y       bytes
a       list
k       dict; a list of pairs where keys repeat or lack a value
n, -    None
======  =====================================================

A text that is not of its letter's form stays as it is.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def value_of(letter: str, text: str | None) -> Any:
    """The value of a text; None for none, the text itself for a letter that is not known."""
    if text is None:
        return None
    try:
        return _READ.get(letter, str)(text)
    except ValueError:
        return text


def values_of(pairs: Iterable[tuple[str, str | None]] | None, letters: str | None) -> dict[str, Any]:
    """The entries of a map as a dict; without letters, or with another number of them, values are text."""
    entries = list(pairs or ())
    if letters is None or len(letters) != len(entries):
        return dict(entries)
    return {key: value_of(letter, text) for (key, text), letter in zip(entries, letters, strict=True)}


def _json(text: str) -> Any:
    return json.loads(text, object_hook=_unmarked)


def _unmarked(found: dict[str, Any]) -> Any:
    """What an object of JSON stands for; a key that begins with $ marks what JSON has no form for."""
    if len(found) == 1:
        ((key, value),) = found.items()
        if key == "$bytes" and isinstance(value, str):
            return base64.b64decode(value, validate=True)
        if key == "$double" and isinstance(value, str):
            return float(value)
        if key == "$kvlist":
            return [tuple(pair) for pair in value]
    return found


_READ: dict[str, Callable[[str], Any]] = {
    "i": int,
    "d": float,
    "b": lambda text: text == "true",
    "y": lambda text: base64.b64decode(text, validate=True),
    "a": _json,
    "k": _json,
}
