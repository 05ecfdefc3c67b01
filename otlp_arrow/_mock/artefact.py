"""Keeps what the mock services of a test run received as one output directory, to be read as any other.

::

    DIR/otlp/traces/otlp_traces_..._1.arrows    what came, of all tests
    DIR/tests_main.jsonl                        a line for each service: test, outcome, its files
    DIR/.running-x3k2/                          of a service that is open, or whose process died

A service has a directory of its own while it is open, so that it reads only what it received. Each process
of a run (of xdist) writes its own list.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path


class Artefact:
    """The directory of a run, made if it is missing; worker names the process."""

    def __init__(self, directory: Path, worker: str) -> None:
        self.directory = directory
        self._list = directory / f"tests_{worker}.jsonl"
        directory.mkdir(parents=True, exist_ok=True)

    def make_room(self) -> Path:
        """A new directory for a service."""
        return Path(tempfile.mkdtemp(prefix=".running-", dir=self.directory))

    def keep(self, of: Path, fixture: str, test: str | None, outcome: str | None) -> None:
        """Moves the files of a service that was closed to where they stay, and lists them."""
        files = []
        for path in sorted(of.glob("otlp/*/*.arrows")):
            place = self.directory / path.relative_to(of)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)  # a writer's names are its own
            files.append(place.relative_to(self.directory).as_posix())
        shutil.rmtree(of, ignore_errors=True)
        line = {"test": test, "outcome": outcome, "fixture": fixture, "files": files}
        with self._list.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
