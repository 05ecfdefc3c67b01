"""Receives OpenTelemetry and keeps it as Arrow tables. Nothing heavy loads before it is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._convert import Converted, convert
    from ._read.follow import Follow, follow
    from ._read.sql import sql
    from .errors import (
        ClosedError,
        ConfigError,
        DeadlineError,
        ForkedError,
        InternalError,
        InvalidDataError,
        IoError,
        LibraryNotFoundError,
        NotReceivedError,
        OtlpArrowError,
        OverloadedError,
        TooLargeError,
    )
    from .frames import attributes, to_duckdb, to_pandas, to_polars
    from .library import Endpoints, OtlpLibrary
    from .sdk import ArrowLogExporter, ArrowMetricExporter, ArrowSpanExporter
    from .tables import empty_table, read_batches, read_logs, read_metrics, read_traces
    from .trees import SpanNode, TraceTree, trace_tree

__all__ = [
    "ArrowLogExporter",
    "ArrowMetricExporter",
    "ArrowSpanExporter",
    "ClosedError",
    "ConfigError",
    "Converted",
    "DeadlineError",
    "Endpoints",
    "Follow",
    "ForkedError",
    "InternalError",
    "InvalidDataError",
    "IoError",
    "LibraryNotFoundError",
    "NotReceivedError",
    "OtlpArrowError",
    "OtlpLibrary",
    "OverloadedError",
    "SpanNode",
    "TooLargeError",
    "TraceTree",
    "__version__",
    "attributes",
    "convert",
    "empty_table",
    "follow",
    "read_batches",
    "read_logs",
    "read_metrics",
    "read_traces",
    "sql",
    "to_duckdb",
    "to_pandas",
    "to_polars",
    "trace_tree",
]

_MODULES = {
    **dict.fromkeys(("ArrowLogExporter", "ArrowMetricExporter", "ArrowSpanExporter"), ".sdk"),
    **dict.fromkeys(("Converted", "convert"), "._convert"),
    **dict.fromkeys(("Endpoints", "OtlpLibrary"), ".library"),
    **dict.fromkeys(("Follow", "follow"), "._read.follow"),
    **dict.fromkeys(("attributes", "to_duckdb", "to_pandas", "to_polars"), ".frames"),
    **dict.fromkeys(("empty_table", "read_batches", "read_logs", "read_metrics", "read_traces"), ".tables"),
    "sql": "._read.sql",
    **dict.fromkeys(("SpanNode", "TraceTree", "trace_tree"), ".trees"),
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
