"""Measures how long things take to be ready, each in a process of its own; bench/import.py has imports.

python bench/start.py [--rounds 15]

An ack is the answer to an Export request of one span over HTTP on loopback. Prints milliseconds: the median,
and the worst of all rounds. What Python takes to start is in the figures of the service alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

COMMON = """
import http.client, json, os, subprocess, sys, tempfile, threading, time

body = bytes.fromhex("0a27122512230a1074747474747474747474747474747474120873737373737373732a056669727374")

def ack(address):
    host, port = address.split(":")
    connection = http.client.HTTPConnection(host, int(port))
    connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
    assert connection.getresponse().status == 200
    connection.close()

def took():
    print(1000 * (time.perf_counter() - start))
    sys.stdout.flush()
    os._exit(0)

place = os.path.join(tempfile.gettempdir(), "out")
start = time.perf_counter()
"""

PROBES = {
    "OtlpLibrary: import to first ack": """
from otlp_arrow import OtlpLibrary
library = OtlpLibrary(output_dir=place, otlp_http="127.0.0.1:0")
ack(library.endpoints.otlp_http); took()""",
    "otlp-arrow serve: process to first ack": """
ready = place + ".json"
command = [sys.executable, "-m", "otlp_arrow.cli", "serve", "--output-dir", place, "--ready-file", ready]
command += ["--otlp-grpc", "off", "--otlp-http", "127.0.0.1:0", "--arrow", "off", "--health", "off"]
service = subprocess.Popen([*command, "--metrics", "off"], stdout=subprocess.DEVNULL)
while not os.path.exists(ready):
    time.sleep(0.001)
ack(json.load(open(ready))["endpoints"]["otlp_http"])
service.terminate(); took()""",
    "fixture otlp: the first of a process": """
from otlp_arrow.testing import MockOtlpService
MockOtlpService(); took()""",
    "fixture otlp: another": """
from otlp_arrow.testing import MockOtlpService
MockOtlpService().close()
start = time.perf_counter()
MockOtlpService(); took()""",
    "fixture otlp: its end": """
from otlp_arrow.testing import MockOtlpService
service = MockOtlpService()
ack(service.endpoints.otlp_http)
start = time.perf_counter()
service.close(); took()""",
    "the first wait of a process, which loads pyarrow": """
from otlp_arrow.testing import MockOtlpService
service = MockOtlpService()
ack(service.endpoints.otlp_http)
start = time.perf_counter()
service.wait_for_spans(1); took()""",
    "a wait: from the ack to its return": """
from otlp_arrow.testing import MockOtlpService
service = MockOtlpService()
ack(service.endpoints.otlp_http)
service.wait_for_spans(1)
def later():
    global start
    time.sleep(0.05)
    ack(service.endpoints.otlp_http)
    start = time.perf_counter()
sender = threading.Thread(target=later)
sender.start()
service.wait_for_spans(2)
end = time.perf_counter()
sender.join()
start += time.perf_counter() - end; took()""",
}


def probe(code: str) -> float:
    command = [sys.executable, "-c", COMMON + code]
    with tempfile.TemporaryDirectory() as place:  # what it leaves behind, since it ends at once, goes with it
        environment = {**os.environ, "TMPDIR": place}
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    found: dict[str, list[float]] = {what: [] for what in PROBES}
    for _ in range(rounds):  # in turns, so that other load meets all
        for what, code in PROBES.items():
            found[what].append(probe(code))
    print(f"{'ms, of ' + str(rounds) + ' rounds':50} {'median':>8} {'worst':>8}")
    for what, times in found.items():
        print(f"{what:50} {statistics.median(times):8.1f} {max(times):8.1f}")


if __name__ == "__main__":
    main()
