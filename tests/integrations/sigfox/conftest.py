"""Puts the operator of these tests where it can be imported, and gives it: another HTTP client, in its own process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from sigfox_operator import Operator


@pytest.fixture(scope="session")
def operator() -> Iterator[Operator]:
    made = Operator()
    yield made
    made.close()
