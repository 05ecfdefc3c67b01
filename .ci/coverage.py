"""Fails when a file has less than 85 % of its statements covered.

    python coverage.py go PROFILE...       profiles of `go test -coverprofile`
    python coverage.py python REPORT.json  a report of `coverage json`

gocore/export.go and gocore/cmd are left out: they run inside processes that other tests start, and a
shared library writes no counters at the end of its process. Generated files are left out too.
"""

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

MINIMUM = 85.0
LEFT_OUT = re.compile(r"gocore/(export[^/]*\.go$|cmd/)|\.pb\.go$|_string\.go$")
BLOCK = re.compile(r"(.+):([\d.]+,[\d.]+) (\d+) (\d+)")


def of_go(profiles: list[str]) -> dict[str, float]:
    blocks: dict[str, dict[str, tuple[int, bool]]] = defaultdict(dict)  # file: place: statements, reached
    for profile in profiles:
        for line in Path(profile).read_text().splitlines():
            if match := BLOCK.fullmatch(line):
                file, place, statements, count = match.groups()
                reached = blocks[file].get(place, (0, False))[1] or count != "0"
                blocks[file][place] = int(statements), reached
    result = {}
    for file, places in blocks.items():
        total = sum(statements for statements, _ in places.values())
        if total and not LEFT_OUT.search(file):
            result[file] = 100 * sum(statements for statements, reached in places.values() if reached) / total
    return result


def of_python(reports: list[str]) -> dict[str, float]:
    result = {}
    for report in reports:
        for file, entry in json.loads(Path(report).read_text())["files"].items():
            if entry["summary"]["num_statements"]:
                result[re.sub(r".*site-packages/", "", file)] = entry["summary"]["percent_covered"]
    return result


def main() -> int:
    kind, *paths = sys.argv[1:]
    files = {"go": of_go, "python": of_python}[kind](paths)
    if not files:
        print(f"coverage {kind}: no files in {paths}")
        return 1
    low = {file: percent for file, percent in files.items() if percent < MINIMUM}
    for file, percent in sorted(low.items()):
        print(f"coverage {kind}: {file} {percent:.1f} % < {MINIMUM} %")
    least = min(files, key=files.__getitem__)
    print(
        f"coverage {kind}: {len(files)} files, {len(low)} below {MINIMUM} %, "
        f"the least {least} with {files[least]:.1f} %"
    )
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
