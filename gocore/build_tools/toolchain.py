"""Whether this machine can build the Go library, and for which target.

The target is Go's own choice (GOOS, GOARCH); a cross build also needs a C compiler for it (CC).
"""

import os
import platform
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

HOST_OS = {"darwin": "darwin", "win32": "windows"}.get(sys.platform, "linux")
HOST_ARCH = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(
    platform.machine().lower(), platform.machine().lower()
)
SUFFIXES = {"darwin": ".dylib", "windows": ".dll"}
MUSL = (
    "otlp-arrow cannot be loaded by a Python on musl (Alpine): musl refuses the thread-local storage that "
    "Go's shared libraries use. Use a Python on glibc (an image such as python:3.13-slim), or the static "
    "binary, which runs anywhere: CGO_ENABLED=0 go build -tags grpcnotrace ./gocore/cmd/otlp-arrow"
)


class ToolchainError(Exception):
    """What is missing to build the library, and what to do."""


def target() -> tuple[str, str]:
    """GOOS and GOARCH of the library."""
    return os.environ.get("GOOS") or HOST_OS, os.environ.get("GOARCH") or HOST_ARCH


def is_cross() -> bool:
    return target() != (HOST_OS, HOST_ARCH)


def check(root: Path) -> None:
    """Raises ToolchainError when the library of the sources in root cannot be built, or not be used."""
    if not is_cross() and is_musl():
        raise ToolchainError(MUSL)
    check_go(root)


def is_musl() -> bool:
    """Whether this Python runs on musl; older ones do not know, but how they were configured tells."""
    host = str(sysconfig.get_config_var("HOST_GNU_TYPE") or "")
    return HOST_OS == "linux" and ("musl" in host or platform.libc_ver()[0] == "musl")


def check_go(root: Path) -> None:
    wanted = re.search(r"^go (\d+)\.(\d+)", (root / "go.mod").read_text(), re.MULTILINE)
    assert wanted, "go.mod has no go line"
    need = (
        f"building otlp-arrow needs Go {wanted[1]}.{wanted[2]} or later (https://go.dev/dl/) and a C compiler"
    )
    try:
        answer = subprocess.run(["go", "env", "GOVERSION"], cwd=root, capture_output=True, text=True)
    except FileNotFoundError:
        raise ToolchainError(f"{need}: there is no `go` on PATH") from None
    found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    if answer.returncode or not found:
        raise ToolchainError(f"{need}: `go env GOVERSION` failed: {(answer.stderr or answer.stdout).strip()}")
    if (int(found[1]), int(found[2])) < (int(wanted[1]), int(wanted[2])):
        raise ToolchainError(f"{need}: this is {answer.stdout.strip()}")
