import ctypes
import json
import os
import re

import pytest

from otlp_arrow import ForkedError, LibraryNotFoundError, _abi

TYPES = {
    "void": None,
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "uint64_t": ctypes.c_uint64,
    "const char *": ctypes.c_char_p,
    "char *": ctypes.c_void_p,
    "void *": ctypes.c_void_p,
    "const void *": ctypes.c_void_p,
    "char **": ctypes.POINTER(ctypes.c_void_p),
    "uint8_t **": ctypes.POINTER(ctypes.c_void_p),
    "uint64_t *": ctypes.POINTER(ctypes.c_uint64),
    "OaProgress": _abi.PROGRESS,
    "OaReport": _abi.REPORT,
    "OaError *": ctypes.POINTER(_abi.OaError),
}


@pytest.fixture
def header(repository):
    return re.sub(r"/\*.*?\*/", "", (repository / "gocore" / "otlp_arrow.h").read_text(), flags=re.DOTALL)


def argument_type(text):
    return TYPES[re.sub(r"(\w+)$", "", text.strip()).strip()]


def test_functions_are_those_of_the_header(header):
    declared = {}
    for result, name, arguments in re.findall(r"^(\w+) (oa_\w+)\(([^)]*)\);", header, re.MULTILINE):
        given = () if arguments == "void" else tuple(argument_type(text) for text in arguments.split(","))
        declared[name] = (TYPES[result], given)
    assert declared == _abi.FUNCTIONS


def test_constants_are_those_of_the_header(header):
    constants = {name: int(number) for name, number in re.findall(r"OA_(\w+) = (\d+)", header)}
    assert (constants["OK"], constants["TIMEOUT"]) == (_abi.OK, _abi.TIMEOUT)
    assert {name.upper(): number for name, number in _abi.SIGNALS.items()}.items() <= constants.items()
    assert re.search(r"OA_ABI_VERSION (\d+)", header)[1] == str(_abi.ABI_VERSION)


def test_the_library_loads_once():
    assert _abi.load() is _abi.load()


@pytest.fixture
def unloaded(monkeypatch):
    monkeypatch.setattr(_abi, "_library", None)
    monkeypatch.setattr(_abi, "_owner", 0)


@pytest.mark.usefixtures("unloaded")
class TestLoading:
    def test_a_missing_library_is_told(self, monkeypatch, tmp_path):
        path = tmp_path / "otlp_arrow" / "_lib" / "libx.so"
        monkeypatch.setattr(_abi, "library_path", lambda: path)
        with pytest.raises(LibraryNotFoundError, match=r"libx.so is missing: .* no native library"):
            _abi.load()
        (tmp_path / "gocore").mkdir()
        with pytest.raises(
            LibraryNotFoundError, match=r"libx.so is missing: .* the source tree .* elsewhere"
        ):
            _abi.load()

    def test_a_file_that_is_no_library_is_told(self, monkeypatch, tmp_path):
        (tmp_path / "libx.so").write_text("no")
        monkeypatch.setattr(_abi, "library_path", lambda: tmp_path / "libx.so")
        with pytest.raises(LibraryNotFoundError, match="cannot be loaded"):
            _abi.load()

    def test_another_version_is_told(self, monkeypatch):
        monkeypatch.setattr(_abi, "ABI_VERSION", 999)
        with pytest.raises(LibraryNotFoundError, match="this package needs 999"):
            _abi.load()


@pytest.mark.usefixtures("unloaded")
def test_a_child_knows_of_a_runtime_that_its_parent_had_half_loaded(monkeypatch, tmp_path):
    monkeypatch.setattr(_abi, "_open", lambda path: monkeypatch.setattr(_abi.os, "getpid", lambda: 1))
    parent = os.getpid()
    _abi.load()  # while it loads, this process becomes a child of its own
    monkeypatch.setattr(_abi, "_library", None)  # as the child has it
    with pytest.raises(ForkedError, match=f"process {parent} loaded"):
        _abi.load()


def test_an_isolated_interpreter_opens_nothing(monkeypatch):
    monkeypatch.setattr(_abi, "_daemon_threads_allowed", lambda: False)
    monkeypatch.setattr(_abi, "_open", lambda path: pytest.fail("it was opened"))
    with pytest.raises(LibraryNotFoundError, match="isolated subinterpreter"):
        _abi.load()


def test_a_child_cannot_use_its_parents_runtime(monkeypatch):
    monkeypatch.setattr(_abi, "_library", object())
    monkeypatch.setattr(_abi, "_owner", 1)
    with pytest.raises(ForkedError, match="process 1 loaded"):
        _abi.load()


# --- arguments that the native library refuses ---


@pytest.fixture
def native(tmp_path):
    """The functions of the library, and a handle that has to be well after all."""
    library = _abi.load()
    sources = json.dumps({"embedded": True, "values": {"output_dir": str(tmp_path)}}).encode()
    handle = ctypes.c_uint64()
    assert library.oa_open(sources, len(sources), ctypes.byref(handle), None) == _abi.OK
    yield library, handle.value
    assert library.oa_flush(handle.value, 10_000, None) == _abi.OK
    assert library.oa_close(handle.value, 10_000, None) == _abi.OK


def refusal(library, name, *arguments):
    error = _abi.OaError()
    try:
        code = getattr(library, name)(*arguments, ctypes.byref(error))
        return code, (error.message or b"").decode()
    finally:
        library.oa_error_release(ctypes.byref(error))


HANDLE = object()
TEXT, NUMBER = ctypes.c_void_p(), ctypes.c_uint64()
HUGE = 2**64 - 1


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("oa_resolve", (b"{}", 2, None), "json is NULL"),
        ("oa_resolve", (None, 2, ctypes.byref(TEXT)), "sources is NULL"),
        ("oa_resolve", (b"{}", HUGE, ctypes.byref(TEXT)), "no memory has 18446744073709551615 bytes"),
        ("oa_open", (b"{}", 2, None), "handle is NULL"),
        ("oa_open", (None, 2, ctypes.byref(NUMBER)), "sources is NULL"),
        ("oa_open", (b"{}", HUGE, ctypes.byref(NUMBER)), "no memory has"),
        ("oa_endpoints", (HANDLE, None), "json is NULL"),
        ("oa_export", (HANDLE, 0, None, 1), "body is NULL"),
        ("oa_export", (HANDLE, 0, b"x", HUGE), "no memory has"),
        ("oa_export", (HANDLE, 0, b"x", 2**63), "no memory has"),
        ("oa_files", (HANDLE, 0, 1000, None), "json is NULL"),
        ("oa_script", (HANDLE, None, 2), "script is NULL"),
        ("oa_script", (HANDLE, b"{}", HUGE), "no memory has"),
        ("oa_script", (HANDLE, b"{}", 2), "only a library that was opened as a mock"),
        ("oa_requests", (HANDLE, 0, 0, None), "json is NULL"),
        ("oa_requests", (HANDLE, 0, 0, ctypes.byref(TEXT)), "only a library that was opened as a mock"),
        ("oa_log_next", (HANDLE, 0, None), "json is NULL"),
        ("oa_maintain", (b"{}", 2, None), "json is NULL"),
        ("oa_convert", (b"{}", 2, _abi.PROGRESS(), None, None), "json is NULL"),
        ("oa_send", (b"{}", 2, _abi.REPORT(), None, None), "json is NULL"),
        ("oa_send", (None, 2, _abi.REPORT(), None, ctypes.byref(TEXT)), "request is NULL"),
        ("oa_convert", (None, 2, _abi.PROGRESS(), None, ctypes.byref(TEXT)), "request is NULL"),
        ("oa_maintain", (None, 2, ctypes.byref(TEXT)), "request is NULL"),
        ("oa_schema", (0, 0, None, ctypes.byref(NUMBER)), "ipc is NULL"),
        ("oa_schema", (0, 0, ctypes.byref(TEXT), None), "length is NULL"),
    ],
)
def test_a_bad_argument_harms_nothing(native, name, arguments, message):
    library, handle = native
    given = [handle if argument is HANDLE else argument for argument in arguments]
    code, text = refusal(library, name, *given)
    assert (code, message in text) == (_abi.INVALID, True), text


def test_a_body_of_no_bytes_needs_no_address(native):
    library, handle = native
    assert library.oa_export(handle, 0, None, 0, None) == _abi.OK


@pytest.mark.parametrize("timeout", [2**63 - 1, 9_300_000_000_000_000])
def test_the_longest_timeout_is_long(native, timeout):
    library, handle = native
    assert library.oa_flush(handle, timeout, None) == _abi.OK


def test_text_behind_the_sources_is_refused(native):
    library, _ = native
    code, text = refusal(library, "oa_resolve", b"{} {}", 5, ctypes.byref(TEXT))
    assert (code, "after the document" in text) == (9, True), text
