"""Runs the code blocks of a page, as a reader who types them would.

Blocks run in their order, in one shell and one directory:

- ```sh blocks in bash, with the venv on PATH; what they set stays set for later ones;
- ```python blocks in a Python of their own, which warnings end;
- a block with a title (```python title="app.py") is written to a file of that name instead;
- the blocks of a page that are titled "cell" are a notebook, which is there as notebook.ipynb;
- a ```text title="output" block is what the block before it prints; "..." stands for anything.

Other blocks are only for reading.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r'title="([^"]*)"')
END = "END_OF_BLOCK"


class Block(NamedTuple):
    language: str
    title: str
    text: str


@dataclass
class Step:
    """A block that runs: its place among the blocks, what bash gets, and what it prints (None: anything)."""

    place: int
    script: str
    output: str | None = None


class RecipeError(AssertionError):
    """A block failed, or printed something else."""


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page in Markdown."""
    found = []
    for language, options, text in FENCE.findall(page):
        title = TITLE.search(options)
        found.append(Block(language, title[1] if title else "", text))
    return found


def notebook(page: str) -> str:
    """The page as a notebook: its cells, and the text between the first and the last of them."""
    cells: list[dict[str, object]] = []
    at = 0
    for match in FENCE.finditer(page):
        title = TITLE.search(match[2])
        if title is None or title[1] != "cell":
            continue
        if cells and (text := page[at : match.start()].strip()):
            cells.append(_cell(cells, "markdown", text))
        cells.append(_cell(cells, "code", match[3].rstrip()) | {"execution_count": None, "outputs": []})
        at = match.end()
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1) + "\n" if cells else ""


def _cell(before: list[dict[str, object]], kind: str, text: str) -> dict[str, object]:
    source = text.splitlines(keepends=True)
    return {"cell_type": kind, "id": f"cell-{len(before)}", "metadata": {}, "source": source}


def steps(page: str) -> list[Step]:
    """What a page tells its readers to do, files included."""
    done: list[Step] = []
    if cells := notebook(page):
        done.append(Step(0, _file("notebook.ipynb", cells)))
    for place, block in enumerate(blocks(page), 1):
        if block.title == "cell":
            continue
        if block.title == "output":
            if not done or done[-1].output is not None:
                raise RecipeError(f"block {place} is the output of no block")
            done[-1].output = block.text
        elif block.title:
            done.append(Step(place, _file(block.title, block.text)))
        elif block.language in ("sh", "bash"):
            done.append(Step(place, block.text))
        elif block.language == "python":
            done.append(Step(place, f"python -W error - <<'{END}'\n{block.text}{END}\n"))
    return done


def _file(name: str, text: str) -> str:
    return f"cat > {shlex.quote(name)} <<'{END}'\n{text}{END}\n"


def run(page: str, directory: Path, timeout: float = 180.0) -> list[str]:
    """Runs a page in a directory and returns what its steps printed. Raises RecipeError."""
    todo = steps(page)
    outputs = [directory / f".output-{step.place}" for step in todo]
    script = "set -euo pipefail\n" + "".join(
        f"{{\n{step.script}\n}} >{shlex.quote(str(output))} 2>&1\n"
        for step, output in zip(todo, outputs, strict=True)
    )
    code = _bash(script, directory, timeout)
    printed = [output.read_text() for output in outputs if output.exists()]
    if code:
        last = todo[len(printed) - 1]
        raise RecipeError(
            f"block {last.place} ended with {code}:\n{last.script}\nand printed:\n{printed[-1]}"
        )
    for step, text in zip(todo, printed, strict=True):
        if step.output is not None and not matches(step.output, text):
            raise RecipeError(f"block {step.place} printed\n{text}\nbut the page says\n{step.output}")
    return printed


def _bash(script: str, directory: Path, timeout: float) -> int | str:
    """The exit code, or that time was up. What the script left running ends with it."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "OTLP_"))
    }
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    process = subprocess.Popen(
        ["bash", "-c", script],
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return f"a timeout of {timeout} s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def matches(want: str, got: str) -> bool:
    """Whether a text is as wanted; "..." stands for anything, and spaces at ends of lines do not count."""
    parts = [re.escape(part) for part in _trimmed(want).split("...")]
    return re.fullmatch(".*".join(parts), _trimmed(got), re.DOTALL) is not None


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
