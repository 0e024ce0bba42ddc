"""The benchmarks are scripts beside each other, not a package: load one without leaving its folder on the path,
where `backend` would be a script."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.setattr(sys, "path", [*sys.path, str(BENCH)])
    return importlib.import_module
