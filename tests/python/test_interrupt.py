"""Ctrl-C ends each call that can block; bench/interrupt.py makes them block, and measures."""

import json
import subprocess
import sys

import pytest

BOUND = 5000  # milliseconds: that it ends at all, on a machine that has much else to do


@pytest.mark.parametrize("call", ["flush", "close", "traces", "read", "export", "convert", "doctor", "serve"])
def test_ctrl_c_ends_a_call(repository, call):
    command = [sys.executable, repository / "bench" / "interrupt.py", "--json", call]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[call] < BOUND
