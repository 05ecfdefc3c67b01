"""Measures what exporting costs an app: our exporter beside OpenTelemetry's for OTLP over gRPC, in turns.

python bench/sdk.py [--spans 20480] [--rounds 9]

Each exporter has a process of its own, the app, with the same spans (10 attributes each, an event in every
tenth; 512 a batch). gRPC sends to a server in a third process that answers and does nothing. A round exports
all spans, once called directly and once behind a BatchSpanProcessor, and waits until they are acknowledged;
ours also until they are in files. CPU is user and system time of the app's process with all its threads, Go's
and gRPC's as well; making the spans is not in it. Prints medians; exits with 1 if a ratio is above --bound.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import random
import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

BATCH = 512  # the SDK's default
WAYS = ("direct", "batch")
OURS, GRPC = "ours", "grpc"
AGENTS = ["Mozilla/5.0 (X11; Linux x86_64) Firefox/152.0", "curl/8.20.0", "python-requests/2.34.0"]


def make_spans(count: int) -> Sequence[ReadableSpan]:
    """Spans of a web shop; some attributes repeat, some do not."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop", "host.name": "web-1"}))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer, choose = provider.get_tracer("shop", "1.2"), random.Random(1)
    for number in range(count):
        order = choose.randrange(1_000_000)
        attributes = {
            "http.request.method": choose.choice(["GET", "POST"]),
            "http.route": "/orders/{id}",
            "http.response.status_code": choose.choice([200, 200, 200, 404]),
            "url.path": f"/orders/{order}",
            "url.scheme": "https",
            "server.address": "shop.example.org",
            "server.port": 443,
            "client.address": f"10.0.{choose.randrange(256)}.{choose.randrange(256)}",
            "user_agent.original": choose.choice(AGENTS),
            "order.amount": choose.random(),
        }
        with tracer.start_as_current_span(
            "GET /orders/{id}", kind=SpanKind.SERVER, attributes=attributes
        ) as span:
            if number % 10 == 0:
                span.add_event("exception", {"exception.type": "KeyError", "exception.message": str(order)})
    return kept.get_finished_spans()


# --- processes ---


def serve() -> None:
    """The gRPC server that does nothing; prints its port."""
    import grpc

    def answer(_: bytes, __: Any) -> bytes:
        return b""

    class Handler(grpc.GenericRpcHandler):
        def service(self, _: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2), handlers=[Handler()])
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(None)


def work(kind: str, target: str, count: int) -> None:
    """The app: for each line, a way, exports all spans and prints microseconds of CPU per span."""
    spans, exporter = make_spans(count), make_exporter(kind, target)
    # Its queue takes all spans, so that none is dropped.
    processor = BatchSpanProcessor(exporter, max_queue_size=count, max_export_batch_size=BATCH)
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.process_time()
        if line.strip() == "direct":
            export_directly(exporter, spans)
        else:
            for span in spans:
                processor.on_end(span)
            processor.force_flush()
        exporter.force_flush()
        print((time.process_time() - start) / count * 1e6, flush=True)
    processor.shutdown()


def make_exporter(kind: str, target: str) -> SpanExporter:
    if kind == OURS:
        from otlp_arrow.sdk import ArrowSpanExporter

        return ArrowSpanExporter(output_dir=target)
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(f"http://127.0.0.1:{target}", insecure=True)


def export_directly(exporter: SpanExporter, spans: Sequence[ReadableSpan]) -> None:
    for start in range(0, len(spans), BATCH):
        assert exporter.export(spans[start : start + BATCH]) is SpanExportResult.SUCCESS


class Process:
    """A part of this file in a process of its own, which answers lines with lines."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, __file__, *map(str, arguments)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.first = self._line()

    def ask(self, line: str) -> str:
        assert self._process.stdin
        print(line, file=self._process.stdin, flush=True)
        return self._line()

    def _line(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline().strip()
        if not line:
            sys.exit("a process of the benchmark ended too early")
        return line

    def end(self) -> None:
        self._process.communicate(timeout=60)


def measure(count: int, rounds: int) -> dict[tuple[str, str], list[float]]:
    """Microseconds of CPU per span of each round, by exporter and way."""
    found: dict[tuple[str, str], list[float]] = {(kind, way): [] for kind in (OURS, GRPC) for way in WAYS}
    with tempfile.TemporaryDirectory() as directory:
        server = Process("--serve")
        apps = {
            OURS: Process("--work", OURS, directory, "--spans", count),
            GRPC: Process("--work", GRPC, server.first, "--spans", count),
        }
        for turn in range(rounds + 1):
            for (kind, way), figures in found.items():
                figure = float(apps[kind].ask(way))
                if turn:  # the first one warms up
                    figures.append(figure)
        for process in (*apps.values(), server):
            process.end()
    return found


def report(found: dict[tuple[str, str], list[float]]) -> float:
    """Prints a line for each way; returns the highest ratio."""
    worst = 0.0
    for way in WAYS:
        ours, grpc = found[OURS, way], found[GRPC, way]
        ratio = statistics.median(ours) / statistics.median(grpc)
        named = "called directly" if way == "direct" else "behind a BatchSpanProcessor"
        figures = "  ".join(
            f"{statistics.median(each):6.2f} (lowest {min(each):.2f})" for each in (ours, grpc)
        )
        print(f"{named:28} {figures}  ratio {ratio:.2f}")
        worst = max(worst, ratio)
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spans", type=int, default=20_480)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--bound", type=float, default=0.5, help="the highest ratio that is fine (0.5)")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve()
        return 0
    if args.work:
        work(*args.work, args.spans)
        return 0
    print("microseconds of CPU per span in the app's process: ours, otlp-proto-grpc")
    return int(report(measure(args.spans, args.rounds)) > args.bound)


if __name__ == "__main__":
    sys.exit(main())
