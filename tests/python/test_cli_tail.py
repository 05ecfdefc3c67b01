import contextlib
import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from otlp_arrow import OtlpLibrary, cli, follow
from otlp_arrow._read.scan import scan
from otlp_arrow._read.select import Selection
from otlp_arrow.cli.lines import line


def log_request(*texts, severity=9, level="INFO", service="shop"):
    request = ExportLogsServiceRequest()
    of = request.resource_logs.add()
    of.resource.attributes.add(key="service.name").value.string_value = service
    scope = of.scope_logs.add()
    for place, text in enumerate(texts):
        record = scope.log_records.add(
            time_unix_nano=1_700_000_000_000_000_000 + place, severity_number=severity, severity_text=level
        )
        record.body.string_value = text
        record.attributes.add(key="n").value.int_value = place
    return request.SerializeToString()


@pytest.fixture
def written(tmp_path):
    with OtlpLibrary(output_dir=tmp_path) as library:
        yield library


def tail(capsys, *arguments):
    assert cli.main(["tail", *map(str, arguments), "--no-follow"]) == 0
    return capsys.readouterr().out.splitlines()


def test_the_last_lines_of_several_files(tmp_path, capsys):
    for texts in (["a", "b"], ["c"], ["d", "e"]):
        with OtlpLibrary(output_dir=tmp_path) as library:
            library.export_logs(log_request(*texts))
    assert tail(capsys, "logs", tmp_path, "-n", "4") == [
        "22:13:20.000 INFO  [shop] b n=1",
        "22:13:20.000 INFO  [shop] c n=0",
        "22:13:20.000 INFO  [shop] d n=0",
        "22:13:20.000 INFO  [shop] e n=1",
    ]
    assert len(tail(capsys, tmp_path)) == 5
    assert tail(capsys, tmp_path, "-n", "0") == []
    assert len(tail(capsys, tmp_path, "--since", "2023-01-01", "-n", "1")) == 5
    assert tail(capsys, tmp_path, "--since", "1m") == []


def test_the_last_of_many(tmp_path, capsys):
    """More rows than lines are made of at a time, in several batches of a file."""
    with OtlpLibrary(output_dir=tmp_path) as library:
        for start in range(0, 6000, 2000):
            library.export_logs(log_request(*(f"row {number}" for number in range(start, start + 2000))))
            library.flush()
    for flags in (["-n", "2500"], ["-n", "2500", "--grep", "ROW"]):
        found = tail(capsys, tmp_path, *flags)
        assert [text.split()[4] for text in found] == [str(number) for number in range(3500, 6000)]
    assert len(tail(capsys, tmp_path, "--grep", "row 1 n=")) == 1
    assert len(tail(capsys, tmp_path, "-n", "9000")) == 6000


@pytest.mark.parametrize(
    ("flags", "want"),
    [
        ([], "abc"),
        (["--service", "cart"], "c"),
        (["--severity", "warn"], "bc"),
        (["--errors"], "c"),
        (["--errors", "--severity", "fatal"], ""),
        (["--grep", "WARN"], "b"),
        (["--where", "attributes[n]=0", "--where", "body!=a"], "bc"),
    ],
)
def test_filters(written, tmp_path, capsys, flags, want):
    written.export_logs(log_request("a"))
    written.export_logs(log_request("b", severity=14, level="warn"))
    written.export_logs(log_request("c", severity=17, level="error", service="cart"))
    written.flush()
    found = tail(capsys, "logs", tmp_path, *flags, "--format", "json")
    assert "".join(json.loads(text)["body"] for text in found) == want


@pytest.fixture
def promoted(tmp_path):
    """Three files, of which the second has a column for the attribute n."""
    for text, files in (("first", {}), ("second", {"promote": ["n:int"]}), ("third", {})):
        with OtlpLibrary(output_dir=tmp_path, files=files) as library:
            library.export_logs(log_request(text))
    return tmp_path


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_column_that_only_some_files_have(promoted, capsys, format):
    for condition in ("n=0", "n<1"):
        (found,) = tail(capsys, "logs", promoted, "--where", condition, "--format", format)
        assert "second" in found
    assert tail(capsys, "logs", promoted, "--where", "n=1", "--format", format) == []


@pytest.mark.parametrize("flags", [[], ["-n", "0"], ["--format", "json"]])
def test_a_column_that_no_file_has(promoted, capsys, flags):
    assert cli.main(["tail", "logs", str(promoted), "--where", "m=0", "--no-follow", *flags]) == 2
    assert capsys.readouterr().err == "otlp-arrow: m=0: there is no column m\n"


def test_failed_spans_and_points(tmp_path, capsys):
    with OtlpLibrary(output_dir=tmp_path, otlp_grpc="127.0.0.1:0") as library:
        endpoint = ["--endpoint", f"http://{library.endpoints.otlp_grpc}"]
        assert cli.main(["send", "--generate", "traces", "--items", "500", *endpoint]) == 0
        assert cli.main(["send", "--generate", "metrics", "--items", "60", *endpoint]) == 0
    capsys.readouterr()
    failed = tail(capsys, "traces", tmp_path, "--errors", "-n", "500")
    assert 0 < len(failed) < 500
    assert all(" ERROR the upstream did not answer" in text for text in failed)
    points = tail(capsys, "metrics", tmp_path, "-n", "60")
    assert len(points) == 60
    assert any("[cart] http.server.request.duration count=" in text for text in points)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["spans", "dir"], "'spans' is none of traces, metrics, logs"),
        (["traces", "--severity", "warn"], "--severity is for logs"),
        (["metrics", "--errors"], "--errors is for traces and logs"),
    ],
)
def test_an_odd_command_line(capsys, arguments, told):
    assert cli.main(["tail", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_a_directory_that_is_not_there(capsys, tmp_path):
    assert cli.main(["tail", "logs", str(tmp_path / "none")]) == 1
    assert "is not a directory" in capsys.readouterr().err


def test_lines_in_colour():
    row = {"start_time_unix_nano": None, "service_name": None, "name": "x\x1b[2J", "status_code": "ERROR"}
    assert line("traces", row, colours=False) == "- [-] x\\u001b[2J ? ERROR"
    coloured = line("traces", row, colours=True)
    assert "\x1b[31mx\\u001b[2J\x1b[0m" in coloured
    row = {"severity_number": 0, "body": "b", "observed_time_unix_nano": "2026-01-02T03:04:05.000000000Z"}
    assert line("logs", row, colours=False) == "03:04:05.000 -     [-] b"
    row = {"metric_name": "m", "value": 1.0, "value_int": 1, "metric_unit": "s", "trace_id": None}
    assert line("metrics", row, colours=False) == "- [-] m 1 s"


# --- live, from another process ---


@contextlib.contextmanager
def following(*arguments):
    command = [sys.executable, "-m", "otlp_arrow.cli", "tail", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        with process:
            yield process
    finally:
        process.kill()


def test_live_until_ctrl_c(written, tmp_path):
    written.export_logs(log_request("before"))
    written.flush()
    with following("logs", tmp_path) as process:
        assert "before" in process.stdout.readline()
        written.export_logs(log_request("live"))
        written.flush()
        assert "live" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_file_that_lacks_a_column_does_not_end_it(promoted, format):
    with following("logs", promoted, "--where", "n=0", "--format", format) as process:
        assert "second" in process.stdout.readline()
        for text, files in (("without", {}), ("with", {"promote": ["n:int"]})):
            with OtlpLibrary(output_dir=promoted, files=files) as library:
                library.export_logs(log_request(text))
        assert "with" in (line := process.stdout.readline())
        assert "without" not in line
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


def test_a_closed_pipe_ends_it(written, tmp_path):
    """While nothing comes, too; and with what comes afterwards."""
    written.export_logs(log_request("before"))
    written.flush()
    with following("logs", tmp_path) as process:
        assert "before" in process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=30) == 0
        assert process.stderr.read() == ""


def test_printing_to_a_closed_pipe(tmp_path):
    read, write = os.pipe()
    os.close(read)
    with OtlpLibrary(output_dir=tmp_path) as library:
        library.export_logs(log_request("x"))
    command = [sys.executable, "-m", "otlp_arrow.cli"]
    for arguments in (["tail", "--no-follow", "logs", tmp_path], ["query", "logs", tmp_path], ["--help"]):
        done = subprocess.run(
            [*command, *map(str, arguments)], stdout=write, stderr=subprocess.PIPE, text=True, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, ""), arguments
    os.close(write)


def test_each_row_comes_once_whatever_is_written_meanwhile(tmp_path):
    """What was passed over, and what comes live, are together all rows; many files come meanwhile."""
    rows = [f"row {number}" for number in range(300)]
    with OtlpLibrary(output_dir=tmp_path, files={"rotate_bytes": 65536}) as library:
        library.export_logs(log_request("first"))
        library.flush()

        def write():
            for row in rows:
                library.export_logs(log_request(row))
                library.flush()

        writer = threading.Thread(target=write)
        writer.start()
        begun = []
        while writer.is_alive():
            follower = follow("logs", tmp_path, columns=["body"], interval=0.001)
            selection = Selection.of("logs", None, None, None, ["body"], False)
            tables = [table for part in follower.passed() for table in scan([part], selection)]
            begun.append((follower, [text for table in tables for text in table["body"].to_pylist()]))
        writer.join()
        for follower, seen in begun:
            with follower:
                while seen[-1] != rows[-1]:
                    seen += next(follower)["body"].to_pylist()
            assert seen == ["first", *rows]
    assert any(len(follower.passed()) > 1 for follower, _ in begun)
