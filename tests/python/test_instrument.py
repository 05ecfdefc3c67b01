"""`opentelemetry-instrument` with our exporters, as users call it: no server, no code of ours in the app."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from otlp_arrow import read_logs, read_metrics, read_traces

APP = """
import logging, os, sys
from opentelemetry import metrics, trace

with trace.get_tracer("shop").start_as_current_span("POST /orders"):
    logging.getLogger("shop").warning("order %d was paid", 7)
    metrics.get_meter("shop").create_counter("orders").add(1)
assert not {"grpc", "google.protobuf", "pyarrow"} & set(sys.modules)
"""


def instrument(tmp_path: Path, **more: str) -> None:
    (tmp_path / "app.py").write_text(APP)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "OTLP_"))}
    exporters = {f"OTEL_{each}_EXPORTER": "otlp_arrow_file" for each in ("TRACES", "METRICS", "LOGS")}
    command = Path(sys.executable).with_name("opentelemetry-instrument")
    done = subprocess.run(
        [command, sys.executable, "app.py"],
        cwd=tmp_path,
        env={**kept, **exporters, "OTEL_SERVICE_NAME": "shop", **more},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stderr
    assert "failed" not in done.stderr


@pytest.mark.parametrize("directory", [None, "out"])
def test_an_app_that_knows_nothing_of_us(tmp_path: Path, directory: str | None) -> None:
    instrument(tmp_path, **({} if directory is None else {"OTLP_OUTPUT_DIR": directory}))
    found = tmp_path / (directory or "telemetry")
    (span,), (record,) = read_traces(found).to_pylist(), read_logs(found).to_pylist()
    assert (span["name"], span["service_name"], record["body"]) == (
        "POST /orders",
        "shop",
        "order 7 was paid",
    )
    assert record["trace_id"] == span["trace_id"]
    assert read_metrics(found)["metric_name"].to_pylist() == ["orders"]


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_entry_points_name_exporters(signal: str) -> None:
    (found,) = entry_points(group=f"opentelemetry_{signal}_exporter", name="otlp_arrow_file")
    assert (
        found.load().__name__
        == {
            "traces": "ArrowSpanExporter",
            "metrics": "ArrowMetricExporter",
            "logs": "ArrowLogExporter",
        }[signal]
    )
