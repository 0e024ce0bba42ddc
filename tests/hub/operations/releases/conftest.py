"""Puts the helpers of these tests where they can be imported."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from releases_kit import Place


@pytest.fixture(autouse=True)
def own_disk_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No wait for what everybody else writes on this machine; each file is synced by itself all the same."""
    monkeypatch.setattr("os.sync", lambda: None)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)
