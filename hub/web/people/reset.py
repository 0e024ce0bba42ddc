"""A new claim code for somebody who holds the hub's card and can sign in no more.

A file `ilot-claim-reset` in the configured directory, usually that of the boot partition, which any computer writes to,
asks for it; what is in it does not matter. At its next start the hub makes a code, writes it to
`ilot-claim-code.txt` beside it, and takes the request away. The code's file goes when the code was used. Accounts stay
as they are. Whoever can write there holds the card, and could read or change all that is on it anyway. Blocking.
"""

from __future__ import annotations

import logging
from pathlib import Path

from hub.core.disk.atomic_files import sync_directory, write_atomically

ASKED, CODE = "ilot-claim-reset", "ilot-claim-code.txt"

_log = logging.getLogger("hub.web")


def asked(directory: Path | None) -> bool:
    """Whether somebody asks for a code."""
    return directory is not None and (directory / ASKED).is_file()


def show(directory: Path, code: str, url: str) -> None:
    """Write the code down, before it counts. Raises OSError: then none is to be made."""
    text = f"{code}\r\n{url}claim\r\nCe code ne sert qu'une fois. / This code works once.\r\n"
    write_atomically(directory / CODE, text.encode("utf-8-sig"))


def done(directory: Path) -> str:
    """Take the request away; why that could not be done, "" when it was."""
    try:
        (directory / ASKED).unlink(missing_ok=True)
        sync_directory(directory)
    except OSError as error:
        why = error.strerror or error
        return f"{directory / ASKED} cannot be removed ({why}): remove it, each start makes a new claim code"
    return ""


def used(directory: Path | None) -> None:
    """The code was used up."""
    if directory is not None:
        try:
            (directory / CODE).unlink(missing_ok=True)
        except OSError as error:
            _log.warning("%s, a code that counts no more, cannot be removed: %s", directory / CODE, error)
