"""A city over either engine, for the tests of its rooms."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from backend_kit import Desk
from postgres_desk import PostgresDesk
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from backend.city.city import City
from backend.city.people import accounts
from backend.city.people.desk import desk_of
from backend.city.people.viewer import Role, Scope
from backend.city.store import CityStore
from backend.owner import directory as owners
from backend.queries.views import Views
from backend.storage.city.database import CityDatabase, Transaction, open_city
from backend.storage.opening import open_queries, open_storage
from backend.storage.shared import SharedStorage
from hub.core import password_hash
from hub.page_kit.people.sessions import COOKIE

SAME = pytest.mark.long("the same tests over PostgreSQL", of="backend/storage/city")
ENGINES = ["sqlite", pytest.param("postgresql", marks=SAME)]


@pytest.fixture(params=ENGINES)
def city_address(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """The address of a backend's database: a file, or a URL with an empty schema `city`."""
    if request.param == "sqlite":
        return tmp_path / "owner" / "backend.db"
    url = str(request.getfixturevalue("postgres_url"))
    empty_city(url)
    return url


@pytest.fixture
def city_directory(tmp_path: Path) -> Path:
    """An owner's directory."""
    owners.init(tmp_path / "owner", owner="Ville")
    return tmp_path / "owner"


@pytest.fixture
def open_again(city_directory: Path, city_address: Path | str) -> Iterator[Callable[[], CityDatabase]]:
    """Opens the city's database again and again, as other processes do."""
    made: list[CityDatabase] = []

    def again() -> CityDatabase:
        made.append(open_city(city_directory, city_address))
        return made[-1]

    yield again
    for one in made:
        one.close()


@pytest.fixture
def ingest(city: City, city_address: Path | str) -> Iterator[Desk]:
    """The ingest of the city's backend, without a network."""
    url = isinstance(city_address, str)
    made = PostgresDesk(city.directory, str(city_address)) if url else Desk(city.directory)
    yield made
    made.close()


@pytest.fixture
async def city(city_directory: Path, city_address: Path | str) -> AsyncIterator[City]:
    """A city with all its tables, and nothing in them."""
    open_storage(city_address).close()  # makes the backend's own tables
    queries, storage = open_queries(city_address), SharedStorage(city_address)
    made = City(
        directory=city_directory,
        owner=owners.load(city_directory),
        address=city_address,
        store=CityStore(open_city(city_directory, city_address)),
        queries=queries,
        views=Views(queries),
        storage=storage,
        clock=time.time,
        url="https://localhost:8444",
    )
    yield made
    await made.store.close()
    await storage.close()
    for session in getattr(queries, "_idle", ()):  # it goes with who has it, which a cycle of a test may be for long
        session.close()


def empty_city(url: str) -> None:
    """Delete all rows of the schema `city`, but for what says which tables there are."""
    given: Any = conninfo_to_dict(url)
    with psycopg.connect(**given) as session, suppress(psycopg.errors.UndefinedTable):
        session.execute("set local session_replication_role = replica")
        tables = session.execute(
            "select relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = 'city' and c.relkind = 'r' and relname <> 'migrations'"
        ).fetchall()
        for (table,) in tables:
            session.execute(sql.SQL("delete from city.{}").format(sql.Identifier(table)))


SignedIn = Callable[..., Awaitable[dict[str, str]]]


@pytest.fixture
def signed_in(city: City) -> SignedIn:
    """Makes a person in a role and scope; returns the headers with which their browser asks, also to change something:
    `headers = await signed_in(Role.HEAD, Scope(services=frozenset({"waste"})))`."""

    async def sign_in(role: Role, scope: Scope | None = None, name: str = "") -> dict[str, str]:
        name = name or f"{role.value}-{secrets.token_hex(3)}"
        scope = scope or Scope(provider="someone" if role is Role.PROVIDER else "")
        desk = desk_of(city)

        def make(t: Transaction) -> str:
            code = password_hash.make("code")
            one = accounts.add(t, "test", name, role, scope, code, city.clock())
            return desk._begin(t, one, "127.0.0.1", city.clock(), local=True)

        token = await city.store.write(make)
        return {
            "Cookie": f"{COOKIE}={token}",
            "X-CSRF": (await desk.signer()).csrf(token),
            "Sec-Fetch-Site": "same-origin",
        }

    return sign_in
