"""`ilot backend doctor`: whether a backend in service is right, and what is to be done where it is not."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backend.cli.console import DATABASE, DIRECTORY, JSON, handles_errors, row, say, show
from hub.core.text import phrase

if TYPE_CHECKING:
    from backend.maintenance.doctor.findings import Finding

EXIT_WRONG, EXIT_NOTE = 6, 9
"""Exit codes: something is wrong; nothing is, but something is to be seen to. 0 is left to a backend that is right."""


@click.command()
@DIRECTORY
@JSON
@handles_errors
def doctor(directory: Path, as_json: bool) -> None:
    """Look at DIRECTORY, this machine, the database and the running server; say what to do.

    The database is the one that ILOT_DATABASE names, or the file in DIRECTORY. As root it looks as the directory's user
    would. It needs no root key, and changes nothing. Exit code 0: all is right; 9: something is to be seen to; 6:
    something is wrong.
    """
    from backend.maintenance.doctor.findings import NOTE, OK, WRONG

    _become_user_of(directory)
    marks = {OK: "✔", NOTE: "!", WRONG: "✘"}
    found = []
    for one in _findings(directory):
        found.append(one)
        if not as_json:
            show(None, False, [row(marks[one.state], one.what, one.says)])
    if as_json:
        show([one._asdict() for one in found], True, [])
    else:
        for what, remedy in {(one.what, one.remedy): None for one in found if one.remedy}:
            say(phrase("remedy-for", "{what}: {remedy}", what=what, remedy=remedy))
    states = {one.state for one in found}
    if code := EXIT_WRONG if WRONG in states else EXIT_NOTE if NOTE in states else 0:
        sys.exit(code)


def _findings(directory: Path) -> Iterator[Finding]:
    from backend.maintenance.doctor.examination import examine

    return examine(directory, time.time(), os.environ.get(DATABASE, ""))


def _become_user_of(directory: Path) -> None:
    """As root, become the user of the directory for good: what root may open tells nothing of the server."""
    try:
        owner = directory.stat()
    except OSError:
        return  # told by the examination
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.setgroups([])
        os.setresgid(owner.st_gid, owner.st_gid, owner.st_gid)
        os.setresuid(owner.st_uid, owner.st_uid, owner.st_uid)
