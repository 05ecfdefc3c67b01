"""What the documentation has to have."""

from __future__ import annotations

import importlib.util
import re
import sys

import pytest

import otlp_arrow


def test_the_api_reference_has_every_public_name(repository):
    named = re.findall(r"^::: otlp_arrow\.(\w+)$", (repository / "docs" / "api.md").read_text(), re.MULTILINE)
    assert sorted(set(named) - {"errors"}) == sorted(set(otlp_arrow.__all__) - {"__version__"})
    assert len(named) == len(set(named))


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
