"""otlp-arrow send: files, or generated load, to a receiver."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from . import parser
from .convert import FORMATS, SIGNALS

if TYPE_CHECKING:
    import argparse

PROTOCOLS = ("otlp_grpc", "otlp_http", "otlp_http_json", "otap")
DEFAULT_ENDPOINT = {
    "otlp_grpc": "http://127.0.0.1:4317",
    "otlp_http": "http://127.0.0.1:4318",
    "otlp_http_json": "http://127.0.0.1:4318",
    "otap": "http://127.0.0.1:4319",
}
SECRET = "env:NAME and file:PATH keep it out of lists of processes"


def register(commands: parser.Commands[argparse.ArgumentParser]) -> None:
    command = parser.add(
        commands,
        "send",
        _run,
        help="send files, or generated load, to a receiver",
        description="Sends what is in files (any format that convert reads, and output directories), or\n"
        "load that it makes, and tells what became of it. What a receiver takes later is sent again, when\n"
        "it says. Ctrl-C ends it at once, with the summary of what was acknowledged until then.",
        examples=[
            ("otlp-arrow send --generate traces --items 1000", "something to look at, to this machine"),
            ("otlp-arrow send telemetry --endpoint https://otlp.example:4317", "all of a directory"),
            (
                "otlp-arrow send traces.json --protocol otlp_http --endpoint https://otlp.example/otlp "
                "--api-key env:VENDOR_KEY",
                "a file of the Collector's, with a key from the environment",
            ),
            (
                "otlp-arrow send --generate logs --rate 5000 --duration 60s --connections 4",
                "a minute of steady load",
            ),
        ],
        codes={
            0: "all of it was acknowledged",
            1: "something was not, or a file is damaged",
            2: "a bad command line; nothing was sent",
            130: "interrupted by Ctrl-C, after the summary",
        },
    )
    _what(command)
    _where(command)
    _how(command)
    command.add_argument("--json", action="store_true", help="print the summary as JSON")


def _run(options: argparse.Namespace) -> int:
    from .sending import run

    return run(request(options), as_json=options.json)


def _what(command: argparse.ArgumentParser) -> None:
    command.add_argument("paths", metavar="FILE|DIR", nargs="*", help="files, and output directories")
    command.add_argument("--from", dest="source_format", choices=FORMATS, help="format of the files")
    command.add_argument("--signal", choices=SIGNALS, help="the only one to take of the files")
    load = command.add_argument_group("load", "not for files, which are sent whole")
    load.add_argument("--generate", choices=SIGNALS, help="make load instead of reading files")
    load.add_argument("--items", type=_count, default=0, metavar="N", help="as many; for ever if not given")
    load.add_argument("--duration", type=_duration, default=0.0, metavar="TIME", help="so long: 90, 90s, 5m")
    load.add_argument("--batch", type=int, default=0, metavar="N", help="items of a request, 500 at most")
    load.add_argument("--seed", type=int, default=1, metavar="N", help="another one gives other data (1)")


def _where(command: argparse.ArgumentParser) -> None:
    where = command.add_argument_group("destination")
    where.add_argument(
        "--endpoint",
        metavar="URL",
        help="http://HOST:PORT or https://..., for gRPC also HOST:PORT (TLS); this machine if not given",
    )
    where.add_argument("--protocol", choices=PROTOCOLS, default="otlp_grpc", help="otlp_grpc if not given")
    where.add_argument(
        "--header",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help=f"goes with each request; {SECRET}",
    )
    ways = where.add_mutually_exclusive_group()
    ways.add_argument("--api-key", metavar="KEY", help=f"X-API-Key; {SECRET}")
    ways.add_argument("--bearer-token", metavar="TOKEN", help="Authorization: Bearer; likewise")
    ways.add_argument(
        "--basic", metavar="USER=PASSWORD", help="Authorization: Basic; likewise, for the password"
    )
    where.add_argument("--ca-file", metavar="PEM", help="who signed the receiver's certificate")
    where.add_argument("--cert-file", metavar="PEM", help="our certificate, for receivers that ask for one")
    where.add_argument("--key-file", metavar="PEM", help="its key")
    where.add_argument("--server-name", metavar="NAME", help="that the receiver's certificate is for")
    where.add_argument("--insecure", action="store_true", help="no TLS to HOST:PORT")


def _how(command: argparse.ArgumentParser) -> None:
    how = command.add_argument_group("sending")
    how.add_argument(
        "--rate", type=float, default=0, metavar="N", help="items a second; as fast as it goes if not given"
    )
    how.add_argument(
        "--connections", type=int, default=1, metavar="N", help="each with one request on its way (1)"
    )
    how.add_argument("--compression", choices=("none", "gzip", "zstd"), default="none", help="of requests")
    how.add_argument("--timeout", type=_duration, default=10.0, metavar="TIME", help="of a request (10s)")
    how.add_argument(
        "--retry-for",
        type=_duration,
        default=60.0,
        metavar="TIME",
        help="how long a request is tried again (60s); 0 for not at all",
    )
    how.add_argument(
        "--max-request-bytes",
        type=int,
        default=4 << 20,
        metavar="N",
        help="larger messages are split (4194304), as protobuf without compression",
    )


_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}


def _duration(text: str) -> float:
    """Seconds of 90, 1.5s, 200ms, 5m, 1h."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|)", text)
    if match is None:
        raise ValueError(text)
    return float(match[1]) * _UNITS[match[2]]


_duration.__name__ = "time such as 90s or 5m"  # argparse tells it where the text is none


def _count(text: str) -> int:
    """A number, or 10k, 5M."""
    match = re.fullmatch(r"(\d+)([kM]?)", text)
    if match is None:
        raise ValueError(text)
    return int(match[1]) * {"": 1, "k": 10**3, "M": 10**6}[match[2]]


_count.__name__ = "number such as 500 or 10k"


def request(options: argparse.Namespace) -> dict[str, Any]:
    """The options as oa_send takes them. Raises ConfigError."""
    return {
        "destination": {
            "endpoint": options.endpoint or DEFAULT_ENDPOINT[options.protocol],
            "protocol": options.protocol,
            "headers": dict(_pair("--header", text) for text in options.header),
            "auth": _auth(options),
            "compression": options.compression,
            "tls": _tls(options),
            "timeout": options.timeout,
            "batch": {"max_bytes": options.max_request_bytes},
            "retry_on_failure": {
                "enabled": options.retry_for > 0,
                "initial_interval": 0.2,
                "max_interval": 5,
                "max_elapsed_time": options.retry_for,
            },
        },
        "paths": [str(Path(path).absolute()) for path in options.paths],
        "from": options.source_format or "",
        "signal": options.signal or "",
        "generate": options.generate or "",
        "items": options.items,
        "duration": options.duration,
        "batch_items": options.batch,
        "seed": options.seed,
        "rate": options.rate,
        "connections": options.connections,
    }


def _auth(options: argparse.Namespace) -> dict[str, Any]:
    if options.basic:
        user, password = _pair("--basic", options.basic)
        return {"basic": {"username": user, "password": password}}
    given = {"api_key": options.api_key, "bearer_token": options.bearer_token}
    return {name: _secret(value) for name, value in given.items() if value}


def _tls(options: argparse.Namespace) -> dict[str, Any]:
    paths = {name: getattr(options, name) for name in ("ca_file", "cert_file", "key_file")}
    tls: dict[str, Any] = {name: str(Path(path).absolute()) for name, path in paths.items() if path}
    if options.server_name:
        tls["server_name"] = options.server_name
    if options.insecure:
        tls["insecure"] = True
    return tls


def _pair(flag: str, text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"{flag}: want NAME=VALUE")  # and not the text: it may be a secret
    return name, _secret(value)


def _secret(text: str) -> Any:
    """A value, or where it is: a variable or a file, which only the process itself reads."""
    for kind in ("env", "file"):
        if text.startswith(f"{kind}:"):
            return {kind: text.removeprefix(f"{kind}:")}
    return text
