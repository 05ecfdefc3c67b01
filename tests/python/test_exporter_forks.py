"""Exporters in forked children. A helper process has standard error open, so that run() waits for its end."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from otlp_arrow import OtlpLibrary, read_traces

if TYPE_CHECKING:
    from pathlib import Path

START = """
import multiprocessing, os, signal, sys
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from otlp_arrow import OtlpLibrary
from otlp_arrow.sdk import ArrowSpanExporter

directory, *arguments = sys.argv[1:]
provider = TracerProvider()

def begin(**options):
    global exporter
    exporter = ArrowSpanExporter(**(options or {"output_dir": directory, "write_interval_secs": 3600}))
    provider.add_span_processor(BatchSpanProcessor(exporter))

def spans(who, count=3):
    for number in range(count):
        provider.get_tracer("app").start_span(f"{who} {number}").end()
    provider.force_flush()

def tell():
    state = repr(exporter).split()[1].strip(">")  # not opened yet, open, closed or in a helper
    os.write(1, f"{state}\\n".encode())  # in one piece: several processes have this pipe

def end(how):
    if how == "exit":
        sys.exit()
    if how == "shutdown":
        provider.shutdown()
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(0)

def wait(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


def run(code: str, *arguments: object) -> list[str]:
    """Runs an app; the lines that it printed. It and all its processes must end well and say nothing else."""
    command = [sys.executable, "-W", "error", "-c", START + code, *map(str, arguments)]
    # Since Python 3.12 a fork beside threads is warned of, and processors have threads.
    command[3:3] = ["-W", "ignore:This process:DeprecationWarning"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def names(directory: Path) -> list[str]:
    """All spans: also those in the journal of a process that ended without writing them."""
    with OtlpLibrary(output_dir=directory) as library:
        return sorted(library.traces()["name"].to_pylist())


WORKERS = """
opened, how = arguments
begin()
if opened == "opened":
    spans("parent")
children = []
for worker in range(4):
    children.append(os.fork())
    if not children[-1]:
        spans(f"worker {worker}")
        tell()
        end(how)
assert [wait(child) for child in children] == [-9 if how == "kill" else 0] * 4
spans("parent after")
"""


@pytest.mark.parametrize("how", ["exit", "shutdown", "nothing", "kill"])
@pytest.mark.parametrize("opened", ["opened", "not opened"])
def test_workers_that_were_forked_with_their_exporter(tmp_path: Path, opened: str, how: str) -> None:
    told = run(WORKERS, tmp_path, opened, how)
    assert told == ["in" if opened == "opened" else "open"] * 4  # in a helper process
    parents = ["parent", "parent after"] if opened == "opened" else ["parent after"]
    wanted = [*parents, *(f"worker {number}" for number in range(4))]
    assert names(tmp_path) == sorted(f"{who} {number}" for who in wanted for number in range(3))


def test_what_a_helper_acknowledged_is_in_files_when_its_child_was_killed(tmp_path: Path) -> None:
    run(WORKERS, tmp_path, "opened", "kill")
    assert read_traces(tmp_path).num_rows == 18  # without another library that replays a journal


GRANDCHILD = """
how, opened = arguments
begin()
if opened == "opened":
    spans("parent")
if not (child := os.fork()):
    spans("child")
    if not (grandchild := os.fork()):
        spans("grandchild")
        tell()
        end(how)
    spans("child again")
    assert wait(grandchild) == 0
    tell()
    end(how)
assert wait(child) == 0
if opened == "not opened":
    spans("parent")
tell()
"""


@pytest.mark.parametrize("how", ["exit", "shutdown", "nothing"])
@pytest.mark.parametrize(("opened", "child"), [("opened", "in"), ("not opened", "open")])
def test_grandchildren_have_helpers_of_their_own(tmp_path: Path, how: str, opened: str, child: str) -> None:
    assert run(GRANDCHILD, tmp_path, how, opened) == ["in", child, "open"]
    wanted = ["child", "child again", "grandchild", "parent"]
    assert names(tmp_path) == [f"{who} {number}" for who in wanted for number in range(3)]


OUTLIVED = """
begin()
spans("parent")
read, write = os.pipe()
if not (child := os.fork()):
    spans("child")
    if not os.fork():
        os.close(write)
        os.read(read, 1)  # until the child is dead, and the parent knows
        spans("grandchild")
        end("nothing")
    os.close(write)
    end("kill")
assert wait(child) == -9
os.close(write)
"""


def test_a_grandchild_does_not_keep_the_helper_of_a_dead_child(tmp_path: Path) -> None:
    run(OUTLIVED, tmp_path)
    assert names(tmp_path) == [f"{who} {n}" for who in ("child", "grandchild", "parent") for n in range(3)]


def test_multiprocessing(tmp_path: Path) -> None:
    code = """
def work(number):
    spans(f"worker {number}")

context = multiprocessing.get_context("fork")
begin()
spans("parent")
workers = [context.Process(target=work, args=(number,)) for number in range(3)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
assert [worker.exitcode for worker in workers] == [0, 0, 0]
"""
    run(code, tmp_path)
    wanted = ["parent", "worker 0", "worker 1", "worker 2"]
    assert names(tmp_path) == [f"{who} {number}" for who in wanted for number in range(3)]


GIVEN = """
library = OtlpLibrary(output_dir=directory, otlp_grpc="127.0.0.1:0", write_interval_secs=3600)
begin(library=library)
spans("parent")
if not (child := os.fork()):
    if arguments[0] == "made in the child":
        provider = TracerProvider()
        begin(library=library)
    spans("child")
    tell()
    end("exit")
assert wait(child) == 0
tell()
library.close()
"""


@pytest.mark.parametrize("made", ["made in the parent", "made in the child"])
def test_a_library_of_the_application(tmp_path: Path, made: str) -> None:
    assert run(GIVEN, tmp_path, made) == ["in", "open"]
    assert names(tmp_path) == [f"{who} {number}" for who in ("child", "parent") for number in range(3)]


def test_a_helper_that_was_killed_is_replaced(tmp_path: Path) -> None:
    code = """
import logging
logging.disable()  # it tells that another one is started
begin()
spans("parent")
if not (child := os.fork()):
    spans("child")
    os.kill(exporter._sender._outlet._channel.pid, signal.SIGKILL)
    spans("child again")
    tell()
    end("exit")
assert wait(child) == 0
"""
    assert run(code, tmp_path) == ["in"]
    wanted = ["child", "child again", "parent"]
    assert names(tmp_path) == [f"{who} {number}" for who in wanted for number in range(3)]


def test_flush_and_errors_come_from_the_helper(tmp_path: Path) -> None:
    code = """
import logging
logging.basicConfig(stream=sys.stdout, format="%(message)s")
begin()
spans("parent")
if not (child := os.fork()):
    spans("child")
    print(exporter.force_flush(), flush=True)
    begin(output_dir=directory, write_interval_secs=0)
    spans("nowhere", 1)
    os._exit(0)
assert wait(child) == 0
"""
    flushed, error = run(code, tmp_path)
    assert flushed == "True"
    assert error.startswith("exporting traces failed: ConfigError: configuration: write_interval_secs: 0")
    assert "child 0" in names(tmp_path)


def test_forks_while_other_threads_export(tmp_path: Path) -> None:
    code = """
import threading
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

def export(name):
    assert exporter.export([ReadableSpan(name)]) is SpanExportResult.SUCCESS

def keep_exporting():
    while not stopped.is_set():
        export("thread")
        counts.append(1)

begin()
stopped, counts = threading.Event(), []
threads = [threading.Thread(target=keep_exporting) for _ in range(3)]
for thread in threads:
    thread.start()
for number in range(6):  # the first ones while the library loads
    if not (child := os.fork()):
        export("child")
        end(["nothing", "shutdown", "kill"][number % 3])
    assert wait(child) in (0, -9)
stopped.set()
for thread in threads:
    thread.join()
provider.shutdown()
print(len(counts))
"""
    (told,) = run(code, tmp_path)
    found = names(tmp_path)
    assert (found.count("child"), found.count("thread")) == (6, int(told))
