"""An app with the stock OpenTelemetry SDK, which knows nothing of otlp-arrow; run by test_sdk.py.

Only the standard environment variables say where its telemetry goes. It prints as JSON what only it can
know: ids and times. "http/json", which the stock exporters lack, is the requests of the stock encoders as
OTLP/JSON, sent with urllib.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import urllib.request

from google.protobuf.json_format import MessageToDict
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

PROTOCOL = os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"]
OTHER = SpanContext(0x0102 << 112, 0x0304 << 48, True, TraceFlags(1), TraceState([("vendor", "x")]))
# A value of each type that the SDK has.
ATTRIBUTES = {
    "text": "grün\0",
    "int": -(2**63),
    "double": 0.1,
    "whole": 3.0,
    "yes": True,
    "bytes": b"\0\xff",
    "texts": ["a", "b"],
    "ints": [1, 2],
    "doubles": [0.5, 1.0],
    "bools": [True, False],
}


def main() -> None:
    traces, metrics, logs, finish = in_memory() if PROTOCOL == "http/json" else by_environment()
    told = work(traces, metrics, logs)
    finish()
    for provider in (traces, metrics, logs):
        provider.shutdown()
    print(json.dumps(told))


def work(traces: TracerProvider, metrics: MeterProvider, logs: LoggerProvider) -> dict[str, object]:
    """Records two spans, some log records and an instrument of each kind."""
    tracer = traces.get_tracer("shop.tracer", "1.2", "https://example.org/traces", {"scope.attribute": 1})
    logger = logs.get_logger("shop.logger", "1.3", "https://example.org/logs", {"scope.attribute": "l"})
    with tracer.start_as_current_span(
        "POST /orders", kind=SpanKind.SERVER, attributes=ATTRIBUTES, links=[Link(OTHER, {"why": "retry"})]
    ) as parent:
        parent.add_event("paid", {"amount": 9.95, "currencies": ["EUR"]}, timestamp=1_700_000_000_000_000_001)
        logger.emit(record(SeverityNumber.WARN, "WARN", "order was paid", {"order.id": 7}))
        measure(
            metrics.get_meter("shop.meter", "1.4", "https://example.org/metrics", {"scope.attribute": True})
        )
        with tracer.start_as_current_span("SELECT", kind=SpanKind.CLIENT) as child:
            child.set_status(Status(StatusCode.ERROR, "no such table"))
            body = {"rows": [1, 2.5, None], "nested": {"raw": b"\1", "ok": True}}
            logger.emit(record(SeverityNumber.ERROR, "ERROR", body, {"deep": {"a": {"b": [1]}}}, "db.failed"))
    logger.emit(record(SeverityNumber.INFO, "INFO", 42, {}))
    return {"parent": ids(parent), "child": ids(child)}


def record(
    number: SeverityNumber, text: str, body: object, attributes: dict[str, object], event: str | None = None
) -> LogRecord:
    return LogRecord(
        timestamp=1_700_000_000_000_000_002,
        observed_timestamp=1_700_000_000_000_000_003,
        context=trace.set_span_in_context(trace.get_current_span()),
        severity_number=number,
        severity_text=text,
        body=body,
        attributes=attributes,
        event_name=event,
    )


def measure(meter: Meter) -> None:
    def temperature(_: CallbackOptions) -> list[Observation]:
        return [Observation(-21.5, {"room": "a"}), Observation(4, {"room": "b"})]

    orders = meter.create_counter("orders", unit="{order}", description="Orders taken")
    orders.add(2, {"country": "NL"})
    orders.add(3, {"country": "NL"})
    orders.add(1, {"country": "DE"})
    meter.create_up_down_counter("open.carts").add(-4)
    duration = meter.create_histogram("duration", unit="s", explicit_bucket_boundaries_advisory=[0.1, 1.0])
    for seconds in (0.05, 0.5, 0.5, 8.0):
        duration.record(seconds, {"http.route": "/orders"})
    meter.create_observable_gauge("temperature", [temperature], unit="Cel")


def ids(span: trace.Span) -> dict[str, object]:
    context = span.get_span_context()
    return {
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
        "start": span.start_time,
        "end": span.end_time,
    }


# --- ways to send ---


def by_environment() -> tuple[TracerProvider, MeterProvider, LoggerProvider, object]:
    """Providers with exporters that find all in OTEL_* variables."""
    base = "opentelemetry.exporter.otlp.proto." + {"grpc": "grpc", "http/protobuf": "http"}[PROTOCOL]
    traces, logs = TracerProvider(), LoggerProvider()
    spans = importlib.import_module(f"{base}.trace_exporter").OTLPSpanExporter()
    traces.add_span_processor(BatchSpanProcessor(spans))
    points = importlib.import_module(f"{base}.metric_exporter").OTLPMetricExporter()
    records = importlib.import_module(f"{base}._log_exporter").OTLPLogExporter()
    logs.add_log_record_processor(BatchLogRecordProcessor(records))
    # The interval never passes, so that points are sent once, by the shutdown.
    return traces, MeterProvider([PeriodicExportingMetricReader(points, 3_600_000)]), logs, lambda: None


def in_memory() -> tuple[TracerProvider, MeterProvider, LoggerProvider, object]:
    """Providers that keep all, and a function that sends it as JSON."""
    from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
    from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans, reader, records = InMemorySpanExporter(), InMemoryMetricReader(), InMemoryLogRecordExporter()
    traces, logs = TracerProvider(), LoggerProvider()
    traces.add_span_processor(SimpleSpanProcessor(spans))
    logs.add_log_record_processor(SimpleLogRecordProcessor(records))

    def finish() -> None:
        send("traces", encode_spans(spans.get_finished_spans()))
        send("metrics", encode_metrics(reader.get_metrics_data()))
        send("logs", encode_logs(records.get_finished_logs()))

    return traces, MeterProvider([reader]), logs, finish


def send(signal: str, request: object) -> None:
    body = json.dumps(hex_ids(MessageToDict(request, use_integers_for_enums=True))).encode()
    post = urllib.request.Request(
        f"{os.environ['OTEL_EXPORTER_OTLP_ENDPOINT']}/v1/{signal}",
        body,
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(post, timeout=10) as answer:
        assert answer.status == 200
        assert json.load(answer) in ({}, {"partialSuccess": {}})


def hex_ids(value: object) -> object:
    """Protobuf's JSON with ids in hex instead of base64, which makes it OTLP/JSON."""
    if isinstance(value, list):
        return [hex_ids(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64decode(each).hex() if key in ("traceId", "spanId", "parentSpanId") else hex_ids(each)
        for key, each in value.items()
    }


if __name__ == "__main__":
    main()
