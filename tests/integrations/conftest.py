"""Rules for the tests of every integration."""

from __future__ import annotations

import pytest

from hub.sdk import serial_line


@pytest.fixture(autouse=True)
def _a_line_opens_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its library is imported when the first line is opened, which a busy machine does slowly."""
    monkeypatch.setattr(serial_line, "OPEN_S", 60.0)
