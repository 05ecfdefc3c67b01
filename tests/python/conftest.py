"""What several test modules use: hand-made requests, files as the core writes them, a faked core."""

from __future__ import annotations

import ctypes
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otlp_arrow import OtlpLibrary, _abi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY = Path(__file__).resolve().parents[2]

# A shell's background jobs ignore Ctrl-C, and so would all that tests start: what a process handles is the
# default in its children, what it ignores stays ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def repository() -> Path:
    return REPOSITORY


@pytest.fixture
def library(tmp_path: Path) -> Iterator[OtlpLibrary]:
    """An open library with both OTLP listeners on free ports."""
    with OtlpLibrary(output_dir=tmp_path, otlp_grpc="127.0.0.1:0", otlp_http="127.0.0.1:0") as library:
        yield library


@pytest.fixture
def trace_request() -> Callable[..., bytes]:
    """Makes the body of an ExportTraceServiceRequest with named spans."""

    def make(*names: str, service: str = "shop", start: int = 1_700_000_000_000_000_000) -> bytes:
        request = ExportTraceServiceRequest()
        resource_spans = request.resource_spans.add()
        attribute = resource_spans.resource.attributes.add(key="service.name")
        attribute.value.string_value = service
        scope_spans = resource_spans.scope_spans.add()
        for place, name in enumerate(names):
            span = scope_spans.spans.add(name=name, trace_id=b"t" * 16, span_id=bytes([place + 1]) * 8)
            span.start_time_unix_nano = (start + place) % 2**64  # before 1970 as two's complement
            span.end_time_unix_nano = (start + place + 1000) % 2**64
            route = span.attributes.add(key="http.route")
            route.value.string_value = f"/{name}"
        return bytes(request.SerializeToString())

    return make


TEXT = pa.dictionary(pa.int32(), pa.utf8())
ATTRIBUTES = pa.map_(TEXT, TEXT)
TIME = pa.timestamp("ns", tz="UTC")


@pytest.fixture
def spans() -> Callable[..., pa.RecordBatch]:
    """Makes a batch of the traces table, cut down to some columns, with dictionaries as stored."""

    def make(*starts: int | None, service: str = "shop", **promoted: Any) -> pa.RecordBatch:
        count = len(starts)
        keys = pa.array(["k", "n"] * count, pa.utf8()).dictionary_encode()
        items = pa.array([text for n in range(count) for text in (f"v{n}", None)], pa.utf8())
        attributes = pa.MapArray.from_arrays(
            pa.array(range(0, 2 * count + 1, 2), pa.int32()), keys, items.dictionary_encode()
        )
        events = pa.ListArray.from_arrays(
            pa.array(range(count + 1), pa.int32()),
            pa.StructArray.from_arrays([pa.array(["e"] * count), attributes], names=["name", "attributes"]),
        )
        columns = {
            "start_time_unix_nano": pa.array(starts, TIME),
            "service_name": pa.array([service] * count, pa.utf8()).dictionary_encode(),
            "name": pa.array([None if s is None else f"span {s}" for s in starts]).dictionary_encode(),
            "attributes": attributes,
            "events": events,
            **{name: pa.array([value] * count) for name, value in promoted.items()},
        }
        return pa.RecordBatch.from_pydict(columns)

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes batches as a file of an output directory, which it returns; tail follows the batches."""

    def make(
        *batches: pa.RecordBatch, signal: str = "traces", seq: int = 1, tail: bytes = b"\0" * 64
    ) -> Path:
        directory = tmp_path / "out" / "otlp" / signal
        directory.mkdir(parents=True, exist_ok=True)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batches[0].schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
        stream = sink.getvalue().to_pybytes().removesuffix(b"\xff\xff\xff\xff\0\0\0\0")
        (directory / f"otlp_{signal}_20260102_030405_w1_{seq}.arrows").write_bytes(stream + tail)
        return tmp_path / "out"

    return make


class FakeCore:
    """Stands in for the native library: answers[name] is a code, or (code, text), or a list of these."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {"oa_open": 0, "oa_log_next": (11, "closed"), "oa_close": 0}
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.released = 0
        self._kept: list[Any] = []

    def __getattr__(self, name: str) -> Callable[..., int | None]:
        if not name.startswith("oa_"):
            raise AttributeError(name)
        if name.endswith("_release"):
            return self._release
        return lambda *arguments: self._answer(name, arguments)

    def _release(self, _: object) -> None:
        self.released += 1

    def _answer(self, name: str, arguments: tuple[Any, ...]) -> int:
        self.calls.append((name, arguments))
        answer = self.answers[name]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        code, text = answer if isinstance(answer, tuple) else (answer, None)
        outputs = [argument._obj for argument in arguments if hasattr(argument, "_obj")]
        if code and text is not None:
            outputs[-1].code, outputs[-1].message = code, text.encode()
        elif not code:
            self._fill(outputs[:-1], text)
        return int(code)

    def _fill(self, outputs: list[Any], text: Any) -> None:
        for output in outputs:
            if isinstance(output, ctypes.c_uint64):
                output.value = len(text) if isinstance(text, bytes) else 7
            elif text is not None:
                data = text if isinstance(text, bytes) else json.dumps(text).encode()
                self._kept.append(ctypes.create_string_buffer(data))
                output.value = ctypes.addressof(self._kept[-1])


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> FakeCore:
    """The native library, faked; for what the real one cannot be brought to do."""
    fake = FakeCore()
    monkeypatch.setattr(_abi, "load", lambda: fake)
    return fake
