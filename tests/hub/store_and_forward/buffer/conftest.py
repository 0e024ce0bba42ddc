"""Puts the helpers of these tests where they can be imported."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from buffer_kit import Party


@pytest.fixture(scope="session")
def party() -> Party:
    """One hub, its owner's two recipients, and a stranger."""
    return Party()
