"""History of the configuration: every version that ran, its author and reason; and the pending change.

    state_dir/config/history.bin   revisions, the oldest first, and the texts of their files, each once  (see `sealing`)
    state_dir/config/change.bin    the pending change: the former text of the files                      (see `sealing`)

A version is named by its content: the digest of its files (`source.digest`), of which people write the first
characters. The texts hold no secret: a configuration refers to secrets by name, and one that does not is refused.
Bounded: the oldest revisions are deleted first, beyond MAX_REVISIONS or MAX_BYTES of compressed texts.

`change.bin` is written before the first file is replaced, and removed when the change is committed: a start that finds
one puts the files back (`undo`). So neither a power cut half-way nor a hub that is restarted because nobody can reach
it any more leaves a change that nobody confirmed.

Blocking: never on the event loop.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path as FilePath
from typing import Any

import msgspec

from hub.config import sealing
from hub.config.last_good import LastGoodStore
from hub.config.source import contents, digest, digests
from hub.core.actor import actor
from hub.core.disk.atomic_files import PRIVATE, StrangeLink, refuse_strange_links
from hub.core.disk.safe_paths import leading
from hub.core.errors import ConfigError, HubError, StorageError
from hub.core.text import as_data, from_data, phrase, reason_of, system_error

MAX_REVISIONS = 100
"""Maximum number of revisions."""
MAX_BYTES = 4 << 20
"""Maximum bytes of compressed texts; the two newest versions stay whatever their size."""

HISTORY, CHANGE = "history.bin", "change.bin"
_HISTORY, _CHANGE = b"ilothis1", b"ilotchg1"

APPLIED, ROLLED_BACK, FOUND, REFUSED = "applied", "rolled-back", "found", "refused"
"""Origin of a revision: somebody applied it; a rollback restored it; the hub found it in the file; it was tried and
undone (its texts are stored, but it never was the version that runs)."""


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """A version. `parent`: the version before it. `at`: Unix seconds. `files`: name → SHA-256 of the bytes in hex.
    `detail`: why it was undone, or where it came from; `detail_text`: its code and parameters."""

    id: str
    parent: str = ""
    at: float
    author: str
    reason: str = ""
    what: str = APPLIED
    detail: str = ""
    detail_text: dict[str, Any] | None = None
    files: dict[str, str] = {}

    @property
    def why(self) -> str:
        """The detail as a phrase, where it was one."""
        return from_data(self.detail, self.detail_text)


class _HistoryFile(msgspec.Struct, kw_only=True):
    revisions: list[Revision] = []
    texts: dict[str, bytes] = {}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A pending change. `before` are the texts to restore, `created` files that did not exist before it, `after` the
    digests of the written files; `first`: the path of the first file."""

    first: str
    before: dict[str, bytes]
    created: list[str] = []
    after: dict[str, str]
    author: str
    reason: str = ""
    at: float


class History:
    """Versions of one hub's configuration."""

    def __init__(self, kept: LastGoodStore) -> None:
        self._kept = kept

    def revisions(self) -> list[Revision]:
        """Return the revisions, the oldest first. Raises StorageError."""
        return self._book().revisions

    def add(
        self, texts: Mapping[str, bytes], *, author: str, reason: str, at: float, what: str = APPLIED, detail: str = ""
    ) -> Revision:
        """Store a version as the newest. A version equal to the newest one is not stored again. Raises StorageError."""
        try:
            book = self._book()
        except sealing.Damaged:  # the former history is lost; go on with a new one
            book = _HistoryFile()
        files = digests(texts)
        name = digest(files)
        newest = next((one for one in reversed(book.revisions) if one.what != REFUSED), None)
        if newest is not None and newest.id == name and what in (APPLIED, FOUND):
            return newest
        made = Revision(
            id=name,
            parent=newest.id if newest else "",
            at=at,
            author=author[:64],
            reason=reason[:500],
            what=what,
            detail=str(detail)[:1000],
            detail_text=as_data(detail) if len(detail) <= 1000 else None,
            files=files,
        )
        book.revisions.append(made)
        for key, text in texts.items():
            book.texts.setdefault(files[key], zlib.compress(text, 6))
        _bound(book)
        sealing.write(self._kept, HISTORY, _HISTORY, book)
        return made

    def find(self, name: str) -> Revision:
        """Return the newest revision whose id starts so. Raises ConfigError when none or several do."""
        revisions = self.revisions()
        wanted = name.strip().lower()
        found = {one.id: one for one in revisions if wanted and one.id.startswith(wanted)}
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            raise ConfigError(
                phrase(
                    "version-ambiguous",
                    "several versions start with {version!r}: {versions}",
                    version=name,
                    versions=sorted(one[:12] for one in found),
                )
            )
        raise ConfigError(
            phrase(
                "version-unknown", "the history has no version {version!r}; `ilot config log` lists them", version=name
            )
        )

    def texts(self, revision: Revision) -> dict[str, bytes]:
        """Return the files of a version, by name relative to the first one's directory. Raises StorageError."""
        book = self._book()
        found = {}
        for name, content in revision.files.items():
            packed = book.texts.get(content)
            text = zlib.decompress(packed) if packed is not None else b""
            if packed is None or hashlib.sha256(text).hexdigest() != content:
                raise StorageError(
                    phrase(
                        "version-text-missing",
                        "the text of {file} of version {version} is not in the history any more",
                        file=name,
                        version=revision.id[:12],
                    )
                )
            found[name] = text
        return found

    def _book(self) -> _HistoryFile:
        return sealing.read(self._kept, HISTORY, _HISTORY, _HistoryFile) or _HistoryFile()


def _bound(book: _HistoryFile) -> None:
    while len(book.revisions) > 2:
        used = {content for one in book.revisions for content in one.files.values()}
        for gone in book.texts.keys() - used:
            del book.texts[gone]
        if len(book.revisions) <= MAX_REVISIONS and sum(map(len, book.texts.values())) <= MAX_BYTES:
            return
        del book.revisions[0]


def begin(kept: LastGoodStore, change: Change) -> None:
    """Store a pending change: from now on a start undoes it. Raises StorageError."""
    sealing.write(kept, CHANGE, _CHANGE, change)


def under_way(kept: LastGoodStore) -> Change | None:
    """Return the pending change, if any. Raises StorageError."""
    return sealing.read(kept, CHANGE, _CHANGE, Change)


def end(kept: LastGoodStore) -> None:
    """Delete the pending change: it is committed, or undone. Raises StorageError."""
    sealing.remove(kept, CHANGE)


def undo(kept: LastGoodStore, at: float) -> str:
    """Restore the files of a pending change; return a sentence about it, "" when there was none.

    A file that somebody edited since then is left as it is, and named. Raises StorageError when the disk refuses.
    """
    try:
        change = under_way(kept)
    except sealing.Damaged as error:
        end(kept)
        return phrase(
            "pending-change-damaged",
            "a change that was not confirmed cannot be taken back, the file stays as it is: {reason}",
            reason=reason_of(error),
        )
    if change is None:
        return ""
    path, edited, tried = FilePath(change.first), [], dict(change.before)
    for name, content in change.after.items():
        former = change.before.get(name)
        try:
            text = contents(path, [name])[name]
        except ConfigError:
            if former is not None:
                edited.append(name)
            continue
        tried[name] = text
        if text != former and digests({name: text})[name] != content:
            edited.append(name)
    if edited:
        end(kept)
        return phrase(
            "unconfirmed-change-stays",
            "a change of {author} was not confirmed, but {files} was edited since: it stays",
            author=actor(change.author),
            files=edited,
        )
    put_back(path, change)
    why = phrase("change-ended-with-hub", "the hub ended before it was confirmed")
    history = History(kept)
    history.add(tried, author=change.author, reason=change.reason, at=change.at, what=REFUSED, detail=why)
    end(kept)
    return phrase(
        "unconfirmed-change-undone",
        "a change of {author} was not confirmed before the hub ended: the former configuration is back",
        author=actor(change.author),
    )


def put_back(path: FilePath, change: Change) -> None:
    """Restore the files from before a change; it is still pending. Raises StorageError."""
    write_texts(path, change.before)
    for name in change.created:
        target = path.parent / name
        try:
            with leading(target, path.parent) as spot:
                spot.unlink()
        except FileNotFoundError:
            continue  # its directory does not exist either
        except OSError as error:
            raise CannotWrite(
                phrase(
                    "configuration-not-removable",
                    "{path} cannot be removed ({reason}): the user of the hub must be allowed to remove files "
                    "in {directory}",
                    path=target,
                    reason=system_error(error),
                    directory=target.parent,
                )
            ) from error


def refuse_links(path: FilePath, names: Iterable[str]) -> None:
    """Raise CannotWrite where root would write one of these through a link that the hub's user may have made."""
    for name in names:
        try:
            refuse_strange_links(path.parent / name, path.parent)
        except StrangeLink as error:
            raise _led_astray(error) from error


def write_texts(path: FilePath, texts: Mapping[str, bytes]) -> None:
    """Replace files of the configuration that starts at `path`, each whole or not at all, with their present rights. A
    new one gets the rights of the file at `path`. Raises StorageError with the remedy."""
    refuse_links(path, texts)
    for name, text in texts.items():
        target = path.parent / name
        try:
            with leading(target, path.parent) as spot:
                owner, mask = spot.found, 0o777
                if owner is None:
                    with leading(path, path.parent) as first:
                        owner, mask = first.found, 0o640
                mode = PRIVATE if owner is None else owner.st_mode & mask
                spot.write(text, mode, None if owner is None else partial(_give_back, owner=owner))
        except StrangeLink as error:
            raise _led_astray(error) from error
        except OSError as error:
            raise CannotWrite(
                phrase(
                    "configuration-not-writable",
                    "{path} cannot be written ({reason}): the user of the hub must be allowed to replace "
                    "files in {directory}",
                    path=target,
                    reason=system_error(error),
                    directory=target.parent,
                )
            ) from error


class CannotWrite(HubError):
    """The files belong to somebody else."""

    exit_code = 5


def _led_astray(error: StrangeLink) -> CannotWrite:
    return CannotWrite(
        phrase(
            "link-of-another-user",
            "{path} is a link of another user's, which root does not follow: remove it, or `chown -h root` it if it is "
            "right",
            path=error.filename,
        )
    )


def _give_back(descriptor: int, owner: os.stat_result) -> None:
    """Keep the file's owner if permitted: root edits a file of the hub's user, or the other way round."""
    now = os.fstat(descriptor)
    if (now.st_uid, now.st_gid) != (owner.st_uid, owner.st_gid):
        with contextlib.suppress(OSError):
            os.fchown(descriptor, -1, owner.st_gid)
        with contextlib.suppress(OSError):
            os.fchown(descriptor, owner.st_uid, -1)
