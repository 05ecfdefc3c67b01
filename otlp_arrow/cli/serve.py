"""otlp-arrow serve."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import parser, settings

if TYPE_CHECKING:
    import argparse

    from ..library import OtlpLibrary


def register(commands: parser.Commands[argparse.ArgumentParser]) -> None:
    command = parser.add(
        commands,
        "serve",
        run,
        help="receive until SIGTERM or Ctrl-C",
        description="Receives OTLP over gRPC and HTTP, OTAP and Arrow Flight, and writes Arrow files. When\n"
        "it listens it prints a ready line: JSON with the real addresses. The first SIGTERM or Ctrl-C\n"
        "writes what was acknowledged and ends it; a second one ends it at once, and nothing\n"
        "acknowledged is lost. docs/configuration.md has all settings.",
        examples=[
            ("otlp-arrow serve --output-dir telemetry", "on 4317 and 4318 of this machine"),
            ("otlp-arrow serve --otlp-grpc 127.0.0.1:0 --otlp-http off", "on any free port, gRPC only"),
            (
                "otlp-arrow serve --config otlp.yaml --set files.promote=http,gen_ai",
                "settings from a file, but one",
            ),
        ],
        codes={0: "stopped by a signal, all is written", 1: "failed, or ended by a second signal"},
    )
    settings.add_flags(command)
    command.add_argument("--ready-file", type=Path, metavar="FILE", help="write the ready line here as well")


def run(options: argparse.Namespace) -> int:
    from .._handle import resolve
    from ..library import OtlpLibrary
    from .logs import log_to_stderr

    sources = settings.sources(options)
    log = resolve(sources).get("log") or {}
    log_to_stderr(str(log.get("format", "text")), str(log.get("level", "info")))
    stop = _stop_on_signal()
    library = OtlpLibrary.from_sources(sources)
    try:
        with _announced(library, options.ready_file):
            while not stop.wait(1):
                pass
    finally:
        library.close(timeout=None)  # a second signal ends the wait
    return 0


def _stop_on_signal() -> threading.Event:
    """An event that the first SIGTERM or SIGINT sets; the second one ends the process at once."""
    stop = threading.Event()

    def handle(number: int, frame: object) -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
    return stop


@contextlib.contextmanager
def _announced(library: OtlpLibrary, ready_file: Path | None) -> Any:
    """Tells that the library is ready: a JSON line on stdout, and in the file while it is open."""
    line = json.dumps(
        {
            "event": "ready",
            "pid": os.getpid(),
            "endpoints": vars(library.endpoints),
            "output_dir": str(library.output_dir),
        }
    )
    if ready_file:
        partial = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
        partial.write_text(line + "\n")
        partial.replace(ready_file)  # whoever waits for the file never sees half a line
    print(line, flush=True)
    try:
        yield
    finally:
        if ready_file:
            ready_file.unlink(missing_ok=True)
