"""What reads the tables: live batches, a trace as a tree, typed attributes, SQL, one batch at a time.

    pip install -e '.[examples,duckdb]' && python examples/reading.py [DIRECTORY]

A small shop is traced while it handles three orders, one of which fails.
"""

import sys
import tempfile

import pyarrow.compute as pc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Status, StatusCode

import otlp_arrow


def handle(tracer, number: int) -> str:
    """One order; returns the id of its trace."""
    with tracer.start_as_current_span("POST /orders", attributes={"http.route": "/orders"}) as order:
        failed = number == 2
        order.set_attribute("http.response.status_code", 500 if failed else 200)
        with tracer.start_as_current_span("charge") as charge:
            if failed:
                charge.set_status(Status(StatusCode.ERROR, "card refused"))
        return f"{order.get_span_context().trace_id:032x}"


def receive(directory: str) -> str:
    """Fills the directory, and shows what comes while it does. Returns the id of the failed order's trace."""
    with otlp_arrow.OtlpLibrary(output_dir=directory, otlp_grpc="127.0.0.1:0") as library:
        exporter = OTLPSpanExporter(f"http://{library.endpoints.otlp_grpc}", insecure=True)
        provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        with library.follow("traces", columns=["name"], timeout=10) as live:
            traces = [handle(provider.get_tracer("shop"), number) for number in range(3)]
            came: list[str] = []
            while len(came) < 6:
                came += next(live).column("name").to_pylist()
        print("came live:", sorted(came))
        provider.shutdown()
        return traces[2]


def read(directory: str, trace_id: str) -> None:
    """Reads it as any process may, without a server."""
    print(otlp_arrow.trace_tree(directory, trace_id))

    spans = otlp_arrow.read_traces(directory, service="shop")
    status = otlp_arrow.attributes(spans, "http.response.status_code")
    print("status:", status.type, sorted(status.drop_null().to_pylist()))
    failed = spans.filter(pc.greater_equal(status, 500))
    print("failed:", otlp_arrow.attributes(failed, "http.route").to_pylist())

    query = """select name, count(*) as spans, max(duration_nano) > 0 as took_time
        from traces where start_time > now() - interval 1 hour group by name order by name"""
    print("sql:", otlp_arrow.sql(query, source=directory).to_pylist())

    frame = otlp_arrow.to_pandas(spans, attributes=["http.response.status_code"])
    print("pandas:", frame["http.response.status_code"].dtype, len(frame["trace_id"][0]), "hex digits")

    batches = otlp_arrow.read_batches("traces", directory, columns=["duration_nano"])
    print("batch by batch:", sum(batch.num_rows for batch in batches), "spans")


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        directory = sys.argv[1] if len(sys.argv) > 1 else scratch
        read(directory, receive(directory))


if __name__ == "__main__":
    main()
