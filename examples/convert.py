"""OTLP/JSON, as the Collector's file exporter writes it, becomes Parquet: python convert.py DIRECTORY."""

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq

import otlp_arrow

directory = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
span = {
    "traceId": "5b8efff798038103d269b633813fc60c",
    "spanId": "eee19b7ec3c1b174",
    "name": "POST /orders",
    "kind": 2,
    "startTimeUnixNano": "1700000000000000000",
    "endTimeUnixNano": "1700000000250000000",
    "attributes": [{"key": "http.route", "value": {"stringValue": "/orders"}}],
}
line = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
(directory / "traces.json").write_text(f"{line}\n" * 3)

done = otlp_arrow.convert(
    directory / "traces.json", directory / "traces.parquet", promote=["http"], force=True
)
print(f"{done.messages} messages of {done.signal}, {done.bytes_read} -> {done.bytes_written} bytes")
print(
    pq.read_table(directory / "traces.parquet", columns=["name", "http_route", "duration_nano"]).to_pylist()[
        0
    ]
)

otlp_arrow.convert(directory / "traces.parquet", directory / "again.json", force=True)
print((directory / "again.json").read_text().count("POST /orders"), "spans came back")
