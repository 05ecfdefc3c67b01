from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

STOCK = {"book": 3, "pen": 0}


def order(item):
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
    tracer = provider.get_tracer("shop")
    with tracer.start_as_current_span("order", attributes={"item": item}):
        with tracer.start_as_current_span("stock"):
            left = STOCK[item]
        return left > 0


def test_a_book(otlp):
    assert order("book")
    assert otlp.wait_for_spans(2)


def test_a_ghost(otlp):
    assert not order("ghost")
