"""What only shows on a terminal: progress, colours, Ctrl-C. The terminal is a pseudo one."""

import contextlib
import io
import os
import pty
import re
import signal
import subprocess
import sys
import time

import pytest

from otlp_arrow import OtlpLibrary
from otlp_arrow.cli import colour, progress

COMMAND = [sys.executable, "-m", "otlp_arrow.cli"]
CLEARED = "\r\x1b[K"


class Terminal:
    """A command on a terminal of 80 columns."""

    def __init__(self, *arguments, **environment):
        self._own, its = pty.openpty()
        self.text = ""
        environment = {"TERM": "xterm", "COLUMNS": "80", **environment}
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if name != "NO_COLOR"} | environment,
        )
        os.close(its)

    def read(self):
        """More of what it prints; False at the end."""
        try:
            more = os.read(self._own, 65536)
        except OSError:  # Linux tells the end so
            more = b""
        self.text += more.decode()
        return bool(more)

    def until(self, expression):
        while not re.search(expression, self.text):
            assert self.read(), self.text

    def end(self):
        """Its exit code, when it has ended."""
        while self.read():
            pass
        return self.process.wait(timeout=60)

    def interrupt(self):
        """Ctrl-C: the exit code, and the seconds to the end."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        return self.end(), time.monotonic() - begun

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self._own)


@pytest.fixture
def on_terminal():
    with contextlib.ExitStack() as all_of_them:

        def start(*arguments, **environment):
            return all_of_them.enter_context(contextlib.closing(Terminal(*arguments, **environment)))

        yield start


PROMPT = 5.0  # seconds that a loaded machine may take for what takes 0.3 otherwise


def test_send_shows_how_far_it_is_and_ends_with_its_summary(on_terminal, library: OtlpLibrary):
    flags = ["--endpoint", f"http://{library.endpoints.otlp_grpc}", "--rate", "1000", "--items", "60k"]
    terminal = on_terminal("send", "--generate", "logs", *flags)
    terminal.until(r"\[#*\.+\]   \d % [\d.]+ k items, [\d.]+( k)? items/s")
    code, took = terminal.interrupt()
    assert code == 130
    assert took < PROMPT
    cleared, _, summary = terminal.text.rpartition(CLEARED)
    assert cleared
    assert re.match(r"acknowledged  \d+ requests, \d+ items", summary), summary
    assert "latency       p50" in summary


def test_send_without_an_end_tells_the_time(on_terminal, library: OtlpLibrary):
    flags = ["--endpoint", f"http://{library.endpoints.otlp_grpc}", "--rate", "10"]
    terminal = on_terminal("send", "--generate", "logs", *flags)
    terminal.until(r"[-|/\\] sending \d+ items, \d+ items/s [2-9] s")
    assert terminal.interrupt()[0] == 130


def test_ctrl_c_while_nobody_answers(on_terminal):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for protocol in ("otlp_grpc", "otlp_http", "otap"):
            flags = ["--endpoint", address, "--protocol", protocol, "--timeout", "1h"]
            terminal = on_terminal("send", "--generate", "logs", *flags)
            terminal.until("sending")
            code, took = terminal.interrupt()
            assert (code, took < PROMPT) == (130, True), terminal.text
            assert "acknowledged  0 requests, 0 items" in terminal.text


def test_ctrl_c_in_a_query(on_terminal, tmp_path, trace_request):
    with OtlpLibrary(output_dir=tmp_path) as library:
        library.export_traces(trace_request("a"))
    many = "range(1000000)"
    endless = f"select count(*) from traces, {many} a, {many} b, {many} c where a.range + b.range = c.range"
    terminal = on_terminal("query", endless, tmp_path)
    terminal.until(r"[-|/\\] asking \d+ s")
    code, took = terminal.interrupt()
    assert (code, took < PROMPT) == (130, True), terminal.text
    assert terminal.text.endswith(f"{CLEARED}otlp-arrow: interrupted\r\n")


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours(on_terminal, tmp_path, trace_request, environment, coloured):
    with OtlpLibrary(output_dir=tmp_path) as library:
        library.export_traces(trace_request("a"))
    commands = (
        ["--help"],
        ["send", "--help"],
        ["query", "traces", tmp_path],
        ["tail", "traces", tmp_path, "--no-follow"],
    )
    for arguments in commands:
        terminal = on_terminal(*arguments, **environment)
        assert terminal.end() == 0
        assert ("\x1b[" in terminal.text) == coloured, terminal.text
    terminal = on_terminal("tail", "traces", tmp_path, "--no-follow", "--color", "never")
    assert terminal.end() == 0
    assert "\x1b[" not in terminal.text


def test_a_table_fits_the_terminal(on_terminal, tmp_path, trace_request):
    with OtlpLibrary(output_dir=tmp_path) as library:
        library.export_traces(*[trace_request(*("a long name" * 9 for _ in range(150)))])
    terminal = on_terminal("query", "traces", tmp_path)
    assert terminal.end() == 0
    lines = terminal.text.splitlines()
    assert len(lines) == 102
    assert all(len(line) <= 80 for line in lines[1:])
    assert lines[-1] == "otlp-arrow: the first 100 rows; --limit 0 gives all"


# --- the line ---


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_nothing_is_drawn_of_what_is_quick():
    screen = Screen()
    with progress.progress(screen, "working") as show:
        show(1, 2, "")
    assert screen.getvalue() == ""


def test_nothing_is_drawn_in_a_pipe(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0)
    pipe = io.StringIO()
    with progress.progress(pipe, "working") as show:
        show(1, 2)
    assert pipe.getvalue() == ""


def test_the_line_goes_at_the_end(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0)
    monkeypatch.setattr(progress, "REDRAW", 0.001)
    screen = Screen()
    with progress.progress(screen, "working") as show:
        show(1, 4, "of 4 MB")
        while "25 %" not in screen.getvalue():
            time.sleep(0.001)
    assert f"[{'#' * 7}{'.' * 23}]  25 % of 4 MB" in screen.getvalue()
    assert screen.getvalue().endswith(CLEARED)


def test_what_the_line_says():
    now = [10.0]
    line = progress.Line(io.StringIO(), "working", lambda: now[0])
    now[0] = 17.9
    assert line.text() == "| working 7 s"
    line.show(5, 0, "5 rows")
    assert line.text() == "| working 5 rows 7 s"
    line.show(9, 8)
    assert line.text() == f"[{'#' * 30}] 100 %"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1500, "1.5 k"), (2e7, "20.0 M"), (3e9, "3.0 G"), (4e12, "4.0 T")],
)
def test_sizes(count, text):
    assert progress.size(count) == text


def test_when_to_colour():
    assert colour.wanted(Screen())
    assert not colour.wanted(io.StringIO())
    assert colour.wanted(io.StringIO(), "always")
    assert not colour.wanted(Screen(), "never")
    assert colour.paint("x", "red", io.StringIO()) == "x"
