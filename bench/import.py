"""Measures what imports cost: python bench/import.py [--runs 20] [MODULE...]

Each import runs in a new process, in turns. Prints the least and the median milliseconds of the whole
process, what that is above `python -c pass`, and how many modules were loaded. Modules that this version
lacks are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
import time

MODULES = [
    "otlp_arrow",
    "otlp_arrow.library",
    "otlp_arrow.tables",
    "otlp_arrow.cli",
    "otlp_arrow.sdk",
    "otlp_arrow.testing",
    "otlp_arrow.pytest_plugin",
    "pyarrow",
]


def seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def loaded(code: str) -> int:
    count = f"{code}\nimport sys; print(len(sys.modules))"
    return int(subprocess.check_output([sys.executable, "-c", count]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="*", metavar="MODULE", default=MODULES)
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    there = [name for name in options.modules if importlib.util.find_spec(name)]
    codes = {"pass": "pass", **{name: f"import {name}" for name in there}}
    taken: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(options.runs):
        for name, code in codes.items():
            taken[name].append(1000 * seconds(code))
    print(f"{'':26}{'min ms':>8}{'median':>8}{'above':>8}{'modules':>9}")
    for name, times in taken.items():
        least = min(times)
        above = least - min(taken["pass"])
        print(f"{name:26}{least:8.1f}{statistics.median(times):8.1f}{above:8.1f}{loaded(codes[name]):9}")


if __name__ == "__main__":
    main()
