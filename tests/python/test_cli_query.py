import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from otlp_arrow import ConfigError, OtlpLibrary, cli
from otlp_arrow.cli import output, rows, table, text, when
from otlp_arrow.cli.where import Condition, meet

START = 1_700_000_000_000_000_000


@pytest.fixture
def directory(tmp_path, trace_request):
    """An output directory with five spans of two services, and no logs."""
    out = tmp_path / "out"
    with OtlpLibrary(output_dir=out) as library:
        library.export_traces(trace_request("a", "b", "c", service="cart", start=START))
        library.export_traces(trace_request("d", "e", service="shop", start=START + 10**9))
    return out


def query(capsys, *arguments):
    assert cli.main(["query", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def documents(text):
    return [json.loads(line) for line in text.splitlines()]


# --- filters ---


@pytest.mark.parametrize(
    ("flags", "want"),
    [
        ([], "abcde"),
        (["--service", "cart"], "abc"),
        (["--service", "cart", "--service", "shop"], "abcde"),
        (["--since", "2023-11-14T22:13:21"], "de"),
        (["--until", "2023-11-14T22:13:21Z"], "abc"),
        (["--where", 'attributes["http.route"]=/b'], "b"),
        (["--where", "name>=b", "--where", "name!=d"], "bce"),
        (["--limit", "2"], "ab"),
        (["--limit", "0"], "abcde"),
    ],
)
def test_filters(directory, capsys, flags, want):
    found = documents(query(capsys, "traces", directory, *flags))
    assert "".join(row["name"] for row in found) == want


def test_rows_are_readable(directory, capsys):
    (row,) = documents(query(capsys, "traces", directory, "--limit", "1"))
    assert row["trace_id"] == "74" * 16
    assert row["start_time_unix_nano"] == "2023-11-14T22:13:20.000000000Z"
    assert row["attributes"] == {"http.route": "/a"}
    assert row["parent_span_id"] is None


def test_columns(directory, capsys):
    out = query(capsys, "traces", directory, "--columns", "name,span_id", "--where", "service_name=shop")
    assert documents(out) == [
        {"name": "d", "span_id": "01" * 8},
        {"name": "e", "span_id": "02" * 8},
    ]
    assert cli.main(["query", "traces", str(directory), "--columns", "colour"]) == 2
    assert "colour" in capsys.readouterr().err


def test_nothing_there(directory, capsys, tmp_path):
    assert query(capsys, "logs", directory) == ""
    head = query(capsys, "logs", directory, "--format", "csv", "--columns", "body")
    assert head == "body\n"
    assert cli.main(["query", "traces", str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err == f"otlp-arrow: {tmp_path / 'none'} does not exist\n"


# --- formats ---


def test_formats(directory, tmp_path, capsys):
    for name in ("x.csv", "x.arrow", "x.parquet", "x.json", "x.txt"):
        assert query(capsys, "traces", directory, "--output", tmp_path / name) == ""
    parsed = list(csv.DictReader(io.StringIO((tmp_path / "x.csv").read_text())))
    assert [row["name"] for row in parsed] == list("abcde")
    assert json.loads(parsed[0]["attributes"]) == {"http.route": "/a"}
    with pa.ipc.open_stream(tmp_path / "x.arrow") as stream:
        assert stream.read_all()["name"].to_pylist() == list("abcde")
    stored = pq.read_table(tmp_path / "x.parquet")
    assert stored.schema.field("start_time_unix_nano").type == pa.timestamp("ns", tz="UTC")
    assert stored.num_rows == 5
    assert len(documents((tmp_path / "x.json").read_text())) == 5
    assert (tmp_path / "x.txt").read_text().splitlines()[1].split() == [
        "2023-11-14", "22:13:20.000", "1", "µs", "cart", "a", "74" * 16,
    ]  # fmt: skip
    assert sorted(path.name for path in tmp_path.glob("*x*")) == [
        "x.arrow", "x.csv", "x.json", "x.parquet", "x.txt",
    ]  # fmt: skip


def test_bytes_go_to_a_pipe(directory, capfdbinary):
    assert cli.main(["query", "traces", str(directory), "--format", "arrow"]) == 0
    with pa.ipc.open_stream(capfdbinary.readouterr().out) as stream:
        assert stream.read_all().num_rows == 5


def test_what_has_no_format(directory, tmp_path, capsys, monkeypatch):
    assert cli.main(["query", "traces", str(directory), "--output", str(tmp_path / "x.xml")]) == 2
    assert "does not tell the format" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with pytest.raises(ConfigError, match="not for a terminal"):
        output.choose("parquet", None)
    assert output.choose(None, None) == "table"


def test_a_failed_query_leaves_no_file(directory, tmp_path, capsys):
    arguments = [
        "traces",
        str(directory),
        "--where",
        "duration_nano=long",
        "--output",
        str(tmp_path / "x.csv"),
    ]
    assert cli.main(["query", *arguments]) == 2
    assert "'long' does not go with int64" in capsys.readouterr().err
    assert list(tmp_path.glob("*x.csv*")) == []


# --- SQL and trees ---


def test_sql(directory, capsys):
    text = "select service_name, count(*) n, min(start_time) t from traces group by 1 order by 1"
    assert documents(query(capsys, text, directory)) == [
        {"service_name": "cart", "n": 3, "t": "2023-11-14T22:13:20.000000Z"},
        {"service_name": "shop", "n": 2, "t": "2023-11-14T22:13:21.000000Z"},
    ]
    assert query(capsys, text, directory, "--format", "table").splitlines()[0].split() == [
        "service_name",
        "n",
        "t",
    ]


@pytest.mark.parametrize("format", ["json", "csv", "table", "arrow", "parquet"])
def test_columns_of_the_same_name_in_sql(directory, tmp_path, capsys, format):
    text = "select name, service_name as name, 7 as name_1, 8 as name from traces order by 1 limit 1"
    want, file = [{"name": "a", "name_2": "cart", "name_1": 7, "name_3": 8}], tmp_path / "x"
    query(capsys, text, directory, "--format", format, "--output", file)
    if format == "arrow":
        with pa.ipc.open_stream(file) as stream:
            assert stream.read_all().to_pylist() == want
    elif format == "parquet":
        assert pq.read_table(file).to_pylist() == want
    elif format == "json":
        assert documents(file.read_text()) == want
    else:
        head, line = file.read_text().replace(",", " ").splitlines()
        assert head.split() == ["name", "name_2", "name_1", "name_3"]
        assert line.split() == ["a", "cart", "7", "8"]


@pytest.mark.parametrize("format", ["json", "csv", "table"])
def test_a_column_that_is_asked_for_twice_comes_once(directory, capsys, format):
    flags = ["--format", format, "--limit", "1", "--columns"]
    once = query(capsys, "traces", directory, *flags, "name,service_name")
    assert query(capsys, "traces", directory, *flags, "name,service_name,name") == once


def test_sql_that_is_wrong(directory, capsys, monkeypatch):
    assert cli.main(["query", "select nothing from traces", str(directory)]) == 2
    assert "DuckDB" in capsys.readouterr().err
    assert cli.main(["query", "select 1 from traces", str(directory), "--service", "x"]) == 2
    assert "--service: for traces, logs and metrics" in capsys.readouterr().err
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    assert cli.main(["query", "select 1 from traces", str(directory)]) == 2
    assert "pip install 'otlp-arrow[duckdb]'" in capsys.readouterr().err
    assert len(documents(query(capsys, "traces", directory))) == 5


def test_a_trace(directory, capsys):
    assert query(capsys, "--trace", "74" * 16, directory).startswith(
        f"trace {'74' * 16}: 5 spans, 2 services"
    )
    assert cli.main(["query", "--trace", "00" * 16, str(directory)]) == 1
    assert "no spans" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "say what"),
        (["spans"], "'spans' is neither"),
        (["--trace", "12"], "32 hex digits"),
        (["traces", "--trace", "74" * 16], "neither a signal nor SQL"),
        (["traces", "--where", "nothing"], "want COLUMN=VALUE"),
        (["traces", "--where", "name~("], "--where name~("),
    ],
)
def test_an_odd_command_line(directory, capsys, monkeypatch, arguments, told):
    monkeypatch.chdir(directory.parent)
    directory.rename("telemetry")  # the default
    assert cli.main(["query", *arguments]) == 2
    assert told in capsys.readouterr().err


# --- the parts ---


@pytest.fixture
def some():
    attributes = [[("n", "5"), ("t", "x")], [("n", "40")], [("t", "y")], None]
    return pa.table(
        {
            "name": ["get", "put", None, "GET"],
            "count": pa.array([1, 2, 3, None], pa.uint64()),
            "value": [0.5, 1.5, float("nan"), None],
            "done": [True, False, None, True],
            "id": pa.array([b"\1\2", b"\3\4", None, b"\5\6"], pa.binary(2)),
            "time": pa.array([1_000_000_000, 2_000_000_000, None, 0], pa.timestamp("ns", tz="UTC")),
            "attributes": pa.array(attributes, pa.map_(pa.utf8(), pa.utf8())),
        }
    )


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("name=get", [1]),
        ("name != get", [2, None]),
        ("name~^(?i)get$", [1, None]),
        ("name!~e", [2, None]),
        ("count>=2", [2, 3]),
        ("count<1.5", [1]),
        ("value>0.5", [2]),
        ("done=true", [1, None]),
        ("done!=TRUE", [2]),
        ("id=0304", [2]),
        ("time>1970-01-01T00:00:01Z", [2]),
        ("time<=1970-01-01T00:00:01", [1, None]),
        ("attributes[n]=5", [1]),
        ('attributes["n"]>7', [2]),
        ("attributes['n']<7", [1]),
        ("attributes[ t ]!=x", [3]),
        ("attributes[t]~[xy]", [1, 3]),
        ("attributes[t]>1", []),
    ],
)
def test_conditions(some, text, want):
    assert meet(some, [Condition.parse(text)])["count"].to_pylist() == want


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nothing=1", "no column nothing"),
        ("attributes=1", "want a key"),
        ("name[a]=1", "name is no map"),
        ("count=many", "'many' does not go with uint64"),
        ("count>=99999999999999999999999", "does not go with uint64"),
        ("time>0001-01-01T00:00:00+05:00", "does not go with"),
        ("id=xyz", "does not go with"),
        ("done=maybe", "does not go with"),
        ("time=soon", "does not go with"),
        ("attributes[n]>many", "does not go with"),
        ("count~1", "does not go with"),
    ],
)
def test_conditions_that_do_not_fit(some, text, told):
    with pytest.raises(ConfigError, match=r".*") as caught:
        meet(some, [Condition.parse(text)])
    assert told in str(caught.value)


def test_times():
    assert when.time("2026-01-02") == datetime(2026, 1, 2, tzinfo=UTC)
    assert when.time("2026-01-02T03:04:05+02:00") == datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)
    now = datetime.now(UTC)
    assert timedelta(hours=1.5) <= now - when.time("1.5h") + timedelta(seconds=1) < timedelta(hours=1.6)
    assert abs(when.time("now") - now) < timedelta(minutes=1)
    with pytest.raises(ValueError, match="soon"):
        when.time("soon")


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--since", "9999999999h"], "argument --since: invalid time such as 1h"),
        (["--until", f"{'9' * 400}w"], "argument --until: invalid time such as 1h"),
        (["--limit", "-1"], "argument --limit: invalid number (0 or more) value: '-1'"),
        (["--limit", "all"], "argument --limit: invalid number (0 or more) value: 'all'"),
    ],
)
def test_numbers_that_cannot_be(capsys, flags, told):
    with pytest.raises(SystemExit) as ended:
        cli.main(["query", "traces", *flags])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_values_of_every_kind():
    pairs = pa.map_(pa.utf8(), pa.utf8())
    event = pa.struct({"at": pa.timestamp("s"), "id": pa.binary()})
    kinds = {
        "map": pa.array([[("a", None)]], pa.map_(pa.utf8(), pa.timestamp("ms"))),
        "moments": pa.array([[(1, 2)]], pa.map_(pa.timestamp("s"), pa.int64())),
        "points": pa.array([[({"x": 1}, None)]], pa.map_(pa.struct({"x": pa.int64()}), pa.int64())),
        "list": pa.array([[{"at": 1, "id": b"\xff"}]], pa.list_(event)),
        "text": pa.array(["x"]).dictionary_encode(),
        "took": pa.array([1500], pa.duration("ms")),
        "day": pa.array([0], pa.date32()),
        "odd": [float("inf")],
        "attributes": pa.array([[("i", "1"), ("d", "-Infinity"), ("y", "/w=="), ("a", "[1]")]], pairs),
        "attribute_types": ["idya"],
        "resource_attributes": pa.array([[("i", "1")]], pairs),
        "resource_attribute_types": ["?!"],
        "far": pa.array([2**62], pa.timestamp("s")),
    }  # fmt: skip
    (row,) = rows.rows(pa.table(kinds))
    assert json.loads(json.dumps(row, allow_nan=False)) == {
        "map": {"a": None},
        "moments": {"1970-01-01T00:00:01Z": 2},
        "points": {'{"x": 1}': None},
        "list": [{"at": "1970-01-01T00:00:01Z", "id": "ff"}],
        "text": "x",
        "took": 1.5,
        "day": "1970-01-01",
        "odd": "Infinity",
        "attributes": {"i": 1, "d": "-Infinity", "y": "ff", "a": [1]},
        "attribute_types": "idya",
        "resource_attributes": {"i": "1"},
        "resource_attribute_types": "?!",
        "far": f"{2**62} s",
    }


def test_json_moves_no_cursor():
    row = {"name": "a\x1b[2J\x9b日\u2028\U0001d173"}
    line = rows.document(row)
    assert line == '{"name": "a\\u001b[2J\\u009b日\\u2028\\ud834\\udd73"}'
    assert json.loads(line) == row


def test_a_head_moves_no_cursor():
    odd = pa.table({"a\x1b[2J": ["b\x9b"]})
    assert list(table.lines(odd.schema, [odd], 80)) == ["a\\u001b[2J", "b\\u009b"]


@pytest.mark.parametrize(("shown", "want"), [(True, "a\\u009b\nb\\u001b[2J\n"), (False, "a\x9b\nb\x1b[2J\n")])
def test_csv_moves_no_cursor(monkeypatch, capsys, shown, want):
    odd = pa.table({"a\x9b": ["b\x1b[2J"]})
    monkeypatch.setattr("sys.stdout.isatty", lambda: shown)
    output.write("csv", odd.schema, [odd], output.sys.stdout.buffer)
    assert capsys.readouterr().out == want


def test_a_table_fits():
    some = pa.table(
        {
            "time_unix_nano": pa.array([1_700_000_000_123_456_789], pa.timestamp("ns", tz="UTC")),
            "duration_nano": pa.array([12_345_678], pa.int64()),
            "name": ["a long name of something\n"],
            "text": ["日本語のテキスト" * 3],
        }
    )
    wide = list(table.lines(some.schema, [some], 200))
    assert wide[1].startswith("2023-11-14 22:13:20.123        12.3 ms  a long name of something\\n  日本語")
    narrow = list(table.lines(some.schema, [some, some], 70, colours=True))
    assert len(narrow) == 3
    assert narrow[0].startswith("\x1b[1mtime_unix_nano")
    assert all(text.columns(line) <= 70 for line in narrow[1:])
    assert narrow[1].startswith("2023-11-14 22:13:20.123        12.3 ms  a long")
    assert "…" in narrow[1]
    assert list(table.lines(some.schema, [], 5)) == ["time_unix_nano  duration_nano  name  text"]
