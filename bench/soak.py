"""Runs the service under a steady load and prints whether memory and file handles stay flat.

python bench/soak.py              20 minutes, 100 requests a second of 20 items of each signal
python bench/soak.py --minutes 2  shorter

Needs Linux and Go. The figures of the last half are compared with those of the second quarter.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from peers import CACHE, SIGNALS, build, port

EVERY = 5  # seconds


def sample(pid: int) -> tuple[float, int]:
    """Resident memory in MiB and open file handles of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(resident.split()[1]) / 1024, len(list(Path(f"/proc/{pid}/fd").iterdir()))


def send(address: str, minutes: float, signal: str, results: dict) -> None:
    load = ["-addr", address, "-signal", signal, "-per", "20", "-rate", "100", "-c", "4", "-conns", "2"]
    run = [str(CACHE / "loadgen"), *load, "-seconds", str(int(minutes * 60))]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    results[signal] = json.loads(done.stdout) if done.returncode == 0 else {"error": done.stderr[-400:]}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20)
    args = parser.parse_args()
    build()
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        address = f"127.0.0.1:{port()}"
        command = [str(CACHE / "otlp-arrow"), "serve", "--output-dir", f"{folder}/telemetry"]
        command += ["--arrow", "off", "--health", "off", "--metrics", "off"]
        command += ["--otlp-grpc", address, "--otlp-http", "off", "--set", "files.rotate_interval_secs=30"]
        service = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(1)
        results: dict = {}
        senders = [threading.Thread(target=send, args=(address, args.minutes, s, results)) for s in SIGNALS]
        for sender in senders:
            sender.start()
        samples = []
        while any(sender.is_alive() for sender in senders):
            time.sleep(EVERY)
            samples.append(sample(service.pid))
            if len(samples) % 12 == 0:
                print(
                    f"{len(samples) * EVERY:5} s  {samples[-1][0]:6.1f} MiB  {samples[-1][1]:3} handles",
                    flush=True,
                )
        service.terminate()
        code = service.wait(60)
        files = len(list(Path(folder).glob("telemetry/otlp/*/*.arrows")))
    n = len(samples)
    early, late = samples[n // 4 : n // 2], samples[n // 2 :]
    for name, column, unit in (("memory", 0, "MiB"), ("handles", 1, "")):
        before, after = (statistics.mean(s[column] for s in part) for part in (early, late))
        peak = max(s[column] for s in samples)
        print(f"{name}: second quarter {before:.1f} {unit}, last half {after:.1f} {unit}, highest {peak:.1f}")
    for signal, result in results.items():
        print(f"{signal}: {result}")
    print(f"{files} files, exit code {code}")
    return 0 if code == 0 and not any(r.get("failed", 1) for r in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
