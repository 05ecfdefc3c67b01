"""The exporters for the SDK, in this process; test_exporter_forks.py has the forks."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExportResult
from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    MeterProvider,
    ObservableCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    PeriodicExportingMetricReader,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.metrics.view import (
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from sdk_objects import Objects

from otlp_arrow import (
    ArrowLogExporter,
    ArrowMetricExporter,
    ArrowSpanExporter,
    ClosedError,
    ConfigError,
    OtlpLibrary,
    OverloadedError,
    TooLargeError,
    _handle,
    config,
    read_logs,
    read_metrics,
    read_traces,
)
from otlp_arrow._export import exporting as _exporting
from otlp_arrow._export import outlet as _outlet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DELTA, CUMULATIVE = AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE
SUCCESS, FAILURE = SpanExportResult.SUCCESS, SpanExportResult.FAILURE
KINDS = [ArrowSpanExporter, ArrowMetricExporter, ArrowLogExporter]


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    assert not _outlet._outlets


@pytest.fixture
def spans() -> list[Any]:
    return Objects(3).spans(8)


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.name == "otlp_arrow.sdk"]


# --- behind the SDK's own processors and readers ---


def test_all_three_signals_share_one_library(tmp_path: Path) -> None:
    exporters = [kind(output_dir=tmp_path) for kind in KINDS]
    traces, logs = TracerProvider(), LoggerProvider()
    traces.add_span_processor(BatchSpanProcessor(exporters[0]))
    metrics = MeterProvider([PeriodicExportingMetricReader(exporters[1], 3_600_000)])
    logs.add_log_record_processor(BatchLogRecordProcessor(exporters[2]))
    with traces.get_tracer("shop").start_as_current_span("POST /orders"):
        logs.get_logger("shop").emit(Objects(1).record().log_record)
    metrics.get_meter("shop").create_counter("orders").add(3)
    for provider in (traces, metrics, logs):
        assert provider.force_flush()
    assert {repr(each).split()[1] for each in exporters} == {"open>"}
    (outlet,) = _outlet._outlets.values()
    assert outlet._channel.library.endpoints == type(outlet._channel.library.endpoints)()
    for provider in (traces, metrics, logs):
        provider.shutdown()
    assert read_traces(tmp_path)["name"].to_pylist() == ["POST /orders"]
    assert read_metrics(tmp_path)["value_int"].to_pylist() == [3, 3]  # collected by the flush and at the end
    assert read_logs(tmp_path).num_rows == 1
    writers = {path.name.split("_")[4] for path in tmp_path.rglob("*.arrows")}
    assert len(writers) == 1
    assert {repr(each).split(maxsplit=1)[1] for each in exporters} == {"shut down>"}


def test_results_are_those_of_each_signal(tmp_path: Path) -> None:
    objects = Objects(5)
    span, metric, log = (kind(output_dir=tmp_path) for kind in KINDS)
    assert span.export(objects.spans(2)) is SUCCESS
    assert metric.export(objects.metrics(1)) is MetricExportResult.SUCCESS
    assert log.export(objects.records(2)) is LogRecordExportResult.SUCCESS
    for exporter in (span, metric, log):
        exporter.shutdown()
        exporter.shutdown()
    assert span.export(objects.spans(1)) is FAILURE
    assert metric.export(objects.metrics(1)) is MetricExportResult.FAILURE
    assert log.export(objects.records(1)) is LogRecordExportResult.FAILURE
    assert read_traces(tmp_path).num_rows == 2


def test_nothing_is_opened_before_the_first_export(tmp_path: Path) -> None:
    exporter = ArrowSpanExporter(output_dir=tmp_path / "out")
    assert repr(exporter) == "<ArrowSpanExporter not opened yet>"
    assert exporter.force_flush()
    exporter.shutdown()
    assert not (tmp_path / "out").exists()


def test_force_flush_writes(tmp_path: Path, spans: list[Any]) -> None:
    exporter = ArrowSpanExporter(output_dir=tmp_path, write_interval_secs=3600)
    exporter.export(spans)
    assert exporter.force_flush()
    assert read_traces(tmp_path).num_rows == 8
    exporter.shutdown()


def test_the_last_exporter_closes_and_the_next_opens_anew(tmp_path: Path, spans: list[Any]) -> None:
    one, other = ArrowSpanExporter(output_dir=tmp_path), ArrowSpanExporter(output_dir=tmp_path)
    one.export(spans)
    one.shutdown()
    assert "open" in repr(other)
    assert other.export(spans) is SUCCESS
    other.shutdown()
    third = ArrowSpanExporter(output_dir=tmp_path)
    assert third.export(spans) is SUCCESS
    third.shutdown()
    assert read_traces(tmp_path).num_rows == 24


# --- options ---


def test_the_directory_is_that_of_the_moment_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spans: list[Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OTLP_OUTPUT_DIR", raising=False)
    exporters = [ArrowSpanExporter(), ArrowSpanExporter(output_dir="given")]
    monkeypatch.setenv("OTLP_OUTPUT_DIR", "from_env")
    exporters.append(ArrowSpanExporter())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for exporter in exporters:
        assert exporter.export(spans) is SUCCESS
        exporter.shutdown()
    for name in ("telemetry", "given", "from_env"):
        assert read_traces(tmp_path / name).num_rows == 8


def test_no_listener_opens_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spans: list[Any]
) -> None:
    monkeypatch.setenv("OTLP_OTLP_GRPC_ENDPOINT", "192.0.2.1:1")  # which this machine does not have
    exporter = ArrowSpanExporter(output_dir=tmp_path, config_file=write_config(tmp_path))
    assert exporter.export(spans) is SUCCESS
    exporter.shutdown()


def write_config(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(
        f"output_dir: {tmp_path / 'by_file'}\notlp_http: {{enabled: true, endpoint: 192.0.2.1:1}}\n"
    )
    return file


def test_a_config_file_gives_the_directory(tmp_path: Path, spans: list[Any]) -> None:
    exporter = ArrowSpanExporter(config_file=write_config(tmp_path), files={"compression": "zstd"})
    assert exporter.export(spans) is SUCCESS
    exporter.shutdown()
    assert read_traces(tmp_path / "by_file").num_rows == 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"colour": 1}, "colour: no such option; settings are durability, files"),
        ({"otlp_grpc": "127.0.0.1:0"}, "otlp_grpc: an exporter has no listeners"),
        ({"files": {1, object()}}, "a setting cannot be used"),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ArrowSpanExporter(output_dir=tmp_path, **options)


def test_options_are_the_settings_that_there_are() -> None:
    known = _handle.resolve(config.sources({}, embedded=True)).keys()
    assert set(_exporting.SETTINGS) == known - set(config.LISTENERS) - {"output_dir"}


def test_a_value_that_is_wrong_shows_at_the_first_export(
    tmp_path: Path, spans: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    exporter = ArrowSpanExporter(output_dir=tmp_path, write_interval_secs=0)
    assert exporter.export(spans) is FAILURE
    assert exporter.export(spans) is FAILURE
    (message,) = errors(caplog)
    assert message.startswith("exporting traces failed: ConfigError: configuration: write_interval_secs: 0")
    exporter.shutdown()


# --- a library of the application ---


def test_a_library_that_is_open(tmp_path: Path, spans: list[Any]) -> None:
    with OtlpLibrary(output_dir=tmp_path) as library:
        exporters = [ArrowSpanExporter(library=library), ArrowSpanExporter(library=library)]
        for exporter in exporters:
            assert exporter.export(spans) is SUCCESS
            exporter.shutdown()
        assert not library.closed
        assert library.traces().num_rows == 16


def test_a_library_that_is_closed(tmp_path: Path, spans: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    with OtlpLibrary(output_dir=tmp_path) as library:
        exporter = ArrowSpanExporter(library=library)
    assert repr(exporter) == "<ArrowSpanExporter closed>"
    assert exporter.export(spans) is FAILURE
    assert errors(caplog) == ["exporting traces failed: ClosedError: the library is closed"]
    exporter.shutdown()
    with pytest.raises(ClosedError, match="that was given is closed"):
        ArrowSpanExporter(library=library)
    with pytest.raises(ConfigError, match="has its settings already"):
        ArrowSpanExporter(library=library, output_dir=tmp_path)


# --- failures ---


class Outlet(_outlet.Outlet):
    """Answers each request with the next of some errors, then takes all."""

    def __init__(self, *answers: Exception) -> None:
        super().__init__(b"")
        self.users, self.answers, self.bodies = 1, list(answers), list[bytes]()

    def export(self, signal: str, body: bytes) -> None:
        if self.answers:
            raise self.answers.pop(0)
        self.bodies.append(body)

    def flush(self, timeout: float) -> None:
        if self.answers:
            raise self.answers.pop(0)


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def sender() -> Callable[..., tuple[_exporting.Sender, Outlet, Clock]]:
    def make(*answers: Exception, timeout: float = 10.0) -> tuple[_exporting.Sender, Outlet, Clock]:
        outlet, clock = Outlet(*answers), Clock()
        return _exporting.Sender("traces", bytes, outlet, timeout, clock), outlet, clock

    return make


def test_a_request_that_is_welcome_later_is_sent_again(sender: Any) -> None:
    sending, outlet, _ = sender(OverloadedError("full"), OverloadedError("full"))
    assert sending.send(b"a")
    assert outlet.bodies == [b"a"]


def test_and_given_up_after_the_timeout(sender: Any, caplog: pytest.LogCaptureFixture) -> None:
    sending, outlet, _ = sender(*[OverloadedError("full")] * 2, timeout=0.0)
    assert not sending.send(b"a")
    assert errors(caplog) == ["exporting traces failed: OverloadedError: full"]
    assert len(outlet.answers) == 1


def test_shutdown_ends_a_send_that_waits(sender: Any) -> None:
    sending, outlet, _ = sender()

    def export(signal: str, body: bytes) -> None:
        sending.shut_down(0)
        raise OverloadedError("full")

    outlet.export = export
    assert not sending.send(b"a")


def test_what_is_refused_does_not_cost_the_rest(sender: Any, caplog: pytest.LogCaptureFixture) -> None:
    sending, outlet, _ = sender()
    taken: list[bytes] = []

    def export(signal: str, body: bytes) -> None:
        if len(body) > 2 or b"x" in body:
            raise TooLargeError("too large")
        taken.append(body)

    outlet.export = export
    assert not sending.send([*b"abcxefg"])
    assert b"".join(taken) == b"abcefg"
    assert errors(caplog)[0] == "exporting traces failed: TooLargeError: too large"
    assert sending.send([*b"abcdefgh"])


def test_a_failure_that_lasts_is_logged_now_and_then(sender: Any, caplog: pytest.LogCaptureFixture) -> None:
    sending, outlet, clock = sender(*[ClosedError("gone")] * 4)
    for clock.now in (0.0, 1.0, 29.0, 31.0, 32.0):
        assert sending.send(b"") is (clock.now == 32.0)
    assert errors(caplog) == [
        "exporting traces failed: ClosedError: gone",
        "exporting traces failed: ClosedError: gone (2 more failures since the last one that was logged)",
        "exporting traces works again, after 0 more failures",
    ]
    assert outlet.bodies == [b""]


def test_what_cannot_be_encoded_is_a_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    exporter = ArrowSpanExporter(output_dir=tmp_path)
    assert exporter.export(["no span"]) is FAILURE  # type: ignore[list-item]
    assert "AttributeError" in errors(caplog)[0]
    exporter.shutdown()


def test_an_item_that_cannot_be_encoded_does_not_cost_the_rest(
    tmp_path: Path, spans: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    spans[5]._start_time = 1.7e18  # as time.time() * 1e9 gives it
    exporter = ArrowSpanExporter(output_dir=tmp_path)
    assert exporter.export(spans) is FAILURE
    exporter.shutdown()
    stored = read_traces(tmp_path, columns=["span_id"])["span_id"].to_pylist()
    ids = [span.context.span_id.to_bytes(8, "big") for span in spans]
    assert stored == [*ids[:5], *ids[6:]]
    assert errors(caplog)[0].startswith("exporting traces failed: ")


def test_a_point_that_cannot_be_encoded_does_not_cost_the_rest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def point(at: Any) -> NumberDataPoint:
        return NumberDataPoint({"at": str(at)}, 0, at, 1)

    def gauge(name: str, *points: Any) -> Metric:
        return Metric(name, None, None, Gauge([*map(point, points)]))

    bad = gauge("b", 3, 4.5, 5, 6, 7)
    data = MetricsData(
        [
            ResourceMetrics(
                Resource({"service.name": service}),
                [
                    ScopeMetrics(InstrumentationScope("one"), [gauge("a", 1, 2), bad], ""),
                    ScopeMetrics(InstrumentationScope("two"), [gauge("c", 8)], ""),
                ],
                "",
            )
            for service in ("shop", "cart")
        ]
    )
    exporter = ArrowMetricExporter(output_dir=tmp_path)
    assert exporter.export(data) is MetricExportResult.FAILURE
    exporter.shutdown()
    stored = read_metrics(tmp_path).sort_by([("service_name", "ascending"), ("time_unix_nano", "ascending")])
    names = [stored[name].to_pylist() for name in ("service_name", "metric_name", "scope_name")]
    assert list(zip(*names, strict=True)) == [
        (service, metric, scope)
        for service in ("cart", "shop")
        for metric, scope in [*[("a", "one")] * 2, *[("b", "one")] * 4, ("c", "two")]
    ]
    assert "exporting metrics failed: " in errors(caplog)[0]


def test_what_is_no_metrics_data_is_one_item(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    exporter = ArrowMetricExporter(output_dir=tmp_path)
    assert exporter.export(object()) is MetricExportResult.FAILURE  # type: ignore[arg-type]
    assert exporter.export(MetricsData([None])) is MetricExportResult.FAILURE  # type: ignore[list-item]
    assert "AttributeError" in errors(caplog)[0]
    exporter.shutdown()


def test_a_flush_that_fails(sender: Any, caplog: pytest.LogCaptureFixture) -> None:
    sending, _, _ = sender(ClosedError("gone"))
    assert not sending.flush(100)
    assert errors(caplog) == ["exporting traces failed: ClosedError: gone"]


def test_a_shutdown_that_fails_is_logged(
    sender: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sending, outlet, _ = sender()

    def close(timeout: float) -> None:
        raise OverloadedError("full")

    monkeypatch.setattr(outlet, "close", close)
    sending.shut_down(1000)
    assert errors(caplog) == ["exporting traces failed: OverloadedError: full"]


def test_an_opening_that_failed_is_not_tried_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, opened = Clock(), []

    def fail(sources: bytes) -> _outlet.Channel:
        opened.append(clock.now)
        raise ConfigError("no")

    monkeypatch.setattr(_outlet, "open_channel", fail)
    outlet = _outlet.Outlet(b"", clock=clock)
    for clock.now in (0.0, 1.0, 4.9, 5.0):
        with pytest.raises(ConfigError):
            outlet.export("traces", b"")
    assert opened == [0.0, 5.0]


# --- metrics: temporality and aggregation ---


def preferences(tmp_path: Path, **options: Any) -> tuple[dict[type, Any], dict[type, Any]]:
    exporter = ArrowMetricExporter(output_dir=tmp_path, **options)
    exporter.shutdown()
    return exporter._preferred_temporality, exporter._preferred_aggregation


@pytest.mark.parametrize(
    ("preference", "counter", "observable", "up_down"),
    [
        ("", CUMULATIVE, CUMULATIVE, CUMULATIVE),
        ("cumulative", CUMULATIVE, CUMULATIVE, CUMULATIVE),
        ("Delta", DELTA, DELTA, CUMULATIVE),
        ("lowmemory", DELTA, CUMULATIVE, CUMULATIVE),
        ("odd", CUMULATIVE, CUMULATIVE, CUMULATIVE),
    ],
)
def test_temporality_is_that_of_the_sdks_own_exporters(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    preference: str,
    counter: Any,
    observable: Any,
    up_down: Any,
) -> None:
    from opentelemetry.exporter.otlp.proto.common._internal.metrics_encoder import OTLPMetricExporterMixin

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", preference or "cumulative")
    ours, _ = preferences(tmp_path)
    assert ours == OTLPMetricExporterMixin()._get_temporality({})
    assert (ours[Counter], ours[ObservableCounter], ours[UpDownCounter]) == (counter, observable, up_down)
    given, _ = preferences(tmp_path, preferred_temporality={UpDownCounter: DELTA})
    assert given == {**ours, UpDownCounter: DELTA}


def test_the_aggregation_of_histograms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variable = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"
    assert isinstance(preferences(tmp_path)[1][Histogram], ExplicitBucketHistogramAggregation)
    monkeypatch.setenv(variable, "base2_exponential_bucket_histogram")
    assert isinstance(preferences(tmp_path)[1][Histogram], ExponentialBucketHistogramAggregation)
    mine = ExplicitBucketHistogramAggregation([1.0])
    assert preferences(tmp_path, preferred_aggregation={Histogram: mine})[1] == {Histogram: mine}


def test_a_preference_that_is_none_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "odd")
    caplog.set_level(logging.WARNING)
    preferences(tmp_path)
    assert "'ODD' is none of CUMULATIVE, DELTA, LOWMEMORY; using CUMULATIVE" in errors(caplog)[0]


# --- what an import loads, and the end of the interpreter ---


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_importing_and_making_them_loads_neither_library_nor_pyarrow() -> None:
    done = run("""
import sys
from otlp_arrow.sdk import ArrowLogExporter, ArrowMetricExporter, ArrowSpanExporter
ArrowLogExporter(), ArrowMetricExporter(), ArrowSpanExporter()
heavy = {"pyarrow", "numpy", "grpc", "google.protobuf"} & set(sys.modules)
assert not heavy, heavy
assert sys.modules["otlp_arrow._abi"]._library is None
""")
    assert (done.returncode, done.stderr) == (0, "")


def test_without_the_sdk_the_error_names_the_extra() -> None:
    done = run("""
import sys
sys.modules["opentelemetry.sdk"] = None
import otlp_arrow
otlp_arrow.ArrowSpanExporter
""")
    assert "pip install 'otlp-arrow[sdk]'" in done.stderr


APP = """
import sys
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

directory, order, processor, end = sys.argv[1:]
if order == "provider first":
    provider = TracerProvider()
from otlp_arrow import ArrowSpanExporter
if order == "exporter first":
    provider = TracerProvider()
exporter = ArrowSpanExporter(output_dir=directory, write_interval_secs=3600)
provider.add_span_processor(globals()[processor](exporter))
for number in range(3):
    provider.get_tracer("app").start_span(f"span {number}").end()
if end == "shutdown":
    provider.shutdown()
elif end == "no exit of the provider's":
    import atexit
    atexit.unregister(provider.shutdown)
    provider.force_flush()
"""


@pytest.mark.parametrize("end", ["nothing", "shutdown", "no exit of the provider's"])
@pytest.mark.parametrize("processor", ["BatchSpanProcessor", "SimpleSpanProcessor"])
@pytest.mark.parametrize("order", ["provider first", "exporter first"])
def test_at_the_end_of_the_interpreter_all_is_in_files(
    tmp_path: Path, order: str, processor: str, end: str
) -> None:
    done = run(APP, tmp_path, order, processor, end)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(read_traces(tmp_path)["name"].to_pylist()) == ["span 0", "span 1", "span 2"]
