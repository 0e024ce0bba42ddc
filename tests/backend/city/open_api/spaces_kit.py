"""A town with provider spaces, and their keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from backend.city.city import City
from backend.city.open_api.spaces import desk
from backend.city.people import tokens
from backend.city.people.viewer import CLASSES, Role, Scope, Viewer
from backend.storage.city.spaces import Space

from ..people.people_kit import Town, served

NOON = 1_800_000_000.0
MIB = 1 << 20
SPACE = Space("acme-waste", "acme", "waste", 3 * MIB, 8 * MIB, 6, 6 * MIB, 5, 30, 1, NOON)


@asynccontextmanager
async def town_with_spaces(city: City, tmp_path: Path) -> AsyncIterator[Town]:
    """Serve a city at NOON with three spaces, and root as its administrator."""
    city.clock = lambda: NOON

    def make(t: Any) -> None:
        for name in ("waste", "roads"):
            t.run("insert into services (id, name) values (?, ?)", name, name)
        desk.make(t, "test", SPACE, NOON)
        desk.make(t, "test", SPACE._replace(name="acme-roads", service="roads"), NOON)
        desk.make(t, "test", SPACE._replace(name="other-waste", provider="other"), NOON)

    await city.store.write(make)
    async with served(city, tmp_path / "tls") as found:
        await found.enter("root", Role.ADMIN, Scope(classes=CLASSES))
        yield found


async def key_of(town: Town, provider: str = "acme", service: str = "waste", **more: Any) -> str:
    """Make a key of a provider for a service."""
    who = Viewer("root", "Root", Role.ADMIN, Scope(classes=CLASSES))
    scope = Scope(services=frozenset({service}), provider=provider)
    return await town.city.store.write(
        lambda t: tokens.make(t, who, "space", ["provider"], NOON, role=Role.PROVIDER, scope=scope, **more)
    )


async def kept(town: Town) -> list[Any]:
    """Return space, name and number of parts of each file."""
    return await town.city.store.read(
        lambda r: r.rows("select f.space, f.name, (select count(*) from space_parts p where p.file = f.id)"
                         " from space_files f order by f.id")
    )  # fmt: skip
