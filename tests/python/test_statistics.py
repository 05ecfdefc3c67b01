"""What a filter finds is what it leaves of everything, whatever batches say of themselves."""

from __future__ import annotations

import json
import random
import re
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, LogsData, ResourceLogs, ScopeLogs

from otlp_arrow import OtlpLibrary, follow, read_batches, read_logs
from otlp_arrow._handle import maintain
from otlp_arrow._read import ipc as _ipc
from otlp_arrow._read import scan as _scan
from otlp_arrow._read.files import find, map_part
from otlp_arrow._read.ipc import Stream, group_at
from otlp_arrow._read.select import TIMES

SERVICES = ["a", "b", "c", None]


def request(r, number):
    """A few log records around a time of some service: some without a time, some without any."""
    records = []
    for _ in range(r.randrange(1, 5)):
        record = LogRecord(body=AnyValue(string_value=f"{number}"))
        if r.random() < 0.8:
            record.time_unix_nano = number * 10 + r.randrange(15)
        if r.random() < 0.8:
            record.observed_time_unix_nano = number * 10 + r.randrange(30)
        records.append(record)
    made = ResourceLogs(scope_logs=[ScopeLogs(log_records=records)])
    service = r.choice(SERVICES)
    if service is not None:
        made.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value=service)))
    return LogsData(resource_logs=[made]).SerializeToString()


def fill(library, r, first=0, count=60):
    for number in range(first, first + count):
        library.export_logs(request(r, number))
        if r.random() < 0.4:
            library.flush()
    library.flush()


def expected(table, since, until, service):
    """What the documents say, computed from everything."""
    rows = []
    for time, observed, name, body in zip(
        table["time_unix_nano"].cast(pa.int64()).to_pylist(),
        table["observed_time_unix_nano"].cast(pa.int64()).to_pylist(),
        table["service_name"].to_pylist(),
        table["body"].to_pylist(),
        strict=True,
    ):
        at = observed if time is None else time
        if since is not None and (at is None or at < since):
            continue
        if until is not None and (at is None or at >= until):
            continue
        if service is not None and name not in service:
            continue
        rows.append((time, observed, name, body))
    return sorted(rows, key=str)


def check(source, r, tries):
    table = read_logs(source)
    for _ in range(tries):
        since = r.choice([None, r.randrange(700)])
        until = r.choice([None, r.randrange(700), None if since is None else since + r.randrange(30)])
        service = r.choice([None, [], ["a"], ["b", "none"], ["none"]])
        found = read_logs(source, since=since, until=until, service=service)
        assert expected(found, None, None, None) == expected(table, since, until, service)


@pytest.mark.parametrize("seed", range(4))
def test_a_filtered_read_is_a_full_one_filtered(tmp_path, seed):
    """Of files that are rotated, compacted, and written while they are read."""
    r = random.Random(seed)
    rotate = {"rotate_bytes": 65536}
    with OtlpLibrary(
        output_dir=tmp_path, files={"compression": r.choice(["lz4", "zstd"])} | rotate
    ) as library:
        fill(library, r)
        check(tmp_path, r, 30)
        wanted = {"command": "compact", "paths": [str(tmp_path)], "min_batches": 2}
        assert maintain(json.dumps(wanted).encode())["ok"]
        fill(library, r, 60, 5)
        check(tmp_path, r, 30)
        since = r.randrange(600)
        with follow("logs", tmp_path, since=since, service="a", timeout=0) as follower:
            followed = pa.Table.from_batches(list(follower))
        assert expected(followed, None, None, None) == expected(read_logs(tmp_path), since, None, ["a"])
    check(tmp_path, r, 10)


def stored(tmp_path, r):
    with OtlpLibrary(output_dir=tmp_path) as library:
        fill(library, r)
    (path,) = (tmp_path / "otlp" / "logs").iterdir()
    return path


def groups(path):
    (part,) = find("logs", path)
    stream = Stream(map_part(part))
    found, place = [], stream.begin
    while (group := group_at(stream.view, place)) is not None:
        found.append(group)
        place = group.end
    return found


def test_damaged_statistics_cost_no_rows(tmp_path):
    r = random.Random(5)
    path = stored(tmp_path, r)
    whole = path.read_bytes()
    assert all(group.statistics is not None for group in groups(path))
    places = [group.start + whole[group.start :].index(b'{"bytes":') for group in groups(path)]
    for turn in range(60):
        odd = bytearray(whole)
        for place in r.sample(places, r.choice([1, 3, len(places)])):
            at = place + r.randrange(-9, 60)
            odd[at] = r.choice([0, 0x20, 0x39, 0x7F, odd[at] ^ 1])
        path.write_bytes(odd)
        check(path, r, 3)
        assert read_logs(path).num_rows == sum(b.num_rows for b in read_batches("logs", path)), turn


def rewritten(whole, group, told):
    """A file in which a group's statistics are others, with the right checksum."""
    at = group.start + whole[group.start :].index(b'{"bytes":')
    old = whole[at : whole.index(b"}", at) + 1]
    text = json.dumps(json.loads(old) | told, separators=(",", ":")).encode()
    text = text[:-1] + b" " * (len(old) - len(text)) + b"}"
    assert len(text) == len(old)
    return whole[: at - 9] + b"%08x " % zlib.crc32(text) + text + whole[at + len(old) :]


@pytest.mark.parametrize(
    "told", [{"bytes": 0}, {"bytes": 1}, {"bytes": 10**11}, {"times": [1]}, {"times": 5}, {"services": 7}]
)
def test_statistics_of_another_form_cost_no_rows(tmp_path, told):
    r = random.Random(6)
    path = stored(tmp_path, r)
    whole, group = path.read_bytes(), groups(path)[1]
    before = read_logs(path)
    path.write_bytes(rewritten(whole, group, told))
    if told.get("bytes") == 1:  # it leads into the middle of the batch
        with pytest.raises(Exception, match="damaged"):
            read_logs(path)
        return
    assert read_logs(path).equals(before)
    check(path, r, 10)


def test_what_is_not_wanted_is_not_read(tmp_path, monkeypatch):
    r = random.Random(7)
    path = stored(tmp_path, r)
    decoded = []
    really = _scan.decode

    def decode(stream, ranges, selection):
        decoded.extend(ranges)
        return really(stream, ranges, selection)

    monkeypatch.setattr(_scan, "decode", decode)
    for options in ({"until": 100}, {"since": 550}, {"service": "b"}):
        decoded.clear()
        found = read_logs(path, **options)
        assert found.num_rows > 0
        assert 0 < sum(end - start for start, end in decoded) < path.stat().st_size / 1.2
    decoded.clear()
    assert read_logs(path, service="none").num_rows == 0
    assert read_logs(path, since=2**62).schema == read_logs(path).schema
    decoded.clear()
    assert read_logs(path, since=2**62, columns=["body"]).schema.names == ["body"]
    assert decoded == []


def test_files_without_statistics_are_read_whole(write, spans):
    out = write(spans(1, 2), spans(3))
    (part,) = find("traces", out)
    stream = Stream(map_part(part))
    assert group_at(stream.view, stream.begin).statistics is None
    table = read_batches("traces", out, since=3).read_all()
    assert pc.sum(table["start_time_unix_nano"].cast(pa.int64())).as_py() == 3


def test_heads_that_lead_nowhere(tmp_path):
    """Whatever bytes a head has: a message, the end, or an error of ours."""
    r = random.Random(8)
    path = stored(tmp_path, r)
    whole = path.read_bytes()[: groups(path)[2].start]
    begin = groups(path)[0].start
    for _ in range(3000):
        odd = bytearray(whole)
        for _ in range(r.choice([1, 2, 8])):
            odd[begin + r.randrange(600)] = r.choice([0, 1, 0x7F, 0x80, 0xFF, r.randrange(256)])
        place = begin
        try:
            while (group := group_at(odd, place)) is not None:
                assert place < group.end <= len(odd)
                place = group.end
        except _ipc.OddStreamError:
            pass


def test_the_times_are_the_cores() -> None:
    schema = Path(__file__).resolve().parents[2] / "gocore/internal/schema/schema.go"
    source = schema.read_text(encoding="utf-8")
    block = re.search(r"^var times = .*?^}", source, re.DOTALL | re.MULTILINE)
    assert block
    signals = re.findall(r"otlp\.(\w+):\s*\{(.*)\}", block[0])
    assert {signal.lower(): tuple(re.findall(r'"(\w+)"', names)) for signal, names in signals} == TIMES
