"""Export of a database into an archive: only what changed since the last time, restartable at any moment. Blocking.

The account of a hub and what names its readings are of one snapshot. Its readings are read after it, day by day, in
short ones: without those of records that are not in that account. So a hub that is told what the account lacks sends
it, and has it here once. What is of all hubs is read after them.

What was put is named by a manifest once a minute, and at the end. A file is never written over: who reads the archive
meanwhile, by the last manifest that is complete, sees what that was made of. Files that no manifest needs any more are
deleted at the end, where the storage lets us.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from backend.archive import lists
from backend.archive.hub_rows import UNDATED, HubRows, day_name
from backend.archive.lists import LISTS, MANIFESTS, REST, File, Listed, Manifest
from backend.archive.parquet import Writer
from backend.archive.reading import Archive
from backend.archive.stores import Lock, Store
from backend.storage.archive import AccountPart, ArchiveSnapshot, ArchiveSource, HubLine, Line
from hub.core.errors import ConfigError, StorageError
from hub.core.text import phrase

COMMIT_S = 60.0
SNAPSHOT_S = 20.0
"""Seconds after which a snapshot begins no further day: what a snapshot sees cannot be dropped, or taken over."""
TRIES = 5
MAX_TOLD = 1000
"""Damaged parts that are told."""
T = TypeVar("T")
FOLDERS = ("readings/", "undated/", "account/", "packs/", "hubs/", "common/", LISTS, MANIFESTS)

Say = Callable[[str, float], None]
"""Called with what is being done and the share of it that is done."""
EXPORTING = phrase("archive-exporting", "exporting")


class Of(NamedTuple):
    """Whose archive it is: name and fingerprint of the owner."""

    owner: str
    root: str


class Exported(msgspec.Struct, frozen=True):
    """Result of an export: the manifest, and how much of it was put now; `left` files could not be deleted."""

    manifest: str
    hubs: int
    files: int
    readings: int
    bytes: int
    files_put: int
    bytes_put: int
    left: int
    damaged: list[str]


class Exporter:
    """One export. `lock_s`: for so long nobody may delete what is archived."""

    def __init__(
        self,
        source: ArchiveSource,
        store: Store,
        of: Of,
        *,
        everything: bool,
        lock_s: float = 0.0,
        now: Callable[[], float] = time.time,
        say: Say = lambda what, share: None,
    ) -> None:
        self._source, self._store, self._of, self._say = source, store, of, say
        self._everything, self._lock_s, self._now = everything, lock_s, now
        self._files: dict[str, dict[str, File]] = {}  # group → part → file
        self._listed: dict[str, Listed] = {}
        self._changed: set[str] = set()
        self._seen: set[str] = set()  # parts that this database has
        self._put = self._put_bytes = 0
        self._damaged: list[str] = []
        self._hubs = self._at = 0
        self._made_at = 0.0

    def run(self) -> Exported:
        """Export. Raises ConfigError for an archive of something else, StorageError."""
        self._begin()
        with tempfile.TemporaryDirectory(prefix="ilot-archive-") as scratch:
            self._scratch = Path(scratch) / "file"
            with self._source.snapshot() as seen:
                hubs = seen.hubs()
            committed = time.monotonic()
            self._hubs = len(hubs)
            for self._at, hub in enumerate(hubs):
                self._tell(0.0)
                for _ in self._export_hub(hub):
                    if time.monotonic() - committed >= COMMIT_S:
                        self._commit(complete=False)
                        committed = time.monotonic()
            if self._everything:
                self._tried(self._export_common)
            self._forget_parts()
            manifest = self._commit(complete=True)
        left = self._prune(manifest)
        self._say(EXPORTING, 1.0)
        every = [file for files in self._files.values() for file in files.values()]
        readings = sum(file.rows for file in every if file.path.endswith(".parquet"))
        return Exported(
            manifest, self._hubs, len(every), readings, sum(file.bytes for file in every), self._put, self._put_bytes,
            left, self._damaged,
        )  # fmt: skip

    def _begin(self) -> None:
        """Take up what the newest manifest names, whether its export came to its end or not."""
        archive = Archive(self._store)
        path = archive.newest(complete=False)
        if path is None:
            return
        before = archive.manifest(path)
        if (before.root, before.everything) != (
            self._of.root,
            self._everything,
        ) or before.by_hub != self._source.by_hub:
            raise ConfigError(
                phrase(
                    "archive-of-another",
                    "{place} is the archive of another owner or kind, of {owner}: name another place",
                    place=self._store.place,
                    owner=before.owner,
                )
            )
        for listed in before.lists:
            self._listed[listed.group] = listed
            self._files[listed.group] = {file.part: file for file in archive.files(listed)}

    def _export_common(self) -> None:
        with self._source.snapshot() as seen:
            self._add_lines("common", "common", "", seen.common())

    # one hub

    def _export_hub(self, hub: str) -> Iterator[None]:
        """Export a hub, piece by piece."""
        last: int | None = None
        if self._everything:
            last = self._tried(lambda: self._export_account(hub))
            if last is None:  # it was on trial, and is gone
                return
            yield
        done: set[str] = set()
        while self._tried(lambda: self._export_days(hub, last, done)):
            yield

    def _export_account(self, hub: str) -> int | None:
        """Export names and account of a hub in one snapshot; return the last record that is in it."""
        last: int | None = None

        def told(lines: Iterable[Line]) -> Iterator[Line]:
            nonlocal last
            for line in lines:
                if isinstance(line, HubLine):
                    last = line.last_record
                yield line

        with self._source.snapshot() as seen:
            self._add_lines(f"facts of {hub}", f"hubs/{_folder(hub)}", hub, told(seen.of_hub(hub)))
            for part in () if last is None else seen.account(hub):
                self._export_part(seen, hub, part)
        return last

    def _export_days(self, hub: str, last: int | None, done: set[str]) -> bool:
        """Export days of a hub that are not done, as many as a snapshot may take time for; return whether there are
        more. Readings of records after the last one of its account wait for the next export."""
        began = time.monotonic()
        with self._source.snapshot() as seen:
            rows = HubRows(seen.hub(hub), last)
            days = rows.days()
            for day, key in days.items():
                if day not in done:
                    self._tell(min(1.0, len(done) / len(days)))
                    self._export_day(hub, rows, day, key)
                    done.add(day)
                    if time.monotonic() - began > SNAPSHOT_S:
                        return True
        return False

    def _export_day(self, hub: str, rows: HubRows, day: str, key: str) -> None:
        part = f"readings of {hub} on {day}"
        group = REST if day == UNDATED else day[:7]
        if self._stands(group, part, key):
            return
        folder = f"undated/{_folder(hub)}" if day == UNDATED else f"readings/day={day}/{_folder(hub)}"
        count = self._write_readings(rows, day)
        whole = not rows.damage and not rows.waits
        self._damaged += [f"{hub}: {one.what}: {one.reason}" for one in rows.damage][: MAX_TOLD - len(self._damaged)]
        if count:
            self._add(group, part, key if whole else "", hub, folder, ".parquet", count)

    def _tell(self, share: float) -> None:
        """Say that this share of the present hub is done."""
        self._say(EXPORTING, (self._at + share) / self._hubs)

    def _tried(self, work: Callable[[], T]) -> T:
        """Do a piece of work, again where the database says that the same may pass."""
        for _ in range(TRIES - 1):
            try:
                return work()
            except StorageError as error:
                if not self._source.may_pass(error):
                    raise
        return work()

    def _export_part(self, seen: ArchiveSnapshot, hub: str, part: AccountPart) -> None:
        if part.stream is None:
            day = day_name(part.number)
            group, name, folder = day[:7], f"account of {hub} on {day}", f"account/day={day}/{_folder(hub)}"
        else:
            group, name = REST, f"packs of {hub}, stream {part.stream}, {part.number}"
            folder = f"packs/{_folder(hub)}/stream={part.stream}/from={part.number}"
        if not self._stands(group, name, part.key):
            lines = seen.account_lines(hub, part)
            self._add(group, name, part.key, hub, folder, ".jsonl.zst", self._write_lines(lines))

    def _add_lines(self, part: str, folder: str, hub: str, lines: Iterable[Line]) -> None:
        count = self._write_lines(lines)
        key = _digest(self._scratch)
        if count and not self._stands(REST, part, key):
            self._add(REST, part, key, hub, folder, ".jsonl.zst", count)

    # files

    def _write_readings(self, rows: HubRows, day: str) -> int:
        writer = Writer(self._scratch)
        with closing(writer):
            for group in rows.groups(day):
                writer.write(group)
        return writer.rows

    def _write_lines(self, lines: Iterable[Line]) -> int:
        encode = msgspec.json.Encoder().encode
        with self._scratch.open("wb") as file:
            return lists.write_lines(file, map(encode, lines))

    def _stands(self, group: str, part: str, key: str) -> bool:
        """Return whether the archive has this part in this state; its lock is renewed where it ends soon."""
        self._seen.add(part)
        file = self._files.get(group, {}).get(part)
        if file is None or file.key != key:
            return False
        until = self._now() + self._lock_s
        if self._lock_s and file.locked_until < until - self._lock_s / 2:
            self._store.renew(file.path, file.version, Lock(until))
            self._keep(group, msgspec.structs.replace(file, locked_until=until))
        return True

    def _add(self, group: str, part: str, key: str, hub: str, folder: str, suffix: str, rows: int) -> None:
        """Put the scratch file into the archive, unless that has it, and read it back."""
        digest, size = _digest(self._scratch), self._scratch.stat().st_size
        path = f"{folder}/{digest[:16]}{suffix}"
        known = self._files.get(group, {}).get(part)
        if known is not None and known.sha256 == digest and not self._lock_s:
            self._keep(group, msgspec.structs.replace(known, key=key))
            return
        version, until = self._store_file(path, self._scratch, digest)
        self._keep(group, File(path, part, key, hub, digest, size, rows, version, until))

    def _store_file(self, path: str, file: Path, digest: str) -> tuple[str, float]:
        lock = Lock(self._now() + self._lock_s) if self._lock_s else None
        version = self._store.put(path, file, digest, lock)
        self._put, self._put_bytes = self._put + 1, self._put_bytes + file.stat().st_size
        back = hashlib.sha256()
        for piece in self._store.get(path, version):
            back.update(piece)
        if back.hexdigest() != digest:
            raise StorageError(
                phrase(
                    "archive-put-differs",
                    "{place} gives {file} back otherwise than it was put there",
                    place=self._store.place,
                    file=path,
                )
            )
        return version, 0.0 if lock is None else lock.until

    def _keep(self, group: str, file: File) -> None:
        self._files.setdefault(group, {})[file.part] = file
        self._changed.add(group)

    # manifests

    def _forget_parts(self) -> None:
        """Leave out what this database does not have any more."""
        for group, files in self._files.items():
            gone = files.keys() - self._seen
            if gone:
                self._files[group] = {part: file for part, file in files.items() if part not in gone}
                self._changed.add(group)

    def _commit(self, *, complete: bool) -> str:
        """Name what was put up to now by a manifest; return its path."""
        with tempfile.NamedTemporaryFile(dir=self._scratch.parent) as file:
            scratch = Path(file.name)
            for group in sorted(self._changed):
                files = self._files[group].values()
                data = lists.encode_list(files)
                digest = lists.digest_of(data)
                path = f"{LISTS}{group}/{digest[:16]}.jsonl.zst"
                scratch.write_bytes(data)
                version, _ = self._store_file(path, scratch, digest)
                size, rows = sum(one.bytes for one in files), sum(one.rows for one in files)
                self._listed[group] = Listed(group, path, digest, len(files), size, rows, version)
            self._changed.clear()
            self._made_at = max(self._now(), self._made_at + 0.001)
            path, data = lists.encode_manifest(
                Manifest(
                    format=lists.FORMAT, made_at=self._made_at, owner=self._of.owner, root=self._of.root,
                    everything=self._everything, complete=complete, by_hub=self._source.by_hub, hubs=self._hubs,
                    damaged=len(self._damaged),
                    lists=[one for _, one in sorted(self._listed.items()) if one.files],
                )
            )  # fmt: skip
            scratch.write_bytes(data)
            self._store_file(path, scratch, lists.digest_of(data))
        return path

    def _prune(self, manifest: str) -> int:
        """Delete what this manifest does not need; return how many files could not be."""
        needed = {file.path for files in self._files.values() for file in files.values()}
        needed |= {manifest, *(one.path for one in self._listed.values())}
        there = [one.path for folder in FOLDERS for one in self._store.stored(folder)]
        return self._store.delete(path for path in there if path not in needed)


def _folder(hub: str) -> str:
    return f"hub={quote(hub, safe='')}"


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
