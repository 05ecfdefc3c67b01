"""Telemetry without a server: the SDK's exporters write Arrow files, also from workers that were forked.

python examples/without_server.py [DIRECTORY]
"""

import multiprocessing
import sys
import tempfile

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import otlp_arrow
from otlp_arrow.sdk import ArrowMetricExporter, ArrowSpanExporter


def instrument(directory: str) -> None:
    """All that an app has to do."""
    resource = Resource.create({"service.name": "shop"})
    traces = TracerProvider(resource=resource)
    traces.add_span_processor(BatchSpanProcessor(ArrowSpanExporter(output_dir=directory)))
    trace.set_tracer_provider(traces)
    reader = PeriodicExportingMetricReader(ArrowMetricExporter(output_dir=directory))
    metrics.set_meter_provider(MeterProvider([reader], resource))


def work(worker: int) -> None:
    tracer = trace.get_tracer("shop")
    for number in range(3):
        with tracer.start_as_current_span("POST /orders", attributes={"worker": worker, "order": number}):
            metrics.get_meter("shop").create_counter("orders").add(1)
    trace.get_tracer_provider().shutdown()  # multiprocessing ends its processes without the exit of Python
    metrics.get_meter_provider().shutdown()


def main() -> None:
    directory = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="telemetry-")
    instrument(directory)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=work, args=(number,)) for number in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    work(worker=2)
    spans = otlp_arrow.read_traces(directory, columns=["name", "duration_nano", "attributes"])
    print(f"{spans.num_rows} spans of {len(workers) + 1} processes:")
    print(spans.slice(0, 3).to_pandas().to_string(index=False))
    points = otlp_arrow.read_metrics(directory, columns=["metric_name", "value_int"])
    print(f"{sum(points['value_int'].to_pylist())} orders")
    print(f"The files are in {directory}/otlp")


if __name__ == "__main__":
    main()
