import json

import pytest

from otlp_arrow import OtlpLibrary, cli
from otlp_arrow.cli import sending

SENT = {
    "requests": 2,
    "items": 20,
    "bytes": 400,
    "signals": {"traces": 20},
    "refused": 0,
    "rejected": 0,
    "given_up": 0,
    "unanswered": 0,
    "retries": 0,
    "latency_ms": {"p50": 1.25, "p95": 2, "p99": 3, "max": 4},
    "elapsed_secs": 0.5,
    "items_per_sec": 40,
    "failures": [],
    "notes": [],
    "interrupted": False,
    "fault": "",
}


def request_of(core):
    return json.loads(core.calls[-1][1][0])


def test_flags_become_a_request(core, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    core.answers["oa_send"] = (0, SENT)
    flags = "a.json dir --from otlp_json --signal logs --protocol otap --endpoint h:1 --header a=b=c "
    flags += "--header k=env:KEY --api-key file:/run/key --ca-file ca.pem --server-name n --insecure "
    flags += "--rate 5.5 --connections 3 --compression zstd --timeout 200ms --retry-for 2m "
    flags += "--max-request-bytes 1024"
    assert cli.main(["send", *flags.split()]) == 0
    request = request_of(core)
    assert request["destination"] == {
        "endpoint": "h:1",
        "protocol": "otap",
        "headers": {"a": "b=c", "k": {"env": "KEY"}},
        "auth": {"api_key": {"file": "/run/key"}},
        "compression": "zstd",
        "tls": {"ca_file": str(tmp_path / "ca.pem"), "server_name": "n", "insecure": True},
        "timeout": 0.2,
        "batch": {"max_bytes": 1024},
        "retry_on_failure": {
            "enabled": True,
            "initial_interval": 0.2,
            "max_interval": 5,
            "max_elapsed_time": 120,
        },
    }
    assert request["paths"] == [str(tmp_path / "a.json"), str(tmp_path / "dir")]
    assert (request["from"], request["signal"], request["rate"]) == ("otlp_json", "logs", 5.5)


@pytest.mark.parametrize(
    ("flags", "key", "want"),
    [
        ("--items 10k", "items", 10_000),
        ("--items 2M", "items", 2_000_000),
        ("--duration 1.5h", "duration", 5400),
        ("--batch 7", "batch_items", 7),
        ("--seed 3", "seed", 3),
    ],
)
def test_load(core, flags, key, want):
    core.answers["oa_send"] = (0, SENT)
    assert cli.main(["send", "--generate", "traces", *flags.split()]) == 0
    assert request_of(core)[key] == want


def test_ways_to_show_who_sends(core):
    core.answers["oa_send"] = (0, SENT)
    for flags, want in (
        (["--bearer-token", "t"], {"bearer_token": "t"}),
        (["--basic", "me=env:PASSWORD"], {"basic": {"username": "me", "password": {"env": "PASSWORD"}}}),
        ([], {}),
    ):
        assert cli.main(["send", "--generate", "logs", *flags]) == 0
        assert request_of(core)["destination"]["auth"] == want


@pytest.mark.parametrize(
    "flags", ["--items ten", "--duration 5x", "--rate fast", "--api-key a --bearer-token b"]
)
def test_an_odd_flag_ends_with_2(flags, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["send", "--generate", "logs", *flags.split()])
    assert caught.value.code == 2
    assert "usage: otlp-arrow send" in capsys.readouterr().err


def test_a_header_without_a_name_is_not_told_with_its_text(capsys):
    assert cli.main(["send", "--generate", "logs", "--header", "hush"]) == 2
    assert capsys.readouterr().err == "otlp-arrow: --header: want NAME=VALUE\n"


def test_the_summary(capsys, core):
    core.answers["oa_send"] = (0, SENT)
    assert cli.main(["send", "--generate", "traces"]) == 0
    assert capsys.readouterr().out == (
        "acknowledged  2 requests, 20 items, 400 bytes\n"
        "latency       p50 1.25 ms, p95 2.00 ms, p99 3.00 ms, longest 4.00 ms\n"
        "took          0.50 s, 40 items/s\n"
    )
    assert cli.main(["send", "--generate", "traces", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == SENT


@pytest.mark.parametrize(
    ("change", "code", "out", "err"),
    [
        ({"refused": 3}, 1, "not           3 items refused\n", ""),
        ({"rejected": 1}, 1, "1 items rejected within", ""),
        ({"given_up": 1, "retries": 7}, 1, "sent again    7 times\n", ""),
        ({"unanswered": 1, "interrupted": True}, 130, "1 items without an answer", ""),
        ({"interrupted": True}, 130, "acknowledged", ""),
        ({"fault": "x: line 3: odd"}, 1, "acknowledged", "otlp-arrow: x: line 3: odd\n"),
        ({"notes": ["slow\x1b[2J down"]}, 0, "acknowledged", "otlp-arrow: slow\\u001b[2J down\n"),
        (
            {"failures": [{"code": "Unavailable", "message": "down", "requests": 2, "items": 9}]},
            0,
            "acknowledged",
            "otlp-arrow: Unavailable: down (2 requests)\n",
        ),
        ({"signals": {"logs": 1, "traces": 19}}, 0, "400 bytes (1 logs, 19 traces)", ""),
    ],
)
def test_what_was_not_acknowledged_is_told(capsys, core, change, code, out, err):
    core.answers["oa_send"] = (0, SENT | change)
    assert cli.main(["send", "--generate", "traces"]) == code
    captured = capsys.readouterr()
    assert out in captured.out
    assert captured.err == err


def test_an_interruption_shows_what_there_is(monkeypatch, capsys):
    """The call gives its summary when it is told to end."""
    from otlp_arrow import _handle, _work

    def send(request, tell):
        while tell({"done": 0, "total": 0, "items": 1, "unacknowledged": 1, "elapsed_secs": 1}):
            pass
        return SENT | {"interrupted": True}

    def wait(event, timeout=None, wait=_work.threading.Event.wait):
        if timeout == _work.SLICE:
            raise KeyboardInterrupt
        return wait(event, timeout)

    monkeypatch.setattr(_handle, "send", send)
    monkeypatch.setattr(_work.threading.Event, "wait", wait)
    assert sending.run({}) == 130
    assert "2 requests, 20 items" in capsys.readouterr().out


# --- with the native library ---


@pytest.mark.parametrize("protocol", ["otlp_grpc", "otlp_http", "otlp_http_json", "otap"])
@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_load_arrives(library: OtlpLibrary, capsys, protocol, signal):
    address = library.endpoints.otlp_http if "http" in protocol else library.endpoints.otlp_grpc
    flags = ["--protocol", protocol, "--endpoint", f"http://{address}", "--items", "120", "--batch", "50"]
    assert cli.main(["send", "--generate", signal, "--json", "--connections", "2", *flags]) == 0
    sent = json.loads(capsys.readouterr().out)
    assert (sent["requests"], sent["items"], sent["notes"]) == (3, 120, [])
    assert getattr(library, signal)(columns=["service_name"]).num_rows == 120


def test_a_directory_is_replayed(library: OtlpLibrary, tmp_path, trace_request, capsys):
    with OtlpLibrary(output_dir=tmp_path / "other") as other:
        other.export_traces(trace_request("a", "b"))
        other.export_logs(b"")
    endpoint = f"http://{library.endpoints.otlp_grpc}"
    assert cli.main(["send", str(tmp_path / "other"), "--endpoint", endpoint]) == 0
    assert "1 requests, 2 items" in capsys.readouterr().out
    assert library.traces()["name"].to_pylist() == ["a", "b"]


def test_keys_come_from_the_environment(tmp_path, monkeypatch):
    """Of the process: Go does not see what Python puts into os.environ, so another one sends."""
    import os
    import subprocess
    import sys

    grpc = {"endpoint": "127.0.0.1:0", "auth": {"api_keys": ["a-long-secret"]}}
    with OtlpLibrary(output_dir=tmp_path, otlp_grpc=grpc) as library:
        command = [sys.executable, "-m", "otlp_arrow.cli", "send", "--generate", "logs", "--items", "1"]
        command += ["--endpoint", f"http://{library.endpoints.otlp_grpc}", "--api-key", "env:SOME_KEY"]
        codes = []
        for key in ("a-long-secret", "another-secret"):
            done = subprocess.run(
                command, env={**os.environ, "SOME_KEY": key}, capture_output=True, text=True, timeout=60
            )
            codes.append(done.returncode)
        assert codes == [0, 1]
        assert done.stderr.startswith("otlp-arrow: Unauthenticated: ")
        assert "another-secret" not in done.stderr + done.stdout
        assert library.logs().num_rows == 1


def test_nobody_there(capsys):
    """A port that nobody listens on: it was ours."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    flags = ["--endpoint", f"http://127.0.0.1:{port}", "--retry-for", "0", "--items", "5"]
    assert cli.main(["send", "--generate", "logs", *flags]) == 1
    captured = capsys.readouterr()
    assert "5 items given up after retries" in captured.out
    assert "Unavailable" in captured.err


def test_a_bad_endpoint_ends_with_2(capsys):
    assert cli.main(["send", "--generate", "logs", "--endpoint", "nowhere"]) == 2
    assert "destination.endpoint" in capsys.readouterr().err
    assert cli.main(["send"]) == 2
    assert "want files, or a signal to generate" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "field"), [("--items 5", "items"), ("--duration 2s", "duration"), ("--batch 5", "batch_items")]
)
def test_bounds_of_load_are_refused_for_files(tmp_path, capsys, flags, field):
    (tmp_path / "a.json").write_text('{"resourceLogs":[]}')
    assert cli.main(["send", str(tmp_path / "a.json"), *flags.split()]) == 2
    assert f"{field}: is for generated load alone" in capsys.readouterr().err
