"""What an exporter is given, as two: what is wrong with one item is not to cost the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import Metric, MetricsData, ResourceMetrics, ScopeMetrics

    Place = tuple[ResourceMetrics, ScopeMetrics, Metric]


def halves(items: Any) -> tuple[Any, Any] | None:
    """Spans or log records, or MetricsData by its metrics, and a single one by its points; None: one item."""
    if isinstance(items, Sequence):
        return _split(items)
    try:
        return _metric_halves(items)
    except Exception:  # whatever an application made instead
        return None


def _split(items: Sequence[Any]) -> tuple[Any, Any] | None:
    middle = len(items) // 2
    return (items[:middle], items[middle:]) if middle else None


def _metric_halves(data: MetricsData) -> tuple[Any, Any] | None:
    found = [
        (of_resource, of_scope, metric)
        for of_resource in data.resource_metrics
        for of_scope in of_resource.scope_metrics
        for metric in of_scope.metrics
    ]
    if len(found) == 1:
        of_resource, of_scope, metric = found[0]
        parts = _split(metric.data.data_points)
        found = [
            (of_resource, of_scope, replace(metric, data=replace(metric.data, data_points=part)))
            for part in parts or ()
        ]
    both = _split(found)
    return both and (_of(data, both[0]), _of(data, both[1]))


def _of(data: MetricsData, found: Iterable[Place]) -> MetricsData:
    """These metrics alone. A resource or scope may be there more than once: encode puts them together."""
    return replace(
        data,
        resource_metrics=[
            replace(of_resource, scope_metrics=[replace(of_scope, metrics=[metric])])
            for of_resource, of_scope, metric in found
        ],
    )
