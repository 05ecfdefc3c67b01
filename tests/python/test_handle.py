import os
import time

import pytest

from otlp_arrow import (
    ClosedError,
    ConfigError,
    DeadlineError,
    ForkedError,
    InternalError,
    InvalidDataError,
    IoError,
    OverloadedError,
    _handle,
)
from otlp_arrow._handle import Handle


@pytest.fixture
def handle(core):
    handle = Handle(b"{}")
    yield handle
    core.answers["oa_close"] = 0
    handle.close(1)


def test_errors_of_the_core_are_raised_and_released(core):
    core.answers["oa_open"] = (9, "durability: want write")
    with pytest.raises(ConfigError, match="durability: want write"):
        Handle(b"{}")
    assert core.released == 1


def test_resolve_and_empty_stream_give_what_comes_out(core):
    core.answers |= {"oa_resolve": (0, {"output_dir": "x"}), "oa_schema": (0, b"bytes\0more")}
    assert _handle.resolve(b"{}") == {"output_dir": "x"}
    assert _handle.empty_stream("logs") == b"bytes\0more"
    assert core.released == 2


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda b: memoryview(bytearray(b))])
@pytest.mark.parametrize("body", [b"", b"request"])
def test_export_passes_the_bytes(core, handle, kind, body):
    import ctypes

    seen = []
    core.answers["oa_export"] = 0
    original = core._answer

    def look(name, arguments):
        if name == "oa_export":
            address, length = arguments[2], arguments[3]
            seen.append(ctypes.string_at(address, length))
        return original(name, arguments)

    core._answer = look
    handle.export("logs", kind(body))
    assert seen == [body]
    assert core.calls[-1][1][:2] == (7, 2)


def test_a_strided_view_is_copied(core, handle):
    core.answers["oa_export"] = 0
    handle.export("traces", memoryview(b"a-b-c")[::2])
    assert core.calls[-1][1][2:4] == (b"abc", 3)


def test_export_wants_bytes(handle):
    with pytest.raises(TypeError, match=r"want the bytes of a request, as SerializeToString.* not str"):
        handle.export("traces", "text")


@pytest.mark.parametrize(("code", "error"), [(2, InvalidDataError), (6, OverloadedError), (1, InternalError)])
def test_export_raises(core, handle, code, error):
    core.answers["oa_export"] = (code, "why")
    with pytest.raises(error, match="why"):
        handle.export("traces", b"")


def test_flush_waits_in_slices(core, handle):
    core.answers["oa_flush"] = [(8, "not yet"), (8, "not yet"), 0]
    handle.flush(5)
    slices = [arguments[1] for name, arguments in core.calls if name == "oa_flush"]
    assert len(slices) == 3
    assert max(slices) <= 100


def test_flush_without_end(core, handle):
    core.answers["oa_flush"] = [(8, "not yet"), 0]
    handle.flush(None)


def test_a_timeout_is_told(core, handle):
    core.answers["oa_flush"] = (8, "not yet")
    start = time.monotonic()
    with pytest.raises(DeadlineError, match=r"flush was not done after 0.05 s"):
        handle.flush(0.05)
    assert time.monotonic() - start < 5


def test_files_have_lengths_and_numbers(core, handle):
    core.answers["oa_files"] = (0, [{"path": "a.arrows", "length": 12, "id": 7}])
    assert handle.files("metrics", 1) == [("a.arrows", 12, 7)]
    core.answers["oa_files"] = (0, None)
    assert handle.files("metrics", 1) == []


def test_close_past_its_deadline_can_be_repeated(core, handle):
    core.answers["oa_close"] = (8, "not yet")
    with pytest.raises(DeadlineError):
        handle.close(0)
    assert not handle.closed
    core.answers["oa_close"] = 0
    handle.close(1)
    handle.close(1)
    assert handle.closed
    with pytest.raises(ClosedError):
        handle.flush(1)


@pytest.mark.parametrize("act", ["flush", "close"])
def test_a_failed_write_is_waited_out(core, handle, act):
    core.answers[f"oa_{act}"] = [(10, "disk"), (8, "not yet"), (6, "full"), 0]
    getattr(handle, act)(5)
    assert [name for name, _ in core.calls].count(f"oa_{act}") == 4


@pytest.mark.parametrize("timeout", [0.05, None])
def test_a_write_that_goes_on_failing_is_told(core, handle, monkeypatch, timeout):
    monkeypatch.setattr(_handle, "PATIENCE", 0.05)
    core.answers |= {"oa_flush": (10, "disk"), "oa_close": (10, "disk")}
    with pytest.raises(IoError, match="disk"):
        handle.flush(timeout)
    with pytest.raises(IoError, match="disk"):
        handle.close(timeout)
    assert not handle.closed
    core.answers["oa_close"] = 0
    handle.close(1)
    assert handle.closed


def test_who_does_not_close_can_wait_for_the_end(core, handle):
    with handle._closing:
        assert not handle.drained(0.15)
    core.answers["oa_close"] = (8, "not yet")
    with pytest.raises(DeadlineError):
        handle.close(0)
    assert not handle.drained(0)
    core.answers["oa_close"] = (10, "disk")
    with pytest.raises(IoError, match="disk"):
        handle.drained(0)
    core.answers["oa_close"] = 0
    assert handle.drained(1)
    assert handle.closed
    assert handle.drained(0)


def test_a_close_that_ctrl_c_met_at_its_end_is_done(core, handle):
    core.answers["oa_close"] = (11, "handle 7 is not open")
    handle.close(1)
    assert handle.closed


def test_a_stale_number_is_closed(core, handle):
    core.answers["oa_endpoints"] = (11, "no such handle")
    with pytest.raises(ClosedError):
        handle.endpoints()


def test_an_unclosed_handle_warns_and_closes(core):
    handle = Handle(b"{}")
    with pytest.warns(ResourceWarning, match="unclosed otlp_arrow library 7"):
        handle.__del__()
    assert core.calls[-1][0] == "oa_close"
    handle.close(1)
    handle.__del__()


def test_a_forked_child_may_only_close(core, handle, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert handle.inherited
    for act in (handle.endpoints, lambda: handle.flush(1), lambda: handle.export("traces", b"")):
        with pytest.raises(ForkedError, match="forked child -1 cannot use it"):
            act()
    handle.close(1)
    assert handle.closed
    assert "oa_close" not in [name for name, _ in core.calls]
