"""Opening of a database, for writing and for reading, by the engine that its address names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from backend.storage.archive import ArchiveSource, ArchiveTarget
from backend.storage.chunks import Chunks, HubSnapshot
from backend.storage.city.sql import Engine as CityEngine
from backend.storage.engine import Storage
from backend.storage.former_rows import FormerRows
from backend.storage.queries import Queries
from backend.storage.server_health import ServerHealth
from hub.core.errors import ConfigError
from hub.core.text import phrase


def open_storage(address: Path | str) -> Storage:
    """Open a database for writing: in a file, which is created on first use, or the one of a `postgresql://` URL. Any
    process may, beside those that serve. Raises StorageError, ConfigError for a URL."""
    if is_url(address):
        with _postgresql():
            from backend.storage.postgresql.storage import PostgresStorage
        return PostgresStorage(str(address))
    from backend.storage.sqlite.storage import SqliteStorage

    return SqliteStorage(Path(address))


def is_url(address: Path | str) -> bool:
    """Return whether an address names a server, and not a file."""
    return isinstance(address, str) and address.startswith(("postgresql:", "postgres:"))


def open_queries(address: Path | str) -> Queries:
    """Return the reading side of a database: in a file, which is opened for each snapshot, or of a `postgresql://` URL.
    Any thread and process may. Raises ConfigError for a URL."""
    if is_url(address):
        with _postgresql():
            from backend.storage.postgresql.queries import PostgresQueries
        return PostgresQueries(str(address))
    from backend.storage.sqlite.queries import SqliteQueries

    return SqliteQueries(Path(address))


def open_chunks(address: Path | str) -> Chunks:
    """Open a database for the process that compacts it. Raises StorageError, ConfigError for a URL."""
    if is_url(address):
        with _postgresql():
            from backend.storage.postgresql.chunks import PostgresChunks
        return PostgresChunks(str(address))
    from backend.storage.sqlite.chunks import SqliteChunks

    return SqliteChunks(Path(address))


def read_hub(path: Path, hub: str) -> AbstractContextManager[HubSnapshot]:
    """Return bodies and chunks of a hub as they are at this moment. Any thread and process may. Raises StorageError."""
    from backend.storage.sqlite.chunks import read_hub as read

    return read(path, hub)


def open_former_rows(path: Path, *, rehearse: bool = False) -> FormerRows:
    """Open the database in a file to move the rows of a former release into chunks, or to rehearse that. Raises
    StorageError."""
    from backend.storage.sqlite.former_rows import SqliteFormerRows

    return SqliteFormerRows(path, rehearse=rehearse)


def open_archive_source(address: Path | str) -> ArchiveSource:
    """Open a database to be archived: in a file, or the one of a `postgresql://` URL. Servers may run meanwhile. Raises
    StorageError, ConfigError for a URL."""
    if is_url(address):
        with _postgresql():
            from backend.storage.postgresql.archive import PostgresArchiveSource
        return PostgresArchiveSource(str(address))
    from backend.storage.sqlite.archive import SqliteArchiveSource

    return SqliteArchiveSource(Path(address))


def open_archive_target(address: Path | str) -> ArchiveTarget:
    """Open a database to be filled from an archive: in a file, which is created on first use, or the one of a
    `postgresql://` URL. Raises StorageError, ConfigError for a URL."""
    if is_url(address):
        with _postgresql():
            from backend.storage.postgresql.archive import PostgresArchiveTarget
        return PostgresArchiveTarget(str(address))
    from backend.storage.sqlite.archive import SqliteArchiveTarget

    return SqliteArchiveTarget(Path(address))


CITY = "city.db"
"""File of the city's tables in an owner's directory."""


def city_engine(directory: Path, address: Path | str, name: str = CITY) -> CityEngine:
    """Return the engine of the city's tables: of the file `name` in an owner's directory, or of the database of a
    `postgresql://` URL. Raises ConfigError for a URL."""
    if is_url(address):
        with _postgresql():
            from backend.storage.postgresql.city import PostgresCity
        return PostgresCity(str(address))
    from backend.storage.sqlite.city import SqliteCity

    return SqliteCity(directory / name)


def migrate_database(url: str, told: Callable[[str, int, int, int], None], *, rehearse: bool = False) -> int:
    """Give the tables of PostgreSQL the form that this release needs; return how many steps that took. `told` is called
    with name, step, number of steps and rows moved. Raises ConfigError for a URL, StorageError."""
    with _postgresql():
        from backend.storage.postgresql import migrations
    database = migrations.opened(url, "ilot backend migrate")
    try:
        return migrations.migrate(
            database, lambda one: told(one.name, one.step, one.steps, one.rows), rehearse=rehearse
        )
    finally:
        database.close()


def begin_again(url: str) -> int:
    """Make a database of PostgreSQL that was put back to an earlier moment ready to be served; return how many tokens
    were withdrawn. Raises ConfigError for the URL, StorageError."""
    with _postgresql():
        from backend.storage.city.database import begin_again as begin_city
        from backend.storage.postgresql.begin_again import begin_again as begin
    withdrawn = begin(url)
    begin_city(url)
    return withdrawn


def server_health(url: str) -> ServerHealth:
    """Ask the server of a `postgresql://` URL how it is. Raises ConfigError for the URL, StorageError."""
    with _postgresql():
        from backend.storage.postgresql.health import server_health as ask
    return ask(url)


@contextmanager
def _postgresql() -> Iterator[None]:
    """Say what is missing where the engine cannot be imported."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("psycopg"):
            raise
        raise ConfigError(
            phrase(
                "postgresql-library-missing",
                "psycopg is not installed, which speaks to PostgreSQL: install ilot[postgresql]",
            )
        ) from error
