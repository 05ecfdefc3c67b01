"""The wheel as a user gets it: opens, takes an empty request, answers with empty tables, closes."""

import tempfile

from otlp_arrow import OtlpLibrary

with tempfile.TemporaryDirectory() as directory:
    with OtlpLibrary(output_dir=directory, otlp_grpc="127.0.0.1:0", otlp_http="127.0.0.1:0") as library:
        assert library.endpoints.otlp_grpc, library
        assert library.endpoints.otlp_http, library
        library.export_traces(b"")
        library.flush()
        for table in (library.traces(), library.logs(), library.metrics()):
            assert table.num_rows == 0, table
            assert "service_name" in table.schema.names, table.schema
    assert library.closed
print("smoke test: ok")
