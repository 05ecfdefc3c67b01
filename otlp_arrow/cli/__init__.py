"""The command otlp-arrow. Each module here is a command or what several share; none loads pyarrow or the
native library before a command needs it.

Exit codes: 0 done, 1 failed, 2 a bad command line or configuration, a port in use included, 130 interrupted.
Standard output has results, standard error has logs, faults and progress.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ..errors import ConfigError, OtlpArrowError

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130  # as shells have it


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command with arguments (default: the process's own) and returns its exit code."""
    from .parser import make_parser

    try:
        options = make_parser().parse_args(arguments)
        code: int = options.run(options)
        sys.stdout.flush()  # here, where a closed pipe is expected
        return code
    except ConfigError as error:
        for fault in error.faults:
            _tell(str(fault))
        return 2
    except BrokenPipeError:
        return _pipe_closed()
    except (OtlpArrowError, OSError) as error:
        _tell(_told(error))
        return 1
    except KeyboardInterrupt:
        print("otlp-arrow: interrupted", file=sys.stderr)
        _leave_work()
        return INTERRUPTED


def _tell(fault: str) -> None:
    """A fault on standard error; data of strangers may be in it."""
    from .text import printable_lines

    print(f"otlp-arrow: {printable_lines(fault)}", file=sys.stderr)


def _told(error: Exception) -> str:
    """The text of an error; a number of the system's tells people nothing."""
    text = getattr(error, "strerror", None)
    return text if text and getattr(error, "filename", None) is None else str(error)


def _leave_work() -> None:
    """Ends the process where a call cannot be ended: Python would wait for it, or crash under it."""
    from .._work import abandoned

    if abandoned:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED)


def _pipe_closed() -> int:
    """Who reads has had enough, as head has: no fault. Nor may Python find one when it ends and flushes."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    return 0
