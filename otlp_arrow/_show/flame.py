"""A trace as bars over time, for notebooks: spans lie below their parents, side by side where times meet.

HTML without scripts, see html. Bars are placed in percent, so that they follow the page's width. A trace may
have any number of spans: the longest and the failed ones are drawn, and the others counted.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from ..trees import SpanNode, duration
from .html import FAINT, FONT, LINE, escaped

if TYPE_CHECKING:
    from ..trees import TraceTree

_MOST, _MOST_ERRORS, _MOST_ROWS = 1000, 200, 80
_ROW, _BAR = 21, 19  # pixels
_HUES = (212, 158, 268, 32, 190, 322, 96, 50)
_ERROR = "#b3261e"
_TICKS = 5
_READABLE = 1.5  # percent of the width, from which on a bar has text
_ATTRIBUTES = 12


def flame(tree: TraceTree) -> str:
    """The trace as HTML."""
    summary = escaped(repr(tree).removeprefix("<TraceTree ").removesuffix(">"))
    head = f"<div style='margin-bottom:4px'><b>trace</b> {summary}</div>"
    start, total = tree.start_unix_nano, tree.duration_nano
    if start is None or total is None:
        return f"<div style='{FONT}'>{head}{_text(tree) if len(tree) else ''}</div>"
    rows = place(tree)
    colours = hues(tree.services)
    bars = "".join(_bar(node, row, start, max(1, total), colours) for node, row in rows)
    height = (max((row for _, row in rows), default=0) + 1) * _ROW
    missing = len(tree) - len(rows)
    foot = (
        f"<div style='{FAINT};margin-top:3px'>{missing:,} more spans are not drawn</div>" if missing else ""
    )
    return (
        f"<div style='{FONT}'>{head}{_legend(tree, colours)}{_axis(max(1, total))}"
        f"<div style='position:relative;height:{height}px;overflow:hidden'>{_grid()}{bars}</div>{foot}</div>"
    )


def _text(tree: TraceTree) -> str:
    """The spans of a trace without times, which are no bars, a line each."""
    lines = "<br>".join(map(escaped, tree.render(50).split("\n")))
    return f"<div style='white-space:pre-wrap'>{lines}</div>"


def hues(services: list[str]) -> dict[str, int]:
    """The colours of services: the same in each trace, unless another one of it has that already."""
    found: dict[str, int] = {}
    for service in services:
        first = zlib.crc32(service.encode("utf-8", "replace"))
        row = [_HUES[(first + step) % len(_HUES)] for step in range(len(_HUES))]
        found[service] = next((each for each in row if each not in found.values()), row[0])
    return found


def place(tree: TraceTree) -> list[tuple[SpanNode, int]]:
    """The spans to draw, each with its row: below its parent's, and where no other is at that time."""
    chosen = _chosen(tree)
    rows: dict[int, int] = {}  # by id() of all nodes; those that are not drawn have that of their parent
    taken: list[list[tuple[int, int]]] = []
    placed = []
    for node in tree:
        row = rows[id(node.parent)] + 1 if node.parent is not None else 0
        if id(node) in chosen:
            row = _free(taken, row, node)
            if row < _MOST_ROWS:
                placed.append((node, row))
        else:
            row -= 1
        rows[id(node)] = row
    return placed


def _chosen(tree: TraceTree) -> set[int]:
    timed = [node for node in tree if node.start_unix_nano is not None]
    timed.sort(key=lambda node: -(node.duration_nano or 0))
    failed = [node for node in timed if node.error]
    return {id(node) for node in (*timed[:_MOST], *failed[:_MOST_ERRORS])}


def _free(taken: list[list[tuple[int, int]]], row: int, node: SpanNode) -> int:
    """The first row from a given one on in which a span's time is free; takes it."""
    begin = node.start_unix_nano or 0
    end = begin + max(1, node.duration_nano or 0)
    for free in range(max(0, row), _MOST_ROWS):
        while len(taken) <= free:
            taken.append([])
        others = taken[free]
        at = bisect_left(others, (begin, end))
        before = at == 0 or others[at - 1][1] <= begin
        if before and (at == len(others) or others[at][0] >= end):
            insort(others, (begin, end))
            return free
    return _MOST_ROWS


def _bar(node: SpanNode, row: int, start: int, total: int, colours: dict[str, int]) -> str:
    left = ((node.start_unix_nano or 0) - start) / total * 100
    width = (node.duration_nano or 0) / total * 100
    text, padding = "", ""
    if width >= _READABLE:
        length = "?" if node.duration_nano is None else duration(node.duration_nano)
        text = f"{escaped(node.name or '(no name)')} <span style='opacity:.8'>{length}</span>"
        padding = "padding:0 4px;"
    fill = f"hsl({colours[node.service]} 48% 36%)" if node.service in colours else "#666"
    edge = ""
    if node.error:
        text = f"&#10007; {text}" if text else ""
        fill, edge = _ERROR, f"box-shadow:inset 0 0 0 2px #fff8;background-image:{_STRIPES};"
    return (
        f"<div title='{_tip(node)}' style='position:absolute;left:{left:.3f}%;top:{row * _ROW}px;"
        f"width:max(2px,calc({width:.3f}% - 1px));height:{_BAR}px;box-sizing:border-box;{padding}"
        f"border-radius:3px;background-color:{fill};{edge}color:#fff;font-size:12px;line-height:{_BAR}px;"
        f"white-space:nowrap;overflow:hidden'>{text}</div>"
    )


_STRIPES = "repeating-linear-gradient(135deg,#fff0 0 6px,#fff3 6px 9px)"


def _tip(node: SpanNode) -> str:
    """What shows when the pointer rests on a bar: a line for each thing."""
    lines = [str(node), f"{node.kind or ''} span {node.span_id}".strip()]
    if node.parent is not None:
        lines.append(f"below {node.parent.name or '(no name)'}")
    attributes = list(node.attributes.items())
    lines += [f"{key} = {str(value)[:120]}" for key, value in attributes[:_ATTRIBUTES]]
    if len(attributes) > _ATTRIBUTES:
        lines.append(f"and {len(attributes) - _ATTRIBUTES} more attributes")
    return "&#10;".join(escaped(line) for line in lines)


def _legend(tree: TraceTree, colours: dict[str, int]) -> str:
    names = [
        _sample(f"background:hsl({colour} 48% 36%)", escaped(service))
        for service, colour in list(colours.items())[:12]
    ]
    if tree.errors:
        names.append(_sample(f"background-color:{_ERROR};background-image:{_STRIPES}", "&#10007; error"))
    return f"<div style='margin-bottom:4px'>{''.join(names)}</div>"


def _sample(background: str, name: str) -> str:
    square = f"display:inline-block;width:10px;height:10px;border-radius:2px;{background}"
    return f"<span style='margin-right:12px;white-space:nowrap'><span style='{square}'></span> {name}</span>"


def _axis(total: int) -> str:
    marks = "".join(
        f"<span style='position:absolute;left:{100 * tick / _TICKS:.1f}%;padding-left:3px'>"
        f"{duration(total * tick // _TICKS) if tick else '0'}</span>"
        for tick in range(_TICKS)
    )
    end = f"<span style='position:absolute;right:0'>{duration(total)}</span>"
    return f"<div style='position:relative;height:18px;font-size:11px;{FAINT}'>{marks}{end}</div>"


def _grid() -> str:
    line = f"top:0;bottom:0;border-left:1px solid {LINE}"
    return "".join(
        f"<div style='position:absolute;left:{100 * tick / _TICKS:.1f}%;{line}'></div>"
        for tick in range(_TICKS)
    )
