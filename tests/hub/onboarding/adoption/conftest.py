from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.onboarding.adoption.commissioning_service import CommissioningService
from tests.hub.onboarding.adoption.adoption_kit import House


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path)
    await made.start()
    yield made
    await made.store.close()


@pytest.fixture
def rolls(house: House) -> tuple[House, CommissioningService]:
    return house, house.service.rolls
