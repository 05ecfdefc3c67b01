import json
import threading

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import otlp_arrow
from otlp_arrow import ConfigError, InvalidDataError, cli, convert


@pytest.fixture
def source(tmp_path, trace_request):
    """A file as the Collector's file exporter writes it in protobuf, of five spans."""
    body = trace_request(*"abcde")
    path = tmp_path / "traces.pb"
    path.write_bytes(len(body).to_bytes(4, "big") + body)
    return path


def test_parquet_opens_in_pyarrow_and_duckdb(source, tmp_path):
    done = convert(source, tmp_path / "t.parquet", promote=["http"])
    assert (done.source_format, done.format, done.signal, done.messages) == (
        "otlp_proto",
        "parquet",
        "traces",
        1,
    )
    assert done.bytes_written == (tmp_path / "t.parquet").stat().st_size
    table = pq.read_table(tmp_path / "t.parquet")
    assert table.column("name").to_pylist() == list("abcde")
    assert table.schema.field("start_time_unix_nano").type == pa.timestamp("ns", tz="UTC")
    assert dict(table.column("attributes")[1].as_py()) == {"http.route": "/b"}
    assert table.column("http_route").to_pylist()[2] == "/c"
    found = duckdb.sql(
        f"select name, attributes['http.route'], duration_nano "
        f"from '{tmp_path / 't.parquet'}' where service_name = 'shop'"
    ).fetchall()
    assert found == [(name, f"/{name}", 1000) for name in "abcde"]


def test_parquet_that_pyarrow_writes_comes_back(source, tmp_path, trace_request):
    convert(source, tmp_path / "a.arrows", compression="zstd")
    with pa.ipc.open_stream(tmp_path / "a.arrows") as stream:
        table = stream.read_all()
    pq.write_table(table, tmp_path / "b.parquet")
    convert(tmp_path / "b.parquet", tmp_path / "c.pb", format="otlp_proto_message")
    want, got = ExportTraceServiceRequest(), ExportTraceServiceRequest()
    want.ParseFromString(trace_request(*"abcde"))
    got.ParseFromString((tmp_path / "c.pb").read_bytes())
    assert [s.name for s in got.resource_spans[0].scope_spans[0].spans] == list("abcde")
    assert got.resource_spans[0].resource == want.resource_spans[0].resource


def test_errors_have_their_kind_and_place(source, tmp_path):
    (tmp_path / "cut.json").write_text('{"resourceSpans":[]}\n{"resourceSpans":[')
    with pytest.raises(InvalidDataError, match=r"cut\.json: line 2: the document is cut short"):
        convert(tmp_path / "cut.json", tmp_path / "x.pb")
    with pytest.raises(ConfigError, match="it is there already; force replaces it"):
        convert(source, source)
    with pytest.raises(ConfigError, match='format "xml"'):
        convert(source, tmp_path / "x", format="xml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.json", "traces.pb"]


def test_progress_and_what_it_raises(source, tmp_path):
    seen = []
    convert(source, tmp_path / "a.json", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (source.stat().st_size,) * 2

    def fail(done, total):
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        convert(source, tmp_path / "b.json", progress=fail)


def test_interrupting_stops_the_work(source, tmp_path, core, monkeypatch):
    from otlp_arrow import _convert, _handle

    answers = []

    def endless(request, progress):
        while progress(1, 2):
            pass
        answers.append("stopped")
        raise otlp_arrow.DeadlineError("cancelled")

    def interrupt(event, timeout=None, wait=threading.Event.wait):
        if timeout == _handle.SLICE:
            raise KeyboardInterrupt
        return wait(event, timeout)

    monkeypatch.setattr(_convert, "_convert", endless)
    monkeypatch.setattr(threading.Event, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        convert(source, tmp_path / "b.json")
    assert answers == ["stopped"]


def test_the_command(source, tmp_path, capsys):
    target = tmp_path / "a.json.gz"
    assert cli.main(["convert", str(source), str(target), "--signal", "traces", "--promote", "http,db"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(
        "otlp_proto -> otlp_json: 1 messages of traces, 0 of other signals skipped, "
    )
    assert captured.err == ""
    assert cli.main(["convert", str(target), str(tmp_path / "b.json")]) == 0
    document = json.loads((tmp_path / "b.json").read_text())
    assert document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] == "74" * 16
    assert cli.main(["convert", str(source), str(target)]) == 2
    assert cli.main(["convert", str(tmp_path / "none"), str(tmp_path / "c.pb")]) == 1


def test_otap_and_what_it_cannot_carry(source, tmp_path, capsys):
    done = convert(source, tmp_path / "a.otap")
    assert (done.format, done.messages, done.lost) == ("otap", 1, {})
    back = convert(tmp_path / "a.otap", tmp_path / "a.parquet")
    assert (back.source_format, back.signal, back.messages) == ("otap", "traces", 1)
    assert pq.read_table(tmp_path / "a.parquet").column("name").to_pylist() == list("abcde")
    attributes = [{"key": "a", "value": {"intValue": n}} for n in "12"]
    line = {"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": attributes}]}]}]}
    (tmp_path / "b.json").write_text(json.dumps(line))
    assert convert(tmp_path / "b.json", tmp_path / "b.otap").lost == {"duplicate_keys": 1}
    assert cli.main(["convert", str(tmp_path / "b.json"), str(tmp_path / "b.otap"), "--force"]) == 0
    assert capsys.readouterr().err == "otap cannot carry all of it; left out: duplicate_keys 1\n"
