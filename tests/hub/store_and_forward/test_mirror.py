"""The copies of unacked segments on another disk: whole or not there, gone only when acked, never in the hub's way."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

sys.path.insert(0, str(Path(__file__).parent / "buffer"))

from test_crash_states import ModelDisk

from hub.protocol.records import framing
from hub.protocol.records.rows import ALERTS, READINGS
from hub.sdk.testing import ManualClock
from hub.store_and_forward.acked_ranges import RunRanges
from hub.store_and_forward.buffer import Buffer
from hub.store_and_forward.buffer.catalog import unsettled
from hub.store_and_forward.mirror import (
    ABSENT,
    EVERY_S,
    FAILED,
    FULL,
    OFF,
    SAME_DISK,
    THERE,
    Copy,
    Mirror,
    Stick,
    SystemStick,
    counting,
)
from tests.hub.store_and_forward.buffer.buffer_kit import SMALL, Clock, Party, batch, io_error, no_space, rows

ROOT, STICK = Path("/model"), Path("/stick")
PARTY = Party()


class Killed(BaseException):
    """The process ends here."""


class ModelStick(ModelDisk):
    """A stick that may be absent, full, or the last thing that this process sees: it dies at call `dies`."""

    def __init__(self, syncs: bool = True) -> None:
        super().__init__(syncs)
        self.there, self.room, self.dies = True, 1 << 40, 0

    def _fault(self, call: str) -> object:
        self._live()
        return super()._fault(call)

    def _live(self) -> None:
        self.dies -= 1
        if self.dies == 0:
            raise Killed

    def device(self, path: Path) -> int:
        if not self.there:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))
        return 1 + path.is_relative_to(STICK)

    def free(self, directory: Path) -> int:
        return self.room - sum(len(file.visible) for folder in self.visible.values() for file in folder.values())

    def write(self, fd: int, data: bytes) -> int:
        self.dies -= 1
        if self.dies == 0:
            super().write(fd, data[: len(data) // 2])
            raise Killed
        return super().write(fd, data)

    def rename(self, old: Path, new: Path) -> None:
        self._fault("rename")
        self._live()
        self.visible[new.parent][new.name] = self.visible[old.parent].pop(old.name)


class InPlace(Stick):
    """The twin that writes a copy under its own name."""

    def _write(self, copy: Copy, data: bytes) -> None:
        fd = self._disk.create(self._path(copy))
        self._disk.write(fd, data)
        self._disk.sync(fd)
        self._disk.close(fd)
        self._disk.sync_directory(self._path(copy).parent)


class Unsynced(Stick):
    """The twin that renames before anything is on the stick."""

    def _write(self, copy: Copy, data: bytes) -> None:
        scratch = self._path(copy).with_name(f".{copy.name}")
        fd = self._disk.create(scratch)
        self._disk.write(fd, data)
        self._disk.close(fd)
        self._disk.rename(scratch, self._path(copy))
        self._disk.sync_directory(scratch.parent)


class Trusting(Stick):
    """The twin that takes what it finds for durable, although a kill may have come between its rename and the sync."""

    def _look(self) -> dict[Copy, int]:
        self._settled = {STICK, STICK / "hub", *(STICK / "hub" / stream for stream in (READINGS, ALERTS))}
        return super()._look()


class Hasty(Stick):
    """The twin that takes the first ack of a segment for all of them."""

    def _delivered(self, copy, info, acks) -> bool:
        return acks.of(copy.stream, copy.name.run).covers(copy.name.first, copy.name.first)


class Mirrored(RuleBasedStateMachine):
    """A journal that commits and rotates, acks in any order, and a stick that is pulled, fails, and loses its power."""

    made: type[Stick] = Stick

    @initialize()
    def begin(self) -> None:
        self.clock, self.stick_disk = Clock(), ModelStick()
        self.disk = ModelDisk()
        self.journal = PARTY.journal(ROOT, self.disk, self.clock, SMALL)
        self.acks, self.number = RunRanges(), 0
        self.wrote: dict[Copy, tuple[bytes, int]] = {}  # bytes, and the last number, of each closed segment
        self.promised: set[Copy] = set()
        self.plug()

    def plug(self) -> None:
        self.stick = self.made(STICK, "hub", ROOT, disk=self.stick_disk, source=self.disk)

    def closed(self):
        return [(i, bool(unsettled(i, self.acks, self.journal.lost))) for i in self.journal.catalog.all() if not i.open]

    @rule(readings=st.integers(1, 400), alerts=st.integers(0, 2))
    def commit(self, readings: int, alerts: int) -> None:
        made = rows(self.number, readings + alerts)
        self.number += len(made)
        self.journal.commit(batch(made[:readings], made[readings:]))

    @rule()
    def a_day_passes(self) -> None:
        self.clock.advance(SMALL.segment_s)
        self.commit(1, 1)

    @rule(first=st.integers(1, 40), count=st.integers(1, 20))
    def acknowledge(self, first: int, count: int) -> None:
        for state in self.journal.catalog.states():
            last = min(first + count, state.last)
            if first <= last:
                self.acks.add(state.stream, state.run, first, last)

    @rule(which=st.integers(0, 20), count=st.integers(1, 3))
    def acknowledge_the_beginning(self, which: int, count: int) -> None:
        """Of one segment."""
        segments = [info for info in self.journal.catalog.all() if info.first <= info.last]
        if segments:
            info = segments[which % len(segments)]
            self.acks.add(info.stream, info.run, info.first, min(info.first + count - 1, info.last))

    @rule(fault=st.none() | st.sampled_from(["create", "write", "sync", "sync_directory", "unlink", "rename"]))
    def round(self, fault: str | None) -> None:
        closed = self.closed()
        for info, _ in closed:
            self.wrote[Copy(info.stream, _name(info))] = self.disk.read(info.path)[: info.size], info.last
        if fault:
            self.stick_disk.fail.append((fault, io_error()))
        try:
            self.stick.round(closed, self.acks)
        except OSError:
            return
        finally:
            self.stick_disk.fail.clear()
        self.promised |= set(self.stick.copies)
        acked = {copy for copy in self.copies() if self.all_acked(copy)}
        assert not acked, "a copy of what is acked stays"

    @rule(at=st.integers(1, 10))
    def killed_in_a_round(self, at: int) -> None:
        closed = self.closed()
        for info, _ in closed:
            self.wrote[Copy(info.stream, _name(info))] = self.disk.read(info.path)[: info.size], info.last
        self.stick_disk.dies = at
        try:
            self.stick.round(closed, self.acks)
        except Killed:
            self.stick_disk.kill()
            self.plug()
        self.stick_disk.dies = 0

    @rule(seed=st.integers(0, 1 << 32))
    def stick_loses_its_power(self, seed: int) -> None:
        self.stick_disk.power_cut(random.Random(seed))

    def copies(self) -> dict[Copy, bytes]:
        found = {}
        for stream in (READINGS, ALERTS):
            folder = STICK / "hub" / stream
            for text in self.stick_disk.names(folder):
                if not text.startswith("."):
                    found[Copy(stream, _parsed(text))] = self.stick_disk.read(folder / text)
        return found

    def all_acked(self, copy: Copy) -> bool:
        return self.acks.covers(copy.stream, copy.name.run, copy.name.first, self.wrote[copy][1])

    @invariant()
    def every_copy_is_whole_and_every_unacked_one_stays(self) -> None:
        if not hasattr(self, "stick"):
            return
        copies = self.copies()
        for copy, data in copies.items():
            assert data == self.wrote[copy][0], "a torn copy bears the name of a whole one"
        lost = {copy for copy in self.promised - set(copies) if not self.all_acked(copy)}
        assert not lost, "a copy went before its ack"


def _name(info):
    return _parsed(info.path.name)


def _parsed(text: str):
    from hub.store_and_forward.buffer.segment import SegmentName

    name = SegmentName.parse(text)
    assert name is not None
    return name


STEPS = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


def test_whatever_happens_to_stick_and_process_a_copy_is_whole_and_stays_until_it_is_acked() -> None:
    run_state_machine_as_test(Mirrored, settings=STEPS)


@pytest.mark.parametrize(
    ("twin", "caught"), [(InPlace, "torn copy"), (Unsynced, "torn copy"), (Hasty, "before its ack")]
)
def test_a_broken_twin_is_caught(twin: type[Stick], caught: str) -> None:
    model = type("Twin", (Mirrored,), {"made": twin})
    with pytest.raises(AssertionError, match=caught):
        run_state_machine_as_test(model, settings=settings(STEPS, max_examples=2000, phases=[Phase.generate]))


# -- one round -------------------------------------------------------------------------------------------------------


class Bench:
    """A journal with some closed segments of 100 rows each, and a stick; no surprises."""

    def __init__(self, segments: int = 3) -> None:
        self.clock, self.disk, self.stick_disk = Clock(), ModelDisk(), ModelStick()
        self.journal = PARTY.journal(ROOT, self.disk, self.clock, SMALL)
        self.acks = RunRanges()
        for n in range(segments + 1):
            self.journal.commit(batch(rows(100 * n, 100)))
            self.clock.advance(SMALL.segment_s)
        self.stick = Stick(STICK, "hub", ROOT, disk=self.stick_disk, source=self.disk)

    def closed(self):
        return [(i, bool(unsettled(i, self.acks, self.journal.lost))) for i in self.journal.catalog.all() if not i.open]

    def round(self, most: int = 100):
        return self.stick.round(self.closed(), self.acks, most)

    def names(self) -> list[str]:
        return sorted(self.stick_disk.names(STICK / "hub" / READINGS))


def found_after_a_kill_before_its_sync(made: type[Stick], seed: int) -> bool:
    """Whether the copy that the next process finds, and takes for one, outlives a power cut."""
    bench = Bench(1)
    bench.stick_disk.make_directory(STICK / "hub" / READINGS)
    bench.stick = made(STICK, "hub", ROOT, disk=bench.stick_disk, source=bench.disk)
    sync_directory = bench.stick_disk.sync_directory
    bench.stick_disk.sync_directory = lambda path: (_ for _ in ()).throw(Killed) if bench.names() else None
    with pytest.raises(Killed):
        bench.round()
    bench.stick_disk.sync_directory = sync_directory
    bench.stick_disk.kill()
    bench.stick = made(STICK, "hub", ROOT, disk=bench.stick_disk, source=bench.disk)
    assert bench.round() == (0, 0)
    bench.stick_disk.power_cut(random.Random(seed))
    return len(bench.names()) == 1


def test_a_copy_that_a_kill_cut_off_from_its_sync_is_synced_before_it_counts() -> None:
    assert all(found_after_a_kill_before_its_sync(Stick, seed) for seed in range(20))
    assert not all(found_after_a_kill_before_its_sync(Trusting, seed) for seed in range(20))


def test_closed_segments_are_copied_and_the_recipients_key_opens_them() -> None:
    bench = Bench(3)
    assert bench.round() == (3, 0)
    backend = PARTY.reader()
    for name in bench.names():
        data = bench.stick_disk.read(STICK / "hub" / READINGS / name)
        for head in framing.scan(data, 8):
            assert isinstance(head, framing.Head)
            if head.kind != framing.LOCAL:
                backend.take(data[head.offset : head.offset + head.size])
    assert backend.all_numbers == list(range(300))


def test_a_round_copies_only_so_many_so_that_acks_are_heeded_between() -> None:
    bench = Bench(3)
    assert [bench.round(most=2), bench.round(most=2), bench.round(most=2)] == [(2, 1), (1, 0), (0, 0)]


def test_a_copy_goes_when_its_last_number_is_acked_though_the_segment_is_gone_from_the_hub() -> None:
    bench = Bench(2)
    bench.round()
    first, second = (info for info, _ in bench.closed())
    bench.acks.add(READINGS, first.run, first.first, first.last)
    bench.journal.catalog.drop(first)
    bench.round()
    assert bench.names() == [second.path.name]


def test_what_the_hub_gave_up_stays_on_the_stick_as_long_as_there_is_room() -> None:
    bench = Bench(3)
    bench.round()
    first = bench.closed()[0][0]
    bench.journal.catalog.drop(first)  # evicted: no longer on the hub's disk, and never acked
    bench.round()
    assert first.path.name in bench.names()
    bench.clock.advance(SMALL.segment_s)
    bench.journal.commit(batch(rows(400, 100)))
    bench.stick._spare = 0
    bench.stick_disk.room = sum(bench.stick.copies.values()) + 200  # not for a fourth one
    bench.round()
    assert first.path.name not in bench.names()
    assert (len(bench.names()), bench.stick.given_up) == (3, 1)


def test_a_full_stick_keeps_what_it_has_and_leaves_no_half_copy() -> None:
    bench = Bench(2)
    bench.round(most=1)
    bench.stick_disk.fail.append(("write", no_space()))
    with pytest.raises(OSError, match="No space"):
        bench.round()
    bench.stick_disk.fail.clear()
    bench.stick_disk.room = 0
    with pytest.raises(OSError, match="No space"):
        bench.round()
    assert len(bench.names()) == 1
    bench.stick_disk.room = 1 << 40
    assert bench.round() == (1, 0)


def test_what_a_later_segment_superseded_is_not_copied() -> None:
    """A copy may be delivered without the segment that supersedes its end: two records would have one number."""
    bench = Bench(1)
    info = bench.closed()[0][0]
    data = bench.disk.read(info.path)
    heads = [head for head in framing.scan(data, 8) if isinstance(head, framing.Head)]
    block = next(head for head in heads if head.kind == framing.BLOCK)
    assert counting(data, info.last) == data
    assert counting(data, info.last - 1) == data[: block.offset]


def test_a_segment_that_cannot_be_read_waits_and_does_not_hold_up_the_others() -> None:
    bench = Bench(2)
    broken = bench.closed()[0][0]
    read = bench.disk.read

    def refuse(path: Path, offset: int = 0, size: int | None = None) -> bytes:
        if path == broken.path:
            raise io_error()
        return read(path, offset, size)

    bench.disk.read = refuse
    assert bench.round() == (1, 1)


# -- the task --------------------------------------------------------------------------------------------------------


class Stub:
    """A buffer with nothing in it."""

    acks = RunRanges()

    def closed(self):
        return []


async def rounds(mirror: Mirror, clock: ManualClock, seconds: float = 0.0) -> None:
    """Let the mirror look, and its thread end."""
    await clock.advance(seconds)
    async with asyncio.timeout(60):
        while True:
            await asyncio.sleep(0.001)
            if mirror._began is None:
                return


async def test_a_stick_that_goes_and_comes_is_told_counted_and_used_again_by_itself(tmp_path: Path) -> None:
    clock, stick = ManualClock(), tmp_path / "stick"
    (tmp_path / "buffer").mkdir()

    class Other(SystemStick):
        def device(self, path: Path) -> int:
            return path.stat().st_dev + path.is_relative_to(stick)

    bench = Bench(1)
    kept = Stick(stick, "hub", tmp_path / "buffer", disk=Other(), source=bench.disk, spare=0)
    mirror = Mirror(kept, buffer=_Fixed(bench), clock=clock)
    task = asyncio.create_task(mirror.run())
    await rounds(mirror, clock)
    assert (mirror.status()["state"], mirror.status()["waiting"]) == (ABSENT, 1)
    assert mirror.complaints() == [f"buffer.mirror, 1 segment waits: {stick} is missing: put the stick back"]
    stick.mkdir()
    await rounds(mirror, clock, EVERY_S)
    assert (mirror.status()["state"], mirror.status()["copies"], mirror.status()["waiting"]) == (THERE, 1, 0)
    assert mirror.complaints() == []
    assert mirror.status()["failures"] == 1
    copies = list((stick / "hub" / READINGS).iterdir())
    assert [copy.name for copy in copies] == [bench.closed()[0][0].path.name]
    stick.rename(tmp_path / "pulled")
    await rounds(mirror, clock, EVERY_S)
    assert mirror.status()["state"] == ABSENT
    task.cancel()


class _Fixed:
    def __init__(self, bench: Bench) -> None:
        self.acks, self._bench = bench.acks, bench

    def closed(self):
        return self._bench.closed()


def test_a_link_on_the_stick_that_leads_to_the_buffer_is_not_followed(tmp_path: Path) -> None:
    """Whoever prepared the stick could have the hub's own segments taken for copies, and removed for room."""
    memory = Path(tempfile.mkdtemp(dir="/dev/shm"))
    try:
        (tmp_path / READINGS).mkdir()
        (memory / "hub").symlink_to(tmp_path)
        bench = Bench(1)
        stick = Stick(memory, "hub", tmp_path, source=bench.disk, spare=0)
        with pytest.raises(OSError, match="leads to another disk"):
            stick.round(bench.closed(), bench.acks)
        assert list((tmp_path / READINGS).iterdir()) == []
    finally:
        shutil.rmtree(memory)


async def test_a_directory_on_the_buffers_own_disk_is_no_mirror(tmp_path: Path) -> None:
    clock = ManualClock()
    mirror = Mirror(Stick(tmp_path, "hub", tmp_path), buffer=Stub(), clock=clock)
    task = asyncio.create_task(mirror.run())
    await rounds(mirror, clock)
    assert mirror.status()["state"] == SAME_DISK
    assert "is the stick mounted?" in mirror.complaints()[0]
    assert list(tmp_path.iterdir()) == []
    task.cancel()


@pytest.mark.parametrize(
    ("error", "state"),
    [(OSError(errno.ENOSPC, "full"), FULL), (OSError(errno.EROFS, "ro"), FAILED), (OSError(errno.EIO, "io"), FAILED),
     (ValueError("a bug"), FAILED)],
)  # fmt: skip
async def test_no_error_of_a_stick_ends_the_task(error: Exception, state: str, caplog) -> None:
    class Bad(Stick):
        def round(self, *args):
            raise error

    clock = ManualClock()
    mirror = Mirror(Bad(STICK, "hub", ROOT), buffer=Stub(), clock=clock)
    task = asyncio.create_task(mirror.run())
    await rounds(mirror, clock)
    await rounds(mirror, clock, EVERY_S)
    assert (mirror.status()["state"], mirror.status()["failures"]) == (state, 2)
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) <= 1, "told once"
    task.cancel()


async def test_a_stick_that_hangs_is_told_and_holds_up_nobody() -> None:
    gate = threading.Event()

    class Hanging(Stick):
        def round(self, *args):
            gate.wait(30)
            return super().round(*args)

    clock = ManualClock()
    mirror = Mirror(Hanging(STICK, "hub", ROOT), buffer=Stub(), clock=clock)
    task = asyncio.create_task(mirror.run())
    await clock.advance(61.0)
    assert "has not answered for 61 s" in mirror.complaints()[0]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()


async def test_the_buffers_closed_segments_and_what_waits_in_them(tmp_path: Path) -> None:
    async def life() -> Buffer:
        made = Buffer.open(
            tmp_path,
            keys=PARTY.keys(),
            trust=PARTY.trust,
            clock=Clock(),
            config=SMALL,
        )
        made.start(asyncio.get_running_loop())
        made.append(rows(0, 1)[0])
        await made.flush()
        return made

    first = await life()
    assert first.closed() == [], "the open one is not copied"
    await first.close()
    second = await life()
    ((info, waits),) = second.closed()
    assert (info.run, info.first, info.last, waits) == (first.run, 1, 1, True)
    second.acked(READINGS, first.run, [(1, 1)])
    assert [waits for _, waits in second.closed()] == [False]
    await second.close()


async def test_without_the_option_nothing_runs() -> None:
    mirror = Mirror(None, buffer=Stub(), clock=ManualClock())
    await mirror.run()
    assert (mirror.status()["state"], mirror.complaints()) == (OFF, [])


def test_a_real_directory_takes_copies_that_are_private_and_synced_before_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fdatasync, rename = os.fdatasync, Path.rename
    monkeypatch.setattr(os, "fdatasync", lambda fd: (calls.append("sync"), fdatasync(fd))[1])
    monkeypatch.setattr(Path, "rename", lambda old, new: (calls.append("rename"), rename(old, new))[1])
    bench = Bench(1)
    stick = Stick(tmp_path, "hub", ROOT, source=bench.disk, spare=0)
    stick._beside = Path("/proc")
    assert stick.round(bench.closed(), bench.acks) == (1, 0)
    assert calls == ["sync", "rename"]
    (copy,) = (tmp_path / "hub" / READINGS).iterdir()
    assert copy.stat().st_mode & 0o777 == 0o600
