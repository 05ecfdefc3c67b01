"""SDK objects as OTLP bytes, beside the encoder of OpenTelemetry's own exporters, which is the oracle."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common import _log_encoder, metrics_encoder, trace_encoder
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.sdk.metrics.export import Metric, MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext
from sdk_objects import Objects

from otlp_arrow._export import encode as _encode
from otlp_arrow._export.encode_logs import encode_logs
from otlp_arrow._export.encode_metrics import encode_metrics
from otlp_arrow._export.encode_traces import encode_spans

SEEDS = range(40)


def same(ours: bytes, kind: Any, oracle: Any) -> None:
    """Compared as bytes, since NaN is not equal to itself."""
    message = kind.FromString(ours)
    if message.SerializeToString(deterministic=True) != oracle.SerializeToString(deterministic=True):
        assert str(message) == str(oracle)
        pytest.fail("the bytes differ, the text does not")


@pytest.mark.parametrize("seed", SEEDS)
def test_spans_are_those_of_the_oracle(seed: int) -> None:
    spans = Objects(seed).spans(30)
    oracle = trace_encoder.encode_spans(spans)
    add_link_states(spans, oracle)
    same(encode_spans(spans), ExportTraceServiceRequest, oracle)


def add_link_states(spans: list[ReadableSpan], oracle: ExportTraceServiceRequest) -> None:
    """The oracle leaves out the trace state of links; ours has it."""
    contexts = [link.context for span in spans for link in span.links]
    known = {(each.trace_id, each.span_id): each.trace_state.to_header() for each in contexts}
    for group in oracle.resource_spans:
        for scope in group.scope_spans:
            for link in (link for span in scope.spans for link in span.links):
                link.trace_state = known[int.from_bytes(link.trace_id), int.from_bytes(link.span_id)]


@pytest.mark.parametrize("seed", SEEDS)
def test_log_records_are_those_of_the_oracle(seed: int) -> None:
    records = Objects(seed).records(30)
    same(encode_logs(records), ExportLogsServiceRequest, _log_encoder.encode_logs(records))


@pytest.mark.parametrize("seed", SEEDS)
def test_metrics_are_those_of_the_oracle(seed: int) -> None:
    data = Objects(seed).metrics(5)
    same(encode_metrics(data), ExportMetricsServiceRequest, metrics_encoder.encode_metrics(data))


# --- what the oracle does otherwise, or cannot show ---


def value_of(value: Any) -> AnyValue:
    return AnyValue.FromString(_encode.any_value(value))


def pairs(values: dict[str, Any]) -> dict[str, AnyValue]:
    resource = ExportTraceServiceRequest.FromString(
        encode_spans([ReadableSpan("", SpanContext(1, 1, False), attributes=values, resource=Resource({}))])
    )
    return {each.key: each.value for each in resource.resource_spans[0].scope_spans[0].spans[0].attributes}


def test_equal_values_of_other_types_stay_apart() -> None:
    values = [1, True, 1.0, 0, False, 0.0, -0.0]
    found = [pairs({"k": value})["k"] for value in values * 2]
    kinds = [
        "int_value",
        "bool_value",
        "double_value",
        "int_value",
        "bool_value",
        "double_value",
        "double_value",
    ]
    assert [each.WhichOneof("value") for each in found] == kinds * 2
    assert [str(getattr(each, kind)) for each, kind in zip(found, kinds * 2, strict=True)] == [
        str(value) for value in values * 2
    ]


def test_what_otlp_has_no_kind_for_is_text() -> None:
    assert value_of(2**63).string_value == "9223372036854775808"
    assert value_of(-(2**63) - 1).string_value == "-9223372036854775809"
    assert value_of(Path("/orders")).string_value == "/orders"
    assert value_of("a\udc80").string_value == "a\\udc80"
    assert value_of(bytearray(b"\xff")).bytes_value == b"\xff"


def test_subclasses_are_their_base() -> None:
    class Text(str):
        pass

    class Number(int):
        pass

    class Double(float):
        pass

    assert value_of(Text("t")).string_value == "t"
    assert value_of(Number(3)).int_value == 3
    assert value_of(Double(0.5)).double_value == 0.5


def test_a_value_that_holds_itself_ends() -> None:
    value: list[Any] = []
    value.append(value)
    found = value_of(value)
    for _ in range(_encode.DEEPEST):
        (found,) = found.array_value.values
    assert found.string_value == "<nested deeper than 40>"


def test_memos_are_bounded() -> None:
    memo: _encode.Memo[int] = _encode.Memo(lambda key: b"x" * key)
    assert memo[_encode.MEMO_BYTES + 1] == b"x" * 257
    assert len(memo) == 0
    texts: _encode.Memo[str] = _encode.Memo(str.encode)
    for number in range(2 * _encode.MEMO_ENTRIES):
        assert texts[str(number)] == b"%d" % number
        assert 0 < len(texts) <= _encode.MEMO_ENTRIES
    many = [Resource({"n": n}) for n in range(_encode.MEMO_ENTRIES + 10)]
    for resource in many:
        _encode.Request().items(resource, None)
    assert len(_encode._resource_of._known) <= _encode.MEMO_ENTRIES


def test_resources_with_the_same_content_are_one_group() -> None:
    spans = [
        ReadableSpan(
            str(n), SpanContext(1, 1, False), resource=Resource({"a": a}), instrumentation_scope=scope
        )
        for n, (a, scope) in enumerate(
            [(1, InstrumentationScope("s")), (True, None), (1, InstrumentationScope("s")), (1, None)]
        )
    ]
    request = ExportTraceServiceRequest.FromString(encode_spans(spans))
    names = [
        [[span.name for span in scope.spans] for scope in group.scope_spans]
        for group in request.resource_spans
    ]
    assert names == [[["0", "2"], ["3"]], [["1"]]]


def test_a_span_made_by_hand_may_lack_nearly_all() -> None:
    request = ExportTraceServiceRequest.FromString(encode_spans([ReadableSpan("bare", status=None)]))
    (span,) = request.resource_spans[0].scope_spans[0].spans
    assert (span.name, span.trace_id, span.HasField("status")) == ("bare", b"", False)


def test_log_data_of_older_sdks() -> None:
    class Record:
        """As the SDK had it until 1.38."""

        timestamp, observed_timestamp = 1, 2
        severity_number = severity_text = trace_flags = None
        trace_id, span_id = 3, 4
        body, attributes, dropped_attributes = "hello", {"k": "v"}, 5
        resource = Resource({"service.name": "old"})

    class LogData:
        log_record, instrumentation_scope = Record(), InstrumentationScope("s")

    request = ExportLogsServiceRequest.FromString(encode_logs([LogData()]))
    (group,) = request.resource_logs
    (record,) = group.scope_logs[0].log_records
    assert group.resource.attributes[0].value.string_value == "old"
    assert (record.body.string_value, record.dropped_attributes_count, record.span_id[-1]) == ("hello", 5, 4)


def test_an_unknown_kind_of_metric_is_named() -> None:
    metric = Metric("m", "", "", object())  # type: ignore[arg-type]
    scope = ScopeMetrics(InstrumentationScope("s"), [metric], "")
    with pytest.raises(TypeError, match=r"want a Gauge, Sum, .* not object"):
        encode_metrics(MetricsData([ResourceMetrics(Resource({}), [scope], "")]))


def test_many_threads_encode_at_once() -> None:
    spans = Objects(1).spans(50)
    wanted, found = encode_spans(spans), []

    def work() -> None:
        found.extend(encode_spans(spans) for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [wanted] * 40
