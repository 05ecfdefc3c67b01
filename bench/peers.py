"""Measures otlp-arrow and its peers under the same load, one after the other.

python bench/peers.py           CPU per item, latency and memory, per signal
python bench/peers.py --durability  what memory, write and fsync cost, at 1, 8 and 64 connections
python bench/peers.py --steady  p95 at 1,000 requests a second of 10 items for 30 s

Needs Linux, Go and, for the first run, the Go proxy and PyPI. Peers are kept in bench/.cache.
A peer that cannot be built or started is left out, with the reason below the table. Each is measured
--rounds times, in turn with the others, and rotel once, since it takes minutes; the table shows the
run with the median CPU.
"""

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "bench" / ".cache"
COLLECTOR = "v0.159.0"
ROTEL = "0.0.1a15"
SIGNALS = ("traces", "metrics", "logs")
OURS, NOP, FILE, BLACKHOLE = "otlp-arrow", "Collector nop", "Collector file (protobuf)", "rotel blackhole"

MANIFEST = f"""\
dist:
  name: otelcol-peer
  module: example.invalid/otelcol-peer
  output_path: ./out
receivers:
  - gomod: go.opentelemetry.io/collector/receiver/otlpreceiver {COLLECTOR}
exporters:
  - gomod: go.opentelemetry.io/collector/exporter/nopexporter {COLLECTOR}
  - gomod: github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter {COLLECTOR}
"""


def call(*command: str | Path, cwd: Path = ROOT) -> None:
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {(done.stderr or done.stdout).strip()[-800:]}")


def build() -> None:
    CACHE.mkdir(exist_ok=True)
    ours = (
        "-tags=grpcnotrace",
        "-pgo=gocore/service.pgo",
        "-o",
        CACHE / "otlp-arrow",
        "./gocore/cmd/otlp-arrow",
    )
    call("go", "build", *ours)
    call("go", "build", "-o", CACHE / "loadgen", "./bench/loadgen")


def collector() -> Path:
    folder = CACHE / "otelcol"
    binary, manifest = folder / "out" / "otelcol-peer", folder / "manifest.yaml"
    if not binary.exists() or manifest.read_text() != MANIFEST:
        folder.mkdir(parents=True, exist_ok=True)
        manifest.write_text(MANIFEST)
        builder = f"go.opentelemetry.io/collector/cmd/builder@{COLLECTOR}"
        call("go", "run", builder, "--config", "manifest.yaml", cwd=folder)
    return binary


def rotel() -> Path:
    folder = CACHE / "rotel"
    if not list(folder.glob("lib/python*/site-packages/rotel/rotel-agent")):
        call(sys.executable, "-m", "venv", folder)
        call(folder / "bin" / "pip", "install", "--quiet", f"rotel=={ROTEL}")
    return next(folder.glob("lib/python*/site-packages/rotel/rotel-agent"))


def port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def command(peer: str, address: str, folder: Path) -> list[str]:
    if peer.startswith(OURS):
        serve = [str(CACHE / "otlp-arrow"), "serve", "--otlp-grpc", address, "--otlp-http", "off"]
        serve += ["--arrow", "off", "--health", "off", "--metrics", "off"]
        serve += ["--output-dir", str(folder / "telemetry")]
        durability = peer.removeprefix(OURS).strip()
        return [*serve, "--set", f"durability={durability}"] if durability else serve
    if peer == BLACKHOLE:
        run = [str(rotel()), "start", "--exporter", "blackhole", "--otlp-grpc-endpoint", address]
        run += ["--otlp-http-endpoint", f"127.0.0.1:{port()}"]
        return [*run, "--pid-file", str(folder / "pid"), "--log-file", str(folder / "log")]
    exporter = (
        {"file": {"path": str(folder / "telemetry.pb"), "format": "proto"}} if peer == FILE else {"nop": None}
    )
    pipeline = {"receivers": ["otlp"], "exporters": list(exporter)}
    config = {
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": address}}}},
        "exporters": exporter,
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": dict.fromkeys(SIGNALS, pipeline),
        },
    }
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    return [str(collector()), "--config", str(folder / "config.yaml")]


@contextlib.contextmanager
def serving(peer: str) -> Iterator[tuple[str, int]]:
    """Start the peer; yields its address and process."""
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        folder, address = Path(name), f"127.0.0.1:{port()}"
        with (folder / "output").open("w") as output:
            process = subprocess.Popen(
                command(peer, address, folder),
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                cwd=folder,
            )
        try:
            wait(process, address, folder / "output")
            yield address, process.pid
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait(process: subprocess.Popen[bytes], address: str, output: Path) -> None:
    host, number = address.split(":")
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection((host, int(number)), 1):
            time.sleep(0.5)  # what else it does at the start is not measured
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"did not start: {output.read_text()[-800:]}")


def measure(peer: str, signal: str, *load: str) -> dict:
    with serving(peer) as (address, pid):
        run = [str(CACHE / "loadgen"), "-addr", address, "-pid", str(pid), "-signal", signal, *load]
        done = subprocess.run(run, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-800:])
    return json.loads(done.stdout)


def row(cells: list[str]) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def heading(*names: str) -> None:
    row(list(names))
    row(["---"] * 2 + ["---:"] * (len(names) - 2))


def rounds(peers: list[str], signal: str, load: list[str], count: int) -> tuple[dict, list[str]]:
    """All peers in turn, count times; gives each one's median run, and why others have none."""
    runs: dict[str, list[dict]] = {peer: [] for peer in peers}
    reasons, out = [], set()
    for _ in range(count):
        for peer in peers:
            if peer in out or (peer == BLACKHOLE and runs[peer]):
                continue
            try:
                run = measure(peer, signal, *load)
            except (RuntimeError, OSError) as error:
                reasons.append(f"{peer}, {signal}: {error}")
                out.add(peer)
                continue
            runs[peer].append(run)
            if run["failed"]:
                reasons.append(f"{peer}, {signal}: {run['failed']} failed items, first: {run['first_error']}")
    median = {
        peer: sorted(all_, key=lambda r: r["server_us_per_item"] or 0)[len(all_) // 2]
        for peer, all_ in runs.items()
        if all_
    }
    return median, reasons


def table(peers: list[str], signals: list[str], load: list[str], count: int) -> list[str]:
    heading("signal", "server", "CPU µs/item", "vs nop", "p50 ms", "p95 ms", "p99 ms", "p95 vs nop",
            "peak MiB", "vs nop", "items/s", "failed")  # fmt: skip
    skipped = []
    for signal in signals:
        measured, reasons = rounds(peers, signal, load, count)
        skipped += reasons
        nop = measured.get(NOP)
        for peer, r in measured.items():

            def ratio(key: str, r: dict = r, nop: dict | None = nop) -> str:
                return f"{r[key] / nop[key]:.2f}" if nop and nop[key] and r[key] is not None else "-"

            us = r["server_us_per_item"]
            row([signal, peer, "-" if us is None else f"{us:.2f}", ratio("server_us_per_item"),
                 f"{r['p50_ms']:.2f}", f"{r['p95_ms']:.2f}", f"{r['p99_ms']:.2f}", ratio("p95_ms"),
                 f"{r['server_peak_mib']:.0f}", ratio("server_peak_mib"),
                 f"{r['items_per_s']:.0f}", str(r["failed"])])  # fmt: skip
    return skipped


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--steady", action="store_true", help="1,000 requests a second of 10 items, ours and nop"
    )
    parser.add_argument("--durability", action="store_true", help="nop beside memory, write and fsync")
    parser.add_argument("--requests", type=int, default=24000, help="requests of 100 items (default 24000)")
    parser.add_argument("--rounds", type=int, default=3, help="of all peers (default 3)")
    parser.add_argument("--seconds", type=int, default=30, help="length of --steady (default 30)")
    parser.add_argument("--signal", action="append", choices=SIGNALS, help="only this signal")
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error("--rounds must be at least 1")
    os.environ.pop("OTLP_CONFIG", None)
    build()
    peers, load = [NOP, f"{OURS} memory", OURS, FILE, BLACKHOLE], ["-per", "100", "-n", str(args.requests)]
    if args.steady:
        peers, load = [NOP, OURS], ["-per", "10", "-rate", "1000", "-seconds", str(args.seconds)]
    what = f"loadgen {' '.join(load)}; {args.rounds} rounds; {os.cpu_count()} CPUs"
    print(f"Collector {COLLECTOR}, rotel {ROTEL}; {what}")
    print()
    skipped = []
    if args.durability:
        peers = [NOP, *(f"{OURS} {level}" for level in ("memory", "write", "fsync"))]
        for connections in ("1", "8", "64"):
            print(f"\n{connections} connections, a request in flight on each\n")
            skipped += table(
                peers,
                args.signal or ["traces"],
                [*load, "-c", connections, "-conns", connections],
                args.rounds,
            )
    else:
        skipped = table(peers, args.signal or list(SIGNALS), [*load, "-c", "8", "-conns", "4"], args.rounds)
    for reason in skipped:
        print(f"\n- {reason}")


if __name__ == "__main__":
    main()
