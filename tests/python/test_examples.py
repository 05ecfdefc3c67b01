"""What the README and examples/ tell users to run, run."""

import json
import re
import subprocess
import sys
import urllib.request

import pytest

from otlp_arrow import OtlpLibrary, read_logs, read_traces


def run(*arguments, cwd):
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments], cwd=cwd, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def readme(repository):
    return (repository / "README.md").read_text()


def test_quick_start(repository, tmp_path):
    out = run(repository / "examples" / "quickstart.py", tmp_path, cwd=tmp_path)
    assert "traces: 5 rows" in out
    assert "logs: 5 rows" in out
    assert "order 4 was paid" in out
    assert "metrics: 1 rows" in out
    (paid,) = set(read_logs(tmp_path)["severity_text"].to_pylist())
    assert paid == "WARN"


def test_forwarding(repository, tmp_path):
    out = run(repository / "examples" / "forwarding.py", cwd=tmp_path)
    assert "has 6 records" in out
    assert out.count("message 2") == 2
    assert sorted(read_logs(tmp_path / "edge")["body"].to_pylist()) == ["message 0", "message 1", "message 2"]


def test_otap(repository, tmp_path):
    out = run(repository / "examples" / "otap.py", cwd=tmp_path)
    assert "100 spans sent, 100 arrived, equal: True" in out
    assert "100 spans came back" in out
    assert (tmp_path / "traces.otap").stat().st_size < 10_000


def test_conversion(repository, tmp_path):
    out = run(repository / "examples" / "convert.py", tmp_path, cwd=tmp_path)
    assert "3 messages of traces" in out
    assert "'http_route': '/orders', 'duration_nano': 250000000" in out
    assert "3 spans came back" in out


def test_flight(repository, tmp_path):
    out = run(repository / "examples" / "flight.py", cwd=tmp_path)
    assert "2 log records, 28 columns" in out
    assert "bodies: ['hello', 'world']" in out
    assert "acknowledged: {'batch': 0, 'rows': 2}" in out
    assert "the second library has ['hello', 'world']" in out


def test_reading(repository, tmp_path):
    out = run(repository / "examples" / "reading.py", tmp_path, cwd=tmp_path)
    assert "came live: ['POST /orders', 'POST /orders', 'POST /orders', 'charge', 'charge', 'charge']" in out
    assert "2 spans, 1 service" in out
    assert "└─ charge  [shop]" in out
    assert "✗ ERROR: card refused" in out
    assert "status: int64 [200, 200, 500]" in out
    assert "failed: ['/orders']" in out
    assert "{'name': 'charge', 'spans': 3, 'took_time': True}" in out
    assert "pandas: Int64 32 hex digits" in out
    assert "batch by batch: 6 spans" in out


def test_python_of_the_readme(readme, tmp_path):
    (code,) = re.findall(r"```python\n(.+?)```", readme, re.DOTALL)
    assert "'name': 'POST /orders'" in run("-c", code, cwd=tmp_path)
    assert read_traces(tmp_path / "telemetry").num_rows == 1


def test_curl_of_the_readme(readme, library: OtlpLibrary):
    (path, body) = re.findall(r"curl .+http://127.0.0.1:4318(\S+) -d '(.+?)'", readme, re.DOTALL)[0]
    request = urllib.request.Request(
        f"http://{library.endpoints.otlp_http}{path}", body.encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer) == {}
    assert library.logs()["body"].to_pylist() == ["hello"]
