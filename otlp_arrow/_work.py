"""A long call of the native library on a thread of its own, so that Ctrl-C ends it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from ._handle import SLICE

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_BEGIN = 1.0  # seconds; a thread that has not begun by then was interrupted before it was there
abandoned: list[object] = []  # calls that still run, though nobody waits for them


class Work(Generic[T]):
    """call(tell) with tell(...) -> whether to go on, which the call asks about ten times a second.

    progress gets what the call tells, in that thread; what it raises ends the call and is raised by run().
    """

    def __init__(
        self, call: Callable[[Callable[..., bool]], T], progress: Callable[..., object] | None = None
    ) -> None:
        self._call, self._progress = call, progress
        self._stopped = threading.Event()
        self._begun = threading.Event()
        self._over = threading.Event()
        self._result: list[T] = []
        self._error: BaseException | None = None

    def run(self, *, wait: bool = True) -> T:
        """Its result. An interruption waits until the call has ended, and done() may then have a result.

        wait=False leaves a call alone that cannot be ended, and that loses nothing with the process.
        """
        thread = threading.Thread(target=self._run, name="otlp-arrow-work", daemon=True)
        try:
            self._start(thread)
            while not self._over.wait(SLICE):
                pass
        except BaseException:
            self._stopped.set()
            if wait and self._begun.wait(_BEGIN):
                self._over.wait()  # and not Thread.join, which an interruption makes believe that it ended
            elif not wait and not self._over.is_set():
                abandoned.append(self)
            raise
        if self._error is not None:
            raise self._error
        return self._result[0]

    def _start(self, thread: threading.Thread) -> None:
        try:
            thread.start()
        except RuntimeError:  # the interpreter ends, and we are called by an atexit hook: no more threads
            self._run()

    def done(self) -> T | None:
        """What the call gave, if it did."""
        return self._result[0] if self._result else None

    def _run(self) -> None:
        self._begun.set()
        try:
            self._result.append(self._call(self._tell))
        except BaseException as error:
            self._error = self._error or error
        finally:
            self._over.set()

    def _tell(self, *told: object) -> bool:
        if self._progress is not None and self._error is None:
            try:
                self._progress(*told)
            except BaseException as error:
                self._error = error
        return self._error is None and not self._stopped.is_set()
