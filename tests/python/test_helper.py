"""Both ends of a helper process; test_exporter_forks.py has them at work."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import types
from typing import TYPE_CHECKING, Any

import pytest

from otlp_arrow import (
    ClosedError,
    ConfigError,
    DeadlineError,
    InvalidDataError,
    IoError,
    OtlpLibrary,
    config,
    read_traces,
)
from otlp_arrow._export import helped as _helped
from otlp_arrow._export import helper as _helper
from otlp_arrow._export.helped import Helped, HelperGoneError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def sources(directory: Path, **values: object) -> bytes:
    return config.sources({"output_dir": str(directory), **values}, embedded=True)


@pytest.fixture
def helped(tmp_path: Path) -> Iterator[Helped]:
    helped = Helped(sources(tmp_path, write_interval_secs=3600))
    yield helped
    helped.close(30)


# --- a child's end ---


def test_it_does_what_a_library_does(helped: Helped, tmp_path: Path, trace_request: Any) -> None:
    helped.export("traces", trace_request("a"))
    helped.flush(30)
    assert read_traces(tmp_path)["name"].to_pylist() == ["a"]
    helped.export("traces", trace_request("b"))
    helped.close(30)
    assert helped._process.returncode == 0
    assert read_traces(tmp_path)["name"].to_pylist() == ["a", "b"]
    with pytest.raises(ClosedError, match="was ended"):
        helped.export("traces", b"")


def test_errors_are_those_of_the_library(helped: Helped, tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError):
        helped.export("logs", b"\xff")
    helped.export("metrics", b"")  # it goes on
    with pytest.raises(ConfigError, match="write_interval_secs: 0 is not within"):
        Helped(sources(tmp_path, write_interval_secs=0))


def test_many_threads_may_call(helped: Helped, tmp_path: Path, trace_request: Any) -> None:
    def work(name: str) -> None:
        for _ in range(20):
            helped.export("traces", trace_request(name))

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    helped.flush(30)
    assert sorted(read_traces(tmp_path)["name"].to_pylist()) == sorted("abc" * 20)


def test_signals_for_the_child_do_not_end_it(helped: Helped, trace_request: Any) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(helped.pid, number)
    helped.export("traces", trace_request("after"))
    assert os.getsid(helped.pid) == helped.pid


def test_a_helper_that_is_gone(helped: Helped) -> None:
    os.kill(helped.pid, signal.SIGKILL)
    helped._process.wait(30)
    with pytest.raises(HelperGoneError, match="is gone"):
        helped.export("traces", b"")
    assert helped.closed


def test_a_helper_that_does_not_answer(helped: Helped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_helped, "PATIENCE", 0.1)
    os.kill(helped.pid, signal.SIGSTOP)
    try:
        with pytest.raises(DeadlineError, match=r"no answer for 0.1 s"):
            helped.export("traces", b"")
        assert helped.closed
    finally:
        os.kill(helped.pid, signal.SIGCONT)
        helped._process.wait(30)


def test_after_ctrl_c_no_answer_is_taken_for_another(helped: Helped, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: socket.socket) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_helper, "receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        helped.export("traces", b"")
    assert helped.closed
    helped._process.wait(30)


def test_a_forked_child_gives_it_up(helped: Helped) -> None:
    copy = Helped.__new__(Helped)  # as a fork makes it
    copy.__dict__.update(helped.__dict__, _end=helped._end.dup(), _process=type("Copy", (), {})())
    copy.forget()
    assert copy.closed
    assert not helped.closed
    helped.export("traces", b"")


def test_after_a_fork_nothing_of_the_parent_is_waited_for(helped: Helped) -> None:
    helped.close(30)
    helped._process.returncode = None
    assert helped._process in _helped._leaving
    _helped.after_fork()
    assert _helped._leaving == []
    assert helped._process.returncode == 0


def test_the_interpreter_of_a_program_with_python_inside(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", "/usr/bin/uwsgi")
    monkeypatch.setattr(sys, "exec_prefix", str(tmp_path))
    with pytest.raises(IoError, match=r"no Python for the helper .* '/usr/bin/uwsgi', and there is no"):
        _helped._python()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").touch()
    assert _helped._python() == str(tmp_path / "bin" / "python3")


# --- the helper's end ---


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[socket.socket, threading.Thread]]]:
    ends, threads = [], []

    def start(child: int = os.getppid()) -> tuple[socket.socket, threading.Thread]:
        ours, theirs = socket.socketpair()
        thread = threading.Thread(target=_helper.Server(theirs, child).run)
        thread.start()
        ends.extend([ours, theirs])
        threads.append(thread)
        return ours, thread

    yield start
    for end in ends[::2]:
        end.close()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    for end in ends:
        end.close()


def ask(end: socket.socket, kind: bytes, payload: bytes = b"") -> tuple[bytes, bytearray] | None:
    _helper.send(end, kind, payload)
    return _helper.receive(end)


def test_a_conversation(serve: Any, tmp_path: Path, trace_request: Any) -> None:
    end, thread = serve()
    assert ask(end, b"T") == (b"-", b"ClosedError\nthe helper has no open library")
    assert ask(end, b"O", sources(tmp_path, write_interval_secs=3600)) == (b"+", b"")
    assert ask(end, b"T", trace_request("a")) == (b"+", b"")
    kind, payload = ask(end, b"L", b"\xff") or (b"", b"")
    assert (kind, payload.split(b"\n")[0]) == (b"-", b"InvalidDataError")
    assert ask(end, b"F", b"30") == (b"+", b"")
    assert read_traces(tmp_path).num_rows == 1
    assert ask(end, b"T", trace_request("b")) == (b"+", b"")
    assert ask(end, b"C", b"30") == (b"+", b"")
    end.close()
    thread.join(30)
    assert read_traces(tmp_path).num_rows == 2


def test_it_writes_what_it_acknowledged_when_the_other_end_closes(
    serve: Any, tmp_path: Path, trace_request: Any
) -> None:
    end, thread = serve()
    ask(end, b"O", sources(tmp_path, write_interval_secs=3600))
    ask(end, b"T", trace_request("a"))
    end.send(b"T" + bytes(8)[:3])  # and no more of this frame
    end.close()
    thread.join(30)
    assert read_traces(tmp_path)["name"].to_pylist() == ["a"]


def test_it_ends_when_its_child_is_gone_though_the_other_end_is_open(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_helper, "_LOOK_SECS", 0.01)
    _, thread = serve(child=-1)
    thread.join(30)
    assert not thread.is_alive()


def test_it_waits_while_its_child_is_there(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = threading.Event()
    monkeypatch.setattr(_helper, "_LOOK_SECS", 0.01)
    original = _helper.Server._orphaned
    monkeypatch.setattr(_helper.Server, "_orphaned", lambda self: looked.set() or original(self))
    end, thread = serve()
    assert looked.wait(30)
    assert ask(end, b"T") is not None
    assert thread.is_alive()


def test_an_answer_that_nobody_takes(serve: Any, tmp_path: Path) -> None:
    end, thread = serve()
    _helper.send(end, b"O", sources(tmp_path))
    end.close()
    thread.join(30)
    assert not thread.is_alive()
    with OtlpLibrary(output_dir=tmp_path) as library:
        assert library.traces().num_rows == 0


def test_a_daemon_without_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _helped._standard_error() is None

    def closed(_: int) -> None:
        raise OSError

    monkeypatch.setattr(_helped, "os", types.SimpleNamespace(fstat=closed))
    assert _helped._standard_error() == subprocess.DEVNULL
