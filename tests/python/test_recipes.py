"""The recipes of the documentation run as they are written."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from . import recipes

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted((DOCS / "recipes").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_recipe(page, tmp_path):
    text = page.read_text()
    assert any(block.title == "output" for block in recipes.blocks(text)), "a recipe shows what it prints"
    recipes.run(text, tmp_path)


def test_the_notebook_is_that_of_the_recipe():
    path = DOCS.parent / "examples" / "notebook.ipynb"
    wanted = recipes.notebook((DOCS / "recipes" / "notebook-live.md").read_text())
    if os.environ.get("OTLP_ARROW_UPDATE_DOCS"):
        path.write_text(wanted)
    assert path.read_text() == wanted, "run OTLP_ARROW_UPDATE_DOCS=1 pytest tests/python/test_recipes.py"


PAGE = """
```sh
name=world
```
Then a file:
```python title="app.py"
import sys
print("hello", *sys.argv[1:])
```
```sh
python app.py $name
python app.py again
```
```text title="output"
hello world
hello ...
```
```json
{"only": "for reading"}
```
```python
from pathlib import Path
print(*sorted(path.name for path in Path().glob("*.py")))
```
```text title="output"
app.py
```
"""


def test_blocks_run_in_one_shell_and_directory(tmp_path):
    assert recipes.run(PAGE, tmp_path) == ["", "", "hello world\nhello again\n", "app.py\n"]


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("```sh\necho before; false\n```\n", "block 1 ended with 1:(?s:.+)before"),
        ("```python\n1/0\n```\n", "ZeroDivisionError"),
        ("```python\nimport warnings; warnings.warn('old')\n```\n", "UserWarning: old"),
        ('```sh\necho a\n```\n```sh\necho b\n```\n```text title="output"\nc\n```\n', "block 2 printed\nb"),
        ('```text title="output"\nc\n```\n', "block 1 is the output of no block"),
    ],
)
def test_what_is_not_as_written_fails(page, message, tmp_path):
    with pytest.raises(recipes.RecipeError, match=message):
        recipes.run(page, tmp_path)


def test_cells_are_a_notebook(tmp_path):
    page = 'Before.\n```python title="cell"\na = 1\n```\nThen:\n\n```python title="cell"\na\nb\n```\nAfter.\n'
    recipes.run(page + "```sh\nls\n```\n", tmp_path)
    found = json.loads((tmp_path / "notebook.ipynb").read_text())
    assert [(cell["cell_type"], "".join(cell["source"])) for cell in found["cells"]] == [
        ("code", "a = 1"),
        ("markdown", "Then:"),
        ("code", "a\nb"),
    ]


def test_what_a_recipe_leaves_running_ends(tmp_path):
    page = "```sh\n(trap 'echo ended > end; exit' TERM; echo > begin; while :; do sleep 0.01; done) &\n"
    recipes.run(page + "until [ -e begin ]; do sleep 0.01; done\n```\n", tmp_path)
    deadline = time.monotonic() + 30
    while not (tmp_path / "end").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_recipe_that_hangs_fails(tmp_path):
    with pytest.raises(recipes.RecipeError, match=r"a timeout of 0\.2 s"):
        recipes.run("```sh\nsleep 300\n```\n", tmp_path, timeout=0.2)


@pytest.mark.parametrize(
    ("want", "got", "same"),
    [
        ("a\nb\n", "a  \nb", True),
        ("a ... ms\n", "a 12 ms\n", True),
        ("a\n...\nz\n", "a\nb\nc\nz\n", True),
        ("a.c\n", "abc\n", False),
        ("a\n", "a\nb\n", False),
    ],
)
def test_matches(want, got, same):
    assert recipes.matches(want, got) is same
