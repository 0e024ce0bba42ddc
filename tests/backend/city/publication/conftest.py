"""A city with published air, served over TLS."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

if (folder := str(Path(__file__).parent.parent / "people")) not in sys.path:
    sys.path.append(folder)

from people_kit import Town, served

from backend.city.city import City

from .attack import START
from .publication_kit import AIR, air, passes, publish, put, wave


@pytest.fixture
async def town(city: City, tmp_path: Path) -> AsyncIterator[Town]:
    """The town, over TLS, with nothing published."""
    async with served(city, tmp_path / "tls") as made:
        yield made


@pytest.fixture
async def published(town: Town) -> Town:
    """The town with 40 days of air, of which a month is closed."""
    await put(town.city, AIR)
    await publish(town.city, air())
    await passes(town.city, wave(AIR, 40 * 24), START + 40 * 86_400)
    return town
