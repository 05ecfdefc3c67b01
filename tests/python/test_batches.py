"""Reading batch by batch."""

import pyarrow as pa
import pytest

from otlp_arrow import ConfigError, InvalidDataError, IoError, OtlpLibrary, read_batches, read_traces
from otlp_arrow._read import scan as _scan


def test_batches_have_what_the_table_has(write, spans):
    write(spans(1, 2), seq=1)
    write(spans(3, http_route="/x"), spans(4, http_route="/y"), seq=2)
    out = write(spans(5, None, service="other"), seq=3)
    for options in (
        {},
        {"dictionaries": True},
        {"since": 2, "until": 5},
        {"service": "other"},
        {"columns": ["http_route", "name"]},
        {"columns": []},
        {"since": 100},
    ):
        reader = read_batches("traces", out, **options)
        assert isinstance(reader, pa.RecordBatchReader)
        table = read_traces(out, **options)
        assert reader.schema == table.schema
        batches = list(reader)
        assert all(batch.schema == table.schema for batch in batches)
        assert sum(batch.num_rows for batch in batches) == table.num_rows
        assert pa.Table.from_batches(batches, schema=table.schema).to_pylist() == table.to_pylist()


def test_rows_are_counted_without_columns(write, spans):
    write(spans(1, 2), seq=1)
    out = write(spans(3, http_route="/x"), spans(4, http_route="/y"), seq=2)
    for options, count in (({}, 4), ({"since": 2}, 3), ({"service": "other"}, 0)):
        reader = read_batches("traces", out, columns=[], **options)
        assert reader.schema.names == []
        assert sum(batch.num_rows for batch in reader) == count
        table = read_traces(out, columns=[], **options)
        assert (table.num_rows, table.num_columns) == (count, 0)


def test_only_a_few_files_are_read_ahead(write, spans, monkeypatch):
    for seq in range(1, 41):
        out = write(spans(seq), seq=seq)
    read = []
    monkeypatch.setattr(
        _scan, "map_part", lambda part, really=_scan.map_part: (read.append(part), really(part))[1]
    )
    reader = read_batches("traces", out)
    assert read == []
    assert reader.read_next_batch()["name"].to_pylist() == ["span 1"]
    assert len(read) <= 6
    assert sum(batch.num_rows for batch in reader) == 39
    assert len(read) == 40


def test_an_error_comes_in_its_turn(write, spans):
    out = write(spans(1), tail=b"", seq=1)
    write(spans(2), tail=b"", seq=2)
    damaged = sorted((out / "otlp" / "traces").iterdir())[1]
    damaged.write_bytes(damaged.read_bytes()[:-20])
    reader = read_batches("traces", out)
    assert reader.read_next_batch().num_rows == 1
    with pytest.raises(InvalidDataError, match=r"_2.arrows .+ is damaged"):
        reader.read_next_batch()


def test_arguments_are_checked(write, spans, tmp_path):
    out = write(spans(1))
    with pytest.raises(ConfigError, match="signal='spans': want traces, logs or metrics"):
        read_batches("spans", out)
    with pytest.raises(ConfigError, match="'nam' is in none of the files"):
        read_batches("traces", out, columns=["nam"])
    with pytest.raises(IoError, match="does not exist"):
        read_batches("traces", tmp_path / "nothing")


def test_of_a_library(library: OtlpLibrary, trace_request):
    assert library.batches("traces").read_all().num_rows == 0
    assert library.batches("traces").schema == library.traces().schema
    library.export_traces(trace_request("a", "b"))
    library.flush()
    library.export_traces(trace_request("c", service="other"))
    names = [name for batch in library.batches("traces") for name in batch["name"].to_pylist()]
    assert names == ["a", "b", "c"]
    (batch,) = library.batches("traces", service="other", columns=["name"])
    assert batch.to_pylist() == [{"name": "c"}]
