"""Rules of provider spaces: names, quotas, keeping. Blocking.

A file lies in the city's database, cut into parts: its name is a value and never a path, so that no name leaves a
folder and no link leads out of one, all processes see it, and quota, file and journal are one transaction. While it
comes it is in a temporary file without a name, so that somebody who sends slowly holds no transaction.
"""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from backend.city.feed_history import PREFIX
from backend.city.people import journal
from backend.city.people.viewer import Viewer
from backend.storage.city import people
from backend.storage.city import spaces as tables
from backend.storage.city.database import Transaction
from backend.storage.city.spaces import PART, File, Space, Used
from hub.core.errors import ConfigError, HubError
from hub.core.text import phrase

DAY = 86_400
MOST_FILE = 64 << 20
MOST_LISTED = 1000
AT_ONCE, AT_ONCE_ALL = 2, 8
"""Uploads at a time, in one space and in all of this process."""
IDLE_S, LONGEST_S = 20.0, 900.0
"""Seconds without a byte, and for a whole upload."""
SLOW_S, SLOW_RATE = 30.0, 4096
"""After so many seconds an upload must have come by so many bytes a second."""
SPARE = 256 << 20
"""Bytes of the disk that no upload takes."""
LONGEST_NAME = 120
MOST_KEYS = 10
_SPACE = re.compile(r"[a-z0-9][a-z0-9-]{1,39}")
_FILE = re.compile(r"\w[\w .,()@+=-]*")


class SpaceRefused(HubError):
    """A drop is refused; `status`, the sentence and `facts` become a problem document. `again` are seconds after which
    it may be tried once more, 0 for never."""

    def __init__(self, status: int, said: str, again: float = 0.0, **facts: Any) -> None:
        super().__init__(said)
        self.status, self.said, self.again, self.facts = status, said, again, facts


@dataclass(frozen=True, slots=True)
class Dropped:
    """The outcome for a file; `new` is false where the same lay there already."""

    file: File
    new: bool


def space_name(text: str) -> str:
    """Return a space's name. Raises ConfigError."""
    if not _SPACE.fullmatch(text):
        raise ConfigError(
            phrase("spaces-name", "{text} is no name of a space: small letters, digits and -, 2 to 40", text=text)
        )
    return text


def file_name(text: str) -> str:
    """Return a file's name as it is stored. Raises SpaceRefused."""
    name = unicodedata.normalize("NFC", text)
    if len(name) > LONGEST_NAME or not _FILE.fullmatch(name) or ".." in name or name[-1] in " .":
        raise SpaceRefused(
            400,
            phrase(
                "spaces-file-name",
                "a file's name has up to {count} letters, digits and ( ) . , @ + = _ - and spaces, begins with a "
                "letter or digit, and names no folder",
                count=LONGEST_NAME,
            ),
        )
    return name


def folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())


def hub_of(name: str) -> str:
    """Return the hub of the register under which a space's readings are."""
    return f"{PREFIX}space-{name}"


def check(space: Space) -> None:
    """Raise ConfigError where a space's limits make no sense."""
    space_name(space.name)
    limits = (space.file_bytes, space.day_bytes, space.day_files, space.most_bytes, space.most_files, space.keep_days)
    if min(limits) < 1 or not space.provider or not space.service:
        raise ConfigError(phrase("spaces-limits", "a space has a provider, a service, and limits of at least 1"))
    if space.file_bytes > MOST_FILE:
        raise ConfigError(phrase("spaces-file-limit", "a file has at most {count} bytes", count=MOST_FILE))


def make(t: Transaction, who: str, space: Space, now: float) -> None:
    """Add a space, or change the limits of one that is there. Raises ConfigError."""
    check(space)
    former = tables.named(t, space.name)
    if former is not None and (former.provider, former.service) != (space.provider, space.service):
        raise ConfigError(
            phrase("spaces-of-another", "the space {name} is another provider's or service's", name=space.name)
        )
    if not tables.has_service(t, space.service):
        raise ConfigError(phrase("spaces-no-service", "there is no service {name}", name=space.service))
    if former is None and tables.of_another(t, hub_of(space.name), space.provider, space.service):
        raise ConfigError(
            phrase(
                "spaces-name-used",
                "readings of another's space {name} are still kept: call this one otherwise",
                name=space.name,
            )
        )
    tables.put(t, space if former is None else space._replace(made=former.made))
    what = "spaces.made" if former is None else "spaces.changed"
    journal.note(t, who, what, space.name, space._asdict(), now)


def remove(t: Transaction, who: str, name: str, now: float) -> int:
    """Remove a space with its files; return how many. Readings stay. Raises ConfigError."""
    if tables.named(t, name) is None:
        raise ConfigError(phrase("spaces-unknown", "there is no space {name}", name=name))
    count = tables.remove(t, name)
    journal.note(t, who, "spaces.removed", name, {"files": count}, now)
    return count


def add_key(t: Transaction, who: str, token: str, digest: str, name: str, now: float) -> None:
    """Let a public key stand for a token of a provider. Raises ConfigError."""
    row = people.token(t, token)
    if row is None or "provider" not in row.uses.split():
        raise ConfigError(
            phrase("spaces-no-token", "there is no key of a provider with the number {token}", token=token)
        )
    if len(tables.keys(t, token)) >= MOST_KEYS:
        raise ConfigError(phrase("spaces-keys-full", "a key has at most {count} public keys", count=MOST_KEYS))
    tables.put_key(t, tables.Key(digest, token, name, now))
    journal.note(t, who, "spaces.key", token, {"sha256": digest, "name": name}, now)


def admit(space: Space, used: Used, size: int, now: float) -> None:
    """Check that so many bytes more may come. Raises SpaceRefused."""
    tomorrow = DAY - now % DAY
    if size > space.file_bytes:
        raise _too_large(space)
    if used.day_files + 1 > space.day_files or used.day_bytes + size > space.day_bytes:
        raise SpaceRefused(
            429,
            phrase(
                "spaces-day-spent",
                "this space takes {bytes} bytes and {count} files a day (UTC); today {used_bytes} and {used_count} "
                "came",
                bytes=space.day_bytes,
                count=space.day_files,
                used_bytes=used.day_bytes,
                used_count=used.day_files,
            ),
            tomorrow,
        )


def _room(space: Space, used: Used, size: int) -> None:
    if used.files + 1 > space.most_files or used.bytes + size > space.most_bytes:
        raise SpaceRefused(
            507,
            phrase(
                "spaces-full",
                "this space holds {bytes} bytes and {count} files; {used_bytes} and {used_count} lie there: delete "
                "some",
                bytes=space.most_bytes,
                count=space.most_files,
                used_bytes=used.bytes,
                used_count=used.files,
            ),
        )


def admit_file(space: Space, used: Used, size: int, now: float) -> None:
    """Check that a file of so many bytes may come and has room. Raises SpaceRefused."""
    admit(space, used, size, now)
    _room(space, used, size)


def _too_large(space: Space) -> SpaceRefused:
    return SpaceRefused(
        413,
        phrase("spaces-too-large", "a file has at most {count} bytes in this space", count=space.file_bytes),
        most=space.file_bytes,
    )


def check_disk(directory: Path, size: int) -> None:
    """Check that the disk has room for a file. Raises SpaceRefused."""
    if shutil.disk_usage(directory).free < SPARE + 2 * size:
        raise SpaceRefused(507, phrase("spaces-disk", "the server has no room for this just now"), 3600)


@dataclass(slots=True)
class Received:
    """A file that came; `data` is read from its beginning."""

    data: IO[bytes]
    size: int
    digest: str

    def parts(self) -> Iterator[bytes]:
        self.data.seek(0)
        while part := self.data.read(PART):
            yield part


def too_slow() -> SpaceRefused:
    return SpaceRefused(408, phrase("spaces-too-slow", "this upload is too slow, and was given up"))


def drop(t: Transaction, viewer: Viewer, name: str, file: str, came: Received, now: float) -> Dropped:
    """Store what came as a file of a space. Raises SpaceRefused; nothing is stored then."""
    space = tables.space(t, viewer.scope, name)
    if space is None:
        raise gone()
    there = tables.file(t, name, folded(file))
    if there is not None:
        if (there.digest, there.name) == (came.digest, file):
            return Dropped(there, new=False)
        raise SpaceRefused(
            409,
            phrase(
                "spaces-there",
                "{name} lies there already with other content: delete it first, or call this otherwise",
                name=there.name,
            ),
            sha256=there.digest,
        )
    day = int(now // DAY)
    admit_file(space, tables.used(t, name, day), came.size, now)
    one = File(0, name, file, folded(file), came.size, came.digest, viewer.id, now)
    one = one._replace(id=tables.add(t, one, came.parts()))
    tables.came(t, name, day, came.size)
    journal.note(t, viewer.id, "spaces.dropped", f"{name}/{file}", {"bytes": one.size, "sha256": one.digest}, now)
    return Dropped(one, new=True)


def gone() -> SpaceRefused:
    return SpaceRefused(404, phrase("spaces-gone", "there is no such space or file here"))


def delete(t: Transaction, viewer: Viewer, name: str, file: str, now: float) -> None:
    """Delete a file. Raises SpaceRefused."""
    space = tables.space(t, viewer.scope, name)
    found = None if space is None else tables.file(t, name, folded(file_name(file)))
    if found is None:
        raise gone()
    tables.drop(t, [found.id])
    journal.note(t, viewer.id, "spaces.deleted", f"{name}/{found.name}", {"sha256": found.digest}, now)


def forget(t: Transaction, now: float) -> int:
    """Delete the files of each space that are older than it keeps them; return how many."""
    count = 0
    for space in tables.every(t):
        if old := tables.older(t, space.name, now - space.keep_days * DAY):
            count += tables.drop(t, old)
            journal.note(t, "retention", "spaces.forgotten", space.name, {"files": len(old)}, now)
    tables.forget_days(t, int(now // DAY) - 40)
    return count


class Turns:
    """Counts the uploads that this process takes at a time."""

    def __init__(self) -> None:
        self._now: dict[str, int] = {}

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Take a turn of a space for the block. Raises SpaceRefused."""
        if self._now.get(name, 0) >= AT_ONCE or sum(self._now.values()) >= AT_ONCE_ALL:
            raise SpaceRefused(
                429, phrase("spaces-busy", "too many uploads at a time: try again in a moment"), 5, at_once=AT_ONCE
            )
        self._now[name] = self._now.get(name, 0) + 1
        try:
            yield
        finally:
            self._now[name] -= 1
            if not self._now[name]:
                del self._now[name]
