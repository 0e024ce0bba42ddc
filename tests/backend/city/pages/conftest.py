"""A small town, served over TLS, and browsers of its people."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

for folder in (Path(__file__).parent, Path(__file__).parent.parent / "people"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))

from pages_kit import Sensor, fill, sensors  # noqa: E402
from people_kit import Browser, Town, served  # noqa: E402

from backend.city.city import City  # noqa: E402
from backend.city.people.viewer import CLASSES, Role, Scope  # noqa: E402

EVERYTHING = Scope(classes=CLASSES)


@pytest.fixture
def things() -> list[Sensor]:
    """Forty things: the first one is a bin, the last five move, one of them is personal and one public."""
    found = sensors(40)
    found[37] = found[37]._replace(privacy="personal")
    found[38] = found[38]._replace(privacy="public")
    found[0] = found[0]._replace(name="Conteneur de l'hôtel de ville")
    found[1] = found[1]._replace(provider="acme", site="site-2")
    return found


@pytest.fixture
async def town(city: City, city_directory: Path, tmp_path: Path, things: list[Sensor]) -> AsyncIterator[Town]:
    """The town with its register, and nobody in it."""
    await city.store.write(lambda t: fill(t, things, city.clock()))
    async with served(city, tmp_path / "tls") as made:
        yield made


@pytest.fixture
def enter(town: Town) -> Callable[..., Awaitable[Browser]]:
    """Signs somebody in: `await enter(Role.CREW, Scope(…))`."""

    async def signed_in(role: Role = Role.OPERATOR, scope: Scope = EVERYTHING, name: str = "") -> Any:
        return await town.enter(name or f"{role.value}-1", role, scope)

    return signed_in
