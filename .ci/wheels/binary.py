"""What a library's own headers say of it: for which machine it is, what it needs, what it shows."""

import re
from dataclasses import dataclass
from pathlib import Path

import lief

MACHINES = {
    lief.ELF.ARCH.X86_64: "amd64",
    lief.ELF.ARCH.AARCH64: "arm64",
    lief.MachO.Header.CPU_TYPE.X86_64: "amd64",
    lief.MachO.Header.CPU_TYPE.ARM64: "arm64",
    lief.PE.Header.MACHINE_TYPES.AMD64: "amd64",
}


@dataclass(frozen=True)
class Binary:
    goos: str
    goarch: str
    needed: frozenset[str]  # the system's libraries that it loads
    oldest: tuple[int, ...]  # the version of glibc, macOS or Windows that it needs
    exports: frozenset[str]
    stripped: bool
    signed: bool  # macOS on arm64 loads nothing that has no signature


def read(path: Path) -> Binary:
    """Raises ValueError for what is no library of a kind that we ship."""
    parsed = lief.parse(str(path))
    if isinstance(parsed, lief.ELF.Binary):
        return _elf(parsed)
    if isinstance(parsed, lief.MachO.Binary):
        return _macho(parsed)
    if isinstance(parsed, lief.PE.Binary):
        return _pe(parsed)
    raise ValueError(f"{path} is no ELF, Mach-O or PE library")


def _elf(elf: lief.ELF.Binary) -> Binary:
    wanted = [
        each.name for library in elf.symbols_version_requirement for each in library.get_auxiliary_symbols()
    ]
    return Binary(
        goos="linux",
        goarch=MACHINES.get(elf.header.machine_type, "unknown"),
        needed=frozenset(map(str, elf.libraries)),
        oldest=max((_numbers(name) for name in wanted if name.startswith("GLIBC_")), default=()),
        exports=frozenset(str(symbol.name) for symbol in elf.exported_symbols),
        stripped=not elf.has_section(".symtab") and not elf.has_section(".debug_info"),
        signed=False,
    )


def _macho(macho: lief.MachO.Binary) -> Binary:
    version = macho.build_version.minos if macho.has_build_version else macho.version_min.version
    needed = {str(library.name) for library in macho.libraries} - {_own_name(macho)}
    return Binary(
        goos="darwin",
        goarch=MACHINES.get(macho.header.cpu_type, "unknown"),
        needed=frozenset(needed),
        oldest=tuple(version)[:2],
        exports=frozenset(str(symbol.name).removeprefix("_") for symbol in macho.exported_symbols),
        stripped=not any(section.segment_name == "__DWARF" for section in macho.sections),
        signed=macho.has_code_signature,
    )


def _own_name(macho: lief.MachO.Binary) -> str:
    own = [each for each in macho.commands if each.command == lief.MachO.LoadCommand.TYPE.ID_DYLIB]
    return str(own[0].name) if own else ""


def _pe(pe: lief.PE.Binary) -> Binary:
    exports = pe.get_export()
    debug = [each for each in pe.debug if each.type != lief.PE.Debug.TYPES.REPRO]  # that is only a hash
    return Binary(
        goos="windows",
        goarch=MACHINES.get(pe.header.machine, "unknown"),
        needed=frozenset(each.name.lower() for each in pe.imports),
        oldest=(pe.optional_header.major_subsystem_version, pe.optional_header.minor_subsystem_version),
        exports=frozenset(each.name for each in exports.entries) if exports else frozenset(),
        stripped=not debug and not any(section.name.startswith("/") for section in pe.sections),
        signed=False,
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))
