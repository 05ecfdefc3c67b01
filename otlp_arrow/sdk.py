"""Exporters for opentelemetry-sdk that write Arrow files, without a server and without a network.

::

    from otlp_arrow.sdk import ArrowSpanExporter

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(ArrowSpanExporter(output_dir="telemetry")))

For `opentelemetry-instrument` they are called `otlp_arrow_file`::

    OTEL_TRACES_EXPORTER=otlp_arrow_file OTLP_OUTPUT_DIR=telemetry opentelemetry-instrument python app.py

All exporters take these options:

output_dir: where files go; made if it is missing. Without it the variable OTLP_OUTPUT_DIR, then ./telemetry.
library: an OtlpLibrary that is open, instead of settings; it stays open when the exporter is shut down.
timeout: seconds for which a request is tried again that finds the queue or the disk full.
config_file: a YAML file.
settings: durability, files, forwarding, limits, log, queue, retention and write_interval_secs, as those of
    OtlpLibrary; see docs/configuration.md.

Exporters with the same settings share one library, opened at the first export. ConfigError is raised for
options that are unknown or do not go together; what is wrong with their values shows at the first export.

An export is a success when its request is acknowledged, in the sense of docs/durability.md; else it is a
failure, and the logger "otlp_arrow.sdk" tells why. force_flush() returns when all that was acknowledged is in
files. shutdown() writes the rest; again is fine. Any thread may call, a forked child too; see docs/sdk.md.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from ._export.encode_logs import encode_logs
from ._export.encode_metrics import encode_metrics
from ._export.encode_traces import encode_spans
from ._export.exporting import Sender, open_outlet
from ._export.outlet import logger

try:
    from opentelemetry.sdk._logs import export as _logs
    from opentelemetry.sdk.metrics import (
        Counter,
        Histogram,
        ObservableCounter,
        ObservableGauge,
        ObservableUpDownCounter,
        UpDownCounter,
    )
    from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExporter, MetricExportResult
    from opentelemetry.sdk.metrics.view import (
        Aggregation,
        ExplicitBucketHistogramAggregation,
        ExponentialBucketHistogramAggregation,
    )
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
except ImportError as error:
    raise ImportError(
        f"otlp_arrow.sdk needs opentelemetry-sdk: pip install 'otlp-arrow[sdk]' ({error})"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.trace import ReadableSpan

    from .config import StrPath
    from .library import OtlpLibrary
else:  # their names until 1.38
    LogRecordExporter = getattr(_logs, "LogRecordExporter", None) or _logs.LogExporter
    LogRecordExportResult = getattr(_logs, "LogRecordExportResult", None) or _logs.LogExportResult

__all__ = ["ArrowLogExporter", "ArrowMetricExporter", "ArrowSpanExporter"]


class _Exporter:
    """What the three have in common; options are those of the module."""

    _signal: ClassVar[str]
    _encode: ClassVar[Callable[[Any], bytes]]

    def __init__(
        self,
        *,
        output_dir: StrPath | None = None,
        library: OtlpLibrary | None = None,
        timeout: float = 10.0,
        config_file: StrPath | None = None,
        **settings: object,
    ) -> None:
        outlet = open_outlet(library, output_dir, config_file, settings)
        self._sender = Sender(self._signal, type(self)._encode, outlet, timeout)

    def force_flush(self, timeout_millis: float = 30_000) -> bool:
        """Waits until all that was acknowledged is in files; False if it was not in time."""
        return self._sender.flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Writes what was acknowledged, unless other exporters share the library. Later exports fail."""
        self._sender.shut_down(timeout_millis)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._sender.state}>"


class ArrowSpanExporter(_Exporter, SpanExporter):
    """Writes spans as Arrow files; options are those of the module."""

    _signal, _encode = "traces", encode_spans

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """SUCCESS when all spans are acknowledged."""
        return SpanExportResult.SUCCESS if self._sender.send(spans) else SpanExportResult.FAILURE


class ArrowLogExporter(_Exporter, LogRecordExporter):
    """Writes log records as Arrow files; options are those of the module."""

    _signal, _encode = "logs", encode_logs

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """SUCCESS when all log records are acknowledged."""
        return LogRecordExportResult.SUCCESS if self._sender.send(batch) else LogRecordExportResult.FAILURE


class ArrowMetricExporter(_Exporter, MetricExporter):
    """Writes data points as Arrow files; options are those of the module, and:

    preferred_temporality, preferred_aggregation: by class of instrument, as the SDK's own exporters take
        them. They go before the variables OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE (cumulative,
        delta or lowmemory) and OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION
        (explicit_bucket_histogram or base2_exponential_bucket_histogram).
    """

    _signal, _encode = "metrics", encode_metrics

    def __init__(
        self,
        *,
        output_dir: StrPath | None = None,
        library: OtlpLibrary | None = None,
        timeout: float = 10.0,
        config_file: StrPath | None = None,
        preferred_temporality: Mapping[type, AggregationTemporality] | None = None,
        preferred_aggregation: Mapping[type, Aggregation] | None = None,
        **settings: object,
    ) -> None:
        MetricExporter.__init__(
            self,
            preferred_temporality={**_temporality(), **(preferred_temporality or {})},
            preferred_aggregation={Histogram: _histogram(), **(preferred_aggregation or {})},
        )
        _Exporter.__init__(
            self,
            output_dir=output_dir,
            library=library,
            timeout=timeout,
            config_file=config_file,
            **settings,
        )

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """SUCCESS when all points are acknowledged."""
        return MetricExportResult.SUCCESS if self._sender.send(metrics_data) else MetricExportResult.FAILURE


# --- what the SDK's own exporters find in the environment ---

_DELTA: dict[str, tuple[type, ...]] = {
    "CUMULATIVE": (),
    "DELTA": (Counter, ObservableCounter, Histogram),
    "LOWMEMORY": (Counter, Histogram),
}
_HISTOGRAMS: dict[str, type[Aggregation]] = {
    "EXPLICIT_BUCKET_HISTOGRAM": ExplicitBucketHistogramAggregation,
    "BASE2_EXPONENTIAL_BUCKET_HISTOGRAM": ExponentialBucketHistogramAggregation,
}
Choice = TypeVar("Choice")


def _temporality() -> dict[type, AggregationTemporality]:
    delta = _chosen("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", _DELTA)
    kinds = (Counter, UpDownCounter, Histogram, ObservableCounter, ObservableUpDownCounter, ObservableGauge)
    return {
        kind: AggregationTemporality.DELTA if kind in delta else AggregationTemporality.CUMULATIVE
        for kind in kinds
    }


def _histogram() -> Aggregation:
    return _chosen("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", _HISTOGRAMS)()


def _chosen(variable: str, choices: Mapping[str, Choice]) -> Choice:
    """The first is the default, also for a value that is none: OpenTelemetry's variables only warn."""
    default = next(iter(choices))
    value = os.environ.get(variable, "").strip().upper() or default
    if value not in choices:
        logger.warning("%s: %r is none of %s; using %s", variable, value, ", ".join(choices), default)
    return choices.get(value, choices[default])
