"""What a test looks for among spans, log records or data points, and how to say what was not there."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Wanted:
    """A filter of items of a kind: all of what it was given has to hold.

    where: a callable that gets the item.
    filters: fields by name. A value is compared; a dict asks for these entries among others; a compiled
        pattern is searched in text; a callable gets the field's value.

    Raises ConfigError for a field that the kind does not have.
    """

    def __init__(self, kind: type, where: Callable[[Any], object] | None, filters: dict[str, Any]) -> None:
        known = [field.name for field in fields(kind)]
        for name in filters:
            if name not in known:
                raise ConfigError(f"{name}: a {kind.__name__} has no such field; it has {', '.join(known)}")
        self._checks: list[tuple[str, Callable[[Any], object]]] = [
            (f"{name}={_shown(want)}", _check(name, want)) for name, want in filters.items()
        ]
        if where is not None:
            self._checks.append((f"where={getattr(where, '__name__', where)}", where))

    def __call__(self, item: Any) -> bool:
        return all(check(item) for _, check in self._checks)

    def __str__(self) -> str:
        return ", ".join(text for text, _ in self._checks)

    def of(self, items: Sequence[Any]) -> list[Any]:
        """Those that it wants."""
        return [item for item in items if self(item)]

    def apart(self, items: Sequence[Any]) -> list[str]:
        """For each condition, how many items hold it alone; nothing where there is no more than one."""
        if len(self._checks) < 2:
            return []
        counts = [(text, sum(bool(check(item)) for item in items)) for text, check in self._checks]
        return [f"{count} with {text}" for text, count in counts]


def _check(name: str, want: Any) -> Callable[[Any], object]:
    return lambda item: _matches(getattr(item, name), want)


def _matches(found: Any, want: Any) -> bool:
    if isinstance(want, re.Pattern):
        return isinstance(found, str) and want.search(found) is not None
    if isinstance(want, dict) and isinstance(found, dict):
        return all(key in found and _matches(found[key], value) for key, value in want.items())
    if callable(want):
        return bool(want(found))
    return isinstance(found, bool) == isinstance(want, bool) and bool(found == want)  # 1 is not True here


def _shown(want: Any) -> str:
    if isinstance(want, re.Pattern):
        return f"/{want.pattern}/"
    return getattr(want, "__name__", None) or repr(want)
