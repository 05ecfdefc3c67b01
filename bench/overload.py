"""Sends faster than the service can write, from 64 connections, and prints what became of it.

python bench/overload.py               30 s of traces, a queue of 4 MiB
python bench/overload.py --seconds 120

A sender that is told to come later does so, when it was told to. Every item that was acknowledged must be in
the files once: exit code 1 if not. Needs Linux, Go and pyarrow.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
from peers import CACHE, build, port


def rows(folder: Path) -> int:
    total = 0
    for path in folder.glob("telemetry/otlp/traces/*.arrows"):
        with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as reader:
            total += sum(batch.num_rows for batch in reader)
    return total


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--queue", type=int, default=4 << 20, help="queue.max_bytes (default 4 MiB)")
    args = parser.parse_args()
    build()
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        folder, address = Path(name), f"127.0.0.1:{port()}"
        command = [str(CACHE / "otlp-arrow"), "serve", "--output-dir", str(folder / "telemetry")]
        command += ["--arrow", "off", "--health", "off", "--metrics", "off", "--otlp-http", "off"]
        command += ["--otlp-grpc", address, "--set", f"queue.max_bytes={args.queue}"]
        service = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1)
        load = ["-addr", address, "-signal", "traces", "-c", "64", "-conns", "64", "-retry", "-settle", "0"]
        load += ["-seconds", str(args.seconds), "-pid", str(service.pid)]
        sent = subprocess.run([str(CACHE / "loadgen"), *load], capture_output=True, text=True, check=False)
        service.terminate()
        code = service.wait(60)
        stored = rows(folder)
    if sent.returncode:
        sys.exit(sent.stderr)
    result = json.loads(sent.stdout)
    print(f"{result['acked']} items acknowledged, {stored} stored, {result['failed']} failed for good")
    peak = f"{result['server_peak_mib']:.0f} MiB"
    print(f"{result['retries']} times told to come later; peak memory {peak}; exit code {code}")
    return int(stored != result["acked"] or result["failed"] > 0 or code != 0)


if __name__ == "__main__":
    sys.exit(main())
