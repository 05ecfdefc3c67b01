"""Files that grow, opened over and over: no read fails, no row is torn or lost, and none goes away again.

A process for each reader opens the files of two libraries, one of which begins a new file every few batches,
while threads ask the libraries themselves. This file is the test and, run as a script, a reader.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.ipc

if TYPE_CHECKING:
    from collections.abc import Callable

    from otlp_arrow import OtlpLibrary

READS = 2500  # in all, of files; reads of the libraries come on top
BATCHES = 300
DEADLINE = 120  # seconds
COLUMNS = ["name", "attributes", "events", "duplicate_attributes"]


# --- the rows ---


def spans_request(number: int) -> bytes:
    """One span with what readers stumble over: repeated keys, texts that end in NUL, maps in maps."""
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue, KeyValueList
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData

    def pair(key: str, value: str | int | AnyValue) -> KeyValue:
        if isinstance(value, AnyValue):
            return KeyValue(key=key, value=value)
        return KeyValue(
            key=key, value=AnyValue(**{{str: "string_value", int: "int_value"}[type(value)]: value})
        )

    nested = AnyValue(kvlist_value=KeyValueList(values=[pair("n", number), pair("nul", "z\0")]))
    attributes = [pair("n", "old"), pair("nul", f"x{number}\0"), pair("map", nested), pair("n", number)]
    event = Span.Event(name="e\0", attributes=[pair("map", nested), pair("k", "v\0"), pair("k", "v")])
    span = Span(name=f"span {number}\0", attributes=attributes, events=[event])
    return TracesData(
        resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[span])])]
    ).SerializeToString()


def check(name: str, attributes: Any, events: Any, duplicates: str, number: int | None = None) -> int:
    """The number of the span in a row; raises when a part is missing, or belongs to another row."""
    if number is None:
        number = int(dict(attributes)["n"])
    nested = f'{{"n":{number},"nul":"z\\u0000"}}'
    assert name == f"span {number}\0", name
    assert dict(attributes) == {"nul": f"x{number}\0", "map": nested, "n": str(number)}, attributes
    (event,) = events
    assert event["name"] == "e\0", event
    assert dict(event["attributes"]) == {"map": nested, "k": "v"}, event
    earlier = [(each["column"], each["key"], each["value"]) for each in json.loads(duplicates)]
    assert sorted(earlier) == [("attributes", "n", "old"), ("events", "k", "v\0")], earlier
    return number


# --- the readers: rows of a file from one on, and how many there are ---

Rows = list[tuple[Any, ...]]


def of_table(table: pa.Table, start: int) -> tuple[Rows, int]:
    table.validate(full=True)
    rows = table.slice(start).select(COLUMNS).to_pylist()
    return [tuple(row.values()) for row in rows], table.num_rows


# With threads, as it is by default, pyarrow takes 10 times as long for small compressed batches.
UNTHREADED = pa.ipc.IpcReadOptions(use_threads=False)


def plain(path: str, start: int) -> tuple[Rows, int]:
    options = pa.ipc.IpcReadOptions(use_threads=Path(path).stat().st_size < 1 << 17)
    with pa.OSFile(path) as file, pa.ipc.open_stream(file, options=options) as reader:
        return of_table(reader.read_all(), start)


def mapped(path: str, start: int) -> tuple[Rows, int]:
    with pa.memory_map(path) as file, pa.ipc.open_stream(file, options=UNTHREADED) as reader:
        return of_table(reader.read_all(), start)


def pandas(path: str, start: int) -> tuple[Rows, int]:
    with pa.OSFile(path) as file, pa.ipc.open_stream(file, options=UNTHREADED) as reader:
        frame = reader.read_pandas()
    return list(frame[COLUMNS].iloc[start:].itertuples(index=False)), len(frame)


def polars(path: str, start: int) -> tuple[Rows, int]:
    import polars

    frame = polars.read_ipc_stream(path)
    return frame.select(COLUMNS).slice(start).rows(), frame.height


def duckdb(path: str, start: int) -> tuple[Rows, int]:
    import duckdb

    with pa.memory_map(path) as file, pa.ipc.open_stream(file, options=UNTHREADED) as reader:
        spans = reader.read_all()
    connection = duckdb.default_connection()
    connection.register("spans", spans)
    rows = connection.sql(f"select {', '.join(COLUMNS)} from spans offset {start}").fetchall()
    ((count,),) = connection.sql("select count(*) from spans where attributes['nul'] like 'x%'").fetchall()
    return rows, count


READERS: dict[str, Callable[[str, int], tuple[Rows, int]]] = {
    "pyarrow": plain,
    "pyarrow-mmap": mapped,
    "pandas": pandas,
    "polars": polars,
    "duckdb": duckdb,
}


def age(path: str) -> int:
    return int(path.rpartition("_")[2].removesuffix(".arrows"))


def read_until_told(name: str, *directories: str) -> None:
    """Reads until stdin ends, and tells on stdout after every ten reads."""
    read, seen, reads = READERS[name], Counter[str](), 0
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    while not stop.is_set():
        # The large file takes longest; in turn with it come the newest and older ones of the small.
        for directory, picks in zip(directories, (1, 6), strict=True):
            files = sorted(map(str, Path(directory, "otlp", "traces").glob("*.arrows")), key=age)
            for path in [files[-1] if n % 2 == 0 else random.choice(files) for n in range(picks) if files]:
                rows, count = read(path, seen[path])
                numbers = [check(*row) for row in rows]
                assert count == seen[path] + len(rows), f"{path}: {count} rows, after {seen[path]}"
                assert len(set(numbers)) == len(rows), f"{path}: {numbers}"  # their order is not promised
                seen[path], reads = count, reads + 1
                if reads % 10 == 0:
                    print(json.dumps({"reads": reads, "files": len(seen), "rows": seen.total()}), flush=True)


# --- the test ---


class Reader:
    """A process that reads, and what it told last."""

    def __init__(self, name: str, directories: list[Path]) -> None:
        self.name, self.told = name, {"reads": 0, "files": 0, "rows": 0}
        self.process = subprocess.Popen(
            [sys.executable, __file__, name, *map(str, directories)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.thread = threading.Thread(target=self._listen)
        self.thread.start()

    def _listen(self) -> None:
        for line in self.process.stdout:
            self.told = json.loads(line)

    def stop(self) -> int:
        """Ends it and returns its exit code; what it raised is on stderr."""
        self.process.stdin.close()
        try:
            return self.process.wait(timeout=30)
        finally:
            self.process.kill()
            self.process.wait()
            self.thread.join()
            self.process.stdout.close()


class Asker(threading.Thread):
    """Asks a library for all its rows, again and again: each answer holds all that was sent before."""

    def __init__(self, library: OtlpLibrary, sent: list[int], stop: threading.Event) -> None:
        super().__init__()
        self.library, self.sent, self.stop = library, sent, stop
        self.reads, self.count, self.errors = 0, 0, []

    def run(self) -> None:
        try:
            while not self.stop.is_set():
                self.ask()
        except BaseException as error:
            self.errors.append(error)

    def ask(self) -> None:
        before = self.sent[0]
        table = self.library.traces(columns=["name", "attributes"])
        names = table["name"].to_pylist()
        assert sorted(names) == sorted(f"span {number}\0" for number in range(len(names)))
        assert len(names) >= max(before, self.count), (len(names), before, self.count)
        self.reads, self.count = self.reads + 1, len(names)
        time.sleep(0.2)


def test_readers_of_growing_files(tmp_path: Path, capsys: Any) -> None:
    from otlp_arrow import OtlpLibrary, read_traces

    directories = [tmp_path / "one", tmp_path / "many"]
    stop = threading.Event()
    with (
        OtlpLibrary(output_dir=directories[0], write_interval_secs=1) as one,
        OtlpLibrary(output_dir=directories[1], files={"rotate_bytes": 65536}) as many,
    ):
        sent = {one: [0], many: [0]}
        askers = [Asker(library, sent[library], stop) for library in (one, many, one)]
        readers = [Reader(name, directories) for name in READERS]
        started = time.monotonic()
        try:
            for asker in askers:
                asker.start()
            batches = 0
            while batches < BATCHES or sum(reader.told["reads"] for reader in readers) < READS:
                # Most goes to small files: a batch in a large one makes all its reads longer.
                for library in (many, one) if batches % 5 == 0 and batches < BATCHES else (many,):
                    for _ in range(1 + batches % 3):
                        library.export_traces(spans_request(sent[library][0]))
                        sent[library][0] += 1
                    library.flush()
                batches += 1
                time.sleep(0.01 if batches < BATCHES else 0.05)
                assert time.monotonic() - started < DEADLINE, [reader.told for reader in readers]
                assert all(reader.process.poll() is None for reader in readers), "see stderr"
                assert not any(asker.errors for asker in askers), [asker.errors for asker in askers]
        finally:
            stop.set()
            codes = {reader.name: reader.stop() for reader in readers}
            for asker in askers:
                asker.join()
        assert set(codes.values()) == {0}, codes
        for asker in askers:
            asker.ask()
            assert asker.count == asker.sent[0]
    for directory, library in zip(directories, (one, many), strict=True):
        rows = read_traces(directory, columns=COLUMNS).to_pylist()
        assert sorted(check(*row.values()) for row in rows) == list(range(sent[library][0]))
    assert len(list((directories[1] / "otlp" / "traces").iterdir())) > 20
    with capsys.disabled():
        print(f"\n{batches} rounds of batches in {time.monotonic() - started:.1f} s; reads:", end=" ")
        print(", ".join(f"{reader.name} {reader.told['reads']}" for reader in readers), end="; ")
        print("library.traces", sum(asker.reads for asker in askers))


if __name__ == "__main__":
    read_until_told(*sys.argv[1:])
