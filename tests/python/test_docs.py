"""What the documentation has to have."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib

import pytest

import otlp_arrow


def test_the_api_reference_has_every_public_name(repository):
    named = re.findall(r"^::: otlp_arrow\.(.+)$", (repository / "docs" / "api.md").read_text(), re.MULTILINE)
    assert len(named) == len(set(named))
    top = {name for name in named if "." not in name}
    assert sorted(top - {"errors"}) == sorted(set(otlp_arrow.__all__) - {"__version__"})


def test_the_quick_start_is_three_commands(repository):
    page = (repository / "docs" / "quickstart.md").read_text()
    commands = re.findall(r"^\$ (.+)$", page, re.MULTILINE)
    assert len(commands) == 3
    assert commands[1] == "python3 -m venv .venv && .venv/bin/pip install '.[examples]'"
    assert commands[2] == ".venv/bin/python examples/quickstart.py"  # test_examples runs it
    extras = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert "examples" in extras


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"])
def test_files_that_pages_outside_of_the_site_name_are_there(repository, page):
    text = (repository / page).read_text()
    named = re.findall(r"\]\((?!https?:)([^)#\s]+)", text) + re.findall(r"\bdocs/[\w/-]+\.md\b", text)
    missing = [name for name in named if not (repository / name).exists()]
    assert not missing
    assert named or page == "CONTRIBUTING.md"


@pytest.fixture
def docstrings(repository, monkeypatch):
    """The module that makes docstrings Markdown, with what it needs of griffe."""
    griffe = type(sys)("griffe")
    griffe.Extension = object
    monkeypatch.setitem(sys.modules, "griffe", griffe)
    spec = importlib.util.spec_from_file_location(
        "site_docstrings", repository / ".ci" / "site_docstrings.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("docstring", "markdown"),
    [
        ("One line.", "One line."),
        (
            "Sum.\n\na, b: numbers,\n    of any kind\nc: more\n\nEnd.",
            "Sum.\n\n- `a`, `b`: numbers,\n    of any kind\n- `c`: more\n\nEnd.",
        ),
        ("Takes\na: text", "Takes\n\n- `a`: text"),
        ("Use it::\n\n    x: int = 1\n\nDone.", "Use it\n\n    x: int = 1\n\nDone."),
        ("::\n\n    with a: pass", "\n\n    with a: pass"),
        ("See docs/otap.md.", "See [otap](otap.md)."),
        ("With colons: not a list.", "With colons: not a list."),
    ],
)
def test_docstrings_become_markdown(docstrings, docstring, markdown):
    assert docstrings.markdown(docstring) == markdown
