"""What notebooks show of a library: HTML without scripts, style sheets or anything from elsewhere.

Colours go with light and dark pages: text and lines have the page's own colour (currentColor), bars one
between. Whatever came from the network is escaped.
"""

from __future__ import annotations

import html
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .overview import Overview, overview

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from .._read.files import Part

_SIGNALS = {"traces": "spans", "logs": "log records", "metrics": "data points"}
_SECONDS = 1.0  # that looking may take
_BINS, _WIDTH, _HEIGHT = 60, 240, 28
_SERVICES = 8
LINE = "color-mix(in srgb, currentColor 22%, transparent)"
FAINT = "opacity:.7"
FONT = "font:13px/1.45 system-ui,sans-serif"
_CELL = f"padding:3px 14px 3px 0;text-align:left;vertical-align:middle;border-top:1px solid {LINE}"
_HEAD = f"padding:0 14px 2px 0;text-align:left;font-weight:normal;{FAINT}"


def escaped(text: object) -> str:
    """Text for HTML and its attributes, without characters that are not for showing."""
    return html.escape("".join(each if each.isprintable() else "\ufffd" for each in str(text)))


def library_card(
    title: str, output_dir: Path, endpoints: dict[str, str], files: Callable[[str], Sequence[Part]]
) -> str:
    """A library at a glance; files gives those of a signal."""
    until = time.monotonic() + _SECONDS
    found = [overview(signal, files(signal), until - time.monotonic()) for signal in _SIGNALS]
    listeners = "".join(
        f" &middot; <span style='{FAINT}'>{escaped(name)}</span> {escaped(at)}"
        for name, at in endpoints.items()
    )
    return (
        f"<div style='{FONT}'><div style='margin-bottom:6px'><b>{escaped(title)}</b> "
        f"{escaped(output_dir)}{listeners}</div>{_table(found)}</div>"
    )


def _table(found: list[Overview]) -> str:
    starts = [each.start for each in found if each.start is not None]
    ends = [each.end for each in found if each.end is not None]
    span = (min(starts), max(ends)) if starts else None
    names = ("", "rows", "from (UTC)", "to", "services", "over the time of all" if span else "")
    heads = "".join(f"<th style='{_HEAD}'>{name}</th>" for name in names)
    rows = "".join(_row(each, span) for each in found)
    return f"<table style='border-collapse:collapse;border:0;margin:0'><tr>{heads}</tr>{rows}</table>"


def _row(found: Overview, span: tuple[int, int] | None) -> str:
    least = "" if found.complete else "at least "
    cells = [
        f"<b>{found.signal}</b>",
        f"{least}{found.rows:,} {_SIGNALS[found.signal]}",
        clock(found.start),
        clock(found.end),
        _services(found.services),
        _picture(found, span),
    ]
    wraps = ["", "white-space:nowrap", "white-space:nowrap", "white-space:nowrap", "", ""]
    styled = (f"<td style='{_CELL};{wrap}'>{cell}</td>" for cell, wrap in zip(cells, wraps, strict=True))
    return "<tr>" + "".join(styled) + "</tr>"


def _services(services: set[str]) -> str:
    names = sorted(services)
    more = f" and {len(names) - _SERVICES} more" if len(names) > _SERVICES else ""
    return ", ".join(escaped(name) for name in names[:_SERVICES]) + more


def _picture(found: Overview, span: tuple[int, int] | None) -> str:
    """Rows over time, as bars; the time is that of all signals, so that their pictures compare."""
    if span is None or not found.stretches:
        return ""
    counts = found.counts(*span, _BINS)
    most, step = max(counts) or 1.0, _WIDTH / _BINS
    bars = "".join(
        _rect(place * step, step - 1, max(1.5, count / most * (_HEIGHT - 2)))
        for place, count in enumerate(counts)
        if count > 0
    )
    label = f"{_SIGNALS[found.signal]} over time, at most about {round(most):,} in a {_BINS}th of it"
    return (
        f"<svg width='{_WIDTH}' height='{_HEIGHT}' viewBox='0 0 {_WIDTH} {_HEIGHT}' role='img' "
        f"style='display:block'><title>{label}</title><g fill='#4c8fd6'>{bars}</g>"
        f"<path d='M0 {_HEIGHT - 0.5}H{_WIDTH}' stroke='currentColor' stroke-opacity='.35'/></svg>"
    )


def _rect(left: float, width: float, height: float) -> str:
    return f"<rect x='{left:.1f}' y='{_HEIGHT - height:.1f}' width='{width:.1f}' height='{height:.1f}'/>"


def clock(nanoseconds: int | None) -> str:
    """A time of the day with its date, to the second, UTC."""
    if nanoseconds is None:
        return ""
    return f"{datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S}"
