"""Text on a terminal: what of it may be shown, and how much room it takes."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    """Text of strangers: what is no character to look at is escaped."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else "\\n" if each == "\n" else f"\\u{ord(each):04x}" for each in text
    )


def printable_lines(text: str) -> str:
    """As printable, but of several lines, which stay lines."""
    return "\n".join(map(printable, text.split("\n")))


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in text
    )


def cut(text: str, width: int) -> str:
    """A text in at most so many columns."""
    if columns(text) <= width:
        return text
    taken, used = [], 0
    for each in text:
        used += columns(each)
        if used > width - 1:
            break
        taken.append(each)
    return "".join(taken) + "…"
