"""otlp-arrow query: the flags. querying.py does the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import colour, parser
from .convert import SIGNALS
from .output import FORMATS
from .when import time

if TYPE_CHECKING:
    import argparse

DIRECTORY = "telemetry"  # where serve writes by default


def register(commands: parser.Commands[argparse.ArgumentParser]) -> None:
    command = parser.add(
        commands,
        "query",
        _run,
        help="ask the tables: SQL, filters, or one trace as a tree",
        description="Reads an output directory, or a data file, also while a service writes there.\n"
        "WHAT is traces, logs or metrics, which the filters narrow down, or one statement of SQL over\n"
        "the tables of these names (DuckDB's: pip install 'otlp-arrow[duckdb]'). docs/format.md has the\n"
        "columns; in SQL there are also start_time, end_time, time and observed_time for date functions.\n"
        "On a terminal it prints a table, elsewhere JSON, a line for each row, unless told otherwise.",
        examples=[
            (
                'otlp-arrow query "select service_name, count(*) from traces group by 1"',
                "SQL, over the directory telemetry",
            ),
            ("otlp-arrow query traces --service cart --since 1h", "what a service did in the last hour"),
            (
                "otlp-arrow query traces --where status_code=ERROR "
                "--where 'attributes[\"http.route\"]=/cart'",
                "the errors of a route",
            ),
            ("otlp-arrow query logs other/dir --where body~timeout --format json", "for jq"),
            ("otlp-arrow query --trace 0af7651916cd43dd8448eb211c80319c", "a trace as a tree"),
            ("otlp-arrow query metrics --since 1d --output points.parquet", "for other tools"),
        ],
        codes={
            1: "failed: no such directory, a damaged file",
            2: "a bad command line or query, or DuckDB is missing",
        },
    )
    command.add_argument("what", metavar="WHAT", nargs="?", help="traces, logs, metrics, or SQL")
    command.add_argument(
        "dir", metavar="DIR", nargs="?", help=f"an output directory or data file ({DIRECTORY})"
    )
    _filters(command)
    results = command.add_argument_group("results")
    results.add_argument(
        "--format", choices=FORMATS, help="if not given: FILE's, or table, or json in a pipe"
    )
    results.add_argument("--output", metavar="FILE", help="write there; its name tells the format")
    results.add_argument("--color", choices=colour.WHEN, default="auto", help="colours of a table (auto)")


def _filters(command: argparse.ArgumentParser) -> None:
    filters = command.add_argument_group("filters, not for SQL")
    filters.add_argument("--trace", metavar="ID", help="print this trace as a tree, WHAT is left out")
    filters.add_argument("--service", metavar="NAME", action="append", help="service.name; may be repeated")
    filters.add_argument(
        "--since", metavar="TIME", type=time, help="15m, 1h, 2d (ago), 2026-01-02T03:04:05 (UTC)"
    )
    filters.add_argument("--until", metavar="TIME", type=time, help="likewise, not included")
    filters.add_argument(
        "--where",
        metavar="CONDITION",
        action="append",
        default=[],
        help='COLUMN=VALUE or attributes["KEY"]=VALUE; = != > >= < <= ~ (expression) !~; may be repeated',
    )
    filters.add_argument(
        "--columns", metavar="NAME,...", help="these columns; a table has few if not told, others all"
    )
    filters.add_argument(
        "--limit",
        metavar="N",
        type=parser.count,
        help="at most so many rows, 0 for all; a table has 100 if not told",
    )


def _run(options: argparse.Namespace) -> int:
    from .querying import run

    return run(options)


def is_signal(text: str | None) -> bool:
    return text in SIGNALS
