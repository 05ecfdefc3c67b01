"""Carries the core's log records to logging.getLogger("otlp_arrow.core"), on a daemon thread per node.

The thread knows the handle's number, not its owner, so that an owner nobody holds can be collected; it
ends when the number is closed. A record's attributes are in record.fields; its message has them as text.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .errors import OtlpArrowError

if TYPE_CHECKING:
    from collections.abc import Callable

LOGGER = "otlp_arrow.core"
LEVELS = {"DEBUG": logging.DEBUG, "INFO": logging.INFO, "WARN": logging.WARNING, "ERROR": logging.ERROR}


def start(handle: int, read: Callable[[int], dict[str, Any] | None]) -> threading.Thread:
    """Starts the thread for a handle. read waits a little for a record and raises at the node's end.

    Since Python 3.12 no thread can be started while the interpreter exits; the thread then is not alive, and
    the records of a node that was opened so late are not carried.
    """
    thread = threading.Thread(target=_run, args=(handle, read), name=f"otlp-arrow-log-{handle}", daemon=True)
    with contextlib.suppress(RuntimeError):
        thread.start()
    return thread


def _run(handle: int, read: Callable[[int], dict[str, Any] | None]) -> None:
    while True:
        try:
            record = read(handle)
        except OtlpArrowError:
            return
        if record is not None:
            forward(record)


def forward(record: dict[str, Any]) -> None:
    """Hands one record of the core to logging."""
    logger = logging.getLogger(LOGGER)
    level = level_number(str(record.pop("level", "INFO")))
    if not logger.isEnabledFor(level):
        return
    when = record.pop("time", None)
    text = str(record.pop("msg", ""))
    message = " ".join([text, *(f"{key}={_plain(value)}" for key, value in record.items())])
    entry = logger.makeRecord(logger.name, level, "otlp-arrow", 0, message, (), None)
    entry.fields, entry.text = record, text
    with contextlib.suppress(TypeError, ValueError):  # no time, or none that we read: it is now
        entry.created = datetime.fromisoformat(when).timestamp()
        entry.msecs = entry.created % 1 * 1000
    logger.handle(entry)


def _plain(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value


def level_number(text: str) -> int:
    """The number of a level of slog's: "WARN", or a step beside one, as "DEBUG-4" and "INFO+2"."""
    name = text.upper().partition("+")[0].partition("-")[0]
    return LEVELS.get(name, logging.INFO)
