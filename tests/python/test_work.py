import os
import signal
import threading

import pytest

from otlp_arrow import _work
from otlp_arrow._work import Work


@pytest.fixture(autouse=True)
def interruptible():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def test_the_result_and_what_is_told():
    told = []

    def call(tell):
        assert tell(1, 2)
        return "done"

    work = Work(call, lambda *numbers: told.append(numbers))
    assert work.done() is None
    assert work.run() == "done" == work.done()
    assert told == [(1, 2)]


def test_an_error_is_raised():
    with pytest.raises(LookupError, match="none"):
        Work(lambda _: {}["none"]).run()


def test_what_progress_raises_ends_the_call():
    def fail(_):
        raise ArithmeticError("enough")

    def call(tell):
        assert not tell(1)
        return "left"

    with pytest.raises(ArithmeticError, match="enough"):
        Work(call, fail).run()


def test_an_interruption_waits_for_the_result():
    """As Ctrl-C comes, by a signal: Thread.join takes the thread for ended then (Python 3.11)."""
    begun = threading.Event()

    def call(tell):
        begun.set()
        while tell():
            pass
        return "what there is"

    def later():
        begun.wait()
        interrupt()

    threading.Thread(target=later).start()
    work = Work(call)
    with pytest.raises(KeyboardInterrupt):
        work.run()
    assert work.done() == "what there is"
    assert not _work.abandoned


def test_a_call_that_cannot_be_ended_is_left_alone(monkeypatch):
    monkeypatch.setattr(_work, "abandoned", [])
    begun, end = threading.Event(), threading.Event()

    def call(_):
        begun.set()
        end.wait()

    def later():
        begun.wait()
        interrupt()

    threading.Thread(target=later).start()
    work = Work(call)
    with pytest.raises(KeyboardInterrupt):
        work.run(wait=False)
    assert _work.abandoned == [work]
    end.set()


def test_without_threads_it_is_done_here(monkeypatch):
    """Python 3.12 and later start none while the interpreter ends."""

    def refused(thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr("threading.Thread.start", refused)
    assert Work(lambda tell: tell() and 7).run() == 7
