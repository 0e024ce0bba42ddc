"""A city with a small town in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from backend.city.city import City

from .open_kit import Device, a_town, make_town, person, register, serving, store_readings


@pytest.fixture
def devices() -> list[Device]:
    return a_town()


@pytest.fixture
async def town(city: City, devices: list[Device]) -> AsyncIterator[City]:
    """The city with the readings and the register of eight devices."""
    made = make_town(city.address)
    store_readings(made, devices)
    made.close()
    await city.store.write(lambda t: register(t, devices))
    return city


@pytest.fixture
async def client(town: City) -> AsyncIterator[Any]:
    """Asks the open API as somebody who may see all."""
    async with serving(town, person()) as asking:
        yield asking


@pytest.fixture(autouse=True)
def _no_question_is_judged_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.city.open_api.observations.LONGEST_S", 1e9)
