"""What pytest_plugin.py gives pytest: fixtures otlp and otlp_session, what they got in failures' reports.

Loaded in every run, so it imports little: the native library and pyarrow come with the first fixture.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ..errors import NotReceivedError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from ..testing import MockOtlpService
    from .artefact import Artefact

# What would send an app's telemetry elsewhere, or with another's key, for all signals or for one.
_ELSEWHERE = (
    "ENDPOINT",
    "PROTOCOL",
    "HEADERS",
    "INSECURE",
    "CERTIFICATE",
    "CLIENT_KEY",
    "CLIENT_CERTIFICATE",
)
_SERVICES = pytest.StashKey[dict[str, "MockOtlpService"]]()  # of this process, by fixture
_OUTCOME = pytest.StashKey[str]()  # of a test


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("otlp", "telemetry of tests (otlp-arrow)")
    group.addoption(
        "--otlp-output-dir",
        metavar="DIR",
        help="keep what the fixtures otlp and otlp_session receive as Arrow files in DIR, and which test "
        "it came from in DIR/tests_*.jsonl",
    )
    parser.addini(
        "otlp_protocol",
        "what the fixtures otlp and otlp_session have apps speak: grpc, http/protobuf or http/json",
        default="grpc",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "otlp(protocol): what the fixture otlp has apps speak: grpc, http/protobuf or http/json"
    )


@pytest.fixture
def otlp(request: pytest.FixtureRequest) -> Iterator[MockOtlpService]:
    """A MockOtlpService for this test. OTEL_EXPORTER_OTLP_* lead there, also those of child processes."""
    with _service(request, "otlp") as service:
        yield service


@pytest.fixture(scope="session")
def otlp_session(request: pytest.FixtureRequest) -> Iterator[MockOtlpService]:
    """As otlp, one for all tests of this process: for an app that sets up its SDK once. See clear()."""
    with _service(request, "otlp_session") as service:
        yield service


@contextlib.contextmanager
def _service(request: pytest.FixtureRequest, name: str) -> Iterator[MockOtlpService]:
    from ..testing import MockOtlpService

    artefact = _artefact(request.config)
    room = None if artefact is None else artefact.make_room()
    open_ones = request.config.stash.setdefault(_SERVICES, {})
    try:
        with (
            MockOtlpService(protocol=_protocol(request), output_dir=room) as service,
            pytest.MonkeyPatch.context() as patch,
        ):
            _lead(patch, service.env)
            open_ones[name] = service
            yield service
    finally:
        open_ones.pop(name, None)
        if artefact is not None and room is not None:
            outcome = request.node.stash.get(_OUTCOME, None)
            artefact.keep(room, name, request.node.nodeid or None, outcome)


def _protocol(request: pytest.FixtureRequest) -> str:
    """By an indirect parameter, a marker, or the ini file."""
    param = getattr(request, "param", None)
    if param is not None:
        return str(param)
    marker = request.node.get_closest_marker("otlp")
    if marker is not None:
        return str(_marked(*marker.args, **marker.kwargs))
    return str(request.config.getini("otlp_protocol"))


def _marked(protocol: str) -> str:
    return protocol


def _lead(patch: pytest.MonkeyPatch, env: dict[str, str]) -> None:
    """Sets variables for exporters of this and of child processes, and takes away what would win."""
    for name in list(os.environ):
        if name.startswith("OTEL_EXPORTER_OTLP_") and name.endswith(_ELSEWHERE):
            patch.delenv(name)
    for name, value in env.items():
        patch.setenv(name, value)


def _artefact(config: pytest.Config) -> Artefact | None:
    directory = config.getoption("--otlp-output-dir")
    if not directory:
        return None
    from .artefact import Artefact

    worker = getattr(config, "workerinput", {}).get("workerid", "main")  # of xdist
    return Artefact(config.invocation_params.dir / directory, worker)


@pytest.hookimpl(hookwrapper=True)  # wrapper=True wants pluggy 1.2, which pytest 7 does not
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, None]:
    made = yield
    if made.excinfo is not None:
        return
    report: pytest.TestReport = made.get_result()
    if item.stash.get(_OUTCOME, "passed") == "passed":
        item.stash[_OUTCOME] = report.outcome
    if report.failed and not (call.excinfo and isinstance(call.excinfo.value, NotReceivedError)):
        for name, service in _services(item).items():  # that error tells it itself
            report.sections.append((f"{name}: telemetry received", _told(service)))


def _told(service: MockOtlpService) -> str:
    """The report, or why there is none: an error here would end the run, and hide the test's own."""
    try:
        return service.report()
    except Exception as error:
        return f"no report: {type(error).__name__}: {error}"


def _services(item: pytest.Item) -> dict[str, MockOtlpService]:
    """The open services of this process that a test uses, those of fixtures of others too."""
    testing = sys.modules.get("otlp_arrow.testing")
    if testing is None:
        return {}
    names = getattr(item, "fixturenames", ())
    found = {name: each for name, each in item.config.stash.get(_SERVICES, {}).items() if name in names}
    for name, value in getattr(item, "funcargs", {}).items():
        if isinstance(value, testing.MockOtlpService) and value not in found.values():
            found[name] = value
    return {name: each for name, each in found.items() if each._pid == os.getpid() and not each.closed}
