"""End to end, through the native library."""

from __future__ import annotations

import json
import logging
import pickle
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

import otlp_arrow
from otlp_arrow import (
    ClosedError,
    ConfigError,
    InvalidDataError,
    IoError,
    OtlpLibrary,
    empty_table,
    read_traces,
)
from otlp_arrow.library import LONG_REQUEST


def send(exporter, *names):
    """Sends spans as an application would."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    for name in names:
        with tracer.start_as_current_span(name, attributes={"http.route": f"/{name}"}):
            pass
    provider.shutdown()


def check(library, *names):
    table = library.traces(service="shop")
    assert sorted(table["name"].to_pylist()) == sorted(names)
    routes = pc.map_lookup(table["attributes"], "http.route", "first").to_pylist()
    assert sorted(routes) == sorted(f"/{name}" for name in names)


def test_spans_of_the_sdk_by_grpc(library):
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    send(OTLPSpanExporter(endpoint=f"http://{library.endpoints.otlp_grpc}", insecure=True), "cart", "pay")
    check(library, "cart", "pay")


def test_spans_of_the_sdk_by_http(library):
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    send(OTLPSpanExporter(endpoint=f"http://{library.endpoints.otlp_http}/v1/traces"), "cart", "pay")
    check(library, "cart", "pay")


def test_requests_become_rows(library, trace_request, tmp_path):
    start = 1_700_000_000_000_000_000
    library.export_traces(trace_request("a", "b", service="x"))
    library.export_traces(bytearray(trace_request("c", service="y")))
    assert library.traces()["name"].to_pylist() == ["a", "b", "c"]
    assert library.traces(since=start + 1, service="x")["name"].to_pylist() == ["b"]
    assert library.traces(columns=["name"], dictionaries=True).schema.names == ["name"]
    library.close()
    assert read_traces(tmp_path)["name"].to_pylist() == ["a", "b", "c"]


def test_logs_become_rows(library):
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add(observed_time_unix_nano=5)
    record.body.string_value = "hello"
    library.export_logs(request.SerializeToString())
    assert library.logs(since=5, until=6)["body"].to_pylist() == ["hello"]
    assert library.logs(since=6).num_rows == 0


def test_metrics_become_rows(library):
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="requests")
    metric.sum.data_points.add(time_unix_nano=5, as_int=3)
    library.export_metrics(request.SerializeToString())
    assert library.metrics(since=5)["value_int"].to_pylist() == [3]


def test_a_malformed_request_leaves_no_trace(library):
    with pytest.raises(InvalidDataError):
        library.export_traces(b"\x0a\xff")
    assert library.traces().num_rows == 0


@pytest.mark.parametrize("signal_name", ["traces", "logs", "metrics"])
def test_no_files_give_the_columns_of_the_signal(library, signal_name):
    table = getattr(library, signal_name)()
    assert table.num_rows == 0
    assert table.schema == empty_table(signal_name).schema
    assert table.schema.field("service_name").type == pa.utf8()
    stored = empty_table(signal_name, dictionaries=True).schema
    assert pa.types.is_dictionary(stored.field("service_name").type)


def test_only_asked_for_listeners_open(tmp_path):
    with OtlpLibrary(output_dir=tmp_path) as library:
        assert set(vars(library.endpoints).values()) == {None}
    with OtlpLibrary(output_dir=tmp_path, otlp_http="127.0.0.1:0", otlp_grpc=None) as library:
        assert library.endpoints.otlp_grpc is None
        assert int(library.endpoints.otlp_http.rpartition(":")[2]) > 0


def test_a_long_request_is_as_any_other(library, trace_request):
    long = trace_request(*(f"{number:030000}" for number in range(200)))
    assert len(long) > LONG_REQUEST
    library.export_traces(long)
    with pytest.raises(InvalidDataError, match="traces"):
        library.export_traces(long[:-1])
    assert library.traces(columns=[]).num_rows == 200


def test_health_and_metrics(tmp_path, trace_request):
    def page(address, path):
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.read().decode()

    with OtlpLibrary(output_dir=tmp_path, health="127.0.0.1:0", metrics="127.0.0.1:0") as library:
        assert (library.endpoints.otlp_grpc, library.endpoints.otlp_http) == (None, None)
        library.export_traces(trace_request("a"))
        status = json.loads(page(library.endpoints.health, "/healthz"))
        assert (status["status"], status["reasons"], status["version"]) == ("ok", [], otlp_arrow.__version__)
        metrics = page(library.endpoints.metrics, "/metrics").splitlines()
        name = "otlp_arrow_receiver_accepted_requests_total"
        assert f'{name}{{signal="traces",transport="library"}} 1' in metrics
        with pytest.raises(ConfigError, match=r"health\.endpoint: .* is in use"):
            OtlpLibrary(output_dir=tmp_path, health=library.endpoints.health)


def test_a_mapping_with_an_endpoint_opens_the_listener(tmp_path):
    closed = {"endpoint": "127.0.0.1:0", "enabled": False}
    with OtlpLibrary(output_dir=tmp_path, otlp_http={"endpoint": "127.0.0.1:0"}, otlp_grpc=closed) as library:
        assert library.endpoints.otlp_http
        assert library.endpoints.otlp_grpc is None


def test_closing_is_told_and_may_be_repeated(library, trace_request, tmp_path):
    assert repr(library).startswith(f"<OtlpLibrary open output_dir='{tmp_path}' otlp_grpc=127.0.0.1:")
    library.close()
    library.close()
    assert library.closed
    assert "closed" in repr(library)
    for act in (library.flush, library.traces, lambda: library.export_traces(trace_request("a"))):
        with pytest.raises(ClosedError):
            act()


def test_every_fault_of_a_configuration_is_told(tmp_path):
    with pytest.raises(ConfigError) as caught:
        OtlpLibrary(output_dir=tmp_path, write_interval_secs=0, colour="red")
    assert "write_interval_secs" in str(caught.value)
    assert "colour" in str(caught.value)
    assert len(caught.value.faults) == 2


def test_a_port_in_use_is_told(library, tmp_path):
    with pytest.raises(ConfigError, match=r"otlp_grpc.endpoint: .* is in use"):
        OtlpLibrary(output_dir=tmp_path / "other", otlp_grpc=library.endpoints.otlp_grpc)


def test_settings_come_from_file_environment_and_keywords(monkeypatch, tmp_path):
    (tmp_path / "c.yaml").write_text(f"output_dir: {tmp_path}/file\nwrite_interval_secs: 7\n")
    with OtlpLibrary(config_file=tmp_path / "c.yaml") as library:
        assert library.output_dir == tmp_path / "file"
    monkeypatch.setenv("OTLP_OUTPUT_DIR", str(tmp_path / "environment"))
    with OtlpLibrary(config_file=tmp_path / "c.yaml") as library:
        assert library.output_dir == tmp_path / "environment"
    with OtlpLibrary(config_file=tmp_path / "c.yaml", output_dir=tmp_path / "keyword") as library:
        assert library.output_dir == tmp_path / "keyword"


def test_a_relative_directory_stays_where_it_was(monkeypatch, tmp_path, trace_request):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with OtlpLibrary(output_dir="here") as library:
        library.export_traces(trace_request("before"))
        library.flush()
        monkeypatch.chdir(tmp_path / "elsewhere")
        library.export_traces(trace_request("after"))
        assert library.traces()["name"].to_pylist() == ["before", "after"]
    assert len(list((tmp_path / "here" / "otlp" / "traces").iterdir())) == 1


def test_logs_of_the_core_reach_logging(caplog, tmp_path):
    caplog.set_level(logging.DEBUG, "otlp_arrow.core")
    with OtlpLibrary(output_dir=tmp_path, otlp_http="127.0.0.1:0", log={"level": "debug"}):
        deadline = time.monotonic() + 5
        while not caplog.records and time.monotonic() < deadline:
            time.sleep(0.05)
    assert caplog.records


def run(code, *arguments, **options):
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def test_a_forked_child_gets_a_clear_error(tmp_path):
    code = """
import os, sys
from otlp_arrow import ForkedError, OtlpLibrary
library = OtlpLibrary(output_dir=sys.argv[1])
if not (child := os.fork()):
    for act in (library.flush, library.traces, lambda: OtlpLibrary(output_dir=sys.argv[1])):
        try:
            act()
        except ForkedError as error:
            print(error, flush=True)
    print(library, flush=True)
    library.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
library.flush()
library.close()
"""
    done = run(code, tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert "its forked child" in lines[0]
    assert "does not survive a fork" in lines[2]
    assert "inherited" in lines[3]


def test_a_child_that_opens_first_is_fine(tmp_path):
    code = """
import os, sys
from otlp_arrow import OtlpLibrary
if not (child := os.fork()):
    with OtlpLibrary(output_dir=sys.argv[1]) as library:
        library.flush()
    os._exit(0)
sys.exit(os.waitpid(child, 0)[1])
"""
    done = run(code, tmp_path)
    assert done.returncode == 0, done.stderr


def test_an_open_library_is_closed_at_exit(tmp_path, trace_request):
    code = """
import sys
from otlp_arrow import OtlpLibrary
library = OtlpLibrary(output_dir=sys.argv[1], write_interval_secs=3600)
library.export_traces(bytes.fromhex(sys.argv[2]))
"""
    done = run(code, tmp_path, trace_request("late").hex())
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert read_traces(tmp_path)["name"].to_pylist() == ["late"]


def test_ctrl_c_ends_a_wait(tmp_path):
    code = """
import ctypes, sys
from otlp_arrow import OtlpLibrary, _abi, _handle


def never(call, ms):  # blocks in the core, as a flush does that has much to write
    return call.run("oa_log_next", library._handle._id, ms, ctypes.byref(call.out)) or _abi.TIMEOUT

with OtlpLibrary(output_dir=sys.argv[1]) as library:
    print("waiting", flush=True)
    try:
        _handle._wait("flush", None, never)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout.readline() == "waiting\n"
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=10)
        finally:
            process.kill()
    assert out == "interrupted\n"
    assert process.returncode == 0


def test_two_libraries_share_a_directory(tmp_path, trace_request):
    with OtlpLibrary(output_dir=tmp_path) as one, OtlpLibrary(output_dir=tmp_path) as two:
        one.export_traces(trace_request("one"))
        two.export_traces(trace_request("two"))
        one.flush()
        assert sorted(two.traces()["name"].to_pylist()) == ["one", "two"]


def test_the_table_is_json_ready(library, trace_request):
    library.export_traces(trace_request("a"))
    row = library.traces(columns=["name", "service_name", "attributes"]).to_pylist()
    assert json.loads(json.dumps(row)) == [
        {"name": "a", "service_name": "shop", "attributes": [["http.route", "/a"]]}
    ]


def test_a_failed_write_is_tried_until_it_goes_well(tmp_path, trace_request):
    with OtlpLibrary(output_dir=tmp_path) as library:
        directory = tmp_path / "otlp" / "traces"
        if directory.exists():
            directory.rmdir()
        directory.write_text("in the way")
        library.export_traces(trace_request("late"))
        with pytest.raises(IoError):
            library.flush(timeout=0.5)
        with pytest.raises(IoError):
            library.close(timeout=0.2)
        assert not library.closed
        directory.unlink()
    assert library.closed
    assert read_traces(tmp_path)["name"].to_pylist() == ["late"]


def test_data_that_cannot_be_written_at_exit_is_told(tmp_path, trace_request):
    code = """
import pathlib, sys
from otlp_arrow import OtlpLibrary
library = OtlpLibrary(output_dir=sys.argv[1])
library.export_traces(bytes.fromhex(sys.argv[2]))
directory = pathlib.Path(sys.argv[1], "otlp", "traces")
if directory.exists():
    directory.rmdir()
directory.write_text("in the way")
library.close.__func__.__defaults__ = (0.3,)
"""
    done = run(code, tmp_path, trace_request("lost").hex())
    assert done.returncode == 0
    assert "closed at exit, may have lost data" in done.stderr


FORK = """
import os, socket, sys
from otlp_arrow import OtlpLibrary
address = sys.argv[1] if sys.argv[1].startswith("unix:") else sys.argv[1] + ":0"
library = OtlpLibrary(output_dir=sys.argv[2], otlp_http=address, otlp_grpc="127.0.0.1:0")
endpoint = library.endpoints.otlp_http
if address.startswith("unix:"):
    client = socket.socket(socket.AF_UNIX)
    client.connect(endpoint.removeprefix("unix:"))
else:
    host, _, port = endpoint.rpartition(":")
    client = socket.create_connection((host.strip("[]"), int(port)))
client.settimeout(10)
client.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
assert client.recv(4) == b"HTTP"  # so it was accepted
while len(client.recv(65536)) == 65536:
    pass
mine = socket.create_server(("127.0.0.1", 0))  # the application's own, which stays
gone, told = os.pipe()
if not (child := os.fork()):
    os.close(told)
    assert mine.getsockname()
    os.read(gone, 1)
    os._exit(0)
library.close()
with OtlpLibrary(output_dir=sys.argv[2], otlp_http=endpoint, otlp_grpc=library.endpoints.otlp_grpc):
    pass  # the ports are free though the child lives
assert client.recv(1) == b""  # nor does the child hold connections
os.close(told)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]", "unix:"])
def test_a_forked_child_holds_no_ports(tmp_path, address):
    if address == "[::1]" and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    done = run(FORK, address + (f"{tmp_path}/s" if address == "unix:" else ""), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_library_that_nobody_holds_is_closed(tmp_path, trace_request):
    library = OtlpLibrary(output_dir=tmp_path, otlp_http="127.0.0.1:0", write_interval_secs=3600)
    address = library.endpoints.otlp_http
    library.export_traces(trace_request("kept"))
    held = [library]
    del library
    with pytest.warns(ResourceWarning, match="unclosed otlp_arrow library"):
        held.clear()
    assert read_traces(tmp_path)["name"].to_pylist() == ["kept"]
    with OtlpLibrary(output_dir=tmp_path, otlp_http=address):
        pass


def test_a_library_cannot_be_pickled(library):
    with pytest.raises(TypeError, match="give another one library"):
        pickle.dumps(library)


def test_two_libraries_in_one_process_are_apart(tmp_path, trace_request):
    with (
        OtlpLibrary(output_dir=tmp_path / "one", otlp_http="127.0.0.1:0") as one,
        OtlpLibrary(output_dir=tmp_path / "two", otlp_http="127.0.0.1:0") as two,
    ):
        assert one.endpoints != two.endpoints
        one.export_traces(trace_request("one"))
        one.close()
        two.export_traces(trace_request("two"))
        assert two.traces()["name"].to_pylist() == ["two"]
    assert read_traces(tmp_path / "one")["name"].to_pylist() == ["one"]
