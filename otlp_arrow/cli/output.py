"""Results in the formats of the command line: table, json, csv, arrow, parquet."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError
from . import colour
from .text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    import pyarrow as pa

FORMATS = ("table", "json", "csv", "arrow", "parquet")
_SUFFIXES = {
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".csv": "csv",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".parquet": "parquet",
    ".txt": "table",
}


def choose(format: str | None, output: str | None) -> str:
    """The format: as told, or by the file's name, or a table on a terminal and JSON elsewhere.

    Raises ConfigError.
    """
    if format is None and output is not None:
        format = _SUFFIXES.get(Path(output).suffix.lower())
        if format is None:
            raise ConfigError(f"--output {output}: the name does not tell the format; add --format")
    if format is None:
        format = "table" if sys.stdout.isatty() else "json"
    if format in ("arrow", "parquet") and output is None and sys.stdout.isatty():
        raise ConfigError(f"--format {format} is not for a terminal: add --output FILE, or a pipe")
    return format


def on_terminal(output: str | None) -> bool:
    """Whether what is printed shows on the terminal that progress does."""
    return output is None and sys.stdout.isatty()


@contextlib.contextmanager
def opened(output: str | None) -> Iterator[BinaryIO]:
    """Where bytes go: standard output, or a file that appears whole or not at all."""
    if output is None:
        yield sys.stdout.buffer
        return
    path = Path(output)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write(
    format: str, schema: pa.Schema, tables: Iterable[pa.Table], out: BinaryIO, *, when: str = "auto"
) -> None:
    """Writes tables of a schema, one after the other."""
    _WRITERS[format](schema, tables, out, when)


def _is_terminal(out: BinaryIO) -> bool:
    return on_terminal(None) and out is sys.stdout.buffer


def _table(schema: pa.Schema, tables: Iterable[pa.Table], out: BinaryIO, when: str) -> None:
    from .table import lines

    terminal = _is_terminal(out)
    width = shutil.get_terminal_size().columns if terminal or "COLUMNS" in os.environ else 10**6
    colours = when == "always" or (terminal and colour.wanted(sys.stdout, when))
    for line in lines(schema, tables, width, colours=colours):
        out.write(f"{line}\n".encode())


def _json(schema: pa.Schema, tables: Iterable[pa.Table], out: BinaryIO, when: str) -> None:
    from .rows import document, rows

    for table in tables:
        for row in rows(table):
            out.write(f"{document(row)}\n".encode())
        out.flush()


def _csv(schema: pa.Schema, tables: Iterable[pa.Table], out: BinaryIO, when: str) -> None:
    from .rows import rows

    text = io.TextIOWrapper(out, "utf-8", newline="", write_through=True)
    try:
        writer = csv.writer(text, lineterminator="\n")
        cell = _shown_cell if _is_terminal(out) else _csv_cell
        writer.writerow(map(cell, schema.names))
        for table in tables:
            writer.writerows([cell(value) for value in row.values()] for row in rows(table))
    finally:
        text.detach()


def _csv_cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list, bool)) else value


def _shown_cell(value: Any) -> Any:
    """A cell without what could move a terminal's cursor; a file, or another program, gets it as it is."""
    value = _csv_cell(value)
    return printable(value) if isinstance(value, str) else value


def _arrow(schema: pa.Schema, tables: Iterable[pa.Table], out: BinaryIO, when: str) -> None:
    import pyarrow.ipc

    with pyarrow.ipc.new_stream(out, schema) as writer:
        for table in tables:
            writer.write_table(table)


def _parquet(schema: pa.Schema, tables: Iterable[pa.Table], out: BinaryIO, when: str) -> None:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for table in tables:
            if table.num_rows:
                writer.write_table(table)


_WRITERS = {"table": _table, "json": _json, "csv": _csv, "arrow": _arrow, "parquet": _parquet}
