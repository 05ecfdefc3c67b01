"""Reads tables of a running library over Arrow Flight, and writes one into another library.

Run: python examples/flight.py. pyarrow.flight is all that a client needs; it may be on another machine.
"""

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.flight
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

from otlp_arrow import OtlpLibrary


def send(library: OtlpLibrary, *texts: str) -> None:
    data = LogsData()
    records = data.resource_logs.add().scope_logs.add().log_records
    for text in texts:
        records.add(time_unix_nano=time.time_ns()).body.string_value = text
    library.export_logs(data.SerializeToString())


def read(client: pyarrow.flight.FlightClient) -> None:
    everything = client.do_get(pyarrow.flight.Ticket(b"logs")).read_all()
    print(f"{everything.num_rows} log records, {everything.num_columns} columns")
    hour_ago = time.time_ns() - 3600 * 10**9
    ticket = {"signal": "logs", "since": hour_ago, "columns": ["body", "time_unix_nano"]}
    for chunk in client.do_get(pyarrow.flight.Ticket(json.dumps(ticket).encode())):
        print("bodies:", chunk.data.column("body").to_pylist())


def copy(source: pyarrow.flight.FlightClient, target: pyarrow.flight.FlightClient, signal: str) -> None:
    """Batch by batch, whatever the size of the table."""
    reader = source.do_get(pyarrow.flight.Ticket(signal.encode()))
    writer, results = target.do_put(pyarrow.flight.FlightDescriptor.for_path(signal), reader.schema)
    with writer:
        for chunk in reader:
            writer.write_batch(chunk.data)
            print("acknowledged:", json.loads(results.read().to_pybytes()))


def main() -> None:
    with (
        TemporaryDirectory() as scratch,
        OtlpLibrary(output_dir=Path(scratch, "first"), arrow="127.0.0.1:0") as first,
        OtlpLibrary(output_dir=Path(scratch, "second"), arrow="127.0.0.1:0") as second,
        pyarrow.flight.connect(f"grpc://{first.endpoints.arrow}") as source,
        pyarrow.flight.connect(f"grpc://{second.endpoints.arrow}") as target,
    ):
        send(first, "hello", "world")
        for info in source.list_flights():
            print(info.descriptor.path, "has", len(info.schema), "columns")
        read(source)
        copy(source, target, "logs")
        print("the second library has", second.logs()["body"].to_pylist())


if __name__ == "__main__":
    main()
