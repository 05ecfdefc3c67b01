"""TLS and keys, with the exporters of the OpenTelemetry SDK as clients."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import pytest
import trustme
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult

from otlp_arrow import ConfigError, OtlpLibrary

HUSH = "hush-hush"


@pytest.fixture
def certificates(tmp_path, monkeypatch):
    """Files of an authority, a server's certificate and, of another authority, a client's."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # requests takes these before the exporter's file
        monkeypatch.delenv(name, raising=False)
    server, clients = trustme.CA(), trustme.CA()
    served, client = server.issue_cert("127.0.0.1", "localhost"), clients.issue_cert("client@shop.example")
    files = {}
    for name, blob in {
        "authority": server.cert_pem,
        "clients": clients.cert_pem,
        "cert": served.cert_chain_pems[0],
        "key": served.private_key_pem,
        "client_cert": client.cert_chain_pems[0],
        "client_key": client.private_key_pem,
    }.items():
        files[name] = str(tmp_path / f"{name}.pem")
        blob.write_to_path(files[name])
        (tmp_path / f"{name}.pem").chmod(0o600)
    return files


def opened(tmp_path, certificates, **more):
    tls = {"cert_file": certificates["cert"], "key_file": certificates["key"]} | more.pop("tls", {})
    section = {"enabled": True, "endpoint": "127.0.0.1:0", "tls": tls, **more}
    return OtlpLibrary(output_dir=tmp_path / "out", otlp_grpc=section, otlp_http=section)


def exporters(library, certificates, headers, *, client=False):
    """Both exporters, as an application makes them."""
    pem = {name: Path(path).read_bytes() for name, path in certificates.items()}
    yield GrpcExporter(
        endpoint=f"https://{library.endpoints.otlp_grpc}",
        credentials=grpc.ssl_channel_credentials(
            pem["authority"],
            pem["client_key"] if client else None,
            pem["client_cert"] if client else None,
        ),
        headers=headers,
        timeout=5,
        compression=grpc.Compression.Gzip,
    )
    yield HttpExporter(
        endpoint=f"https://{library.endpoints.otlp_http}/v1/traces",
        certificate_file=certificates["authority"],
        client_certificate_file=certificates["client_cert"] if client else None,
        client_key_file=certificates["client_key"] if client else None,
        headers=headers,
        timeout=5,
        compression=Compression.Gzip,
    )


def send(exporter, name):
    provider = TracerProvider(shutdown_on_exit=False)
    span = provider.get_tracer("test").start_span(name)
    span.end()
    try:
        return exporter.export([span]) is SpanExportResult.SUCCESS
    finally:
        exporter.shutdown()
        provider.shutdown()


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"x-api-key": HUSH}, True),
        ({"authorization": "Bearer token"}, True),
        ({"authorization": f"Bearer {HUSH}"}, False),
        ({"x-api-key": "token"}, False),
        ({}, False),
    ],
)
def test_exporters_need_a_key(tmp_path, certificates, headers, passes, caplog):
    auth = {"api_keys": ["other", HUSH], "bearer_tokens": ["token"]}
    with opened(tmp_path, certificates, auth=auth) as library:
        assert HUSH not in repr(library)
        for exporter in exporters(library, certificates, headers):
            assert send(exporter, "span") is passes
        assert library.traces()["name"].to_pylist() == ["span", "span"] * passes
    told = [record.getMessage() for record in caplog.records if record.name.startswith("otlp_arrow")]
    assert not any(HUSH in text for text in told)


@pytest.mark.parametrize("client", [True, False])
def test_client_certificates(tmp_path, certificates, client):
    with opened(tmp_path, certificates, tls={"client_ca_file": certificates["clients"]}) as library:
        for exporter in exporters(library, certificates, {}, client=client):
            impatient = threading.Timer(1, exporter.shutdown)  # it would try again until its timeout
            if not client:
                impatient.start()
            assert send(exporter, "span") is client
            impatient.cancel()
        assert library.traces().num_rows == 2 * client


def test_keys_are_read_again(tmp_path, certificates):
    keys = tmp_path / "keys.txt"
    keys.write_text(f"# of the shop\n{HUSH}\n")
    keys.chmod(0o600)
    with opened(tmp_path, certificates, auth={"api_keys_file": str(keys)}) as library:
        for exporter in exporters(library, certificates, {"x-api-key": HUSH}):
            assert send(exporter, "before")
        keys.write_text("another\n")
        time.sleep(5.1)  # the core looks at files every 5 seconds
        for exporter in exporters(library, certificates, {"x-api-key": HUSH}):
            assert not send(exporter, "after")
        assert library.traces()["name"].to_pylist() == ["before", "before"]


def test_a_readable_key_file_warns(tmp_path, caplog):
    keys = tmp_path / "keys.txt"
    keys.write_text(HUSH)
    keys.chmod(0o644)
    with caplog.at_level(logging.WARNING, "otlp_arrow"):
        section = {"enabled": True, "endpoint": "127.0.0.1:0", "auth": {"api_keys_file": str(keys)}}
        with OtlpLibrary(output_dir=tmp_path, otlp_http=section):
            end = time.monotonic() + 5
            while not caplog.records and time.monotonic() < end:
                time.sleep(0.01)
    assert "other users can read" in caplog.text
    assert HUSH not in caplog.text


@pytest.mark.parametrize(
    "auth",
    [
        {"api_keys": HUSH},
        {"api_keys": [HUSH, HUSH]},
        {"api_keys": [HUSH + " "]},
        {"api_keys": [HUSH.encode()]},
        {"api_keys": [HUSH, ""]},
        HUSH,
    ],
)
def test_faults_tell_no_keys(tmp_path, auth):
    with pytest.raises(ConfigError) as caught:
        OtlpLibrary(output_dir=tmp_path, otlp_http={"enabled": True, "endpoint": "127.0.0.1:0", "auth": auth})
    assert HUSH not in str(caught.value)


def test_faults_of_certificates_are_told_at_once(tmp_path, certificates):
    tls = {"cert_file": certificates["cert"], "key_file": certificates["client_key"]}
    section = {"enabled": True, "tls": tls}
    with pytest.raises(ConfigError) as caught:
        OtlpLibrary(
            output_dir=tmp_path, otlp_grpc=section, otlp_http={"enabled": True, "tls": {"key_file": "x"}}
        )
    assert [fault.split(": ")[-1] for fault in caught.value.faults] == [
        "private key does not match public key",
        "is empty, and otlp_http.tls.key_file needs it",
    ]


def test_print_config_hides_keys(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text(f"otlp_grpc:\n  auth:\n    bearer_tokens: [{HUSH}]\n")
    done = subprocess.run(
        [sys.executable, "-m", "otlp_arrow.cli", "print-config", "--config", file],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert HUSH not in done.stdout + done.stderr
    assert json.loads(done.stdout)["otlp_grpc"]["auth"]["bearer_tokens"] == ["***"]
