"""The plugin from outside: pytest runs tests in a process of its own, as users have it."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from otlp_arrow import read_traces

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]

# An app under test: each call of work() sends a span to where the environment says. It loads quickly.
APP = """
import json, os, urllib.request

def work(name, **attributes):
    assert os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == "http/json"
    kinds = {int: "intValue", str: "stringValue"}
    values = [{"key": key, "value": {kinds[type(value)]: value}} for key, value in attributes.items()]
    span = {"name": name, "traceId": os.urandom(16).hex(), "spanId": "0b" * 8, "attributes": values}
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    url = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/traces"
    body = json.dumps(document).encode()
    urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"})).close()
"""

# The same with the SDK, as apps have it.
SDK_APP = """
import os
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HTTPExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

def work(name, **attributes):
    grpc = os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == "grpc"
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter() if grpc else HTTPExporter()))
    with provider.get_tracer("app").start_as_current_span(name, attributes=attributes):
        pass
    provider.shutdown()
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Writes a test module and the app beside it, and runs pytest there."""
    for name in [name for name in os.environ if name.startswith(("OTEL_", "OTLP_", "PYTEST_"))]:
        monkeypatch.delenv(name)
    pytester.makepyfile(app=APP, sdk_app=SDK_APP)
    pytester.makeini("[pytest]\nfilterwarnings = error\notlp_protocol = http/json\n")

    def go(test: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(test_it=test)
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments, timeout=120)

    return go


def test_an_app_and_its_children_send_to_the_fixture(run):
    run(
        """
        import os, subprocess, sys
        from app import work

        def test_here(otlp):
            work("here", n=1)
            (span,) = otlp.wait_for_spans(name="here")
            assert span.attributes == {"n": 1}

        def test_a_child(otlp):
            subprocess.run([sys.executable, "-c", "from app import work; work('child')"], check=True)
            assert [span.name for span in otlp.spans()] == ["child"]

        def test_nothing_is_left_behind():
            assert not [name for name in os.environ if name.startswith("OTEL_")]
        """
    ).assert_outcomes(passed=3)


def test_the_environment_of_a_service_does_not_lead_elsewhere(run, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=secret")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "5")
    monkeypatch.setenv("OTLP_OUTPUT_DIR", "elsewhere")
    run(
        """
        import os
        from pathlib import Path
        from app import work

        def test_it(otlp):
            work("here")
            otlp.wait_for_spans(1)
            mine = {name: os.environ[name] for name in os.environ if name.startswith("OTEL_")}
            assert mine == {**otlp.env, "OTEL_EXPORTER_OTLP_TIMEOUT": "5"}
            assert not Path("elsewhere").exists()

        def test_all_is_as_before():
            assert os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] == "http://127.0.0.1:1"
            assert os.environ["OTEL_EXPORTER_OTLP_HEADERS"] == "authorization=secret"
        """
    ).assert_outcomes(passed=2)


def test_the_protocol_by_ini_marker_and_parameter(run, pytester):
    pytester.makeini("[pytest]\notlp_protocol = http/protobuf\n")
    run(
        """
        import os
        import pytest
        from sdk_app import work

        def check(otlp, protocol):
            assert otlp.protocol == os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == protocol
            work("it")
            otlp.wait_for_spans(1)
            transport = "grpc" if protocol == "grpc" else "http"
            assert otlp.requests_over(transport).traces.accepted == 1

        def test_ini(otlp):
            check(otlp, "http/protobuf")

        @pytest.mark.otlp(protocol="grpc")
        def test_marker(otlp):
            check(otlp, "grpc")

        @pytest.mark.parametrize("otlp", ["grpc", "http/protobuf"], indirect=True)
        def test_parameter(otlp, request):
            check(otlp, request.node.callspec.params["otlp"])

        @pytest.mark.otlp("carrier pigeon")
        def test_wrong(otlp):
            pass
        """,
        "--strict-markers",
    ).assert_outcomes(passed=4, errors=1)


def test_the_session_fixture_is_one_for_all(run):
    run(
        """
        from app import work

        def test_first(otlp_session):
            work("one")
            otlp_session.wait_for_spans(1)
            work.endpoint = otlp_session.endpoints

        def test_second(otlp_session, otlp):
            assert work.endpoint == otlp_session.endpoints != otlp.endpoints
            assert len(otlp_session.spans()) == 1
            otlp_session.clear()
            work("two")  # to the nearer one
            assert len(otlp.wait_for_spans(1)) == 1
            assert otlp_session.spans() == []

        def test_third(otlp_session):
            work("three")
            assert otlp_session.wait_for_spans(1)[0].name == "three"
        """
    ).assert_outcomes(passed=3)


FAILING = """
from app import work
from otlp_arrow.testing import MockOtlpService
import pytest

def test_it(otlp):
    work("GET /cart", user="ada")
    assert otlp.spans() == []
"""


def test_a_failure_tells_what_came(run):
    result = run(FAILING)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- otlp: telemetry received -*",
            "received: 1 span, no log records, no data points",
            "requests: traces: 1 accepted",
            "trace *: 1 span, *",
            "GET /cart*{user='ada'}",
        ]
    )


def test_a_failed_wait_tells_it_once_and_no_inner_lines(run):
    result = run(
        """
        from app import work

        def test_it(otlp):
            work("GET /cart")
            otlp.wait_for_spans(2, timeout=0.1)
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*NotReceivedError: waited 0.1 s for 2 spans; 1 came.", "E*GET /cart*"])
    assert "telemetry received" not in result.stdout.str()
    assert "def _until" not in result.stdout.str()


def test_failures_of_setup_and_of_own_fixtures_tell_it_too(run):
    result = run(
        """
        import pytest
        from app import work
        from otlp_arrow.testing import MockOtlpService

        @pytest.fixture
        def app(otlp):
            work("of the setup")
            raise RuntimeError("not today")

        @pytest.fixture
        def mine():
            with MockOtlpService() as service:
                yield service

        @pytest.fixture
        def bad_end(otlp):
            yield
            raise RuntimeError("at the end")

        def test_setup(app):
            pass

        def test_own(mine):
            assert mine.spans()

        def test_end(bad_end):
            pass
        """
    )
    result.assert_outcomes(passed=1, failed=1, errors=2)
    result.stdout.fnmatch_lines(["*- otlp: telemetry received -*", "*of the setup*"])
    result.stdout.fnmatch_lines(["*- mine: telemetry received -*", "*Nobody has sent anything.*"])


def test_a_report_that_fails_hides_no_failure(run):
    result = run(
        """
        from app import work

        def test_it(otlp, monkeypatch):
            work("GET /cart")
            otlp.wait_for_spans()
            work("not read yet")

            def broken(*_, **__):
                raise OSError(5, "nothing can be read")

            monkeypatch.setattr("builtins.open", broken)
            monkeypatch.setattr("pathlib.Path.open", broken)
            monkeypatch.setattr(otlp, "spans_table", broken)
            assert False, "the real reason"

        def test_next():
            pass
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*the real reason*",
            "*- otlp: telemetry received -*",
            "no report: OSError: [[]Errno 5[]] nothing can be read",
        ]
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="without fork")
def test_a_forked_child_that_fails_reports_no_service_of_its_parent(run):
    result = run(
        """
        import os, warnings

        def test_it(otlp):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # there are threads
                child = os.fork()
            assert child, "of the child"
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
        """
    )
    assert result.ret == 0
    text = result.stdout.str()
    assert "AssertionError: of the child" in text
    assert "INTERNALERROR" not in text
    assert "telemetry received" not in text


# As pytest looks where it is older: without StashKey before 7, and without wrapper= before pluggy 1.2.
OLDER_PYTEST = """
import pytest

{change}
raise SystemExit(pytest.main(["-p", "no:cacheprovider", "-p", "no:xdist", "test_it.py"]))
"""
NO_STASH = "del pytest.StashKey"
NO_WRAPPER = """
hookimpl = pytest.hookimpl
def old(function=None, hookwrapper=False, optionalhook=False, tryfirst=False, trylast=False):
    return hookimpl(function, hookwrapper, optionalhook, tryfirst, trylast)
pytest.hookimpl = old
import otlp_arrow.pytest_plugin
pytest.hookimpl = hookimpl
"""


@pytest.mark.parametrize(
    ("change", "there"), [(NO_STASH, False), (NO_WRAPPER, True)], ids=["no stash", "no wrapper"]
)
def test_an_older_pytest_runs(run, pytester, change, there):
    pytester.makeini("")
    pytester.makepyfile(
        test_it=f"""
        def test_it(request):
            assert request.config.pluginmanager.hasplugin("otlp_arrow")
            assert bool(request._fixturemanager.getfixturedefs("otlp", request.node)) is {there}
        """
    )
    result = pytester.run(sys.executable, "-c", OLDER_PYTEST.format(change=change), timeout=120)
    assert result.ret == 0, result.stdout.str() + result.stderr.str()
    result.assert_outcomes(passed=1)


def test_the_files_of_a_run_are_kept(run, pytester):
    result = run(
        """
        import pytest
        from app import work

        def test_good(otlp, otlp_session):
            work("good")

        def test_bad(otlp):
            work("bad")
            assert False

        def test_quiet(otlp):
            pass
        """,
        "--otlp-output-dir=some/where",
    )
    result.assert_outcomes(passed=2, failed=1)
    kept = pytester.path / "some" / "where"
    assert sorted(read_traces(kept)["name"].to_pylist()) == ["bad", "good"]
    lines = listed(kept)
    assert [(line["test"], line["outcome"], line["fixture"]) for line in lines] == [
        ("test_it.py::test_good", "passed", "otlp"),
        ("test_it.py::test_bad", "failed", "otlp"),
        ("test_it.py::test_quiet", "passed", "otlp"),
        (None, None, "otlp_session"),
    ]
    assert read_traces([kept / file for file in lines[1]["files"]])["name"].to_pylist() == ["bad"]
    assert not lines[2]["files"]
    assert not list(kept.glob(".running*"))


def listed(directory: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (directory / "tests_main.jsonl").read_text().splitlines()]


def test_side_by_side_with_xdist(run, pytester):
    """Two workers at once: each test sees its own spans, and all are kept."""
    test = """
        import pytest
        from app import work

        @pytest.mark.parametrize("number", range(6))
        def test_it(otlp, number):
            work(f"span {number}")
            otlp.wait_for_spans(1)
            assert [span.name for span in otlp.spans()] == [f"span {number}"]
        """
    run(test, "-n", "2", "--otlp-output-dir", "kept").assert_outcomes(passed=6)
    kept = pytester.path / "kept"
    assert sorted(read_traces(kept)["name"].to_pylist()) == [f"span {number}" for number in range(6)]
    lists = sorted(kept.glob("tests_gw*.jsonl"))
    assert sum(len(path.read_text().splitlines()) for path in lists) == 6


LIGHT = """
    import sys

    def test_nothing_heavy_is_loaded():
        heavy = {"pyarrow", "numpy", "ctypes", "otlp_arrow.library", "otlp_arrow.testing"} & set(sys.modules)
        assert not heavy, heavy
    """


@pytest.mark.parametrize("arguments", [(), ("-p", "no:otlp_arrow")])
def test_runs_without_the_fixture_load_nothing(run, pytester, arguments):
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    run(LIGHT, *arguments).assert_outcomes(passed=1)


def test_without_the_plugin_there_is_no_fixture(run, pytester):
    pytester.makeini("")
    result = run("def test_it(otlp):\n    pass\n", "-p", "no:otlp_arrow")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'otlp' not found*"])


def test_the_fixture_is_in_the_help(run):
    result = run("", "--fixtures")
    result.stdout.fnmatch_lines(
        ["otlp -- *", "*A MockOtlpService for this test.*", "otlp_session [[]session scope[]] *"]
    )


def test_the_plugin_is_measured_though_pytest_loads_it(run, pytester, monkeypatch):
    """Coverage that is started before pytest sees the lines that run while plugins load."""
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)  # of what measures this test
    pytester.makefile(".rc", coverage="[run]\nsource_pkgs = otlp_arrow\ndata_file = measured\n")
    pytester.makepyfile(test_it="def test_it(otlp):\n    pass\n")
    command = [sys.executable, "-m", "coverage", "run", "--rcfile=coverage.rc", "-m", "pytest", "test_it.py"]
    assert pytester.run(*command, timeout=120).ret == 0
    report = [sys.executable, "-m", "coverage", "json", "--rcfile=coverage.rc", "-o", "report.json"]
    assert pytester.run(*report, timeout=120).ret == 0
    files = json.loads((pytester.path / "report.json").read_text())["files"]
    (plugin,) = (entry for path, entry in files.items() if path.endswith("_mock/plugin.py"))
    assert plugin["summary"]["percent_covered"] > 60
