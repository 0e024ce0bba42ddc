"""The buffer on the event loop: windows, flushes, back-pressure, failures that pass, and a close that tells."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from buffer_kit import SMALL, Clock, FaultyDisk, Party, Trust, io_error, no_space, row, rows
from msgspec.structs import replace

from hub.core.errors import BufferFull, StorageError
from hub.protocol.records.rows import Row
from hub.protocol.records.seal import CHACHA, SealingKeys
from hub.store_and_forward.buffer import ALERTS, READINGS, Buffer, BufferConfig, Durable
from hub.store_and_forward.buffer.batch import Batch, Local
from hub.store_and_forward.buffer.commits import Commits
from hub.store_and_forward.buffer.journal import Journal
from hub.store_and_forward.buffer.stream import Item, StreamWriter

HOUR = replace(SMALL, window_s=3600.0, urgent_s=3600.0, idle_s=3600.0)


class GatedDisk(FaultyDisk):
    """Syncs wait until they may."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()

    def sync(self, fd: int) -> None:
        self.gate.wait(60)
        super().sync(fd)


class Opened:
    def __init__(self, party: Party, directory: Path, disk: FaultyDisk, config: BufferConfig) -> None:
        self.party, self.disk = party, disk
        self.buffer = Buffer.open(
            directory,
            keys=party.keys(CHACHA),
            trust=party.trust,
            clock=Clock(),
            config=config,
            disk=disk,
        )
        self.durable: list[Durable] = []

    def numbers(self) -> list[int]:
        backend = self.party.reader()
        for state in self.buffer.streams():
            backend.take_all(self.buffer.read(state.stream, state.run, state.first, state.last, 1 << 20))
        return backend.all_numbers


@asynccontextmanager
async def opened(
    party: Party, directory: Path, config: BufferConfig = SMALL, disk: FaultyDisk | None = None
) -> AsyncIterator[Opened]:
    made = Opened(party, directory, disk or FaultyDisk(), config)
    made.buffer.start(asyncio.get_running_loop(), [made.durable.append])
    try:
        yield made
    finally:
        made.disk.fail.clear()
        await made.buffer.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.001)


async def test_a_flush_returns_when_all_before_it_is_durable(party: Party, tmp_path: Path) -> None:
    async with opened(party, tmp_path, replace(HOUR, urgent_s=0.0)) as made:
        for item in rows(0, 10):
            made.buffer.append(item)
        assert made.numbers() == []
        await made.buffer.flush()
        assert made.numbers() == list(range(10))
        assert [(item.stream, item.first, item.last, item.readings) for item in made.durable] == [(READINGS, 1, 1, 20)]
        await made.buffer.flush()
        assert len(made.durable) == 1


async def test_flushes_join_one_commit(party: Party, tmp_path: Path) -> None:
    async with opened(party, tmp_path, replace(HOUR, urgent_s=0.02)) as made:

        async def emit(number: int) -> None:
            made.buffer.append(row(number))
            await made.buffer.flush()

        async with asyncio.TaskGroup() as group:
            for number in range(50):
                group.create_task(emit(number))
        assert len(made.durable) == 1
        assert made.numbers() == list(range(50))


async def test_a_window_commits_by_itself(party: Party, tmp_path: Path) -> None:
    async with opened(party, tmp_path, replace(HOUR, window_s=0.01)) as made:
        made.buffer.append(row(1))
        await until(lambda: bool(made.durable))
        assert made.numbers() == [1]


async def test_a_full_window_commits_early(party: Party, tmp_path: Path) -> None:
    async with opened(party, tmp_path, replace(HOUR, window_bytes=3000)) as made:
        for item in rows(0, 499):
            made.buffer.append(item)
        await asyncio.sleep(0)
        assert made.durable == []
        made.buffer.append(row(499))
        await until(lambda: bool(made.durable))
        assert made.durable[0].readings == 1000


async def test_an_alert_does_not_wait_for_the_window(party: Party, tmp_path: Path) -> None:
    async with opened(party, tmp_path, replace(HOUR, urgent_s=0.001)) as made:
        made.buffer.append(row(1), ALERTS)
        await until(lambda: bool(made.durable))
        assert made.durable[0].stream == ALERTS


async def test_a_commit_of_alerts_is_calm_when_every_row_of_it_may_wait(party: Party, tmp_path: Path) -> None:
    async with opened(party, tmp_path, config=replace(HOUR, urgent_s=0.0)) as it:
        for calm in ((True,), (True, False), (False,), (True, True)):
            with it.buffer.together():
                for number, one in enumerate(calm):
                    it.buffer.append(row(number), ALERTS, deferrable=one)
            await it.buffer.flush()
        it.buffer.append(row(9))
        await it.buffer.flush()
    told = [(durable.stream, durable.deferrable) for durable in it.durable if durable.readings]
    assert told == [(ALERTS, True), (ALERTS, False), (ALERTS, False), (ALERTS, True), (READINGS, False)]


def test_a_row_of_alerts_that_may_wait_is_known_as_such_before_a_writer_can_have_it(
    party: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = Buffer.open(
        tmp_path,
        keys=party.keys(),
        trust=party.trust,
        clock=Clock(),
        config=replace(HOUR, pending_rows=4),
    )
    fill, done = buffer._commits.fill, list[Durable]()

    def overtaken(items: Sequence[tuple[Row, str]]) -> None:
        fill(items)
        done.extend(buffer._journal.commit(buffer._commits._take()))

    monkeypatch.setattr(buffer._commits, "fill", overtaken)
    buffer.append(row(0), ALERTS, deferrable=True)
    assert [durable.deferrable for durable in done] == [True]
    assert not buffer._journal._deferrable
    monkeypatch.undo()
    for number in range(1, 5):
        buffer.append(row(number), ALERTS, deferrable=True)
    with pytest.raises(BufferFull):
        buffer.append(row(5), ALERTS, deferrable=True)
    assert len(buffer._journal._deferrable) == 4, "what was not taken is not kept"
    buffer._journal.close()


async def test_rows_during_a_commit_go_into_the_next(party: Party, tmp_path: Path) -> None:
    disk = GatedDisk()
    async with opened(party, tmp_path, replace(HOUR, urgent_s=0.0), disk) as made:
        disk.gate.clear()
        disk.calls.clear()
        made.buffer.append(row(1))
        first = asyncio.create_task(made.buffer.flush())
        await until(lambda: "write" in disk.calls)
        made.buffer.append(row(2))
        second = asyncio.create_task(made.buffer.flush())
        await asyncio.sleep(0.01)
        assert not first.done()
        assert made.buffer.status().pending_rows == 2
        disk.gate.set()
        await first
        await second
        assert [item.first for item in made.durable] == [1, 2]
        assert made.numbers() == [1, 2]


async def test_what_is_due_is_committed_right_after_the_commit_in_hand_while_the_loop_is_at_other_work(
    party: Party, tmp_path: Path
) -> None:
    disk = GatedDisk()
    async with opened(party, tmp_path, replace(HOUR, urgent_s=0.0), disk) as made:
        disk.gate.clear()
        disk.calls.clear()
        made.buffer.append(row(1))
        first = asyncio.create_task(made.buffer.flush())
        await until(lambda: "write" in disk.calls)
        made.buffer.append(row(2))
        second = asyncio.create_task(made.buffer.flush())
        await asyncio.sleep(0)
        disk.calls.clear()
        disk.gate.set()
        deadline = time.monotonic() + 60
        while disk.calls.count("sync") < 2 and time.monotonic() < deadline:
            time.sleep(0.001)  # nothing runs on the loop meanwhile
        assert disk.calls.count("sync") == 2
        assert made.durable == []
        await asyncio.gather(first, second)
        assert [(item.first, item.last) for item in made.durable] == [(1, 1), (2, 2)]


async def test_what_is_not_due_waits_for_its_window_though_the_writer_is_free(party: Party, tmp_path: Path) -> None:
    disk = GatedDisk()
    async with opened(party, tmp_path, replace(HOUR, window_bytes=20), disk) as made:
        disk.gate.clear()
        disk.calls.clear()
        for number in range(4):
            made.buffer.append(row(number))  # 8 readings of 3 bytes: due
        await until(lambda: "write" in disk.calls)
        made.buffer.append(row(4))
        disk.gate.set()
        await until(lambda: len(made.durable) == 1)
        assert made.buffer.status().pending_rows == 1


async def test_rows_of_many_sources_come_through_a_failing_disk_once_each(party: Party, tmp_path: Path) -> None:
    disk, rng = FaultyDisk(), random.Random(5)
    async with opened(party, tmp_path, replace(SMALL, window_s=0.002, segment_bytes=64 << 10), disk) as made:

        async def source(first: int, stream: str) -> None:
            for number in range(first, first + 150):
                await made.buffer.room()
                made.buffer.append(row(number), stream)
                if rng.random() < 0.05:
                    disk.fail.setdefault(rng.choice(["sync", "write"]), []).append(io_error())
                if rng.random() < 0.4:
                    with contextlib.suppress(StorageError):
                        await made.buffer.flush()
                made.buffer.put_local(f"plugin/{first}", number)

        async with asyncio.TaskGroup() as group:
            for at in range(6):
                group.create_task(source(at * 1000, ALERTS if at == 5 else READINGS))
        disk.fail.clear()
        await until(lambda: not made.buffer.status().error)
        await made.buffer.flush()
        assert made.buffer.status().pending_rows == 0
        assert made.buffer.status().poisoned > 0
        expected = {1000 * at + number for at in range(6) for number in range(150)}
        backend = party.reader()
        for state in made.buffer.streams():
            at = state.first
            while at <= state.last:
                found = made.buffer.read(state.stream, state.run, at, state.last, 1 << 20)
                backend.take_all(found)
                at = max(record.seq for record in found) + 1
        assert backend.all_numbers == sorted(expected)
        ends: dict[str, int] = {}
        for item in made.durable:
            assert item.first == ends.get(item.stream, 0) + 1
            ends[item.stream] = item.last
    async with opened(party, tmp_path, HOUR) as again:
        assert again.buffer.local == {f"plugin/{at * 1000}": at * 1000 + 149 for at in range(6)}


async def test_a_failed_commit_is_told_and_the_rows_come_through_later(party: Party, tmp_path: Path) -> None:
    disk = FaultyDisk()
    async with opened(party, tmp_path, replace(HOUR, urgent_s=0.0), disk) as made:
        made.buffer.append(row(1))
        await made.buffer.flush()
        disk.fail["sync"] = [io_error()] * 3
        made.buffer.append(row(2))
        with pytest.raises(StorageError, match="kept in memory"):
            await made.buffer.flush()
        await until(lambda: len(made.durable) == 2)
        assert made.buffer.status().error == ""
        assert made.buffer.status().poisoned == 3
        assert made.numbers() == [1, 2]


async def test_a_full_disk_is_shown_and_waited_for(party: Party, tmp_path: Path) -> None:
    disk = FaultyDisk()
    config = replace(HOUR, urgent_s=0.0, pending_rows=40)
    async with opened(party, tmp_path, config, disk) as made:
        disk.fail["create"] = [no_space()] * 10_000
        for item in rows(0, 40):
            await made.buffer.room()
            made.buffer.append(item)
        waiting = asyncio.create_task(made.buffer.room())
        await until(lambda: "No space" in made.buffer.status().error)
        for item in rows(40, 10):
            made.buffer.append(item)
        with pytest.raises(BufferFull, match="No space"):
            made.buffer.append(row(50))
        assert not waiting.done()
        disk.fail.clear()
        await waiting
        await until(lambda: not made.buffer.status().error)
        await made.buffer.flush()
        assert made.numbers() == list(range(50))


class NoRoomForReadings(FaultyDisk):
    """A disk on which a small write may fit and a large one does not."""

    full = False

    def write(self, fd: int, data: bytes) -> int:
        if self.full and READINGS in self._paths[fd]:
            raise no_space()
        return super().write(fd, data)


async def test_an_alert_is_durable_and_told_while_readings_wait_for_room(party: Party, tmp_path: Path) -> None:
    disk = NoRoomForReadings()
    async with opened(party, tmp_path, replace(SMALL, idle_s=3600.0, window_s=0.0), disk) as made:
        disk.full = True
        made.buffer.append(row(1))
        await until(lambda: "No space" in made.buffer.status().error)
        for number in (2, 3):
            made.buffer.append(row(number), ALERTS)
            await until(lambda number=number: len(made.durable) == number - 1)  # type: ignore[misc]
        assert [(item.stream, item.first, item.last) for item in made.durable] == [(ALERTS, 1, 1), (ALERTS, 2, 2)]
        assert made.numbers() == [2, 3]
        assert made.buffer.status().error, "the reading still waits"
        disk.full = False
        await until(lambda: len(made.durable) == 3)
        assert made.numbers() == [1, 2, 3]


async def test_small_state_alone_is_durable_after_its_idle_time(party: Party, tmp_path: Path) -> None:
    async with opened(party, tmp_path / "lived", replace(HOUR, idle_s=0.01)) as made:
        made.disk.calls.clear()
        made.buffer.put_local("alone", 7)
        await until(lambda: "sync_directory" in made.disk.calls)  # the last call of a first commit
        shutil.copytree(tmp_path / "lived", tmp_path / "killed")
        killed = party.journal(tmp_path / "killed")
        assert killed.local == {"alone": 7}
        killed.close()


class SmallDisk(FaultyDisk):
    """A disk of so many bytes, given out in pages."""

    page = 4096

    def __init__(self, root: Path, capacity: int) -> None:
        super().__init__()
        self.root, self.capacity = root, capacity

    def pages(self, size: int) -> int:
        return -(-size // self.page) * self.page

    def free(self, directory: Path) -> int:
        taken = sum(self.pages(path.stat().st_size) for path in self.root.rglob("*") if path.is_file())
        return self.capacity - taken

    def write(self, fd: int, data: bytes) -> int:
        size = os.fstat(fd).st_size
        if self.pages(size + len(data)) - self.pages(size) > self.free(self.root):
            raise no_space()
        return super().write(fd, data)


@pytest.mark.parametrize("heeded", [True, False])
async def test_what_is_acked_while_nothing_fits_makes_room_and_a_twin_in_which_acks_wait_behind_readings_is_stuck(
    party: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heeded: bool
) -> None:
    disk = SmallDisk(tmp_path, (64 + 120) << 10)
    config = replace(SMALL, window_s=0.0, keep_s=604_800.0, pending_rows=60_000)
    if not heeded:
        monkeypatch.setattr(Journal, "commit_urgently", lambda self, alerts, local, began: None)
    async with opened(party, tmp_path, config, disk) as made:
        number = 0
        while not made.buffer.status().error:
            for item in rows(number, 100):
                made.buffer.append(item)
            number += 100
            await asyncio.sleep(0.005)
        assert not (tmp_path / "ballast").exists()
        for state in made.buffer.streams():
            made.buffer.acked(state.stream, state.run, [(state.first, state.last)])
        calls = len(disk.calls)
        acked = made.numbers()
        if heeded:
            await until(lambda: not made.buffer.status().error)
            await made.buffer.flush()
            assert set(range(number)) - set(acked) <= set(made.numbers())
            assert made.buffer.status().evicted == 0
            assert not [item for item in made.durable if item.stream == ALERTS], "nothing was declared lost"
        else:
            await until(lambda: len(disk.calls) > calls + 60 or not made.buffer.status().error)
            assert made.buffer.status().error
        disk.capacity = 1 << 30
        await until(lambda: not made.buffer.status().error)


@pytest.mark.parametrize("fault", [io_error(), no_space()], ids=["EIO", "ENOSPC"])
async def test_while_the_disk_refuses_acks_come_before_readings_and_a_counter_does_not(
    party: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: OSError
) -> None:
    """A counter that is durable before its reading refuses it for good, when the hub is killed in between and the
    device, or the server that had no answer, says it again."""
    commits: list[tuple[set[str], int]] = []
    commit = StreamWriter.commit

    def noting(
        writer: StreamWriter, items: deque[Item], local: Local, trust: Trust, began: float | None = None
    ) -> Durable:
        count = sum(len(item) for item in items if isinstance(item, list))
        done = commit(writer, items, local, trust, began)
        if writer.stream == READINGS:
            commits.append(({key.partition("/")[0] for key in local}, count))
        return done

    monkeypatch.setattr(StreamWriter, "commit", noting)
    disk = FaultyDisk()
    async with opened(party, tmp_path, replace(HOUR, urgent_s=0.0), disk) as made:
        made.buffer.append(row(0))
        await made.buffer.flush()
        disk.fail["write"] = [fault] * 20_000
        made.buffer.put_local("counter/x", 6)
        made.buffer.append(row(1))
        with pytest.raises(StorageError):
            await made.buffer.flush()
        made.buffer.put_local("counter/x", 7)
        made.buffer.append(row(2))
        made.buffer.acked(READINGS, made.buffer.run, [(1, 1)])
        calls = len(disk.calls)
        await until(lambda: len(disk.calls) > calls + 10)
        disk.fail.clear()
        await until(lambda: not made.buffer.status().error)  # an attempt that failed before may be told after
        await made.buffer.flush()
        assert made.numbers() == [1, 2], "what was acked made room"
    with_counter = [count for keys, count in commits if "counter" in keys]
    assert with_counter[:2] == [1, 1], "each counter came with its own reading"
    acked = next(at for at, (keys, _) in enumerate(commits) if "buffer" in keys)
    assert acked < [count > 0 and "counter" in keys for keys, count in commits].index(True, 1) + 1


@pytest.mark.parametrize("disk_returns", [True, False])
async def test_closing_right_after_an_attempt_that_failed_tries_once_more_and_ends(
    party: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk_returns: bool
) -> None:
    """The attempt failed and the loop was told, but the writer has not looked yet whether the buffer closes."""
    told, closing = threading.Event(), threading.Event()
    call_on_loop = Commits._call_on_loop

    def held_after_the_first(commits: Commits, what: Callable[..., None], *about: object) -> None:
        call_on_loop(commits, what, *about)
        if not told.is_set():
            told.set()
            closing.wait(60)

    disk = FaultyDisk()
    made = Opened(party, tmp_path, disk, replace(HOUR, urgent_s=0.0))
    made.buffer.start(asyncio.get_running_loop())
    monkeypatch.setattr(Commits, "_call_on_loop", held_after_the_first)
    disk.fail["write"] = [io_error()] * 1000
    made.buffer.append(row(0))
    with pytest.raises(StorageError):
        await made.buffer.flush()
    await until(told.is_set)
    if disk_returns:
        disk.fail.clear()
    ends = asyncio.create_task(made.buffer.close())
    await asyncio.sleep(0)  # it waits now
    closing.set()
    async with asyncio.timeout(60):
        if disk_returns:
            await ends
        else:
            with pytest.raises(StorageError, match="kept in memory"):
                await ends
    again = Opened(party, tmp_path, FaultyDisk(), HOUR)
    assert again.numbers() == ([0] if disk_returns else [])
    await again.buffer.close()


async def test_a_full_disk_costs_the_oldest_only_when_memory_is_short(party: Party, tmp_path: Path) -> None:
    disk = FaultyDisk()
    config = replace(HOUR, urgent_s=0.0, pending_rows=100)
    async with opened(party, tmp_path, config, disk) as made:
        for at in range(30):
            for item in rows(at * 100, 100):
                made.buffer.append(item)
            await made.buffer.flush()
            made.buffer.update_trust(Trust(2 + at, party.trust.recipients))
        assert made.buffer.status().segments == 30
        disk.fail["write"] = [no_space()] * 3
        made.buffer.append(row(5000))
        with pytest.raises(StorageError):
            await made.buffer.flush()
        await until(lambda: made.buffer.status().pending_rows == 0)
        assert made.buffer.status().evicted == 0
        disk.fail["write"] = [no_space()]
        for item in rows(6000, 60):
            made.buffer.append(item)
        with pytest.raises(StorageError):
            await made.buffer.flush()
        await until(lambda: made.buffer.status().pending_rows == 0)
        assert made.buffer.status().evicted == 1
        backend = party.reader()
        for state in made.buffer.streams():
            at = state.first
            while found := made.buffer.read(state.stream, state.run, at, state.last, 1 << 20):
                backend.take_all(found)
                at = max(record.seq for record in found) + 1
        assert [(gap.stream, gap.first, gap.last, gap.readings, gap.reason) for gap in backend.gaps] == [
            (READINGS, 1, 1, 200, "evicted")
        ]


async def test_what_an_old_database_acked_does_not_help_to_unlink_what_the_new_one_lacks(
    party: Party, tmp_path: Path
) -> None:
    async def one(made: Opened, number: int) -> None:
        made.buffer.append(row(number))
        await made.buffer.flush()

    async with opened(party, tmp_path, replace(HOUR, urgent_s=0.0)) as made:
        for number in range(6):
            await one(made, number)
        run = made.buffer.run
        made.buffer.acked(READINGS, run, [(1, 3)])  # by the old database
        await one(made, 6)
        made.buffer.forget_acks()
        made.buffer.acked(READINGS, run, [(4, 7)])  # by the new one, which lacks 1 to 3
        made.buffer.update_trust(Trust(party.trust.version + 1, party.trust.recipients))  # closes the segment
        await one(made, 7)
        await one(made, 8)
        assert list(made.buffer.acks.of(READINGS, run)) == [(4, 7)]
        kept = made.buffer.read(READINGS, run, 1, 9, 1 << 20)
        assert [record.seq for record in kept if record.seq] == list(range(1, 10))
    async with opened(party, tmp_path, HOUR) as again:
        assert list(again.buffer.acks.of(READINGS, run)) == [(4, 7)]


async def test_acks_are_merged_clipped_and_kept(party: Party, tmp_path: Path) -> None:
    config = replace(HOUR, urgent_s=0.0)
    async with opened(party, tmp_path, config) as made:
        for number in range(6):
            made.buffer.append(row(number))
            await made.buffer.flush()
        run = made.buffer.run
        made.buffer.acked(READINGS, run, [(1, 2), (4, 900)])
        made.buffer.acked(READINGS, b"someone else 123", [(1, 5)])
        made.buffer.acked("alerts", run, [(1, 5)])
        assert list(made.buffer.acks.of(READINGS, run)) == [(1, 2), (4, 6)]
        assert made.buffer.status().records == 1
        with pytest.raises(ValueError, match="no range"):
            made.buffer.acked(READINGS, run, [(0, 5)])
        made.buffer.put_local("plugin/x", {"a": 1})
        with pytest.raises(ValueError, match="own"):
            made.buffer.put_local("buffer/ack", 1)
        with pytest.raises(ValueError, match="beyond"):
            made.buffer.put_local("plugin/y", "z" * 70_000)
        with pytest.raises(TypeError):
            made.buffer.put_local("plugin/z", object())
        assert made.buffer.local == {"plugin/x": {"a": 1}}, "what cannot be kept is not shown as if it were"
    async with opened(party, tmp_path, config) as again:
        assert list(again.buffer.acks.of(READINGS, run)) == [(1, 2), (4, 6)]
        assert again.buffer.local == {"plugin/x": {"a": 1}}
        assert again.buffer.run != run
        assert again.buffer.status().records == 1


async def test_damage_met_while_reading_becomes_a_durable_gap(party: Party, tmp_path: Path) -> None:
    config = replace(HOUR, urgent_s=0.0)
    async with opened(party, tmp_path, config) as made:
        for number in range(3):
            made.buffer.append(row(number))
            await made.buffer.flush()
        (path,) = (tmp_path / READINGS).iterdir()
        block = made.buffer.read(READINGS, made.buffer.run, 2, 2, 1)[-1].raw
        run = made.buffer.run
    data = path.read_bytes()
    at = data.index(block) + 40
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    async with opened(party, tmp_path, config) as again:
        found = await asyncio.to_thread(again.buffer.read, READINGS, run, 1, 3, 1 << 20)
        assert [record.seq for record in found if record.seq] == [1, 3]
        await until(lambda: bool(again.durable))
        backend = party.reader()
        backend.take_all(again.buffer.read(ALERTS, again.buffer.run, 1, 1, 1 << 20))
        assert [(gap.stream, gap.run, gap.first, gap.last, gap.readings) for gap in backend.gaps] == [
            (READINGS, run, 2, 2, 2)
        ]


async def test_what_vanished_is_declared_at_the_next_start_though_nothing_else_is_said(
    party: Party, tmp_path: Path
) -> None:
    for _ in range(2):
        async with opened(party, tmp_path) as made:
            made.buffer.append(row(1))
            await made.buffer.flush()
    min((tmp_path / READINGS).glob("*.seg")).unlink()
    async with opened(party, tmp_path) as made:
        await until(lambda: bool(made.durable))
        assert [(item.stream, item.first, item.last) for item in made.durable] == [(ALERTS, 1, 1)]


async def test_a_clock_record_is_written(party: Party, tmp_path: Path) -> None:
    async with opened(party, tmp_path, replace(HOUR, urgent_s=0.0)) as made:
        made.buffer.append(row(1, sure=False))
        made.buffer.clock_became_sure(1_700_000_000_000, 20, "ntp")
        await made.buffer.flush()
        assert [item.last for item in made.durable] == [2]


async def test_a_close_that_cannot_reach_the_disk_says_what_it_left(party: Party, tmp_path: Path) -> None:
    disk = FaultyDisk()
    made = Opened(party, tmp_path, disk, replace(HOUR, urgent_s=0.0))
    made.buffer.start(asyncio.get_running_loop(), [made.durable.append])
    made.buffer.append(row(1))
    disk.fail["create"] = [no_space()] * 1000
    with pytest.raises(StorageError, match="No space"):
        await made.buffer.close()
    assert len(disk.fail["create"]) > 900, "it does not try for ever"


async def test_small_state_that_comes_last_before_a_full_buffer_is_written_does_not_wait_for_another_row(
    party: Party, tmp_path: Path
) -> None:
    async with opened(party, tmp_path, replace(HOUR, pending_rows=3, idle_s=3600.0)) as made:
        for item in rows(0, 3):
            made.buffer.append(item)
        made.buffer.put_local("plugin/x", 7)
        await made.buffer.room()
        await until(lambda: "plugin/x" in made.buffer._journal._durable)


async def test_a_listener_that_fails_stops_nothing(
    party: Party, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(party, tmp_path, replace(HOUR, urgent_s=0.0)) as made:

        def fails(_: Durable) -> None:
            raise RuntimeError("listener")

        made.buffer._commits._listeners.insert(0, fails)
        made.buffer.append(row(1))
        await made.buffer.flush()
        assert "listener" in caplog.text
        assert [durable.last for durable in made.durable] == [1], "the next one hears of it"


async def test_the_writer_survives_a_bug(party: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(party, tmp_path, replace(HOUR, urgent_s=0.0)) as made:
        journal = made.buffer._journal
        with monkeypatch.context() as patch:
            patch.setattr(journal, "_make_room", lambda need: 1 / 0)
            made.buffer.append(row(1))
            with pytest.raises(StorageError, match="division"):
                await made.buffer.flush()
        await until(lambda: not made.buffer.status().error)  # a try that began before may still fail
        await made.buffer.flush()
        assert made.numbers() == [1]


@pytest.mark.parametrize("key", ["state/x/\ud800", "state/x/" + "k" * 1024, "state/x/" + "\U0001f600" * 300])
async def test_a_key_of_the_small_state_that_no_record_can_hold_is_refused_and_stops_no_commit(
    party: Party, tmp_path: Path, key: str
) -> None:
    async with opened(party, tmp_path) as made:
        for value in (1, None):
            with pytest.raises(ValueError, match=r"surrogates|beyond 1024"):
                made.buffer.put_local(key, value)
        made.buffer.append(row(1))
        await asyncio.wait_for(made.buffer.flush(), 60)
        assert made.numbers() == [1]


def test_what_open_refuses(party: Party, tmp_path: Path) -> None:
    facts = {"trust": party.trust, "clock": Clock()}
    with pytest.raises(ValueError, match="32 bytes"):
        Buffer.open(tmp_path, keys=SealingKeys("h", party.identity, b"short"), **facts)
    with pytest.raises(ValueError, match="cipher"):
        Buffer.open(tmp_path, keys=party.keys("rot13"), **facts)
    with pytest.raises(ValueError, match="four segments"):
        BufferConfig(max_bytes=1 << 20)
    with pytest.raises(StorageError):
        Buffer.open(Path(os.devnull) / "x", keys=party.keys(), **facts)


async def test_streams_name_the_digest_the_backend_computes(party: Party, tmp_path: Path) -> None:
    async with opened(party, tmp_path, replace(HOUR, urgent_s=0.0)) as made:
        for number in range(3):
            made.buffer.append(row(number))
            await made.buffer.flush()
        (state,) = made.buffer.streams()
        backend = party.reader()
        backend.take_all(made.buffer.read(READINGS, made.buffer.run, 1, 3, 1 << 20))
        assert (state.stream, state.first, state.last) == (READINGS, 1, 3)
        assert state.digest == backend.digests[READINGS, made.buffer.run, 3]


async def test_a_counter_is_in_the_commit_of_the_reading_that_it_belongs_to(
    party: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a kill between two commits leaves a counter that refuses the reading when its device says it again."""
    commits: list[tuple[set[str], int]] = []
    commit = Journal.commit

    def noting(journal: Journal, batch: Batch) -> list[Durable]:
        commits.append((set(batch.local), len(batch.rows)))
        return commit(journal, batch)

    monkeypatch.setattr(Journal, "commit", noting)
    disk = GatedDisk()
    async with opened(party, tmp_path, replace(HOUR, urgent_s=0.0), disk) as it:
        disk.gate.clear()
        it.buffer.append(row(1))
        first = asyncio.create_task(it.buffer.flush())
        while not commits:
            await asyncio.sleep(0.001)
        it.buffer.append(row(2))
        second = asyncio.create_task(it.buffer.flush())  # due: the writer takes it by itself when the first is done
        await asyncio.sleep(0.01)
        it.buffer.put_local("replay/x", 7)
        disk.gate.set()
        end = time.monotonic() + 60  # the loop is held up between a counter and its reading: the writer is not
        while len(commits) < 2 and time.monotonic() < end:
            time.sleep(0.005)
        assert len(commits) == 2, "the writer did not go on by itself: this test shows nothing"
        it.buffer.append(row(3))
        await asyncio.gather(first, second, it.buffer.flush())
    assert commits[:3] == [(set(), 1), (set(), 1), ({"replay/x"}, 1)]


@pytest.mark.real("clock")
async def test_rows_that_come_together_are_in_one_commit_with_the_counter_of_their_frame(
    party: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row alone would be due at once here, and the writer would take them one by one."""
    commits: list[tuple[set[str], int, int]] = []
    commit = Journal.commit

    def noting(journal: Journal, batch: Batch) -> list[Durable]:
        commits.append((set(batch.local), len(batch.rows), len(batch.alerts)))
        return commit(journal, batch)

    monkeypatch.setattr(Journal, "commit", noting)
    async with opened(party, tmp_path, replace(HOUR, urgent_s=0.0, window_bytes=1)) as it:
        with it.buffer.together():
            it.buffer.put_local("counter", 7)
            it.buffer.append(row(1))
            time.sleep(0.05)  # the writer has nothing to take
            with it.buffer.together():
                it.buffer.append(row(2), ALERTS)
                it.buffer.append(row(3))
        await it.buffer.flush()
        with contextlib.suppress(KeyError), it.buffer.together():
            it.buffer.append(row(4))
            it.buffer.append(row(5), ALERTS)
            raise KeyError
        await it.buffer.flush()
        assert it.buffer.status().pending_rows == 0
    assert commits == [({"counter"}, 2, 1), (set(), 0, 1)]
