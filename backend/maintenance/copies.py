"""Copies of a backend that is in service: made online, verified by opening them, put back. Blocking.

A copy is a directory like the owner's own: the database as one file, and the files that a server needs beside it. It
lacks what must not lie beside a server (`root/`, `recovery.key`) and the journal, whose records hubs send again.
The city's view has a file of its own, which is copied in the same way.
`copy.json` tells when it was made, of whom, and the SHA-256 of each file. It appears whole or not at all.

A copy that is put back is older than what hubs were told since. So the database gets another identity: hubs then start
its ack set anew and send what their disks still hold, numbers of acknowledgements never repeat, and each record that
is here already is a duplicate. Tokens that were not used when the copy was made are withdrawn, since they may have been
used after it. Hubs that were enrolled or revoked after it, and what was erased, are known as long as the database that
is replaced can be read.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from backend.hubs.alarms import raise_alarm
from backend.owner import directory as owners
from backend.owner.directory import Owner
from backend.owner.lock import locked
from backend.readings.erasures import Erasures
from backend.storage.city.database import begin_again
from backend.storage.copies import Contents
from backend.storage.engine import ErasureOrder
from backend.storage.opening import CITY, open_queries, open_storage
from backend.storage.sqlite import copies as engine
from backend.storage.tables import Hub
from hub.core.disk.atomic_files import (
    give,
    hand_over,
    make_directory,
    open_here,
    owner_of,
    refuse_strange_links,
    sync_directory,
    write_atomically,
)
from hub.core.disk.safe_paths import leading
from hub.core.errors import ConfigError, StorageError
from hub.core.nesting import shallow_json
from hub.core.system_errors import file_not_written
from hub.core.text import phrase, reason_of

HEAD = "copy.json"
LAST = "last-copy.json"
"""In the owner's directory: which copy was made last, and when."""
DATABASE = "backend.db"
FORMAT = 1
ROOM = 64 << 20
"""Bytes that stay free on a disk that gets a copy."""
MAX_HEAD = 4 << 20
MAX_FILE = 64 << 20
"""Bytes of a file beside the database."""
_PIECE = 1 << 20
_LEFT = ("root", "recovery.key", "journal", "incarnation", "compacting", LAST, HEAD, "damaged")
"""Files and folders that a copy lacks; the database has its own way."""
ASIDE = "before-restore-"
"""Folders of the owner's directory with the database that a copy took the place of."""

Say = Callable[[str, float], None]
"""Called with what is being done and the share of it that is done."""
CITY_COPYING = phrase("copy-copying-city", "copying the tables of the city's view")
COPYING = phrase("copy-copying", "copying the database")
CHECKING = phrase("copy-checking", "opening the copy and reading all of it")
HASHING = phrase("copy-hashing", "comparing every file with its digest")
PUT_BACK = phrase("copy-was-put-back", "a copy was put back: hubs are asked to send again")
PLACING = phrase("copy-placing", "putting the database in place")


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Contents of copy.json. `root` is the fingerprint of the owner root, `made_at` Unix seconds, `files` SHA-256 by
    name."""

    format: int
    made_at: float
    owner: str
    root: str
    database: Contents
    size: int
    files: dict[str, str]


class Last(msgspec.Struct, frozen=True):
    """Contents of last-copy.json."""

    copy: str
    made_at: float
    size: int


class Restored(msgspec.Struct, frozen=True):
    """Result of a restoration. `since_known`: the replaced database could be read, so that hubs enrolled or revoked and
    what was erased after the copy are so here. `aside` is the folder with what was replaced, "" where that was
    nothing."""

    made_at: float
    hubs: int
    tokens_withdrawn: int
    since_known: bool
    aside: str


def make(directory: Path, target: Path, say: Say) -> Head:
    """Copy an owner's directory to `target`, which must not exist, while the server runs; return what it holds.

    Raises ConfigError for a `target` that will not do, StorageError from the disk.
    """
    owner = owners.load(directory)
    if target.exists():
        raise ConfigError(phrase("copy-exists", "{target} exists: name another place for this copy", target=target))
    if directory.resolve() in target.resolve().parents:
        raise ConfigError(
            phrase(
                "copy-inside-directory", "{target} lies in the directory that is copied: name another", target=target
            )
        )
    scratch = target.with_name(f".{target.name}.partial")
    with _writes(target):
        make_directory(target.parent, 0o700)
        _check_room(target.parent, _size(owner.database) + _size(directory / CITY))
        with suppress(FileNotFoundError):
            shutil.rmtree(scratch)  # left by a copy that was killed
        scratch.mkdir(mode=0o700)
        try:
            head = _fill(owner, scratch, say)
            scratch.rename(target)
            sync_directory(target.parent)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        told = Last(str(target.resolve()), head.made_at, head.size)
        write_atomically(directory / LAST, msgspec.json.encode(told), owner=owner_of(directory))
    return head


def _fill(owner: Owner, scratch: Path, say: Say) -> Head:
    now = time.time()
    with locked(owner.directory):  # no command changes the keys while they are copied
        for name in _files(owner.directory):
            _copy_file(owner.directory, scratch, name)
    made = scratch / DATABASE
    found = engine.copy(owner.database, made, lambda share: say(COPYING, share))
    made.chmod(0o600)
    opened = engine.verify(made, lambda share: say(CHECKING, share))
    if opened != found:
        raise StorageError(
            phrase("copy-differs", "{file} holds something else than what was copied: copy it again", file=made)
        )
    city = (CITY,) if (owner.directory / CITY).exists() else ()
    for name in city:
        engine.copy_city(owner.directory / name, scratch / name, lambda share: say(CITY_COPYING, share))
        (scratch / name).chmod(0o600)
    owners.load(scratch)  # its keys can be read, and belong together
    files = {name: _digest(scratch / name) for name in (DATABASE, *city, *_files(scratch))}
    size = sum((scratch / name).stat().st_size for name in files)
    head = Head(
        format=FORMAT, made_at=now, owner=owner.settings.owner, root=owner.settings.root, database=found, size=size,
        files=files,
    )  # fmt: skip
    write_atomically(scratch / HEAD, msgspec.json.format(msgspec.json.encode(head)))
    return head


def read_head(copy: Path) -> Head:
    """Return the head of a copy. Raises ConfigError where there is none, or none that can be read."""
    path = copy / HEAD
    try:
        with path.open("rb") as file:
            head = msgspec.json.decode(shallow_json(file.read(MAX_HEAD)), type=Head)
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise ConfigError(
            phrase(
                "no-copy-here",
                "{directory} holds no copy of a backend: {reason}",
                directory=copy,
                reason=reason_of(error),
            )
        ) from error
    if head.format != FORMAT:
        raise ConfigError(
            phrase(
                "copy-of-other-format",
                "{file} has format {format}, this release reads {known}: use the release that wrote it",
                file=path,
                format=head.format,
                known=FORMAT,
            )
        )
    if DATABASE not in head.files or any(not _plain(name) for name in head.files):
        raise ConfigError(phrase("copy-head-wrong", "{file} names files that no copy has", file=path))
    return head


def check(copy: Path, say: Say) -> Head:
    """Compare each file of a copy with its digest, open the database and read all of it. Raises ConfigError,
    StorageError."""
    head = read_head(copy)
    for count, (name, digest) in enumerate(head.files.items()):
        say(HASHING, count / len(head.files))
        try:
            same = _digest(copy / name) == digest
        except (OSError, ValueError) as error:
            raise StorageError(
                phrase("file-not-read", "{file} cannot be read: {reason}", file=copy / name, reason=reason_of(error))
            ) from error
        if not same:
            raise StorageError(
                phrase("copy-file-altered", "{file} is not what was copied: use another copy", file=copy / name)
            )
    if engine.verify(copy / DATABASE, lambda share: say(CHECKING, share)) != head.database:
        raise StorageError(
            phrase(
                "copy-differs", "{file} holds something else than what was copied: copy it again", file=copy / DATABASE
            )
        )
    if CITY in head.files:
        engine.check_city(copy / CITY)
    return head


def restore(copy: Path, directory: Path, say: Say) -> Restored:
    """Put a copy back into an owner's directory, or make one of it. The backend must not run.

    Files that are there stay, but for the database: they are newer. The database and the journal that are there are set
    aside. Killed at any moment, it can be run again. Raises ConfigError, NotReady, StorageError.
    """
    head, now = check(copy, say), time.time()
    with _writes(directory):
        make_directory(directory)
        with locked(directory):
            _check_owner(head, directory)
            database = directory / DATABASE
            refuse_strange_links(database, directory)
            for one in (database, directory / CITY):
                engine.check_unused(one)
            since = _read_since(database)
            _check_room(directory, _size(copy / DATABASE) + _size(copy / CITY))
            fresh = directory / f".{DATABASE}.restored"
            _place_files(copy, directory, head)
            say(PLACING, 0.0)
            _copy_database(copy / DATABASE, fresh)
            _carry_over(fresh, since)
            withdrawn = engine.begin_again(fresh, now)
            city = _fresh_city(copy, directory, head)
            aside = _set_aside(directory, now)
            if city is not None:
                city.replace(directory / CITY)
                hand_over(directory / CITY)
            fresh.replace(database)
            sync_directory(directory)
            hand_over(database)
    return Restored(head.made_at, head.database.hubs, withdrawn, since is not None, aside)


def last(directory: Path) -> Last | None:
    """Return which copy of this directory was made last; None where none is known."""
    try:
        with (directory / LAST).open("rb") as file:
            return msgspec.json.decode(shallow_json(file.read(MAX_HEAD)), type=Last)
    except (OSError, ValueError, msgspec.DecodeError):
        return None


class _Since(NamedTuple):
    """Facts of the database that is replaced which must not be lost: who is enrolled, and what was erased."""

    hubs: list[Hub]
    erasures: list[tuple[str, ErasureOrder]]


def _read_since(database: Path) -> _Since | None:
    """Read it; None where there is no database, or one that cannot be read."""
    if not database.exists():
        return None
    try:
        with open_queries(database).snapshot() as snapshot:
            orders = [
                (one.hub, ErasureOrder(one.id, one.kind, one.name, one.until_ms, one.ordered_at))
                for one in snapshot.erasures()
            ]
            return _Since([line.hub for line in snapshot.hubs()], orders)
    except StorageError:
        return None


def _carry_over(path: Path, since: _Since | None) -> None:
    storage = open_storage(path)
    try:
        erasures = Erasures(storage)
        with storage.transaction():
            for hub in since.hubs if since is not None else ():
                storage.registry.enrol(hub)
                if hub.revoked_at is None:
                    storage.registry.readmit(hub.hub)
                else:
                    storage.registry.revoke(hub.hub, hub.revoked_at)
            for name, order in since.erasures if since is not None else ():
                erasures.carry_out(name, order, storage.records.last())
            raise_alarm(storage, "restored", "", PUT_BACK)
    finally:
        storage.close()


def _fresh_city(copy: Path, directory: Path, head: Head) -> Path | None:
    """Return the city's tables ready to be put in place: those of the copy, or of a copy without any, those that are
    there, which must begin anew with the readings of another database. None where there are none."""
    source = copy / CITY if CITY in head.files else directory / CITY
    if not source.exists():
        return None
    fresh = directory / f".{CITY}.restored"
    for name in (fresh.name, f"{fresh.name}-wal", f"{fresh.name}-shm"):
        (directory / name).unlink(missing_ok=True)  # left by a restoration that was killed
    if source.parent == copy:
        _copy_database(source, fresh)
    else:
        engine.copy_city(source, fresh, lambda share: None)
    begin_again(fresh)
    engine.one_file(fresh)
    return fresh


def _check_owner(head: Head, directory: Path) -> None:
    if not (directory / "backend.json").exists():
        return
    there = owners.load(directory).settings
    if there.root != head.root:
        raise ConfigError(
            phrase(
                "copy-of-other-owner",
                "this copy is of {owner!r}, and {directory} belongs to {other!r}: name another directory",
                owner=head.owner,
                directory=directory,
                other=there.owner,
            )
        )


def _place_files(copy: Path, directory: Path, head: Head) -> None:
    """Put the files of a copy where there are none. backend.json comes last: without it no server starts there."""
    for name in sorted(head.files, key=lambda name: name == "backend.json"):
        if name not in (DATABASE, CITY) and not (directory / name).exists():
            _copy_file(copy, directory, name)


def _set_aside(directory: Path, now: float) -> str:
    """Move the database and what belongs to it into a folder. The database keeps its name, too, until the other one
    takes it: a server that starts in between must not find an empty place, in which it would make a new one."""
    databases = [f"{name}{end}" for name in (DATABASE, CITY) for end in ("", "-wal", "-shm")]
    names = [name for name in (*databases, "incarnation", "journal") if (directory / name).exists()]
    if not names:
        return ""
    aside = directory / f"{ASIDE}{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}"
    aside.mkdir(mode=0o700, exist_ok=True)
    for name in names:
        if name in (DATABASE, CITY):
            with suppress(FileExistsError):
                os.link(directory / name, aside / name)
        else:
            (directory / name).rename(aside / name)
    hand_over(aside)
    sync_directory(aside)
    sync_directory(directory)
    return str(aside)


def _files(directory: Path) -> Iterator[str]:
    """Yield the names of the files that belong to a copy beside the database, those in folders too. No link is
    followed."""
    for path, folders, names in os.walk(directory):
        below = Path(path).relative_to(directory)
        if below == Path():
            folders[:] = [name for name in folders if name not in _LEFT and not name.startswith((ASIDE, "."))]
        for name in names:
            own = below / name
            if str(own).startswith((DATABASE, CITY)) or str(own) in _LEFT or name.startswith("."):
                continue
            if str(own).startswith("city.") and name.endswith(".lock"):
                continue
            if (directory / own).is_symlink() or not (directory / own).is_file():
                continue
            yield str(own)


def _plain(name: str) -> bool:
    """Return whether a name of a head stays below its directory."""
    parts = Path(name).parts
    return bool(parts) and not name.startswith("/") and ".." not in parts


def _copy_file(source: Path, target: Path, name: str) -> None:
    """Copy a file below one directory to the same place below another, with its rights. Where root puts it, it belongs
    to that directory's user. Raises OSError, StorageError."""
    refuse_strange_links(source / name, source)
    with os.fdopen(open_here(source / name, os.O_RDONLY | os.O_NONBLOCK), "rb") as taken:
        data, mode = taken.read(MAX_FILE + 1), os.fstat(taken.fileno()).st_mode
    if len(data) > MAX_FILE:
        raise StorageError(
            phrase("file-too-large-for-copy", "{file} is too large for a copy: move it elsewhere", file=source / name)
        )
    owner = owner_of(target)

    def made(folder: int, _: os.stat_result) -> None:
        os.fchmod(folder, 0o700)
        give(folder, owner)

    with leading(target / name, target, made, follow=False) as spot:
        spot.write(data, mode & 0o644, partial(give, owner=owner))


def _copy_database(source: Path, target: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with source.open("rb") as taken, os.fdopen(os.open(target, flags, 0o600), "wb") as made:
        shutil.copyfileobj(taken, made, _PIECE)
        made.flush()
        os.fsync(made.fileno())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _check_room(directory: Path, size: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < size + ROOM:
        raise StorageError(
            phrase(
                "no-room-for-copy",
                "{directory} has {free} MB free, a copy needs {needed} MB: free some, or name another place",
                directory=directory,
                free=free >> 20,
                needed=(size + ROOM) >> 20,
            )
        )


@contextmanager
def _writes(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(file_not_written(target, error)) from error
