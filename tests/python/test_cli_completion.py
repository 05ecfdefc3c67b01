"""The shells themselves complete; zsh and fish where they are installed, bash always."""

import shutil
import subprocess

import pytest

from otlp_arrow import cli
from otlp_arrow.cli.parser import make_parser


@pytest.fixture
def script(tmp_path, capsys):
    def write(shell):
        assert cli.main(["completion", shell]) == 0
        path = tmp_path / f"completion.{shell}"
        path.write_text(capsys.readouterr().out)
        return path

    return write


def bash(script, words, cwd):
    """What bash offers for the last of the words."""
    ask = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_otlp_arrow
printf '%s\\n' "${COMPREPLY[@]}"
"""
    command = ["bash", "-uc", ask, "bash", str(script), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=cwd, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "want"),
    [
        ("otlp-arrow se", ["serve", "send"]),
        ("otlp-arrow convert --comp", ["--compression"]),
        ("otlp-arrow convert --compression z", ["zstd"]),
        ("otlp-arrow send --generate ", ["traces", "metrics", "logs"]),
        ("otlp-arrow send a --protocol otap", ["otap"]),
        ("otlp-arrow doctor te", ["telemetry", "test.json"]),
        ("otlp-arrow completion f", ["fish"]),
        ("otlp-arrow completion --h", ["--help"]),
        ("otlp-arrow tail -", ["-h", "--help", "-n", "--lines", "--since", "--no-follow", "--service"]),
        ("otlp-arrow nothing ", []),
    ],
)
def test_bash(script, tmp_path, line, want):
    (tmp_path / "telemetry").mkdir()
    (tmp_path / "test.json").touch()
    found = bash(script("bash"), line.split(" "), tmp_path)
    assert set(found) == set(want) or (line.endswith("-") and set(want) < set(found))


def test_every_command_and_flag_is_offered_by_bash(script, tmp_path):
    path = script("bash")
    (commands,) = (action for action in make_parser()._actions if action.choices)
    assert set(bash(path, ["otlp-arrow", ""], tmp_path)) == {*commands.choices, "--help", "--version"}
    for name, command in commands.choices.items():
        flags = {flag for action in command._actions for flag in action.option_strings}
        assert set(bash(path, ["otlp-arrow", name, "-"], tmp_path)) == flags


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh(script, tmp_path):
    """zsh's own completion runs the function, and tells what it was given."""
    ask = """
autoload -Uz compinit && compinit -u -d $2
_arguments() { print -r -- "arguments: $*" }
_describe() { print -r -- "describe: ${(P)2}" }
source $1
words=(otlp-arrow ''); CURRENT=2; _otlp_arrow
words=(otlp-arrow convert --comp); CURRENT=3; _otlp_arrow
print -r -- $_comps[otlp-arrow]
"""
    command = ["zsh", "-f", "-c", ask, "zsh", str(script("zsh")), str(tmp_path / "dump")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr == ""
    described, convert, function = done.stdout.splitlines()
    assert "serve:receive until SIGTERM or Ctrl-C" in described
    assert "--compression[of Arrow and Parquet]:value:(lz4 zstd none)" in convert
    assert convert.endswith("*:file:_files *:file:_files")
    assert function == "_otlp_arrow"


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
@pytest.mark.parametrize(
    ("line", "want"),
    [
        ("otlp-arrow se", {"serve", "send"}),
        ("otlp-arrow convert --compression ", {"lz4", "zstd", "none"}),
        ("otlp-arrow completion ", {"bash", "zsh", "fish"}),
        ("otlp-arrow send --gen", {"--generate"}),
    ],
)
def test_fish(script, tmp_path, line, want):
    ask = f"source {script('fish')}; complete -C '{line}'"
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["fish", "--no-config", "-c", ask],
        capture_output=True,
        text=True,
        timeout=30,
        env=environment,
        check=True,
    )
    assert done.stderr == ""
    assert {offered.split("\t")[0] for offered in done.stdout.splitlines()} == want
