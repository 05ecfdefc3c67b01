"""Our docstrings -> Markdown, for the API reference.

Docstrings are for reading in an editor: "name, name: text" begins what is said of arguments, with more
indented lines, "::" stands before code, and docs/x.md is named. On the site these are a list, nothing, and a
link.
"""

from __future__ import annotations

import re
from logging import getLogger
from pathlib import Path
from typing import Any

from griffe import Extension

ITEM = re.compile(r"(?:[a-z_]\w*|[a-z_]\w*\.[a-z_]\w*)(?:, [a-z_]\w*)*: ")
PAGE = re.compile(r"\bdocs/([\w/-]+)\.md\b")
DOCS = Path(__file__).resolve().parent.parent / "docs"


def linked(line: str) -> str:
    """A line with links to the pages that it names, which must be there."""

    def link(match: re.Match[str]) -> str:
        if not (DOCS / f"{match[1]}.md").is_file():  # a warning of mkdocs fails the build
            getLogger("mkdocs.docstrings").warning("a docstring names %s: %s", match[0], line.strip())
        return f"[{match[1]}]({match[1]}.html)"

    return PAGE.sub(link, line)


def markdown(text: str) -> str:
    """A docstring without its indentation, as Markdown."""
    lines: list[str] = []
    code = False
    for line in text.splitlines():
        if line.endswith("::"):
            code = True
            line = line.removesuffix("::").rstrip()
        elif line and not line.startswith(" "):
            code = False
        if not code and (match := ITEM.match(line)):
            names = ", ".join(f"`{name}`" for name in match[0].removesuffix(": ").split(", "))
            if lines and lines[-1] and not lines[-1].startswith(("- ", "  ")):
                lines.append("")
            line = f"- {names}: {line[match.end() :]}"
        lines.append(line if code else linked(line))
    return "\n".join(lines)


class Docstrings(Extension):
    """Called by griffe for each object."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)
