"""SQL over files, by DuckDB."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from otlp_arrow import ConfigError, InvalidDataError, OtlpLibrary, sql
from otlp_arrow._read import scan as _scan
from otlp_arrow._read import sql as _sql
from otlp_arrow._read.files import find
from otlp_arrow._read.ipc import group_at

HOUR = 3_600_000_000_000


@pytest.fixture
def out(write, spans):
    write(spans(1, 1_000, HOUR + 999, service="shop"), seq=1)
    return write(spans(2 * HOUR, None, service="db", http_route="/x"), seq=2)


def rows(query, parameters=None, *, source):
    return [tuple(row.values()) for row in sql(query, parameters, source=source).to_pylist()]


def test_a_query_gives_a_table(out):
    table = sql("select service_name, count(*) as n from traces group by all order by all", source=out)
    assert isinstance(table, pa.Table)
    assert table.to_pylist() == [{"service_name": "db", "n": 2}, {"service_name": "shop", "n": 3}]
    assert sql("SELECT count(*) FROM Traces", source=out)[0].to_pylist() == [5]
    assert rows("select 1 + 1", source=out) == [(2,)]


def test_a_source_that_can_be_read_once(out, write, spans):
    write(spans(1, 2), signal="logs")
    query = "select (select count(*) from traces), (select count(*) from logs)"
    assert rows(query, source=iter([out])) == rows(query, source=[out]) == [(5, 2)]


def test_times_suit_date_functions(out):
    hours = rows(
        "select hour(date_trunc('hour', start_time)) as h, count(*) from traces group by h order by h",
        source=out,
    )
    assert hours == [(0, 2), (1, 1), (2, 1), (None, 1)]
    query = "select start_time from traces where start_time >= '1970-01-01 01:00:00+00' order by 1"
    assert sql(query, source=out)[0].cast(pa.int64()).to_pylist() == [HOUR // 1000, 2 * HOUR // 1000]
    exact = sql("select max(start_time_unix_nano) from traces where service_name = 'shop'", source=out)[0]
    assert exact.cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_pylist() == [HOUR + 999]


def test_from_another_thread(out):
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(rows, "select count(*) from traces", source=out).result() == [(5,)]


@pytest.mark.parametrize(
    ("nanos", "micros"),
    [
        (-1500, "1969-12-31 23:59:59.999999"),
        (-999, "1970-01-01 00:00:00"),
        (1500, "1970-01-01 00:00:00.000001"),
    ],
)
def test_parts_of_a_microsecond(tmp_path, trace_request, nanos, micros):
    """A batch's bounds become microseconds as its rows do, also before 1970."""
    with OtlpLibrary(output_dir=tmp_path) as library:
        library.export_traces(trace_request("a", start=nanos))
    for where in ("=", ">=", "<="):
        query = f"select name from traces where start_time {where} '{micros}+00'"
        assert rows(query, source=tmp_path) == [("a",)], where


def test_parameters(out):
    query = "select name from traces where service_name = ? and name is not null order by name"
    assert rows(query, ["db"], source=out) == [(f"span {2 * HOUR}",)]
    assert rows("select $a + $b", {"a": 1, "b": 2}, source=out) == [(3,)]


@pytest.mark.parametrize(
    "where",
    [
        "service_name = 'shop'",
        "service_name in ('db', 'none')",
        "http_route is null",
        "http_route = '/x' or name = 'span 1'",
        "name like 'span 1%'",
        "start_time_unix_nano is null",
        "attributes['k'] = 'v1'",
        "start_time < '1970-01-01 00:30:00+00' and service_name > 'a'",
        "not (service_name = 'shop')",
        "events[1].name = 'e'",
    ],
)
def test_filters_give_what_they_give_on_a_whole_table(out, where):
    import duckdb

    whole = _sql.SignalDataset("traces", list(find("traces", out)), b"").scanner().to_reader().read_all()
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("traces", whole)
        expected = connection.sql(f"select name from traces where {where} order by name").fetchall()
    assert 0 < len(expected) < 5 or "events" in where
    assert rows(f"select name from traces where {where} order by name", source=out) == expected


def test_only_what_a_query_needs_is_read(out, monkeypatch):
    read = []
    really = _sql.scan
    monkeypatch.setattr(_sql, "scan", lambda parts, want: (read.append(want.columns), really(parts, want))[1])
    rows("select name from traces where start_time > '1970-01-01 00:30:00+00'", source=out)
    rows("select count(*) from traces", source=out)
    assert read[0] == ("start_time_unix_nano", "name")
    assert len(read[1]) == 1


def test_batches_without_rows_for_a_query_are_not_read(tmp_path, trace_request, monkeypatch):
    decoded = []
    really = _scan.decode

    def decode(stream, ranges, selection):
        for place, end in ranges:
            while place < end:
                decoded.append(place)
                place = group_at(stream.view, place).end
        return really(stream, ranges, selection)

    monkeypatch.setattr(_scan, "decode", decode)
    with OtlpLibrary(output_dir=tmp_path) as library:
        for number, service in enumerate(("a", "b", "c")):
            start = 1_700_000_000_000_000_000 + number * HOUR
            library.export_traces(trace_request(f"span {number}", service=service, start=start))
            library.flush()
    day = "2023-11-14 "
    for where, names, batches in (
        ("true", ["span 0", "span 1", "span 2"], 3),
        (f"start_time >= '{day}23:00:00+00'", ["span 1", "span 2"], 2),
        (f"start_time < '{day}22:13:20+00'", [], 0),
        (f"start_time <= '{day}22:13:20+00'", ["span 0"], 1),
        (f"start_time between '{day}23:00:00+00' and '{day}23:30:00+00'", ["span 1"], 1),
        ("start_time is null", [], 0),
        ("service_name = 'b'", ["span 1"], 1),
        ("service_name in ('a', 'c') and name > 'span 0'", ["span 2"], 2),
        ("service_name is null", [], 0),
        (f"service_name = 'b' or start_time > '{day}23:30:00+00'", ["span 1", "span 2"], 3),
        ("service_name <> 'a'", ["span 1", "span 2"], 2),
    ):
        decoded.clear()
        assert rows(f"select name from traces where {where} order by name", source=tmp_path) == [
            (name,) for name in names
        ], where
        assert len(decoded) == batches, where


def test_all_signals_of_a_library(library: OtlpLibrary, trace_request):
    library.export_traces(trace_request("a", "b"))
    query = """select t.name, l.n, m.n from traces t, (select count(*) as n from logs) l,
        (select count(*) as n from metrics) m order by t.name"""
    table = library.sql(query)
    assert [tuple(row) for row in zip(*(c.to_pylist() for c in table.columns), strict=True)] == [
        ("a", 0, 0),
        ("b", 0, 0),
    ]
    library.export_traces(trace_request("c"))
    assert library.sql("select name from traces where name = ?", ["c"]).num_rows == 1
    assert "time" in library.sql("select * from logs").schema.names


def test_errors(out):
    with pytest.raises(ConfigError, match=r"DuckDB: .+selekt"):
        sql("selekt 1", source=out)
    for name in ("spans", "signals", "out"):  # the last two are variables here and there
        with pytest.raises(ConfigError, match="the tables are traces, logs and metrics"):
            sql(f"select * from {name}", source=out)
    with pytest.raises(ConfigError, match="nam"):
        sql("select nam from traces", source=out)
    with pytest.raises(ConfigError, match="no result"):
        sql("", source=out)
    damaged = sorted((out / "otlp" / "traces").iterdir())[1]
    damaged.write_bytes(damaged.read_bytes()[:-90])
    with pytest.raises(InvalidDataError, match=r"_2.arrows .+ is damaged"):
        sql("select name from traces", source=out)


def test_without_duckdb(out):
    code = """if True:
        import sys
        sys.modules["duckdb"] = None
        from otlp_arrow import ConfigError, sql
        try:
            sql("select 1", source=sys.argv[1])
        except ConfigError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", code, str(out)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "duckdb is not installed: pip install 'otlp-arrow[duckdb]'\n"


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("table", ["range(1000000000000) a, range(1000) b", "traces"])
def test_ctrl_c_ends_a_query(out, table):
    """While DuckDB computes, and while it reads files without end."""
    code = """if True:
        import itertools, sys
        from otlp_arrow._read import sql as _sql
        from otlp_arrow import sql
        print(sql("select 1", source=sys.argv[1]).num_rows, flush=True)
        really = _sql.scan
        def scan(parts, selection):
            yield from itertools.cycle(list(really(parts, selection)))
        _sql.scan = scan
        try:
            print("ready", flush=True)
            sql(sys.argv[2], source=sys.argv[1])
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    query = f"select count(*) from {table} where random() >= 0"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(out), query], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "1\n"
        assert process.stdout.readline() == "ready\n"
        threading.Timer(0.2, process.send_signal, [signal.SIGINT]).start()
        assert process.stdout.readline() == "interrupted\n"
        process.kill()
