"""The library in a process of its own: how it ends, what else lives in it, interpreters within."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from otlp_arrow import read_traces

PRELUDE = """
import sys, threading
from otlp_arrow import OtlpLibrary, convert
BODY = bytes.fromhex(sys.argv[2])
library = OtlpLibrary(output_dir=sys.argv[1], otlp_grpc="127.0.0.1:0", otlp_http="127.0.0.1:0")
library.export_traces(BODY)
"""


@pytest.fixture
def process(tmp_path, trace_request):
    """Runs code after PRELUDE to its end and returns its output; a hang fails."""

    def run(code: str, *, prelude: str = PRELUDE, before: str = "", env: dict[str, str] | None = None) -> str:
        program = before + prelude + textwrap.dedent(code)
        command = [sys.executable, "-W", "error", "-c", program, tmp_path / "out", trace_request("a").hex()]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run


def names(tmp_path):
    return read_traces(tmp_path / "out")["name"].to_pylist()


def test_it_ends_after_close(process, tmp_path):
    process("library.close()")
    assert names(tmp_path) == ["a"]


def test_it_ends_without_close_and_all_is_written(process, tmp_path):
    process("")
    assert names(tmp_path) == ["a"]


def test_it_ends_when_an_error_ends_it(tmp_path, trace_request):
    command = [
        sys.executable,
        "-c",
        PRELUDE + "raise SystemExit(3)",
        tmp_path / "out",
        trace_request("a").hex(),
    ]
    assert subprocess.run(command, timeout=60).returncode == 3
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize(
    "call",
    [
        "library.export_traces(BODY)",
        "library.flush()",
        "library.traces()",
        "convert(IN, OUT, source_format='otlp_proto_message', signal='traces', force=True)",
    ],
    ids=["export", "flush", "traces", "convert"],
)
def test_it_ends_while_a_daemon_thread_is_in_a_call(process, call, closed):
    """The thread calls on and on; when the library is closed under it, it goes on trying."""
    process(
        f"""
        from otlp_arrow import OtlpArrowError
        IN, OUT = sys.argv[1] + "/in.pb", sys.argv[1] + "/out.json"
        with open(IN, "wb") as file:
            file.write(BODY)
        running = threading.Event()
        def run():
            while True:
                try:
                    {call}
                    running.set()
                except (OtlpArrowError, RuntimeError):  # "can't create new thread at interpreter shutdown"
                    pass
        threading.Thread(target=run, daemon=True).start()
        assert running.wait(30)
        {"library.close()" if closed else ""}
        """
    )


def test_ctrl_c_ends_a_conversion_and_leaves_nothing(process):
    """Python 3.11 and 3.12 take a thread whose join() was interrupted for one that ended."""
    said = process(
        """
        import os, signal
        IN, OUT = sys.argv[1] + "/in.pb", sys.argv[1] + "/out.json"
        with open(IN, "wb") as file:
            file.write((bytes([len(BODY)]) + BODY) * 300_000)
        def progress(done, total):
            if not interrupted.is_set():
                interrupted.set()
                os.kill(os.getpid(), signal.SIGINT)
        interrupted = threading.Event()
        try:
            convert(IN, OUT, source_format="otlp_proto_varint", signal="traces", progress=progress)
        except KeyboardInterrupt:
            print(sorted(os.listdir(sys.argv[1])))
        """
    )
    assert said == "['in.pb', 'otlp']\n"


# Coverage starts itself in each interpreter, and cannot in isolated ones.
UNMEASURED = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
INTERPRETER = """
import sys
if sys.version_info >= (3, 13):
    import _interpreters
    def execute(code, kind="isolated"):
        interpreter = _interpreters.create(kind)
        failed = _interpreters.exec(interpreter, code)
        _interpreters.destroy(interpreter)
        return failed.formatted if failed else "done"
else:
    import _xxsubinterpreters
    def execute(code):
        interpreter = _xxsubinterpreters.create()
        try:
            _xxsubinterpreters.run_string(interpreter, code)
        except _xxsubinterpreters.RunFailedError as error:
            return str(error)
        finally:
            _xxsubinterpreters.destroy(interpreter)
        return "done"
"""
CODE = '''f"""
import sys
sys.path[:] = {sys.path!r}
from otlp_arrow import OtlpLibrary
with OtlpLibrary(output_dir={sys.argv[1]!r}) as library:
    library.export_traces(bytes.fromhex({sys.argv[2]!r}))
"""'''


@pytest.mark.skipif(sys.version_info < (3, 12), reason="interpreters are isolated from Python 3.12 on")
def test_an_isolated_interpreter_gets_a_clear_error(process, tmp_path):
    said = process(f"print(execute({CODE}))", prelude=INTERPRETER, env=UNMEASURED)
    assert "LibraryNotFoundError: otlp_arrow cannot be used in an isolated" in said or (
        "_ctypes does not support loading in subinterpreters" in said  # Python 3.12 says it first
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.version_info < (3, 13), reason="there is a choice from Python 3.13 on")
def test_an_interpreter_that_shares_the_lock_works(process, tmp_path):
    assert process(f"print(execute({CODE}, 'legacy'))", prelude=INTERPRETER, env=UNMEASURED) == "done\n"
    assert names(tmp_path) == ["a"]


FLIGHT_SQL = """
import adbc_driver_flightsql, adbc_driver_manager
def other_go():
    # Its Go runtime starts, works, and fails: nobody listens.
    try:
        with adbc_driver_manager.AdbcDatabase(
            driver=adbc_driver_flightsql._driver_path(), uri="grpc://127.0.0.1:9",
        ) as database, adbc_driver_manager.AdbcConnection(database) as connection:
            with adbc_driver_manager.AdbcStatement(connection) as statement:
                statement.set_sql_query("SELECT 1")
                statement.execute_query()
    except adbc_driver_manager.Error as error:
        return str(error)
"""


@pytest.mark.parametrize("first", [True, False])
def test_another_go_runtime_does_no_harm(process, tmp_path, first):
    """Both are used, and used again after the other one was, whichever was loaded first."""
    said = process(
        """
        for _ in range(3):
            print(other_go())
            library.export_traces(BODY)
            library.flush()
        print(library.traces().num_rows)
        library.close()
        print(other_go())
        """,
        before=FLIGHT_SQL + ("assert other_go()\n" if first else ""),
    )
    lines = said.splitlines()
    assert lines[-2] == "4"
    assert sum("127.0.0.1:9" in line for line in lines) >= 4, said
    assert names(tmp_path) == ["a"] * 4
