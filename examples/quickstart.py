"""The main job in one file: an OpenTelemetry SDK sends, and the tables are read seconds later.

python examples/quickstart.py [DIRECTORY]
"""

import logging
import sys
import tempfile

from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otlp_arrow import OtlpLibrary


def shop(endpoint: str) -> None:
    """An app as any other: it knows only an OTLP endpoint."""
    resource = Resource.create({"service.name": "shop", "deployment.environment.name": "demo"})
    traces = TracerProvider(resource=resource)
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=True)))
    metrics = MeterProvider(
        [PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=endpoint, insecure=True))], resource
    )
    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint=endpoint, insecure=True)))
    logger = logging.getLogger("shop")
    handler = LoggingHandler(logger_provider=logs)
    logger.addHandler(handler)
    orders = metrics.get_meter("shop").create_counter("orders", unit="{order}")
    tracer = traces.get_tracer("shop")
    for number in range(5):
        with tracer.start_as_current_span("POST /orders") as span:
            span.set_attribute("http.route", "/orders")
            span.set_attribute("order.id", number)
            span.add_event("paid", {"amount": 9.95})
            orders.add(1, {"country": "NL"})
            logger.warning("order %d was paid", number)
    logger.removeHandler(handler)  # at exit logging would flush it, and Python 3.12 starts no threads then
    for provider in (traces, metrics, logs):
        provider.shutdown()


def main() -> None:
    directory = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="telemetry-")
    with OtlpLibrary(output_dir=directory, otlp_grpc="127.0.0.1:0") as library:
        shop(f"http://{library.endpoints.otlp_grpc}")
        spans = library.traces(columns=["name", "start_time_unix_nano", "duration_nano", "attributes"])
        logs = library.logs(columns=["time_unix_nano", "severity_text", "body", "trace_id"])
        metrics = library.metrics(columns=["metric_name", "value_int", "attributes"])
    for title, table in (("traces", spans), ("logs", logs), ("metrics", metrics)):
        print(f"\n{title}: {table.num_rows} rows")
        frame = table.slice(0, 5).to_pandas()
        if "trace_id" in frame:
            frame["trace_id"] = frame["trace_id"].map(bytes.hex)
        print(frame.to_string(index=False, max_colwidth=40))
    print(f"\nThe files are in {directory}/otlp")


if __name__ == "__main__":
    main()
