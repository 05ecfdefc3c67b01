"""Measures what one more OTLP/gRPC destination adds to the server's CPU, the sending call included.

python bench/forward.py         the same server without and with a destination, in turn

Needs Linux and Go. The destination is bench/sink, a process of its own that forgets what it gets.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
from collections.abc import Iterator

import peers


@contextlib.contextmanager
def sink() -> Iterator[tuple[str, dict]]:
    """Start the destination; yields its address and, once it has ended, what it got."""
    address, got = f"127.0.0.1:{peers.port()}", {}
    process = subprocess.Popen(
        [str(peers.CACHE / "sink"), "-addr", address], stdout=subprocess.PIPE, text=True
    )
    try:
        yield address, got
    finally:
        process.terminate()
        out, _ = process.communicate(timeout=30)
        got.update(json.loads(out))


def measure(signal: str, load: list[str], destinations: list[dict]) -> dict:
    os.environ["OTLP_FORWARDING"] = json.dumps(destinations)
    return peers.measure(peers.OURS, signal, *load)


def round_of(signal: str, load: list[str], settings: dict) -> tuple[float, float, float]:
    """CPU microseconds an item without and with a destination, and requests to it per 1,000 of ours."""
    plain = measure(signal, load, [])
    with sink() as (address, got):
        destination = {
            "name": "sink",
            "endpoint": address,
            "tls": {"insecure": True},
            "signals": [signal],
            **settings,
        }
        forwarding = measure(signal, load, [destination])
    acked = forwarding["acked"]
    if forwarding["failed"] or plain["failed"] or got["items"] != acked:
        raise RuntimeError(f"{acked} items acknowledged, {got['items']} forwarded; {forwarding}")
    return plain["server_us_per_item"], forwarding["server_us_per_item"], got["requests"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=20000, help="requests (default 20000)")
    parser.add_argument("--per", type=int, default=100, help="items a request (default 100)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
    parser.add_argument("--set", type=json.loads, default={}, help="more of the destination, as JSON")
    parser.add_argument("--signal", action="append", choices=peers.SIGNALS, help="only this signal")
    args = parser.parse_args()
    os.environ.pop("OTLP_CONFIG", None)
    peers.build()
    peers.call("go", "build", "-o", peers.CACHE / "sink", "./bench/sink")
    load = ["-per", str(args.per), "-n", str(args.requests), "-c", "8", "-conns", "4"]
    print(f"loadgen {' '.join(load)}; {os.cpu_count()} CPUs; {args.rounds} rounds.")
    print("On a machine that does other things look at the lowest.\n")
    peers.row(["signal", "", "CPU µs/item without", "with", "added", "requests sent"])
    peers.row(["---", "---", "---:", "---:", "---:", "---:"])
    for signal in args.signal or peers.SIGNALS:
        rounds = [round_of(signal, load, args.set) for _ in range(args.rounds)]
        for name, of in (("median", statistics.median), ("lowest", min)):
            plain, forwarding, sent = (of(column) for column in zip(*rounds, strict=True))
            added = 100 * (forwarding / plain - 1)
            peers.row([signal, name, f"{plain:.3f}", f"{forwarding:.3f}", f"{added:+.1f} %", f"{sent:.0f}"])


if __name__ == "__main__":
    main()
