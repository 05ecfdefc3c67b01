"""What can go wrong. Every error of the package is an OtlpArrowError.

::

    OtlpArrowError
     ├── ConfigError          a setting or argument cannot be used          (ValueError)
     ├── InvalidDataError     data that no retry makes good                 (ValueError)
     │    └── TooLargeError   a request over a size limit
     ├── OverloadedError      queue or disk is full: try the same later
     ├── ClosedError          the library was closed
     ├── DeadlineError        the caller's timeout passed                   (TimeoutError)
     │    └── NotReceivedError  a mock service lacks what a test waits for  (AssertionError)
     ├── IoError              a file or socket failed                       (OSError)
     ├── ForkedError          a forked child used what its parent opened
     ├── LibraryNotFoundError the native library is missing or another one  (ImportError)
     └── InternalError        a fault of ours; please report it

Each also is the built-in exception beside it. All can be pickled.
"""

from __future__ import annotations


class OtlpArrowError(Exception):
    """Base of all errors of this package."""


class ConfigError(OtlpArrowError, ValueError):
    """A setting or argument cannot be used; with several faults, the message has a line for each."""

    @property
    def faults(self) -> list[str]:
        """The faults, one text each."""
        return [line for line in str(self).splitlines() if line.strip()]


class InvalidDataError(OtlpArrowError, ValueError):
    """Data that is malformed or of another kind than was asked for."""


class TooLargeError(InvalidDataError):
    """A request over ``limits.max_request_bytes``."""


class OverloadedError(OtlpArrowError):
    """The queue or the disk is full; the same request is welcome later."""


class ClosedError(OtlpArrowError):
    """The library is closed or closing."""


class DeadlineError(OtlpArrowError, TimeoutError):
    """The timeout passed. What was waited for goes on; waiting again is fine."""


class NotReceivedError(DeadlineError, AssertionError):
    """A mock service did not get in time what a test waits for; its text tells what came instead."""


class IoError(OtlpArrowError, OSError):
    """A file or socket failed."""


class ForkedError(OtlpArrowError):
    """A forked child used a library that its parent opened: Go's runtime does not survive a fork."""


class LibraryNotFoundError(OtlpArrowError, ImportError):
    """The native library is missing, cannot be loaded here, or has another ABI version."""


class InternalError(OtlpArrowError):
    """A fault of ours; please report it."""


# The codes of otlp_arrow.h. UNSUPPORTED and UNAUTHENTICATED are answers to network clients; a call
# in this process cannot get UNAUTHENTICATED.
BY_CODE: dict[int, type[OtlpArrowError]] = {
    1: InternalError,
    2: InvalidDataError,
    3: TooLargeError,
    4: InvalidDataError,
    5: InternalError,
    6: OverloadedError,
    7: ClosedError,
    8: DeadlineError,
    9: ConfigError,
    10: IoError,
    11: ClosedError,
}


def from_code(code: int, message: str) -> OtlpArrowError:
    """The error for a result of the C ABI; an unknown code is an InternalError that names it."""
    kind = BY_CODE.get(code)
    if kind is None:
        return InternalError(f"unknown error code {code}: {message}")
    return kind(message or f"error code {code}")
