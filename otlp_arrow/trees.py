"""The spans of one trace as a tree.

What arrives is not always a tree, and nothing of it is left out:

- a span whose parent is not there (sampled away, late, or of another system) is an *orphan*, at the top;
- spans that are each other's parents are a *cycle*: its earliest span is put at the top;
- of several spans with one id, the earliest one has the children; the others are *duplicates*, with none.

All walks are loops, so a chain of any length will do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ._read.values import values_of
from .errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .tables import Source, When

COLUMNS = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "name",
    "service_name",
    "kind",
    "start_time_unix_nano",
    "end_time_unix_nano",
    "duration_nano",
    "status_code",
    "status_message",
    "attributes",
    "attribute_types",
)
_LINES = 1000
_LONGEST = 100  # characters of an attribute's value


@dataclass(eq=False, repr=False, slots=True)
class SpanNode:
    """A span, and its place in the tree. Times are nanoseconds since 1970 UTC, None where not set.

    span_id, parent_span_id: hex digits, "" for none.
    service: service.name of the resource, None where it has none.
    status: "UNSET", "OK", "ERROR" or None where none was sent.
    attributes: typed values by key.
    parent, children: other nodes; children by their start.
    orphan: its parent is not in the tree. cycle: it was its own ancestor. duplicate: another span has its id.
    """

    span_id: str
    parent_span_id: str
    name: str | None
    service: str | None
    kind: str | None
    start_unix_nano: int | None
    end_unix_nano: int | None
    duration_nano: int | None
    status: str | None
    status_message: str | None
    attributes: dict[str, Any] = field(default_factory=dict)
    parent: SpanNode | None = None
    children: list[SpanNode] = field(default_factory=list)
    orphan: bool = False
    cycle: bool = False
    duplicate: bool = False

    @property
    def error(self) -> bool:
        return self.status == "ERROR"

    @property
    def depth(self) -> int:
        """How many ancestors it has."""
        depth, above = 0, self.parent
        while above is not None:
            depth, above = depth + 1, above.parent
        return depth

    def walk(self) -> Iterator[SpanNode]:
        """This span and all below it, depth first."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    def __str__(self) -> str:
        """name [service] duration, then its status and what is odd about it."""
        parts = [_shown(self.name) or "(no name)"]
        if self.service:
            parts.append(f"[{_shown(self.service)}]")
        parts.append("?" if self.duration_nano is None else duration(self.duration_nano))
        if self.status not in (None, "UNSET"):
            message = f": {_shown(self.status_message)}" if self.status_message else ""
            parts.append(f"{'✗ ' if self.error else ''}{self.status}{message}")
        if self.orphan:
            parts.append(f"(parent {self.parent_span_id} is missing)")
        if self.cycle:
            parts.append(f"(its parent {self.parent_span_id} is below it)")
        if self.duplicate:
            parts.append(f"(another span has its id {self.span_id})")
        return "  ".join(parts)

    def __repr__(self) -> str:
        return f"<SpanNode {self.span_id or 'without id'} {self} children={len(self.children)}>"


class TraceTree:
    """One trace: iterating it gives all spans depth first, str() draws it.

    ::

        tree = library.trace_tree("0af7651916cd43dd8448eb211c80319c")
        print(tree)
        slowest = max(tree, key=lambda span: span.duration_nano or 0)

    table: a pyarrow table of traces, of one or many; of its columns trace_id, span_id and parent_span_id are
        needed, and those of COLUMNS are used.
    trace_id: 32 hex digits, 16 bytes, or the SDK's number.

    A trace without spans is an empty tree, which is false. Raises ConfigError for an id that is none, and
    for a table without those columns.
    """

    def __init__(self, table: pa.Table, trace_id: str | bytes | int) -> None:
        key = trace_key(trace_id)
        self.trace_id = key.hex()
        self._nodes = sorted(_nodes(_of_trace(table, key)), key=_start)
        tops = _linked(self._nodes)
        tops.extend(_cut_cycles(self._nodes, tops))
        tops.sort(key=_start)
        self.tops = tops
        for node in self._nodes:
            node.children.sort(key=_start)

    @property
    def roots(self) -> list[SpanNode]:
        """The spans without a parent id, by start; one in a whole trace."""
        return [node for node in self.tops if not node.orphan and not node.cycle]

    @property
    def orphans(self) -> list[SpanNode]:
        """The spans whose parent is not there, by start."""
        return [node for node in self.tops if node.orphan]

    @property
    def cycles(self) -> list[SpanNode]:
        """The earliest span of each cycle."""
        return [node for node in self.tops if node.cycle]

    @property
    def duplicates(self) -> list[SpanNode]:
        """The spans whose id an earlier span has."""
        return [node for node in self._nodes if node.duplicate]

    @property
    def errors(self) -> list[SpanNode]:
        """The spans with status ERROR, by start."""
        return [node for node in self._nodes if node.error]

    @property
    def services(self) -> list[str]:
        """The services in it, in the order of their first spans."""
        return list(dict.fromkeys(node.service for node in self._nodes if node.service))

    @property
    def start_unix_nano(self) -> int | None:
        """The earliest start."""
        return min((n.start_unix_nano for n in self._nodes if n.start_unix_nano is not None), default=None)

    @property
    def end_unix_nano(self) -> int | None:
        """The latest end."""
        return max((n.end_unix_nano for n in self._nodes if n.end_unix_nano is not None), default=None)

    @property
    def duration_nano(self) -> int | None:
        """From the earliest start to the latest end, None where either is not known."""
        start, end = self.start_unix_nano, self.end_unix_nano
        return None if start is None or end is None or end < start else end - start

    def find(self, name: str) -> list[SpanNode]:
        """The spans of a name, by start."""
        return [node for node in self._nodes if node.name == name]

    def render(self, limit: int | None = None, *, attributes: bool = False) -> str:
        """The tree drawn with a line for each span, with its attributes if they are asked for.

        limit: at most so many spans, the rest is counted.
        """
        lines = [f"trace {self.trace_id}: {self._summary()}"]
        for prefix, node in islice(_drawn(self.tops), limit):
            lines.append(prefix + str(node) + (shown_attributes(node.attributes) if attributes else ""))
        if limit is not None and limit < len(self):
            lines.append(f"... and {_count(len(self) - limit, 'span')} more")
        return "\n".join(lines)

    def _summary(self) -> str:
        if not self._nodes:
            return "no spans"
        parts = [_count(len(self), "span"), _count(len(self.services), "service")]
        if self.duration_nano is not None:
            parts.append(duration(self.duration_nano))
        for found, word in (
            (self.errors, "error"),
            (self.orphans, "orphan"),
            (self.cycles, "cycle"),
            (self.duplicates, "duplicate"),
        ):
            if found:
                parts.append(_count(len(found), word))
        return ", ".join(parts)

    def __iter__(self) -> Iterator[SpanNode]:
        for top in self.tops:
            yield from top.walk()

    def __len__(self) -> int:
        return len(self._nodes)

    def __str__(self) -> str:
        return self.render(_LINES)

    def __repr__(self) -> str:
        return f"<TraceTree {self.trace_id}: {self._summary()}>"

    def _repr_html_(self) -> str:
        """Its spans as bars over time, for notebooks."""
        from ._show import flame as _flame

        return _flame.flame(self)


def trace_tree(
    source: pa.Table | Source, trace_id: str | bytes | int, *, since: When = None, until: When = None
) -> TraceTree:
    """The tree of a trace, of a pyarrow table or of files as read_traces takes them.

    since, until: bounds of start_time_unix_nano, as read_traces has them; files beyond them are not read.

    Raises as TraceTree and read_traces.
    """
    if isinstance(source, pa.Table):
        return TraceTree(source, trace_id)
    from . import tables

    selection = tree_selection(trace_id, since, until)
    return TraceTree(tables.read("traces", source, selection), trace_id)


def tree_selection(trace_id: str | bytes | int, since: When = None, until: When = None) -> Any:
    """The rows and columns that the tree of a trace needs."""
    from .tables import Selection

    return Selection.of("traces", since, until, None, COLUMNS, False, trace_id=trace_key(trace_id))


def trace_key(trace_id: str | bytes | int) -> bytes:
    """The 16 bytes of an id. Raises ConfigError."""
    key: bytes | None = None
    try:
        if isinstance(trace_id, str):
            key = bytes.fromhex(trace_id)
        elif isinstance(trace_id, int):
            key = trace_id.to_bytes(16, "big")
        else:
            key = bytes(trace_id)
    except (ValueError, OverflowError, TypeError):
        pass
    if key is None or len(key) != 16:
        raise ConfigError(f"trace_id={trace_id!r}: want 32 hex digits, 16 bytes, or a number below 2**128")
    return key


# --- making the tree ---


def _of_trace(table: pa.Table, key: bytes) -> pa.Table:
    missing = [name for name in COLUMNS[:3] if name not in table.schema.names]
    if missing:
        raise ConfigError(f"the table has no column {missing[0]!r}")
    ids = table.column("trace_id")
    rows = table.filter(pc.equal(ids, pa.scalar(key, ids.type)))
    return rows.select([name for name in COLUMNS[1:] if name in rows.schema.names])


def _nodes(rows: pa.Table) -> list[SpanNode]:
    for name in ("start_time_unix_nano", "end_time_unix_nano"):
        if name in rows.schema.names:  # Python's datetime has no nanoseconds
            place = rows.schema.get_field_index(name)
            rows = rows.set_column(place, name, rows.column(name).cast(pa.int64()))
    return [_node(row) for row in rows.to_pylist()]


def _node(row: dict[str, Any]) -> SpanNode:
    return SpanNode(
        span_id=(row["span_id"] or b"").hex(),
        parent_span_id=(row["parent_span_id"] or b"").hex(),
        name=row.get("name"),
        service=row.get("service_name"),
        kind=row.get("kind"),
        start_unix_nano=row.get("start_time_unix_nano"),
        end_unix_nano=row.get("end_time_unix_nano"),
        duration_nano=row.get("duration_nano"),
        status=row.get("status_code"),
        status_message=row.get("status_message"),
        attributes=values_of(row.get("attributes"), row.get("attribute_types")),
    )


def _start(node: SpanNode) -> tuple[bool, int]:
    return node.start_unix_nano is None, node.start_unix_nano or 0


def _linked(nodes: list[SpanNode]) -> list[SpanNode]:
    """Gives spans their parents and children, and returns those that have no parent."""
    by_id: dict[str, SpanNode] = {}
    for node in nodes:
        if node.span_id:
            node.duplicate = by_id.setdefault(node.span_id, node) is not node
    tops = []
    for node in nodes:
        node.parent = by_id.get(node.parent_span_id)
        if node.parent is not None:
            node.parent.children.append(node)
            continue
        node.orphan = bool(node.parent_span_id)
        tops.append(node)
    return tops


def _cut_cycles(nodes: list[SpanNode], tops: list[SpanNode]) -> list[SpanNode]:
    """Cuts every cycle above its earliest span, and returns those."""
    reached = {id(node) for top in tops for node in top.walk()}
    cut = []
    for node in nodes:
        if id(node) in reached:
            continue
        first = min(_cycle_above(node), key=_start)
        assert first.parent is not None
        first.parent.children.remove(first)
        first.parent, first.cycle = None, True
        cut.append(first)
        reached.update(id(each) for each in first.walk())
    return cut


def _cycle_above(node: SpanNode) -> list[SpanNode]:
    """The spans of the cycle that a span's ancestors end in."""
    path: dict[int, SpanNode] = {}
    at: SpanNode | None = node
    while at is not None and id(at) not in path:
        path[id(at)] = at
        at = at.parent
    way = list(path.values())
    return way[list(path).index(id(at)) :]


# --- drawing it ---


def _drawn(tops: list[SpanNode]) -> Iterator[tuple[str, SpanNode]]:
    """All spans depth first, each with the lines to the left of it."""
    waiting = [("", "", top) for top in reversed(tops)]
    while waiting:
        mark, indent, node = waiting.pop()
        yield indent + mark, node
        below = indent + {"": "", "├─ ": "│  ", "└─ ": "   "}[mark]
        last = len(node.children) - 1
        places = [("└─ " if i == last else "├─ ", below, each) for i, each in enumerate(node.children)]
        waiting.extend(reversed(places))


def duration(nanoseconds: int) -> str:
    """A time in the unit that suits it: 12.3 ms."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            number = nanoseconds / size
            return f"{number:.3g} {unit}" if number < 999.5 else f"{number:.0f} {unit}"
    return f"{nanoseconds} ns"


def shown_attributes(attributes: dict[str, Any]) -> str:
    """Attributes as they follow on a line: two spaces and {key=value, ...}; nothing for none."""
    if not attributes:
        return ""
    pairs = ", ".join(f"{_shown(key)}={_short(repr(value))}" for key, value in attributes.items())
    return f"  {{{pairs}}}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _shown(text: str | None) -> str:
    """Text from the network, without what could move a terminal's cursor or end a line."""
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text or "")


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
