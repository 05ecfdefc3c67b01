"""What the exporters for the SDK share: settings, sending with retries, results, and logging of failures."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import config
from ..errors import ConfigError, InvalidDataError, OtlpArrowError, OverloadedError
from . import outlet as _outlet
from .halves import halves

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..config import StrPath
    from ..library import OtlpLibrary

SETTINGS = ("durability", "files", "forwarding", "limits", "log", "queue", "retention", "write_interval_secs")
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.4  # seconds between tries
QUIET_SECS = 30.0  # between two log records about the same failure


def open_outlet(
    library: OtlpLibrary | None,
    output_dir: StrPath | None,
    config_file: StrPath | None,
    settings: dict[str, object],
) -> _outlet.Outlet:
    """The outlet for an exporter's options. Opens nothing, and reads nothing but the environment.

    Raises ConfigError for options that cannot be, or not together; values are checked at the first export.
    """
    unknown = sorted(settings.keys() - set(SETTINGS))
    if listeners := [name for name in unknown if name in config.LISTENERS]:
        raise ConfigError(f"{listeners[0]}: an exporter has no listeners: open an OtlpLibrary, give library=")
    if unknown:
        raise ConfigError(f"{unknown[0]}: no such option; settings are {', '.join(SETTINGS)}")
    if library is not None:
        if output_dir is not None or config_file is not None or settings:
            raise ConfigError("library: has its settings already; give either library= or settings")
        return _outlet.acquire_given(library)
    return _outlet.acquire(_sources(output_dir, config_file, settings))


def _sources(output_dir: StrPath | None, config_file: StrPath | None, settings: dict[str, object]) -> bytes:
    """Paths are made absolute now: the first export may come after an os.chdir, as daemons do."""
    values = dict(settings)
    if output_dir is None and config_file is None:
        output_dir = os.environ.get("OTLP_OUTPUT_DIR") or "telemetry"
    if output_dir is not None:
        values["output_dir"] = Path(output_dir).absolute()
    file = None if config_file is None else Path(config_file).absolute()
    return config.without_listeners(config.sources(values, config_file=file, embedded=True))


class Sender:
    """Sends the items of one signal to an outlet: the inner part of an exporter. Any thread may call.

    It has no lock: one that a thread holds while another forks would stay locked in the child for ever.

    timeout: seconds for which a request is tried again that is welcome later (OverloadedError).
    """

    def __init__(
        self,
        signal: str,
        encode: Callable[[Any], bytes],
        outlet: _outlet.Outlet,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._signal, self._encode, self._outlet, self._timeout = signal, encode, outlet, timeout
        self._clock = clock
        self._down = False
        self._faults = Faults(signal, clock)

    @property
    def state(self) -> str:
        return "shut down" if self._down else self._outlet.state

    def send(self, items: Any) -> bool:
        """True when items, which encode takes, are acknowledged; else it has logged why. Raises no error.

        Several that cannot be encoded, or are refused, are sent in halves, so that what is wrong with one of
        them, or too large for one request, does not cost the others.
        """
        if self._down:
            self._faults.report("the exporter was shut down")
            return False
        return self._send(items, self._clock() + self._timeout)

    def _send(self, items: Any, deadline: float) -> bool:
        try:
            body = self._encode(items)
        except Exception as error:  # whatever an application put into an item
            return self._send_halves(items, deadline, error)
        try:
            self._deliver(body, deadline)
        except InvalidDataError as error:  # TooLargeError is one
            return self._send_halves(items, deadline, error)
        except Exception as error:  # of any kind: an exporter must not disturb the application
            self._faults.report(error)
            return False
        self._faults.over()
        return True

    def _send_halves(self, items: Any, deadline: float, error: Exception) -> bool:
        both = halves(items)
        if both is None:
            self._faults.report(error)
            return False
        first = self._send(both[0], deadline)
        return self._send(both[1], deadline) and first

    def _deliver(self, body: bytes, deadline: float) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                return self._outlet.export(self._signal, body)
            except OverloadedError:
                left = deadline - self._clock()
                if left <= 0 or self._down:
                    raise
                time.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE)

    def flush(self, timeout_millis: float) -> bool:
        """Waits until all that was acknowledged is in files; False, and logged, if it was not in time."""
        try:
            self._outlet.flush(timeout_millis / 1000)
        except OtlpArrowError as error:
            self._faults.report(error)
            return False
        return True

    def shut_down(self, timeout_millis: float) -> None:
        """Ends a send that tries again. The last one of an outlet closes it. Again is fine."""
        if self._down:
            return
        self._down = True
        try:
            _outlet.release(self._outlet, timeout_millis / 1000)
        except OtlpArrowError as error:
            self._faults.report(error)


class Faults:
    """Logs failures: the first at once, more of them once in QUIET_SECS with their number, and their end.

    Without a lock, as Sender: threads that race may log twice.
    """

    def __init__(self, signal: str, clock: Callable[[], float]) -> None:
        self._signal, self._clock = signal, clock
        self._quiet_until: float | None = None
        self._unreported = 0

    def report(self, reason: object) -> None:
        text = f"{type(reason).__name__}: {reason}" if isinstance(reason, Exception) else str(reason)
        now, until = self._clock(), self._quiet_until
        if until is not None and now < until:
            self._unreported += 1
            return
        more, self._unreported = self._unreported, 0
        self._quiet_until = now + QUIET_SECS
        count = f" ({more} more failures since the last one that was logged)" if more else ""
        _outlet.logger.error("exporting %s failed: %s%s", self._signal, text, count)

    def over(self) -> None:
        if self._quiet_until is None:
            return
        more, self._unreported, self._quiet_until = self._unreported, 0, None
        _outlet.logger.warning("exporting %s works again, after %d more failures", self._signal, more)
