"""Measures how soon Ctrl-C ends each call that can block: python bench/interrupt.py [--json] [CALL...]

Each call runs in a process of its own. A thread there sends SIGINT when the call has gone on for a while, and
the time is taken until the call has been left. What might be done too soon is called again and again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

AFTER = 0.35  # seconds in the call before the signal; the waits of the library go in slices of 0.1
HERE = Path(__file__).resolve()
MARK = "interrupt:"
INTERRUPTED = 130  # what a command that was interrupted exits with


def request(spans: int) -> bytes:
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    data = TracesData()
    scope = data.resource_spans.add().scope_spans.add()
    for number in range(spans):
        span = scope.spans.add(name=f"span {number % 100}", trace_id=b"t" * 16, span_id=b"s" * 8)
        span.attributes.add(key="url.path").value.string_value = f"/orders/{number}"
    return bytes(data.SerializeToString())


def again(call: Callable[[], object]) -> Callable[[], object]:
    def forever() -> None:
        while True:
            call()

    return forever


def stuck(directory: Path) -> None:
    """A file in the place of a directory: the core tries to write again and again."""
    shutil.rmtree(directory / "otlp" / "traces")
    (directory / "otlp" / "traces").write_text("in the way")


def flush(directory: Path) -> Callable[[], object]:
    from otlp_arrow import OtlpLibrary

    library = OtlpLibrary(output_dir=directory)
    library.export_traces(request(1))
    stuck(directory)
    return lambda: library.flush(timeout=None)


def close(directory: Path) -> Callable[[], object]:
    from otlp_arrow import OtlpLibrary

    library = OtlpLibrary(output_dir=directory)
    library.export_traces(request(1))
    stuck(directory)
    return lambda: library.close(timeout=None)


def traces(directory: Path) -> Callable[[], object]:
    """What waits in it is stood in for by another wait of the core: no file system is that slow."""
    from otlp_arrow import OtlpLibrary, _abi

    library, core = OtlpLibrary(output_dir=directory), _abi.load()

    def files(handle: int, number: int, milliseconds: int, *out: object) -> int:
        core.oa_log_next(handle, milliseconds, *out)
        return _abi.TIMEOUT

    core.oa_files = files  # type: ignore[attr-defined]
    return lambda: library.traces(timeout=None)


def written(directory: Path, spans: int) -> Path:
    """An output directory with one file."""
    from otlp_arrow import OtlpLibrary

    with OtlpLibrary(output_dir=directory) as library:
        library.export_traces(request(spans))
    (file,) = (directory / "otlp" / "traces").glob("*.arrows")
    return file


def read(directory: Path) -> Callable[[], object]:
    from otlp_arrow import read_traces

    file = written(directory, 20_000)
    return again(lambda: read_traces([file] * 400))


def export(directory: Path) -> Callable[[], object]:
    """Requests of 30 MB."""
    from otlp_arrow import OtlpLibrary

    library = OtlpLibrary(output_dir=directory, durability="memory")
    body = request(500_000)
    return again(lambda: (library.export_traces(body), library.flush()))


def convert(directory: Path) -> Callable[[], object]:
    import otlp_arrow

    source = directory / "in.pb"
    body = request(20_000)
    length = bytes([len(body) & 127 | 128, len(body) >> 7 & 127 | 128, len(body) >> 14])
    source.write_bytes((length + body) * 300)
    target, kind = directory / "out.jsonl", "otlp_proto_varint"
    return again(lambda: otlp_arrow.convert(source, target, source_format=kind, signal="traces", force=True))


def command(*arguments: str) -> Callable[[], object]:
    from otlp_arrow import cli

    return lambda: cli.main([*arguments])


def doctor(directory: Path) -> Callable[[], object]:
    file = written(directory, 20_000)
    stem, _, _ = file.stem.rpartition("_")
    for number in range(2, 200):
        shutil.copy(file, file.with_name(f"{stem}_{number:06}.arrows"))
    return command("doctor", str(directory))


def serve(directory: Path) -> Callable[[], object]:
    off = ["--metrics", "off", "--health", "off", "--arrow", "off", "--otlp-http", "off"]
    return command("serve", "--output-dir", str(directory), "--otlp-grpc", "127.0.0.1:0", *off)


def wait_for_spans(directory: Path) -> Callable[[], object]:
    from otlp_arrow.testing import MockOtlpService

    service = MockOtlpService(output_dir=directory)
    return lambda: service.wait_for_spans(timeout=3600)


ALL = (flush, close, traces, read, export, convert, doctor, serve, wait_for_spans)
CALLS = {each.__name__: each for each in ALL}


def measure(name: str) -> None:
    """In a process of its own: tells when the signal was sent, and when the call was left."""
    with tempfile.TemporaryDirectory() as directory:
        call = CALLS[name](Path(directory))

        def interrupt() -> None:
            threading.Event().wait(AFTER)
            tell("sent")
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt, daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            call()
        tell("left")
        os._exit(0)  # what was made to hang would be waited for


def tell(what: str) -> None:
    print(MARK, what, time.monotonic(), flush=True)


def milliseconds(name: str) -> int:
    """From the signal until the call was left, or until its process ended, as commands do."""
    run = [sys.executable, HERE, "--one", name]
    done = subprocess.run(run, stdout=subprocess.PIPE, text=True, timeout=120)
    ended = time.monotonic()
    told = [line.split() for line in done.stdout.splitlines() if line.startswith(MARK)]
    times = {what: float(when) for _, what, when in told}
    left, sent = times.get("left", ended), times.get("sent", math.inf)
    if done.returncode not in (0, INTERRUPTED) or left < sent:
        sys.exit(f"{name} ended with {done.returncode} before the signal came, or failed")
    return round(1000 * (left - sent))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("calls", nargs="*", metavar="CALL", help=" ".join(CALLS))
    parser.add_argument("--json", action="store_true", help="the milliseconds of each call, as JSON")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure(options.calls[0])
        return 0
    found = {name: milliseconds(name) for name in options.calls or CALLS}
    print(
        json.dumps(found) if options.json else "\n".join(f"{name:14} {ms:5} ms" for name, ms in found.items())
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
