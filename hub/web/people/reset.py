"""New claim code for somebody who holds the hub's card and can no longer sign in.

A file `ilot-claim-reset` in the configured directory, usually that of the boot partition, which any computer can write,
requests it; its contents do not matter. At its next start the hub makes a code, writes it to `ilot-claim-code.txt`
beside it, and removes the request. The code's file is removed when the code was used. Accounts stay as they are.
Whoever can write there holds the card, and could read or change everything on it anyway. Blocking.
"""

from __future__ import annotations

import logging
from pathlib import Path

from hub.core.disk.atomic_files import sync_directory, write_atomically
from hub.core.text import phrase, reason_of, system_error

ASKED, CODE = "ilot-claim-reset", "ilot-claim-code.txt"

_log = logging.getLogger("hub.web")


def is_requested(directory: Path | None) -> bool:
    """Return whether a code is requested."""
    return directory is not None and (directory / ASKED).is_file()


def write_code(directory: Path, code: str, url: str) -> None:
    """Write the code before it becomes valid. Raises OSError: then none must be made."""
    text = f"{code}\r\n{url}claim\r\nCe code ne sert qu'une fois. / This code works once.\r\n"
    write_atomically(directory / CODE, text.encode("utf-8-sig"))


def remove_request(directory: Path) -> str:
    """Remove the request; return why that failed, "" when it did not."""
    try:
        (directory / ASKED).unlink(missing_ok=True)
        sync_directory(directory)
    except OSError as error:
        return phrase(
            "claim-request-not-removed",
            "{path} cannot be removed, do it by hand: each start makes a new claim code: {reason}",
            path=directory / ASKED,
            reason=system_error(error),
        )
    return ""


def remove_code(directory: Path | None) -> None:
    """Remove the file of a used code."""
    if directory is not None:
        try:
            (directory / CODE).unlink(missing_ok=True)
        except OSError as error:
            _log.warning(
                phrase(
                    "code-counts-no",
                    "{directory}, a code that counts no more, cannot be removed: {reason}",
                    directory=directory / CODE,
                    reason=reason_of(error),
                )
            )
