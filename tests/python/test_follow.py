"""Live batches: each row once, whatever becomes of the files meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter

import pyarrow as pa
import pytest

from otlp_arrow import (
    ConfigError,
    Follow,
    InvalidDataError,
    IoError,
    OtlpLibrary,
    _handle,
    follow,
    read_batches,
)
from otlp_arrow._handle import maintain
from otlp_arrow._read import watched as _watched


def names(batches):
    return [name for batch in batches for name in batch["name"].to_pylist()]


def take(follower, count):
    """So many rows, however many batches those are."""
    taken = []
    while len(taken) < count:
        taken += names([next(follower)])
    return taken


def test_new_batches_are_given(library: OtlpLibrary, trace_request):
    library.export_traces(trace_request("before"))
    with library.follow("traces", interval=0.01) as follower:
        assert iter(follower) is follower
        library.export_traces(trace_request("a", "b"))
        batch = next(follower)
        assert isinstance(batch, pa.RecordBatch)
        assert batch["name"].to_pylist() == ["a", "b"]
        assert batch.schema.field("name").type == pa.utf8()
        library.export_traces(trace_request("c"))
        assert take(follower, 1) == ["c"]
    assert follower.closed
    assert list(follower) == []


def test_existing_ones_come_first_on_request(library: OtlpLibrary, trace_request):
    library.export_traces(trace_request("a"))
    library.flush()
    library.export_traces(trace_request("b", service="other", start=1_800_000_000_000_000_000))
    for options, expected in (
        ({"existing": True}, ["a", "b"]),
        ({"since": 1_800_000_000_000_000_000}, ["b"]),
        ({"since": 0, "service": "other"}, ["b"]),
        ({"since": 0, "existing": False}, []),
        ({}, []),
    ):
        with library.follow("traces", timeout=0.3, interval=0.05, **options) as follower:
            assert names(follower) == expected, options
            assert follower.closed


def test_columns_and_dictionaries(library: OtlpLibrary, trace_request):
    library.export_traces(trace_request("a"))
    options = {"existing": True, "timeout": 0.2, "interval": 0.05}
    (batch,) = library.follow("traces", columns=["service_name", "name"], dictionaries=True, **options)
    assert batch.schema.names == ["service_name", "name"]
    assert batch.schema.field("name").type == pa.dictionary(pa.int32(), pa.utf8())


def test_old_files_are_not_opened_for_new_rows(write, spans, tmp_path):
    out = write(spans(1), seq=1)
    (damaged,) = (out / "otlp" / "traces").iterdir()
    damaged.write_bytes(b"this is no Arrow file, but it is long enough" * 10)
    write(spans(2), seq=2)
    with follow("traces", out, timeout=0) as follower:
        assert names(follower) == []
    with follow("traces", out) as follower:
        write(spans(3), seq=3)
        assert take(follower, 1) == ["span 3"]


def test_a_column_that_only_some_files_have(write, spans):
    write(spans(1), seq=1)
    out = write(spans(2, http_route="/x"), seq=2)
    batches = list(follow("traces", out, columns=["http_route", "name"], existing=True, timeout=0))
    assert [batch.to_pylist() for batch in batches] == [
        [{"http_route": None, "name": "span 1"}],
        [{"http_route": "/x", "name": "span 2"}],
    ]


def test_it_ends_with_the_library(tmp_path, trace_request):
    with OtlpLibrary(output_dir=tmp_path) as library:
        follower = library.follow("traces")
        library.export_traces(trace_request("a"))
    assert names(follower) == ["a"]
    assert "closed traces of" in repr(follower)


def test_rows_that_the_closing_library_writes_are_given(tmp_path, trace_request, monkeypatch):
    begun, go, really = threading.Event(), threading.Event(), _handle._wait

    def wait(what, *arguments, **options):
        if what == "close":
            begun.set()
            assert go.wait(60)
        return really(what, *arguments, **options)

    monkeypatch.setattr(_handle, "_wait", wait)
    library = OtlpLibrary(output_dir=tmp_path, write_interval_secs=3600)
    follower = library.follow("traces")
    library.export_traces(trace_request("a"))
    thread = threading.Thread(target=library.close)
    thread.start()
    try:
        assert begun.wait(60)
        assert follower._step() is False
        assert not follower.closed
    finally:
        go.set()
        thread.join()
    assert names(follower) == ["a"]


def test_close_ends_a_wait_in_another_thread(library: OtlpLibrary):
    follower = library.follow("traces", interval=60)
    thread = threading.Thread(target=lambda: list(follower))
    thread.start()
    follower.close()
    follower.close()
    thread.join(timeout=10)
    assert not thread.is_alive()


def test_close_within_a_look(write, spans, monkeypatch):
    """As a signal handler does it, which runs in the thread that looks."""
    out = write(spans(1))
    follower, really = follow("traces", out, existing=True), _watched.find

    def find(*arguments):
        follower.close()
        return really(*arguments)

    monkeypatch.setattr(_watched, "find", find)
    assert list(follower) == []
    assert follower.closed
    assert follower._files._open == {}


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_close_by_a_signal_handler(tmp_path):
    """At any place of the iteration."""
    code = """if True:
        import random, signal, sys
        from otlp_arrow import follow
        for _ in range(100):
            follower = follow("traces", sys.argv[1], interval=0.0001)
            signal.signal(signal.SIGALRM, lambda *_: follower.close())
            signal.setitimer(signal.ITIMER_REAL, 0.001 + random.random() / 100)
            for _ in follower:
                pass
    """
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=60).returncode == 0


def test_async(library: OtlpLibrary, trace_request):
    async def consume():
        taken = []
        async for batch in library.follow("traces", interval=0.01, timeout=0.5):
            if not taken:  # it may have several rows
                await asyncio.to_thread(library.export_traces, trace_request("b"))
            taken += batch["name"].to_pylist()
        return taken

    async def both():
        task = asyncio.create_task(consume())
        while not task.done():
            await asyncio.to_thread(library.export_traces, trace_request("a"))
            await asyncio.sleep(0.01)
            if library.traces(columns=[]).num_rows > 3:
                break
        return await task

    taken = asyncio.run(both())
    assert taken.count("b") == 1
    assert set(taken) == {"a", "b"}


def test_a_cancelled_wait_loses_nothing(library: OtlpLibrary, trace_request):
    async def consume():
        taken = []
        follower = library.follow("traces", interval=0.001)
        while len(taken) < 50:
            library.export_traces(trace_request(str(sent[0])))
            sent[0] += 1
            try:
                batch = await asyncio.wait_for(anext(follower), random.random() / 200)
            except TimeoutError:
                continue
            taken += batch["name"].to_pylist()
        library.export_traces(trace_request("end"))
        while "end" not in taken:
            taken += (await anext(follower))["name"].to_pylist()
        follower.close()
        with pytest.raises(StopAsyncIteration):
            await anext(follower)
        return taken

    sent = [0]
    taken = asyncio.run(consume())
    assert taken == [str(n) for n in range(sent[0])] + ["end"]


def test_rotation_compaction_and_retention(tmp_path, trace_request):
    """Many files come, are compacted and removed while two followers read, one of them slowly."""
    r = random.Random(3)
    sent = 0
    with (
        OtlpLibrary(output_dir=tmp_path, files={"rotate_bytes": 65536}) as library,
        follow("traces", tmp_path, existing=True, interval=0.001, timeout=30) as quick,
        library.follow("traces", interval=0.001, timeout=30) as slow,
    ):
        directory = tmp_path / "otlp" / "traces"
        got, slowly = Counter(), Counter()
        for turn in range(250):
            made = [f"{sent + n}" for n in range(r.randrange(1, 30))]
            sent += len(made)
            library.export_traces(trace_request(*made[:10]))
            for start in range(10, len(made), 10):
                library.export_traces(trace_request(*made[start : start + 10]))
            library.flush()
            while sum(got.values()) < sent:
                got.update(names([next(quick)]))
            if turn % 9 == 0:
                slowly.update(names([next(slow)]))
            if turn % 25 == 24:
                wanted = {"command": "compact", "paths": [str(tmp_path)], "min_batches": 2}
                assert maintain(json.dumps(wanted).encode())["ok"]
        compacted = read_batches("traces", sorted(directory.glob("*.arrows"))[0]).schema.metadata
        assert compacted[b"otlp_arrow.compacted"] == b"1"
        assert len(list(directory.glob("*.arrows"))) > 3
        sorted(directory.glob("*.arrows"))[0].unlink()
        while sum(slowly.values()) < sent:
            slowly.update(names([next(slow)]))
        assert quick._step() is slow._step() is False
    assert got == slowly == Counter(str(n) for n in range(sent))


def test_what_another_process_writes(tmp_path, trace_request):
    """A directory that is empty at first; its writer rotates, and ends."""
    code = """if True:
        import sys
        from otlp_arrow import OtlpLibrary
        with OtlpLibrary(output_dir=sys.argv[1], files={"rotate_bytes": 65536}) as library:
            for line in sys.stdin:
                for _ in range(50):
                    library.export_traces(bytes.fromhex(line))
                library.flush()
                print("written", flush=True)
    """
    with (
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
        follow("traces", tmp_path, interval=0.01, timeout=60) as follower,
    ):
        got = Counter()
        for turn in range(40):
            process.stdin.write(trace_request(*(f"{turn} {n}" for n in range(20))).hex() + "\n")
            process.stdin.flush()
            got.update(take(follower, 1000))
            assert process.stdout.readline() == "written\n"
        process.stdin.close()
        assert process.wait(timeout=60) == 0
        assert follower._step() is False
        assert len(list((tmp_path / "otlp" / "traces").iterdir())) > 3
    assert got == Counter({f"{turn} {n}": 50 for turn in range(40) for n in range(20)})


def stream(batch):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    schema = len(batch.schema.serialize())
    return schema, sink.getvalue().to_pybytes().removesuffix(b"\xff\xff\xff\xff\0\0\0\0")


def test_a_file_in_any_state_while_it_is_written(tmp_path, spans):
    """Whatever part of a write is there: a batch is given when it is whole, and once."""
    directory = tmp_path / "otlp" / "traces"
    directory.mkdir(parents=True)
    path = directory / "otlp_traces_20260102_030405_ab_000001.arrows"
    schema, whole = stream(spans(1, 2))
    (_, other) = stream(spans(3))
    with follow("traces", tmp_path, interval=0.001, timeout=0) as follower:
        for state in (b"", b"\0" * 64, whole[:20], whole[:schema], whole[: schema + 20], whole[:-1]):
            path.write_bytes(state)
            assert follower._step() is False, state
        path.write_bytes(whole)
        assert follower._step() is True
        assert follower._take().num_rows == 2
        assert follower._step() is False
        with path.open("r+b") as file:
            file.seek(len(whole))
            file.write(b"\0" * len(other[schema:]))
            file.flush()
            assert follower._step() is False
            file.seek(len(whole) + 8)
            file.write(other[schema + 8 :])
            file.flush()
            assert follower._step() is False
            file.seek(len(whole))
            file.write(other[schema : schema + 8])
        assert follower._step() is True
        assert names([follower._take()]) == ["span 3"]
        with path.open("ab") as file:
            file.write(b"no message at all")
        with pytest.raises(InvalidDataError, match=r"000001.arrows"):
            next(follower)
        assert follower.closed


def test_a_file_of_another_writer_is_read_to_its_end(write, spans, tmp_path):
    """One that gives a dictionary once for many batches."""
    out = write(spans(1, 2), spans(3, 4), spans(5))
    assert names(follow("traces", out, existing=True, timeout=0, since=2)) == [
        f"span {n}" for n in (2, 3, 4, 5)
    ]


def test_done_files_are_closed_and_forgotten(write, spans):
    for seq in range(1, 6):
        out = write(spans(seq), seq=seq)
    paths = sorted((out / "otlp" / "traces").iterdir())
    with follow("traces", out, existing=True, timeout=0) as follower:
        assert len(names(follower)) == 5
    with follow("traces", out, existing=True) as follower:
        assert len(take(follower, 5)) == 5
        assert follower._step() is False
        assert list(follower._files._open) == paths[4:]
        assert follower._files._done == set(paths[:4])
        paths[0].unlink()
        paths[4].unlink()
        assert follower._step() is False
        assert follower._files._open == {}
        assert follower._files._done == set(paths[1:4])


def test_a_clock_that_stepped_back_at_a_rotation(tmp_path, spans):
    """The number tells which file of a writer is the newest, not the time of its name."""
    directory = tmp_path / "traces"
    directory.mkdir()
    schema, whole = stream(spans(1))
    (directory / "otlp_traces_20260102_100000_ab_000009.arrows").write_bytes(whole)
    growing = directory / "otlp_traces_20260102_095959_ab_000010.arrows"
    growing.write_bytes(whole[:schema])
    with follow("traces", tmp_path, existing=True, timeout=60, interval=0.01) as follower:
        assert take(follower, 1) == ["span 1"]
        assert follower._step() is False
        with growing.open("ab") as file:
            file.write(stream(spans(2))[1][schema:])
        assert follower._step() is True
        assert names([follower._take()]) == ["span 2"]


def test_what_it_cannot_follow_is_told(tmp_path, write, spans):
    with pytest.raises(IoError, match="nothing is not a directory"):
        follow("traces", tmp_path / "nothing")
    with pytest.raises(ConfigError, match="want traces, logs or metrics"):
        follow("spans", tmp_path)
    with pytest.raises(ConfigError, match="interval=0"):
        follow("traces", tmp_path, interval=0)
    out = write(spans(1).select(["name"]))
    with pytest.raises(InvalidDataError, match="holds no traces"):
        list(follow("traces", out, since=0))
    damaged = next((out / "otlp" / "traces").iterdir())
    damaged.write_bytes(b"this is no Arrow file, but it is long enough" * 10)
    with pytest.raises(InvalidDataError, match="is damaged"):
        list(follow("traces", out, existing=True))
    assert "open traces" in repr(Follow.__repr__(follow("traces", tmp_path)))


@pytest.mark.parametrize("existing", [False, True])
def test_more_writers_than_files_can_be_open(tmp_path, spans, monkeypatch, existing):
    monkeypatch.setattr(_watched, "_MOST_OPEN", 2)
    directory = tmp_path / "traces"
    directory.mkdir()
    schema, whole = stream(spans(1))
    paths = [directory / f"otlp_traces_20260102_03040{n}_a{n}_000001.arrows" for n in range(4)]
    for path, changed in zip(paths, (40, 10, 20, 30), strict=True):
        path.write_bytes(whole)
        os.utime(path, (changed, changed))
    (directory / "otlp_traces_20260102_030409_a9_000001.arrows").symlink_to(directory / "gone")
    with follow("traces", tmp_path, existing=existing, timeout=60, interval=0.01) as follower:
        if existing:
            assert take(follower, 4) == ["span 1"] * 4
        else:
            assert [part.length for part in follower.passed()] == [len(whole)] * 4
            assert set(follower._files._open) == {paths[0], paths[3]}
        order = [0, 1, 1, 2, 3, 0]
        for number, place in enumerate(order, start=2):
            with paths[place].open("ab") as file:
                file.write(stream(spans(number))[1][schema:])
            assert take(follower, 1) == [f"span {number}"]
            assert follower._step() is False
            assert len(follower._files._open) == 2
            assert paths[place] in follower._files._open


def test_a_file_that_was_not_open_when_it_was_finished(tmp_path, spans, monkeypatch):
    """Its last rows are given; not those of what compaction put into its place."""
    monkeypatch.setattr(_watched, "_MOST_OPEN", 1)
    directory = tmp_path / "traces"
    directory.mkdir()
    schema, whole = stream(spans(1))
    first, second, third = (directory / f"otlp_traces_20260102_030405_{w}_000001.arrows" for w in "abc")
    for path in (first, second, third):
        path.write_bytes(whole)
    with follow("traces", tmp_path, existing=True, timeout=60, interval=0.01) as follower:
        assert take(follower, 3) == ["span 1"] * 3
        with first.open("ab") as file:
            file.write(stream(spans(2))[1][schema:])
        first.with_name("otlp_traces_20260102_030406_a_000002.arrows").write_bytes(stream(spans(3))[1])
        assert take(follower, 2) == ["span 2", "span 3"]
        compacted = tmp_path / "compacted"
        compacted.write_bytes(whole)
        compacted.replace(second)
        third.unlink()
        assert follower._step() is False
        assert follower._files._done == {first, second}
        assert set(follower._files._asleep) == set()


def test_a_file_that_vanishes_before_it_is_opened(write, spans):
    out = write(spans(1))
    directory = out / "otlp" / "traces"
    (directory / "otlp_traces_20260102_030405_w1_4.arrows").symlink_to(directory / "gone")
    assert names(follow("traces", out, existing=True, timeout=0)) == ["span 1"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_ends_a_wait_at_once(tmp_path):
    code = """if True:
        import sys, time
        from otlp_arrow import follow
        follower = follow("traces", sys.argv[1], interval=60)
        try:
            print("ready", flush=True)
            next(follower)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert process.wait(timeout=30) == 0
