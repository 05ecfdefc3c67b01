"""The C ABI of otlp_arrow.h for ctypes: declarations, and the library, opened at the first use."""

from __future__ import annotations

import _thread
import ctypes
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ForkedError, LibraryNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

ABI_VERSION = 1

OK = 0
INVALID = 2
TIMEOUT = 8
BAD_HANDLE = 11

SIGNALS = {"traces": 0, "metrics": 1, "logs": 2}


class OaError(ctypes.Structure):
    """The caller's struct that a failed call fills; oa_error_release frees its message."""

    _fields_ = (("code", ctypes.c_int32), ("message", ctypes.c_char_p))


_i32, _i64, _u64 = ctypes.c_int32, ctypes.c_int64, ctypes.c_uint64
_address = ctypes.c_void_p
_error = ctypes.POINTER(OaError)
_text_out = ctypes.POINTER(ctypes.c_void_p)  # char ** and uint8_t **: c_char_p would lose the address
PROGRESS = ctypes.CFUNCTYPE(_i32, ctypes.c_void_p, _u64, _u64)  # OaProgress
REPORT = ctypes.CFUNCTYPE(_i32, ctypes.c_void_p, ctypes.c_char_p)  # OaReport
_number_out = ctypes.POINTER(ctypes.c_uint64)

# name: (result, arguments). A test compares these with the header.
FUNCTIONS: dict[str, tuple[object, tuple[object, ...]]] = {
    "oa_abi_version": (_i32, ()),
    "oa_error_release": (None, (_error,)),
    "oa_string_release": (None, (_address,)),
    "oa_bytes_release": (None, (_address,)),
    "oa_resolve": (_i32, (ctypes.c_char_p, _u64, _text_out, _error)),
    "oa_open": (_i32, (ctypes.c_char_p, _u64, _number_out, _error)),
    "oa_close": (_i32, (_u64, _i64, _error)),
    "oa_endpoints": (_i32, (_u64, _text_out, _error)),
    "oa_export": (_i32, (_u64, _i32, _address, _u64, _error)),
    "oa_flush": (_i32, (_u64, _i64, _error)),
    "oa_files": (_i32, (_u64, _i32, _i64, _text_out, _error)),
    "oa_script": (_i32, (_u64, ctypes.c_char_p, _u64, _error)),
    "oa_requests": (_i32, (_u64, _u64, _i64, _text_out, _error)),
    "oa_maintain": (_i32, (ctypes.c_char_p, _u64, _text_out, _error)),
    "oa_convert": (_i32, (ctypes.c_char_p, _u64, PROGRESS, _address, _text_out, _error)),
    "oa_send": (_i32, (ctypes.c_char_p, _u64, REPORT, _address, _text_out, _error)),
    "oa_log_next": (_i32, (_u64, _i64, _text_out, _error)),
    "oa_schema": (_i32, (_u64, _i32, _text_out, _number_out, _error)),
}

# False in isolated subinterpreters; the log needs such a thread. Python 3.11 has no isolated ones.
_daemon_threads_allowed: Callable[[], bool] = getattr(_thread, "daemon_threads_allowed", lambda: True)

_lock = threading.Lock()  # guards the two below
_library: ctypes.CDLL | None = None
_owner = 0  # the process whose Go runtime it is; 0: not loaded


def library_path() -> Path:
    """Where the wheel or an editable install keeps the native library."""
    suffix = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")
    return Path(__file__).parent / "_lib" / f"libotlp_arrow{suffix}"


def load() -> ctypes.CDLL:
    """The library, opened at the first call. Raises LibraryNotFoundError; in a forked child ForkedError."""
    global _library, _owner
    if not _daemon_threads_allowed():
        raise LibraryNotFoundError(
            "otlp_arrow cannot be used in an isolated subinterpreter, which has no daemon threads (nor can "
            "pyarrow): use it in the main interpreter"
        )
    if _library is not None and _owner == os.getpid():
        return _library
    with _lock:
        if belongs_to_parent():
            raise ForkedError(
                f"process {_owner} loaded the native library before it forked this one ({os.getpid()}): "
                "Go's runtime does not survive a fork. Open the library only in the child, or start the "
                "child with multiprocessing's 'spawn' or 'forkserver'"
            )
        if _library is None:
            _owner = os.getpid()  # before it loads: another thread may fork meanwhile, with half a runtime
            try:
                _library = _open(library_path())
            except BaseException:
                _owner = 0
                raise
        return _library


def belongs_to_parent() -> bool:
    """True in a forked child whose parent had loaded the library, so that load() is refused here for good."""
    return _owner not in (0, os.getpid())


def _open(path: Path) -> ctypes.CDLL:
    if not path.exists():
        advice = "this install has no native library. Install a wheel for this platform"
        if (path.parents[2] / "gocore").is_dir():
            advice = "Python found the source tree before the installed package. Start it elsewhere"
        raise LibraryNotFoundError(f"{path} is missing: {advice}, or build it in place (pip install -e .)")
    try:
        library = ctypes.CDLL(str(path))
        for name, (result, arguments) in FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise LibraryNotFoundError(f"{path} cannot be loaded: {error}") from error
    version = library.oa_abi_version()
    if version != ABI_VERSION:
        raise LibraryNotFoundError(f"{path} has ABI version {version}, this package needs {ABI_VERSION}")
    return library


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
