"""The helper process of a forked child whose parent had loaded the library: Go does not survive a fork.

helped starts it with the child's process id as first argument; standard input is one end of a socket pair
with the child. That sends frames and waits for the answer to each; the answer to a request means what the
return of OtlpLibrary.export_* means::

    frame    = kind (a byte), length of the payload (uint64, little endian), payload
    open     = "O", the configuration's sources         first, once
    request  = "T" | "M" | "L", a body                  traces, metrics, logs
    flush    = "F", seconds as text
    close    = "C", seconds as text                     the last one
    done     = "+"
    failed   = "-", name of the error's class, line feed, its message

When the child ends, however it does, the socket's other end closes; the helper then writes what it
acknowledged, and ends. Signals that are meant for the child do not end it.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
from typing import TYPE_CHECKING

from ..errors import ClosedError, OtlpArrowError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..library import OtlpLibrary

KINDS = {"traces": b"T", "metrics": b"M", "logs": b"L"}
OPEN, FLUSH, CLOSE, DONE, FAILED = b"O", b"F", b"C", b"+", b"-"
_SIGNALS = {kind: name for name, kind in KINDS.items()}
_HEADER = struct.Struct("<cQ")
_LOOK_SECS = 1.0  # between looks at whether the child is still there


def send(end: socket.socket, kind: bytes, payload: bytes | bytearray | memoryview = b"") -> None:
    """Sends a frame. Raises OSError, TimeoutError; no SIGPIPE, which ends some applications."""
    flags = getattr(socket, "MSG_NOSIGNAL", 0)
    end.sendall(_HEADER.pack(kind, len(payload)), flags)
    end.sendall(payload, flags)


def receive(end: socket.socket, gone: Callable[[], bool] | None = None) -> tuple[bytes, bytearray] | None:
    """The next frame; None at the end. gone: asked at a timeout whether to end; without it that is raised."""
    header = _read(end, _HEADER.size, gone)
    if header is None:
        return None
    kind, length = _HEADER.unpack(header)
    payload = _read(end, length, gone)
    return None if payload is None else (kind, payload)


def _read(end: socket.socket, length: int, gone: Callable[[], bool] | None) -> bytearray | None:
    data, got = bytearray(length), 0
    while got < length:
        try:
            count = end.recv_into(memoryview(data)[got:])
        except TimeoutError:
            if gone is None:
                raise
            if gone():
                return None
            continue
        if not count:
            return None
        got += count
    return data


class Server:
    """Answers the frames of one child; closes what it opened at their end."""

    def __init__(self, end: socket.socket, child: int) -> None:
        self._end, self._child = end, child
        self._library: OtlpLibrary | None = None

    def run(self) -> None:
        """Returns when the child has closed its end or is gone."""
        self._end.settimeout(_LOOK_SECS)
        try:
            while (frame := receive(self._end, self._orphaned)) is not None:
                self._answer(*frame)
        except OSError:
            pass  # the child is gone, and nobody waits for an answer
        finally:
            if self._library is not None:
                self._library.close()

    def _orphaned(self) -> bool:
        """True when the child is gone, although a process that it forked may still hold its end open."""
        return os.getppid() != self._child

    def _answer(self, kind: bytes, payload: bytearray) -> None:
        try:
            self._act(kind, payload)
        except OtlpArrowError as error:
            send(self._end, FAILED, f"{type(error).__name__}\n{error}".encode())
        else:
            send(self._end, DONE)

    def _act(self, kind: bytes, payload: bytearray) -> None:
        if kind == OPEN:
            from ..library import OtlpLibrary

            self._library = OtlpLibrary.from_sources(bytes(payload))
        elif self._library is None:
            raise ClosedError("the helper has no open library")
        elif kind in _SIGNALS:
            getattr(self._library, f"export_{_SIGNALS[kind]}")(payload)
        elif kind == FLUSH:
            self._library.flush(float(payload))
        else:
            self._library.close(float(payload))


def main() -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    with socket.socket(fileno=0) as end:
        Server(end, int(sys.argv[1])).run()
