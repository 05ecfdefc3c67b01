"""Arrow Flight, with pyarrow.flight as the client."""

from __future__ import annotations

import base64
import json
import threading
import time

import pyarrow as pa
import pyarrow.flight as flight
import pytest
import trustme
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from otlp_arrow import OtlpLibrary

SIGNALS = ("traces", "metrics", "logs")
START = 1_700_000_000_000_000_000


def opened(directory, **options):
    return OtlpLibrary(output_dir=directory, arrow="127.0.0.1:0", **options)


@pytest.fixture
def library(tmp_path):
    with opened(tmp_path / "first") as library:
        yield library


def connect(library, **options):
    return flight.connect(f"grpc://{library.endpoints.arrow}", **options)


@pytest.fixture
def client(library):
    with connect(library) as client:
        yield client


def get(client, ticket, *options):
    ticket = ticket if isinstance(ticket, str) else json.dumps(ticket)
    return client.do_get(flight.Ticket(ticket.encode()), *options).read_all()


def put(client, signal, table, *options):
    """Sends a table batch by batch; returns what was acknowledged."""
    descriptor = flight.FlightDescriptor.for_path(signal)
    writer, results = client.do_put(descriptor, table.schema, *options)
    acks = []
    with writer:
        for batch in table.to_batches():
            writer.write_batch(batch)
            acks.append(json.loads(results.read().to_pybytes()))
        writer.done_writing()
        assert results.read() is None
    return acks


# --- requests of many shapes ---


def attributes():
    values = (
        AnyValue(string_value="x\0"),
        AnyValue(int_value=-(2**63)),
        AnyValue(double_value=float("inf")),
        AnyValue(bool_value=False),
        AnyValue(bytes_value=b"\xff\0"),
        AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue()])),
        AnyValue(),
        None,
    )
    return [KeyValue(key=f"k{n}", value=value) for n, value in enumerate(values)] + [KeyValue(key="k0")]


def traces(count=3):
    data = TracesData()
    for number in range(2):
        resource = data.resource_spans.add(schema_url=f"url {number}")
        resource.resource.attributes.add(key="service.name").value.string_value = f"shop {number}"
        spans = resource.scope_spans.add().spans
        for n in range(count):
            span = spans.add(name=f"span {n}", trace_id=b"t" * 16, span_id=n.to_bytes(8, "big"))
            span.attributes.extend(attributes())
            span.start_time_unix_nano, span.end_time_unix_nano = START + n, 2**64 - 1
            event = span.events.add(name="event", time_unix_nano=1)
            event.attributes.extend(attributes())
            span.links.add(trace_id=b"l" * 16, trace_state="a=b").attributes.extend(attributes())
    return data.SerializeToString()


def metrics(count=3):
    data = MetricsData()
    made = data.resource_metrics.add().scope_metrics.add().metrics
    for n in range(count):
        made.add(name="gauge", unit="s").gauge.data_points.add(as_int=n).attributes.extend(attributes())
        summed = made.add(name="sum", metadata=attributes()).sum
        summed.is_monotonic, summed.aggregation_temporality = True, 2
        exemplar = summed.data_points.add(as_double=0.1, time_unix_nano=START).exemplars.add(as_int=1)
        exemplar.filtered_attributes.extend(attributes())
        point = made.add(name="histogram").histogram.data_points.add(count=2**63, sum=float("-inf"))
        point.bucket_counts.extend([1, 2**64 - 1])
        point.explicit_bounds.append(0.5)
        exponential = made.add(name="exponential").exponential_histogram.data_points.add(scale=-3)
        exponential.positive.bucket_counts.extend([1, 2])
        made.add(name="summary").summary.data_points.add(sum=n).quantile_values.add(quantile=0.5, value=2)
    return data.SerializeToString()


def logs(count=3):
    data = LogsData()
    records = data.resource_logs.add().scope_logs.add().log_records
    for n in range(count):
        record = records.add(time_unix_nano=START + n, severity_number=9, severity_text="INFO")
        record.body.CopyFrom(attributes()[n % 6].value)
        record.attributes.extend(attributes())
    return data.SerializeToString()


REQUESTS = {"traces": traces, "metrics": metrics, "logs": logs}


def export(library, signal, count=3):
    getattr(library, f"export_{signal}")(REQUESTS[signal](count))


def stored(library, signal):
    return getattr(library, signal)(dictionaries=True)


# --- reading and writing ---


@pytest.mark.parametrize("signal", SIGNALS)
def test_from_one_library_into_another(library, client, tmp_path, signal):
    for _ in range(3):
        export(library, signal)
        library.flush()
    table = get(client, signal)
    assert table.equals(stored(library, signal))
    assert table.schema.metadata[b"otlp_arrow.signal"] == signal.encode()
    with opened(tmp_path / "second") as second, connect(second) as other:
        acks = put(other, signal, table)
        assert acks == [{"batch": n, "rows": table.num_rows // 3} for n in range(3)]
        assert stored(second, signal).combine_chunks().equals(table.combine_chunks())
        plain = getattr(library, signal)()  # text instead of dictionaries
        put(other, signal, plain)
        assert getattr(second, signal)().equals(pa.concat_tables([plain, plain]))


@pytest.mark.parametrize("signal", SIGNALS)
def test_acknowledged_rows_are_there_at_once(library, client, signal):
    assert get(client, signal).num_rows == 0
    for number in range(1, 4):
        export(library, signal)
        once = get(client, signal)
        assert once.num_rows == number * (15 if signal == "metrics" else 6 if signal == "traces" else 3)
        assert get(client, signal).equals(once)


def test_rows_put_are_there_at_once(library, client):
    export(library, "logs")
    table = get(client, "logs")
    put(client, "logs", table)
    assert get(client, "logs").num_rows == 2 * table.num_rows


def test_selections(library, client):
    for _ in range(2):
        export(library, "traces", 10)
        library.flush()
    for ours, theirs in (
        ({}, {}),
        ({"since": START + 3}, {"since": START + 3}),
        (
            {"since": "2023-11-14T22:13:20.000000003Z", "until": START + 5},
            {"since": START + 3, "until": START + 5},
        ),
        ({"service": "shop 1"}, {"service": "shop 1"}),
        ({"service": ["shop 0", "x"], "until": START + 1}, {"service": ["shop 0", "x"], "until": START + 1}),
        ({"columns": ["events", "name", "name"]}, {"columns": ["events", "name"]}),
        ({"service": [], "columns": ["attributes"]}, {"service": [], "columns": ["attributes"]}),
    ):
        got = get(client, {"signal": "traces", **ours}).combine_chunks()
        want = library.traces(dictionaries=True, **theirs).combine_chunks()
        assert got.num_rows == want.num_rows, ours
        assert got.schema.equals(want.schema), ours
        assert got.to_pylist() == want.to_pylist(), ours


def test_flight_info(library, client):
    export(library, "logs")
    listed = list(client.list_flights())
    assert [info.descriptor.path for info in listed] == [[s.encode()] for s in SIGNALS]
    assert listed[2].schema.equals(library.logs(dictionaries=True).schema)
    command = flight.FlightDescriptor.for_command(b'{"signal": "logs", "columns": ["body"], "until": 5}')
    info = client.get_flight_info(command)
    assert client.get_schema(command).schema.names == info.schema.names == ["body"]
    (endpoint,) = info.endpoints
    assert endpoint.locations == []  # here
    assert client.do_get(endpoint.ticket).read_all().num_rows == 0
    assert (info.total_records, info.total_bytes) == (-1, -1)


def test_promoted_columns_of_other_days(tmp_path):
    with opened(tmp_path, files={"promote": ["k1:int"]}) as first:
        export(first, "logs")
    with opened(tmp_path, files={"promote": ["k3:bool"]}) as second, connect(second) as client:
        export(second, "logs")
        table = get(client, "logs")
        assert table.column("k1").to_pylist() == [-(2**63)] * 3 + [None] * 3
        assert table.column("k3").to_pylist() == [None] * 3 + [False] * 3
        put(client, "logs", table)  # promoted columns are copies, and made anew
        assert get(client, "logs").column("k3").to_pylist() == [None] * 3 + [False] * 9


def test_errors_name_what_is_wrong(library, client):
    text = pa.array(["x"])
    for ask, told in (
        (lambda: get(client, "spans"), "spans"),
        (lambda: get(client, {"signal": "logs", "columns": ["bodi"]}), "bodi"),
        (lambda: get(client, {"signal": "logs", "limit": 5}), "limit"),
        (lambda: client.get_flight_info(flight.FlightDescriptor.for_path("logs", "x")), "a path of 2 parts"),
        (lambda: put(client, "spans", pa.table({"name": text})), "spans"),
        (lambda: put(client, "logs", pa.table({"body_type": text, "bodi": text})), "bodi: the table of logs"),
        (lambda: put(client, "logs", pa.table({"body": text})), "no column body_type"),
        (lambda: put(client, "logs", pa.table({"body_type": [1]})), "batch 0: body_type: "),
    ):
        with pytest.raises((pa.ArrowInvalid, flight.FlightError), match=told):
            ask()
    assert library.logs().num_rows == 0


def test_what_was_accepted_before_an_error_stays(library, client):
    export(library, "logs")
    good = get(client, "logs").to_batches()[0]
    letters = pa.array(["?"] * 3).dictionary_encode()
    bad = good.set_column(good.schema.get_field_index("body_type"), good.schema.field("body_type"), letters)
    writer, results = client.do_put(flight.FlightDescriptor.for_path("logs"), good.schema)
    writer.write_batch(good)
    assert json.loads(results.read().to_pybytes()) == {"batch": 0, "rows": 3}
    writer.write_batch(bad)
    with pytest.raises(pa.ArrowInvalid, match="batch 1: body"):
        writer.close()
    assert library.logs().num_rows == 6


def test_a_client_that_reads_acknowledgements_only_at_the_end(library, client):
    export(library, "logs")
    batch = get(client, "logs").to_batches()[0].slice(0, 1)
    writer, results = client.do_put(flight.FlightDescriptor.for_path("logs"), batch.schema)
    for _ in range(3000):
        writer.write_batch(batch)
    writer.done_writing()
    acks = [json.loads(results.read().to_pybytes()) for _ in range(3000)]
    assert acks[-1] == {"batch": 2999, "rows": 1}
    writer.close()
    assert library.logs().num_rows == 3003


# --- at the same time ---


def test_while_files_rotate_and_are_compacted(tmp_path):
    """Each read has every span that was acknowledged before it exactly once."""
    files = {"rotate_bytes": 65536, "compact_after_rotation": True}
    with opened(tmp_path, files=files, write_interval_secs=1) as library:
        acknowledged, done, wrong = 0, threading.Event(), []

        def read(columns):
            with connect(library) as client:
                while not done.is_set():
                    before = acknowledged
                    ticket = {"signal": "traces"} | ({"columns": columns} if columns else {})
                    seen = get(client, ticket).column("name").to_pylist()
                    if len(seen) != len(set(seen)) or len(seen) < before:
                        wrong.append((before, len(seen), len(set(seen))))

        readers = [threading.Thread(target=read, args=(c,)) for c in (None, None, ["span_id", "name"])]
        for reader in readers:
            reader.start()
        end = time.monotonic() + 8
        while time.monotonic() < end:
            data = TracesData()
            spans = data.resource_spans.add().scope_spans.add().spans
            for n in range(500):
                spans.add(name=f"span {acknowledged + n}", trace_id=b"t" * 16, span_id=b"s" * 8)
            library.export_traces(data.SerializeToString())
            acknowledged += 500
            time.sleep(0.02)
        done.set()
        for reader in readers:
            reader.join()
        assert wrong == []
        assert library.traces().num_rows == acknowledged
        assert len(list(tmp_path.glob("otlp/traces/*.arrows"))) > 3


def test_a_large_table_and_a_reader_that_leaves(tmp_path):
    with opened(tmp_path, metrics="127.0.0.1:0", limits={"max_inflight_bytes": 1 << 27}) as library:
        body = traces(1000)
        for _ in range(50):
            library.export_traces(body)
        with connect(library) as client:
            whole = get(client, "traces")
            assert whole.num_rows == 100_000
            for _ in range(20):
                reader = client.do_get(flight.Ticket(b"traces"))
                reader.read_chunk()
                reader.cancel()
            assert get(client, "traces").num_rows == 100_000
            put(client, "traces", whole)
            assert get(client, {"signal": "traces", "columns": []}).num_rows == 200_000


# --- keys and TLS ---


class Handler(flight.ClientAuthHandler):
    def __init__(self, payload):
        super().__init__()
        self.payload, self.token = payload, b""

    def authenticate(self, outgoing, incoming):
        outgoing.write(self.payload)
        self.token = incoming.read()

    def get_token(self):
        return self.token


def headers(*pairs):
    return flight.FlightCallOptions(headers=[(name, value) for name, value in pairs])


@pytest.fixture
def guarded(tmp_path):
    auth = {"api_keys": ["the-key"], "bearer_tokens": ["the-token"]}
    section = {"enabled": True, "endpoint": "127.0.0.1:0", "auth": auth}
    with OtlpLibrary(output_dir=tmp_path / "guarded", arrow=section) as library:
        yield library


def test_keys_in_headers(guarded):
    with connect(guarded) as client:
        basic = base64.b64encode(b"anyone:the-token")
        for name, value in (
            (b"x-api-key", b"the-key"),
            (b"authorization", b"Bearer the-token"),
            (b"authorization", b"Basic " + basic),
        ):
            export(guarded, "logs")
            table = get(client, "logs", headers((name, value)))
            put(client, "logs", table, headers((name, value)))
        for options in (headers(), headers((b"x-api-key", b"x")), headers((b"authorization", b"Bearer x"))):
            for ask in (
                lambda options=options: get(client, "logs", options),
                lambda options=options: list(client.list_flights(options=options)),
                lambda options=options: put(client, "logs", table, options),
            ):
                with pytest.raises(flight.FlightUnauthenticatedError, match=r"the key|no key"):
                    ask()


def test_basic_handshake(guarded):
    with connect(guarded) as client:
        for password in (b"the-token", b"the-key"):
            token = client.authenticate_basic_token(b"anyone", password)
            assert token == (b"authorization", b"Bearer " + password)
            assert get(client, "logs", headers(token)).num_rows == 0
        with pytest.raises(flight.FlightUnauthenticatedError):
            client.authenticate_basic_token(b"the-token", b"wrong")


@pytest.mark.parametrize("payload", [b"the-token", flight.BasicAuth(b"anyone", b"the-key").serialize()])
def test_handshake_with_a_handler(guarded, payload):
    with connect(guarded) as client:
        client.authenticate(Handler(payload))
        assert get(client, "logs").num_rows == 0
        with pytest.raises(flight.FlightUnauthenticatedError):
            client.authenticate(Handler(b"wrong"))


def test_handshake_where_no_key_is_needed(client):
    token = client.authenticate_basic_token(b"anyone", b"anything")
    assert get(client, "logs", headers(token)).num_rows == 0


def test_tls(tmp_path):
    authority = trustme.CA()
    served = authority.issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    served.cert_chain_pems[0].write_to_path(str(cert))
    served.private_key_pem.write_to_path(str(key))
    key.chmod(0o600)
    section = {
        "enabled": True,
        "endpoint": "127.0.0.1:0",
        "tls": {"cert_file": str(cert), "key_file": str(key)},
        "auth": {"bearer_tokens": ["the-token"]},
    }
    with OtlpLibrary(output_dir=tmp_path / "out", arrow=section) as library:
        export(library, "traces")
        url, token = f"grpc+tls://{library.endpoints.arrow}", (b"authorization", b"Bearer the-token")
        with flight.connect(url, tls_root_certs=authority.cert_pem.bytes()) as client:
            assert get(client, "traces", headers(token)).num_rows == 6
        stranger = trustme.CA().cert_pem.bytes()
        with (
            flight.connect(url, tls_root_certs=stranger) as client,
            pytest.raises(flight.FlightUnavailableError),
        ):
            get(client, "traces", headers(token))
