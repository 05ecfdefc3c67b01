"""The log of a running service, on standard error."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from .text import printable


class Format(logging.Formatter):
    """A record as a line of text or JSON, with UTC times."""

    def __init__(self, style: str) -> None:
        super().__init__()
        self._json = style == "json"

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        time = time.replace("+00:00", "Z")
        level = "WARN" if record.levelno == logging.WARNING else record.levelname
        if not self._json:
            return f"{time} {level:5} {printable(record.getMessage())}"
        text = getattr(record, "text", None) or record.getMessage()
        fields = getattr(record, "fields", {})
        return json.dumps(
            {"time": time, "level": level, "msg": text, **fields}, ensure_ascii=False, default=str
        )


def log_to_stderr(style: str, level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Format(style))
    logger = logging.getLogger("otlp_arrow")
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.getLevelName({"warn": "WARNING"}.get(level, level.upper())))
