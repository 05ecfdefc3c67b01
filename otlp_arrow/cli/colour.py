"""Colours of text on a terminal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}
WHEN = ("auto", "always", "never")


def is_terminal(out: TextIO) -> bool:
    """Whether somebody looks who sees a line being drawn over."""
    return out.isatty() and os.environ.get("TERM") != "dumb"


def wanted(out: TextIO, when: str = "auto") -> bool:
    """Whether to colour: on a terminal, unless NO_COLOR is set (https://no-color.org)."""
    if when == "auto":
        return not os.environ.get("NO_COLOR") and is_terminal(out)
    return when == "always"


def paint(text: str, colour: str, out: TextIO) -> str:
    """The text in a colour, if that is wanted where it is printed."""
    return coloured(text, colour) if wanted(out) else text


def coloured(text: str, colour: str) -> str:
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"
