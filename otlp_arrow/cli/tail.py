"""otlp-arrow tail: the flags. tailing.py does the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import colour, parser
from .query import DIRECTORY
from .when import time

if TYPE_CHECKING:
    import argparse

SEVERITIES = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}
LAST = 10


def register(commands: parser.Commands[argparse.ArgumentParser]) -> None:
    command = parser.add(
        commands,
        "tail",
        _run,
        help="print what comes in, as it comes",
        description="Prints the last rows of an output directory, and then what a service writes there, a\n"
        "line each. A service writes every write_interval_secs (5). Ctrl-C ends it, and so does the end of\n"
        "a pipe that it prints to.",
        examples=[
            ("otlp-arrow tail", "log records of the directory telemetry"),
            ("otlp-arrow tail traces --errors", "failed spans"),
            (
                "otlp-arrow tail logs --service cart --severity warn --grep timeout",
                "what a service complains of",
            ),
            (
                "otlp-arrow tail metrics -n 0 --where metric_name=http.server.request.duration",
                "new points of a metric",
            ),
            ("otlp-arrow tail traces --format json | jq .name", "for another program"),
        ],
        codes={0: "ended by Ctrl-C or by the end of a pipe", 1: "failed: no such directory, a damaged file"},
    )
    command.add_argument("what", metavar="SIGNAL", nargs="?", help="traces, logs or metrics (logs)")
    command.add_argument("dir", metavar="DIR", nargs="?", help=f"an output directory ({DIRECTORY})")
    command.add_argument(
        "-n", "--lines", metavar="N", type=parser.count, default=LAST, help=f"the last ones first ({LAST})"
    )
    command.add_argument(
        "--since", metavar="TIME", type=time, help="all since then first: 15m, 1h (ago), ..."
    )
    command.add_argument("--no-follow", action="store_true", help="end after the last ones")
    command.add_argument(
        "--format", choices=("text", "json"), default="text", help="json: a line for each row"
    )
    command.add_argument("--color", choices=colour.WHEN, default="auto", help="colours of text (auto)")
    _filters(command)


def _filters(command: argparse.ArgumentParser) -> None:
    filters = command.add_argument_group("filters")
    filters.add_argument("--service", metavar="NAME", action="append", help="service.name; may be repeated")
    filters.add_argument("--severity", choices=tuple(SEVERITIES), help="log records from this one on")
    filters.add_argument("--errors", action="store_true", help="failed spans; log records from error on")
    filters.add_argument("--grep", metavar="TEXT", help="in the line, whatever the case")
    filters.add_argument(
        "--where", metavar="CONDITION", action="append", default=[], help="as of query; may be repeated"
    )


def _run(options: argparse.Namespace) -> int:
    from .tailing import run

    return run(options)
