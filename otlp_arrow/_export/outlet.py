"""Where the exporters of a process put their requests: one outlet for all that have the same settings.

An outlet opens its library at the first request, not before: a process that forks (gunicorn, multiprocessing)
must not have loaded the native library yet, if its children are to open their own::

    state at the first request                          the outlet opens
    ──────────────────────────────────────────────────  ────────────────────────────────
    native library not loaded, or loaded by us          an OtlpLibrary without listeners
    loaded before the fork that made this process       a helper process, see helper

After a fork each outlet begins anew in the child. When the last exporter is shut down it closes; what is
open at the interpreter's exit is closed then. An exporter that comes later still, since its provider
registered its own exit before this module was imported, opens and closes for each request.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Protocol

from .. import _abi, config
from ..errors import ClosedError, OtlpArrowError
from ..library import OtlpLibrary
from . import helped as _helped
from .helped import Helped, HelperGoneError

if TYPE_CHECKING:
    from collections.abc import Callable

REFUSED_SECS = 5.0  # how long an opening that failed is not tried again
EXIT_SECS = 30.0

logger = logging.getLogger("otlp_arrow.sdk")


class Channel(Protocol):
    """What an outlet opens."""

    @property
    def closed(self) -> bool: ...
    def export(self, signal: str, body: bytes, /) -> None: ...
    def flush(self, timeout: float, /) -> None: ...
    def close(self, timeout: float, /) -> None: ...


class InProcess:
    """An OtlpLibrary of this process as a channel."""

    def __init__(self, library: OtlpLibrary) -> None:
        self.library = library

    @property
    def closed(self) -> bool:
        return self.library.closed

    def export(self, signal: str, body: bytes) -> None:
        getattr(self.library, f"export_{signal}")(body)

    def flush(self, timeout: float) -> None:
        self.library.flush(timeout)

    def close(self, timeout: float) -> None:
        self.library.close(timeout)


def open_channel(sources: bytes) -> Channel:
    """Opens what this process can use. Raises ConfigError, IoError, LibraryNotFoundError."""
    if _abi.belongs_to_parent():
        return Helped(sources)
    return InProcess(OtlpLibrary.from_sources(sources))


class Outlet:
    """One destination of requests. Any thread may call.

    library: one that the application opened, and closes; sources are those that a forked child opens.
    """

    def __init__(
        self,
        sources: bytes,
        library: OtlpLibrary | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.users = 0  # exporters that were not shut down; the registry's lock guards it
        self._sources, self._clock = sources, clock
        self._given = None if library is None else InProcess(library)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Nothing is open. For a forked child: what its parent had open is not its own."""
        self._lock = threading.Lock()  # guards opening and closing, and the two below
        self._channel: Channel | None = None
        self._refused: tuple[float, OtlpArrowError] | None = None  # until when, and why

    def after_fork(self) -> None:
        """In a forked child, which alone may use this copy."""
        if isinstance(self._channel, Helped):
            self._channel.forget()
        self._given = None
        self.begin_anew()

    @property
    def state(self) -> str:
        """For a repr."""
        channel = self._given or self._channel
        if isinstance(channel, Helped):
            return f"in helper process {channel.pid}"
        return "not opened yet" if channel is None else "closed" if channel.closed else "open"

    def export(self, signal: str, body: bytes) -> None:
        """Returns when the request is acknowledged. Raises as OtlpLibrary and its export_traces do."""
        try:
            self._open().export(signal, body)
        except (HelperGoneError, ClosedError) as error:
            if self._given is not None:
                raise
            logger.warning("opened anew: %s", error)
            self._open().export(signal, body)
        finally:
            if _exiting:
                self.close(EXIT_SECS)

    def flush(self, timeout: float) -> None:
        """As OtlpLibrary.flush; nothing to do where nothing was opened."""
        channel = self._given or self._channel
        if channel is not None and not channel.closed:
            channel.flush(timeout)

    def close(self, timeout: float) -> None:
        """Writes what was acknowledged. A later request opens again. Raises as OtlpLibrary.close."""
        channel = self._channel
        if channel is not None:
            channel.close(timeout)

    def _open(self) -> Channel:
        if self._given is not None:
            return self._given
        with self._lock:
            if self._channel is None or self._channel.closed:
                self._channel = self._opened()
            return self._channel

    def _opened(self) -> Channel:
        if self._refused is not None and self._clock() < self._refused[0]:
            raise self._refused[1].with_traceback(None)
        try:
            channel = open_channel(self._sources)
        except OtlpArrowError as error:
            self._refused = self._clock() + REFUSED_SECS, error
            raise
        self._refused = None
        return channel


# --- all of a process ---

_lock = threading.Lock()  # guards _outlets and their users
_outlets: dict[object, Outlet] = {}
_exiting = False


def acquire(sources: bytes) -> Outlet:
    """The outlet of these settings, for one more exporter."""
    return _acquire(sources, lambda: Outlet(sources))


def acquire_given(library: OtlpLibrary) -> Outlet:
    """The outlet of an application's own library, for one more exporter.

    A library that this process inherited through a fork gives its settings only. Raises ClosedError.
    """
    sources = config.without_listeners(library._sources)
    if library._handle.inherited:
        return acquire(sources)
    if library.closed:
        raise ClosedError("the library that was given is closed")
    return _acquire(library, lambda: Outlet(sources, library))


def _acquire(key: object, make: Callable[[], Outlet]) -> Outlet:
    with _lock:
        outlet = _outlets.get(key)
        if outlet is None:
            outlet = _outlets[key] = make()
        outlet.users += 1
        return outlet


def release(outlet: Outlet, timeout: float) -> None:
    """For an exporter that is shut down; the last one closes the outlet. Raises as Outlet.close."""
    with _lock:
        outlet.users -= 1
        last = outlet.users == 0
        if last:
            for key in [key for key, each in _outlets.items() if each is outlet]:
                del _outlets[key]
    if last:
        outlet.close(timeout)


@atexit.register
def close_all() -> None:
    """Closes what is open, and what is opened from now on right after its use."""
    global _exiting
    _exiting = True
    for outlet in list(_outlets.values()):
        try:
            outlet.close(EXIT_SECS)
        except OtlpArrowError as error:
            logger.error("an exporter, closed at exit, may have lost data: %s", error)


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it
    for outlet in _outlets.values():
        outlet.after_fork()
    _helped.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
