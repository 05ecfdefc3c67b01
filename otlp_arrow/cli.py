"""The command otlp-arrow: serve, validate, print-config, doctor, compact, convert.

Exit codes: 0 done, 1 failed (a full disk, problems that doctor leaves), 2 a bad command line or
configuration, a port in use included.
Standard output has results (the ready line, the configuration), standard error has logs and faults.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
import threading
import time
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import config
from .errors import ConfigError, OtlpArrowError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TextIO

    from .library import OtlpLibrary

LEVELS = ("debug", "info", "warn", "error")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command with arguments (default: the process's own) and returns its exit code."""
    try:
        options = _parser().parse_args(arguments)
        code: int = options.run(options)
        return code
    except ConfigError as error:
        for fault in error.faults:
            print(f"otlp-arrow: {fault}", file=sys.stderr)
        return 2
    except (OtlpArrowError, OSError) as error:
        print(f"otlp-arrow: {error}", file=sys.stderr)
        return 1


# --- the command line ---


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from . import __version__

        print(f"otlp-arrow {__version__}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="otlp-arrow", description="Keeps OpenTelemetry as Arrow files.")
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="receive until SIGTERM or Ctrl-C")
    _settings(serve)
    serve.add_argument("--ready-file", type=Path, metavar="FILE", help="write the ready line here as well")
    serve.set_defaults(run=_serve)

    validate = commands.add_parser("validate", help="check a configuration file")
    validate.add_argument("config", metavar="CONFIG")
    validate.set_defaults(run=_validate)

    show = commands.add_parser("print-config", help="print the resolved settings as JSON, secrets hidden")
    _settings(show)
    show.set_defaults(run=_print_config)

    doctor = commands.add_parser("doctor", help="check an output directory, and repair it")
    doctor.add_argument("paths", metavar="DIR", nargs=1)
    doctor.add_argument("--repair", action="store_true", help="repair what can be; no data is deleted")
    doctor.add_argument("--config", metavar="FILE", help="settings with which journals are adopted")
    doctor.add_argument("--json", action="store_true", help="print the report as JSON")
    doctor.set_defaults(run=_maintain, command="doctor", signal="", min_batches=0)

    compact = commands.add_parser("compact", help="few large batches instead of many small ones")
    compact.add_argument("paths", metavar="DIR|FILE", nargs="+", help="output directories, or files in them")
    compact.add_argument("--signal", choices=("traces", "metrics", "logs"), default="")
    compact.add_argument("--min-batches", type=int, default=0, help="leave files with fewer alone (8)")
    compact.add_argument("--json", action="store_true", help="print the report as JSON")
    compact.set_defaults(run=_maintain, command="compact", config=None, repair=False)

    convert = commands.add_parser(
        "convert",
        help="OTLP JSON, OTLP protobuf, OTAP, Arrow and Parquet into one another",
        epilog="Formats are guessed from names and content: otlp_json, otlp_proto (a length of four bytes "
        "in front of each message, as the Collector's file exporter writes), otlp_proto_varint, "
        "otlp_proto_message, otap, arrow, parquet. All but the last two are compressed when DST ends in .gz "
        "or .zst.",
    )
    convert.add_argument("src", metavar="SRC")
    convert.add_argument("dst", metavar="DST")
    convert.add_argument("--from", dest="source_format", metavar="FORMAT", help="format of SRC")
    convert.add_argument("--to", dest="format", metavar="FORMAT", help="format of DST")
    convert.add_argument("--signal", choices=("traces", "metrics", "logs"), help="the only one to take")
    convert.add_argument("--force", action="store_true", help="replace DST")
    convert.add_argument("--compression", metavar="lz4|zstd|none", help="of Arrow and Parquet")
    convert.add_argument(
        "--promote", metavar="NAME,...", action="append", default=[], help="as files.promote"
    )
    convert.add_argument("--max-message-bytes", type=int, help="largest message, 67108864 if not given")
    convert.set_defaults(run=_convert)
    return parser


class _Assign(argparse.Action):
    """A flag that stands for assignments, which are kept in the order of the command line."""

    def __init__(self, *, assign: Callable[[str], list[str]], **keywords: Any) -> None:
        super().__init__(**{**keywords, "dest": "assignments", "default": []})
        self.assign = assign

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        options: argparse.Namespace,
        value: Any,
        flag: str | None = None,
    ) -> None:
        options.assignments = [*options.assignments, *self.assign(value)]  # the default is shared


def _settings(parser: argparse.ArgumentParser) -> None:
    def add(flag: str, assign: Callable[[str], list[str]], **keywords: Any) -> None:
        parser.add_argument(flag, action=_Assign, assign=assign, **keywords)

    parser.add_argument("--config", metavar="FILE", help="YAML settings; variables and flags win over it")
    add("--output-dir", _text("output_dir"), metavar="DIR")
    add("--otlp-grpc", _listener("otlp_grpc"), metavar="ADDR|off", help="default 127.0.0.1:4317")
    add("--otlp-http", _listener("otlp_http"), metavar="ADDR|off", help="default 127.0.0.1:4318")
    add("--arrow", _listener("arrow"), metavar="ADDR|off", help="OTAP and Flight, default 127.0.0.1:4319")
    add("--health", _listener("health"), metavar="ADDR|off", help="/readyz, default 127.0.0.1:13133")
    add("--metrics", _listener("metrics"), metavar="ADDR|off", help="Prometheus, default 127.0.0.1:8888")
    add("--log-format", _text("log.format"), choices=("text", "json"))
    add("--log-level", _text("log.level"), choices=LEVELS)
    add(
        "--set",
        _assignment,
        metavar="KEY.PATH=VALUE",
        help="any setting, such as files.compression=zstd; of all flags, the last wins",
    )


def _text(key: str) -> Callable[[str], list[str]]:
    return lambda value: [f"{key}={json.dumps(value, ensure_ascii=False)}"]


def _listener(key: str) -> Callable[[str], list[str]]:
    def assign(address: str) -> list[str]:
        if address == "off":
            return [f"{key}.enabled=false"]
        return [f"{key}.enabled=true", *_text(f"{key}.endpoint")(address)]

    return assign


def _assignment(text: str) -> list[str]:
    if "=" not in text:
        raise ConfigError(f"--set {text}: want KEY.PATH=VALUE")
    return [text]


def _sources(options: argparse.Namespace) -> bytes:
    return config.sources({}, assignments=options.assignments, config_file=options.config, embedded=False)


# --- the commands ---


def _validate(options: argparse.Namespace) -> int:
    from ._handle import resolve

    resolve(config.sources({}, config_file=options.config, embedded=False))
    print("ok")
    return 0


def _print_config(options: argparse.Namespace) -> int:
    from ._handle import resolve

    print(json.dumps(resolve(_sources(options)), indent=2))
    return 0


def _maintain(options: argparse.Namespace) -> int:
    from ._handle import maintain

    sources = config.sources({}, config_file=options.config, embedded=False)
    request = {
        "command": options.command,
        "paths": [str(Path(path).absolute()) for path in options.paths],
        "config": json.loads(sources),
        "repair": options.repair,
        "signal": options.signal,
        "min_batches": options.min_batches,
    }
    outcome = _interruptible(lambda: maintain(json.dumps(request).encode()))
    if options.json:
        print(json.dumps(outcome["report"], indent=2))
    else:
        print(outcome["text"], end="")
    return 0 if outcome["ok"] else 1


def _convert(options: argparse.Namespace) -> int:
    from ._convert import convert

    promote = [name for names in options.promote for name in names.split(",")]
    with _bar(sys.stderr) as show:
        done = convert(
            options.src,
            options.dst,
            source_format=options.source_format,
            format=options.format,
            signal=options.signal,
            compression=options.compression,
            promote=promote,
            force=options.force,
            max_message_bytes=options.max_message_bytes,
            progress=show,
        )
    if done.lost:
        lost = ", ".join(f"{name} {number}" for name, number in sorted(done.lost.items()))
        print(f"{done.format} cannot carry all of it; left out: {lost}", file=sys.stderr)
    print(
        f"{done.source_format} -> {done.format}: {done.messages} messages of {done.signal}, "
        f"{done.skipped} of other signals skipped, {done.bytes_read} -> {done.bytes_written} bytes"
    )
    return 0


PATIENCE = 2.0  # seconds that a conversion takes without a bar
BAR = 30  # characters


@contextlib.contextmanager
def _bar(out: TextIO) -> Iterator[Callable[[int, int], None]]:
    """Shows how far something long is, in a line that goes at the end; only on a terminal."""
    begun, terminal, drawn = time.monotonic(), out.isatty(), False

    def show(done: int, total: int) -> None:
        nonlocal drawn
        if not terminal or total <= 0 or time.monotonic() - begun < PATIENCE:
            return
        filled, drawn = BAR * done // total, True
        line = f"[{'#' * filled}{'.' * (BAR - filled)}] {100 * done // total:3} % of {total // 10**6} MB"
        print(f"\r{line}", end="", file=out, flush=True)

    try:
        yield show
    finally:
        if drawn:
            print("\r\x1b[K", end="", file=out, flush=True)


def _interruptible(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Runs work so that Ctrl-C ends the process meanwhile, which leaves nothing half done."""
    done: list[dict[str, Any] | BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:
            done.append(error)

    worker = threading.Thread(target=run, daemon=True)
    worker.start()
    while worker.is_alive():
        worker.join(0.1)
    if isinstance(done[0], BaseException):
        raise done[0]
    return done[0]


def _serve(options: argparse.Namespace) -> int:
    from ._handle import resolve
    from .library import OtlpLibrary

    sources = _sources(options)
    log = resolve(sources).get("log") or {}
    _log_to_stderr(str(log.get("format", "text")), str(log.get("level", "info")))
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


# --- logs ---


class _Format(logging.Formatter):
    """A record as a line of text or JSON, with UTC times."""

    def __init__(self, style: str) -> None:
        super().__init__()
        self._json = style == "json"

    def format(self, record: logging.LogRecord) -> str:
        from datetime import datetime

        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        time = time.replace("+00:00", "Z")
        level = "WARN" if record.levelno == logging.WARNING else record.levelname
        if not self._json:
            return f"{time} {level:5} {record.getMessage()}"
        text = getattr(record, "text", None) or record.getMessage()
        fields = getattr(record, "fields", {})
        return json.dumps(
            {"time": time, "level": level, "msg": text, **fields}, ensure_ascii=False, default=str
        )


def _log_to_stderr(style: str, level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Format(style))
    logger = logging.getLogger("otlp_arrow")
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.getLevelName({"warn": "WARNING"}.get(level, level.upper())))


if __name__ == "__main__":
    sys.exit(main())
