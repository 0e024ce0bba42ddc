"""The parts that each room of the city's view is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from backend.city.exclusive_work import holding
from backend.city.store import CityStore
from backend.owner.directory import Owner
from backend.queries.views import Views
from backend.storage.queries import Queries
from backend.storage.shared import SharedStorage

ErrorPage = Callable[[web.Request, int, str], Awaitable[web.StreamResponse]]
"""Makes the page of an error from its status and its sentence."""


@dataclass(slots=True)
class City:
    """One owner's city, as this process serves it.

    `address` is the backend's database, `queries` and `views` read it, `storage` writes it; `store` is the city's own.
    `clock` gives Unix seconds. `parts` holds what a room makes once for its requests, by the room's name: its own
    module has the typed function that takes it out. `error_page` is set by the room of pages.
    """

    directory: Path
    owner: Owner
    address: Path | str
    store: CityStore
    queries: Queries
    views: Views
    storage: SharedStorage
    clock: Callable[[], float]
    url: str = ""
    parts: dict[str, Any] = field(default_factory=dict)
    error_page: ErrorPage | None = None

    def alone(self, name: str) -> AbstractAsyncContextManager[None]:
        """Hold the right to do alone, among all processes, what `name` names: waits for it; the block is cancelled
        where the right is lost. A room's `work` runs under such a right already."""
        return holding(self.store.database.right(name))


CITY = web.AppKey("city", City)
"""Key of the application: the city that it serves."""
