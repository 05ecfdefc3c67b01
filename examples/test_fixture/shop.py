"""A shop that tells of its orders by OpenTelemetry. Only environment variables say where to."""

import sys

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer


def telemetry() -> TracerProvider:
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def order(tracer: Tracer, item: str, price: float) -> None:
    with tracer.start_as_current_span("order", attributes={"item": item, "price": price}):
        pay(tracer, price)


def pay(tracer: Tracer, price: float) -> None:
    with tracer.start_as_current_span("pay"):
        if price < 0:
            raise ValueError("no such price")


if __name__ == "__main__":
    provider = telemetry()
    order(provider.get_tracer("shop"), item=sys.argv[1], price=12.5)
    provider.shutdown()
