"""Puts what builds and checks wheels where the tests can import it."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("gocore/build_tools", ".ci/wheels", ".ci")]
