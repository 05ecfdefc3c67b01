"""Times on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_AGO = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d|w)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def time(text: str) -> datetime:
    """15m, 1h, 2d (ago), now, 2026-01-02, 2026-01-02T03:04:05, with Z or an offset; UTC where none is told.

    Raises ValueError.
    """
    if text == "now":
        return datetime.now(UTC)
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return _ago(**{_UNITS[ago[2]]: float(ago[1])})
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def _ago(**units: float) -> datetime:
    try:
        return datetime.now(UTC) - timedelta(**units)
    except OverflowError as error:
        raise ValueError("before the year 1") from error


time.__name__ = "time such as 1h (ago) or 2026-01-02T03:04:05"  # argparse tells it where the text is none
