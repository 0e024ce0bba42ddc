"""What the buffer's tests share: a hub and its owner, a clock, rows that can be told apart, an independent reader."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from hub.protocol.records import framing
from hub.protocol.records.opening import (
    Block,
    Gap,
    Opened,
    Opener,
    Table,
    Tables,
    load_private,
    open_epoch,
    verify_epoch,
)
from hub.protocol.records.rows import Column, Row, Shape, Subject
from hub.protocol.records.seal import AES, SealingKeys, kid_of
from hub.store_and_forward.buffer.batch import Batch, BufferConfig
from hub.store_and_forward.buffer.disk import SystemDisk
from hub.store_and_forward.buffer.journal import Journal
from hub.store_and_forward.buffer.reader import Stored

SHAPE = Shape((Column("count"), Column("temperature", "Cel", "0.01")))
SUBJECTS = [Subject(f"test:{number}", f"place-{number}", "site", "zone", "model", "test") for number in range(7)]
SMALL = BufferConfig(
    segment_bytes=24 << 10, max_bytes=1 << 20, retry_first_s=0.001, retry_limit_s=0.002, urgent_s=0.0, keep_s=0.0
)


@dataclass
class Recipient:
    kid: bytes
    role: str
    public: bytes


@dataclass
class Trust:
    version: int
    recipients: tuple[Recipient, ...]


def recipient(role: str) -> tuple[Recipient, bytes]:
    """A public recipient and its private encoding."""
    lattice, curve = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
    public = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
    return Recipient(kid_of(public), role, public), lattice.private_bytes_raw() + curve.private_bytes_raw()


class Party:
    def __init__(self) -> None:
        self.identity = Ed25519PrivateKey.generate()
        self.public = self.identity.public_key().public_bytes_raw()
        self.store_key = bytes(range(32))
        self.ingest, self.ingest_private = recipient("ingest")
        self.recovery, self.recovery_private = recipient("recovery")
        self.stranger, self.stranger_private = recipient("ingest")
        self.trust = Trust(1, (self.ingest, self.recovery))
        self.private_keys = {self.ingest.kid: load_private(self.ingest_private)}

    def keys(self, aead: str = AES) -> SealingKeys:
        return SealingKeys("hub-test", self.identity, self.store_key, aead)

    def journal(
        self, directory: Path, disk: object = None, clock: Clock | None = None, config: BufferConfig = SMALL
    ) -> Journal:
        return Journal(
            directory,
            disk=disk or SystemDisk(),
            clock=clock or Clock(),
            keys=self.keys(),
            run=os.urandom(16),
            trust=self.trust,
            config=config,
        )

    def reader(self) -> Backend:
        return Backend(self)


class Clock:
    def __init__(self) -> None:
        self.wall, self.mono, self.is_sure, self.boot = 1_800_000_000.0, 100.0, True, b"boot-id-16-bytes"

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.mono

    def sure(self) -> bool:
        return self.is_sure

    def date(self) -> float | None:
        return self.wall if self.is_sure else None

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.wall += seconds
        self.mono += seconds


def noise(number: int) -> float:
    return crc32(number.to_bytes(8, "big")) / 100


def row(number: int, sure: bool = True) -> Row:
    """A row that carries its own number, and a value that does not compress."""
    subject = SUBJECTS[number % len(SUBJECTS)]
    return Row(subject, SHAPE, 1_800_000_000_000 + number, sure, (number, noise(number)), 0, 1, -60, None)


def rows(first: int, count: int) -> list[Row]:
    return [row(number) for number in range(first, first + count)]


def batch(readings: Iterable[Row] = (), alerts: Iterable[Row] = (), local: dict[str, object] | None = None) -> Batch:
    import msgspec

    made = Batch()
    made.rows, made.alerts = list(readings), list(alerts)
    made.readings = sum(len(item.values) for item in made.rows)
    made.local = {key: msgspec.Raw(msgspec.msgpack.encode(value)) for key, value in (local or {}).items()}
    return made


@dataclass
class Backend:
    """Opens what it is given as a backend does, and keeps it: numbers of rows by record identity."""

    party: Party
    openers: dict[bytes, Opener] = field(default_factory=dict)
    tables: dict[bytes, Tables] = field(default_factory=dict)
    digests: dict[tuple[str, bytes, int], bytes] = field(default_factory=dict)
    numbers: dict[tuple[str, bytes, int], list[int]] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)

    def take(self, raw: bytes) -> Opened | None:
        head = framing.parse(raw).head
        if head.kind == framing.EPOCH:
            epoch = verify_epoch(raw, self.party.public)
            self.eid = epoch.eid
            if epoch.eid not in self.openers:
                self.openers[epoch.eid] = open_epoch(epoch, self.party.private_keys)
                self.tables[epoch.eid] = Tables()
            return None
        opener = self.openers[self.eid]
        opened = opener.open(raw)
        if isinstance(opened.body, Table):
            self.tables[self.eid].add(opened.body)
            return opened
        identity = opener.epoch.stream, opener.epoch.run, opened.seq
        assert self.digests.setdefault(identity, opened.digest) == opened.digest, f"fork at {identity}"
        if isinstance(opened.body, Block):
            found = opened.body.rows(self.tables[self.eid])
            assert sum(len(item.values) for item in found) == opened.readings
            self.numbers[identity] = [int(item.values[0]) for item in found]
            assert all(item.values[1] == noise(int(item.values[0])) for item in found)
        elif isinstance(opened.body, Gap):
            self.gaps.append(opened.body)
        return opened

    def take_all(self, records: Iterable[Stored]) -> None:
        for record in records:
            opened = self.take(record.raw)
            if opened is not None and record.seq:
                assert (record.seq, record.readings) == (opened.seq, opened.readings)

    def drain(self, journal: Journal, max_bytes: int = 1 << 20) -> None:
        """Take everything that is durable."""
        for state in journal.catalog.states():
            at = state.first
            while at <= state.last:
                found = journal.reader.read(state.stream, state.run, at, state.last, max_bytes)
                self.take_all(found)
                at = max((record.seq for record in found), default=state.last) + 1

    @property
    def all_numbers(self) -> list[int]:
        return sorted(number for numbers in self.numbers.values() for number in numbers)


class FaultyDisk(SystemDisk):
    """The system's disk, until told to fail: `fail["write"] = [None, error]` lets one write pass, then raises."""

    def __init__(self) -> None:
        self.fail: dict[str, list[OSError | str | None]] = {}
        self.calls: list[str] = []
        self.written: dict[str, bytes] = {}
        self.slept: list[float] = []
        self._paths: dict[int, str] = {}

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def _call(self, name: str) -> bool:
        """Count a call and fail it if it is its turn; true for a short write."""
        self.calls.append(name)
        planned = self.fail.get(name)
        fault = planned.pop(0) if planned else None
        if isinstance(fault, OSError):
            raise fault
        return fault == "short"

    def create(self, path: Path) -> int:
        self._call("create")
        fd = super().create(path)
        self._paths[fd] = str(path)
        return fd

    def write(self, fd: int, data: bytes) -> int:
        short = self._call("write")
        count = super().write(fd, data[: len(data) // 2] if short else data)
        path = self._paths[fd]
        self.written[path] = self.written.get(path, b"") + data[:count]
        return count

    def sync(self, fd: int) -> None:
        self._call("sync")
        super().sync(fd)

    def sync_directory(self, directory: Path) -> None:
        self._call("sync_directory")
        super().sync_directory(directory)

    def unlink(self, path: Path) -> None:
        self._call("unlink")
        super().unlink(path)

    def cut(self, path: Path, size: int) -> None:
        self._call("cut")
        super().cut(path, size)

    def close(self, fd: int) -> None:
        self._call("close")
        super().close(fd)


def no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def io_error() -> OSError:
    return OSError(errno.EIO, os.strerror(errno.EIO))


def assert_no_nonce_twice(written: dict[str, bytes]) -> None:
    """Under one epoch (one file), one (kind, counter) has one ciphertext, however often it was written."""
    for path, data in written.items():
        seen: dict[tuple[int, int], bytes] = {}
        for head in framing.scan(data, 8):
            if isinstance(head, framing.Head) and head.kind != framing.EPOCH:
                raw = data[head.offset : head.offset + head.size]
                assert seen.setdefault((head.kind, head.seq), raw) == raw, path
