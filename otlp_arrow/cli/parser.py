"""The command line: all commands, their help and its looks."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from . import colour

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CODES = {
    0: "done",
    1: "failed: a full disk, damaged data, problems that remain",
    2: "a bad command line or configuration, a port in use included",
    130: "interrupted by Ctrl-C",
}


class Help(argparse.RawDescriptionHelpFormatter):
    """Keeps lines as they are written; headings stand out on a terminal."""

    def start_section(self, heading: str | None) -> None:
        super().start_section(colour.paint(heading, "bold", sys.stdout) if heading else heading)


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from .. import __version__

        print(f"otlp-arrow {__version__}")
        parser.exit()


Commands = argparse._SubParsersAction  # its only name


def add(
    commands: Commands[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    help: str,
    description: str,
    examples: Sequence[tuple[str, str]],
    codes: Mapping[int, str] | None = None,
) -> argparse.ArgumentParser:
    """A command. examples are (command line, what it is for); codes are what its exit codes mean here."""
    parser = commands.add_parser(
        name,
        help=help,
        description=description,
        epilog=f"{_examples(examples)}\n\n{_codes({**CODES, **(codes or {})})}",
        formatter_class=Help,
    )
    parser.set_defaults(run=run)
    return parser


def _examples(examples: Sequence[tuple[str, str]]) -> str:
    lines = [colour.paint("examples:", "bold", sys.stdout)]
    for command, purpose in examples:
        lines += [f"  # {purpose}", f"  {command}"]
    return "\n".join(lines)


def _codes(codes: Mapping[int, str]) -> str:
    lines = [colour.paint("exit codes:", "bold", sys.stdout)]
    return "\n".join(lines + [f"  {code:<4} {meaning}" for code, meaning in codes.items()])


def count(text: str) -> int:
    """A number of things. Raises ValueError."""
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


count.__name__ = "number (0 or more)"  # argparse tells it where the text is none


def make_parser() -> argparse.ArgumentParser:
    """The whole command line. Loads what describes the commands, not what runs them."""
    from . import completion, convert, doctor, query, send, serve, settings, tail

    parser = argparse.ArgumentParser(
        prog="otlp-arrow",
        description="Keeps OpenTelemetry (traces, metrics, logs) as Arrow files, and looks into them.\n"
        "otlp-arrow COMMAND --help tells more, with examples.",
        epilog=_examples(
            [
                ("otlp-arrow serve --output-dir telemetry", "receive, until Ctrl-C"),
                (
                    "otlp-arrow send --generate traces --items 1000",
                    "in another terminal: something to look at",
                ),
                ("otlp-arrow query traces", "and look at it"),
            ]
        )
        + f"\n\n{_codes(CODES)}",
        formatter_class=Help,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for module in (serve, settings, query, tail, send, convert, doctor, completion):
        module.register(commands)
    return parser
