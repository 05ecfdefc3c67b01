"""What who builds from source is told, with a `go` that a script stands in for."""

import os
import platform
import sysconfig
from pathlib import Path

import pytest
import toolchain

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def go(tmp_path, monkeypatch):
    """Makes a `go` that answers with a script's text, and is the only program on PATH."""

    def make(script):
        (tmp_path / "go").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "go").chmod(0o755)

    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("GOOS", "GOARCH"):
        monkeypatch.delenv(name, raising=False)
    return make


@pytest.fixture
def musl(monkeypatch):
    known = sysconfig.get_config_var
    fake = {"HOST_GNU_TYPE": "x86_64-alpine-linux-musl"}
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: fake.get(name) or known(name))


def refusal():
    with pytest.raises(toolchain.ToolchainError) as caught:
        toolchain.check(ROOT)
    return str(caught.value)


def test_without_go(go):
    said = refusal()
    assert said.startswith("building otlp-arrow needs Go 1.")
    assert said.endswith("there is no `go` on PATH")


def test_go_that_is_too_old(go):
    go("echo go1.19.8")
    assert refusal().endswith("or later (https://go.dev/dl/) and a C compiler: this is go1.19.8")


def test_go_that_fails(go):
    go("echo no toolchain for you >&2; exit 1")
    assert "`go env GOVERSION` failed: no toolchain for you" in refusal()


@pytest.mark.parametrize("version", ["go1.26.0", "go1.27rc1", "go2.0"])
def test_go_that_will_do(go, version):
    go(f"echo {version}")
    toolchain.check(ROOT)


def test_musl_is_told_what_to_do_instead(go, musl):
    go("echo go1.26.0")
    said = refusal()
    assert "musl (Alpine)" in said
    assert "static binary" in said


def test_musl_found_by_the_python_itself(go, monkeypatch):
    go("echo go1.26.0")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("musl", "1.2.5"))
    assert "musl (Alpine)" in refusal()


def test_another_target_may_be_built_on_musl(go, musl, monkeypatch):
    go("echo go1.26.0")
    monkeypatch.setenv("GOOS", "windows")
    assert toolchain.is_cross()
    toolchain.check(ROOT)


def test_target_is_this_machine_by_default(go):
    assert toolchain.target() == (toolchain.HOST_OS, toolchain.HOST_ARCH)
    assert not toolchain.is_cross()
    assert os.environ.get("GOOS") is None
