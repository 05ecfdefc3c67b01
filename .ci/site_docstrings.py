"""Our docstrings -> Markdown, for the API reference.

Docstrings are for reading in an editor: "name, name: text" begins what is said of arguments, with more
indented lines, "::" stands before code, and docs/x.md is named. On the site these are a list, nothing, and a
link.
"""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension

ITEM = re.compile(r"(?:[a-z_]\w*|[a-z_]\w*\.[a-z_]\w*)(?:, [a-z_]\w*)*: ")
PAGE = re.compile(r"\bdocs/([\w/-]+)\.md\b")


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
        lines.append(line if code else PAGE.sub(r"[\1](\1.md)", line))
    return "\n".join(lines)


class Docstrings(Extension):
    """Called by griffe for each object."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)
