from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from otlp_arrow import ConfigError, OtlpArrowError, _work, cli, read_traces
from otlp_arrow.cli import logs, serve, settings


@pytest.fixture(autouse=True)
def restored():
    """The logger and signal handlers that a command in this process changes."""
    logger = logging.getLogger("otlp_arrow")
    before = logger.handlers[:], logger.propagate, logger.level
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    logger.handlers[:], logger.propagate, logger.level = before
    for number, handler in handlers.items():
        signal.signal(number, handler)


def sources_of(core, call=0):
    return json.loads([arguments[0] for name, arguments in core.calls if name == "oa_resolve"][call])


def test_flags_become_assignments_in_their_order(core, capsys):
    core.answers["oa_resolve"] = (0, {"output_dir": "/x"})
    flags = "--config c.yaml --set a.b=1 --output-dir d --otlp-grpc off --set output_dir=e --otlp-http :1"
    more = ["--log-level", "warn", "--log-format", "json", "--set", "a.c=x=y", "--set", 'a.d=["http"]']
    more += ["--arrow", "off", "--health", "off", "--metrics", ":2"]
    assert cli.main(["print-config", *flags.split(), *more]) == 0
    assert json.loads(capsys.readouterr().out) == {"output_dir": "/x"}
    sources = sources_of(core)
    assert sources["file"] == "c.yaml"
    assert sources["embedded"] is False
    assert sources["values"] == {}
    assert sources["set"] == [
        "a.b=1",
        'output_dir="d"',
        "otlp_grpc.enabled=false",
        "output_dir=e",
        "otlp_http.enabled=true",
        'otlp_http.endpoint=":1"',
        'log.level="warn"',
        'log.format="json"',
        "a.c=x=y",
        'a.d=["http"]',
        "arrow.enabled=false",
        "health.enabled=false",
        "metrics.enabled=true",
        'metrics.endpoint=":2"',
    ]


def test_commands_do_not_share_assignments(core):
    core.answers["oa_resolve"] = (0, {})
    for value in ("a", "b"):
        assert cli.main(["print-config", "--output-dir", value]) == 0
    assert sources_of(core, 1)["set"] == ['output_dir="b"']


def test_every_fault_is_a_line(core, capsys):
    core.answers["oa_resolve"] = (9, "a: no such key\nb: want 1-3600")
    assert cli.main(["validate", "c.yaml"]) == 2
    captured = capsys.readouterr()
    assert captured.err == "otlp-arrow: a: no such key\notlp-arrow: b: want 1-3600\n"
    assert captured.out == ""


def test_an_odd_assignment_is_a_fault(core, capsys):
    assert cli.main(["print-config", "--set", "x"]) == 2
    assert capsys.readouterr().err == "otlp-arrow: --set x: want KEY.PATH=VALUE\n"


def test_other_errors_end_with_1(core, capsys):
    core.answers |= {"oa_resolve": (0, {"output_dir": "/x"}), "oa_open": (10, "listen: address in use")}
    assert cli.main(["serve"]) == 1
    assert capsys.readouterr().err == "otlp-arrow: listen: address in use\n"


def test_a_closed_pipe_is_no_fault(core, monkeypatch, capfd):
    """Standard output then goes nowhere, or Python would tell of it at its end."""
    moved = []
    monkeypatch.setattr(os, "dup2", lambda to, at: moved.append(at))
    monkeypatch.setattr(settings, "sources", lambda options: (_ for _ in ()).throw(BrokenPipeError))
    assert cli.main(["print-config"]) == 0
    assert moved == [sys.stdout.fileno()]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("abandoned", [[], ["a call"]])
def test_an_interruption(core, monkeypatch, capsys, abandoned):
    """The process does not wait for a call that cannot be ended."""
    exits = []
    monkeypatch.setattr(os, "_exit", exits.append)
    monkeypatch.setattr(_work, "abandoned", abandoned)
    monkeypatch.setattr(settings, "sources", lambda options: (_ for _ in ()).throw(KeyboardInterrupt))
    assert cli.main(["print-config"]) == 130
    assert exits == [130] * len(abandoned)
    assert capsys.readouterr().err == "otlp-arrow: interrupted\n"


def test_help_loads_nothing_heavy():
    code = """
import sys
from otlp_arrow import cli
try:
    cli.main(sys.argv[1:])
except SystemExit as end:
    assert end.code == 0
heavy = {"pyarrow", "numpy", "ctypes", "otlp_arrow._abi", "otlp_arrow.library", "duckdb"} & set(sys.modules)
assert not heavy, heavy
"""
    for arguments in (["--help"], ["query", "--help"], ["tail", "--help"], ["completion", "bash"]):
        subprocess.run([sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.DEVNULL)


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("otlp-arrow ")


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["serve", "--log-level", "loud"]])
def test_an_odd_command_line_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: otlp-arrow" in capsys.readouterr().err


def test_serve_tells_that_it_is_ready_and_drains(core, capsys, tmp_path):
    ready = tmp_path / "ready.json"
    core.answers |= {
        "oa_resolve": (0, {"output_dir": "/x", "log": {"level": "warn", "format": "json"}}),
        "oa_endpoints": (0, {"otlp_grpc": "127.0.0.1:4317", "otlp_http": "", "health": "127.0.0.1:13133"}),
        "oa_close": [(8, "draining"), 0],
    }

    def stop():
        while not ready.exists():
            time.sleep(0.01)
        seen.append(ready.read_text())
        os.kill(os.getpid(), signal.SIGTERM)

    seen = []
    thread = threading.Thread(target=stop, daemon=True)
    thread.start()
    assert cli.main(["serve", "--ready-file", str(ready)]) == 0
    thread.join(5)
    out = capsys.readouterr().out
    assert json.loads(out) == {
        "event": "ready",
        "pid": os.getpid(),
        "endpoints": {
            "otlp_grpc": "127.0.0.1:4317",
            "otlp_http": None,
            "arrow": None,
            "health": "127.0.0.1:13133",
            "metrics": None,
        },
        "output_dir": "/x",
    }
    assert seen == [out]
    assert not ready.exists()
    assert [name for name, _ in core.calls].count("oa_close") == 2
    assert logging.getLogger("otlp_arrow").level == logging.WARNING


def test_a_second_signal_forces_the_end(monkeypatch):
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    stop = serve._stop_on_signal()
    os.kill(os.getpid(), signal.SIGINT)
    assert stop.wait(1)
    assert codes == []
    os.kill(os.getpid(), signal.SIGTERM)
    assert codes == [1]


@pytest.mark.parametrize("style", ["text", "json"])
def test_log_lines(style):
    record = logging.makeLogRecord(
        {
            "created": 1767323045.5,
            "levelno": logging.WARNING,
            "levelname": "WARNING",
            "msg": "full dir=/x",
            "text": "full",
            "fields": {"dir": "/x"},
        }
    )
    line = logs.Format(style).format(record)
    if style == "text":
        assert line == "2026-01-02T03:04:05.500Z WARN  full dir=/x"
    else:
        want = {"time": "2026-01-02T03:04:05.500Z", "level": "WARN", "msg": "full", "dir": "/x"}
        assert json.loads(line) == want


def test_a_log_line_moves_no_cursor():
    record = logging.makeLogRecord({"msg": "refused name=%s", "args": ("a\x1b[2J\nb\x9b31m",)})
    assert logs.Format("text").format(record).endswith(" refused name=a\\u001b[2J\\nb\\u009b31m")


@pytest.mark.parametrize(
    ("kind", "code", "begin"), [(ConfigError, 2, "otlp-arrow: "), (OtlpArrowError, 1, "")]
)
def test_a_fault_moves_no_cursor_and_keeps_its_lines(monkeypatch, capsys, kind, code, begin):
    def fail(_):
        raise kind("no such thing: a\x1b[2J\n  \x9b31m")

    monkeypatch.setattr(settings, "_print_config", fail)
    assert cli.main(["print-config"]) == code
    assert capsys.readouterr().err == f"otlp-arrow: no such thing: a\\u001b[2J\n{begin}  \\u009b31m\n"


# --- with the native library ---


@contextlib.contextmanager
def killed(process):
    """Ends a process that a failing test left running, for which Popen would wait without end."""
    try:
        yield
    finally:
        process.kill()


COMMAND = [sys.executable, "-m", "otlp_arrow.cli"]


def test_serve_from_start_to_sigterm(tmp_path, trace_request):
    import urllib.request

    command = [*COMMAND, "serve", "--output-dir", str(tmp_path), "--log-format", "json"]
    command += ["--otlp-grpc", "off", "--otlp-http", "127.0.0.1:0", "--set", "write_interval_secs=3600"]
    command += ["--arrow", "127.0.0.1:0", "--health", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process, killed(process):
        ready = json.loads(process.stdout.readline())
        assert ready["pid"] == process.pid
        assert ready["endpoints"]["otlp_grpc"] is None
        request = urllib.request.Request(
            f"http://{ready['endpoints']['otlp_http']}/v1/traces",
            data=trace_request("served"),
            headers={"Content-Type": "application/x-protobuf"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200
        with urllib.request.urlopen(f"http://{ready['endpoints']['health']}/readyz", timeout=10) as answer:
            assert answer.read() == b"ok\n"
        with urllib.request.urlopen(f"http://{ready['endpoints']['metrics']}/metrics", timeout=10) as answer:
            accepted = b'otlp_arrow_receiver_accepted_items_total{signal="traces",transport="http"} 1'
            assert accepted in answer.read().splitlines()
        process.terminate()
        _, logs = process.communicate(timeout=30)
    assert process.returncode == 0, logs
    assert all(json.loads(line)["level"] for line in logs.splitlines())
    assert read_traces(ready["output_dir"])["name"].to_pylist() == ["served"]


def test_validate_and_print_config(tmp_path):
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("write_interval_secs: 7\n")
    bad.write_text("write_interval_secs: 0\ncolour: red\n")

    def run(*arguments):
        return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60)

    done = run("validate", good)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr
    done = run("validate", bad)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 2), done.stderr
    assert "colour" in done.stderr
    done = run("serve", "--config", bad)
    assert (done.returncode, done.stdout) == (2, "")
    done = run("print-config", "--config", good, "--set", "files.compression=zstd")
    shown = json.loads(done.stdout)
    assert shown["write_interval_secs"] == 7
    assert shown["files"]["compression"] == "zstd"


@pytest.mark.parametrize(
    ("flags", "key", "want"),
    [
        (["--output-dir", "a", "--set", "output_dir=b"], "output_dir", "b"),
        (["--set", "output_dir=b", "--output-dir", "a"], "output_dir", "a"),
        (["--output-dir", '{"a":1}'], "output_dir", '{"a":1}'),
        (["--set", "write_interval_secs=1e1"], "write_interval_secs", 10),
        (["--set", "write_interval_secs=10.0"], "write_interval_secs", 10),
        (
            ["--set", 'log={"level":"warn"}', "--set", "log.format=json"],
            "log",
            {"format": "json", "level": "warn"},
        ),
    ],
)
def test_the_last_flag_wins(capsys, flags, key, want):
    assert cli.main(["print-config", *flags]) == 0
    assert json.loads(capsys.readouterr().out)[key] == want


def test_a_list_may_have_commas(capsys):
    assert cli.main(["print-config", "--set", "otlp_http.cors_allowed_origins=https://a.example,*"]) == 0
    origins = json.loads(capsys.readouterr().out)["otlp_http"]["cors_allowed_origins"]
    assert origins == ["https://a.example", "*"]


def test_no_assignment_is_forgotten(capsys):
    assert cli.main(["print-config", "--set", "otlp_grpc=1", "--set", "otlp_grpc.enabled=false"]) == 2
    assert "otlp_grpc: 1 is not a mapping of settings" in capsys.readouterr().err


# --- doctor and compact ---


def test_maintenance_asks_the_core(core, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    core.answers["oa_maintain"] = (0, {"ok": True, "text": "fine\n", "report": {"healthy": True}})
    assert cli.main(["doctor", "d", "--repair", "--config", "c.yaml"]) == 0
    assert cli.main(["compact", "d", "e", "--signal", "logs", "--min-batches", "3", "--json"]) == 0
    assert capsys.readouterr().out == 'fine\n{\n  "healthy": true\n}\n'
    doctor, compact = (json.loads(arguments[0]) for name, arguments in core.calls if name == "oa_maintain")
    config = doctor.pop("config")
    assert config["file"] == "c.yaml"
    empty = {"signal": "", "min_batches": 0}
    assert doctor == {"command": "doctor", "paths": [str(tmp_path / "d")], "repair": True, **empty}
    del compact["config"]
    paths = [str(tmp_path / "d"), str(tmp_path / "e")]
    wanted = {"command": "compact", "paths": paths, "repair": False, "signal": "logs", "min_batches": 3}
    assert compact == wanted


def test_problems_that_remain_end_with_1(core, capsys):
    core.answers["oa_maintain"] = (0, {"ok": False, "text": "error: x\n", "report": {}})
    assert cli.main(["doctor", "/x"]) == 1
    assert capsys.readouterr().out == "error: x\n"


def test_no_directory_ends_with_2(capsys, tmp_path):
    for command in ("doctor", "compact"):
        assert cli.main([command, str(tmp_path)]) == 2
        assert "is no output directory" in capsys.readouterr().err


def test_compacted_files_read_alike(capsys, tmp_path, trace_request):
    from otlp_arrow import OtlpLibrary

    with OtlpLibrary(output_dir=tmp_path) as library:
        for place in range(9):
            library.export_traces(trace_request(f"span {place}\0", service=f"shop {place % 3}"))
            library.flush()
    before = read_traces(tmp_path)
    assert cli.main(["compact", str(tmp_path)]) == 0
    assert "9 rows, 9 batches -> 1" in capsys.readouterr().out
    after = read_traces(tmp_path)
    assert after.schema == before.schema
    order = {f"span {place}\0": place for place in range(9)}
    rows = sorted(after.to_pylist(), key=lambda row: order[row["name"]])
    assert rows == before.to_pylist()
    assert cli.main(["doctor", str(tmp_path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["healthy"]
    assert report["tables"]["traces"] == {
        "files": 1,
        "batches": 1,
        "rows": 9,
        "bytes": report["tables"]["traces"]["bytes"],
    }


def test_the_first_format_reads(repository):
    """The directory that Go's tests adopt and repair: 5 requests of 2 items, one file compacted."""
    from otlp_arrow import read_logs, read_metrics

    golden = repository / "gocore" / "internal" / "doctor" / "testdata" / "v1"
    for read in (read_traces, read_logs, read_metrics):
        table = read(golden)
        assert table.num_rows >= 10
        assert None not in table["service_name"].to_pylist()
