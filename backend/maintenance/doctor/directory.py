"""The owner's directory: files and rights, keys that should be elsewhere, the certificate, the last copy."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509

from backend.maintenance import copies
from backend.maintenance.doctor.findings import (
    CERTIFICATE,
    COPY,
    DAY_S,
    FILES,
    KEYS,
    MOST_SHOWN,
    NOTE,
    OK,
    WRONG,
    Finding,
)
from backend.owner.directory import Owner
from hub.core.text import phrase, reason_of

COPY_NOTE_S, COPY_WRONG_S = 2 * DAY_S, 7 * DAY_S
"""Ages of the last copy: beyond the second, hubs no longer hold all that it lacks."""
ENDS_SOON_S = 30 * DAY_S
_OF_ROOT = ("badge.key",)
"""Files that stay root's where root made them: the server does not read them."""
_SECRET = (".key", ".seed", ".token", ".db", ".db-wal", "ed25519.pem")


def look(owner: Owner, now: float, *, copied: bool = True) -> Iterator[Finding]:
    """Yield the findings; `now` is Unix seconds. `copied`: copies of the directory hold its database too."""
    yield from _files(owner)
    yield _offline_keys(owner)
    yield _certificate(owner, now)
    if copied:
        yield _copy(owner.directory, now)


def restore_remedy(directory: Path) -> str:
    return phrase(
        "restore-from-copy", "`ilot backend restore COPY {directory}`, or bring the file back", directory=directory
    )


def _files(owner: Owner) -> Iterator[Finding]:
    """Look for secrets that others could read, and for files that the server's user does not own."""
    home = owner.directory.stat()
    shut = not home.st_mode & 0o077
    lax: list[str] = []
    foreign: list[str] = []
    for path, _, names in os.walk(owner.directory):  # which follows no link
        for name in names:
            found, own = (Path(path) / name).lstat(), str((Path(path) / name).relative_to(owner.directory))
            if stat.S_ISREG(found.st_mode) and found.st_mode & 0o077 and name.endswith(_SECRET):
                lax.append(own)
            if found.st_uid != home.st_uid and own not in _OF_ROOT:
                foreign.append(own)
    if foreign:
        remedy = phrase("give-to-user", "`chown -R --reference={directory} {directory}`", directory=owner.directory)
        says = phrase("files-of-another-user", "{files} belong to another user", files=foreign[:MOST_SHOWN])
        yield Finding(FILES, WRONG, says, remedy)
    if lax or not shut:
        open_to = lax[:MOST_SHOWN] or [str(owner.directory)]
        remedy = phrase("shut-directory", "`chmod -R go= {directory}`", directory=owner.directory)
        says = phrase("files-open-to-others", "others of this machine may read {files}", files=open_to)
        yield Finding(FILES, WRONG if lax and not shut else NOTE, says, remedy)
    elif not foreign:
        yield Finding(FILES, OK, phrase("files-shut", "only their user reads them"))


def _offline_keys(owner: Owner) -> Finding:
    here = [name for name in ("root", "recovery.key") if (owner.directory / name).exists()]
    if not here:
        return Finding(KEYS, OK, phrase("offline-keys-away", "root and recovery key do not lie here"))
    return Finding(
        KEYS,
        NOTE,
        phrase(
            "offline-keys-here",
            "{files} lie beside the server: whoever takes it can sign or read as the owner",
            files=here,
        ),
        phrase(
            "take-keys-away", "move them to offline media, as README.md in {directory} says", directory=owner.directory
        ),
    )


def _certificate(owner: Owner, now: float) -> Finding:
    try:
        shown = x509.load_pem_x509_certificate((owner.directory / "server.pem").read_bytes())
    except (OSError, ValueError) as error:
        return Finding(CERTIFICATE, WRONG, reason_of(error), restore_remedy(owner.directory))
    begins, ends = shown.not_valid_before_utc.timestamp(), shown.not_valid_after_utc.timestamp()
    ends = min(ends, owner.ca.not_valid_after_utc.timestamp())
    says = phrase("certificate-until", "good until {day}", day=time.strftime("%Y-%m-%d", time.gmtime(ends)))
    renew = phrase(
        "certificate-renews-itself", "the server renews it by itself while it runs: start it, and look at its log"
    )
    if not begins <= now < ends:
        return Finding(CERTIFICATE, WRONG, says, renew)
    return Finding(CERTIFICATE, NOTE, says, renew) if ends - now < ENDS_SOON_S else Finding(CERTIFICATE, OK, says)


def _copy(directory: Path, now: float) -> Finding:
    last = copies.last(directory)
    remedy = phrase(
        "make-a-copy",
        "`ilot backend backup {directory} TARGET`, each night, to another machine's disk",
        directory=directory,
    )
    if last is None:
        return Finding(COPY, NOTE, phrase("no-copy-known", "no copy was made of this directory"), remedy)
    age = now - last.made_at
    says = phrase(
        "copy-of-age", "the last one is {days:.1f} days old: {copy}", days=max(0.0, age / DAY_S), copy=last.copy
    )
    state = WRONG if age > COPY_WRONG_S else NOTE if age > COPY_NOTE_S else OK
    return Finding(COPY, state, says, "" if state == OK else remedy)
