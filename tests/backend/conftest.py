"""Puts the helpers of these tests where they can be imported."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import postgres_kit
from backend_kit import NOW, Desk
from postgres_desk import PostgresDesk

from backend.conformance.probe import Probe
from backend.hubs.registry import Registry
from backend.owner import directory as owners
from backend.processes.ingest_process import Running, serving
from backend.queries import views
from backend.storage.engine import Storage
from backend.storage.opening import open_storage
from backend.storage.reading_rules import newest_limit
from hub.identity.enrolment import enrol


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ask PostgreSQL nothing that only files have."""
    items[:] = [
        one
        for one in items
        if one.get_closest_marker("of_files") is None or "postgresql" not in one.name.partition("[")[2]
    ]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest reading is asked for when all that is dated about NOW is past: on the day itself, some were ahead."""
    monkeypatch.setattr(views, "newest_limit", lambda now: newest_limit(max(now, NOW / 1000 + 30 * 86_400)))


POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.long("the same tests over PostgreSQL"))


@pytest.fixture(params=["bodies", "chunks", POSTGRESQL])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """An owner's ingest: read before a compactor came, after it came, over PostgreSQL."""
    if request.param == "postgresql":
        made = PostgresDesk(tmp_path / "owner", request.getfixturevalue("postgres_url"))
        yield made
        made.close()
        return
    made = Desk(tmp_path / "owner", compacts=request.param == "chunks")
    yield made
    made.close()


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Desk]:
    """An owner's ingest, without a compactor."""
    made = Desk(tmp_path / "owner")
    yield made
    made.close()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Running]:
    """A backend on loopback."""
    owners.init(tmp_path / "owner", owner="Ville")
    async with serving(tmp_path / "owner", port=0) as running:
        yield running


@pytest.fixture
async def probe(served: Running, tmp_path: Path) -> AsyncIterator[Probe]:
    """A hub that is enrolled there."""
    token = token_for(served)
    await enrol(token, tmp_path / "hub")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        yield Probe(served.url, token, tmp_path / "hub", session)


def token_for(served: Running, lifetime: float = 3600.0) -> str:
    storage = open_storage(served.owner.database)
    try:
        registry = Registry(storage)
        return str(
            registry.issue(
                url=served.url, root=served.owner.settings.root, name="t", now=time.time(), lifetime=lifetime
            )
        )
    finally:
        storage.close()


@pytest.fixture(autouse=True)
def _this_process_may_still_dump_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command called in-process hardens its process: here that would be pytest itself and, by inheritance, each
    process that a later test starts. A limit once lowered cannot be raised again."""
    monkeypatch.setattr("hub.core.process_hardening.harden", list)


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_kit.Shared]:
    """One PostgreSQL server for all tests that only need a database of their own."""
    if not postgres_kit.available():
        pytest.skip(postgres_kit.MISSING)
    # what cleans tables by itself would hold a lock at any moment, which tests do not wait for
    with postgres_kit.cluster(autovacuum="off") as running:
        yield postgres_kit.Shared(running)


@pytest.fixture
def postgres_url(postgres: postgres_kit.Shared) -> str:
    """A database with the backend's tables, and nothing in them."""
    return postgres.emptied()


@pytest.fixture(params=["postgresql", "sqlite"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Storage]]:
    """Opens the same database of one engine again and again."""
    made: list[Storage] = []
    address = tmp_path / "backend.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")

    def again() -> Storage:
        made.append(open_storage(address))
        return made[-1]

    yield again
    for one in made:
        one.close()
