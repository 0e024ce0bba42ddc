"""Power cuts, modelled: every state a disk may be found in after one, against what the buffer promised before it.

The model's disk keeps, beside what is durable, the writes and directory changes that no sync has covered. A power cut
keeps any part of these: writes cut at any 512-byte sector, sectors lost in the middle, new names lost, unlinked names
back. The oracle is the list of what a commit returned for, and the disk: what may be delivered must be durable, at each
start and when each sync begins; and the counter of each commit, which must be there after a start with its readings, or
neither of them. Versions of the disk and of the writer that are broken in one place must be caught.
"""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Callable
from itertools import count
from pathlib import Path
from unittest import mock

import pytest
from buffer_kit import SMALL, Clock, Party, assert_no_nonce_twice, batch, io_error, no_space, rows
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from hub.core.errors import StorageError
from hub.protocol.ranges import Ranges
from hub.protocol.records import framing
from hub.protocol.records.rows import ALERTS, READINGS
from hub.store_and_forward.acked_ranges import ACK_KEY, encode_ranges, range_key
from hub.store_and_forward.buffer.batch import Batch
from hub.store_and_forward.buffer.journal import Journal
from hub.store_and_forward.buffer.recovery import Scan
from hub.store_and_forward.buffer.segment import SegmentFile, SegmentInfo
from hub.store_and_forward.buffer.stream import StreamWriter

SECTOR = 512
CALLS = st.sampled_from(["create", "write", "sync", "sync_directory", "unlink"])
KINDS = st.sampled_from(["io", "space", "short"])
ROOT = Path("/model")
PARTY = Party()


class File:
    def __init__(self) -> None:
        self.durable = b""
        self.visible = b""
        self.lost = False  # a sync of it failed: what was pending then is never written back

    def after_power_cut(self, rng: random.Random) -> None:
        """What of the pending bytes reached the medium: any length (often all but the last record), any sectors."""
        least, most = len(self.durable), len(self.visible)
        keep = rng.choice([most, rng.randint(least, most), rng.randint(max(least, most - 300), most), least])
        found = bytearray(self.visible[:keep])
        if rng.random() < 0.5:
            for start in range(len(self.durable) // SECTOR * SECTOR, keep, SECTOR):
                if rng.random() < 0.3:
                    end = min(start + SECTOR, keep)
                    found[start:end] = self.durable[start:end].ljust(end - start, b"\0")
        self.durable = self.visible = bytes(found)


class ModelDisk:
    """A disk in memory with pending and durable state. The broken twins: one whose syncs do nothing, one that
    hides it when a sync fails, one that does not sync what it cuts."""

    def __init__(self, syncs: bool = True, honest: bool = True, cuts: bool = True) -> None:
        self.syncs, self.honest, self.cuts = syncs, honest, cuts
        self.at_sync: Callable[[], None] = lambda: None
        self.visible: dict[Path, dict[str, File]] = {}
        self.durable: dict[Path, dict[str, File]] = {}
        self.open: dict[int, File] = {}
        self.fail: deque[tuple[str, object]] = deque()
        self.written: dict[str, bytes] = {}
        self._names: dict[int, str] = {}
        self._next = 3
        self._generation = 0

    def _fault(self, call: str) -> object:
        if self.fail and self.fail[0][0] == call:
            fault = self.fail.popleft()[1]
            if isinstance(fault, OSError):
                raise fault
            return fault
        return None

    def make_directory(self, directory: Path) -> None:
        self.visible.setdefault(directory, {})
        self.durable.setdefault(directory, {})

    def names(self, directory: Path) -> list[str]:
        return list(self.visible.get(directory, {}))

    def size(self, path: Path) -> int:
        return len(self._file(path).visible)

    def free(self, directory: Path) -> int:
        return 1 << 40

    def _file(self, path: Path) -> File:
        try:
            return self.visible[path.parent][path.name]
        except KeyError:
            raise FileNotFoundError(2, "No such file", str(path)) from None

    def create(self, path: Path) -> int:
        self._fault("create")
        folder = self.visible.setdefault(path.parent, {})
        if path.name in folder:
            raise FileExistsError(17, "File exists", str(path))
        folder[path.name] = file = File()
        self._next += 1
        self.open[self._next] = file
        self._names[self._next] = f"{path}#{self._generation}"
        return self._next

    def write(self, fd: int, data: bytes) -> int:
        short = self._fault("write") is not None
        taken = data[: len(data) // 3] if short else data
        self.open[fd].visible += taken
        self.written[self._names[fd]] = self.written.get(self._names[fd], b"") + taken
        return len(taken)

    def reserve(self, fd: int, end: int, size: int) -> None:
        """No room is modelled: none of the file's bytes depend on it."""

    def sync(self, fd: int) -> None:
        self.at_sync()
        file = self.open[fd]
        try:
            self._fault("sync")
        except OSError:
            file.lost = True
            if self.honest:
                raise
        if self.syncs and not file.lost:
            file.durable = file.visible

    def close(self, fd: int) -> None:
        del self.open[fd]

    def sync_directory(self, directory: Path) -> None:
        self._fault("sync_directory")
        if self.syncs:
            self.durable[directory] = dict(self.visible.get(directory, {}))

    def unlink(self, path: Path) -> None:
        self._fault("unlink")
        self._file(path)
        del self.visible[path.parent][path.name]

    def read(self, path: Path, offset: int = 0, size: int | None = None) -> bytes:
        return self._file(path).visible[offset : None if size is None else offset + size]

    def cut(self, path: Path, size: int) -> None:
        file = self._file(path)
        file.visible = file.visible[:size]
        if self.syncs and self.cuts:
            file.durable = file.visible

    def sleep(self, seconds: float) -> None:
        pass

    def kill(self) -> None:
        """The process is gone; the page cache is not."""
        self.open.clear()
        self.fail.clear()
        self._generation += 1

    def power_cut(self, rng: random.Random) -> None:
        self.kill()
        for directory, seen in self.visible.items():
            kept = self.durable.get(directory, {})
            names = {
                name: kept.get(name, seen.get(name))
                for name in {**kept, **seen}
                if (name in kept and name in seen) or rng.random() < 0.5
            }
            found = {name: file for name, file in names.items() if file is not None}
            self.durable[directory] = dict(found)
            self.visible[directory] = dict(found)
        for file in {id(file): file for folder in self.visible.values() for file in folder.values()}.values():
            file.after_power_cut(rng)


class CrashStates(RuleBasedStateMachine):
    """Appends, commits with and without faults, deliveries, acks, kills and power cuts, in any order."""

    syncs = honest = cuts = True
    keep_s = 0.0

    @initialize()
    def begin(self) -> None:
        self.disk = ModelDisk(self.syncs, self.honest, self.cuts)
        self.clock = Clock()
        self.promised: set[int] = set()
        self.promised_records: dict[tuple[str, bytes], Ranges] = {}
        self.backend = PARTY.reader()
        self.local: dict[str, int] = {}
        self.acks: dict[tuple[str, bytes], Ranges] = {}
        self.number = 0
        self.pending: Batch | None = None
        self.pending_numbers: set[int] = set()
        self.pending_readings: set[int] = set()
        self.pending_local: dict[str, int] = {}
        self.start()

    def start(self) -> None:
        self.under_way = self.pending_readings if self.pending is not None else set()
        self.pending = None
        self.disk.at_sync = lambda: None
        self.journal: Journal = PARTY.journal(ROOT, self.disk, self.clock, replace(SMALL, keep_s=self.keep_s))
        assert self.journal.errors == []
        told = dict(self.journal.local)
        assert told.get("n", 0) >= self.local.get("n", 0), "durable LOCAL went back"
        self.local = told
        for info in self.journal.catalog.all():
            self.only_what_is_durable_may_be_delivered(info)
        self.disk.at_sync = self.before_a_sync

    def before_a_sync(self) -> None:
        for stream in (ALERTS, READINGS):
            for info in self.journal.catalog.of(stream)[-1:]:
                self.only_what_is_durable_may_be_delivered(info)

    def only_what_is_durable_may_be_delivered(self, info: SegmentInfo) -> None:
        """Look at the medium, by the segment's own account of what counts in it."""
        file = self.disk.durable[info.path.parent].get(info.path.name, File())
        scan = Scan.of(self.disk.read(info.path, 0, info.size))
        for head in scan.heads:
            if head.kind in framing.NUMBERED and info.first <= head.seq <= info.last:
                durable = file.durable[head.offset : head.offset + head.size]
                assert durable == scan.raw(head), "a record may be delivered before it is durable"

    @rule(readings=st.integers(0, 300), alerts=st.integers(0, 3), fault=st.none() | CALLS, kind=KINDS)
    def commit(self, readings: int, alerts: int, fault: str | None, kind: str) -> None:
        if self.pending is None:
            count = readings + alerts
            made = rows(self.number, count)
            self.pending_numbers = set(range(self.number, self.number + count))
            self.pending_readings = set(range(self.number, self.number + readings))
            self.number += count
            self.pending_local = {"n": self.number}
            self.pending = batch(made[:readings], made[readings:], local=dict(self.pending_local))
        if fault is not None:
            short = kind == "short" and fault == "write"
            self.disk.fail.append((fault, "short" if short else no_space() if kind == "space" else io_error()))
        self.clock.advance(1)
        try:
            done = self.journal.commit(self.pending)
        except StorageError:
            return
        finally:
            self.disk.fail.clear()
        for item in done:
            if item.first <= item.last:
                self.promised_records.setdefault((item.stream, item.run), Ranges()).add(item.first, item.last)
        self.promised |= self.pending_numbers
        self.local |= self.pending_local
        self.pending = None

    @rule()
    def a_day_passes(self) -> None:
        self.clock.advance(SMALL.segment_s)

    @rule()
    def deliver(self) -> None:
        self.backend.drain(self.journal)

    @precondition(lambda self: self.pending is None)
    @rule(share=st.floats(0, 1))
    def acknowledge(self, share: float) -> None:
        """The backend acks a part of what it has; the ack set rides on the next commit."""
        local: dict[str, object] = {}
        import msgspec

        for stream, run, seq in self.backend.digests:
            if seq <= share * 20:
                self.acks.setdefault((stream, run), Ranges()).add(seq, seq)
        for (stream, run), ranges in self.acks.items():
            if self.journal.catalog.last(stream, run):
                local[range_key(ACK_KEY, stream, run)] = msgspec.msgpack.decode(encode_ranges(ranges))
        self.pending_numbers, self.pending_readings, self.pending_local = set(), set(), {}
        self.pending = batch(local=local)
        self.commit(0, 0, None, "io")

    @rule()
    def kill(self) -> None:
        self.disk.kill()
        self.start()
        self.check_all()
        self.check_counters()

    @rule(seed=st.integers(0, 1 << 32))
    def power_cut(self, seed: int) -> None:
        self.disk.power_cut(random.Random(seed))
        self.start()
        self.check_all()
        self.check_counters()

    @rule(readings=st.integers(0, 300), alerts=st.integers(0, 3), seed=st.integers(0, 1 << 32))
    def power_cut_in_a_commit(self, readings: int, alerts: int, seed: int) -> None:
        self.commit(readings, alerts, "sync", "io")
        self.power_cut(seed)

    def check_all(self) -> None:
        """What was promised is at the backend or can be delivered, once, and none of it is declared lost."""
        self.backend.drain(self.journal)
        found = self.backend.all_numbers
        assert len(found) == len(set(found)), "a row was delivered under two identities"
        assert self.promised <= set(found), "a promised row is lost"
        for gap in [*self.backend.gaps, *self.journal._gaps]:
            promised = self.promised_records.get((gap.stream, gap.run), Ranges())
            assert not promised.inside(gap.first, gap.last), "a promised record is declared lost"

    def check_counters(self) -> None:
        """After a start: each row carries the counter of its frame, and a frame is refused up to the one remembered."""
        remembered = self.local.get("n", 0)
        found = {n for (stream, *_), rows in self.backend.numbers.items() if stream == READINGS for n in rows}
        assert max(found, default=-1) < remembered, "a frame whose reading was delivered is accepted again"
        lost = {n for n in self.under_way - found if n < remembered}
        # how many readings a hole held is not known where the headers beside it are gone: 0, and told all the same
        told = {
            (gap.run, gap.first): gap.readings or 2 * len(lost) for gap in [*self.backend.gaps, *self.journal._gaps]
        }
        assert sum(told.values()) >= 2 * len(lost), "a frame whose reading is gone is refused, and nobody is told"

    @invariant()
    def no_nonce_twice(self) -> None:
        if hasattr(self, "disk"):
            assert_no_nonce_twice(self.disk.written)

    def teardown(self) -> None:
        if hasattr(self, "disk"):
            self.disk.fail.clear()
            self.check_all()


class KeptStates(CrashStates):
    """The same while acked segments are kept, and a backend that is put back to an empty copy and asks for them."""

    keep_s = 7 * 86_400.0

    @precondition(lambda self: self.pending is None)
    @rule()
    def the_backend_is_put_back(self) -> None:
        self.backend = PARTY.reader()
        self.acks.clear()
        for state in self.journal.catalog.states():
            self.journal.unacked(state.stream, state.run, [(state.first, state.last)])
        self.acknowledge(0.0)
        self.check_all()


class WithoutKeeping(KeptStates):
    """The twin that unlinks what is acked at once."""

    keep_s = 0.0


class WithoutSync(CrashStates):
    """The twin that never syncs."""

    syncs = False


class WithDeafSync(CrashStates):
    """The twin that reports durable what a failed sync did not write."""

    honest = False


class WithUnsyncedTail(CrashStates):
    """The twin that delivers a recovered tail without syncing it."""

    cuts = False


class EarlyWriter(StreamWriter):
    """Says that records are there before their sync."""

    def _fill(self, segment, items, local):  # type: ignore[no-untyped-def]
        done = super()._fill(segment, items, local)
        segment.seal()
        size = segment.file.size + segment.file.staged
        self._catalog.put(segment.info._replace(last=segment.seq, total=segment.total, size=size, open=True))
        return done


class StubbornWriter(StreamWriter):
    """Goes on in the segment whose sync has failed, with the same numbers."""

    def _retire(self) -> None:
        segment = self._segment
        if sys.exc_info()[0] is None or segment is None or not segment.file.size:
            super()._retire()
            return
        segment.sealer._last[framing.BLOCK] = self.seq
        segment.seq, segment.total = self.seq, self.total
        segment.file._staged, segment.file.staged = [], 0


class WithEarlyDelivery(CrashStates):
    """The twin that delivers before the fsync."""

    def start(self) -> None:
        with mock.patch("hub.store_and_forward.buffer.journal.StreamWriter", EarlyWriter):
            super().start()


class WithSecondSeal(CrashStates):
    """The twin that seals a number twice in one epoch."""

    def start(self) -> None:
        with mock.patch("hub.store_and_forward.buffer.journal.StreamWriter", StubbornWriter):
            super().start()


STEPS = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), database=None
)

FIND = settings(STEPS, max_examples=300, report_multiple_bugs=False, phases=[Phase.generate])
"""To know that there is a failure, the smallest one need not be found."""


@pytest.mark.parametrize("model", [CrashStates, KeptStates])
def test_no_crash_state_breaks_a_promise(model: type[CrashStates]) -> None:
    run_state_machine_as_test(model, settings=STEPS)


@pytest.mark.parametrize(
    ("twin", "seen"),
    [
        (WithoutSync, r"promised|went back|before it is durable"),
        (WithDeafSync, r"promised|went back|before it is durable"),
        (WithoutKeeping, r"promised"),
        (WithEarlyDelivery, r"before it is durable"),
    ],
)
def test_a_broken_twin_is_caught(twin: type[CrashStates], seen: str) -> None:
    with pytest.raises(AssertionError, match=seen):
        run_state_machine_as_test(twin, settings=FIND)


def a_failed_sync_then_a_kill(model: type[CrashStates]) -> None:
    """The smallest life that tells the next two twins from the real one."""
    state = model()
    state.begin()
    state.commit(readings=3, alerts=0, fault=None, kind="io")
    state.commit(readings=3, alerts=0, fault="sync", kind="io")
    if model is not WithUnsyncedTail:
        state.commit(readings=0, alerts=0, fault=None, kind="io")  # what waits is tried again
        state.no_nonce_twice()
    state.kill()
    state.teardown()


def test_a_tail_that_is_delivered_without_a_sync_is_caught() -> None:
    a_failed_sync_then_a_kill(CrashStates)
    with pytest.raises(AssertionError, match="before it is durable"):
        a_failed_sync_then_a_kill(WithUnsyncedTail)


def test_a_number_that_is_sealed_twice_in_one_epoch_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SegmentFile, "_poison", lambda self: None)
    with pytest.raises(AssertionError, match=r"/model/readings/0000000001-"):
        a_failed_sync_then_a_kill(WithSecondSeal)


def torn_at(cut: int, zeros: int) -> None:
    """A power cut while a commit is written: so many bytes of the write are there, then so many that read as zeros."""
    state = CrashStates()
    state.begin()
    state.commit(readings=3, alerts=0, fault=None, kind="io")
    state.commit(readings=3, alerts=0, fault="sync", kind="io")
    (file,) = state.disk.visible[ROOT / READINGS].values()
    file.durable = file.visible[: len(file.durable) + cut] + bytes(zeros)
    file.visible = file.durable
    state.kill()
    state.teardown()


def written_behind() -> tuple[int, int]:
    """Where the second commit of that life begins in its file, and its bytes."""
    state = CrashStates()
    state.begin()
    state.commit(readings=3, alerts=0, fault=None, kind="io")
    state.commit(readings=3, alerts=0, fault="sync", kind="io")
    (file,) = state.disk.visible[ROOT / READINGS].values()
    return len(file.durable), len(file.visible) - len(file.durable)


def test_a_commit_cut_short_at_any_byte_leaves_its_readings_and_their_counter_or_neither() -> None:
    begin, size = written_behind()
    for cut in range(0, size + 1, 7):
        torn_at(cut, 0)
    for cut in range(-begin % SECTOR, size + 1, SECTOR):  # the sectors from here on were never written
        torn_at(cut, size - cut)
        torn_at(cut, 3 * SECTOR)


def test_a_start_that_keeps_what_is_intact_of_an_unfinished_commit_is_caught() -> None:
    _, size = written_behind()
    unmarked = property(lambda scan: scan.end if framing.torn(scan.data, scan.end) else len(scan.data))
    with mock.patch.object(Scan, "finished", unmarked), pytest.raises(AssertionError, match="is accepted again"):
        torn_at(size - 20, 0)


def sectors_lost(first: bool, number: int) -> bool:
    """A power cut while a commit is written, of a new segment (`first`) or behind another one: of the sectors of the
    write those are lost whose bits are set in `number`. What they held before is there: zeros, behind what is durable.
    Then two more starts, the second with a commit between. False when there are no such sectors."""
    state = CrashStates()
    state.begin()
    state.commit(readings=3, alerts=0, fault=None, kind="io")
    if first:
        state.a_day_passes()
    state.commit(readings=150, alerts=0, fault=None, kind="io")
    done = state.disk.visible[ROOT / READINGS]
    path = max(done)
    written = done[path].visible
    durable = 0 if first else Scan.of(written).begun
    (lost_from, end), lost = (durable // SECTOR, -(-len(written) // SECTOR)), bytearray(written)
    if number >> (end - lost_from):
        return False
    for sector in range(lost_from, end):
        if number >> (sector - lost_from) & 1:
            start, behind = max(durable, sector * SECTOR), min((sector + 1) * SECTOR, len(written))
            lost[start:behind] = bytes(behind - start)
    # as it was before that commit returned, but for the bytes
    state.promised = {n for n in state.promised if n < 3}
    state.promised_records.clear()
    state.local = {"n": 3}
    state.pending, state.pending_readings = state.journal and batch(), set(range(3, 153))
    done[path].durable = done[path].visible = bytes(lost)
    state.kill()
    whole = len(state.backend.all_numbers) == 153
    assert whole == (number == 0), "a commit is there whole, or nothing of it"
    state.kill()
    state.commit(readings=2, alerts=0, fault=None, kind="io")
    state.kill()
    assert whole == (len(state.backend.all_numbers) == 155)
    assert all(gap.readings <= 300 for gap in state.backend.gaps), "more is declared than there was"
    state.teardown()
    return True


@pytest.mark.parametrize("first", [False, True])
def test_whatever_sectors_of_the_last_write_survive_its_readings_and_their_counter_are_there_or_neither(
    first: bool,
) -> None:
    number = next(number for number in count() if not sectors_lost(first, number))
    assert number >= 1 << 3, "the write was so many sectors long"


@pytest.mark.parametrize("first", [False, True])
def test_a_start_that_keeps_what_is_intact_of_a_commit_with_a_hole_is_caught(first: bool) -> None:
    with mock.patch.object(framing, "unwritten", return_value=False), pytest.raises(AssertionError):
        all(sectors_lost(first, number) for number in range(1 << 4))


def test_the_model_loses_only_what_is_pending() -> None:
    disk = ModelDisk()
    disk.make_directory(ROOT)
    fd = disk.create(ROOT / "a")
    disk.write(fd, b"x" * 1000)
    disk.sync(fd)
    disk.sync_directory(ROOT)
    disk.write(fd, b"y" * 1000)
    disk.create(ROOT / "b")
    outcomes = set()
    for seed in range(200):
        rng = random.Random(seed)
        twin = ModelDisk()
        twin.visible = {ROOT: {}}
        file = File()
        file.durable, file.visible = b"x" * 1000, b"x" * 1000 + b"y" * 1000
        twin.visible[ROOT] = {"a": file, "b": File()}
        twin.durable[ROOT] = {"a": file}
        twin.power_cut(rng)
        data = twin.read(ROOT / "a")
        assert data[:1000] == b"x" * 1000
        outcomes.add((len(data), "b" in twin.names(ROOT)))
    assert {size for size, _ in outcomes} >= {1000, 2000}
    assert {name for _, name in outcomes} == {True, False}
    assert READINGS == "readings"
