"""A line on a terminal that tells how far something long is."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from typing import TYPE_CHECKING

from . import colour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

PATIENCE = 2.0  # seconds that something takes without a line
REDRAW = 0.1
BAR = 30  # characters
SPINNER = "|/-\\"


class Line:
    """The line. It is drawn by a thread of its own, so that it lives where nothing is told, too."""

    def __init__(self, out: TextIO, label: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._out, self._label, self._clock = out, label, clock
        self._begun = clock()
        self._state = (0, 0, "")
        self._drawn = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._draw, name="otlp-arrow-progress", daemon=True)

    def __enter__(self) -> Line:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._drawn:
            print("\r\x1b[K", end="", file=self._out, flush=True)

    def show(self, done: int, total: int, text: str = "") -> None:
        """done of total (0: nobody knows), and what else there is to tell."""
        self._state = (done, total, text)

    def _draw(self) -> None:
        if self._over.wait(PATIENCE):
            return
        while not self._over.wait(REDRAW):
            self._drawn += 1
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\x1b[K{self.text()[:width]}", end="", file=self._out, flush=True)

    def text(self) -> str:
        """The line as it is now."""
        done, total, text = self._state
        elapsed = int(self._clock() - self._begun)
        if total <= 0:
            turning = SPINNER[self._drawn % len(SPINNER)]
            return " ".join(filter(None, (turning, self._label, text, f"{elapsed} s")))
        filled = min(BAR, BAR * done // total)
        percent = min(100, 100 * done // total)
        bar = f"[{'#' * filled}{'.' * (BAR - filled)}] {percent:3} %"
        return f"{bar} {text}".rstrip()


@contextlib.contextmanager
def progress(out: TextIO, label: str) -> Iterator[Callable[..., None]]:
    """Gives show(done, total, text); draws after two seconds, and only on a terminal."""
    if not colour.is_terminal(out):
        yield lambda done, total, text="": None
        return
    with Line(out, label) as line:
        yield line.show


def size(count: float) -> str:
    """A number for people: 999, 1.5 k, 23.0 M."""
    for unit in ("", " k", " M", " G"):
        if abs(count) < 1000:
            return f"{count:.0f}" if not unit else f"{count:.1f}{unit}"
        count /= 1000
    return f"{count:.1f} T"
