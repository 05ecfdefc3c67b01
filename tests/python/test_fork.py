"""Which sockets a forked child would close; test_library.py has the forks."""

import os
import socket

import pytest

from otlp_arrow import _fork


@pytest.fixture
def numbers(tmp_path):
    """Descriptors of sockets by name, which nothing else owns."""
    server = socket.create_server(("127.0.0.1", 0))
    at = "{}:{}".format(*server.getsockname())
    client = socket.create_connection(server.getsockname())
    local = socket.socket(socket.AF_UNIX)
    local.bind(str(tmp_path / "s"))
    found = {
        "listening": server,
        "accepted": server.accept()[0],
        "client": client,
        "unix": local,
        "other": socket.create_server(("127.0.0.1", 0)),
    }
    found = {name: each.detach() for name, each in found.items()}
    yield at, found
    for number in found.values():
        if is_open(number):
            os.close(number)


def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def still_open(numbers):
    return {name for name, number in numbers.items() if is_open(number)}


def test_own_ends_are_closed(numbers, tmp_path):
    at, found = numbers
    _fork.close_sockets([at, f"unix:{tmp_path / 's'}"])
    assert still_open(found) == {"client", "other"}


def test_a_wildcard_is_any_host(numbers):
    at, found = numbers
    port = at.rpartition(":")[2]
    _fork.close_sockets([f"127.0.0.2:{port}"])
    assert still_open(found) == set(found)
    _fork.close_sockets([f"[::]:{port}"])
    assert still_open(found) == {"client", "unix", "other"}


def test_nothing_happens_without_addresses_or_descriptors(numbers, monkeypatch):
    at, found = numbers
    _fork.close_sockets([])
    monkeypatch.setattr(_fork.os, "listdir", lambda path: ["odd"])
    _fork.close_sockets([at])
    assert still_open(found) == set(found)
