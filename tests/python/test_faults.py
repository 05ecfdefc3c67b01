"""The faults of MockOtlpService, met by real senders: the SDK's exporters, and our own over OTAP."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import pytest
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otlp_arrow import OtlpLibrary
from otlp_arrow.testing import Counts, MockOtlpService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def service() -> Iterator[MockOtlpService]:
    with MockOtlpService() as service:
        yield service


@pytest.fixture
def exporter(
    service: MockOtlpService, request: pytest.FixtureRequest
) -> Iterator[Callable[..., SpanExporter]]:
    """Makes an exporter of the protocol that a test is parametrized with."""
    made: list[SpanExporter] = []

    def make(timeout: float = 30) -> SpanExporter:
        if request.param == "grpc":
            made.append(GrpcExporter(f"http://{service.endpoints.otlp_grpc}", insecure=True, timeout=timeout))
        else:
            made.append(HttpExporter(f"http://{service.endpoints.otlp_http}/v1/traces", timeout=timeout))
        return made[-1]

    yield make
    for each in made:
        each.shutdown()


BOTH = pytest.mark.parametrize("exporter", ["grpc", "http"], indirect=True)


def spans(*names: str) -> list[ReadableSpan]:
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    for name in names:
        provider.get_tracer("test").start_span(name).end()
    return list(memory.get_finished_spans())


def names(service: MockOtlpService) -> list[str]:
    return [span.name for span in service.spans()]


@BOTH
def test_refused_once_and_sent_again(service, exporter, caplog):
    service.refuse_next(1, message="come again")
    with caplog.at_level(logging.WARNING):
        assert exporter().export(spans("a")) is SpanExportResult.SUCCESS
    assert names(service) == ["a"]
    assert service.requests.traces == Counts(accepted=1, refused=1)
    assert "retrying in" in caplog.text


@pytest.mark.parametrize("exporter", ["http"], indirect=True)
def test_the_hint_says_when(service, exporter, caplog):
    """Over HTTP; the SDK's gRPC exporter does not look at the RetryInfo of a status (1.45)."""
    service.refuse_next(1, retry_after=2)
    with caplog.at_level(logging.WARNING):
        assert exporter().export(spans("a")) is SpanExportResult.SUCCESS
    assert "retrying in 2.00s" in caplog.text


@BOTH
@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "UNAUTHENTICATED", "UNIMPLEMENTED"])
def test_what_no_retry_makes_good_is_not_sent_again(service, exporter, code):
    service.fail_next(1, code=code)
    assert exporter().export(spans("a")) is SpanExportResult.FAILURE
    assert names(service) == []
    assert service.requests.traces == Counts(refused=1)
    assert exporter().export(spans("b")) is SpanExportResult.SUCCESS
    assert names(service) == ["b"]


@BOTH
def test_taken_in_part_is_not_sent_again(service, exporter):
    service.reject_partially_next(1, count=2, message="too old")
    assert exporter().export(spans("a", "b", "c")) is SpanExportResult.SUCCESS
    assert names(service) == ["a"]
    assert service.requests.traces == Counts(partial=1)


@BOTH
def test_a_delay_beyond_the_timeout(service, exporter):
    service.delay_next(1, 600)
    assert exporter(timeout=0.5).export(spans("a")) is SpanExportResult.FAILURE
    service.wait_for_requests(1)
    assert names(service) == []
    assert service.requests.traces == Counts(refused=1)


@BOTH
def test_a_delay_within_the_timeout(service, exporter):
    service.delay_next(1, 0.05)
    assert exporter().export(spans("a")) is SpanExportResult.SUCCESS
    assert service.requests.traces == Counts(accepted=1)


def test_a_fault_of_one_signal_leaves_the_others(service):
    service.fail_next(9, signal="logs")
    exporter = GrpcExporter(f"http://{service.endpoints.otlp_grpc}", insecure=True)
    assert exporter.export(spans("a")) is SpanExportResult.SUCCESS
    exporter.shutdown()
    logs = OTLPLogExporter(f"http://{service.endpoints.otlp_grpc}", insecure=True)
    assert logs.export([]).name == "FAILURE"
    logs.shutdown()
    assert (service.requests.traces, service.requests.logs) == (Counts(accepted=1), Counts(refused=1))


# --- a library that forwards, over OTAP too ---


class Forwarder:
    """A library that sends what it gets on to a service; a context."""

    def __init__(self, directory: Path, address: str | None, **more: object) -> None:
        destination = {
            "name": "mock",
            "protocol": "otap",
            "endpoint": address,
            "tls": {"insecure": True},
            "retry_on_failure": {"initial_interval": "10ms"},
            **more,
        }
        self.library = OtlpLibrary(output_dir=directory, forwarding=[destination])

    def __enter__(self) -> OtlpLibrary:
        return self.library

    def __exit__(self, *_: object) -> None:
        self.library.close()


@pytest.mark.parametrize("protocol", ["otlp_grpc", "otlp_http"])
def test_a_hint_is_followed_by_who_reads_it(service, tmp_path, trace_request, protocol):
    """Without it the sender would come again after an hour."""
    service.refuse_next(1, retry_after=0.05)
    address = {"otlp_grpc": service.endpoints.otlp_grpc, "otlp_http": f"http://{service.endpoints.otlp_http}"}
    patient = {"initial_interval": "1h", "max_interval": "1h"}
    with Forwarder(tmp_path, address[protocol], protocol=protocol, retry_on_failure=patient) as library:
        library.export_traces(trace_request("a"))
        assert [span.name for span in service.wait_for_spans(1, timeout=60)] == ["a"]


def test_otap_refused_once_and_sent_again(service, tmp_path, trace_request):
    service.refuse_next(1)
    with Forwarder(tmp_path, service.endpoints.arrow) as library:
        library.export_traces(trace_request("a", "b"))
        assert [span.name for span in service.wait_for_spans(2, timeout=30)] == ["a", "b"]
    assert service.requests_over("otap").traces == Counts(accepted=1, refused=1)


def test_otap_kept_waiting_and_sent_again(service, tmp_path, trace_request):
    service.delay_next(1, 600)
    with Forwarder(tmp_path, service.endpoints.arrow, timeout="200ms") as library:
        library.export_traces(trace_request("a"))
        assert [span.name for span in service.wait_for_spans(1, timeout=30)] == ["a"]
    assert service.requests_over("otap").traces == Counts(accepted=1, refused=1)


def test_otap_taken_in_part(service, tmp_path, trace_request):
    service.reject_partially_next(1, count=1)
    with Forwarder(tmp_path, service.endpoints.arrow) as library:
        library.export_traces(trace_request("a", "b"))
        assert [span.name for span in service.wait_for_spans(1, timeout=30)] == ["a"]
    assert service.requests_over("otap").traces == Counts(partial=1)


def test_partial_success_is_logged_by_a_sender_that_looks(service, tmp_path, trace_request, caplog):
    """Ours does; the SDK's exporters (1.45) do not."""
    service.reject_partially_next(1, count=1, message="too old")
    address = f"{service.endpoints.otlp_grpc}"
    with caplog.at_level(logging.WARNING), Forwarder(tmp_path, address, protocol="otlp_grpc") as library:
        library.export_traces(trace_request("a", "b"))
        service.wait_for_requests(1, timeout=30)
    assert re.search("reject.*too old", caplog.text), caplog.text
