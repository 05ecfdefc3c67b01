"""How long it takes from the end of an app that calls language models to a dataframe of its spans.

    python bench/llm.py [--spans 1000] [--phoenix VERSION]

The app sends spans of the GenAI conventions, with messages of some 1,500 characters, over OTLP/gRPC through
the SDK's BatchSpanProcessor: to otlp-arrow in the same process, and then to an Arize Phoenix (with SQLite,
its default) that is started for it. The clock starts when the SDK's shutdown() returns, so that all spans
were acknowledged, and stops when a dataframe has them all; pandas and clients are loaded before, and Phoenix
is asked again half a second after it had fewer. Needs `pip install 'otlp-arrow[examples]'`; Phoenix is
installed from PyPI into bench/.cache.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CACHE = Path(__file__).resolve().parent / ".cache"
WORDS = "the sky is blue because air scatters short waves of light more than long ones, and so on. " * 16

READ = """
import sys, time
import pandas
from phoenix.client import Client
client, wanted = Client(base_url=sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
began = float(input())
rows = -1
while rows < wanted and time.time() - began < 300:
    asked = time.time()
    try:
        rows = len(client.spans.get_spans_dataframe(project_identifier="default", limit=wanted, timeout=300))
    except Exception as error:
        print(error, file=sys.stderr)
    if rows < wanted:
        time.sleep(0.5)
print(rows, time.time() - began, time.time() - asked)
"""


def app(endpoint: str, count: int) -> None:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "helpdesk"}))
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=True, timeout=60)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=count + 1))
    tracer = provider.get_tracer("helpdesk")
    for number in range(count):
        with tracer.start_as_current_span("chat small-1") as span:
            span.set_attributes(attributes(number))
    provider.force_flush(300_000)
    provider.shutdown()


def attributes(number: int) -> dict[str, object]:
    part = {"type": "text", "content": f"{number} {WORDS}"}
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "example",
        "gen_ai.request.model": "small-1",
        "gen_ai.response.model": "small-1",
        "gen_ai.conversation.id": f"conversation-{number // 10}",
        "gen_ai.usage.input_tokens": 200 + number % 100,
        "gen_ai.usage.output_tokens": 40,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [part]}]),
    }


def ours(count: int) -> tuple[int, float, float]:
    """Rows, seconds to the dataframe, and of these seconds that the last request took."""
    from otlp_arrow import OtlpLibrary

    import_module("pandas")  # beforehand, as a notebook has it
    with tempfile.TemporaryDirectory() as directory:
        settings = {"output_dir": directory, "otlp_grpc": "127.0.0.1:0", "files": {"promote": ["gen_ai"]}}
        with OtlpLibrary(**settings) as library:
            app(f"http://{library.endpoints.otlp_grpc}", count)
            began = time.time()
            frame = library.traces().to_pandas()
            taken = time.time() - began
    return len(frame), taken, taken


def phoenix(count: int, version: str) -> tuple[int, float, float]:
    python = install(version)
    http, grpc = free_port(), free_port()
    with tempfile.TemporaryDirectory() as directory:
        environment = os.environ | {
            "PHOENIX_PORT": str(http),
            "PHOENIX_GRPC_PORT": str(grpc),
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_WORKING_DIR": directory,
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }
        command = [str(python.with_name("phoenix")), "serve"]
        server = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_for(grpc)
            rows, taken, last = read_while(
                lambda: app(f"http://127.0.0.1:{grpc}", count), python, http, count
            )
        finally:
            server.terminate()
            server.wait(30)
    return rows, taken, last


def read_while(work: Callable[[], None], python: Path, port: int, count: int) -> tuple[int, float, float]:
    """Does the work, and then reads with a Phoenix client that was ready before."""
    command = [python, "-c", READ, f"http://127.0.0.1:{port}", str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        reader.stdout.readline()
        work()
        answer, _ = reader.communicate(f"{time.time()}\n")
    rows, taken, last = answer.split()
    return int(rows), float(taken), float(last)


def install(version: str) -> Path:
    place = CACHE / f"phoenix-{version}"
    python = place / "bin" / "python"
    if not (place / "bin" / "phoenix").exists():
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        wanted = [f"arize-phoenix=={version}", "arize-phoenix-client==3.5.0", "pandas"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    return python


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spans", type=int, default=1000)
    parser.add_argument("--phoenix", default="20.26.1", metavar="VERSION")
    options = parser.parse_args()
    print(f"{options.spans} spans; Phoenix {options.phoenix}; {os.cpu_count()} CPUs\n")
    print("| | rows | s to the dataframe | of it the last request |\n| --- | ---: | ---: | ---: |")
    for name, result in (
        ("otlp-arrow", lambda: ours(options.spans)),
        ("Phoenix", lambda: phoenix(options.spans, options.phoenix)),
    ):
        rows, taken, last = result()
        print(f"| {name} | {rows} | {taken:.2f} | {last:.2f} |", flush=True)


if __name__ == "__main__":
    main()
