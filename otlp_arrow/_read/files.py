"""The files of a source, and their bytes."""

from __future__ import annotations

import contextlib
import mmap
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..errors import InvalidDataError, IoError, OtlpArrowError

StrPath = str | os.PathLike[str]
Source = StrPath | Iterable[StrPath]
_NAME = re.compile(r"otlp_(traces|logs|metrics)_(\d{8}_\d{6})_(.+)_(\d+)\.arrows")


@dataclass(frozen=True)
class Part:
    """A file, up to a length in bytes (None: its end). A listed one may vanish before it is read.

    The length is that of the file with a number (st_ino); another one in its place, which compaction made
    meanwhile of all its rows, is read whole.
    """

    path: Path
    length: int | None = None
    number: int = 0
    listed: bool = True


def find(signal: str, source: Source) -> Iterator[Part]:
    """The files of a signal in a source, oldest first within a directory."""
    if not isinstance(source, (str, os.PathLike)):
        for each in source:
            yield from find(signal, each)
        return
    path = Path(source)
    if not path.is_dir():
        yield Part(path, listed=False)
        return
    for candidate in (path / "otlp" / signal, path / signal):
        if candidate.is_dir():
            path = candidate
            break
    try:
        found = [entry for entry in path.iterdir() if _signal_of(entry.name) == signal]
    except OSError as error:
        raise IoError(error.errno, f"cannot list {path}: {error.strerror}") from error
    yield from (Part(entry) for entry in sorted(found, key=age))


def _signal_of(name: str) -> str | None:
    match = _NAME.fullmatch(name)
    return match[1] if match else None


def age(path: Path) -> tuple[str, str, int]:
    """What files are sorted by: begin, writer, number."""
    match = _NAME.fullmatch(path.name)
    assert match
    return match[2], match[3], int(match[4])


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Makes an error of pyarrow's one that names the file."""
    try:
        yield
    except OtlpArrowError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise InvalidDataError(f"{path} is no Arrow IPC stream, or is damaged: {error}") from error


def map_part(part: Part) -> Any:
    """The file's bytes, mapped; None when there are none or only zeros so far."""
    try:
        with part.path.open("rb") as file:
            length = _length(part, os.fstat(file.fileno()))
            if not length:
                return None
            data = pa.py_buffer(mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ))
    except FileNotFoundError as error:
        if part.listed:
            return None  # retention was faster
        raise IoError(error.errno, f"{part.path} does not exist") from error
    except OSError as error:
        raise IoError(error.errno, f"cannot read {part.path}: {error}") from error
    return None if not any(data[:8].to_pybytes()) else data


def _length(part: Part, found: os.stat_result) -> int:
    """How much of a file is to be read, in bytes."""
    number = found.st_ino & 0xFFFF_FFFF_FFFF_FFFF  # Windows may give more bits
    replaced = part.number not in (0, number)
    return found.st_size if part.length is None or replaced else min(found.st_size, part.length)
