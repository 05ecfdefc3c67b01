"""What a forked child does with the sockets that it inherits from an open library: it closes them.

Go's runtime does not run in the child, so nobody would answer there; yet as long as the child has them open,
the port stays taken and clients stay connected, even after the parent is gone. The parent's are not touched.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_ANY = ("0.0.0.0", "::")


def close_sockets(addresses: Iterable[str]) -> None:
    """Closes this process's sockets whose own end is one of addresses: listening and accepted ones.

    An address is "host:port", "[host]:port" or "unix:/path". Does nothing where /dev/fd cannot be listed.
    """
    wanted = {_parsed(address) for address in addresses}
    try:
        numbers = [int(name) for name in os.listdir("/dev/fd")]
    except (OSError, ValueError):
        return
    for number in numbers if wanted else ():
        with contextlib.suppress(OSError):  # no socket, or closed meanwhile
            if _is_one(number, wanted):
                os.close(number)


def _parsed(address: str) -> tuple[str, int]:
    if address.startswith("unix:"):
        return address.removeprefix("unix:"), 0
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _is_one(number: int, wanted: set[tuple[str, int]]) -> bool:
    found = socket.socket(fileno=number)
    try:
        name = found.getsockname()
    finally:
        found.detach()  # it is not ours to close, as this object would
    if not isinstance(name, tuple):
        return (name, 0) in wanted
    host, port = name[0].removeprefix("::ffff:"), name[1]  # IPv4 on a socket of IPv6
    return any((each, port) in wanted for each in (host, *_ANY))
