"""A forked child's side of its helper process; see helper."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from .. import errors
from ..errors import ClosedError, DeadlineError, IoError, OtlpArrowError
from . import helper as _helper

MARGIN = 5.0  # seconds more than the helper itself may take
PATIENCE = 30.0  # seconds for what has no time of its own

_leaving: list[subprocess.Popen[bytes]] = []  # helpers that were left alone; looked after when one starts


class HelperGoneError(IoError):
    """The helper process ended: what was asked last may have been done."""


class Helped:
    """A library in a helper process. Any thread may call; one request is under way at a time.

    Raises what OtlpLibrary raises, and HelperGoneError. It is closed after that and after a DeadlineError
    for an answer that did not come.
    """

    def __init__(self, sources: bytes) -> None:
        self._lock = threading.Lock()  # guards the conversation
        self._end, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = _start(theirs)
        except BaseException:
            self._end.close()
            raise
        try:
            self._ask(_helper.OPEN, sources, PATIENCE)
        except BaseException:
            self._end_helper()
            raise

    @property
    def closed(self) -> bool:
        return self._end.fileno() < 0

    @property
    def pid(self) -> int:
        """The helper's process id."""
        return self._process.pid

    def export(self, signal: str, body: bytes) -> None:
        """As OtlpLibrary.export_traces, export_metrics, export_logs."""
        self._ask(_helper.KINDS[signal], body, PATIENCE)

    def flush(self, timeout: float) -> None:
        """As OtlpLibrary.flush."""
        self._ask(_helper.FLUSH, str(timeout).encode(), timeout + MARGIN)

    def close(self, timeout: float) -> None:
        """As OtlpLibrary.close; then the helper ends."""
        if self.closed:
            return
        try:
            self._ask(_helper.CLOSE, str(timeout).encode(), timeout + MARGIN)
        finally:
            self._end_helper()

    def forget(self) -> None:
        """For a forked child of this process: gives up its copy of the socket; the helper is not its own."""
        self._end.close()
        self._process.returncode = 0  # nothing for it to wait for, or to warn of

    def _ask(self, kind: bytes, payload: bytes, timeout: float) -> None:
        with self._lock:
            if self.closed:
                raise ClosedError("the helper process was ended")
            try:
                self._end.settimeout(timeout)
                _helper.send(self._end, kind, payload)
                answer = _helper.receive(self._end)
            except TimeoutError:
                self._leave()
                raise DeadlineError(f"the helper process {self.pid} gave no answer for {timeout} s") from None
            except OSError as error:
                self._leave()
                raise HelperGoneError(f"the helper process {self.pid} is gone: {error}") from None
            except BaseException:  # Ctrl-C: the next answer would be that to this request
                self._leave()
                raise
            if answer is None:
                self._leave()
                raise HelperGoneError(f"the helper process {self.pid} is gone")
        if answer[0] == _helper.FAILED:
            raise _error(answer[1])

    def _leave(self) -> None:
        """Closes our end; the helper writes what it acknowledged, and ends."""
        self._end.close()
        _leaving.append(self._process)

    def _end_helper(self) -> None:
        """As _leave, and waits for the end, since there should be little to write."""
        if not self.closed:
            self._leave()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(MARGIN)


def after_fork() -> None:
    """In a forked child: what this process has left alone is not its own."""
    for process in _leaving:
        process.returncode = 0
    _leaving.clear()


def _error(payload: bytearray) -> OtlpArrowError:
    name, _, message = payload.decode().partition("\n")
    kind: type[OtlpArrowError] = getattr(errors, name)
    return kind(message)


# Our directory comes last, since others beside us may be called as a module of the standard library is.
_CODE = "import sys; sys.path.append(sys.argv[2]); from otlp_arrow._export.helper import main; main()"


def _start(standard_input: socket.socket) -> subprocess.Popen[bytes]:
    """Without site: no sitecustomize, which may instrument each new Python. In a session of its own, so that
    Ctrl-C in a terminal is the child's alone."""
    _leaving[:] = [process for process in _leaving if process.poll() is None]
    where = str(Path(__file__).parents[2])
    return subprocess.Popen(
        [_python(), "-S", "-P", "-c", _CODE, str(os.getpid()), where],
        stdin=standard_input.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=_standard_error(),
        start_new_session=True,
    )


def _standard_error() -> int | None:
    """Ours; where a daemon has closed it, none, lest a file gets its number and what is written to it."""
    try:
        os.fstat(2)
    except OSError:
        return subprocess.DEVNULL
    return None


def _python() -> str:
    """The interpreter: sys.executable, unless that is a program with Python inside, as uWSGI is."""
    if sys.executable and "python" in Path(sys.executable).name:
        return sys.executable
    found = Path(sys.exec_prefix) / "bin" / "python3"
    if not found.exists():
        raise IoError(
            f"no Python for the helper process that a forked child needs: sys.executable is "
            f"{sys.executable!r}, and there is no {found}"
        )
    return str(found)
