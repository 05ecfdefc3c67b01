"""Writes THIRD-PARTY-LICENSES.txt: the licence of each Go module in the library, on any of our platforms.

python .ci/licences.py          writes it, after a change of go.mod or of an import
python .ci/licences.py --check  fails when it is not current
"""

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "gocore" / "build_tools"), str(ROOT / ".ci" / "wheels")]

import bill  # noqa: E402
from platforms import PLATFORMS  # noqa: E402

FILE = ROOT / bill.LICENCES
TEXTS = re.compile(r"(licen[cs]e|copying|notice|patents)(\.(txt|md))?", re.IGNORECASE)
_BSD = "Redistribution and use in source and binary forms"
KNOWN = {  # SPDX id: what only this licence says
    "Apache-2.0": r"Apache License\s+Version 2\.0|apache\.org/licenses/LICENSE-2\.0",
    "BSD-2-Clause": _BSD + r"(?!.{,1500}(Neither the name|names? of))",
    "BSD-3-Clause": _BSD + r".{,1500}(Neither the name|names? of)",
    "MIT": r"Permission is hereby granted, free of charge",
}
HEAD = """\
What the native library of otlp-arrow is made of, on one of its platforms or more, and under which licences.
otlp-arrow itself is under the Apache License 2.0. "std" are the packages of Go. Written by .ci/licences.py.

"""


def linked_modules() -> dict[str, tuple[str, Path]]:
    """Version and folder of each module that one of the platforms links, our own left out."""
    found: dict[str, tuple[str, Path]] = {"std": _go()}
    form = "{{with .Module}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}"
    for platform in PLATFORMS.values():
        command = ["go", "list", "-deps", "-tags=grpcnotrace", "-f", form, "./gocore"]
        for line in _run(command, platform.environment()).splitlines():
            module, version, folder = line.split("\t")
            if module != bill.OURS:
                found[module] = version, Path(folder)
    return found


def _go() -> tuple[str, Path]:
    answer = json.loads(_run(["go", "env", "-json", "GOVERSION", "GOROOT"], {}))
    # The version is that of go.mod: each build has its own, and the licence is the same.
    wanted = re.search(r"^go (\S+)", (ROOT / "go.mod").read_text(), re.MULTILINE)
    assert wanted
    return wanted[1], Path(answer["GOROOT"])


def _run(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def texts_of(module: str, folder: Path) -> list[str]:
    """The licence and notices of a module. Fails when it has no licence."""
    files = sorted(file for file in folder.iterdir() if TEXTS.fullmatch(file.name))
    if not any(re.match("licen|copying", file.name, re.IGNORECASE) for file in files):
        sys.exit(f"{module} has no licence in {folder}: look what it is under before you link it")
    texts = [file.read_text(encoding="utf-8", errors="replace").strip("\n") for file in files]
    return [re.sub(r"[ \t\r\f]+$", "", text, flags=re.MULTILINE) for text in texts]


def spdx_of(module: str, text: str) -> str:
    """The SPDX expression of what a text grants. Fails when it is none that we know."""
    plain = " ".join(text.split())
    ids = [name for name, mark in KNOWN.items() if re.search(mark, plain)]
    if not ids:
        sys.exit(f"the licence of {module} is none of {', '.join(KNOWN)}: may we ship it? Then add it")
    return " AND ".join(ids)


def document(modules: dict[str, tuple[str, Path]]) -> str:
    """A table of the modules, then each text once with the modules that it is for."""
    texts = {module: texts_of(module, folder) for module, (_, folder) in sorted(modules.items())}
    wide = max(map(len, modules))
    wider = max(len(version) for version, _ in modules.values())
    table = [
        f"  {module:{wide}} {modules[module][0]:{wider}}  {spdx_of(module, chr(10).join(found))}"
        for module, found in texts.items()
    ]
    return HEAD + "\n".join(table) + "\n\n" + "\n".join(_sections(texts) + _runtime())


def _sections(texts: dict[str, list[str]]) -> list[str]:
    users: dict[str, list[str]] = defaultdict(list)
    wording: dict[str, str] = {}  # the first of those that differ only in their line breaks
    for module, found in texts.items():
        for text in found:
            same = " ".join(text.split())
            wording.setdefault(same, text)
            users[same].append(module)
    return [_section(", ".join(names), wording[same]) for same, names in users.items()]


def _runtime() -> list[str]:
    """What the C compiler of the published wheels adds."""
    files = sorted((ROOT / ".ci" / "wheels" / "runtime").glob("*.txt"))
    return [_section(file.stem, file.read_text(encoding="utf-8")) for file in files]


def _section(title: str, text: str) -> str:
    return f"{'=' * 100}\n{title}\n{'=' * 100}\n\n{text.strip(chr(10))}\n"


def main() -> int:
    text = document(linked_modules())
    if "--check" not in sys.argv[1:]:
        FILE.write_text(text, encoding="utf-8")
        print(f"{FILE.name}: {len(bill.listed(text))} modules, {len(text.encode())} bytes")
        return 0
    if not FILE.exists() or FILE.read_text(encoding="utf-8") != text:
        print(f"{FILE.name} is not what the library links now: run python .ci/licences.py")
        return 1
    print(f"{FILE.name}: current, {len(bill.listed(text))} modules")
    return 0


if __name__ == "__main__":
    sys.exit(main())
