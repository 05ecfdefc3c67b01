"""Measures reading over Arrow Flight beside a plain Go Flight server that sends the same batches, in turns.

python bench/flight.py [--spans 1000000] [--rounds 5] [--compression lz4] [DIRECTORY]

Needs Go. Both servers are processes of their own on this machine, and pyarrow.flight in this one reads from
them over loopback. The plain one (bench/flightplain) has the batches in memory, uncompressed; ours sends them
from its files as they are. Writes spans into DIRECTORY as bench/read.py does, unless it has some already.

GB/s are of uncompressed Arrow data, the same bytes for both: what the plain server sends. Wire bytes are
those of the Flight messages. CPU is seconds of the server's process for one read.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import statistics
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import peers
import pyarrow.flight
import read

from otlp_arrow import OtlpLibrary

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAIN, OURS = "plain Go Flight server", "otlp-arrow"


@contextlib.contextmanager
def serving(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def cpu(process: subprocess.Popen[str]) -> float:
    """CPU seconds of a process so far; 0 where there is no /proc."""
    stat = Path(f"/proc/{process.pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def get(client: pyarrow.flight.FlightClient, ticket: bytes = b"traces") -> int:
    """Reads a table batch by batch, as a program that goes over it once; returns the rows."""
    return sum(chunk.data.num_rows for chunk in client.do_get(pyarrow.flight.Ticket(ticket)))


def sent(metrics: str) -> int:
    """Bytes of the Flight messages that our server has sent."""
    with urllib.request.urlopen(f"http://{metrics}/metrics", timeout=10) as answer:
        found = re.search(
            r'otlp_arrow_flight_sent_bytes_total\{signal="traces"\} (\S+)', answer.read().decode()
        )
    assert found
    return int(float(found[1]))


def write(directory: Path, spans: int, compression: str) -> None:
    with OtlpLibrary(output_dir=directory, files={"compression": compression}) as library:
        read.write(library, spans, small=False)


def measure(directory: Path, rounds: int) -> None:
    files = sorted(map(str, (directory / "otlp" / "traces").glob("*.arrows")))
    arrow, metrics = f"127.0.0.1:{peers.port()}", f"127.0.0.1:{peers.port()}"
    ours = [str(peers.CACHE / "otlp-arrow"), "serve", "--output-dir", str(directory), "--arrow", arrow]
    ours += ["--metrics", metrics, "--otlp-grpc", "off", "--otlp-http", "off", "--health", "off"]
    with serving([str(peers.CACHE / "flightplain"), *files]) as plain, serving(ours) as own:
        assert plain.stdout
        assert own.stdout
        address = plain.stdout.readline().strip()
        own.stdout.readline()  # the ready line
        servers = {PLAIN: (plain, address), OURS: (own, arrow)}
        taken: dict[str, list[float]] = {name: [] for name in servers}
        busy: dict[str, list[float]] = {name: [] for name in servers}
        rows = 0
        for turn in range(rounds + 1):
            for name, (process, at) in servers.items():
                with pyarrow.flight.connect(f"grpc://{at}") as client:
                    start, before = time.perf_counter(), cpu(process)
                    rows = get(client)
                    if turn:  # the first fills caches
                        taken[name].append(time.perf_counter() - start)
                        busy[name].append(cpu(process) - before)
        wire = {OURS: sent(metrics) / (rounds + 1)}
        plain.terminate()
        wire[PLAIN] = int(plain.stdout.readline()) / (rounds + 1)
    size = wire[PLAIN]
    print(f"{rows} spans, {size / 1e6:.0f} MB as uncompressed Arrow, in {len(files)} files")
    print(f"{'':24}{'GB/s, best':>12}{'median':>10}{'seconds':>10}{'wire MB':>10}{'CPU s':>8}")
    for name, seconds in taken.items():
        best, median = min(seconds), statistics.median(seconds)
        print(
            f"{name:24}{size / best / 1e9:12.2f}{size / median / 1e9:10.2f}{median:10.3f}"
            f"{wire[name] / 1e6:10.0f}{statistics.median(busy[name]):8.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory", nargs="?", type=Path)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compression", default="lz4", choices=["lz4", "zstd", "none"])
    options = parser.parse_args()
    peers.build()
    peers.call("go", "build", "-o", peers.CACHE / "flightplain", "./bench/flightplain")
    with tempfile.TemporaryDirectory() as scratch:
        directory = options.directory or Path(scratch)
        if not any((directory / "otlp" / "traces").glob("*.arrows")):
            write(directory, options.spans, options.compression)
        measure(directory, options.rounds)


if __name__ == "__main__":
    main()
