"""One library forwards to another, over gRPC and as JSON over HTTP.

Run: python examples/forwarding.py. The second library stands for any OTLP receiver: a Collector, a vendor.
"""

import json
import time
import urllib.request

from otlp_arrow import OtlpLibrary


def send(endpoint: str, text: str) -> None:
    record = {"timeUnixNano": str(time.time_ns()), "body": {"stringValue": text}}
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()
    request = urllib.request.Request(f"http://{endpoint}/v1/logs", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()


def main() -> None:
    with OtlpLibrary(output_dir="central", otlp_grpc="127.0.0.1:0", otlp_http="127.0.0.1:0") as central:
        destinations = [
            {"name": "grpc", "endpoint": f"http://{central.endpoints.otlp_grpc}", "compression": "zstd"},
            {
                "name": "json",
                "protocol": "otlp_http_json",
                "endpoint": f"http://{central.endpoints.otlp_http}",
                "signals": ["logs"],
                "headers": {"X-Tenant": "example"},
            },
        ]
        with OtlpLibrary(output_dir="edge", otlp_http="127.0.0.1:0", forwarding=destinations) as edge:
            for number in range(3):
                send(edge.endpoints.otlp_http, f"message {number}")
        # Closing the edge sent what was waiting.
        texts = sorted(central.logs()["body"].to_pylist())
        print(f"the central library has {len(texts)} records, each by both ways:")
        for text in texts:
            print(f"  {text}")


if __name__ == "__main__":
    main()
