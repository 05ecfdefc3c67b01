"""The bill of materials of a built library: CycloneDX 1.6, from what Go itself wrote into the library.

The same library gives the same bytes: no time, and a serial number made from the contents.
"""

import json
import re
import subprocess
import uuid
from pathlib import Path
from typing import Any

NAME = "otlp-arrow.cdx.json"
LICENCES = "THIRD-PARTY-LICENSES.txt"
OURS = "github.com/otlp-arrow/otlp-arrow"
_LISTED = re.compile(r"^ {2}(\S+) +(\S+) {2,}(\S.*)$", re.MULTILINE)  # module, version, SPDX expression


def linked(library: Path) -> dict[str, str]:
    """The modules in a library and their versions, "std" (Go's own packages) included."""
    command = ["go", "version", "-m", str(library)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {"std": text.splitlines()[0].rpartition("go")[2]}
    for line in text.splitlines()[1:]:
        kind, *rest = line.split()
        if kind in ("dep", "=>"):  # a replacement stands below what it replaces
            found[rest[0]] = rest[1]
    return found


def listed(text: str) -> dict[str, tuple[str, str]]:
    """Version and SPDX expression of each module in the table at the head of THIRD-PARTY-LICENSES.txt."""
    return {module: (version, spdx) for module, version, spdx in _LISTED.findall(text)}


def make(library: Path, version: str, licences: str) -> dict[str, Any]:
    """The bill of a library as JSON's objects; licences is the text of THIRD-PARTY-LICENSES.txt."""
    spdx = {module: expression for module, (_, expression) in listed(licences).items()}
    modules = linked(library)
    parts = [_component(module, modules[module], spdx.get(module)) for module in sorted(modules)]
    top = _component("otlp-arrow", version, "Apache-2.0", f"pkg:pypi/otlp-arrow@{version}")
    bill: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": top},
        "components": parts,
        "dependencies": [
            {"ref": top["bom-ref"], "dependsOn": [part["bom-ref"] for part in parts]},
            *({"ref": part["bom-ref"]} for part in parts),
        ],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(bill, sort_keys=True))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "serialNumber": f"urn:uuid:{serial}",
        **bill,
    }


def _component(name: str, version: str, spdx: str | None, purl: str = "") -> dict[str, Any]:
    purl = purl or f"pkg:golang/{name}@{version.replace('+', '%2B')}"
    part: dict[str, Any] = {"type": "library", "bom-ref": purl, "name": name, "version": version}
    part["purl"] = purl
    if spdx:
        part["licenses"] = [{"expression": spdx}]
    return part
