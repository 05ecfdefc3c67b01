"""One owner per native handle: calls, errors, waiting, and the process it belongs to.

Waits go in slices of 0.1 s, because a signal handler (Ctrl-C) only runs between calls into the library.
A Handle may be used from any thread. A forked child may only close() it, which does nothing there.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import os
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

from . import _abi, _pump
from .errors import (
    ClosedError,
    DeadlineError,
    ForkedError,
    IoError,
    OtlpArrowError,
    OverloadedError,
    from_code,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SLICE = 0.1  # seconds
PATIENCE = 30.0  # seconds
Buffer = bytes | bytearray | memoryview


class NativeCall:
    """The results of one call; use as a context, so that what the library allocated is released."""

    def __init__(self) -> None:
        self.library = _abi.load()
        self.error = _abi.OaError()
        self.out = ctypes.c_void_p()
        self.length = ctypes.c_uint64()

    def run(self, name: str, *arguments: object) -> int:
        """Calls a function with arguments and the error struct; returns its code."""
        return int(getattr(self.library, name)(*arguments, ctypes.byref(self.error)))

    def check(self, name: str, *arguments: object) -> None:
        """As run, and raises the error of a code other than 0."""
        code = self.run(name, *arguments)
        if code != _abi.OK:
            raise from_code(code, self.message())

    def message(self) -> str:
        return (self.error.message or b"").decode("utf-8", "replace")

    def json(self) -> Any:
        """What the text that came out says; None when none did."""
        if not self.out.value:
            return None
        return json.loads(ctypes.string_at(self.out.value))

    def release(self, function: str = "oa_string_release") -> None:
        if self.error.message:
            self.library.oa_error_release(ctypes.byref(self.error))
        if self.out.value:
            getattr(self.library, function)(self.out)


def resolve(sources: bytes) -> dict[str, Any]:
    """The whole configuration that sources give, secrets hidden. Opens nothing. Raises ConfigError."""
    return _ask("oa_resolve", sources)


def maintain(request: bytes) -> dict[str, Any]:
    """What doctor or compact found and did, see oa_maintain. Takes any time; raises ConfigError, IoError."""
    return _ask("oa_maintain", request)


def _ask(function: str, document: bytes, *further: object) -> dict[str, Any]:
    call = NativeCall()
    try:
        call.check(function, document, len(document), *further, ctypes.byref(call.out))
        result = call.json()
        assert isinstance(result, dict)
        return result
    finally:
        call.release()


def convert(request: bytes, progress: Callable[[int, int], bool]) -> dict[str, Any]:
    """What a conversion did, see oa_convert; progress(done, total) in bytes returns whether to go on."""

    def report(_: object, done: int, total: int) -> int:
        return 0 if progress(done, total) else 1

    return _ask("oa_convert", request, _abi.PROGRESS(report), None)


def send(request: bytes, progress: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What was sent, see oa_send; progress(how far it is) returns whether to go on."""

    def report(_: object, told: bytes) -> int:
        return 0 if progress(json.loads(told)) else 1

    return _ask("oa_send", request, _abi.REPORT(report), None)


def empty_stream(signal: str, handle: int = 0) -> bytes:
    """An Arrow IPC stream without batches that has the signal's schema; 0 is no node, so nothing promoted."""
    call, number = NativeCall(), _abi.SIGNALS[signal]
    try:
        call.check("oa_schema", handle, number, ctypes.byref(call.out), ctypes.byref(call.length))
        return ctypes.string_at(call.out.value or 0, call.length.value)
    finally:
        call.release("oa_bytes_release")


class Handle:
    """A running node. close() ends it; an unclosed one warns when it is collected, and is ended then."""

    def __init__(self, sources: bytes) -> None:
        self._id = 0
        self._pid = os.getpid()
        self._closing = threading.Lock()  # one closes, others wait and then find it done
        number = ctypes.c_uint64()
        call = NativeCall()
        try:
            call.check("oa_open", sources, len(sources), ctypes.byref(number))
        finally:
            self._id = number.value  # also when Ctrl-C came right after it was opened: __del__ closes it
            call.release()
        self._pump = _pump.start(self._id, read_log)

    @property
    def closed(self) -> bool:
        return self._id == 0

    @property
    def inherited(self) -> bool:
        """True in a forked child of the process that opened this."""
        return self._pid != os.getpid()

    def endpoints(self) -> dict[str, str]:
        call = NativeCall()
        try:
            call.check("oa_endpoints", self._alive(), ctypes.byref(call.out))
            return dict(call.json())
        finally:
            call.release()

    def export(self, signal: str, body: Buffer) -> None:
        handle = self._alive()
        address, length, keep = _borrow(body)
        call = NativeCall()
        try:
            call.check("oa_export", handle, _abi.SIGNALS[signal], address, length)
        finally:
            call.release()
            del keep

    def flush(self, timeout: float | None) -> None:
        handle = self._alive()
        _wait("flush", timeout, lambda call, ms: call.run("oa_flush", handle, ms), tries=True)

    def files(self, signal: str, timeout: float | None) -> list[tuple[str, int, int]]:
        """(path, length in bytes, file number) of each file of the signal, oldest first: one snapshot."""
        handle, number = self._alive(), _abi.SIGNALS[signal]
        found = _wait(
            f"reading {signal}",
            timeout,
            lambda call, ms: call.run("oa_files", handle, number, ms, ctypes.byref(call.out)),
        )
        return [(str(file["path"]), int(file["length"]), int(file["id"])) for file in found or ()]

    def script(self, document: bytes) -> None:
        """Tells a mock how to answer, see oa_script. Raises ConfigError."""
        call = NativeCall()
        try:
            call.check("oa_script", self._alive(), document, len(document))
        finally:
            call.release()

    def requests(self, count: int, timeout: float | None) -> dict[str, Any]:
        """Waits until a mock has answered at least count requests; how many and how, see oa_requests."""
        handle = self._alive()
        found = _wait(
            f"waiting for {count} requests",
            timeout,
            lambda call, ms: call.run("oa_requests", handle, count, ms, ctypes.byref(call.out)),
        )
        return dict(found)

    def empty(self, signal: str) -> bytes:
        """As empty_stream, with the columns that this node promotes."""
        return empty_stream(signal, self._alive())

    def close(self, timeout: float | None) -> None:
        if self.inherited:
            self._id = 0
            return
        with self._closing:
            if not self._id:
                return
            handle, self._id = self._id, 0
            try:
                _wait("close", timeout, lambda call, ms: call.run("oa_close", handle, ms), tries=True)
            except ClosedError:
                pass  # it was done when Ctrl-C ended the call before
            except BaseException:
                self._id = handle  # it still drains; close again to go on waiting
                raise
        if self._pump.is_alive():
            self._pump.join(timeout=1)

    def drained(self, timeout: float) -> bool:
        """Whether a node that is being closed has written all; waits up to timeout seconds for it.

        It goes on where a close() gave up. Raises IoError, OverloadedError when the core cannot write.
        """
        deadline = time.monotonic() + timeout
        while self._closing.locked():
            if time.monotonic() >= deadline:
                return False
            time.sleep(SLICE / 10)
        try:
            self.close(max(0.0, deadline - time.monotonic()))
        except DeadlineError:
            return False
        return True

    def _alive(self) -> int:
        if self.inherited:
            raise ForkedError(
                f"process {self._pid} opened this library; its forked child {os.getpid()} cannot use it. "
                "Open one in the child, before the parent does, or start the child with 'spawn'"
            )
        if not self._id:
            raise ClosedError("the library is closed")
        return self._id

    def __del__(
        self, getpid: Callable[[], int] = os.getpid, warn: Callable[..., None] = warnings.warn
    ) -> None:
        handle = getattr(self, "_id", 0)
        if not handle or self._pid != getpid():
            return
        warn(f"unclosed otlp_arrow library {handle}: use `with` or close()", ResourceWarning, stacklevel=2)
        with contextlib.suppress(OtlpArrowError):
            _wait("close", 1.0, lambda call, ms: call.run("oa_close", handle, ms))


def _wait(
    what: str, timeout: float | None, run: Callable[[NativeCall, int], int], tries: bool = False
) -> Any:
    """Runs a waiting call in slices until it is done or timeout seconds (None: no end) have passed.

    tries: the core goes on trying when it cannot write. So the time is waited out then as well (without an
    end: PATIENCE seconds), and only the last of its errors is raised.
    """
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    patience = math.inf
    while True:
        call = NativeCall()
        try:
            code = run(call, round(1000 * min(SLICE, max(0.0, deadline - time.monotonic()))))
            if code == _abi.OK:
                return call.json()
            error = from_code(code, call.message())
        finally:
            call.release()
        now = time.monotonic()
        if code == _abi.TIMEOUT:
            error, patience = DeadlineError(f"{what} was not done after {timeout} s"), math.inf
        elif tries and isinstance(error, (IoError, OverloadedError)):
            patience = min(patience, now + PATIENCE)
            time.sleep(min(SLICE / 10, max(0.0, deadline - now)))  # should the call not have waited
        else:
            raise error
        if now >= (deadline if timeout is not None else patience):
            raise error


def read_log(handle: int) -> dict[str, Any] | None:
    """The node's next log record; None when there was none for 0.1 s. Raises ClosedError at its end."""
    call = NativeCall()
    try:
        call.check("oa_log_next", handle, round(SLICE * 1000), ctypes.byref(call.out))
        record = call.json()
        return record if isinstance(record, dict) else None
    finally:
        call.release()


def _borrow(body: Buffer) -> tuple[object, int, object]:
    """Address, length and what keeps them valid. bytes and writable buffers are not copied."""
    if isinstance(body, bytes):
        return body, len(body), body
    try:
        view = memoryview(body)
    except TypeError:
        kind = type(body).__name__
        raise TypeError(
            f"want the bytes of a request, as SerializeToString() gives them, not {kind}"
        ) from None
    if view.readonly or not view.c_contiguous or not view.nbytes:
        data = bytes(view)
        return data, len(data), data
    array = (ctypes.c_char * view.nbytes).from_buffer(view)
    return ctypes.addressof(array), view.nbytes, array
