"""What notebooks show: complete, escaped, by itself, and never an error."""

from __future__ import annotations

import json
import re
import zlib
from html.parser import HTMLParser

import pyarrow as pa
import pytest

from otlp_arrow import OtlpLibrary
from otlp_arrow._read.files import find
from otlp_arrow._read.ipc import message_at
from otlp_arrow._show import flame as _flame
from otlp_arrow._show import html as _html
from otlp_arrow._show import overview as _overview
from otlp_arrow.trees import TraceTree

SECOND = 1_000_000_000
TRACE = b"t" * 16


class Page(HTMLParser):
    """The text of well-formed HTML, and the titles of its elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.titles: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []
        assert not re.search(r"<(script|style|link|img|iframe)|(src|href|url)\s*[=(]", text)

    def handle_starttag(self, tag, attributes):
        if tag == "br":
            self.text += "\n"
            return
        self.open.append(tag)
        self.titles += [value for name, value in attributes if name == "title"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def statistics_file(tmp_path):
    """A directory whose statistics differ from its rows, to tell which of both is looked at."""

    def make(**statistics):
        directory = tmp_path / "otlp" / "traces"
        directory.mkdir(parents=True)
        columns = {
            "start_time_unix_nano": pa.array([SECOND, 2 * SECOND], pa.timestamp("ns", "UTC")),
            "service_name": ["shop", None],
        }
        batch = pa.RecordBatch.from_pydict(columns)
        size = 0
        for _ in range(3):  # the size is in what it measures
            sink = pa.BufferOutputStream()
            writer = pa.ipc.new_stream(sink, batch.schema)
            text = json.dumps({"bytes": size, **statistics}).ljust(400).encode()
            value = f"{zlib.crc32(text):08x} ".encode() + text
            writer.write_batch(batch, custom_metadata={b"otlp_arrow.statistics": value})
            writer.close()
            size = len(sink.getvalue()) - 8 - message_at(sink.getvalue(), 0).end
        (directory / "otlp_traces_20260102_030405_w1_1.arrows").write_bytes(sink.getvalue().to_pybytes())
        return list(find("traces", tmp_path))

    return make


def test_statistics_are_enough(statistics_file):
    parts = statistics_file(rows=7, times=[5 * SECOND, 9 * SECOND], services=["a", None])
    found = _overview.overview("traces", parts, 10)
    assert (found.rows, found.services, found.complete) == (7, {"a"}, True)
    assert (found.start, found.end) == (5 * SECOND, 9 * SECOND)


@pytest.mark.parametrize(
    "statistics",
    [
        {"rows": 7, "times": [5, 9]},
        {"rows": 7, "services": ["a"]},
        {"rows": 7, "times": [5, 9 + 61 * SECOND], "services": ["a"]},
    ],
)
def test_rows_are_read_where_statistics_do_not_do(statistics_file, statistics):
    found = _overview.overview("traces", statistics_file(**statistics), 10)
    assert (found.rows, found.services) == (2, {"shop"})
    assert (found.start, found.end) == (SECOND, 2 * SECOND)


def test_batches_without_times(statistics_file):
    found = _overview.overview("traces", statistics_file(rows=7, times=[], services=[]), 10)
    assert (found.rows, found.start, found.stretches) == (7, None, [])


def test_time_is_bounded(write, spans, tmp_path):
    source = write(spans(1, 2))
    found = _overview.overview("traces", list(find("traces", source)), -1)
    assert (found.rows, found.complete) == (0, False)
    row = Page(f"<table>{_html._row(found, None)}</table>").text
    assert "at least 0 spans" in row


def test_files_that_lack_columns_or_end_early(write, spans):
    batch = spans(1, None, 3)
    source = write(batch.select(["name"]), seq=1)
    write(batch, batch, seq=2, tail=b"\xff\xff\xff\xff\x10")
    found = _overview.overview("traces", list(find("traces", source)), 10)
    assert (found.rows, found.services, found.start, found.end) == (9, {"shop"}, 1, 3)
    assert sum(each.rows for each in found.stretches) == 4


def test_counts():
    found = _overview.Overview(
        "traces", stretches=[_overview.Stretch(4, 0, 39), _overview.Stretch(6, 10, 10)]
    )
    assert [round(count, 1) for count in found.counts(0, 39, 4)] == [1.0, 7.0, 1.0, 0.9]
    assert found.counts(100, 139, 2) == [10.0, 0.0]  # out of range: at the edge
    assert _overview.Overview("logs").counts(0, 9, 3) == [0.0, 0.0, 0.0]


def test_a_library_at_a_glance(library: OtlpLibrary, trace_request):
    library.export_traces(trace_request("a", "b", service="<shop> & sons"))
    library.export_traces(trace_request("c", service="stock", start=1_700_000_060_000_000_000))
    page = Page(library._repr_html_())
    assert "OtlpLibrary open" in page.text
    assert library.endpoints.otlp_grpc in page.text
    assert "3 spans2023-11-14 22:13:202023-11-14 22:14:20<shop> & sons, stock" in page.text
    assert "0 log records" in page.text
    assert "0 data points" in page.text
    assert "spans over time, at most about 2 in a 60th of it" in page.text


def test_a_closed_library(tmp_path, trace_request):
    with OtlpLibrary(output_dir=tmp_path) as library:
        library.export_traces(trace_request("a"))
    page = Page(library._repr_html_())
    assert "OtlpLibrary closed" in page.text
    assert "1 spans" in page.text
    (file,) = (tmp_path / "otlp" / "traces").iterdir()
    file.write_bytes(b"no stream")
    assert library._repr_html_() is None


def test_many_services_are_counted():
    found = _overview.Overview("logs", services={f"s{number:02}" for number in range(12)})
    assert Page(f"<table>{_html._row(found, None)}</table>").text.endswith("s06, s07 and 4 more")


# --- one trace ---


def tree(*spans):
    """A tree of (id, parent, start, duration or None), with more columns as a dict at the end."""
    rows = []
    for identity, parent, start, duration, *more in spans:
        row = {
            "trace_id": TRACE,
            "span_id": identity.encode().ljust(8, b"."),
            "parent_span_id": parent.encode().ljust(8, b".") if parent else None,
            "name": identity,
            "service_name": "shop",
            "start_time_unix_nano": start,
            "end_time_unix_nano": None if duration is None else start + duration,
            "duration_nano": duration,
            "status_code": "UNSET",
            "status_message": "",
        }
        rows.append(row | (more[0] if more else {}))
    schema = pa.schema(
        [("trace_id", pa.binary(16)), ("span_id", pa.binary(8)), ("parent_span_id", pa.binary(8))]
        + [(name, pa.utf8()) for name in ("name", "service_name", "status_code", "status_message")]
        + [(name, pa.timestamp("ns", "UTC")) for name in ("start_time_unix_nano", "end_time_unix_nano")]
        + [
            ("duration_nano", pa.int64()),
            ("attributes", pa.map_(pa.utf8(), pa.utf8())),
            ("attribute_types", pa.utf8()),
        ]
    )
    return TraceTree(pa.Table.from_pylist(rows, schema), TRACE)


def rows_of(found):
    return {node.name: row for node, row in _flame.place(found)}


def test_spans_lie_below_their_parents_and_beside_each_other():
    found = tree(
        ("root", None, 0, 100),
        ("a", "root", 0, 40),
        ("b", "root", 30, 40),  # while a runs
        ("c", "root", 70, 30),
        ("below a", "a", 10, 10),
        ("below b", "b", 40, 10),
        ("late", "c", 120, 5),  # after its parent
    )
    assert rows_of(found) == {"root": 0, "a": 1, "below a": 2, "b": 2, "below b": 3, "c": 1, "late": 2}


def test_a_flame():
    found = tree(
        (
            "root",
            None,
            0,
            2_000_000,
            {"name": "GET /<id>", "attributes": [("k", "'v' \x1b")], "attribute_types": "s"},
        ),
        (
            "bad",
            "root",
            0,
            1_000_000,
            {"status_code": "ERROR", "status_message": "no <b>", "service_name": "pay & go"},
        ),
        ("tiny", "root", 1_500_000, 10),
        ("tiny too", "root", 1_600_000, None, {"status_code": "ERROR", "service_name": None}),
    )
    page = Page(found._repr_html_())
    assert "4 spans, 2 services, 2 ms, 2 errors" in page.text
    assert "GET /<id> 2 ms" in page.text
    assert "\N{BALLOT X} bad 1 ms" in page.text
    assert "pay & go" in page.text
    assert "tiny" not in page.text  # too narrow for text
    assert page.titles[0].startswith("GET /<id>  [shop]  2 ms\n")
    assert page.titles[0].endswith("\nk = 'v' \ufffd")
    assert "no <b>\n" in page.titles[1]
    assert "\nbelow GET /<id>" in page.titles[1]
    assert len(page.titles) == 4
    assert "left:75.000%" in found._repr_html_()


def test_many_spans_are_drawn_in_part():
    spans = [("root", None, 0, 10**6)] + [(f"s{n}", "root", n, 1 + n % 7) for n in range(3000)]
    page = Page(tree(*spans)._repr_html_())
    assert 500 < len(page.titles) <= 1000
    assert f"{3001 - len(page.titles):,} more spans are not drawn" in page.text


def test_children_of_spans_that_are_not_drawn(monkeypatch):
    monkeypatch.setattr(_flame, "_MOST", 2)
    found = tree(("root", None, 0, 100), ("short", "root", 0, 1), ("long", "short", 2, 50))
    assert rows_of(found) == {"root": 0, "long": 1}


def test_crowded_traces_end_at_some_row(monkeypatch):
    monkeypatch.setattr(_flame, "_MOST_ROWS", 3)
    found = tree(("root", None, 0, 100), *((f"s{n}", "root", n, 50) for n in range(5)), ("t", "s4", 10, 1))
    assert rows_of(found) == {"root": 0, "s0": 1, "s1": 2}
    assert "4 more spans are not drawn" in Page(found._repr_html_()).text


def test_traces_without_times():
    assert "no spans" in Page(tree()._repr_html_()).text
    found = tree(("x", None, None, None, {"start_time_unix_nano": None}))
    assert "x  [shop]  ?" in Page(found._repr_html_()).text
    none = {"start_time_unix_nano": None}
    found = tree(("a", None, None, None, none), ("<b>\x1b", None, None, None, none))
    page = Page(found._repr_html_())
    assert page.text.endswith(found.render(50).rstrip("\n"))
    assert page.text.count("\n") == found.render(50).rstrip("\n").count("\n") >= 2


def test_many_attributes_are_counted():
    attributes = [(f"k{n:02}", "v") for n in range(15)]
    found = tree(("x", None, 0, 10, {"attributes": attributes, "attribute_types": "s" * 15}))
    (tip,) = Page(found._repr_html_()).titles
    assert tip.endswith("k11 = v\nand 3 more attributes")


def test_services_have_colours_of_their_own():
    names = [f"s{n}" for n in range(8)]
    assert len(set(_flame.hues(names).values())) == 8
    assert _flame.hues(["shop"]) == _flame.hues(["shop"])
    assert len(_flame.hues([f"s{n}" for n in range(100)])) == 100


def test_escaped():
    assert _html.escaped("<a b='c'>\x00\u202e&") == "&lt;a b=&#x27;c&#x27;&gt;\ufffd\ufffd&amp;"
