"""The main job from outside: an app with the stock SDK sends to a service, and the tables hold it all.

The app and the service are processes of their own; the app is pointed at the service by the standard
environment variables alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from otlp_arrow import read_logs, read_metrics, read_traces

APP = Path(__file__).with_name("sdk_app.py")
RESOURCE = {"service.name": "shop", "service.namespace": "eu", "service.instance.id": "i-1", "team": "a b"}
GZIP_DELTA = {
    "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta",
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": "base2_exponential_bucket_histogram",
}
WAYS = {
    "grpc": ("grpc", {}),
    "http/protobuf": ("http/protobuf", {}),
    "http/json": ("http/json", {}),
    "gzip-delta-exponential": ("http/protobuf", GZIP_DELTA),
}


class Sent:
    """What the app told, and the tables that the service left."""

    def __init__(self, way: str, directory: Path) -> None:
        self.way = way
        with Service(directory) as endpoints:
            self.told = run_app(*WAYS[way], endpoints)
        self.spans = read_traces(directory)
        self.logs = read_logs(directory)
        self.metrics = read_metrics(directory)

    def span(self, name: str) -> dict[str, Any]:
        (row,) = (row for row in rows(self.spans) if row["name"] == name)
        return row

    def points(self, name: str) -> list[dict[str, Any]]:
        return [row for row in rows(self.metrics) if row["metric_name"] == name]


class Service:
    """A context with `otlp-arrow serve` on free ports, which SIGTERM ends with 0; gives its endpoints."""

    def __init__(self, directory: Path) -> None:
        self.ready = directory / "ready.json"
        command = [sys.executable, "-m", "otlp_arrow.cli", "serve", "--output-dir", str(directory)]
        command += ["--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0"]
        command += ["--arrow", "off", "--health", "off", "--metrics", "off"]
        command += ["--ready-file", str(self.ready), "--set", "write_interval_secs=3600"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment()
        )

    def __enter__(self) -> dict[str, str]:
        deadline = time.monotonic() + 30
        while not self.ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                pytest.fail(f"not ready: {self.process.communicate()[1]}")
            time.sleep(0.01)
        return dict(json.loads(self.ready.read_text())["endpoints"])

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            _, errors = self.process.communicate(timeout=30)
        finally:
            self.process.kill()
        assert self.process.returncode == 0, errors
        assert not self.ready.exists()


def environment(**more: str) -> dict[str, str]:
    """This process's variables without those that would steer an SDK or the service."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "OTLP_"))}
    return {**kept, **more}


def run_app(protocol: str, more: dict[str, str], endpoints: dict[str, str]) -> dict[str, dict[str, Any]]:
    at = endpoints["otlp_grpc" if protocol == "grpc" else "otlp_http"]
    attributes = ",".join(f"{key}={value}" for key, value in RESOURCE.items() if key != "service.name")
    variables = environment(
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{at}",
        OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
        OTEL_SERVICE_NAME=RESOURCE["service.name"],
        OTEL_RESOURCE_ATTRIBUTES=attributes,
        **more,
    )
    done = subprocess.run([sys.executable, APP], capture_output=True, text=True, timeout=60, env=variables)
    assert (done.returncode, done.stderr) == (0, "")  # the SDK would log what it could not send
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module", params=WAYS)
def sent(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sent:
    return Sent(request.param, tmp_path_factory.mktemp("sdk"))


def rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows with times as numbers, maps as dicts and ids in hex."""
    times = [n for n, field in enumerate(table.schema) if pa.types.is_timestamp(field.type)]
    for place in times:
        table = table.set_column(place, table.schema.names[place], table.column(place).cast(pa.int64()))
    return [{name: simple(value) for name, value in row.items()} for row in table.to_pylist()]


def simple(value: Any) -> Any:
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return dict(value)
    if isinstance(value, list):
        return [simple(each) for each in value]
    if isinstance(value, dict):
        return {key: simple(each) for key, each in value.items()}
    return value.hex() if isinstance(value, bytes) else getattr(value, "value", value)


def some(row: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def test_nothing_is_lost_or_added(sent: Sent) -> None:
    assert sorted(sent.spans["name"].to_pylist()) == ["POST /orders", "SELECT"]
    assert sent.logs["body"].to_pylist()[0::2] == ["order was paid", "42"]
    assert sent.logs.num_rows == 3
    names = sent.metrics["metric_name"].to_pylist()
    assert sorted(names) == ["duration", "open.carts", "orders", "orders", "temperature", "temperature"]
    for table in (sent.spans, sent.logs, sent.metrics):
        assert table["duplicate_attributes"].null_count == table.num_rows


def test_resource_and_scope(sent: Sent) -> None:
    scopes = {
        "traces": (sent.spans, "shop.tracer", "1.2", "1", "i"),
        "logs": (sent.logs, "shop.logger", "1.3", "l", "s"),
        "metrics": (sent.metrics, "shop.meter", "1.4", "true", "b"),
    }
    for signal, (table, name, version, attribute, kind) in scopes.items():
        for row in rows(table):
            assert row["resource_attributes"].items() >= RESOURCE.items()
            assert row["resource_attributes"]["telemetry.sdk.language"] == "python"
            assert row["resource_attribute_types"] == "s" * len(row["resource_attributes"])
            assert some(row, "service_name", "service_namespace", "service_instance_id") == (
                "shop",
                "eu",
                "i-1",
            )
            assert some(row, "scope_name", "scope_version") == (name, version)
            assert some(row, "scope_attributes", "scope_attribute_types") == (
                {"scope.attribute": attribute},
                kind,
            )
            assert row["scope_schema_url"] == f"https://example.org/{signal}"


def test_a_span_and_attributes_of_each_type(sent: Sent) -> None:
    row, told = sent.span("POST /orders"), sent.told["parent"]
    assert some(row, "trace_id", "span_id", "parent_span_id") == (told["trace_id"], told["span_id"], None)
    assert some(row, "start_time_unix_nano", "end_time_unix_nano") == (told["start"], told["end"])
    assert row["duration_nano"] == told["end"] - told["start"]
    assert some(row, "kind", "status_code", "status_message") == ("SERVER", "UNSET", "")
    assert row["attributes"] == {
        "text": "grün\0",
        "int": str(-(2**63)),
        "double": "0.1",
        "whole": "3.0",
        "yes": "true",
        "bytes": "AP8=",
        "texts": '["a","b"]',
        "ints": "[1,2]",
        "doubles": "[0.5,1.0]",
        "bools": "[true,false]",
    }
    assert row["attribute_types"] == "siddbyaaaa"


def test_events_and_links(sent: Sent) -> None:
    row = sent.span("POST /orders")
    (event,) = row["events"]
    assert event == {
        "time_unix_nano": 1_700_000_000_000_000_001,
        "name": "paid",
        "attributes": {"amount": "9.95", "currencies": '["EUR"]'},
        "attribute_types": "da",
        "dropped_attributes_count": 0,
    }
    (link,) = row["links"]
    assert some(link, "trace_id", "span_id") == ("0102" + "0" * 28, "0304" + "0" * 12)
    assert some(link, "attributes", "attribute_types") == ({"why": "retry"}, "s")
    assert link["flags"] & 0x300 == 0x300  # "is remote" is known, and true


def test_a_child_span(sent: Sent) -> None:
    row, told = sent.span("SELECT"), sent.told["child"]
    assert some(row, "trace_id", "span_id") == (told["trace_id"], told["span_id"])
    assert row["parent_span_id"] == sent.told["parent"]["span_id"]
    assert some(row, "kind", "status_code", "status_message") == ("CLIENT", "ERROR", "no such table")
    assert some(row, "attributes", "events", "links") == ([], [], [])


def test_log_records(sent: Sent) -> None:
    paid, failed, plain = rows(sent.logs)
    for row in (paid, failed, plain):
        assert row["time_unix_nano"] == 1_700_000_000_000_000_002
        assert row["observed_time_unix_nano"] == 1_700_000_000_000_000_003
    assert some(paid, "severity_number", "severity_text", "body_type") == (13, "WARN", "s")
    assert some(paid, "attributes", "attribute_types") == ({"order.id": "7"}, "i")
    assert some(failed, "severity_number", "severity_text", "body_type") == (17, "ERROR", "k")
    body = '{"rows":[1,2.5,null],"nested":{"raw":{"$bytes":"AQ=="},"ok":true}}'
    assert some(failed, "body", "event_name") == (body, "db.failed")
    assert some(failed, "attributes", "attribute_types") == ({"deep": '{"a":{"b":[1]}}'}, "k")
    assert some(plain, "body", "body_type", "attributes") == ("42", "i", [])
    assert some(plain, "trace_id", "span_id") == (None, None)


def test_logs_join_their_spans(sent: Sent) -> None:
    logs = sent.logs.select(["severity_text", "trace_id", "span_id"])
    spans = sent.spans.select(["name", "trace_id", "span_id"])
    joined = logs.join(spans, ["trace_id", "span_id"], join_type="inner")
    pairs = zip(joined["severity_text"].to_pylist(), joined["name"].to_pylist(), strict=True)
    assert sorted(pairs) == [("ERROR", "SELECT"), ("WARN", "POST /orders")]


def test_sums_and_gauges(sent: Sent) -> None:
    temporality = "DELTA" if sent.way == "gzip-delta-exponential" else "CUMULATIVE"
    orders = sent.points("orders")
    assert {row["attributes"]["country"]: row["value_int"] for row in orders} == {"NL": 5, "DE": 1}
    for row in orders:
        assert some(row, "metric_type", "metric_unit", "metric_description", "is_monotonic") == (
            "sum",
            "{order}",
            "Orders taken",
            True,
        )
        assert row["aggregation_temporality"] == temporality
        assert row["value"] == row["value_int"]
        assert row["start_time_unix_nano"] < row["time_unix_nano"]
    assert len({row["series_id"] for row in orders}) == 2
    (carts,) = sent.points("open.carts")
    assert some(carts, "value_int", "is_monotonic", "metric_unit") == (-4, False, "")
    rooms = {row["attributes"]["room"]: row for row in sent.points("temperature")}
    assert some(rooms["a"], "value", "value_int", "metric_type") == (-21.5, None, "gauge")
    assert some(rooms["b"], "value", "value_int", "aggregation_temporality") == (4.0, 4, None)


def test_a_histogram(sent: Sent) -> None:
    (row,) = sent.points("duration")
    assert some(row, "count", "min", "max", "metric_unit") == (4, 0.05, 8.0, "s")
    assert row["sum"] == pytest.approx(9.05)
    assert row["attributes"] == {"http.route": "/orders"}
    assert some(row, "value", "value_int", "quantiles") == (None, None, None)
    assert {each["trace_id"] for each in row["exemplars"]} == {sent.told["parent"]["trace_id"]}
    assert {each["value"] for each in row["exemplars"]} <= {0.05, 0.5, 8.0}
    if sent.way != "gzip-delta-exponential":
        assert row["metric_type"] == "histogram"
        assert some(row, "explicit_bounds", "bucket_counts") == ([0.1, 1.0], [1, 2, 1])
        assert some(row, "scale", "positive_bucket_counts") == (None, None)
        return
    assert some(row, "metric_type", "aggregation_temporality") == ("exponential_histogram", "DELTA")
    assert some(row, "zero_count", "bucket_counts", "explicit_bounds") == (0, None, None)
    base = 2**2 ** -row["scale"]
    buckets = row["positive_bucket_counts"]
    assert sum(buckets) == 4
    for value, count in {0.05: 1, 0.5: 2, 8.0: 1}.items():  # each in a bucket of its own: (lower, upper]
        holding = [
            count
            for place, count in enumerate(buckets, row["positive_offset"])
            if base**place * (1 - 1e-9) < value <= base ** (place + 1) * (1 + 1e-9)
        ]
        assert count in holding
