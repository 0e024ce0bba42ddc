"""Table of held reports in the store."""

from __future__ import annotations

from collections.abc import Mapping

import apsw
import msgspec

from hub.core.disk.sqlite import transaction
from hub.core.model import Frame, Report
from hub.core.store import Store

MOST_OF_DEVICE = 4_320
"""Rows per device: one a minute for three days."""
MOST_DEVICES = 1_024
ROW_BYTES = 64
"""Approximate size of a row without its body."""


class HeldReport(msgspec.Struct, frozen=True, array_like=True):
    """A held report. `at`: Unix seconds by the hub's clock when it came, for its age; `time`: its date, None while no
    clock was sure: then it is `moment` of the monotonic clock of `boot`. `frame`: a sealed frame that could not be
    opened; `report` is empty then."""

    report: Report
    at: float
    time: float | None
    boot: bytes
    moment: float
    frame: Frame | None = None

    def __repr__(self) -> str:
        return f"HeldReport({self.report.device!r}, {len(self.report.values)} values)"


class HeldReportTable:
    """Held reports of one hub. `counts` (by device) and `total` (bytes) are as of the last call."""

    def __init__(self, store: Store, age_s: float, most_bytes: int) -> None:
        self._store, self.age_s, self.most_bytes = store, age_s, most_bytes
        self.counts: dict[str, int] = {}
        self.total = 0

    async def load(self) -> None:
        """Make SQLite overwrite deleted rows with zeros (`secure_delete`), and count what is there. Raises
        StorageError."""

        def work(db: apsw.Connection) -> None:
            db.pragma("secure_delete", 1)
            self._measure(db)

        await self._store.call(work)

    async def add(self, held: list[HeldReport], now: float) -> int:
        """Insert reports, then delete what is too old or too much. Returns how many were deleted."""

        def work(db: apsw.Connection) -> int:
            with transaction(db):
                for one in held:
                    body = msgspec.msgpack.encode(one)
                    db.execute(
                        "INSERT INTO held (device, at, size, body) VALUES (?, ?, ?, ?)",
                        (one.report.device, one.at, len(body) + ROW_BYTES, body),
                    )
                gone = self._shed(db, now, {one.report.device for one in held})
                self._measure(db)
            return gone

        return await self._store.call(work)

    async def prune(self, now: float) -> int:
        """Delete what is too old. Returns how many."""
        return await self.add([], now)

    async def of(self, device: str, after: int, limit: int) -> list[tuple[int, HeldReport]]:
        """Return reports of a device with a number above `after`, oldest first."""
        query = "SELECT n, body FROM held WHERE device = ? AND n > ? ORDER BY n LIMIT ?"
        rows = await self._store.call(lambda db: list(db.execute(query, (device, after, limit))))
        return [(int(n), msgspec.msgpack.decode(body, type=HeldReport)) for n, body in rows]

    async def remove(self, device: str) -> int:
        """Delete all reports of a device. Returns how many."""

        def work(db: apsw.Connection) -> int:
            with transaction(db):
                before = db.total_changes()
                db.execute("DELETE FROM held WHERE device = ?", (device,))
                gone = db.total_changes() - before
                self._measure(db)
            return gone

        return await self._store.call(work)

    async def released(self, mark: Mapping[str, int]) -> None:
        """Delete these devices' reports up to these numbers: they are in the buffer."""

        def work(db: apsw.Connection) -> None:
            with transaction(db):
                for device, until in mark.items():
                    db.execute("DELETE FROM held WHERE device = ? AND n <= ?", (device, until))
                self._measure(db)

        await self._store.call(work)

    def _shed(self, db: apsw.Connection, now: float, devices: set[str]) -> int:
        """Delete what is too old (or dated ahead by a clock that was wrong), too many of a device, or too many bytes:
        of the device with the most bytes first."""
        before = db.total_changes()
        db.execute("DELETE FROM held WHERE at < ? OR at > ?", (now - self.age_s, now + self.age_s))
        for device in devices:
            db.execute(
                "DELETE FROM held WHERE n IN (SELECT n FROM held WHERE device = ? ORDER BY n DESC LIMIT -1 OFFSET ?)",
                (device, MOST_OF_DEVICE),
            )
        if (total := _total(db)) > self.most_bytes:
            sizes = dict(db.execute("SELECT device, sum(size) FROM held GROUP BY device"))
            while total > self.most_bytes:
                most = max(sizes, key=sizes.__getitem__)
                gone = db.execute(
                    "DELETE FROM held WHERE n IN (SELECT n FROM held WHERE device = ? ORDER BY n LIMIT 64) "
                    "RETURNING size",
                    (most,),
                )
                freed = sum(size for (size,) in gone)
                sizes[most] -= freed
                total -= freed
        return db.total_changes() - before

    def _measure(self, db: apsw.Connection) -> None:
        query = "SELECT device, count(*) FROM held GROUP BY device"
        self.counts = {str(device): int(count) for device, count in db.execute(query)}
        self.total = _total(db)


def _total(db: apsw.Connection) -> int:
    ((total,),) = db.execute("SELECT coalesce(sum(size), 0) FROM held")
    return int(total)
