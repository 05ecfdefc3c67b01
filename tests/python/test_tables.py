import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from otlp_arrow import ConfigError, InvalidDataError, IoError, read_logs, read_metrics, read_traces, tables
from otlp_arrow._read import plain as _plain
from otlp_arrow._read import scan as _scan
from otlp_arrow._read.select import Selection, nanoseconds


def starts(table):
    return table["start_time_unix_nano"].cast(pa.int64()).to_pylist()


def test_a_directory_is_read_oldest_file_first(write, spans):
    write(spans(30), seq=10)
    out = write(spans(10), spans(20), seq=9)
    for source in (out, out / "otlp", out / "otlp" / "traces", str(out)):
        assert starts(read_traces(source)) == [10, 20, 30]


def test_files_and_lists_are_read_in_their_order(write, spans):
    out = write(spans(1), seq=1)
    write(spans(2), seq=2)
    first, second = sorted((out / "otlp" / "traces").iterdir())
    assert starts(read_traces(second)) == [2]
    assert starts(read_traces([second, first])) == [2, 1]


def test_text_is_plain_by_default(write, spans):
    table = read_traces(write(spans(1, 2, None)))
    table.validate(full=True)
    assert table.schema.field("name").type == pa.utf8()
    assert table.schema.field("attributes").type == pa.map_(pa.utf8(), pa.utf8())
    assert table["name"].to_pylist() == ["span 1", "span 2", None]
    assert table["attributes"].to_pylist()[1] == [("k", "v1"), ("n", None)]
    assert table["events"].to_pylist()[2] == [{"name": "e", "attributes": [("k", "v2"), ("n", None)]}]
    assert pc.map_lookup(table["attributes"], "k", "first").to_pylist() == ["v0", "v1", "v2"]
    assert table.group_by("service_name").aggregate([([], "count_all")]).to_pylist() == [
        {"service_name": "shop", "count_all": 3}
    ]
    other = pa.table({"service_name": ["shop"], "team": ["a"]})
    assert table.select(["service_name"]).join(other, "service_name")["team"].to_pylist() == ["a"] * 3


def test_dictionaries_stay_on_request(write, spans):
    batch = spans(1, 2)
    table = read_traces(write(batch), dictionaries=True)
    assert table.schema == batch.schema
    assert table.equals(pa.table(batch))


@pytest.mark.parametrize("dictionaries", [True, False])
def test_time_filter_is_half_open(write, spans, dictionaries):
    out = write(spans(1, 2), spans(3, None, 4))
    assert starts(read_traces(out, since=2, until=4, dictionaries=dictionaries)) == [2, 3]
    assert starts(read_traces(out, since=3)) == [3, 4]
    assert starts(read_traces(out, until=-(2**70))) == []
    assert read_traces(out, since=100).schema == read_traces(out).schema


def test_nested_values_survive_a_filter(write, spans):
    table = read_traces(write(spans(1, 2, 3)), since=2, until=3)
    table.validate(full=True)
    assert table["attributes"].to_pylist() == [[("k", "v1"), ("n", None)]]


def test_a_slice_is_made_plain(spans):
    for name in ("attributes", "events"):
        column = pa.chunked_array([spans(1, 2, 3).slice(1, 1).column(name)])
        (value,) = _plain.plain(column, _plain.plain_type(column.type)).to_pylist()
        attributes = value if name == "attributes" else value[0]["attributes"]
        assert attributes == [("k", "v1"), ("n", None)]


def test_null_structs_and_lists_stay_null():
    text = pa.array(["a", "b"]).dictionary_encode()
    struct = pa.StructArray.from_arrays([text], names=["x"], mask=pa.array([True, False]))
    kind = pa.list_(pa.field("item", pa.dictionary(pa.int32(), pa.utf8())))
    listed = pa.array([None, [], ["a", None]], kind)
    for column, values in ((struct, [None, {"x": "b"}]), (listed, [None, [], ["a", None]])):
        made = _plain.plain(pa.chunked_array([column]), _plain.plain_type(column.type))
        made.validate(full=True)
        assert made.to_pylist() == values


def test_text_over_2_gib_is_split_into_chunks(monkeypatch):
    class Large(list):
        """A chunk whose text fits into one only when it has at most two rows; and a column of it."""

        chunks = property(lambda self: [self])

        def slice(self, start, length=None):
            return Large(self[start : None if length is None else start + length])

        def cast(self, kind):
            if len(self) > 2:
                raise pa.ArrowInvalid("overflowed binary array capacity")
            return pa.array(self, kind)

    monkeypatch.setattr(_plain, "_cut", lambda chunk: chunk)
    made = _plain.plain(Large("abcdefg"), pa.utf8())
    assert made.to_pylist() == list("abcdefg")
    assert made.num_chunks == 4
    with pytest.raises(pa.ArrowInvalid):
        _plain.plain(pa.chunked_array([["a"]]), pa.int32())


def test_a_slice_is_cut_to_its_own(spans):
    cut = _plain._cut(spans(1, 2, 3).column("attributes").slice(1, 1))
    assert len(cut.keys) == 2
    assert cut.to_pylist() == [[("k", "v1"), ("n", None)]]


def test_small_batches_become_one_chunk(write, spans):
    table = read_traces(write(*[spans(n) for n in range(50)]))
    table.validate(full=True)
    assert {column.num_chunks for column in table.columns} == {1}
    assert starts(table) == list(range(50))


def test_groups_keep_the_order(write, spans, monkeypatch):
    monkeypatch.setattr(_scan, "_ROWS", 3)
    for seq in range(1, 6):
        out = write(*[spans(10 * seq + n, 10 * seq + n) for n in range(5)], seq=seq)
    assert starts(read_traces(out)) == [10 * seq + n for seq in range(1, 6) for n in range(5) for _ in "ab"]
    assert starts(read_traces(out, since=23, until=31)) == [23, 23, 24, 24, 30, 30]
    monkeypatch.setattr(_scan, "_BYTES", 1)
    assert read_traces(out).num_rows == 50


def test_a_fault_on_the_way_names_its_file(write, spans, monkeypatch):
    out = write(spans(1), seq=1)
    write(spans(2), seq=2)

    def fail(self, table):
        if starts(table) == [2]:
            raise pa.ArrowInvalid("odd")
        return table

    monkeypatch.setattr(Selection, "apply", fail)
    with pytest.raises(InvalidDataError, match=r"_w1_2.arrows is no Arrow IPC stream, or is damaged: odd"):
        read_traces(out)


def test_an_atexit_hook_may_read(write, spans):
    code = """
import atexit, sys
from otlp_arrow import read_traces
atexit.register(lambda: print(read_traces(sys.argv[1]).num_rows))
"""
    command = [sys.executable, "-c", code, str(write(spans(1, 2)))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("2\n", "")


def test_no_columns_still_count_rows(write, spans):
    assert read_traces(write(spans(1, 2), spans(3)), columns=[]).num_rows == 3


@pytest.mark.parametrize("dictionaries", [True, False])
def test_service_filter(write, spans, dictionaries):
    out = write(spans(1, service="a"), spans(2, service="b"), spans(3, service="c"))
    options = {"dictionaries": dictionaries}
    assert starts(read_traces(out, service="b", **options)) == [2]
    assert starts(read_traces(out, service=["a", "c"], **options)) == [1, 3]
    assert starts(read_traces(out, service=[], **options)) == []
    assert starts(read_traces(out, service="c", since=3)) == [3]


def test_service_filter_on_plain_text():
    table = pa.table({"service_name": ["a", "b", None]})
    wanted = Selection.of("traces", None, None, "a", None, False)
    assert wanted.apply(table).to_pylist() == [{"service_name": "a"}]


def test_columns_are_cut_and_ordered(write, spans):
    out = write(spans(1, 2))
    table = read_traces(out, columns=["name", "service_name"], since=2)
    assert table.to_pylist() == [{"name": "span 2", "service_name": "shop"}]
    with pytest.raises(ConfigError, match="'nam' is in none of the files"):
        read_traces(out, columns=["nam"], since=1)
    with pytest.raises(ConfigError, match="want a list"):
        read_traces(out, columns="name")


def test_files_with_different_columns_become_one_table(write, spans):
    write(spans(1), seq=1)
    out = write(spans(2, http_route="/x"), seq=2)
    assert read_traces(out)["http_route"].to_pylist() == [None, "/x"]
    narrow = read_traces(out, columns=["start_time_unix_nano", "http_route"])
    assert narrow["http_route"].to_pylist() == [None, "/x"]
    assert read_traces(out, columns=["http_route"])["http_route"].to_pylist() == [None, "/x"]
    assert read_traces(out, columns=["http_route"], until=2)["http_route"].to_pylist() == [None]


def test_files_that_do_not_fit_are_told(write, spans):
    write(spans(1, http_status="200"), seq=1)
    out = write(spans(2, http_status=200), seq=2)
    with pytest.raises(InvalidDataError, match="do not fit together"):
        read_traces(out)


def test_logs_fall_back_to_the_observed_time(write):
    time = pa.timestamp("ns", tz="UTC")
    batch = pa.RecordBatch.from_pydict(
        {
            "time_unix_nano": pa.array([5, None, None], time),
            "observed_time_unix_nano": pa.array([1, 6, None], time),
            "body": ["a", "b", "c"],
        }
    )
    out = write(batch, signal="logs")
    assert read_logs(out, since=5)["body"].to_pylist() == ["a", "b"]
    assert read_logs(out, until=6)["body"].to_pylist() == ["a"]


def test_metrics_are_filtered_by_their_time(write):
    time = pa.timestamp("ns", tz="UTC")
    batch = pa.RecordBatch.from_pydict(
        {"start_time_unix_nano": pa.array([1, 1], time), "time_unix_nano": pa.array([5, 6], time)}
    )
    assert read_metrics(write(batch, signal="metrics"), since=6).num_rows == 1


@pytest.mark.parametrize("tail", [b"", b"\0" * 8, b"\0" * 1000, b"\0" * 8 + b"junk" * 100])
def test_a_file_in_any_state_is_read_to_its_last_whole_batch(write, spans, tail):
    assert starts(read_traces(write(spans(1), spans(2), tail=tail))) == [1, 2]


def test_a_length_bounds_the_file(write, spans):
    out = write(spans(1), tail=b"")
    path = next((out / "otlp" / "traces").iterdir())
    length = path.stat().st_size
    write(spans(1), spans(2), tail=b"")
    everything = Selection.of("traces", None, None, None, None, False)
    assert starts(tables.read_snapshot([(str(path), length, 0)], everything, bytes)) == [1]
    assert starts(tables.read_snapshot([(str(path), 2**40, 0)], everything, bytes)) == [1, 2]


def test_a_file_that_took_another_ones_place_is_read_whole(write, spans):
    out = write(spans(1), tail=b"")
    path = next((out / "otlp" / "traces").iterdir())
    listed = (str(path), path.stat().st_size, path.stat().st_ino)
    compacted = write(spans(1), spans(2), tail=b"")
    fresh = path.with_suffix(".fresh")
    fresh.write_bytes(next((compacted / "otlp" / "traces").iterdir()).read_bytes())
    fresh.replace(path)
    everything = Selection.of("traces", None, None, None, None, False)
    assert starts(tables.read_snapshot([listed], everything, bytes)) == [1, 2]
    same = (str(path), listed[1], path.stat().st_ino)
    assert starts(tables.read_snapshot([same], everything, bytes)) == [1]


def test_files_that_began_empty_or_vanish_are_left_out(write, spans, monkeypatch):
    out = write(spans(1))
    directory = out / "otlp" / "traces"
    (directory / "otlp_traces_20260102_030405_w1_2.arrows").write_bytes(b"")
    (directory / "otlp_traces_20260102_030405_w1_3.arrows").write_bytes(b"\0" * 4096)
    (directory / "otlp_traces_20260102_030405_w1_4.arrows").symlink_to(directory / "gone")
    (directory / "notes.txt").write_text("not ours")
    assert starts(read_traces(out)) == [1]


def test_a_missing_path_is_told(tmp_path):
    with pytest.raises(IoError, match=r"nothing.arrows does not exist") as caught:
        read_traces(tmp_path / "nothing.arrows")
    assert caught.value.errno == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all")
def test_an_unreadable_directory_is_told(tmp_path):
    tmp_path.chmod(0)
    try:
        with pytest.raises(IoError, match="cannot list"):
            read_traces(tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_damage_is_told_with_the_path(write, spans, tmp_path):
    (tmp_path / "odd.arrows").write_bytes(b"this is no Arrow file, but it is long enough" * 10)
    with pytest.raises(InvalidDataError, match=r"odd.arrows is no Arrow IPC stream"):
        read_traces(tmp_path / "odd.arrows")
    out = write(spans(1), tail=b"")
    path = next((out / "otlp" / "traces").iterdir())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InvalidDataError, match="damaged"):
        read_traces(out)


def test_a_file_of_another_signal_is_told(write, spans):
    out = write(spans(1))
    path = next((out / "otlp" / "traces").iterdir())
    with pytest.raises(InvalidDataError, match="holds no logs"):
        read_logs(path, since=1)


def test_an_empty_directory_is_an_empty_table(core, tmp_path, spans):
    schema = spans(1).schema
    sink = pa.BufferOutputStream()
    pa.ipc.new_stream(sink, schema).close()
    core.answers["oa_schema"] = (0, sink.getvalue().to_pybytes())
    table = read_traces(tmp_path)
    assert table.num_rows == 0
    assert table.schema == _plain.plain_schema(schema)
    assert read_traces(tmp_path, dictionaries=True).schema == schema
    assert read_traces(tmp_path, columns=["http_route", "name"]).schema.names == ["http_route", "name"]
    with pytest.raises(ConfigError, match="want traces, logs or metrics"):
        tables.empty_table("profiles")


def test_times():
    moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=2)))
    assert nanoseconds("since", moment) == 1767315845678901000
    assert nanoseconds("since", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)) == -(10**9)
    assert nanoseconds("since", None) is None
    assert nanoseconds("since", 2**80) == 2**63 - 1
    for odd in (True, 1.5, "2026-01-02"):
        with pytest.raises(ConfigError, match=f"until={odd!r}"):
            nanoseconds("until", odd)
    with pytest.raises(ConfigError, match="no time zone"):
        nanoseconds("until", datetime(2026, 1, 2))


def test_a_timestamp_of_pandas_keeps_its_nanoseconds():
    class Timestamp(datetime):
        value = 1767323045678901234

    assert nanoseconds("since", Timestamp(2026, 1, 2, tzinfo=UTC)) == Timestamp.value


@pytest.mark.parametrize(("year", "bound"), [("9999", 2**63 - 1), ("0001", -(2**63))])
def test_a_timestamp_of_pandas_beyond_nanoseconds_is_clamped(year, bound):
    pandas = pytest.importorskip("pandas")
    assert nanoseconds("until", pandas.Timestamp(f"{year}-01-01", tz="UTC")) == bound
    assert nanoseconds("until", datetime(int(year), 1, 1, tzinfo=UTC)) == bound
