"""Builds and runs the two ends: our service, and a Collector with the otelarrow components."""

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / ".ci" / "tmp" / "interop"
OURS = CACHE / "otlp-arrow"
COLLECTOR = "v0.102.1"
CONTRIB, CONTRIB_VERSION = "github.com/open-telemetry/opentelemetry-collector-contrib", "v0.102.0"
OTEL_ARROW = "v0.24.0"  # the last release of its Collector components as modules of their own

MANIFEST = f"""\
dist:
  name: otelcol-otap
  module: example.invalid/otelcol-otap
  otelcol_version: {COLLECTOR.removeprefix("v")}
  output_path: ./out
receivers:
  - gomod: go.opentelemetry.io/collector/receiver/otlpreceiver {COLLECTOR}
  - gomod: github.com/open-telemetry/otel-arrow/collector/receiver/otelarrowreceiver {OTEL_ARROW}
exporters:
  - gomod: github.com/open-telemetry/otel-arrow/collector/exporter/otelarrowexporter {OTEL_ARROW}
  - gomod: {CONTRIB}/exporter/fileexporter {CONTRIB_VERSION}
extensions:
  - gomod: {CONTRIB}/extension/bearertokenauthextension {CONTRIB_VERSION}
"""


def call(*command: str | Path, cwd: Path = ROOT) -> None:
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {(done.stderr or done.stdout).strip()[-2000:]}")


def build() -> Path:
    """Build both; gives the Collector, which is built once."""
    folder = CACHE / "collector"
    folder.mkdir(parents=True, exist_ok=True)
    call("go", "build", "-tags", "grpcnotrace", "-o", OURS, "./gocore/cmd/otlp-arrow")
    binary, manifest = folder / "out" / "otelcol-otap", folder / "manifest.yaml"
    if not binary.exists() or manifest.read_text() != MANIFEST:
        manifest.write_text(MANIFEST)
        builder = f"go.opentelemetry.io/collector/cmd/builder@{COLLECTOR}"
        call("go", "run", builder, "--config", "manifest.yaml", cwd=folder)
    return binary


def port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Process:
    """A process that is stopped as an operator would stop it; its output is kept."""

    def __init__(
        self, command: list[str | Path], folder: Path, environment: dict[str, str] | None = None
    ) -> None:
        self._output = folder / "output.txt"
        with self._output.open("w") as output:
            self._process = subprocess.Popen(
                list(map(str, command)),
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                cwd=folder,
                env=os.environ | (environment or {}),
            )

    def output(self) -> str:
        return self._output.read_text()

    def wait_for(self, what: str, ready: Callable[[], bool], seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if ready():
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"{what}: {self.output()[-2000:]}")

    def stop(self) -> None:
        self._process.terminate()
        try:
            code = self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        if code:
            raise RuntimeError(f"exit code {code}: {self.output()[-2000:]}")


@contextlib.contextmanager
def running(process: Process) -> Iterator[Process]:
    try:
        yield process
    finally:
        process.stop()


@contextlib.contextmanager
def service(
    folder: Path, *settings: str, forwarding: list[dict] | None = None
) -> Iterator[tuple[Process, dict]]:
    """Our service; yields it and its endpoints. Its files are whole once it has ended."""
    folder.mkdir(parents=True)
    ready = folder / "ready"
    command = [
        OURS,
        "serve",
        "--output-dir",
        folder / "telemetry",
        "--ready-file",
        ready,
        "--metrics",
        "127.0.0.1:0",
    ]
    command += [
        "--otlp-grpc",
        "127.0.0.1:0",
        "--otlp-http",
        "127.0.0.1:0",
        "--arrow",
        "127.0.0.1:0",
        "--health",
        "off",
    ]
    for setting in settings:
        command += ["--set", setting]
    with running(Process(command, folder, {"OTLP_FORWARDING": json.dumps(forwarding or [])})) as process:
        process.wait_for("our service", lambda: ready.exists() and ready.read_text().endswith("\n"))
        yield process, json.loads(ready.read_text())["endpoints"]


@contextlib.contextmanager
def collector(binary: Path, folder: Path, config: dict) -> Iterator[Process]:
    """A Collector. What its exporters were given is gone out once it has ended."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    with running(Process([binary, "--config", "config.yaml"], folder)) as process:
        process.wait_for("the Collector", lambda: "Everything is ready" in process.output())
        yield process


def tables(folder: Path, signal: str) -> list[dict]:
    """What a service's files hold, as OTLP/JSON documents."""
    documents = []
    for number, path in enumerate(sorted((folder / "telemetry" / "otlp" / signal).glob("otlp_*.arrows"))):
        target = folder / f"{signal}-{number}.json"
        call(OURS, "convert", path, target)
        documents += read(target)
    return documents


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]
