"""What the tests of a run sent: the slowest operations, and how each test ended."""

import json
import sys
from pathlib import Path

import duckdb

from otlp_arrow import read_traces

run = Path(sys.argv[1])
spans = read_traces(run)
print(
    duckdb.sql("""
    select service_name, name, count(*) as spans, max(duration_nano) / 1e6 as slowest_ms,
           count(*) filter (status_code = 'ERROR') as errors
    from spans group by all order by slowest_ms desc
""")
)

for tests in run.glob("tests_*.jsonl"):
    for line in tests.read_text().splitlines():
        test = json.loads(line)
        files = [run / file for file in test["files"] if "/traces/" in file]
        count = read_traces(files).num_rows if files else 0
        print(f"{test['outcome']}  {count} spans  {test['test']}")
