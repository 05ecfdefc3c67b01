"""otlp-arrow doctor and compact."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import config
from . import parser
from .convert import SIGNALS
from .progress import progress

if TYPE_CHECKING:
    import argparse


def register(commands: parser.Commands[argparse.ArgumentParser]) -> None:
    _doctor(commands)
    _compact(commands)


def _doctor(commands: parser.Commands[argparse.ArgumentParser]) -> None:
    doctor = parser.add(
        commands,
        "doctor",
        lambda options: run(options, command="doctor", verb="checking"),
        help="check an output directory, and repair it",
        description="Checks every file and journal of an output directory, beside a running service too.\n"
        "A repair deletes no data: what is damaged is moved aside.",
        examples=[
            ("otlp-arrow doctor telemetry", "is all well?"),
            ("otlp-arrow doctor telemetry --repair", "repair what can be"),
        ],
        codes={
            1: "problems remain, or the disk failed",
            2: "a bad command line, or DIR is no output directory",
        },
    )
    doctor.add_argument("paths", metavar="DIR", nargs=1)
    doctor.add_argument("--repair", action="store_true", help="repair what can be; no data is deleted")
    doctor.add_argument("--config", metavar="FILE", help="settings with which journals are adopted")
    doctor.add_argument("--json", action="store_true", help="print the report as JSON")
    doctor.set_defaults(signal="", min_batches=0)


def _compact(commands: parser.Commands[argparse.ArgumentParser]) -> None:
    compact = parser.add(
        commands,
        "compact",
        lambda options: run(options, command="compact", verb="compacting"),
        help="few large batches instead of many small ones",
        description="Rewrites finished files that have many small batches, so that they are smaller and\n"
        "read faster. Rows may change their order within a file. A running service is not disturbed.",
        examples=[
            ("otlp-arrow compact telemetry", "all finished files"),
            (
                "otlp-arrow compact telemetry --signal logs --min-batches 2",
                "all log files that can be better",
            ),
        ],
        codes={2: "a bad command line, or a path that is no output directory or data file"},
    )
    compact.add_argument("paths", metavar="DIR|FILE", nargs="+", help="output directories, or files in them")
    compact.add_argument("--signal", choices=SIGNALS, default="", help="the only one to compact")
    compact.add_argument(
        "--min-batches", type=int, default=0, metavar="N", help="leave files with fewer alone (8)"
    )
    compact.add_argument("--json", action="store_true", help="print the report as JSON")
    compact.set_defaults(config=None, repair=False)


def run(options: argparse.Namespace, *, command: str, verb: str) -> int:
    from .._handle import maintain
    from .._work import Work

    sources = config.sources({}, config_file=options.config, embedded=False)
    request = {
        "command": command,
        "paths": [str(Path(path).absolute()) for path in options.paths],
        "config": json.loads(sources),
        "repair": options.repair,
        "signal": options.signal,
        "min_batches": options.min_batches,
    }
    body = json.dumps(request).encode()
    with progress(sys.stderr, verb):
        outcome: dict[str, Any] = Work(lambda _: maintain(body)).run(wait=False)
    if options.json:
        print(json.dumps(outcome["report"], indent=2))
    else:
        print(outcome["text"], end="")
    return 0 if outcome["ok"] else 1
