"""What OtlpLibrary.export_* takes beside bytes."""

from __future__ import annotations

import array
from typing import TYPE_CHECKING, Any

import pytest
from sdk_objects import Objects

from otlp_arrow._export import requests as _requests

if TYPE_CHECKING:
    from otlp_arrow import OtlpLibrary


def test_objects_of_the_sdk(library: OtlpLibrary) -> None:
    objects = Objects(7)
    spans, records, metrics = objects.spans(20), objects.records(20), objects.metrics(5)
    library.export_traces(spans)
    library.export_logs(each for each in records)
    library.export_metrics(metrics)
    names = [span.name for span in spans]
    assert sorted(library.traces()["name"].to_pylist()) == sorted(names)
    assert library.logs().num_rows == 20
    points = [
        point
        for of_resource in metrics.resource_metrics
        for of_scope in of_resource.scope_metrics
        for metric in of_scope.metrics
        for point in metric.data.data_points
    ]
    assert library.metrics().num_rows == len(points)


def test_nothing_is_fine(library: OtlpLibrary) -> None:
    library.export_traces([])
    library.export_logs(())
    assert library.traces().num_rows == 0


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: array.array("B", data)])
def test_bytes_stay_what_they_are(kind: Any) -> None:
    request = kind(b"ab")
    assert _requests.body("traces", request) is request


@pytest.mark.parametrize(
    ("signal", "request_", "message"),
    [
        ("traces", "text", r"or a sequence of the SDK's ReadableSpan, not str$"),
        ("traces", [1], r"not list with int$"),
        ("traces", Objects(1).records(1), r"not list with ReadableLogRecord$"),
        ("logs", 5, r"as SerializeToString.* or a sequence of the SDK's ReadableLogRecord, not int$"),
        ("metrics", [Objects(1).metrics(1)], r"or the SDK's MetricsData, not list$"),
    ],
)
def test_what_is_neither_is_named(signal: str, request_: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        _requests.body(signal, request_)
