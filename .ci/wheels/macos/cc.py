"""The C compiler for macOS, python cc.py TARGET ARGUMENT...: compiles with zig, links with LLVM's ld64.lld.

zig's own linker for Mach-O ignores -exported_symbol. There is no SDK of Apple's here: what the system's
libraries offer is known from zig (libSystem) and from the stubs beside this file, which hold what we use.
"""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import ziglang

STUBS = Path(__file__).resolve().parent
OURS = {"arm64e": "arm64", "arm64e.x1": "arm64"}  # the names of Apple's own builds of a processor


def main(target: str, arguments: list[str]) -> None:
    """Becomes the compiler or the linker."""
    if "-dynamiclib" not in arguments:
        zig = [sys.executable, "-m", "ziglang", "cc", "-target", target, f"-I{STUBS}", *arguments]
        os.execv(zig[0], zig)
    processor, version = target.split("-macos.")
    command = [linker(), *linker_arguments(arguments)]
    if "-arch" not in arguments:
        command += ["-arch", processor.replace("aarch64", "arm64")]
    command += ["-platform_version", "macos", version, version]
    command += [f"-F{STUBS}", f"-L{STUBS}", f"-L{system_stub()}", "-lSystem", "-dead_strip"]
    command += ["-install_name", "@rpath/libotlp_arrow.dylib"]
    os.execv(command[0], command)


def linker() -> str:
    names = ["ld64.lld", *(f"ld64.lld-{version}" for version in range(30, 15, -1))]
    found = [path for name in names if (path := shutil.which(name))]
    if not found:
        sys.exit("no ld64.lld on PATH, which links for macOS: install lld-16 or later")
    return found[0]


def linker_arguments(arguments: list[str]) -> list[str]:
    """What a compiler would hand to its linker."""
    found: list[str] = []
    for argument in arguments:
        if argument.startswith("-Wl,"):
            found += argument[4:].split(",")
        elif argument == "-dynamiclib":
            found.append("-dylib")
        elif not re.fullmatch(r"-O\d|-g|-m64|-lpthread", argument):  # libSystem has the threads
            found.append(argument)
    return found


def system_stub() -> str:
    """A folder with zig's libSystem.tbd, in the names of targets that lld knows."""

    def rename(match: re.Match[str]) -> str:
        pairs = [target.rsplit("-", 1) for target in re.findall(r"[\w.]+-\w+", match[2])]
        targets = sorted({f"{OURS.get(cpu, cpu)}-macos" for cpu, system in pairs if system == "macos"})
        return f"{match[1]}[ {', '.join(targets or ['x86_64-macos'])} ]"

    known = Path(ziglang.__file__).parent / "lib" / "libc" / "darwin" / "libSystem.tbd"
    folder = tempfile.mkdtemp(prefix="otlp-arrow-stubs-", dir=os.environ.get("WORK"))
    text = re.sub(r"(targets:\s+)\[([^\]]*)\]", rename, known.read_text(encoding="utf-8"))
    Path(folder, "libSystem.tbd").write_text(text, encoding="utf-8")
    return folder


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
