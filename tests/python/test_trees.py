import random

import pyarrow as pa
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status, TracesData

from otlp_arrow import ConfigError, OtlpLibrary, TraceTree, read_traces, trace_tree
from otlp_arrow._read.values import value_of, values_of
from otlp_arrow.trees import duration

TRACE = b"\x01" * 16
TIME = pa.timestamp("ns", tz="UTC")


def table(*spans, trace=TRACE, **columns):
    """Spans as (name, id, parent, start), each for a duration of 1 ms."""
    names, ids, parents, starts = zip(*spans, strict=True) if spans else ([], [], [], [])
    known = [None if start is None else start + 1_000_000 for start in starts]
    return pa.table(
        {
            "trace_id": pa.array([trace] * len(spans), pa.binary(16)),
            "span_id": pa.array([each and each * 8 for each in ids], pa.binary(8)),
            "parent_span_id": pa.array([each and each * 8 for each in parents], pa.binary(8)),
            "name": pa.array(names, pa.utf8()),
            "start_time_unix_nano": pa.array(starts, TIME),
            "end_time_unix_nano": pa.array(known, TIME),
            "duration_nano": pa.array([None if start is None else 1_000_000 for start in starts], pa.int64()),
            **columns,
        }
    )


def shape(tree):
    return [(node.depth, node.name) for node in tree]


def test_spans_become_a_tree_in_any_order():
    spans = [("a", b"a", None, 1), ("b", b"b", b"a", 3), ("c", b"c", b"a", 2), ("d", b"d", b"b", 4)]
    for seed in range(10):
        random.Random(seed).shuffle(spans)
        tree = TraceTree(table(*spans), TRACE)
        assert shape(tree) == [(0, "a"), (1, "c"), (1, "b"), (2, "d")]
        (root,) = tree.roots
        assert [child.name for child in root.children] == ["c", "b"]
        assert root.children[0].parent is root
        assert (len(tree), tree.orphans, tree.cycles, tree.duplicates) == (4, [], [], [])
        assert (root.span_id, root.start_unix_nano, root.end_unix_nano) == ("61" * 8, 1, 1_000_001)


def test_it_is_drawn():
    spans = table(
        ("a\n\x1b[31m", b"a", None, 1),
        ("b", b"b", b"a", 2),
        ("c", b"c", b"b", 3),
        (None, b"d", b"a", 4),
        service_name=["shop", "shop", "db", None],
        status_code=["UNSET", None, "ERROR", "OK"],
        status_message=["", "", "gone\n", ""],
    )
    lines = str(TraceTree(spans, TRACE)).splitlines()
    assert lines == [
        f"trace {TRACE.hex()}: 4 spans, 2 services, 1 ms, 1 error",
        "a\\u000a\\u001b[31m  [shop]  1 ms",
        "├─ b  [shop]  1 ms",
        "│  └─ c  [db]  1 ms  ✗ ERROR: gone\\u000a",
        "└─ (no name)  1 ms  OK",
    ]
    assert TraceTree(spans, TRACE).render(2).splitlines()[2:] == [
        "├─ b  [shop]  1 ms",
        "... and 2 spans more",
    ]
    assert repr(TraceTree(spans, TRACE)) == f"<TraceTree {lines[0].removeprefix('trace ')}>"
    assert "1 ms children=2>" in repr(TraceTree(spans, TRACE).roots[0])


def test_a_missing_parent_makes_an_orphan():
    tree = TraceTree(table(("b", b"b", b"x", 2), ("c", b"c", b"b", 3), ("a", b"a", None, 1)), TRACE)
    assert shape(tree) == [(0, "a"), (0, "b"), (1, "c")]
    assert [node.name for node in tree.orphans] == ["b"]
    assert [node.name for node in tree.roots] == ["a"]
    assert f"b  1 ms  (parent {'78' * 8} is missing)" in str(tree)
    assert "1 orphan" in repr(tree)


def test_cycles_are_cut_above_their_earliest_span():
    tree = TraceTree(
        table(
            ("self", b"s", b"s", 9),
            ("b", b"b", b"c", 2),
            ("a", b"a", b"b", 1),
            ("c", b"c", b"a", 3),
            ("tail", b"t", b"c", 0),
        ),
        TRACE,
    )
    assert shape(tree) == [(0, "a"), (1, "c"), (2, "tail"), (2, "b"), (0, "self")]
    assert [node.name for node in tree.cycles] == ["a", "self"]
    assert f"(its parent {'62' * 8} is below it)" in str(tree)


def test_of_spans_with_one_id_the_earliest_has_the_children():
    tree = TraceTree(table(("late", b"a", None, 5), ("a", b"a", None, 1), ("b", b"b", b"a", 2)), TRACE)
    assert shape(tree) == [(0, "a"), (1, "b"), (0, "late")]
    assert [node.name for node in tree.duplicates] == ["late"]
    assert f"(another span has its id {'61' * 8})" in str(tree)


def test_spans_without_ids_and_times_are_kept():
    tree = TraceTree(table(("x", None, None, None), ("y", None, None, None), ("z", b"z", None, 1)), TRACE)
    assert [node.name for node in tree] == ["z", "x", "y"]
    assert tree.duplicates == []
    assert "x  ?" in str(tree)
    assert "without id" in repr(tree.roots[1])
    only = TraceTree(table(("x", None, None, None)), TRACE)
    assert (only.start_unix_nano, only.end_unix_nano, only.duration_nano) == (None, None, None)


def test_a_chain_of_any_length():
    count = 5000
    ids = [number.to_bytes(8, "big") for number in range(1, count + 1)]
    spans = pa.table(
        {
            "trace_id": pa.array([TRACE] * count, pa.binary(16)),
            "span_id": pa.array(ids, pa.binary(8)),
            "parent_span_id": pa.array([None, *ids[:-1]], pa.binary(8)),
        }
    )
    tree = TraceTree(spans, TRACE)
    assert [node.span_id for node in tree] == [each.hex() for each in ids]
    assert str(tree).endswith(f"... and {count - 1000:,} spans more")


def test_any_parents_give_each_span_once():
    r = random.Random(7)
    for _ in range(200):
        count = r.randrange(1, 12)
        ids = [bytes([r.randrange(97, 97 + count)]) for _ in range(count)]
        spans = [(str(n), ids[n], r.choice([None, *ids, b"?"]), r.randrange(5)) for n in range(count)]
        tree = TraceTree(table(*spans), TRACE)
        assert sorted(node.name for node in tree) == sorted(str(n) for n in range(count))
        assert len(tree.roots) + len(tree.orphans) + len(tree.cycles) == len(tree.tops)
        assert len(str(tree).splitlines()) == count + 1
        for node in tree:
            assert all(child.parent is node for child in node.children)


def test_ids_of_a_trace():
    spans = pa.concat_tables([table(("a", b"a", None, 1)), table(("b", b"b", None, 1), trace=b"\x02" * 16)])
    for key in (b"\x02" * 16, "02" * 16, ("02" * 16).upper(), int("02" * 16, 16), bytearray(b"\x02" * 16)):
        tree = TraceTree(spans, key)
        assert (tree.trace_id, [node.name for node in tree]) == ("02" * 16, ["b"])
    none = TraceTree(spans, 1)
    assert (len(none), bool(none), str(none)) == (0, False, f"trace {'0' * 31}1: no spans")
    for odd in ("02", "xy" * 16, b"\x02", 2**128, -1, None, 1.5):
        with pytest.raises(ConfigError, match="want 32 hex digits"):
            TraceTree(spans, odd)
    with pytest.raises(ConfigError, match="no column 'parent_span_id'"):
        TraceTree(spans.drop_columns(["parent_span_id"]), TRACE)


def request(service_spans):
    def resource(name, spans):
        made = ResourceSpans(scope_spans=[ScopeSpans(spans=spans)])
        made.resource.attributes.add(key="service.name").value.string_value = name
        return made

    return TracesData(resource_spans=[resource(*each) for each in service_spans]).SerializeToString()


def test_of_a_library_and_of_its_files(tmp_path):
    start = 1_767_323_045_000_000_000
    root = Span(
        name="POST /orders",
        trace_id=TRACE,
        span_id=b"a" * 8,
        start_time_unix_nano=start,
        end_time_unix_nano=start + 12_340_000,
    )
    root.attributes.add(key="http.response.status_code").value.int_value = 500
    root.attributes.add(key="http.route").value.string_value = "/orders"
    child = Span(
        name="charge",
        trace_id=TRACE,
        span_id=b"b" * 8,
        parent_span_id=b"a" * 8,
        start_time_unix_nano=start + 1000,
        end_time_unix_nano=start + 2000,
        status=Status(code=Status.STATUS_CODE_ERROR, message="card refused"),
    )
    other = Span(name="other", trace_id=b"\x09" * 16, span_id=b"a" * 8)
    with OtlpLibrary(output_dir=tmp_path) as library:
        library.export_traces(request([("shop", [root]), ("payments", [child, other])]))
        live = library.trace_tree(TRACE.hex())
        assert not library.trace_tree(TRACE, since=start + 10**9)
    expected = f"""trace {TRACE.hex()}: 2 spans, 2 services, 12.3 ms, 1 error
POST /orders  [shop]  12.3 ms
└─ charge  [payments]  1 µs  ✗ ERROR: card refused"""
    stored = read_traces(tmp_path, dictionaries=True)
    for tree in (live, trace_tree(tmp_path, TRACE), trace_tree(read_traces(tmp_path), TRACE)):
        assert str(tree) == expected
        (top,) = tree.roots
        assert top.attributes == {"http.response.status_code": 500, "http.route": "/orders"}
        assert top.children[0].error
        assert top.kind == "UNSPECIFIED"
        assert tree.errors == tree.find("charge") == top.children
    assert str(trace_tree(stored, TRACE)) == expected
    assert not trace_tree(tmp_path, TRACE, until=start)


@pytest.mark.parametrize(
    ("letter", "text", "value"),
    [
        ("s", "1", "1"),
        ("i", "-9223372036854775808", -(2**63)),
        ("d", "1.5", 1.5),
        ("d", "-Infinity", float("-inf")),
        ("b", "true", True),
        ("b", "false", False),
        ("y", "AAE=", b"\0\1"),
        ("a", '[1,1.0,null,"x",{"$bytes":"AAE="}]', [1, 1.0, None, "x", b"\0\1"]),
        ("k", '{"a":{"$double":"Infinity"}}', {"a": float("inf")}),
        ("k", '{"$kvlist":[["a",1],["b"]]}', [("a", 1), ("b",)]),
        ("k", '{"$other":1}', {"$other": 1}),
        ("n", None, None),
        ("-", None, None),
        ("i", "x", "x"),
        ("a", "[", "["),
        ("a", '{"$bytes":"?"}', '{"$bytes":"?"}'),
        ("?", "x", "x"),
    ],
)
def test_values_of_attributes(letter, text, value):
    assert value_of(letter, text) == value


def test_values_of_maps():
    assert values_of([("a", "1"), ("b", None)], "in") == {"a": 1, "b": None}
    assert values_of([("a", "1")], None) == {"a": "1"}
    assert values_of([("a", "1")], "is") == {"a": "1"}
    assert values_of(None, "") == {}


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1000, "1 µs"),
        (12_345, "12.3 µs"),
        (999_999, "1000 µs"),
        (1_500_000, "1.5 ms"),
        (90_000_000_000, "90 s"),
        (1_234_567_000_000, "1235 s"),
    ],
)
def test_durations(nanoseconds, text):
    assert duration(nanoseconds) == text
