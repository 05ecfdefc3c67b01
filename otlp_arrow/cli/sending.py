"""What otlp-arrow send does, and its summary."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from .progress import progress, size
from .text import printable

if TYPE_CHECKING:
    from collections.abc import Callable


def run(request: dict[str, Any], *, as_json: bool = False) -> int:
    """Sends what a request of oa_send says, and tells what became of it; returns the exit code."""
    from .._handle import send
    from .._work import Work

    body = json.dumps(request).encode()
    with progress(sys.stderr, "sending") as show:
        work = Work(lambda tell: send(body, tell), lambda told: _tell(show, told))
        try:
            sent = work.run()
        except KeyboardInterrupt:
            if work.done() is None:
                raise
            sent = work.done() or {}
    print(json.dumps(sent, indent=2) if as_json else summary(sent))
    for note in _faults(sent):
        print(f"otlp-arrow: {printable(note)}", file=sys.stderr)
    if sent["interrupted"]:
        return 130
    return 1 if unacknowledged(sent) or sent["fault"] else 0


def _tell(show: Callable[..., None], told: dict[str, Any]) -> None:
    elapsed = told["elapsed_secs"]
    rate = told["items"] / elapsed if elapsed else 0.0
    text = f"{size(told['items'])} items, {size(rate)} items/s"
    if told["unacknowledged"]:
        text += f", {size(told['unacknowledged'])} not acknowledged"
    show(told["done"], told["total"], text)


WAYS = {
    "refused": "refused",
    "rejected": "rejected within acknowledged requests",
    "given_up": "given up after retries",
    "unanswered": "without an answer when it was interrupted",
}


def unacknowledged(sent: dict[str, Any]) -> int:
    """How many items were not taken, in whatever way."""
    return sum(int(sent[way]) for way in WAYS)


def summary(sent: dict[str, Any]) -> str:
    """What became of it, for people."""
    by_signal = ", ".join(f"{count} {signal}" for signal, count in sorted(sent["signals"].items()))
    lines = [
        f"acknowledged  {sent['requests']} requests, {sent['items']} items, {sent['bytes']} bytes"
        + (f" ({by_signal})" if len(sent["signals"]) > 1 else ""),
    ]
    lines += [f"not           {sent[way]} items {text}" for way, text in WAYS.items() if sent[way]]
    if sent["retries"]:
        lines.append(f"sent again    {sent['retries']} times")
    latency = sent["latency_ms"]
    if sent["requests"]:
        lines.append(
            f"latency       p50 {latency['p50']:.2f} ms, p95 {latency['p95']:.2f} ms, "
            f"p99 {latency['p99']:.2f} ms, longest {latency['max']:.2f} ms"
        )
    lines.append(f"took          {sent['elapsed_secs']:.2f} s, {sent['items_per_sec']:.0f} items/s")
    return "\n".join(lines)


def _faults(sent: dict[str, Any]) -> list[str]:
    faults = [f"{f['code']}: {f['message']} ({f['requests']} requests)" for f in sent["failures"]]
    if sent["fault"]:
        faults.append(sent["fault"])
    return faults + list(sent["notes"])
