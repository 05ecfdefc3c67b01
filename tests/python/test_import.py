import importlib.metadata
import subprocess
import sys

import pytest

import otlp_arrow


def test_import_loads_nothing_heavy():
    code = """
import sys, otlp_arrow
heavy = {"pyarrow", "numpy", "ctypes", "otlp_arrow._abi", "otlp_arrow.library"} & set(sys.modules)
assert not heavy, heavy
import otlp_arrow.library
heavy = {"pyarrow", "numpy"} & set(sys.modules)
assert not heavy, heavy
assert otlp_arrow._abi._library is None
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_import_is_quick():
    code = "import time; start = time.perf_counter(); import otlp_arrow; print(time.perf_counter() - start)"
    taken = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(3)]
    assert min(taken) < 0.05


def test_public_names():
    for name in otlp_arrow.__all__:
        assert getattr(otlp_arrow, name) is not None
        assert name in dir(otlp_arrow)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        otlp_arrow.nothing  # noqa: B018


def test_version_is_that_of_the_package():
    assert otlp_arrow.__version__ == importlib.metadata.version("otlp-arrow")
