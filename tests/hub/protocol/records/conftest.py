"""The hub, its owner and a stranger that the tests of the buffer have too."""

from __future__ import annotations

import pytest

from tests.hub.store_and_forward.buffer.buffer_kit import Party


@pytest.fixture(scope="session")
def party() -> Party:
    return Party()
