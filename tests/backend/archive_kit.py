"""What tests of the archive share: a database of several hubs with everything in it, and what is answered of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from compaction_kit import BOOT, FAR, HOUR, NOW, count, report

from backend.archive.exporting import Exported, Exporter, Of
from backend.archive.importing import Imported, Importer
from backend.archive.reading import Archive
from backend.archive.stores import Store
from backend.ingest.packed_records import pack
from backend.queries.series_history import SeriesHistory, StoredReading
from backend.readings.compaction import Compactor
from backend.readings.stored_bodies import encoded_table
from backend.storage import archive
from backend.storage.archive import ArchiveSource, Line
from backend.storage.chunks import Body, Chunks, Names
from backend.storage.engine import ErasureOrder, RecordLine, Storage, Stream
from backend.storage.opening import open_archive_source, open_archive_target, open_chunks, open_storage
from backend.storage.silences import OpenSilence
from backend.storage.tables import AlertChange, Anchor, CallbackToken, EnrolmentToken, Hub, NewCallback, WaitingDownlink
from hub.core.model import Position
from hub.protocol.records import columns
from hub.protocol.records.bodies import Table
from hub.protocol.records.compression import Squeezer
from hub.protocol.records.dictionary import Numbering
from hub.protocol.records.opening import ClockMark, Gap
from hub.protocol.records.rows import Column, Row, Shape, Subject

OF = Of("Ville", "ab" * 32)
DAY = 24 * HOUR
DAY_START = NOW - NOW % DAY
HUBS = ("h-one", "h-two")
METER = Shape((Column("energy", "kW.h", "0.001", state_class="total_increasing"), Column("big", resolution="1")))
WORDS = Shape((Column("label", kind="text"), Column("rssi", "dB[mW]")))
HALL = Subject("ble:2", "hall", "school", "first floor", "m1", "bluetooth")
BIKE = Subject("lora:bike", "bike")
LOST = b"l" * 16


class City:
    """A database of two hubs. `now` is its clock; what arrived is compacted by `compact`."""

    def __init__(self, storage: Storage, chunks: Chunks, prepare: Callable[[float], None] = lambda now: None) -> None:
        self.storage, self.chunks, self._prepare = storage, chunks, prepare
        self.now = NOW / 1000
        self.compactor = Compactor(chunks, now=lambda: self.now)
        self.streams: dict[str, Stream] = {}
        self.numberings: dict[str, tuple[int, Numbering]] = {}

    def enrol(self, hub: str) -> None:
        identity = hashlib.sha256(hub.encode()).digest()
        with self.storage.transaction():
            self.storage.registry.enrol(
                Hub(hub, identity, f"Concentrateur {hub}", self.now, None, None, ("north", "é"))
            )
        with self.storage.transaction():
            self.storage.states.put(hub, b"state of " + hub.encode(), self.now + 1)
            stream = self.storage.streams.begin(hub, hub.encode().ljust(16, b"r")[:16], "readings", self.now)
            self.storage.streams.follow(stream, b"p" * 16)
            context = self.storage.epochs.add(stream, identity[:16], b"epoch of " + hub.encode(), self.now)
            self.storage.epochs.add_table(hub, context.id, 0, b"table of " + hub.encode())
        self.streams[hub], self.numberings[hub] = stream, (context.id, Numbering())

    def resume(self, hub: str, stream: Stream) -> None:
        """Go on with a hub that is there, in a new epoch."""
        with self.storage.transaction([hub]):
            context = self.storage.epochs.add(
                stream, hashlib.sha256(stream.run + str(self.now).encode()).digest()[:16], b"e", self.now
            )
        self.streams[hub], self.numberings[hub] = stream, (context.id, Numbering())

    def arrive(self, hub: str, rows: Sequence[Row], boot: bytes = b"") -> int:
        """Store one block, as ingest does; return the id of its record."""
        self._prepare(self.now)
        epoch, numbering = self.numberings[hub]
        data = Squeezer()(columns.encode(rows, numbering, boot))
        shapes, subjects = numbering.fresh()
        with self.storage.transaction([hub]):
            stream = self.storage.streams.numbered(self.streams[hub].id)
            assert stream is not None
            seq = stream.stored.last() + 1
            digest = hashlib.sha256(data + bytes([seq % 256])).digest()
            record = self.storage.records.add(stream, RecordLine(seq, digest, epoch, 1, len(rows)), self.now)
            stream.stored.add(seq)
            stream.readings += len(rows)
            stream.announced = seq + 1
            self.storage.streams.change(stream)
            if shapes or subjects:
                table = encoded_table(Table(dict(shapes), dict(subjects)))
                self.storage.bodies.add_names(hub, Names(epoch, seq, table))
            self.storage.bodies.add(hub, Body(record, epoch, boot, self.now, data))
        return record

    def compact(self, wait_s: float = 10_000.0) -> None:
        self.now += wait_s
        while self.compactor.work():
            pass

    def date(self, hub: str, boot: bytes, offset_ms: int, error_ms: int = 0) -> None:
        mark = ClockMark(boot, offset_ms, error_ms, "ntp")
        with self.storage.transaction([hub]):
            self.storage.clocks.note(hub, mark)

    def close(self) -> None:
        self.chunks.close()
        self.storage.close()


def fill(city: City, hours: int = 30) -> None:
    """Put into a database something of everything that it can hold."""
    for hub in HUBS:
        city.enrol(hub)
    one, two = HUBS
    for hour in range(hours):
        at = DAY_START - DAY + hour * HOUR
        city.arrive(one, [report(at + n * 60_000, 20 + n / 8) for n in range(5)])
        meter = Row(HALL, METER, at, True, (hour * 1.125, (1 << 60) + hour), 0, 1, -70)
        city.arrive(one, [meter, Row(HALL, WORDS, at + 7, True, (f"voilà\n{hour}", -3.0), 1, 2, -50)])
        where = Position(48.85, 2.35 + hour / 100, 5.0, None)
        city.arrive(two, [count(at + 1, hour, BIKE, position=where), count(at + 2, hour + 1, BIKE, rssi=-99)])
        city.arrive(two, [count(at + 3, hour)])
    city.arrive(one, [report(1000 * n, 5.0) for n in range(4)], BOOT)
    city.arrive(two, [count(1000 * n, n) for n in range(3)], LOST)
    city.date(one, BOOT, DAY_START - 1500, error_ms=5000)
    city.compact()
    city.arrive(one, [report(DAY_START - DAY + 5, 1.5)])  # late, and on the last day something that is not compacted
    city.arrive(two, [count(DAY_START + 8 * HOUR, 77), count(2**53 - 1, 78)])
    _judge(city, one, two)


def _judge(city: City, one: str, two: str) -> None:
    """Store what is neither a record nor a reading."""
    storage, now, stream = city.storage, city.now, city.streams[one]
    with storage.transaction():
        gap = Gap(
            run=stream.run, stream="readings", first=100, last=120, readings=9, from_s=5, to_s=6, reason="disk-full"
        )  # fmt: skip
        storage.records.add_gap(one, gap, 3, now)
        storage.forks.add(stream, 1, b"d" * 32, b"e" * 16, b"another content", now)
        storage.quarantine.add(two, "bad-block", b"q" * 32, b"what cannot be read", None, now)
        storage.alarms.raise_one("gap", one, "records are missing", b"[]", now, 10)
        storage.alarms.raise_one("fork", two, "a fork", None, now, 10)
        storage.alarms.clear("fork", two, "a fork", now + 1)
        storage.retention.set_days("environment", 1234)
        storage.trials.expect("t-2")
        storage.silences.begin(OpenSilence("hub", two, now - 300, now, "silent"))
        storage.anchors.add(Anchor(one, 5, 6, "head", "{}", now))
        storage.lookups.note(two, ["ble:1"], now)
        storage.lookups.answered(two, ["ble:1"], now + 1)
        texts = {name: name for name in AlertChange._fields}
        numbers = {"hub": one, "n": 3, "raised_at": now, "changed_at": now, "received_at": now, "state": "open"}
        storage.alerts.add(AlertChange(**{**texts, **numbers}))  # type: ignore[arg-type]
        storage.alerts.request(one, "alert", "acknowledged", b'{"by": "x"}')
        storage.registry.add_tokens(
            [
                EnrolmentToken("t-1", b"secret", "never used", now, now + 60),
                EnrolmentToken("t-2", b"s", "b", now, now + 9),
            ]
        )
        storage.registry.use_token("t-2", two, now)
        storage.callbacks.add_token(CallbackToken("c-1", b"c" * 32, two, "sigfox", now))
        storage.callbacks.add(NewCallback("key-1", two, "c-1", b"{}", b"answer", "down", now))
        storage.callbacks.replace_downlinks(two, [WaitingDownlink("lora:bike", "down-2", b"\1", None)])
        storage.bodies.order(one, ErasureOrder("order-1", "device", "ble:2", DAY_START - DAY + 4 * HOUR, now), 4)
        storage.registry.revoke(two, now)


def packed(city: City, put: Callable[[int, int, bytes], None]) -> None:
    """Have some lines of the account packed, by what stores a block of a stream."""
    put(city.streams[HUBS[0]].id, 7, pack({7 * 1024 + n: bytes([n]) * 32 for n in range(20)}))


def facts(source: ArchiveSource) -> dict[str, list[Line]]:
    """Return all lines of a database, by hub."""
    with source.snapshot() as seen:
        found: dict[str, list[Line]] = {"": list(seen.common())}
        for hub in seen.hubs():
            account = [line for part in seen.account(hub) for line in seen.account_lines(hub, part)]
            found[hub] = [*seen.of_hub(hub), *sorted(account, key=str)]
    return found


def readings(source: ArchiveSource, *, sealed: bool = False) -> dict[Any, list[Any]]:
    """Return what the backend answers of each series: its readings, dated and not."""
    found: dict[Any, list[Any]] = {}
    with source.snapshot() as seen:
        for hub in seen.hubs():
            series = [line for line in seen.of_hub(hub) if isinstance(line, archive.SeriesLine)]
            for device, metric in {(line.device, line.metric) for line in series}:
                history = SeriesHistory(seen.hub(hub), device, metric)
                some = [*map(_said, history.between(-FAR, 1 << 54)), *map(_said, history.undated())]
                found[hub, device, metric] = sorted(some, key=repr) if sealed else some
    return found


def _said(one: StoredReading) -> tuple[Any, ...]:
    subject, column = msgspec.structs.astuple(one.subject), msgspec.structs.astuple(one.column)
    return one.time_ms, one.origin, one.value, one.quality, one.trust, one.boot, subject, column


def total(found: dict[Any, list[Any]]) -> int:
    return sum(map(len, found.values()))


def export(path: Path | str, store: Store, **more: Any) -> Exported:
    with closing(open_archive_source(path)) as source:
        return Exporter(source, store, OF, **{"everything": True, **more}).run()


def load(store: Store, path: Path | str, **more: Any) -> Imported:
    given = Archive(store, more.pop("as_of", None))
    manifest = given.newest(complete=True)
    assert manifest is not None
    with closing(open_archive_target(path)) as target, closing(open_chunks(path)) as chunks:
        return Importer(given, manifest, target, chunks, more.pop("of", OF), say=lambda what, share: None).run()


def city(address: Path | str) -> City:
    storage = open_storage(address)
    if not isinstance(address, str):
        return City(storage, open_chunks(address))
    from backend.storage.postgresql import partitions
    from backend.storage.postgresql.storage import PostgresStorage

    assert isinstance(storage, PostgresStorage)

    made = 0

    def prepare(now: float) -> None:
        nonlocal made
        if made >= partitions.hour_of(now) + partitions.HOURS_AHEAD // 2:
            return
        made = partitions.hour_of(now) + partitions.HOURS_AHEAD
        with storage.database.transaction() as session:
            partitions.ensure(session, now)

    return City(storage, open_chunks(address), prepare)


def lines_of(found: dict[str, list[Line]]) -> Iterator[tuple[str, str]]:
    for hub, lines in found.items():
        for line in lines:
            yield hub, type(line).__name__
