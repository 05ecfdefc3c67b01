"""Runs what was built: in a clean environment here, under qemu for arm64, under wine for Windows.

Where there is no Python for the system, roundtrip.c goes once through the C ABI, and the files that it wrote
are read here with pyarrow.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

from build import ROOT, compiler
from platforms import Platform, of_tag

HERE = Path(__file__).resolve().parent
WINE, WINESERVER = "/usr/lib/wine/wine64", "/usr/lib/wine/wineserver64"  # wine64 puts nothing on PATH
ARM = "/usr/aarch64-linux-gnu"  # libc6-arm64-cross
READ = """
import sys, otlp_arrow
(row,) = otlp_arrow.read_traces(sys.argv[1]).to_pylist()
assert (row["name"], row["service_name"], row["duration_nano"]) == ("roundtrip", "shop", 1000), row
print("read back:", row["name"], row["start_time_unix_nano"])
"""


def run(wheel: Path, here: Path) -> None:
    """Runs a wheel; here is a wheel that this machine can install, to read files with."""
    platform = of_tag(wheel.stem.split("-")[-1])
    if wheel == here:
        smoke(wheel)
    elif platform.goos == "darwin":
        print(f"{wheel.name}: linked against stubs; nothing here can run it")
    else:
        roundtrip(wheel, platform, here)


def smoke(wheel: Path) -> None:
    """.ci/smoke.py in an environment that has nothing but the wheel and what it asks for."""
    with tempfile.TemporaryDirectory() as scratch:
        python = _environment(wheel, scratch)
        subprocess.run([python, ROOT / ".ci" / "smoke.py"], check=True, cwd=scratch)
        subprocess.run([Path(python).parent / "otlp-arrow", "--version"], check=True, cwd=scratch)


def roundtrip(wheel: Path, platform: Platform, here: Path) -> None:
    """roundtrip.c with the wheel's library, and a look at what it wrote."""
    with tempfile.TemporaryDirectory() as scratch:
        with zipfile.ZipFile(wheel) as archive:
            library = archive.extract(f"otlp_arrow/_lib/libotlp_arrow{platform.suffix}", scratch)
        program, output = _compiled(platform, "roundtrip", scratch), f"{scratch}/telemetry"
        command, more, prefix = _emulator(platform, scratch)
        command += [program, prefix + library, prefix + output]
        environment = {**os.environ, **more}
        try:
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, timeout=300)
        finally:
            if platform.goos == "windows":
                subprocess.run([WINESERVER, "-k"], env=environment)
        if done.returncode:
            sys.exit(f"{wheel.name}: step {done.returncode} of roundtrip.c failed")
        (file,) = json.loads(done.stdout)
        print(f"{wheel.name}: {file['length']} bytes written under {Path(command[0]).name}")
        subprocess.run([_environment(here, f"{scratch}/venv"), "-c", READ, output], check=True, cwd=scratch)


def _emulator(platform: Platform, scratch: str) -> tuple[list[str], dict[str, str], str]:
    """The command that runs a program of the platform, its environment, and what its paths begin with."""
    if platform.goos == "linux":
        return ["qemu-aarch64", "-L", ARM], {}, ""
    more = {"WINEPREFIX": f"{scratch}/wine", "WINEDEBUG": "-all"}
    subprocess.run([WINE, "wineboot", "-i"], env={**os.environ, **more}, check=True, capture_output=True)
    shim = _compiled(platform, "processprng", scratch, "-shared", "-ladvapi32")
    shutil.copy(shim, f"{scratch}/wine/drive_c/windows/system32/bcryptprimitives.dll")
    return [WINE], more, "Z:"


def _compiled(platform: Platform, name: str, scratch: str, *options: str) -> str:
    program = f"{scratch}/{name}"
    source = [str(HERE / f"{name}.c"), f"-I{ROOT / 'gocore'}", "-o", program]
    libraries = ["-ldl"] if platform.goos == "linux" else []
    subprocess.run([*compiler(platform).split(), *source, *options, *libraries], check=True)
    return program


def _environment(wheel: Path, folder: str) -> str:
    venv.create(folder, with_pip=True)
    python = f"{folder}/bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", wheel], check=True)
    return python
