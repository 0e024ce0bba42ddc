"""The whole examination, in the order in which it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backend.maintenance.doctor import database_server, machine, server, stored
from backend.maintenance.doctor import directory as owners_directory
from backend.maintenance.doctor.findings import DIRECTORY, OK, WRONG, Finding
from backend.owner import directory as owners
from hub.core.errors import HubError
from hub.core.text import phrase, reason_of


def examine(directory: Path, now: float, database: str = "") -> Iterator[Finding]:
    """Yield all findings, each as soon as it is there; `now` is Unix seconds. `database` is its URL, where it is not in
    a file of the directory."""
    try:
        owner = owners.load(directory)
    except HubError as error:
        yield Finding(DIRECTORY, WRONG, reason_of(error), owners_directory.restore_remedy(directory))
        yield from machine.releases()
        return
    says = phrase("directory-of", "{directory}, of {owner!r}", directory=directory, owner=owner.settings.owner)
    yield Finding(DIRECTORY, OK, says)
    yield from owners_directory.look(owner, now, copied=not database)
    yield from machine.look(directory)
    if database:
        yield from database_server.look(database)
    yield from stored.look(owner, now, database)
    yield from server.look(owner)
