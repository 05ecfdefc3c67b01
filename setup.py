"""Builds the Go library into the wheel; all else about the package is in pyproject.toml.

OTLP_ARROW_GO_BUILD_FLAGS: further flags for `go build`, as a shell would split them ("-cover -race").
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

ROOT = Path(__file__).resolve().parent
PROFILE = f"-pgo={ROOT / 'gocore' / 'service.pgo'}"  # docs/decisions/0012-pgo.md
SUFFIX = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")


def exports_only() -> str:
    """The linker flag that leaves only oa_* visible, so that no other Go library is mixed with ours."""
    if sys.platform == "win32":
        return ""  # a DLL exports what it names
    if sys.platform == "darwin":
        return " '-extldflags=-Wl,-exported_symbol,_oa_*'"
    return f""" '-extldflags="-Wl,--version-script={ROOT / "gocore" / "exports.map"}"'"""


def check_go() -> None:
    wanted = re.search(r"^go (\d+)\.(\d+)", (ROOT / "go.mod").read_text(), re.MULTILINE)
    assert wanted, "go.mod has no go line"
    need = (
        f"building otlp-arrow needs Go {wanted[1]}.{wanted[2]} or later (https://go.dev/dl/) and a C compiler"
    )
    try:
        answer = subprocess.run(["go", "env", "GOVERSION"], cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        raise CompileError(f"{need}: there is no `go` on PATH") from None
    found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    if answer.returncode or not found:
        raise CompileError(f"{need}: `go env GOVERSION` failed: {(answer.stderr or answer.stdout).strip()}")
    if (int(found[1]), int(found[2])) < (int(wanted[1]), int(wanted[2])):
        raise CompileError(f"{need}: this is {answer.stdout.strip()}")


class BuildGo(build_ext):
    def get_ext_filename(self, fullname: str) -> str:
        return os.path.join(*fullname.split(".")) + SUFFIX

    def copy_extensions_to_source(self) -> None:  # for an editable install
        (ROOT / "otlp_arrow" / "_lib").mkdir(exist_ok=True)
        super().copy_extensions_to_source()

    def build_extension(self, ext: Extension) -> None:
        check_go()
        target = Path(self.get_ext_fullpath(ext.name)).resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        command = ["go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-tags=grpcnotrace"]
        command += [PROFILE, "-ldflags=-s -w" + exports_only()]
        command += shlex.split(os.environ.get("OTLP_ARROW_GO_BUILD_FLAGS", ""))
        command += ["-o", str(target), "./gocore"]
        if subprocess.run(command, cwd=ROOT, env={**os.environ, "CGO_ENABLED": "1"}).returncode:
            raise CompileError(f"failed: {shlex.join(command)}")
        target.with_suffix(".h").unlink(missing_ok=True)  # cgo's own; otlp_arrow.h is the header


class PlatformWheel(bdist_wheel):
    """One wheel per platform for every Python: the library is opened with ctypes."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


setup(
    ext_modules=[Extension("otlp_arrow._lib.libotlp_arrow", sources=[])],
    cmdclass={"build_ext": BuildGo, "bdist_wheel": PlatformWheel},
)
