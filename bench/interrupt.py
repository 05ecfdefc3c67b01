"""Measures how soon Ctrl-C ends each call that can block: python bench/interrupt.py [--json] [CALL...]

Each call runs in a process of its own. A thread there sends SIGINT when the call has gone on for a while, and
the time is taken until the call has been left. A call that ended before is an error.
"""

from __future__ import annotations

import argparse
import json
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

AFTER = 0.3  # seconds in the call before the signal
HERE = Path(__file__).resolve()


def request(spans: int) -> bytes:
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    data = TracesData()
    scope = data.resource_spans.add().scope_spans.add()
    for number in range(spans):
        span = scope.spans.add(name=f"span {number % 100}", trace_id=b"t" * 16, span_id=b"s" * 8)
        span.attributes.add(key="url.path").value.string_value = f"/orders/{number}"
    return bytes(data.SerializeToString())


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
    return lambda: read_traces([file] * 400)


def export(directory: Path) -> Callable[[], object]:
    """Requests of 30 MB, one after the other: within one the signal has to wait."""
    from otlp_arrow import OtlpLibrary

    library = OtlpLibrary(output_dir=directory, durability="memory")
    body = request(500_000)

    def call() -> None:
        while True:
            library.export_traces(body)
            library.flush()

    return call


def convert(directory: Path) -> Callable[[], object]:
    import otlp_arrow

    source = directory / "in.pb"
    body = request(20_000)
    length = bytes([len(body) & 127 | 128, len(body) >> 7 & 127 | 128, len(body) >> 14])
    source.write_bytes((length + body) * 300)
    return lambda: otlp_arrow.convert(
        source, directory / "out.jsonl", source_format="otlp_proto_varint", signal="traces"
    )


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


def measure(name: str) -> float:
    """In a process of its own: seconds from the signal until the call was left."""
    with tempfile.TemporaryDirectory() as directory:
        call = CALLS[name](Path(directory))
        sent: list[float] = []

        def interrupt() -> None:
            threading.Event().wait(AFTER)
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt, daemon=True).start()
        try:
            ended = call()
        except KeyboardInterrupt:
            ended = None
        taken = time.monotonic() - sent[0] if sent else None
        if taken is None:
            sys.exit(f"{name} ended with {ended!r} before the signal came")
        print(json.dumps(taken), flush=True)
        os._exit(0)  # what was made to hang would be waited for


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
    found = {}
    for name in options.calls or CALLS:
        run = [sys.executable, HERE, "--one", name]
        done = subprocess.run(run, stdout=subprocess.PIPE, text=True, check=True, timeout=120)
        found[name] = round(1000 * float(done.stdout.splitlines()[-1]))
    print(
        json.dumps(found) if options.json else "\n".join(f"{name:14} {ms:5} ms" for name, ms in found.items())
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
