"""Whether a wheel is what its tag says: the library's contents against the platform, and the papers."""

import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import bill
from binary import Binary, read
from platforms import Platform, of_tag

HEADER = Path(__file__).resolve().parents[2] / "gocore" / "otlp_arrow.h"
LARGEST = 12 * 2**20  # bytes of a wheel for x86_64
SYSTEM = {  # what each system has, and nothing else may be needed
    "linux": r"(libc|libpthread|libdl|libresolv|ld-linux[-a-z0-9_]*)\.so\.\d",
    "darwin": r"/usr/lib/(libSystem\.B|libresolv\.9)\.dylib"
    r"|/System/Library/Frameworks/(CoreFoundation|Security)\.framework/Versions/A/(CoreFoundation|Security)",
    "windows": r"(kernel32|ws2_32|bcryptprimitives|ntdll|api-ms-win-crt-[a-z]+-l1-1-0|ucrtbase|msvcrt)\.dll",
}


def functions() -> frozenset[str]:
    """The names that the header declares: all that a library may show."""
    return frozenset(re.findall(r"^[a-z].*?\b(oa_\w+)\(", HEADER.read_text(), re.MULTILINE))


def library_faults(binary: Binary, platform: Platform) -> Iterator[str]:
    """What of a library is not as its platform wants it."""
    if (binary.goos, binary.goarch) != (platform.goos, platform.goarch):
        yield f"is for {binary.goos}/{binary.goarch}, not {platform.goos}/{platform.goarch}"
        return
    strange = sorted(name for name in binary.needed if not re.fullmatch(SYSTEM[platform.goos], name))
    if strange:
        yield f"needs {', '.join(strange)}, which a plain system may lack"
    if binary.oldest > platform.oldest:
        yield f"needs version {_dotted(binary.oldest)}; {platform.tag} promises {_dotted(platform.oldest)}"
    if binary.exports != functions():
        yield f"shows other than the header: {', '.join(sorted(binary.exports ^ functions()))}"
    if not binary.stripped:
        yield "has a symbol table or debug information"
    if platform.goos == "darwin" and platform.goarch == "arm64" and not binary.signed:
        yield "has no signature, and macOS on arm64 loads nothing without"


def paper_faults(folder: Path, library: Path) -> Iterator[str]:
    """What is missing in the licences and the bill of materials of an unpacked wheel."""
    info = next(folder.glob("*.dist-info"))
    licences = (info / "licenses" / bill.LICENCES).read_text(encoding="utf-8")
    listed, linked = bill.listed(licences), bill.linked(library)
    for module, version in linked.items():
        if module not in listed or (module != "std" and listed[module][0] != version):
            yield f"{bill.LICENCES} lacks {module} {version}"
    parts = json.loads((info / "sboms" / bill.NAME).read_text(encoding="utf-8"))["components"]
    if {part["name"]: part["version"] for part in parts} != linked:
        yield f"{bill.NAME} names other modules than the library has"
    if any("licenses" not in part for part in parts):
        yield f"{bill.NAME} has parts without a licence"
    if f"License-File: {bill.LICENCES}" not in (info / "METADATA").read_text(encoding="utf-8"):
        yield f"METADATA does not name {bill.LICENCES}"
    yield from schema_faults((info / "sboms" / bill.NAME).read_text(encoding="utf-8"))


def schema_faults(document: str) -> Iterator[str]:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    if fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(document):
        yield f"{bill.NAME} is no CycloneDX 1.6: {fault}"


def auditwheel_faults(wheel: Path, platform: Platform) -> Iterator[str]:
    """What auditwheel would tag the wheel with, when this is newer than its tag."""
    run = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", "--json", str(wheel)], capture_output=True, text=True
    )
    if run.returncode:
        yield f"auditwheel: {(run.stderr or run.stdout).strip()}"
        return
    found = json.loads(run.stdout)
    tag = str(found["overall_tag"])
    if _numbers(tag) > platform.oldest:
        yield f"auditwheel finds {tag}, not {platform.tag}"


def check(wheel: Path) -> list[str]:
    """Prints what a wheel has, and returns what is wrong with it."""
    platform, size = of_tag(wheel.stem.split("-")[-1]), wheel.stat().st_size
    with tempfile.TemporaryDirectory() as unpacked:
        folder = Path(unpacked)
        zipfile.ZipFile(wheel).extractall(folder)
        library = folder / "otlp_arrow" / "_lib" / f"libotlp_arrow{platform.suffix}"
        binary = read(library)
        faults = [*library_faults(binary, platform), *paper_faults(folder, library)]
    if platform.goarch == "amd64" and size > LARGEST:
        faults.append(f"has {size / 2**20:.2f} MiB, more than {LARGEST / 2**20:.0f}")
    if platform.goos == "linux":
        faults += auditwheel_faults(wheel, platform)
    print(
        f"{wheel.name}: {size / 2**20:.2f} MiB, {len(binary.exports)} exports, needs "
        f"{platform.goos} {_dotted(binary.oldest)} with {', '.join(sorted(binary.needed))}"
    )
    return faults


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)[:2]))


def _dotted(version: tuple[float, ...]) -> str:
    return ".".join(map(str, version))
