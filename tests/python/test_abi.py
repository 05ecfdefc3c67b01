import ctypes
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


def test_a_child_cannot_use_its_parents_runtime(monkeypatch):
    monkeypatch.setattr(_abi, "_library", object())
    monkeypatch.setattr(_abi, "_owner", 1)
    with pytest.raises(ForkedError, match="process 1 loaded"):
        _abi.load()
