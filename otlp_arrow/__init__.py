"""Receives OpenTelemetry and keeps it as Arrow tables. Nothing heavy loads before it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._convert import Converted, convert
    from .errors import (
        ClosedError,
        ConfigError,
        DeadlineError,
        ForkedError,
        InternalError,
        InvalidDataError,
        IoError,
        LibraryNotFoundError,
        OtlpArrowError,
        OverloadedError,
        TooLargeError,
    )
    from .library import Endpoints, OtlpLibrary
    from .sdk import ArrowLogExporter, ArrowMetricExporter, ArrowSpanExporter
    from .tables import empty_table, read_logs, read_metrics, read_traces

__all__ = [
    "ArrowLogExporter",
    "ArrowMetricExporter",
    "ArrowSpanExporter",
    "ClosedError",
    "ConfigError",
    "Converted",
    "DeadlineError",
    "Endpoints",
    "ForkedError",
    "InternalError",
    "InvalidDataError",
    "IoError",
    "LibraryNotFoundError",
    "OtlpArrowError",
    "OtlpLibrary",
    "OverloadedError",
    "TooLargeError",
    "__version__",
    "convert",
    "empty_table",
    "read_logs",
    "read_metrics",
    "read_traces",
]

_MODULES = {
    **dict.fromkeys(("ArrowLogExporter", "ArrowMetricExporter", "ArrowSpanExporter"), ".sdk"),
    **dict.fromkeys(("Converted", "convert"), "._convert"),
    **dict.fromkeys(("Endpoints", "OtlpLibrary"), ".library"),
    **dict.fromkeys(("empty_table", "read_logs", "read_metrics", "read_traces"), ".tables"),
}


def __getattr__(name: str) -> object:
    value: object
    if name == "__version__":
        from importlib.metadata import version

        value = version("otlp-arrow")
    elif name in __all__:
        value = getattr(import_module(_MODULES.get(name, ".errors"), __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
