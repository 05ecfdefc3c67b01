"""Conversion of files between OTLP JSON, OTLP protobuf, OTAP, Arrow and Parquet.

The work is done in the native library on a thread of its own, so that Ctrl-C ends it; then, and after any
error, no output is left. Calls share nothing and may run at the same time.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ._handle import convert as _convert
from ._work import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Format = Literal[
    "otlp_json", "otlp_proto", "otlp_proto_varint", "otlp_proto_message", "arrow", "parquet", "otap"
]
Signal = Literal["traces", "metrics", "logs"]


@dataclass(frozen=True)
class Converted:
    """What a conversion did."""

    source_format: str
    format: str
    signal: str  # "" where the source had nothing
    messages: int
    skipped: int  # messages of other signals
    bytes_read: int
    bytes_written: int
    lost: Mapping[str, int] = field(default_factory=dict, hash=False)  # what the format cannot carry, by name


def convert(
    src: str | os.PathLike[str],
    dst: str | os.PathLike[str],
    *,
    source_format: Format | None = None,
    format: Format | None = None,
    signal: Signal | None = None,
    compression: Literal["lz4", "zstd", "none"] | None = None,
    promote: Iterable[str] = (),
    force: bool = False,
    max_message_bytes: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Converted:
    """Turns a file into one of another format, which appears whole or not at all.

    Formats that are not given are guessed from the names and the content of src. signal is needed where src
    does not tell it (protobuf whose name names none), and picks one of a file with several. compression is
    for Arrow and Parquet; the others are compressed when dst ends in .gz or .zst. promote adds columns
    to tables, as the setting files.promote does. progress(done, total) is called in another thread, at most
    ten times a second, with bytes of src; what it raises ends the conversion and is raised here.

    Raises ConfigError for what cannot be done (also when dst is there and force is not given),
    InvalidDataError with file and place for a damaged src, TooLargeError, IoError.
    """
    request = {
        "src": os.path.abspath(os.fspath(src)),
        "dst": os.path.abspath(os.fspath(dst)),
        "from": source_format or "",
        "to": format or "",
        "signal": signal or "",
        "compression": compression or "",
        "promote": [promote] if isinstance(promote, str) else list(promote),
        "force": force,
        "max_message_bytes": max_message_bytes or 0,
    }
    body = json.dumps(request).encode()
    done = Work(lambda tell: _convert(body, tell), progress).run()
    return Converted(
        source_format=str(done["from"]),
        format=str(done["to"]),
        signal=str(done["signal"]),
        messages=int(str(done["messages"])),
        skipped=int(str(done["skipped"])),
        bytes_read=int(str(done["bytes_read"])),
        bytes_written=int(str(done["bytes_written"])),
        lost=_counts(done.get("lost", {})),
    )


def _counts(lost: object) -> dict[str, int]:
    assert isinstance(lost, dict)
    return {str(name): int(number) for name, number in lost.items()}
