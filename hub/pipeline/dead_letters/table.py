"""Table of dead letters in the store."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256

import apsw
import msgspec

from hub.core.disk.sqlite import transaction
from hub.core.store import Store

AGE_S = 7 * 86_400.0
MOST_BYTES = 64 << 20
MOST_OF_DEVICE = 1_100
"""Rows per device: one every ten minutes for a week."""
ROW_BYTES = 200
"""Approximate size of a row without its payload."""


class UndecodedFrame(msgspec.Struct, kw_only=True, frozen=True, array_like=True):
    """A payload that could not be read. `at`: Unix seconds by the hub's clock when it was kept; `time`: when it was
    received, None while the clock was not sure: then it is `moment` of the monotonic clock of `boot`. `scheme`,
    `authenticated` and `sealed` are of its proof; `counter` distinguishes it from other frames of the device; `reason`:
    why it could not be read."""

    device: str
    port: int
    payload: bytes
    at: float
    time: float | None
    boot: bytes
    moment: float
    scheme: str
    authenticated: bool
    counter: int | None
    reason: str
    sealed: bool = False

    @property
    def mark(self) -> bytes:
        """16 bytes that are equal for a repetition of the same frame."""
        what = (self.scheme, self.counter) if self.counter is not None else (self.port, self.payload, self.time)
        return sha256(msgspec.msgpack.encode(what)).digest()[:16]

    def __repr__(self) -> str:
        return f"Frame(device={self.device!r}, port={self.port}, {len(self.payload)} bytes, {self.reason!r})"


class Outcome(msgspec.Struct, frozen=True):
    """Result of decoding one payload again. `result` is "decoded" (`readings` went on), "kept" (still unreadable) or
    "waits" (not tried to the end); `reason` says why not."""

    device: str
    time: float | None
    port: int
    size: int
    result: str
    reason: str = ""
    readings: int = 0


class DeadLetterTable:
    """Dead letters of one hub in the store. `total` (bytes) and `count` are as of the last call."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.total = 0
        self.count = 0

    async def add(self, frames: list[tuple[UndecodedFrame, str]], now: float) -> Counter[str]:
        """Insert payloads, each with the digest of the pack that could not read it. Returns how many rows of each
        device were deleted to make room."""

        def work(db: apsw.Connection) -> Counter[str]:
            gone: Counter[str] = Counter()
            with transaction(db):
                for frame, pack in frames:
                    db.execute(
                        "INSERT OR IGNORE INTO kept (device, mark, at, size, pack, body) VALUES (?, ?, ?, ?, ?, ?)",
                        (
                            frame.device, frame.mark, frame.at, len(frame.payload) + ROW_BYTES, pack,
                            msgspec.msgpack.encode(frame),
                        ),
                    )  # fmt: skip
                _shed(db, now, {frame.device for frame, _ in frames}, gone)
                self._measure(db)
            return gone

        return await self._store.call(work)

    async def prune(self, now: float) -> Counter[str]:
        """Delete rows that are too old. Returns how many of each device."""

        def work(db: apsw.Connection) -> Counter[str]:
            gone: Counter[str] = Counter()
            with transaction(db):
                _shed(db, now, set(), gone)
                self._measure(db)
            return gone

        return await self._store.call(work)

    async def waiting(self) -> list[tuple[str, str, int]]:
        """Return (device, digest of the pack that could not read them, number of payloads)."""
        query = "SELECT device, pack, count(*) FROM kept GROUP BY device, pack"
        return await self._store.call(lambda db: [(str(d), str(p), int(n)) for d, p, n in db.execute(query)])

    async def of(self, device: str, after: int, limit: int) -> list[tuple[int, UndecodedFrame]]:
        """Return payloads of a device with a number above `after`, oldest first."""
        query = "SELECT n, body FROM kept WHERE device = ? AND n > ? ORDER BY n LIMIT ?"
        rows = await self._store.call(lambda db: list(db.execute(query, (device, after, limit))))
        return [(int(n), msgspec.msgpack.decode(body, type=UndecodedFrame)) for n, body in rows]

    async def remove(self, numbers: list[int]) -> None:
        def work(db: apsw.Connection) -> None:
            with transaction(db):
                for number in numbers:
                    db.execute("DELETE FROM kept WHERE n = ?", (number,))
                self._measure(db)

        await self._store.call(work)

    async def forget(self, devices: set[str]) -> int:
        """Delete all payloads of these devices. Returns how many."""

        def work(db: apsw.Connection) -> int:
            gone = 0
            with transaction(db):
                for device in devices:
                    db.execute("DELETE FROM kept WHERE device = ?", (device,))
                    gone += db.changes()
                self._measure(db)
            return gone

        return await self._store.call(work)

    async def tried(self, numbers: list[int], pack: str) -> None:
        """Note that the pack of this digest could not read them either."""

        def work(db: apsw.Connection) -> None:
            with transaction(db):
                for number in numbers:
                    db.execute("UPDATE kept SET pack = ? WHERE n = ?", (pack, number))

        await self._store.call(work)

    def _measure(self, db: apsw.Connection) -> None:
        ((count, total),) = db.execute("SELECT count(*), coalesce(sum(size), 0) FROM kept")
        self.count, self.total = int(count), int(total)


def _shed(db: apsw.Connection, now: float, devices: set[str], gone: Counter[str]) -> None:
    """Delete the oldest rows: too old (or dated ahead by a clock that was wrong), too many of a device, too many
    bytes."""
    for n, device in list(db.execute("SELECT n, device FROM kept WHERE at < ?", (now - AGE_S,))):
        _drop(db, int(n), str(device), gone)
    for device in devices:
        query = "SELECT n FROM kept WHERE device = ? ORDER BY n DESC LIMIT -1 OFFSET ?"
        for (n,) in list(db.execute(query, (device, MOST_OF_DEVICE))):
            _drop(db, int(n), device, gone)
    ((total,),) = db.execute("SELECT coalesce(sum(size), 0) FROM kept")
    while total > MOST_BYTES:
        for n, device, size in list(db.execute("SELECT n, device, size FROM kept ORDER BY n LIMIT 64")):
            _drop(db, int(n), str(device), gone)
            total -= size
            if total <= MOST_BYTES:
                break


def _drop(db: apsw.Connection, n: int, device: str, gone: Counter[str]) -> None:
    db.execute("DELETE FROM kept WHERE n = ?", (n,))
    gone[device] += 1
