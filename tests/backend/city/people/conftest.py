"""A city over TLS, for tests of people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.city.city import City

from .people_kit import Town, served


@pytest.fixture
async def town(city: City, tmp_path: Path) -> AsyncIterator[Town]:
    """A city that is served over TLS."""
    async with served(city, tmp_path / "tls") as found:
        yield found
