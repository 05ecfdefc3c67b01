"""MockOtlpService: what came as objects and tables, waiting, faults, its end."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import warnings
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from otlp_arrow import (
    ClosedError,
    ConfigError,
    DeadlineError,
    NotReceivedError,
    OtlpArrowError,
    empty_table,
    read_traces,
    testing,
)
from otlp_arrow.testing import Counts, MockOtlpService, Requests

START = 1_700_000_000_000_000_123


@pytest.fixture
def service():
    with MockOtlpService() as service:
        yield service


def post(service: MockOtlpService, signal: str, body: bytes, kind: str = "application/x-protobuf") -> bytes:
    request = urllib.request.Request(
        f"http://{service.endpoints.otlp_http}/v1/{signal}", body, {"Content-Type": kind}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            raise Refused(error.code, error.headers["Retry-After"], error.read()) from None


class Refused(Exception):
    """An answer over HTTP that is no success: its status, Retry-After and body."""

    @property
    def code(self) -> int:
        return int(self.args[0])


def call(address: str | None, body: bytes, timeout: float = 30) -> bytes:
    """Exports traces over gRPC; raises grpc.RpcError."""
    with grpc.insecure_channel(str(address)) as channel:
        export = channel.unary_unary(
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            request_serializer=bytes,
            response_deserializer=bytes,
        )
        return bytes(export(body, timeout=timeout, wait_for_ready=True))


VALUES = {
    "s": ("text", AnyValue(string_value="text")),
    "i": (-(2**63), AnyValue(int_value=-(2**63))),
    "d": (0.1, AnyValue(double_value=0.1)),
    "b": (True, AnyValue(bool_value=True)),
    "y": (b"\0\xff", AnyValue(bytes_value=b"\0\xff")),
    "a": (
        [1, "x"],
        AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue(string_value="x")])),
    ),
    "k": (
        {"a": {"b": 1.5}},
        AnyValue(
            kvlist_value=KeyValueList(
                values=[
                    KeyValue(
                        key="a",
                        value=AnyValue(
                            kvlist_value=KeyValueList(
                                values=[KeyValue(key="b", value=AnyValue(double_value=1.5))]
                            )
                        ),
                    )
                ]
            )
        ),
    ),
    "n": (None, AnyValue()),
}


def pairs(**values: AnyValue) -> list[KeyValue]:
    return [KeyValue(key=key, value=value) for key, value in values.items()]


# --- what came ---


def test_a_span_as_an_object(service):
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.extend(pairs(**{"service.name": AnyValue(string_value="shop")}))
    scope = resource.scope_spans.add()
    scope.scope.name, scope.scope.version = "tracer", "1.2"
    scope.scope.attributes.extend(pairs(x=AnyValue(int_value=1)))
    span = scope.spans.add(
        name="GET /", trace_id=b"t" * 16, span_id=b"s" * 8, parent_span_id=b"p" * 8, kind=2
    )
    span.start_time_unix_nano, span.end_time_unix_nano = START, START + 5
    span.status.code, span.status.message = 2, "no"
    span.attributes.extend(pairs(**{key: value for key, (_, value) in VALUES.items()}))
    event = span.events.add(name="e", time_unix_nano=START + 1)
    event.attributes.extend(pairs(n=AnyValue(int_value=7)))
    span.links.add(trace_id=b"l" * 16, span_id=b"k" * 8).attributes.extend(
        pairs(w=AnyValue(bool_value=False))
    )
    post(service, "traces", request.SerializeToString())
    (got,) = service.spans()
    assert got == testing.Span(
        name="GET /",
        service="shop",
        trace_id="74" * 16,
        span_id="73" * 8,
        parent_span_id="70" * 8,
        kind="SERVER",
        start_time_unix_nano=START,
        end_time_unix_nano=START + 5,
        duration_nano=5,
        status="ERROR",
        status_message="no",
        attributes={key: value for key, (value, _) in VALUES.items()},
        events=(testing.Event(name="e", time_unix_nano=START + 1, attributes={"n": 7}),),
        links=(testing.Link(trace_id="6c" * 16, span_id="6b" * 8, attributes={"w": False}),),
        resource_attributes={"service.name": "shop"},
        scope_name="tracer",
        scope_version="1.2",
        scope_attributes={"x": 1},
    )
    assert dataclasses.is_dataclass(got)
    with pytest.raises(dataclasses.FrozenInstanceError):
        got.name = "x"


def test_a_bare_span_has_nones(service, trace_request):
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(
        name="bare", trace_id=b"t" * 16, span_id=b"s" * 8
    )
    post(service, "traces", request.SerializeToString())
    (got,) = service.spans()
    assert (got.service, got.parent_span_id, got.status, got.duration_nano) == (None, None, None, None)
    assert (got.start_time_unix_nano, got.attributes, got.events, got.links) == (None, {}, (), ())


@pytest.mark.parametrize("letter", VALUES)
def test_a_log_record_as_an_object(service, letter):
    value, sent = VALUES[letter]
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.body.CopyFrom(sent)
    record.severity_text, record.severity_number, record.event_name = "WARN", 13, "paid"
    record.time_unix_nano, record.observed_time_unix_nano = START, START + 1
    record.trace_id, record.span_id = b"t" * 16, b"s" * 8
    record.attributes.extend(pairs(a=AnyValue(int_value=1)))
    post(service, "logs", request.SerializeToString())
    (got,) = service.logs()
    assert (got.body, type(got.body)) == (value, type(value))
    assert (got.severity_text, got.severity_number, got.event_name) == ("WARN", 13, "paid")
    assert (got.time_unix_nano, got.observed_time_unix_nano) == (START, START + 1)
    assert (got.trace_id, got.span_id, got.attributes) == ("74" * 16, "73" * 8, {"a": 1})


def metric_request() -> bytes:
    request = ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    gauge = scope.metrics.add(name="temperature", unit="Cel", description="outside")
    gauge.gauge.data_points.add(as_double=-1.5, time_unix_nano=START)
    orders = scope.metrics.add(name="orders")
    orders.sum.is_monotonic, orders.sum.aggregation_temporality = True, 2
    orders.sum.data_points.add(as_int=2**62, start_time_unix_nano=START).attributes.extend(
        pairs(country=AnyValue(string_value="NL"))
    )
    histogram = scope.metrics.add(name="duration", unit="s").histogram
    histogram.data_points.add(count=3, sum=2.5, min=0.5, max=1, bucket_counts=[1, 2], explicit_bounds=[0.7])
    exponential = scope.metrics.add(name="size").exponential_histogram.data_points.add(
        count=2, scale=1, zero_count=1
    )
    exponential.positive.offset = 3
    exponential.positive.bucket_counts.extend([1])
    summary = scope.metrics.add(name="old").summary.data_points.add(count=1, sum=2.0)
    summary.quantile_values.add(quantile=0.5, value=2.0)
    return bytes(request.SerializeToString())


def test_data_points_as_objects(service):
    post(service, "metrics", metric_request())
    by_name = {point.name: point for point in service.metrics()}
    gauge, orders = by_name["temperature"], by_name["orders"]
    assert (gauge.value, gauge.unit, gauge.description, gauge.type) == (-1.5, "Cel", "outside", "gauge")
    assert (gauge.time_unix_nano, gauge.count, gauge.bucket_counts) == (START, None, None)
    assert (orders.value, type(orders.value), orders.attributes) == (2**62, int, {"country": "NL"})
    assert (orders.is_monotonic, orders.aggregation_temporality) == (True, "CUMULATIVE")
    duration, size = by_name["duration"], by_name["size"]
    assert (duration.count, duration.sum, duration.min, duration.max) == (3, 2.5, 0.5, 1.0)
    assert (duration.bucket_counts, duration.explicit_bounds, duration.value) == ((1, 2), (0.7,), None)
    assert (size.scale, size.zero_count, size.positive_offset, size.positive_bucket_counts) == (1, 1, 3, (1,))
    assert by_name["old"].quantiles == ((0.5, 2.0),)


def test_tables(service, trace_request):
    for table in (service.spans_table(), service.logs_table(), service.metrics_table()):
        assert table.num_rows == 0
        assert "service_name" in table.schema.names
    post(service, "traces", trace_request("a", "b"))
    post(service, "traces", trace_request("c"))
    assert service.spans_table()["name"].to_pylist() == ["a", "b", "c"]
    assert service.spans_table().schema == empty_table("traces").schema


def test_every_way_in_is_received(service, trace_request):
    call(service.endpoints.otlp_grpc, trace_request("grpc"))
    post(service, "traces", trace_request("http"))
    document = {
        "resourceSpans": [
            {"scopeSpans": [{"spans": [{"name": "json", "traceId": "0a" * 16, "spanId": "0b" * 8}]}]}
        ]
    }
    post(service, "traces", json.dumps(document).encode(), "application/json")
    assert [span.name for span in service.spans()] == ["grpc", "http", "json"]
    assert service.requests == Requests(traces=Counts(accepted=3))
    assert service.requests_over("http") == Requests(traces=Counts(accepted=2))
    assert service.requests_over(None) == service.requests
    assert service.requests.answered == 3
    with pytest.raises(ConfigError, match="transport: 'pigeon' is not one of grpc, http, otap"):
        service.requests_over("pigeon")


def test_a_wait_without_an_end(service, trace_request):
    post(service, "traces", trace_request("there"))
    assert len(service.wait_for_spans(timeout=None)) == 1
    assert service.wait_for_requests(timeout=None).answered == 1
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(service.wait_for_spans, name="later", timeout=None)
        post(service, "traces", trace_request("later"))
        assert [span.name for span in waiting.result(30)] == ["later"]


def test_what_is_malformed_counts_as_refused(service):
    with pytest.raises(Refused, match="400"):
        post(service, "logs", b"\xff")
    assert service.requests.logs == Counts(refused=1)
    assert str(service.requests.logs) == "1 refused"
    assert str(service.requests.traces) == "none"


def test_trees(service, trace_request):
    request = ExportTraceServiceRequest.FromString(trace_request("root", "leaf"))
    request.resource_spans[0].scope_spans[0].spans[1].parent_span_id = b"\1" * 8
    post(service, "traces", request.SerializeToString())
    (tree,) = service.traces()
    assert [str(node.name) for node in tree] == ["root", "leaf"]
    assert tree.roots[0].children[0].name == "leaf"


def test_clear_makes_it_new(service, trace_request):
    post(service, "traces", trace_request("old"))
    assert len(service.spans()) == 1
    post(service, "traces", trace_request("unread"))
    service.fail_next(9)
    service.clear()
    assert (service.spans(), service.spans_table().num_rows, service.requests) == ([], 0, Requests())
    post(service, "traces", trace_request("new"))
    assert [span.name for span in service.spans()] == ["new"]
    assert service.requests.traces == Counts(accepted=1)


# --- filters ---


def test_filters(service, trace_request):
    post(service, "traces", trace_request("a", "b", service="shop"))
    post(service, "traces", trace_request("b", service="bank"))
    names = lambda **filters: [(span.service, span.name) for span in service.spans(**filters)]  # noqa: E731
    assert names(name="b") == [("shop", "b"), ("bank", "b")]
    assert names(name="b", service="bank") == [("bank", "b")]
    assert names(attributes={"http.route": "/a"}) == [("shop", "a")]
    assert names(attributes={"http.route": re.compile("^/[ab]")}, service="shop") == [
        ("shop", "a"),
        ("shop", "b"),
    ]
    assert names(attributes={"no.such": None}) == []
    assert names(name=re.compile("A")) == []
    assert names(duration_nano=lambda nanos: nanos > 1_000_000) == []
    assert names(where=lambda span: span.start_time_unix_nano % 2) == [("shop", "b")]
    with pytest.raises(ConfigError, match="nam: a Span has no such field; it has name, service"):
        service.spans(nam="a")


def test_true_is_not_one(service):
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.attributes.extend(pairs(flag=AnyValue(bool_value=True), number=AnyValue(int_value=1)))
    post(service, "logs", request.SerializeToString())
    assert service.logs(attributes={"flag": True, "number": 1})
    assert not service.logs(attributes={"flag": 1})
    assert not service.logs(attributes={"number": True})


# --- waiting ---


def test_a_wait_returns_what_came_before_and_after(service, trace_request):
    post(service, "traces", trace_request("a"))
    assert [span.name for span in service.wait_for_spans(1)] == ["a"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(service.wait_for_spans, 2, name="b", timeout=30)
        post(service, "traces", trace_request("b"))
        post(service, "logs", b"")
        post(service, "traces", trace_request("c", "b"))
        assert [span.name for span in waiting.result()] == ["b", "b"]


def test_waits_for_logs_metrics_and_requests(service):
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add().body.string_value = "hello"
    post(service, "logs", request.SerializeToString())
    post(service, "metrics", metric_request())
    assert service.wait_for_logs(body="hello")[0].body == "hello"
    assert service.wait_for_metrics(name="orders", value=2**62)
    assert service.wait_for_requests(2).answered == 2
    assert service.wait_for_requests(1, signal="logs").logs.accepted == 1
    with pytest.raises(NotReceivedError, match=r"waited 0 s for 2 requests of logs\."):
        service.wait_for_requests(2, signal="logs", timeout=0)
    with pytest.raises(ConfigError, match="signal: 'spans' is not one of"):
        service.wait_for_requests(1, signal="spans")


def test_an_unmet_wait_tells_what_came(service, trace_request):
    request = ExportTraceServiceRequest.FromString(trace_request("GET /", "SELECT"))
    span = request.resource_spans[0].scope_spans[0].spans[1]
    span.parent_span_id, span.status.code, span.status.message = b"\1" * 8, 2, "no table"
    post(service, "traces", request.SerializeToString())
    post(service, "metrics", metric_request())
    logs = ExportLogsServiceRequest()
    logs.resource_logs.add().scope_logs.add().log_records.add(severity_text="WARN").body.string_value = "late"
    post(service, "logs", logs.SerializeToString())
    service.refuse_next(1, message="told so")
    with pytest.raises(Refused, match="503"):
        post(service, "traces", trace_request("lost"))
    with pytest.raises(NotReceivedError) as caught:
        service.wait_for_spans(2, name="SELECT", service="bank", timeout=0.01)
    lines = str(caught.value).splitlines()
    assert lines[:2] == [
        "waited 0.01 s for 2 spans with name='SELECT', service='bank'; 0 came.",
        "Of all 2: 1 with name='SELECT'; 0 with service='bank'.",
    ]
    assert "received: 2 spans, 1 log record, 5 data points" in lines
    assert "requests: traces: 1 accepted, 1 refused; metrics: 1 accepted; logs: 1 accepted" in lines
    assert "GET /  [shop]  1 µs  {http.route='/GET /'}" in lines
    assert "└─ SELECT  [shop]  1 µs  ✗ ERROR: no table  {http.route='/SELECT'}" in lines
    assert "  WARN [] 'late'" in lines
    assert "  orders [] 4611686018427387904  {country='NL'}" in lines
    assert "  duration [] histogram of 3, sum 2.5 s" in lines


def test_the_error_is_what_tests_and_callers_expect(service, monkeypatch):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "otlp")
    with pytest.raises(NotReceivedError) as caught:
        service.wait_for_spans(timeout=0)
    for kind in (AssertionError, TimeoutError, DeadlineError, OtlpArrowError):
        assert isinstance(caught.value, kind)
    text = str(caught.value)
    assert text.startswith("waited 0 s for 1 span; 0 came.\n")
    assert (
        f"Nobody has sent anything. An app needs OTEL_EXPORTER_OTLP_ENDPOINT=http://{service.endpoints.otlp_grpc}"
        in text
    )
    assert "\nOTEL_SDK_DISABLED=true is set here.\nOTEL_TRACES_EXPORTER=none is set here." in text
    assert "OTEL_LOGS_EXPORTER" not in text


def test_a_long_report_is_bounded(service):
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number in range(30):
        spans.add(name=f"span {number}", trace_id=bytes([number + 1]) * 16, span_id=b"s" * 8)
    post(service, "traces", request.SerializeToString())
    logs = ExportLogsServiceRequest()
    records = logs.resource_logs.add().scope_logs.add().log_records
    for number in range(25):
        records.add().body.int_value = number
    post(service, "logs", logs.SerializeToString())
    report = service.report()
    assert report.count("\nspan ") == 20
    assert "... and 10 traces more" in report
    assert "log records, the last 20 of 25:\n  0 [] 5\n" in report


def test_ctrl_c_ends_a_wait():
    code = """
import sys
from otlp_arrow.testing import MockOtlpService
with MockOtlpService() as service:
    try:
        print("waits", flush=True)
        service.wait_for_spans(timeout=600)
    except KeyboardInterrupt:
        print("interrupted")
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "waits\n"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert (out, process.returncode) == ("interrupted\n", 0)


def test_several_may_wait_at_once(service, trace_request):
    with ThreadPoolExecutor(8) as pool:
        waits = [pool.submit(service.wait_for_spans, 1, name=f"span {n % 4}", timeout=30) for n in range(8)]
        for n in range(4):
            post(service, "traces", trace_request(f"span {n}"))
        assert [wait.result()[0].name for wait in waits] == [f"span {n % 4}" for n in range(8)]
    assert len(service.spans()) == 4


# --- faults; test_faults.py has them with real exporters ---


def test_faults_follow_one_another(service, trace_request):
    body = trace_request("a")
    service.fail_next(2, code="INVALID_ARGUMENT", message="bad")
    service.refuse_next(1, retry_after=2)
    outcomes = []
    for _ in range(4):
        try:
            post(service, "traces", body)
            outcomes.append((200, None))
        except Refused as refused:
            outcomes.append(refused.args[:2])
    assert outcomes == [(400, None), (400, None), (503, "2"), (200, None)]
    assert service.requests.traces == Counts(accepted=1, refused=3)
    assert len(service.spans()) == 1


def test_faults_of_a_signal_or_a_transport(service, trace_request):
    service.fail_next(1, signal="logs")
    service.fail_next(1, transport="grpc")
    post(service, "traces", trace_request("a"))
    with pytest.raises(Refused, match="500"):
        post(service, "logs", b"")
    with pytest.raises(grpc.RpcError) as caught:
        call(service.endpoints.otlp_grpc, trace_request("b"))
    assert caught.value.code() is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize(
    ("code", "status", "want"),
    [
        (None, None, (grpc.StatusCode.INTERNAL, 500)),
        ("unavailable", None, (grpc.StatusCode.UNAVAILABLE, 503)),
        (16, None, (grpc.StatusCode.UNAUTHENTICATED, 401)),
        (grpc.StatusCode.DATA_LOSS, None, (grpc.StatusCode.DATA_LOSS, 500)),
        (None, 502, (grpc.StatusCode.UNAVAILABLE, 502)),
        (None, 418, (grpc.StatusCode.UNKNOWN, 418)),
        ("ABORTED", 429, (grpc.StatusCode.ABORTED, 429)),
    ],
)
def test_codes(service, trace_request, code, status, want):
    service.fail_next(2, code=code, status=status, message="so it is")
    with pytest.raises(grpc.RpcError) as caught:
        call(service.endpoints.otlp_grpc, trace_request("a"))
    with pytest.raises(Refused) as web:
        post(service, "traces", trace_request("a"))
    assert (caught.value.code(), web.value.code) == want
    assert caught.value.details() == "so it is"
    assert b"so it is" in web.value.args[2]
    assert service.spans() == []


def test_a_hint_over_grpc(service, trace_request):
    from google.rpc.error_details_pb2 import RetryInfo
    from google.rpc.status_pb2 import Status

    service.refuse_next(retry_after=0.25)
    with pytest.raises(grpc.RpcError) as caught:
        call(service.endpoints.otlp_grpc, trace_request("a"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    told = Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
    hint = RetryInfo()
    assert told.details[0].Unpack(hint)
    assert hint.retry_delay.ToTimedelta().total_seconds() == 0.25


@pytest.mark.parametrize("count", [0, 2, 9])
def test_partial_success(service, trace_request, count):
    service.reject_partially_next(2, count=count, message="too old")
    rejected = min(count, 3)
    for answer in (
        call(service.endpoints.otlp_grpc, trace_request("a", "b", "c")),
        post(service, "traces", trace_request("a", "b", "c")),
    ):
        told = ExportTraceServiceResponse.FromString(answer).partial_success
        assert (told.rejected_spans, told.error_message) == (rejected, "too old")
    assert [span.name for span in service.spans()] == ["a", "b", "c"][: 3 - rejected] * 2
    assert service.requests.traces == Counts(partial=2)


def test_a_delay_holds_up_nobody_else(service, trace_request):
    service.delay_next(1, 600, signal="traces")
    with pytest.raises(grpc.RpcError) as caught:
        call(service.endpoints.otlp_grpc, trace_request("late"), timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    post(service, "traces", trace_request("in time"))
    service.wait_for_requests(2)
    assert [span.name for span in service.spans()] == ["in time"]
    assert service.requests.traces == Counts(accepted=1, refused=1)


@pytest.mark.parametrize("end", ["clear", "close"])
def test_who_is_kept_waiting_is_let_go_at_the_end(trace_request, end):
    with MockOtlpService() as service, ThreadPoolExecutor(1) as pool:
        service.delay_next(1, 600, transport="http")
        service.delay_next(1, 600, transport="grpc")
        waiting = pool.submit(post, service, "traces", trace_request("a"))
        with pytest.raises(grpc.RpcError):  # a second one, so that the first has been there a while
            call(service.endpoints.otlp_grpc, trace_request("b"), timeout=0.2)
        getattr(service, end)()
        with pytest.raises(Refused, match="503"):
            waiting.result(timeout=30)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda s: s.fail_next(code="NO_SUCH"), "code='NO_SUCH': want one of CANCELLED, "),
        (lambda s: s.fail_next(code=0), "code=0: want one of"),
        (lambda s: s.fail_next(status=200), "http: 200 is not within 300 to 599"),
        (lambda s: s.fail_next(0), "count: 0 is not within 1 to 1000000"),
        (lambda s: s.fail_next(signal="spans"), 'signal: "spans" is not one of traces, metrics, logs'),
        (lambda s: s.fail_next(transport="tcp"), 'transport: "tcp" is not one of grpc, http, otap'),
        (lambda s: s.delay_next(1, -1), "delay_ms: -1000 is not within"),
        (lambda s: s.refuse_next(retry_after=-1), "retry_after_ms: -1000 is not within"),
        (lambda s: s.reject_partially_next(count=-1), "rejected: -1 is less than 0"),
    ],
)
def test_faults_that_make_no_sense(service, trace_request, fault, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        fault(service)
    post(service, "traces", trace_request("a"))  # nothing of it counts


# --- its life ---


def test_the_environment_for_an_app(service):
    assert service.env == {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{service.endpoints.otlp_grpc}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    }
    assert service.env_for("http/protobuf") == {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{service.endpoints.otlp_http}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }
    with pytest.raises(ConfigError, match="protocol: 'udp' is not one of grpc, http/protobuf, http/json"):
        service.env_for("udp")
    with pytest.raises(ConfigError, match="protocol: 'udp'"):
        MockOtlpService(protocol="udp")
    with (
        MockOtlpService(otlp_grpc=None) as web,
        pytest.raises(ConfigError, match="grpc needs otlp_grpc, which is closed"),
    ):
        _ = web.env


def test_its_directory_goes_with_it(trace_request):
    service = MockOtlpService()
    post(service, "traces", trace_request("a"))
    assert service.output_dir.is_dir()
    assert not service.closed
    service.close()
    service.close()
    assert service.closed
    assert not service.output_dir.exists()
    assert repr(service).startswith("<MockOtlpService closed protocol=grpc otlp_grpc=127.0.0.1:")
    with pytest.raises(ClosedError):
        service.spans()


def test_a_directory_that_was_given_stays(tmp_path, trace_request):
    with MockOtlpService(output_dir=tmp_path / "kept") as service:
        post(service, "traces", trace_request("a"))
    assert read_traces(tmp_path / "kept")["name"].to_pylist() == ["a"]


def test_a_bad_setting_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ConfigError, match=r"files\.compression"):
        MockOtlpService(files={"compression": "zip"})
    assert list(tmp_path.iterdir()) == []


def test_settings_are_taken_and_variables_are_not(monkeypatch, trace_request):
    monkeypatch.setenv("OTLP_FILES_COMPRESSION", "zip")
    with MockOtlpService(limits={"max_request_bytes": 1024}) as service:
        with pytest.raises(Refused, match="413"):
            post(service, "traces", trace_request("x" * 2000))
        assert service.requests.traces.refused == 1


@pytest.mark.parametrize("kept", ["service =", ""])
def test_one_that_is_left_open_goes_with_the_process(tmp_path, trace_request, kept):
    """Also one that nobody has any more, which warns, as all that is not closed."""
    code = """
import sys, urllib.request
from otlp_arrow.testing import MockOtlpService

def main():
    service = MockOtlpService()
    url = f"http://{service.endpoints.otlp_http}/v1/traces"
    request = urllib.request.Request(url, bytes.fromhex(sys.argv[1]))
    request.add_header("Content-Type", "application/x-protobuf")
    urllib.request.urlopen(request).close()
    print(service.output_dir)
    return service

"""
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", f"{code}{kept}main()", trace_request("a").hex()],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0
    assert ("unclosed otlp_arrow library" in done.stderr) == (not kept), done.stderr
    assert done.stdout.startswith(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_leaves_it_alone(service, trace_request):
    post(service, "traces", trace_request("a"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # this process has threads
        child = os.fork()
    if not child:
        service.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert [span.name for span in service.spans()] == ["a"]


def test_there_may_be_many():
    services = [MockOtlpService() for _ in range(5)]
    addresses = {address for each in services for address in vars(each.endpoints).values() if address}
    assert len(addresses) == 15
    closing = [threading.Thread(target=each.close) for each in services]
    for thread in closing:
        thread.start()
    for thread in closing:
        thread.join(30)
    assert all(each.closed for each in services)


def test_the_module_loads_nothing_heavy():
    code = """
import sys, otlp_arrow.testing
heavy = {"pyarrow", "numpy", "pytest"} & set(sys.modules)
assert not heavy, heavy
assert otlp_arrow.testing.Span.__name__ == "Span"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="has no attribute 'Spam'"):
        _ = testing.Spam
