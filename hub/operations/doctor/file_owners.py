"""Owner and rights of the files of a hub, as the user of its service sees them, and their repair by root.

Only root sees all of it. A link is never followed, and a file with several names keeps its owner: the hub's user may
have put either there (`hub.core.disk.atomic_files`).
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from hub.core.disk.atomic_files import Owner, give
from hub.core.text import Phrase, phrase, reason_of
from hub.operations.doctor.findings import FILES, NOTE, OK, WRONG, Finding
from hub.operations.doctor.service import User

MOST_FILES = 20_000
STALE_S = 3600.0
"""An unfinished file of this age belongs to nobody any more."""
_NAMED = 3
_ROOTS = frozenset({"releases"})
"""Folders of the state directory that are root's on purpose: releases are verified and switched by root."""
_UNFINISHED = re.compile(r"\.[\w.-]{1,200}-[0-9a-f]{16}")
"""Names by which `hub.core.disk.atomic_files` writes a file before it has its own."""
_READ, _WRITE, _ENTER = 4, 2, 1


class Fault(NamedTuple):
    """A file that is not as it must be: why, and how it would be right."""

    path: Path
    why: Phrase
    mode: int
    owner: Owner


def look(state: Path, config: Path | None, user: User, *, fix: bool = False) -> Iterator[Finding]:
    """Yield what is wrong with owner and rights below `state` and beside `config`, once mended with `fix`; as root."""
    faults, looked = [], 0
    for path, found in _walk(state, config):
        looked += 1
        if (fault := _judged(path, found, state, config, user)) is not None:
            faults.append(fault)
    mended = [fault for fault in faults if fix and _mended(fault)]
    left = [fault for fault in faults if fault not in mended]
    if mended:
        yield Finding(
            FILES,
            NOTE,
            phrase(
                "rights-mended",
                "owner or rights of {count} [file|files] mended: {files}",
                count=len(mended),
                files=_some(mended),
            ),
            phrase("look-once-more", "call `ilot doctor` once more"),
        )
    for fault in left[:_NAMED]:
        yield Finding(FILES, WRONG, fault.why, _remedy(fault))
    if left[_NAMED:]:
        yield Finding(
            FILES,
            WRONG,
            phrase("more-files-wrong", "{count} more [file|files] like that", count=len(left) - _NAMED),
            phrase("fix-mends-all", "`ilot doctor --fix` as root mends all of them"),
        )
    if not faults:
        yield Finding(
            FILES,
            OK,
            phrase(
                "rights-right", "{count} [file|files], all of them as {user} needs them", count=looked, user=user.name
            ),
        )
    yield from _unfinished(state, fix=fix)


def may(found: os.stat_result, user: User, bits: int) -> bool:
    """Return whether the user may read (4), write (2) or enter (1) what was found, by owner, group and others."""
    if user.uid == 0:
        return True
    shift = 6 if found.st_uid == user.uid else 3 if found.st_gid in user.groups else 0
    return found.st_mode >> shift & bits == bits


def _walk(state: Path, config: Path | None) -> Iterator[tuple[Path, os.stat_result]]:
    def paths() -> Iterator[Path]:
        yield state
        for folder, folders, names in os.walk(state):
            at = Path(folder)
            if at == state:
                folders[:] = [name for name in folders if name not in _ROOTS]
            yield from (at / name for name in (*folders, *names))
        if config is not None:
            yield config.parent
            with suppress(OSError):
                yield from sorted(one for one in config.parent.iterdir() if one.suffix in (".yaml", ".yml"))

    for path in islice(paths(), MOST_FILES):
        with suppress(OSError):
            yield path, path.lstat()


def _judged(path: Path, found: os.stat_result, state: Path, config: Path | None, user: User) -> Fault | None:
    mode, folder = stat.S_IMODE(found.st_mode), stat.S_ISDIR(found.st_mode)
    if stat.S_ISLNK(found.st_mode):
        return None
    if config is not None and (config.parent in (path, path.parent)):
        return _of_configuration(path, found, user)
    owner = Owner(user.uid, user.gid)
    private = 0o700 if folder else 0o600
    if found.st_uid != user.uid:
        why = phrase(
            "file-of-another-user", "{file} belongs to user {owner}, not to {user}", file=path, owner=found.st_uid,
            user=user.name,
        )  # fmt: skip
        return Fault(path, why, private if _secret(path, state) else mode | private, owner)
    if mode & private != private:
        why = phrase("file-shut-to-its-owner", "{file} is shut to its own user (mode {mode:04o})", file=path, mode=mode)
        return Fault(path, why, mode | private, owner)
    if mode & 0o077 and _secret(path, state):
        why = phrase("file-open-to-others", "others can read {file} (mode {mode:04o})", file=path, mode=mode)
        return Fault(path, why, private, owner)
    return None


def _secret(path: Path, state: Path) -> bool:
    """Return whether nobody else may look into it: the state directory, which hides the rest, and the keys."""
    return path == state or state / "keys" in (path, *path.parents)


def _of_configuration(path: Path, found: os.stat_result, user: User) -> Fault | None:
    mode, owner = stat.S_IMODE(found.st_mode), Owner(found.st_uid, user.gid)
    if stat.S_ISDIR(found.st_mode):
        if may(found, user, _READ | _ENTER):
            return None
        why = phrase("folder-shut-to-user", "{user} cannot look into {file}", file=path, user=user.name)
        return Fault(path, why, mode | 0o050, owner)
    if not may(found, user, _READ):
        why = phrase("file-shut-to-user", "{user} cannot read {file} (mode {mode:04o})", file=path, mode=mode,
                     user=user.name)  # fmt: skip
        return Fault(path, why, mode | 0o040, owner)
    if mode & 0o007 and path.stem.startswith("secrets"):
        why = phrase("secrets-open-to-others", "others can read {file} (mode {mode:04o})", file=path, mode=mode)
        return Fault(path, why, mode & ~0o007, Owner(found.st_uid, found.st_gid))
    return None


def _remedy(fault: Fault) -> Phrase:
    return phrase(
        "mend-owner-and-mode",
        "`ilot doctor --fix` as root, or `chown {uid}:{gid} {file}` and `chmod {mode:04o} {file}`",
        uid=fault.owner.uid,
        gid=fault.owner.gid,
        file=fault.path,
        mode=fault.mode,
    )


def _mended(fault: Fault) -> bool:
    """Give the file its owner and mode by its open descriptor; return whether it has them."""
    try:
        descriptor = os.open(fault.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        found = os.fstat(descriptor)
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            return False
        if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
            return False
        give(descriptor, fault.owner)
        os.fchmod(descriptor, fault.mode)
        now = os.fstat(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return (now.st_uid, stat.S_IMODE(now.st_mode)) == (fault.owner.uid, fault.mode)


def _unfinished(state: Path, *, fix: bool) -> Iterator[Finding]:
    """Yield files that a power cut left half written."""
    found = []
    before = time.time() - STALE_S
    for path, status in islice(_walk(state, None), MOST_FILES):
        named = _UNFINISHED.fullmatch(path.name) and stat.S_ISREG(status.st_mode)
        if named and status.st_mtime < before and "keys" not in path.parts:
            found.append(path)
    if not found:
        return
    if not fix:
        yield Finding(
            FILES,
            NOTE,
            phrase("files-unfinished", "{count} unfinished [file|files] of an earlier power cut", count=len(found)),
            phrase("fix-removes-unfinished", "`ilot doctor --fix` removes them"),
        )
        return
    try:
        for path in found:
            path.unlink()
    except OSError as error:
        yield Finding(FILES, WRONG, reason_of(error), "")
        return
    yield Finding(FILES, OK, phrase("unfinished-removed", "{count} unfinished [file|files] removed", count=len(found)))


def _some(faults: list[Fault]) -> list[str]:
    return [str(fault.path) for fault in faults[:_NAMED]]
