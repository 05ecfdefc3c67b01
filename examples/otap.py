"""Telemetry on the wire as Arrow (OTAP): one library forwards to another, and their tables are compared.

Run: python examples/otap.py. Either end may be a Collector: its otelarrow exporter, its otelarrow receiver.
"""

import json
import time
import urllib.request
from pathlib import Path

import otlp_arrow
from otlp_arrow import OtlpLibrary


def send(endpoint: str, number: int) -> None:
    now = time.time_ns()
    span = {
        "traceId": f"{number + 1:032x}",
        "spanId": f"{number + 1:016x}",
        "name": "POST /orders",
        "startTimeUnixNano": str(now),
        "endTimeUnixNano": str(now + 1_000_000),
        "attributes": [{"key": "order.id", "value": {"intValue": number}}],
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span] * 20}]}]}).encode()
    request = urllib.request.Request(
        f"http://{endpoint}/v1/traces", body, {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=10).close()


def main() -> None:
    with OtlpLibrary(output_dir="central", arrow="127.0.0.1:0") as central:
        destination = {
            "name": "central",
            "protocol": "otap",
            "endpoint": f"http://{central.endpoints.arrow}",
        }
        with OtlpLibrary(output_dir="edge", otlp_http="127.0.0.1:0", forwarding=[destination]) as edge:
            for number in range(5):
                send(edge.endpoints.otlp_http, number)
            sent = edge.traces()
        # Closing the edge sent what was waiting.
        arrived = central.traces()
    print(f"{sent.num_rows} spans sent, {arrived.num_rows} arrived, equal: {arrived.equals(sent)}")

    # A stream of OTAP as a file: what goes over the wire, read back.
    (source,) = Path("central/otlp/traces").glob("otlp_*.arrows")
    done = otlp_arrow.convert(source, "traces.otap", force=True)
    print(
        f"{done.messages} messages, {done.bytes_read} bytes as a table, {done.bytes_written} as {done.format}"
    )
    otlp_arrow.convert("traces.otap", "traces.json", force=True)
    print(Path("traces.json").read_text().count("POST /orders"), "spans came back")


if __name__ == "__main__":
    main()
