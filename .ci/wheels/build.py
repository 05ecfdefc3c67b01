"""Makes wheels for other platforms: zig is the C compiler and linker for what Go does not compile itself."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from unittest import mock

import deflate
from platforms import PLATFORMS, Platform

ROOT = Path(__file__).resolve().parents[2]


def source(out: Path) -> Path:
    """Makes the source distribution; wheels are built from what is in it, and from nothing else."""
    subprocess.run([sys.executable, "-m", "build", "--sdist", "--outdir", str(out), str(ROOT)], check=True)
    return max(out.glob("otlp_arrow-*.tar.gz"), key=lambda file: file.stat().st_mtime)


def build(name: str, sdist: Path, out: Path) -> Path:
    """The wheel of a platform."""
    platform = PLATFORMS[name]
    with tempfile.TemporaryDirectory() as scratch:
        with tarfile.open(sdist) as archive:
            archive.extractall(scratch, filter="data")
        (sources,) = Path(scratch).iterdir()
        command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(sources / "dist")]
        command += [f"-C--build-option=--plat-name={platform.tag}", str(sources)]
        environment = {**os.environ, **platform.environment(), "CC": compiler(platform), "WORK": scratch}
        subprocess.run(command, check=True, env=environment)
        (built,) = (sources / "dist").glob("*.whl")
        return Path(shutil.move(repack(built), out / built.name))


def compiler(platform: Platform) -> str:
    """The C compiler for a platform, as Go takes it: a command with arguments."""
    if platform.goos == "darwin":
        return f"{sys.executable} {ROOT / '.ci' / 'wheels' / 'macos' / 'cc.py'} {platform.zig}"
    return f"{sys.executable} -m ziglang cc -target {platform.zig}"


class _Smallest:
    """A compressor as zipfile uses them, of libdeflate's best level: 4 % smaller than zlib's."""

    def __init__(self, *_: object) -> None:  # the kind and level that zipfile would use
        self.parts: list[bytes] = []

    def compress(self, data: bytes) -> bytes:
        self.parts.append(bytes(data))
        return b""

    def flush(self) -> bytes:
        return bytes(deflate.deflate_compress(b"".join(self.parts), 12))


def repack(wheel: Path) -> Path:
    """Packs a wheel anew, as small as deflate goes, and with the same bytes every time."""
    smaller = wheel.with_suffix(".repacked")
    # zipfile has no way to be given a compressor, and what lies in a wheel has to be deflated.
    with (
        mock.patch("zipfile._get_compressor", _Smallest),
        zipfile.ZipFile(wheel) as old,
        zipfile.ZipFile(smaller, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.infolist():
            copy = zipfile.ZipInfo(entry.filename)  # dated 1980
            copy.external_attr, copy.compress_type = entry.external_attr, zipfile.ZIP_DEFLATED
            new.writestr(copy, old.read(entry))
    return smaller.replace(wheel)
