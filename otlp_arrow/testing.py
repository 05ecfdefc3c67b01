"""MockOtlpService: a receiver for tests, that can be waited on and told to fail. pytest is not needed.

::

    with MockOtlpService() as otlp:
        subprocess.run([sys.executable, "app.py"], env={**os.environ, **otlp.env}, check=True)
        (span,) = otlp.wait_for_spans(1, name="POST /orders")
        assert span.attributes["http.route"] == "/orders"

A wait is woken by the request it waits for, and answers within milliseconds. The plugin for pytest is
pytest_plugin.py; docs/testing.md is the reference of both.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Self, TypeVar

from . import config
from ._mock import faults as _faults
from ._mock.counts import Counts, Requests
from .errors import ConfigError, DeadlineError, NotReceivedError
from .library import Endpoints, OtlpLibrary

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    import pyarrow as pa

    from ._mock.items import DataPoint, Event, Link, LogRecord, Span
    from ._mock.received import Received
    from ._mock.wanted import Wanted
    from .trees import TraceTree

__all__ = [
    "Counts",
    "DataPoint",
    "Event",
    "Link",
    "LogRecord",
    "MockOtlpService",
    "NotReceivedError",
    "Requests",
    "Span",
]

T = TypeVar("T")
PROTOCOLS = ("grpc", "http/protobuf", "http/json")
_TRANSPORTS = ("grpc", "http", "otap")
_ANY = "127.0.0.1:0"
_PATIENCE = 30.0  # seconds for what takes milliseconds
_NOUNS = {"traces": "span", "logs": "log record", "metrics": "data point"}

_open: weakref.WeakSet[MockOtlpService] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:  # before the library closes what is left, so that directories go
    for service in list(_open):
        service.close()


def __getattr__(name: str) -> object:
    if name in ("DataPoint", "Event", "Link", "LogRecord", "Span"):
        from ._mock import items as _items  # loads pyarrow

        return getattr(_items, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class MockOtlpService:
    """Receives OTLP over gRPC and HTTP, and OTAP, on free ports of 127.0.0.1, and keeps it for a test.

    protocol: what env tells an app to speak: "grpc", "http/protobuf" or "http/json". All are received.
    output_dir: where files go, and stay; by default a directory that is removed by close().
    settings: of docs/configuration.md, as OtlpLibrary takes them: limits={"max_request_bytes": ...}. OTLP_*
        variables do not count.

    Use it with `with`, or close() it. All methods may be called from any thread, but not in a forked child,
    which may send all the same. Raises ConfigError for a setting.
    """

    def __init__(
        self,
        *,
        protocol: str = "grpc",
        output_dir: config.StrPath | None = None,
        **settings: object,
    ) -> None:
        if protocol not in PROTOCOLS:
            raise ConfigError(f"protocol: {protocol!r} is not one of {', '.join(PROTOCOLS)}")
        self._protocol = protocol
        self._pid = os.getpid()
        self._lock = threading.RLock()  # guards what follows
        self._signals: dict[str, Received] = {}
        self._cleared: dict[str, Any] = {}
        self._library, self._remove = _opened(output_dir, settings)
        _open.add(self)

    # --- where it is ---

    @property
    def endpoints(self) -> Endpoints:
        """The addresses: endpoints.otlp_grpc, endpoints.otlp_http and endpoints.arrow (OTAP)."""
        return self._library.endpoints

    @property
    def protocol(self) -> str:
        """What env tells an app to speak."""
        return self._protocol

    @property
    def env(self) -> dict[str, str]:
        """OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_PROTOCOL, for an app that shall send here."""
        return self.env_for(self._protocol)

    def env_for(self, protocol: str) -> dict[str, str]:
        """As env, for another protocol. Raises ConfigError for one that is not known, or received."""
        if protocol not in PROTOCOLS:
            raise ConfigError(f"protocol: {protocol!r} is not one of {', '.join(PROTOCOLS)}")
        listener = "otlp_grpc" if protocol == "grpc" else "otlp_http"
        at = getattr(self.endpoints, listener)
        if at is None:
            raise ConfigError(f"protocol: {protocol} needs {listener}, which is closed")
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{at}", "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}

    @property
    def output_dir(self) -> Path:
        """Where the files are until close()."""
        return self._library.output_dir

    @property
    def closed(self) -> bool:
        return self._library.closed

    # --- what came ---

    def spans(self, *, where: Callable[[Span], object] | None = None, **filters: Any) -> list[Span]:
        """The spans that came, in their order; those that pass a filter as wait_for_spans has it."""
        return _wanted("traces", where, filters).of(self._received("traces"))

    def logs(self, *, where: Callable[[LogRecord], object] | None = None, **filters: Any) -> list[LogRecord]:
        """The log records that came; as spans."""
        return _wanted("logs", where, filters).of(self._received("logs"))

    def metrics(
        self, *, where: Callable[[DataPoint], object] | None = None, **filters: Any
    ) -> list[DataPoint]:
        """The data points that came; as spans."""
        return _wanted("metrics", where, filters).of(self._received("metrics"))

    def spans_table(self) -> pa.Table:
        """The spans that came as the table of docs/format.md, text plain."""
        return self._table("traces")

    def logs_table(self) -> pa.Table:
        """The log records that came, as spans_table."""
        return self._table("logs")

    def metrics_table(self) -> pa.Table:
        """The data points that came, as spans_table."""
        return self._table("metrics")

    def traces(self) -> list[TraceTree]:
        """A tree for each trace, in the order in which they came."""
        from .trees import TraceTree

        table = self.spans_table()
        ids = table["trace_id"].unique().to_pylist()
        return [TraceTree(table, each) for each in ids if each is not None]

    @property
    def requests(self) -> Requests:
        """How many requests were answered since the last clear(): requests.traces.refused, ..."""
        return self.requests_over(None)

    def requests_over(self, transport: str | None) -> Requests:
        """As requests, over "grpc", "http" or "otap" alone, None for all. Raises ConfigError."""
        if transport not in (None, *_TRANSPORTS):
            raise ConfigError(f"transport: {transport!r} is not one of {', '.join(_TRANSPORTS)}")
        with self._lock:
            told = self._library._handle.requests(0, _PATIENCE)
            before = Requests.of(self._cleared, transport)
        return Requests.of(told["requests"], transport) - before

    def clear(self) -> None:
        """As new, at the same addresses: forgets what came, the counts of requests, and faults to come.

        What is being delayed is refused.
        """
        with self._lock:
            for signal in _NOUNS:
                self._of(signal).skip(self._library)
            self._library._handle.script(b'{"clear": true}')
            self._cleared = self._library._handle.requests(0, _PATIENCE)["requests"]

    # --- waiting ---

    def wait_for_spans(
        self,
        n: int = 1,
        *,
        timeout: float | None = 10.0,
        where: Callable[[Span], object] | None = None,
        **filters: Any,
    ) -> list[Span]:
        """Waits until n spans are there, and returns all that are; they may have come before.

        timeout: in seconds, None: no end. where: a callable that gets the Span. filters: fields of it, all of
        which have to be so: name="GET /", service="shop", attributes={"http.route": "/"} (these among
        others); a compiled pattern is searched in text, a callable gets the value.

        Raises NotReceivedError, an AssertionError and a TimeoutError, which tells what came instead;
        ConfigError for a field that a Span does not have.
        """
        __tracebackhide__ = True
        return self._wait("traces", n, timeout, _wanted("traces", where, filters))

    def wait_for_logs(
        self,
        n: int = 1,
        *,
        timeout: float | None = 10.0,
        where: Callable[[LogRecord], object] | None = None,
        **filters: Any,
    ) -> list[LogRecord]:
        """As wait_for_spans, for log records: body="paid", severity_text="WARN", ..."""
        __tracebackhide__ = True
        return self._wait("logs", n, timeout, _wanted("logs", where, filters))

    def wait_for_metrics(
        self,
        n: int = 1,
        *,
        timeout: float | None = 10.0,
        where: Callable[[DataPoint], object] | None = None,
        **filters: Any,
    ) -> list[DataPoint]:
        """As wait_for_spans, for data points: name="orders", value=3, ..."""
        __tracebackhide__ = True
        return self._wait("metrics", n, timeout, _wanted("metrics", where, filters))

    def wait_for_requests(
        self, n: int = 1, *, signal: str | None = None, timeout: float | None = 10.0
    ) -> Requests:
        """Waits until n requests were answered since the last clear(), accepted or not.

        signal: "traces", "logs" or "metrics" alone. Raises as wait_for_spans.
        """
        __tracebackhide__ = True
        if signal not in (None, *_NOUNS):
            raise ConfigError(f"signal: {signal!r} is not one of {', '.join(_NOUNS)}")

        def enough() -> Requests | None:
            counts = self.requests
            return counts if (getattr(counts, signal) if signal else counts).answered >= n else None

        what = _count(n, "request") + (f" of {signal}" if signal else "")
        return self._until(enough, timeout, lambda: f"waited {timeout} s for {what}.")

    def _wait(self, signal: str, n: int, timeout: float | None, wanted: Wanted) -> list[Any]:
        __tracebackhide__ = True

        def enough() -> list[Any] | None:
            found = wanted.of(self._received(signal))
            return found if len(found) >= n else None

        return self._until(enough, timeout, lambda: self._lack(signal, n, timeout, wanted))

    def _until(self, enough: Callable[[], T | None], timeout: float | None, lack: Callable[[], str]) -> T:
        """Looks whenever a request was answered."""
        __tracebackhide__ = True
        deadline, answered = None if timeout is None else time.monotonic() + timeout, 0
        while True:
            try:
                wait = None if deadline is None else max(0.0, deadline - time.monotonic())
                answered = self._library._handle.requests(answered, wait)["answered"] + 1
                late = False
            except DeadlineError:
                late = True
            found = enough()
            if found is not None:
                return found
            if late:
                raise NotReceivedError(f"{lack()}\n\n{self.report()}")

    def _lack(self, signal: str, n: int, timeout: float | None, wanted: Wanted) -> str:
        items = self._received(signal)
        with_what = f" with {wanted}" if str(wanted) else ""
        what = _count(n, _NOUNS[signal])
        lines = [f"waited {timeout} s for {what}{with_what}; {len(wanted.of(items))} came."]
        apart = wanted.apart(items)
        if items and apart:
            lines.append(f"Of all {len(items)}: {'; '.join(apart)}.")
        return "\n".join(lines)

    def report(self) -> str:
        """What came, as text: the trees of the traces, log records, data points, counts of requests."""
        from ._mock import report as _report

        logs, points = self.logs(), self.metrics()
        table, requests = self.spans_table(), self.requests
        head = f"received: {_report.summary(table.num_rows, len(logs), len(points))}"
        parts = [f"{head}\nrequests: {_report.requests_told(requests)}"]
        if not requests.answered:
            parts.append(_report.advice(self.env))
        parts += [*_report.traces_told(table), *_report.logs_told(logs), *_report.points_told(points)]
        return "\n\n".join(parts)

    def _of(self, signal: str) -> Received:
        from ._mock.received import Received  # loads pyarrow

        if signal not in self._signals:
            self._signals[signal] = Received(signal)
        return self._signals[signal]

    def _received(self, signal: str) -> list[Any]:
        with self._lock:
            return self._of(signal).items(self._library)

    def _table(self, signal: str) -> pa.Table:
        with self._lock:
            return self._of(signal).table(self._library)

    # --- faults ---

    def fail_next(
        self,
        n: int = 1,
        *,
        code: object = None,
        status: int | None = None,
        message: str | None = None,
        signal: str | None = None,
        transport: str | None = None,
        delay: float = 0.0,
    ) -> None:
        """Answers the next n requests with an error, and keeps nothing of them.

        code: of gRPC and OTAP: "UNAVAILABLE", 14 or a grpc.StatusCode; "INTERNAL" by default.
        status: of HTTP, 300-599. Of the two, one that is not given follows from the other.
        message: what the error says.
        signal: only requests of "traces", "logs" or "metrics". transport: only "grpc", "http" or "otap".
        delay: seconds before the answer.

        Faults follow one another: requests take the first that is for them and is not used up. Raises
        ConfigError.
        """
        codes = _faults.answer(code, status)
        self._tell("fail", n, signal=signal, transport=transport, delay=delay, message=message, **codes)

    def refuse_next(
        self,
        n: int = 1,
        *,
        retry_after: float = 1.0,
        message: str | None = None,
        signal: str | None = None,
        transport: str | None = None,
        delay: float = 0.0,
    ) -> None:
        """Asks the next n requests to come again: UNAVAILABLE + RetryInfo, over HTTP 503 + Retry-After.

        retry_after: seconds, 0 for the usual one; HTTP's are rounded up to whole ones, OTAP has no way to
        tell them. The rest is as for fail_next.
        """
        after = {"retry_after_ms": _faults.milliseconds(retry_after)}
        self._tell("refuse", n, signal=signal, transport=transport, delay=delay, message=message, **after)

    def delay_next(
        self, n: int = 1, seconds: float = 1.0, *, signal: str | None = None, transport: str | None = None
    ) -> None:
        """Keeps the next n requests waiting before they are taken; not at all when the sender gives up."""
        self._tell("accept", n, signal=signal, transport=transport, delay=seconds)

    def reject_partially_next(
        self,
        n: int = 1,
        *,
        count: int = 1,
        message: str | None = None,
        signal: str | None = None,
        transport: str | None = None,
        delay: float = 0.0,
    ) -> None:
        """Takes the next n requests without their last count items, and says so as partial success.

        count: 0 takes all and warns. OTAP has only a message for it. The rest is as for fail_next.
        """
        more = {"rejected": count, "message": message}
        self._tell("reject", n, signal=signal, transport=transport, delay=delay, **more)

    def _tell(self, do: str, n: int, **rule: Any) -> None:
        document = {"rules": [_faults.rule(do, n, **rule)]}
        self._library._handle.script(json.dumps(document).encode())

    # --- its end ---

    def close(self) -> None:
        """Ends it; again is fine. Files go, but not those of an output_dir that was given."""
        if os.getpid() != self._pid:
            return  # a forked child's parent still uses it
        self._library.close()
        _open.discard(self)
        self._remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        at = "".join(f" {name}={value}" for name, value in vars(self.endpoints).items() if value)
        return f"<MockOtlpService {'closed' if self.closed else 'open'} protocol={self._protocol}{at}>"


def _opened(
    output_dir: config.StrPath | None, settings: dict[str, object]
) -> tuple[OtlpLibrary, Callable[[], object]]:
    """A library, and what removes its directory if that is a temporary one."""
    if output_dir is not None:
        return OtlpLibrary.from_sources(_sources(output_dir, settings)), lambda: None
    directory = tempfile.mkdtemp(prefix="otlp-mock-")
    try:
        library = OtlpLibrary.from_sources(_sources(directory, settings))
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    # Of a service that nobody closed and nobody has any more, the handle goes last, when it has written.
    last = weakref.finalize(library._handle, _remove, directory, os.getpid())
    last.atexit = False  # it would come before _close_all

    def remove() -> None:
        last.detach()  # calling it does nothing at exit
        _remove(directory, os.getpid())

    return library, remove


def _sources(output_dir: config.StrPath, settings: dict[str, object]) -> bytes:
    given = {
        "output_dir": output_dir,
        "durability": "memory",
        "write_interval_secs": 3600,  # who waits has it written
        "otlp_grpc": _ANY,
        "otlp_http": _ANY,
        "arrow": _ANY,
        **settings,
    }
    for name in ("otlp_grpc", "otlp_http", "arrow", "health", "metrics"):
        if name in given:
            given[name] = config.listener(given[name])
    return config.sources(given, embedded=True, mock=True)


def _remove(directory: str, pid: int) -> None:
    if os.getpid() == pid:
        shutil.rmtree(directory, ignore_errors=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _wanted(signal: str, where: Callable[[Any], object] | None, filters: dict[str, Any]) -> Wanted:
    from ._mock import items as _items  # loads pyarrow
    from ._mock.wanted import Wanted

    kinds = {"traces": _items.Span, "logs": _items.LogRecord, "metrics": _items.DataPoint}
    return Wanted(kinds[signal], where, filters)
