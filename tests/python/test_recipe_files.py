"""The files that recipes show are those of examples/, and what their workflows run is what is run here."""

from __future__ import annotations

import re

import pytest

FILE = re.compile(r'^```\w+ title="([\w.]+\.\w+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(params=["test-fixture", "ci-artefact"])
def page(request):
    return request.param


def text(repository, page):
    return (repository / "docs" / "recipes" / f"{page}.md").read_text()


def test_files_are_those_of_the_example(repository, page):
    directory = repository / "examples" / page.replace("-", "_")
    shown = dict(FILE.findall(text(repository, page)))
    assert shown == {path.name: path.read_text() for path in directory.glob("*.*")}


def test_what_a_workflow_runs_is_among_the_commands(repository, page):
    commands = "".join(COMMANDS.findall(text(repository, page)))
    assert "pytest" in commands
    for step in re.findall(r"- run: (.+)", text(repository, page)):
        assert step in commands
