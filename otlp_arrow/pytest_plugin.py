"""The plugin for pytest, which loads this module in every run of everybody who has the package.

So it imports next to nothing, and where pytest is older than the plugin needs, it is empty: that is no
reason for other people's tests to fail. docs/testing.md is the reference.
"""

from __future__ import annotations

import pytest

if hasattr(pytest, "StashKey"):  # from pytest 7 on
    from ._mock.plugin import (
        otlp,
        otlp_session,
        pytest_addoption,
        pytest_configure,
        pytest_runtest_makereport,
    )

    __all__ = [
        "otlp",
        "otlp_session",
        "pytest_addoption",
        "pytest_configure",
        "pytest_runtest_makereport",
    ]
