"""What the site does to pages: links to files outside of docs/ lead to the repository, and lists of pages.

Pages link to ../examples/x.py and the like, so that they work where the repository is read. On the site that
is no page; the file must be there, and the link becomes one to the repository. Of external links only the
form is checked: there may be no network.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from mkdocs.plugins import get_plugin_logger

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")
FENCE = re.compile(r"(^```.*?^```|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
log = get_plugin_logger("links")  # with --strict, a warning fails the build


def on_config(config, **_):
    """Called by mkdocs once: "recipes/*.md" in the navigation becomes those pages that it does not name."""
    docs = Path(config.docs_dir)
    named = set(_pages(config.nav))

    def listed(entry):
        if isinstance(entry, str) and "*" in entry:
            found = (path.relative_to(docs).as_posix() for path in sorted(docs.glob(entry)))
            return [page for page in found if page not in named]
        if isinstance(entry, list):
            return [listed(each) for each in entry]
        return {name: listed(below) for name, below in entry.items()} if isinstance(entry, dict) else entry

    config.nav = listed(config.nav)
    return config


def _pages(entry):
    """The pages that a part of the navigation names."""
    if isinstance(entry, str):
        yield entry
    else:
        for each in entry.values() if isinstance(entry, dict) else entry:
            yield from _pages(each)


def on_page_markdown(markdown: str, *, page, config, **_) -> str:
    """Called by mkdocs for each page; code stays as it is."""
    directory = Path(page.file.abs_src_path).parent

    def link(match: re.Match[str]) -> str:
        return _checked(
            match[0], directory, Path(config.docs_dir), page.file.src_uri, config.extra["repository"]
        )

    parts = FENCE.split(markdown)
    return "".join(part if place % 2 else LINK.sub(link, part) for place, part in enumerate(parts))


def _checked(target: str, directory: Path, docs: Path, page: str, repository: str) -> str:
    parts = urlsplit(target)
    if parts.scheme:
        if parts.scheme not in ("https", "http", "mailto") or (
            parts.scheme != "mailto" and "." not in parts.netloc
        ):
            log.warning("%s: %s is no link", page, target)
        return target
    path = (directory / parts.path).resolve()
    if not parts.path or path.is_relative_to(docs):
        return target  # mkdocs checks it
    if not path.exists():
        log.warning("%s: %s is not in the repository", page, target)
    kind = "tree" if path.is_dir() else "blob"
    return f"{repository}/{kind}/main/{path.relative_to(ROOT)}"
