"""Settings on the command line: the flags of serve and print-config, validate and print-config."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from .. import config
from ..errors import ConfigError
from . import parser

if TYPE_CHECKING:
    from collections.abc import Callable

LEVELS = ("debug", "info", "warn", "error")


def register(commands: parser.Commands[argparse.ArgumentParser]) -> None:
    validate = parser.add(
        commands,
        "validate",
        _validate,
        help="check a configuration file",
        description="Checks a configuration file, with what OTLP_* variables say; tells all faults at once.",
        examples=[("otlp-arrow validate otlp.yaml", "before a restart")],
        codes={1: "the file cannot be read", 2: "the configuration has faults"},
    )
    validate.add_argument("config", metavar="CONFIG")
    show = parser.add(
        commands,
        "print-config",
        _print_config,
        help="print the resolved settings as JSON, secrets hidden",
        description="Prints all settings as they are with the file, the OTLP_* variables and these flags.",
        examples=[
            ("otlp-arrow print-config", "the defaults"),
            ("otlp-arrow print-config --config otlp.yaml --set files.compression=zstd", "what would count"),
        ],
    )
    add_flags(show)


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


def add_flags(command: argparse.ArgumentParser) -> None:
    def add(flag: str, assign: Callable[[str], list[str]], **keywords: Any) -> None:
        command.add_argument(flag, action=_Assign, assign=assign, **keywords)

    command.add_argument("--config", metavar="FILE", help="YAML settings; variables and flags win over it")
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


def sources(options: argparse.Namespace) -> bytes:
    return config.sources({}, assignments=options.assignments, config_file=options.config, embedded=False)


def _validate(options: argparse.Namespace) -> int:
    from .._handle import resolve

    resolve(config.sources({}, config_file=options.config, embedded=False))
    print("ok")
    return 0


def _print_config(options: argparse.Namespace) -> int:
    from .._handle import resolve

    print(json.dumps(resolve(sources(options)), indent=2))
    return 0
