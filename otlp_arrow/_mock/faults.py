"""The faults that a mock service is told to have, as rules of oa_script."""

from __future__ import annotations

from typing import Any

from ..errors import ConfigError

# gRPC's codes by name: number, and the HTTP status that says the same.
CODES = {
    "CANCELLED": (1, 499),
    "UNKNOWN": (2, 500),
    "INVALID_ARGUMENT": (3, 400),
    "DEADLINE_EXCEEDED": (4, 504),
    "NOT_FOUND": (5, 404),
    "ALREADY_EXISTS": (6, 409),
    "PERMISSION_DENIED": (7, 403),
    "RESOURCE_EXHAUSTED": (8, 429),
    "FAILED_PRECONDITION": (9, 400),
    "ABORTED": (10, 409),
    "OUT_OF_RANGE": (11, 400),
    "UNIMPLEMENTED": (12, 501),
    "INTERNAL": (13, 500),
    "UNAVAILABLE": (14, 503),
    "DATA_LOSS": (15, 500),
    "UNAUTHENTICATED": (16, 401),
}
# What gRPC's own libraries make of an HTTP status that is no answer of theirs.
_BY_STATUS = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
_UNKNOWN = 2


def answer(code: object, status: int | None) -> dict[str, int]:
    """The codes of a failure for gRPC and HTTP, of either or both. Raises ConfigError for one that is none.

    code: a name, a number, or a grpc.StatusCode. Without both it is INTERNAL and 500.
    """
    if code is None and status is None:
        code = "INTERNAL"
    if code is None:
        assert status is not None
        return {"grpc": _BY_STATUS.get(status, _UNKNOWN), "http": status}
    name = _named(code)
    if name is None:
        raise ConfigError(f"code={code!r}: want one of {', '.join(CODES)}, its number or a grpc.StatusCode")
    number, usual = CODES[name]
    return {"grpc": number, "http": usual if status is None else status}


def _named(code: object) -> str | None:
    text = str(getattr(code, "name", code)).upper()
    for name, (number, _) in CODES.items():
        if text in (name, str(number)):
            return name
    return None


def rule(
    do: str, n: int, *, signal: str | None, transport: str | None, delay: float = 0.0, **more: Any
) -> dict[str, Any]:
    """A rule of oa_script, which checks it; delay in seconds."""
    given = {"signal": signal, "transport": transport, **more}
    return {
        "do": do,
        "count": n,
        "delay_ms": milliseconds(delay),
        **{key: value for key, value in given.items() if value is not None},
    }


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
