"""otlp-arrow convert."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from . import parser
from .progress import progress

if TYPE_CHECKING:
    import argparse

FORMATS = ("otlp_json", "otlp_proto", "otlp_proto_varint", "otlp_proto_message", "otap", "arrow", "parquet")
SIGNALS = ("traces", "metrics", "logs")


def register(commands: parser.Commands[argparse.ArgumentParser]) -> None:
    command = parser.add(
        commands,
        "convert",
        run,
        help="OTLP JSON, OTLP protobuf, OTAP, Arrow and Parquet into one another",
        description="Turns a file of one format into one of another, which appears whole or not at all.\n"
        "Formats are guessed: that of SRC from its content, that of DST from its name. otlp_proto has a\n"
        "length of four bytes in front of each message, as the Collector's file exporter writes it.\n"
        "JSON, protobuf and OTAP are compressed when DST ends in .gz or .zst.",
        examples=[
            ("otlp-arrow convert traces.json traces.parquet", "what the Collector wrote, for DuckDB"),
            ("otlp-arrow convert --signal logs all.json logs.arrows", "one signal of a file with several"),
            ("otlp-arrow convert --promote http traces.pb traces.parquet", "with columns of HTTP attributes"),
        ],
        codes={1: "SRC is damaged, or the disk is full", 2: "a bad command line, or DST is there already"},
    )
    command.add_argument("src", metavar="SRC")
    command.add_argument("dst", metavar="DST")
    command.add_argument("--from", dest="source_format", choices=FORMATS, help="format of SRC")
    command.add_argument("--to", dest="format", choices=FORMATS, help="format of DST")
    command.add_argument("--signal", choices=SIGNALS, help="the only one to take")
    command.add_argument("--force", action="store_true", help="replace DST")
    command.add_argument("--compression", choices=("lz4", "zstd", "none"), help="of Arrow and Parquet")
    command.add_argument(
        "--promote", metavar="NAME,...", action="append", default=[], help="columns of attributes, or presets"
    )
    command.add_argument(
        "--max-message-bytes", type=int, metavar="N", help="largest message, 67108864 if not given"
    )


def run(options: argparse.Namespace) -> int:
    from .._convert import convert

    promote = [name for names in options.promote for name in names.split(",")]
    with progress(sys.stderr, "converting") as show:
        done = convert(
            options.src,
            options.dst,
            source_format=options.source_format,
            format=options.format,
            signal=options.signal,
            compression=options.compression,
            promote=promote,
            force=options.force,
            max_message_bytes=options.max_message_bytes,
            progress=lambda read, total: show(read, total, f"of {total // 10**6} MB"),
        )
    if done.lost:
        lost = ", ".join(f"{name} {number}" for name, number in sorted(done.lost.items()))
        print(f"{done.format} cannot carry all of it; left out: {lost}", file=sys.stderr)
    print(
        f"{done.source_format} -> {done.format}: {done.messages} messages of {done.signal}, "
        f"{done.skipped} of other signals skipped, {done.bytes_read} -> {done.bytes_written} bytes"
    )
    return 0
