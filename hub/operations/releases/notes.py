"""What root remembers of the releases, and what it tells: two files in a directory that only root writes.

    journal.json    what is here, the floor, the trial under way, the last outcome; durable before what it says is done
    progress.json   how far an installation is; written without a sync, gone with the process

Everybody may read them, and the running hub does.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from hub.core.disk.atomic_files import write_atomically
from hub.core.errors import StorageError
from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of
from hub.operations.releases.trial import Health, Said
from hub.protocol.documents.release import Release, Signed

T = TypeVar("T")
ROOT = Path("/var/lib/ilot-release")
JOURNAL, PROGRESS = "journal.json", "progress.json"
MAX_JOURNAL = 256 * 1024
MOST_FAILED = 16
READABLE = 0o644


class Kept(msgspec.Struct, frozen=True):
    """A release that lies here, as its signed document said."""

    counter: int
    version: str
    issued: float
    expires: float
    writes: int
    reads: int
    notes: str
    signers: list[bytes]
    keys: list[bytes] = []
    threshold: int = 0

    @classmethod
    def of(cls, signed: Signed) -> Kept:
        one = signed.release
        return cls(
            one.counter, one.version, one.issued, one.expires, one.writes, one.reads, one.notes,
            list(signed.signers), list(one.keys), one.threshold,
        )  # fmt: skip


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A switch that is not decided. `back`: to which release it would go, 0 the package's. `tries`: how often it was
    begun. `taken_back`: why it is being taken back, None while it may still pass. `judged` False: a person's wish to go
    back, which is not judged."""

    to: int
    back: int
    by: str
    tries: int = 0
    before: Health | None = None
    judged: bool = True
    taken_back: Said | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How the last wish ended. `result`: "installed", "returned", "taken-back" or "refused"."""

    result: str
    counter: int
    at: float
    by: str
    reason: Said | None = None


class Floor(msgspec.Struct, frozen=True):
    """A counter that passed here, and who had signed it: it counts while enough of these keys are trusted."""

    counter: int
    signers: list[bytes]


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """What root remembers. `seen`: the latest `issued` of a release that passed; `keys`: those that a release brought,
    with its counter."""

    kept: dict[int, Kept] = {}
    floor: Floor | None = None
    seen: float = 0.0
    keys: list[bytes] = []
    threshold: int = 0
    keys_from: int = 0
    failed: dict[int, Said] = {}
    trial: Trial | None = None
    last: Outcome | None = None
    former: int = 0

    def stale(self, now: float) -> bool:
        """Return whether the newest release that passed here was to be followed by now: somebody may keep newer ones
        away. False where there is none but the package, which apt looks after."""
        passed = [one for n, one in self.kept.items() if self.floor is not None and n == self.floor.counter]
        return any(max(now, self.seen) >= one.expires for one in passed)

    def with_failed(self, counter: int, why: str) -> dict[int, Said]:
        """Return `failed` with one more, the latest of them."""
        return dict(sorted({**self.failed, counter: Said.of(why)}.items())[-MOST_FAILED:])


class Progress(msgspec.Struct, frozen=True):
    """How far an installation is. `phase`: "verifying", "unpacking", "switching", "judging", "returning" or ""."""

    phase: str = ""
    counter: int = 0
    done: int = 0
    of: int = 0


class Notes:
    """The two files. Reading them raises nothing: a journal that is damaged is one that knows nothing."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root

    def journal(self) -> Journal:
        return _read(self.root / JOURNAL, Journal) or Journal()

    def progress(self) -> Progress:
        return _read(self.root / PROGRESS, Progress) or Progress()

    def remember(self, journal: Journal) -> None:
        """Raises StorageError."""
        try:
            write_atomically(self.root / JOURNAL, msgspec.json.encode(journal, enc_hook=str), READABLE)
        except OSError as error:
            raise StorageError(
                phrase(
                    "release-not-noted",
                    "what happens to the releases cannot be noted ({reason}): nothing changed",
                    reason=reason_of(error),
                )
            ) from error

    def tell(self, progress: Progress) -> None:
        """Without a sync, and not if the disk does not let us: it is only told."""
        scratch = self.root / f".{PROGRESS}"
        with contextlib.suppress(OSError):
            if not progress.phase:
                (self.root / PROGRESS).unlink(missing_ok=True)
                return
            descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, READABLE)
            with open(descriptor, "wb") as file:
                file.write(msgspec.json.encode(progress))
            scratch.replace(self.root / PROGRESS)


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(shallow_json(file.read(MAX_JOURNAL)), type=kind)
    except (OSError, ValueError):
        return None


def told_release(release: Release) -> dict[str, Any]:
    """Return what a person is told of a release before it is installed."""
    return {
        "counter": release.counter, "version": release.version, "architecture": release.architecture,
        "issued": release.issued, "expires": release.expires, "size": release.size, "files": len(release.files),
        "after": release.after, "notes": release.notes,
    }  # fmt: skip
