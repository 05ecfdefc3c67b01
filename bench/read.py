"""Measures reading beside plain pyarrow on the same files, in turns.

python bench/read.py [--spans 1000000] [--small] [--rounds 5] [DIRECTORY]

Writes realistic spans into DIRECTORY (by default one that goes again) unless it has some already. --small
writes a batch for each request of 10 spans, as a node with little to do has them. Prints the lowest seconds
of each way, and how many times those of plain pyarrow that is, without its threads and with them.
"""

from __future__ import annotations

import argparse
import random
import struct
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.ipc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status, TracesData

from otlp_arrow import OtlpLibrary, read_batches, read_traces, to_pandas

if TYPE_CHECKING:
    from collections.abc import Callable

START = 1_767_323_045_000_000_000
STEP = 1_000_000
COLUMNS = ["name", "service_name", "start_time_unix_nano", "duration_nano", "status_code"]


def pairs(values: dict[str, str | int]) -> list[KeyValue]:
    kinds = {str: "string_value", int: "int_value"}
    return [KeyValue(key=k, value=AnyValue(**{kinds[type(v)]: v})) for k, v in values.items()]


def attributes(r: random.Random) -> list[KeyValue]:
    route = f"/api/v2/orders/{r.randrange(200)}"
    return pairs(
        {
            "http.request.method": r.choice(["GET", "POST", "PUT", "DELETE"]),
            "http.route": route,
            "url.path": f"{route}/{r.randrange(100_000)}",
            "http.response.status_code": r.choice([200, 200, 200, 204, 404, 500]),
            "server.address": f"node-{r.randrange(50)}.internal",
            "server.port": 8080,
            "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64)",
            "enduser.id": f"user-{r.randrange(5000)}",
            "http.request.body.size": r.randrange(65536),
            "network.protocol.version": "1.1",
        }
    )


def request(r: random.Random, count: int) -> bytes:
    """An encoded Export request of HTTP server spans, as those of bench/sample."""
    name = f"service-{r.randrange(20)}"
    resource = pairs(
        {
            "service.name": name,
            "service.namespace": "shop",
            "service.instance.id": f"{name}-{r.randrange(4)}",
            "host.name": f"node-{r.randrange(50)}.internal",
            "telemetry.sdk.language": "python",
            "deployment.environment.name": "production",
        }
    )
    spans = [span(r, START + place * 1000) for place in range(count)]
    scope = InstrumentationScope(name="opentelemetry.instrumentation.flask", version="0.61b0")
    body = TracesData(
        resource_spans=[
            ResourceSpans(
                resource=Resource(attributes=resource), scope_spans=[ScopeSpans(scope=scope, spans=spans)]
            )
        ]
    )
    return bytes(body.SerializeToString())


def span(r: random.Random, start: int) -> Span:
    made = Span(
        trace_id=r.randbytes(16),
        span_id=r.randbytes(8),
        parent_span_id=r.randbytes(8),
        name=f"GET /api/v2/orders/{r.randrange(200)}",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=start,
        end_time_unix_nano=start + r.randrange(50_000_000),
        attributes=attributes(r),
    )
    if r.random() < 0.1:
        made.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="upstream timed out"))
    if r.random() < 0.2:
        made.events.add(
            time_unix_nano=start + 10,
            name="exception",
            attributes=pairs(
                {"exception.type": "TimeoutError", "exception.message": "no answer after 50 ms"}
            ),
        )
    if r.random() < 0.05:
        made.links.add(span_id=r.randbytes(8), trace_id=r.randbytes(16))
    return made


class Body:
    """A request whose times can be moved."""

    def __init__(self, body: bytes) -> None:
        self.body = bytearray(body)
        self.times = []
        for ours in TracesData.FromString(body).resource_spans[0].scope_spans[0].spans:
            for tag, value in ((b"\x39", ours.start_time_unix_nano), (b"\x41", ours.end_time_unix_nano)):
                place = body.index(tag + struct.pack("<Q", value), self.times[-1][0] if self.times else 0)
                self.times.append((place + 1, value))

    def at(self, later: int) -> bytes:
        for place, value in self.times:
            struct.pack_into("<Q", self.body, place, value + later)
        return bytes(self.body)


def write(library: OtlpLibrary, spans: int, small: bool) -> None:
    """A request each millisecond."""
    r, each = random.Random(1), 10 if small else 100
    bodies = [Body(request(r, each)) for _ in range(min(500, spans // each))]
    for number in range(spans // each):
        library.export_traces(bodies[number % len(bodies)].at(number * STEP))
        if small or number % 1000 == 999:
            library.flush()
    library.flush()


def plain(files: list[Path], threads: bool) -> pa.Table:
    """What pyarrow makes of the files by itself: dictionaries, and a chunk for each batch."""
    tables = []
    for file in files:
        with pa.memory_map(str(file)) as source:
            options = pa.ipc.IpcReadOptions(use_threads=threads)
            tables.append(pa.ipc.open_stream(source, options=options).read_all())
    return pa.concat_tables(tables)


def consume(batches: pa.RecordBatchReader) -> int:
    return sum(batch.num_rows for batch in batches)


def flat(table: pa.Table) -> list[str]:
    """The columns that pandas has types for: of maps and lists it would make Python objects."""
    return [field.name for field in table.schema if not pa.types.is_nested(field.type)]


def measure(directory: Path, library: OtlpLibrary, rounds: int) -> None:
    files = sorted((directory / "otlp" / "traces").glob("*.arrows"))
    whole = plain(files, False)
    rows, columns = whole.num_rows, flat(whole)
    first = int(whole["start_time_unix_nano"][0].value)
    del whole
    hundredth = {"since": first + rows // 2 * 10_000, "until": first + rows // 2 * 10_000 + rows * 100}
    ways: dict[str, Callable[[], object]] = {
        "pyarrow, threads": lambda: plain(files, True),
        "pyarrow, no threads": lambda: plain(files, False),
        "library.traces()": library.traces,
        "read_traces()": lambda: read_traces(directory),
        "  dictionaries=True": lambda: read_traces(directory, dictionaries=True),
        "  columns=5 of them": lambda: read_traces(directory, columns=COLUMNS),
        "  columns=attributes": lambda: read_traces(directory, columns=["attributes"]),
        "  service=, since=": lambda: read_traces(directory, service="service-7", since=START),
        "  1 % of the time": lambda: read_traces(directory, **hundredth),
        "read_batches()": lambda: consume(read_batches("traces", directory)),
        "pyarrow, to pandas": lambda: plain(files, False).select(columns).to_pandas(),
        "read_traces, to_pandas": lambda: to_pandas(read_traces(directory, columns=columns)),
    }
    taken: dict[str, list[float]] = {way: [] for way in ways}
    library.traces()  # the first to take so much memory pays for its pages, several times what it reads
    for turn in range(rounds):
        for way, read in random.Random(turn).sample(list(ways.items()), len(ways)):
            start = time.perf_counter()
            result = read()
            taken[way].append(time.perf_counter() - start)
            del result  # before the next one: only one of them has to fit
    lowest = {way: min(seconds) for way, seconds in taken.items()}
    size = sum(file.stat().st_size for file in files)
    found = read_traces(directory, **hundredth).num_rows
    print(f"{rows} spans in {len(files)} files of {size / 1e6:.0f} MB; {found} in 1 % of the time")
    for way, seconds in lowest.items():
        ratios = (seconds / lowest[f"pyarrow, {how}"] for how in ("no threads", "threads"))
        print(f"{way:22} {seconds:8.4f} s", *(f"{ratio:6.2f} x" for ratio in ratios))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory", nargs="?", type=Path)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        directory = options.directory or Path(scratch)
        with OtlpLibrary(output_dir=directory) as library:
            if not any((directory / "otlp" / "traces").glob("*.arrows")):
                write(library, options.spans, options.small)
            measure(directory, library, options.rounds)


if __name__ == "__main__":
    main()
