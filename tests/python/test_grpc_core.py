"""OTLP/gRPC with gRPC's C core as the client: its calls are bytes here, as on the wire."""

from __future__ import annotations

import grpc
import pytest

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
CALLS = 1000


@pytest.fixture
def channel(library):
    with grpc.insecure_channel(library.endpoints.otlp_grpc) as channel:
        yield channel


def test_large_requests(library, channel, trace_request):
    """Of more bytes than all windows, as they are and packed."""
    name = "x" * (3 << 20)
    export = channel.unary_unary(EXPORT)
    metadata = (("x-scope", "shop"), ("x-blob-bin", b"\x00\xff"), ("x-long", "y" * 4000))
    for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
        answer = export(trace_request(name), compression=compression, metadata=metadata, timeout=30)
        assert answer == b""
    assert library.traces()["name"].to_pylist() == [name, name]


def test_other_methods(channel):
    """What is not served is UNIMPLEMENTED, and the channel goes on."""
    for method in (EXPORT + "s", "/nobody.Knows/This"):
        with pytest.raises(grpc.RpcError) as told:
            channel.unary_unary(method)(b"", timeout=30)
        assert told.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert channel.unary_unary(EXPORT)(b"", timeout=30) == b""


def test_a_bad_request(channel):
    with pytest.raises(grpc.RpcError) as told:
        channel.unary_unary(EXPORT)(b"\xff\xff", timeout=30)
    assert told.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_many_calls_at_once(library, channel, trace_request):
    """More than the streams of a connection: the others wait for their turn."""
    export = channel.unary_unary(EXPORT)
    calls = [export.future(trace_request(f"span {n}"), timeout=60) for n in range(CALLS)]
    assert all(call.result() == b"" for call in calls)
    assert sorted(library.traces()["name"].to_pylist()) == sorted(f"span {n}" for n in range(CALLS))
