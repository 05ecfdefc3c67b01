"""OtlpLibrary: the node of this process. Open ones are closed when the interpreter exits."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from . import _fork, config
from ._export import requests as _requests
from ._handle import Buffer, Handle, resolve
from ._work import Work
from .config import UNSET, StrPath, Unset
from .errors import ClosedError, DeadlineError, IoError, OtlpArrowError, OverloadedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    import pyarrow as pa
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.trace import ReadableSpan

    from ._read.files import Part
    from ._read.follow import Follow
    from ._read.select import Selection, When
    from ._read.sql import Parameters
    from .trees import TraceTree

LONG_REQUEST = 4 << 20  # bytes; Ctrl-C does not wait for one of them, which takes some 30 ms

_open: weakref.WeakSet[OtlpLibrary] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for library in list(_open):
        try:
            library.close()
        except OtlpArrowError as error:
            logging.getLogger("otlp_arrow").error(
                "%r, closed at exit, may have lost data: %s", library, error
            )


def _after_fork() -> None:
    for library in list(_open):
        _fork.close_sockets(at for at in vars(library.endpoints).values() if at)
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@dataclass(frozen=True)
class Endpoints:
    """The addresses that listen, as "127.0.0.1:4317" with the real port; None: not open."""

    otlp_grpc: str | None = None
    otlp_http: str | None = None
    arrow: str | None = None
    health: str | None = None
    metrics: str | None = None


class OtlpLibrary:
    """Receives OTLP in this process and keeps it as Arrow files under output_dir.

    ::

        with OtlpLibrary(output_dir="telemetry", otlp_grpc="127.0.0.1:0") as library:
            print(library.endpoints.otlp_grpc)
            ...
            spans = library.traces()

    All keywords are settings of docs/configuration.md; what is not given comes from OTLP_* variables, then
    from config_file, then from the defaults. A listener opens only when it is asked for.

    output_dir: where files go; made if it is missing.
    otlp_grpc, otlp_http: "host:port" to listen at (port 0: any free one), None to leave it closed, or the
        section as a dict: {"endpoint": ..., "tls": {...}, "auth": {...}}; "enabled": False closes it.
    arrow: the same for OTAP, which the OTLP gRPC listener takes as well, and for Arrow Flight, which reads
        the tables from other processes; see docs/otap.md and docs/flight.md.
    health, metrics: the same for /readyz and the other health pages, and for Prometheus' GET /metrics; see
        docs/operations.md.
    write_interval_secs: seconds between batches, 1-3600.
    files, limits, log: the sections of these names, as dicts.
    forwarding: a list of destinations, each a dict with name, endpoint and more; see docs/forwarding.md.
    config_file: a YAML file.

    Raises ConfigError with every fault, also for a port in use or a directory that cannot be had. All
    methods may be called from any thread. A forked child gets ForkedError from all but close().

    Use it with `with`, or close() it: that writes what was acknowledged. One that is still open is closed
    when the interpreter exits, but not when a signal ends the process, as SIGTERM does by default.
    """

    def __init__(
        self,
        *,
        output_dir: StrPath | Unset = UNSET,
        otlp_grpc: str | Mapping[str, object] | Unset | None = UNSET,
        otlp_http: str | Mapping[str, object] | Unset | None = UNSET,
        arrow: str | Mapping[str, object] | Unset | None = UNSET,
        health: str | Mapping[str, object] | Unset | None = UNSET,
        metrics: str | Mapping[str, object] | Unset | None = UNSET,
        write_interval_secs: float | Unset = UNSET,
        files: Mapping[str, object] | Unset = UNSET,
        limits: Mapping[str, object] | Unset = UNSET,
        log: Mapping[str, object] | Unset = UNSET,
        forwarding: Sequence[Mapping[str, object]] | Unset = UNSET,
        config_file: StrPath | None = None,
        **settings: object,
    ) -> None:
        values: dict[str, object] = {
            "output_dir": output_dir,
            "otlp_grpc": config.listener(otlp_grpc),
            "otlp_http": config.listener(otlp_http),
            "arrow": config.listener(arrow),
            "health": config.listener(health),
            "metrics": config.listener(metrics),
            "write_interval_secs": write_interval_secs,
            "files": files,
            "limits": limits,
            "log": log,
            "forwarding": forwarding,
            **settings,
        }
        self._start(config.sources(values, config_file=config_file, embedded=True))

    @classmethod
    def from_sources(cls, sources: bytes) -> Self:
        """Opens one from what config.sources made; for the command line."""
        library = cls.__new__(cls)
        library._start(sources)
        return library

    def _start(self, sources: bytes) -> None:
        self._output_dir = Path(str(resolve(sources)["output_dir"])).absolute()
        # Absolute for the core too: it opens files by this path also after the application's os.chdir.
        self._sources = config.with_value(sources, "output_dir", str(self._output_dir))
        self._handle = Handle(self._sources)
        addresses = self._handle.endpoints()
        known = Endpoints.__dataclass_fields__
        self._endpoints = Endpoints(**{name: at for name, at in addresses.items() if name in known and at})
        _open.add(self)

    @property
    def output_dir(self) -> Path:
        """The directory above otlp/, absolute."""
        return self._output_dir

    @property
    def endpoints(self) -> Endpoints:
        """The addresses that the listeners got."""
        return self._endpoints

    @property
    def closed(self) -> bool:
        return self._handle.closed

    def export_traces(self, request: Buffer | Iterable[ReadableSpan]) -> None:
        """Takes one ExportTraceServiceRequest (protobuf bytes; not kept), or spans of opentelemetry-sdk.

        Returns when it is acknowledged. Raises InvalidDataError (nothing of it is kept), TooLargeError,
        OverloadedError (try later) and ClosedError; TypeError for anything else than bytes and spans. One
        of 4 MiB or more that Ctrl-C interrupts goes on, and is taken or not.
        """
        self._export("traces", request)

    def export_logs(self, request: Buffer | Iterable[ReadableLogRecord]) -> None:
        """Takes one ExportLogsServiceRequest, or log records of opentelemetry-sdk; as export_traces."""
        self._export("logs", request)

    def export_metrics(self, request: Buffer | MetricsData) -> None:
        """Takes one ExportMetricsServiceRequest, or what a reader of opentelemetry-sdk collected; as
        export_traces."""
        self._export("metrics", request)

    def _export(self, signal: str, request: object) -> None:
        body = _requests.body(signal, request)
        if memoryview(body).nbytes < LONG_REQUEST:
            self._handle.export(signal, body)
        else:
            Work[None](lambda _: self._handle.export(signal, body)).run(wait=False)

    def flush(self, timeout: float | None = 30.0) -> None:
        """Waits until all that was acknowledged before is in files; timeout in seconds, None: no end.

        Raises DeadlineError (the writing goes on), ClosedError, and IoError when the time passed without a
        write that went well (it is tried on; nothing is lost yet).
        """
        self._handle.flush(timeout)

    def traces(
        self,
        *,
        since: When = None,
        until: When = None,
        service: str | Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        dictionaries: bool = False,
        timeout: float | None = 30.0,
    ) -> pa.Table:
        """All spans of the output directory up to now, a row each; options are those of read_traces.

        timeout: seconds for the flush before it. Raises as read_traces, and DeadlineError, ClosedError.
        """
        return self._table("traces", timeout, since, until, service, columns, dictionaries)

    def logs(
        self,
        *,
        since: When = None,
        until: When = None,
        service: str | Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        dictionaries: bool = False,
        timeout: float | None = 30.0,
    ) -> pa.Table:
        """All log records of the output directory up to now, a row each; as traces and read_logs."""
        return self._table("logs", timeout, since, until, service, columns, dictionaries)

    def metrics(
        self,
        *,
        since: When = None,
        until: When = None,
        service: str | Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        dictionaries: bool = False,
        timeout: float | None = 30.0,
    ) -> pa.Table:
        """All data points of the output directory up to now, a row each; as traces and read_metrics."""
        return self._table("metrics", timeout, since, until, service, columns, dictionaries)

    def trace_tree(
        self,
        trace_id: str | bytes | int,
        *,
        since: When = None,
        until: When = None,
        timeout: float | None = 30.0,
    ) -> TraceTree:
        """The spans of a trace up to now as a tree, empty where there are none; as otlp_arrow.trace_tree.

        timeout: seconds for the flush before it. Raises as traces, and ConfigError for an id that is none.
        """
        from . import trees  # loads pyarrow

        return trees.TraceTree(self._select(trees.tree_selection(trace_id, since, until), timeout), trace_id)

    def batches(
        self,
        signal: str,
        *,
        since: When = None,
        until: When = None,
        service: str | Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        dictionaries: bool = False,
        timeout: float | None = 30.0,
    ) -> pa.RecordBatchReader:
        """All rows of a signal up to now, batch by batch with bounded memory; as otlp_arrow.read_batches.

        timeout: seconds for the flush before it. Raises as traces.
        """
        from . import tables  # loads pyarrow

        selection = tables.Selection.of(signal, since, until, service, columns, dictionaries)
        files = tables.snapshot(self._handle.files(signal, timeout))
        return tables.batches(files, selection, lambda: self._handle.empty(signal))

    def follow(
        self,
        signal: str,
        *,
        since: When = None,
        service: str | Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        dictionaries: bool = False,
        existing: bool | None = None,
        timeout: float | None = None,
        interval: float = 0.2,
    ) -> Follow:
        """Gives batches of a signal as they come, also of other processes that write to output_dir.

        ::

            for batch in library.follow("traces", timeout=10):      # or: async for
                print(batch.column("name"))

        Every interval (seconds) what was acknowledged is brought into files, so batches are smaller than
        without a follower. It ends when the library is closed and all rows were given. All else is as in
        otlp_arrow.follow.
        """
        from ._read.follow import Follow
        from ._read.select import Selection

        return Follow(
            self._output_dir,
            Selection.of(signal, since, None, service, columns, dictionaries),
            existing=existing,
            timeout=timeout,
            interval=interval,
            flush=self._flush_soon,
        )

    def _flush_soon(self) -> None:
        """Raises ClosedError once it is closed and nothing more is written."""
        try:
            with contextlib.suppress(DeadlineError, IoError, OverloadedError):  # it is tried on
                self._handle.flush(1.0)
        except ClosedError:  # from when the closing begins
            if self._handle.drained(1.0):
                raise

    def sql(self, query: str, parameters: Parameters = None, *, timeout: float | None = 30.0) -> pa.Table:
        """The result of a query over the tables traces, logs and metrics up to now; as otlp_arrow.sql.

        timeout: seconds for the flush before it. Raises as otlp_arrow.sql, and DeadlineError, ClosedError.
        """
        from . import tables  # loads pyarrow
        from ._read import sql as _sql  # loads pyarrow

        def listing(signal: str) -> tuple[list[Part], bytes]:
            parts = tables.snapshot(self._handle.files(signal, timeout))
            return parts, b"" if parts else self._handle.empty(signal)

        return _sql.run(query, parameters, listing)

    def _table(
        self,
        signal: str,
        timeout: float | None,
        since: When,
        until: When,
        service: str | Sequence[str] | None,
        columns: Sequence[str] | None,
        dictionaries: bool,
    ) -> pa.Table:
        from . import tables  # loads pyarrow

        selection = tables.Selection.of(signal, since, until, service, columns, dictionaries)
        return self._select(selection, timeout)

    def _select(self, selection: Selection, timeout: float | None) -> pa.Table:
        from . import tables

        signal = selection.signal
        files = self._handle.files(signal, timeout)
        return tables.read_snapshot(files, selection, lambda: self._handle.empty(signal))

    def close(self, timeout: float | None = 30.0) -> None:
        """Ends the listeners and writes what was acknowledged; again is fine. timeout in seconds.

        Raises DeadlineError, or IoError when writing failed until then: it still drains, and close() can
        wait again.
        """
        self._handle.close(timeout)
        _open.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> object:
        raise TypeError(
            "an OtlpLibrary belongs to the process that opened it: give another one library.endpoints, to "
            "send to, or library.output_dir, to read with read_traces"
        )

    def __repr__(self) -> str:
        if not hasattr(self, "_handle"):
            return "<OtlpLibrary not opened>"
        state = "inherited" if self._handle.inherited else "closed" if self.closed else "open"
        at = "".join(f" {name}={value}" for name, value in vars(self._endpoints).items() if value)
        return f"<OtlpLibrary {state} output_dir={str(self._output_dir)!r}{at}>"

    def _repr_html_(self) -> str | None:
        """How much there is of each signal, when, and of which services; None when that cannot be told."""
        try:
            from ._show import html as _html  # loads pyarrow

            state = "closed" if self.closed or self._handle.inherited else "open"
            listeners = {} if state == "closed" else {k: v for k, v in vars(self._endpoints).items() if v}
            return _html.library_card(
                f"OtlpLibrary {state}", self._output_dir, listeners, self._parts_to_show
            )
        except Exception as error:  # a notebook then shows repr()
            logging.getLogger("otlp_arrow").debug("nothing to show: %s", error)
            return None

    def _parts_to_show(self, signal: str) -> list[Part]:
        from . import tables
        from ._read.files import find

        try:
            return tables.snapshot(self._handle.files(signal, 1.0))
        except OtlpArrowError:  # closed, inherited, or it does not get to it: what is in files already
            return list(find(signal, self._output_dir))
