"""Builds the Go library into the wheel; all else about the package is in pyproject.toml.

Environment: OTLP_ARROW_GO_BUILD_FLAGS, further flags for `go build`, as a shell would split them
("-cover -race"); for another platform Go's own GOOS, GOARCH and CC, and the wheel's tag by
`-C--build-option=--plat-name=TAG` (.ci/wheels does this).
"""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, OptionError

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "gocore" / "build_tools"))  # a build backend does not look beside setup.py

import bill  # noqa: E402
import toolchain  # noqa: E402

PROFILE = f"-pgo={ROOT / 'gocore' / 'service.pgo'}"  # docs/decisions/0012-pgo.md
SYSTEM = toolchain.target()[0]
SUFFIX = toolchain.SUFFIXES.get(SYSTEM, ".so")


def linker_flags() -> str:
    """Leaves only oa_* visible, so that no other Go library is mixed with ours, and no symbol table."""
    if SYSTEM == "windows":
        return " -extldflags=-s"  # a DLL exports what it names
    if SYSTEM == "darwin":
        return " '-extldflags=-Wl,-exported_symbol,_oa_*'"
    return f""" '-extldflags="-Wl,--version-script={ROOT / "gocore" / "exports.map"}" -s'"""


class BuildGo(build_ext):
    def get_ext_filename(self, fullname: str) -> str:
        return os.path.join(*fullname.split(".")) + SUFFIX

    def copy_extensions_to_source(self) -> None:  # for an editable install
        (ROOT / "otlp_arrow" / "_lib").mkdir(exist_ok=True)
        super().copy_extensions_to_source()

    def build_extension(self, ext: Extension) -> None:
        try:
            toolchain.check(ROOT)
        except toolchain.ToolchainError as error:
            raise CompileError(str(error)) from None
        target = Path(self.get_ext_fullpath(ext.name)).resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        command = ["go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-tags=grpcnotrace"]
        command += [PROFILE, "-ldflags=-s -w" + linker_flags()]
        command += shlex.split(os.environ.get("OTLP_ARROW_GO_BUILD_FLAGS", ""))
        command += ["-o", str(target), "./gocore"]
        if subprocess.run(command, cwd=ROOT, env={**os.environ, "CGO_ENABLED": "1"}).returncode:
            raise CompileError(f"failed: {shlex.join(command)}")
        target.with_suffix(".h").unlink(missing_ok=True)  # cgo's own; otlp_arrow.h is the header


class PlatformWheel(bdist_wheel):
    """One wheel per platform for every Python: the library is opened with ctypes."""

    def run(self) -> None:
        if toolchain.is_cross() and not self.plat_name_supplied:
            target = "/".join(toolchain.target())
            raise OptionError(f"a wheel for {target} needs its tag: -C--build-option=--plat-name=TAG")
        super().run()

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]

    def write_wheelfile(self, wheelfile_base: str, *arguments: str, **options: str) -> None:
        """Also puts the bill of materials beside it; there is none for what was not built yet."""
        super().write_wheelfile(wheelfile_base, *arguments, **options)
        for library in Path(self.bdist_dir or "").glob(f"otlp_arrow/_lib/*{SUFFIX}"):
            licences = (ROOT / bill.LICENCES).read_text(encoding="utf-8")
            document = bill.make(library, self.distribution.get_version(), licences)
            folder = Path(wheelfile_base, "sboms")
            folder.mkdir(exist_ok=True)
            (folder / bill.NAME).write_text(json.dumps(document, indent=1), encoding="utf-8")


setup(
    ext_modules=[Extension("otlp_arrow._lib.libotlp_arrow", sources=[])],
    cmdclass={"build_ext": BuildGo, "bdist_wheel": PlatformWheel},
)
