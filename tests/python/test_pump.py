import logging

import pytest

from otlp_arrow import ClosedError, _pump


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("DEBUG", 10),
        ("debug-4", 10),
        ("INFO", 20),
        ("INFO+2", 20),
        ("WARN", 30),
        ("ERROR", 40),
        ("ODD", 20),
    ],
)
def test_levels(text, number):
    assert _pump.level_number(text) == number


def test_records_are_forwarded_until_the_end(caplog):
    caplog.set_level(logging.INFO, _pump.LOGGER)
    records = [
        {"time": "2026-01-02T03:04:05.123456789Z", "level": "WARN", "msg": "disk is full", "dir": "/x"},
        None,
        {"time": "odd", "level": "DEBUG", "msg": "not wanted"},
        {"level": "ERROR", "msg": "no time", "at": {"a": "b"}},
    ]

    def read(handle):
        assert handle == 7
        if not records:
            raise ClosedError("end")
        return records.pop(0)

    _pump.start(7, read).join(timeout=5)
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("WARNING", "disk is full dir=/x"),
        ("ERROR", 'no time at={"a": "b"}'),
    ]
    first = caplog.records[0]
    assert first.fields == {"dir": "/x"}
    assert first.created == pytest.approx(1767323045.123456)


def test_at_exit_no_thread_can_be_started(monkeypatch):
    def start(thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")  # as Python 3.12 and later do

    monkeypatch.setattr("threading.Thread.start", start)
    assert not _pump.start(7, lambda handle: None).is_alive()
