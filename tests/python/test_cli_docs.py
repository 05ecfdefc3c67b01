"""docs/cli.md and the help of the commands tell the same, and what both show runs."""

import argparse
import re
import shlex

import pytest

from otlp_arrow import OtlpLibrary, cli, convert
from otlp_arrow.cli.parser import CODES, make_parser


def commands() -> dict[str, argparse.ArgumentParser]:
    (subparsers,) = (action for action in make_parser()._actions if action.choices)
    return dict(subparsers.choices)


@pytest.fixture
def sections(repository):
    """The text of docs/cli.md by its headings; "" has what stands before."""
    parts = re.split(r"^## (.+)$", (repository / "docs" / "cli.md").read_text(), flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def examples_of(text):
    return re.findall(r"^ *(otlp-arrow \w.*)$", text, re.MULTILINE)


def examples_in_help():
    return [
        (name, example) for name, command in commands().items() for example in examples_of(command.epilog)
    ]


def test_each_command_has_its_section(sections):
    assert sorted(sections) == sorted(["", *commands()])


@pytest.mark.parametrize("name", commands())
def test_flags(sections, name):
    """Each flag is in the section, and each that the section names is there."""
    flags = {flag for action in commands()[name]._actions for flag in action.option_strings} - {
        "-h",
        "--help",
    }
    named = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", re.sub(r"\]\([^)]*\)|/\S*", "", sections[name])))
    assert {flag for flag in flags if flag.startswith("--")} <= named
    assert named <= flags


@pytest.mark.parametrize("name", commands())
def test_examples_are_the_same(sections, name):
    assert examples_of(commands()[name].epilog) == examples_of(sections[name])


def test_exit_codes(sections):
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", sections[""], re.MULTILINE)] == list(CODES)
    for name, command in commands().items():
        codes = re.findall(r"^  (\d+) +\S", command.epilog.partition("exit codes:")[2], re.MULTILINE)
        assert [int(code) for code in codes] == list(CODES), name
        for code in re.findall(r"[Ee]xit code (\d+)", sections[name]):
            assert int(code) in CODES


@pytest.mark.parametrize(("name", "example"), examples_in_help())
def test_examples_are_understood(name, example):
    parsed = make_parser().parse_args(words(example)[1:])
    assert callable(parsed.run)


def words(example):
    """The words of a command line, without what the shell does with its output."""
    return shlex.split(re.split(r" [|>] ", example)[0])


@pytest.fixture
def place(tmp_path, monkeypatch, library: OtlpLibrary):
    """A directory with all that examples name; the library receives what they send."""
    monkeypatch.setenv("VENDOR_KEY", "a-long-secret")
    monkeypatch.chdir(tmp_path)
    endpoint = ["--endpoint", f"http://{library.endpoints.otlp_grpc}"]
    with OtlpLibrary(output_dir="telemetry", otlp_grpc="127.0.0.1:0") as other:
        to = ["--endpoint", f"http://{other.endpoints.otlp_grpc}"]
        for signal in ("traces", "logs", "metrics"):
            assert cli.main(["send", "--generate", signal, "--items", "200", *to]) == 0
    for signal, name in (("traces", "traces.json"), ("logs", "all.json"), ("traces", "traces.pb")):
        (stored,) = (tmp_path / "telemetry" / "otlp" / signal).glob("*.arrows")
        convert(stored, name)
    (tmp_path / "other").mkdir()
    (tmp_path / "telemetry").rename(tmp_path / "other" / "dir")
    (tmp_path / "telemetry").symlink_to(tmp_path / "other" / "dir")
    (tmp_path / "otlp.yaml").write_text("write_interval_secs: 7\n")
    return endpoint


@pytest.mark.parametrize(
    ("name", "example"), [(name, example) for name, example in examples_in_help() if name != "serve"]
)
def test_examples_run(place, name, example, library: OtlpLibrary):
    """All but serve, which would listen where others may: test_cli.py has that."""
    arguments = words(example)[1:]
    if name == "tail":
        arguments.append("--no-follow")
    if name == "send":
        arguments = ["0.3s" if word == "60s" else word for word in arguments]
        over = "otlp_http" if "otlp_http" in arguments else "otlp_grpc"
        arguments += ["--endpoint", f"http://{getattr(library.endpoints, over)}", "--api-key", "env:HOME"]
    # The trace of the example is in no directory of ours.
    assert cli.main(arguments) == (1 if "--trace" in arguments else 0)
