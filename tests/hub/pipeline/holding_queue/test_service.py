"""Reports of sensors in quarantine: held within bounds, released once with their own times, or destroyed."""

from __future__ import annotations

import math
from contextlib import contextmanager
from pathlib import Path as FilePath

import pytest

from hub.core.errors import StorageError
from hub.core.model import Candidate, Device, Frame, Position, Proof, Quality, Report
from hub.core.store import Store
from hub.pipeline.holding_queue import HeldReportTable, HoldingQueue
from hub.pipeline.holding_queue import service as holding_module
from hub.pipeline.holding_queue import table as memory_module
from hub.pipeline.holding_queue.service import MARK, SPACING_S
from tests.hub.path_kit import Path

KEY = bytes(range(32))
NEW = "ble:CC:CC:CC:CC:CC:CC"


class Stage:
    """A store that outlives the hub's lives; a buffer whose commits the test makes or kills."""

    def __init__(self, folder: FilePath, *, twin: bool = False) -> None:
        self.folder, self.twin = folder, twin
        self.local, self.rows, self.flushes = {}, [], True
        self.now = None
        self.age_s, self.most_bytes = 72 * 3600.0, 16 << 20

    async def start(self) -> None:
        self.path = Path(local=self.local)
        if self.now is not None:
            self.path.clock.set(self.now)
        self.path.buffer.flush = self._flush
        self.path.buffer.put_local = self._put
        self.store = await Store.open(self.folder / "store.db", KEY)
        self.holding = HoldingQueue(
            table=HeldReportTable(self.store, self.age_s, self.most_bytes),
            buffer=self.path.buffer,
            pipeline=self.path.pipeline,
            devices=self.path.devices,
            clock=self.path.clock,
            counts=self.path.counts,
        )
        await self.holding.load()
        self.path.pipeline.strangers._hold = self.holding.offer

    def _put(self, key, value):
        self.path.buffer.local[key] = value

    async def _flush(self) -> None:
        """A commit: rows and small state together, or neither."""
        if not self.flushes:
            raise StorageError("killed here")
        self.rows += self.path.buffer.rows
        self.path.buffer.rows.clear()
        kept = {key: value for key, value in self.path.buffer.local.items() if value is not None}
        self.local = {} if self.twin else kept  # the twin's commits hold the rows alone

    async def say(self, n: int, device: str = NEW, **values) -> None:
        for _ in range(n):
            await self.path.emit(device=device, values=values or {"temperature": 20.0})
            await self.path.clock.advance(SPACING_S)
        await self.holding.flush()

    def adopt(self, device: str = NEW, place: str = "classe-1") -> None:
        self.path.devices.put(Device(id=device, integration="bluetooth", place=place))
        self.path.pipeline.admit(device)

    async def kill(self) -> None:
        self.now = self.path.clock.now()
        await self.store.close()


@pytest.fixture
async def stage(tmp_path):
    made = Stage(tmp_path)
    await made.start()
    yield made
    await made.kill()


def times(rows):
    return [row.time_ms / 1000 for row in rows]


async def test_what_a_sensor_said_before_it_was_adopted_is_released_with_its_own_times(stage):
    began = stage.path.clock.now()
    await stage.say(5)
    assert stage.holding.of(NEW) == 5
    assert stage.path.buffer.rows == []
    stage.adopt()
    assert await stage.holding.release([NEW]) == 5
    assert times(stage.rows) == [began + n * SPACING_S for n in range(5)]
    assert {row.subject.place for row in stage.rows} == {"classe-1"}
    assert stage.holding.of(NEW) == 0
    assert await stage.holding.release([NEW]) == 0


async def test_the_mark_and_all_reports_of_a_release_are_in_one_commit(stage, monkeypatch):
    buffer, seen = stage.path.buffer, []

    @contextmanager
    def together():
        seen.append((buffer.local.get(MARK), len(buffer.rows)))
        yield
        seen.append((buffer.local.get(MARK), len(buffer.rows)))

    await stage.say(5)
    monkeypatch.setattr(buffer, "together", together)
    stage.adopt()
    await stage.holding.release([NEW])
    (before, none), (marked, rows) = seen
    assert (before, none) == (None, 0)
    assert (list(marked), rows) == ([NEW], 5)


async def test_what_is_released_while_its_device_is_removed_again_goes_on_waiting(stage, monkeypatch):
    """The buffer has no room for a while, and meanwhile somebody takes the device out."""
    buffer = stage.path.buffer

    async def room():
        stage.path.devices.remove(NEW)
        monkeypatch.setattr(type(buffer), "full", False)

    await stage.say(5)
    stage.adopt()
    monkeypatch.setattr(type(buffer), "full", True)
    monkeypatch.setattr(buffer, "room", room, raising=False)
    assert await stage.holding.release([NEW]) == 0
    assert stage.holding.of(NEW) == 5
    stage.adopt()
    assert await stage.holding.release([NEW]) == 5


async def test_the_privacy_of_the_zone_that_it_was_given_holds_for_what_it_said_before(stage):
    report = Report(device=NEW, values={"temperature": 20.0, "motion": True}, position=Position(48.85, 2.35))
    for _ in range(3):
        await stage.path.pipeline.emit("bluetooth", report)
        await stage.path.clock.advance(SPACING_S)
    stage.adopt()
    await stage.holding.release([NEW])
    assert len(stage.rows) == 3
    for row in stage.rows:
        assert [column.metric for column in row.shape.columns] == ["temperature"]
        assert row.position is None


async def test_what_was_held_is_judged_as_any_other_and_wakes_no_rule(stage):
    await stage.say(3, temperature=1e9)
    stage.adopt()
    stage.path.planner.use_rules(None)
    assert await stage.holding.release([NEW]) == 0
    assert stage.path.counts.of("implausible", NEW) == 3
    assert list(stage.path.live.values()) == []


async def test_a_counter_that_nobody_could_check_moves_no_window_later(stage):
    for n in range(3):
        report = Report(device=NEW, values={"temperature": 1.0}, proof=Proof("bthome", 4_000_000 + n, True))
        await stage.path.pipeline.emit("bluetooth", report)
        await stage.path.clock.advance(SPACING_S)
    stage.adopt()
    assert await stage.holding.release([NEW]) == 3
    assert not any(key.startswith("counter/") for key in stage.local)
    assert {row.trust.name for row in stage.rows} == {"C"}


async def test_a_sender_that_is_heard_once_costs_no_disk_and_a_flood_of_them_a_bounded_memory(stage):
    for n in range(holding_module.WAITING + 500):
        await stage.path.emit(device=f"ble:{n}", values={"temperature": 1.0})
    await stage.holding.flush()
    assert stage.holding.status() == {"reports": 0, "bytes": 0}
    assert len(stage.holding._once) == holding_module.WAITING


async def test_one_report_a_minute_is_held_of_a_sensor_that_chatters(stage):
    for _ in range(600):
        await stage.path.emit(device=NEW, values={"temperature": 1.0})
        await stage.path.clock.advance(1.0)
    await stage.holding.flush()
    assert stage.holding.of(NEW) == 10


async def test_what_is_destroyed_is_gone_from_the_store_and_its_pages_are_overwritten(stage):
    await stage.say(4)
    await stage.say(2, device="ble:other")
    assert await stage.holding.destroy(NEW) == 4
    assert stage.holding.of(NEW) == 0
    assert stage.holding.of("ble:other") == 2, "of the others nothing goes"
    assert await stage.holding._memory.of(NEW, 0, 10) == []
    assert await stage.store.call(lambda db: db.pragma("secure_delete")) == 1
    stage.adopt()
    assert await stage.holding.release([NEW]) == 0


async def test_bounds_of_age_of_each_sensor_and_of_all(stage, monkeypatch):
    monkeypatch.setattr(memory_module, "MOST_OF_DEVICE", 10)
    await stage.say(15)
    assert stage.holding.of(NEW) == 10
    assert stage.path.counts.total("held-dropped") == 5
    await stage.say(3, device="ble:small")
    stage.holding._memory.most_bytes = stage.holding._memory.total - 1
    await stage.say(1, device="ble:small")
    assert stage.holding.of(NEW) == 0, "who has most gives way"
    assert stage.holding.of("ble:small") == 4
    await stage.path.clock.advance(73 * 3600)
    await stage.holding._pruned()
    assert stage.holding.status() == {"reports": 0, "bytes": 0}
    assert stage.path.counts.total("held-expired") == 4


async def test_no_more_sensors_are_held_than_there_is_room_for(stage, monkeypatch):
    monkeypatch.setattr(holding_module, "MOST_DEVICES", 3)
    for n in range(5):
        await stage.say(2, device=f"ble:{n}")
    assert [stage.holding.of(f"ble:{n}") for n in range(5)] == [2, 2, 2, 0, 0]
    assert stage.path.counts.total("not-held") == 2


async def test_what_comes_while_a_disk_refuses_finds_room_or_is_counted(stage, monkeypatch):
    monkeypatch.setattr(holding_module, "WAITING", 3)
    for n in range(3):
        await stage.say(1, device=f"ble:{n}")
    held = [stage.holding._once[f"ble:{n}"] for n in range(3)]
    stage.holding._new, late = held[:2], held[2]

    async def refuse(new, now):
        stage.holding._new += [late, *held]  # while the disk was asked
        raise StorageError("no space left on the disk")

    with monkeypatch.context() as patch:
        patch.setattr(stage.holding._memory, "add", refuse)
        await stage.holding.flush()
    assert len(stage.holding._new) == 3
    assert stage.path.counts.total("not-held") == 3
    await stage.holding.flush()
    assert stage.holding.status()["reports"] == 3


async def test_a_restart_gives_no_room_for_more_sensors(stage, monkeypatch):
    monkeypatch.setattr(holding_module, "MOST_DEVICES", 2)
    for n in range(2):
        await stage.say(3, f"ble:AA:AA:AA:AA:AA:0{n}")
    await stage.kill()
    await stage.start()
    await stage.say(3, NEW)
    await stage.say(1, "ble:AA:AA:AA:AA:AA:00")
    assert [stage.holding.of(name) for name in (NEW, "ble:AA:AA:AA:AA:AA:00")] == [0, 4]


async def test_a_flood_over_the_bound_takes_from_whoever_has_most_and_is_looked_through_once(stage, monkeypatch):
    await stage.say(300, NEW)
    await stage.say(20, "ble:AA:AA:AA:AA:AA:00")
    looks = []
    total = memory_module._total
    monkeypatch.setattr(memory_module, "_total", lambda db: looks.append(1) or total(db))
    stage.holding._memory.most_bytes = stage.holding._memory.total // 4
    await stage.holding._memory.prune(stage.path.clock.now())
    assert stage.holding._memory.total <= stage.holding._memory.most_bytes
    assert stage.holding.of("ble:AA:AA:AA:AA:AA:00") == 20
    assert 0 < stage.holding.of(NEW) < 100
    assert len(looks) == 2


async def test_where_the_owner_wants_none_none_is_held(tmp_path):
    stage = Stage(tmp_path)
    stage.age_s = 0.0
    await stage.start()
    await stage.say(5)
    assert stage.holding.of(NEW) == 0
    await stage.kill()


async def test_a_report_without_a_date_is_dated_when_the_clock_is_set_and_else_left_out(tmp_path):
    stage = Stage(tmp_path)
    await stage.start()
    real = stage.path.clock.now()
    stage.path.clock.set(1000.0, sure=False)
    await stage.say(2)
    stage.path.clock.set(real)
    stage.adopt()
    assert await stage.holding.release([NEW]) == 2
    assert times(stage.rows) == [real - 2 * SPACING_S, real - SPACING_S]
    await stage.kill()


async def torn(folder, step: int, *, twin: bool = False) -> list[float]:
    """A release that is killed at its `step`th flush or removal, and done again in the next life. The times of what is
    durable in the end, and the number of reports that there were."""
    stage = Stage(folder, twin=twin)
    await stage.start()
    await stage.say(holding_module.BATCH + 6)
    stage.adopt()
    done = 0

    def counted(work):
        async def tried(*arguments):
            nonlocal done
            done += 1
            if done == step:
                raise StorageError("killed here")
            return await work(*arguments)

        return tried

    stage.path.buffer.flush = counted(stage.path.buffer.flush)
    stage.holding._memory.released = counted(stage.holding._memory.released)
    await stage.holding.release([NEW])
    await stage.kill()  # what was not committed is gone
    await stage.start()
    stage.adopt()
    await stage.holding.release([NEW])
    await stage.path.buffer.flush()
    await stage.kill()
    return times(stage.rows)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
async def test_a_release_that_is_killed_anywhere_gives_each_report_once(tmp_path, step):
    told = await torn(tmp_path, step)
    assert len(told) == len(set(told)) == holding_module.BATCH + 6


async def test_a_hub_that_forgets_what_it_released_is_seen_by_the_same_oracle(tmp_path):
    told = await torn(tmp_path, 2, twin=True)
    assert len(told) > len(set(told))


async def test_many_devices_are_released_in_few_commits(stage):
    names = [f"ble:CC:CC:CC:CC:CC:{n:02X}" for n in range(100)]
    for _ in range(5):
        for name in names:
            await stage.path.emit(device=name, values={"temperature": 1.0})
        await stage.path.clock.advance(SPACING_S)
    for name in names:
        stage.adopt(name)
    commits = 0
    flush = stage.path.buffer.flush

    async def counting():
        nonlocal commits
        commits += 1
        await flush()

    stage.path.buffer.flush = counting
    assert await stage.holding.release(names) == 500
    assert commits <= 4
    assert len({(row.subject.device, row.time_ms) for row in stage.rows}) == 500
    assert stage.holding.status()["reports"] == 0


async def test_a_disk_that_refuses_a_release_is_asked_again_and_nothing_comes_twice(stage):
    await stage.say(10)
    stage.adopt()
    stage.flushes = False
    await stage.holding.release([NEW])
    stage.flushes = True
    assert stage.path.buffer.local[MARK]
    await stage.holding.release([NEW])
    await stage.path.buffer.flush()
    assert len(times(stage.rows)) == len(set(times(stage.rows))) == 10


async def test_quality_and_signal_travel_with_what_was_held(stage):
    for _ in range(2):
        await stage.path.emit(device=NEW, values={"temperature": 20.0}, quality=Quality.UNCERTAIN)
        await stage.path.clock.advance(SPACING_S)
    stage.adopt()
    await stage.holding.release([NEW])
    assert {row.quality for row in stage.rows} == {Quality.UNCERTAIN}
    assert not any(math.isnan(row.values[0]) for row in stage.rows)


async def test_candidates_that_an_integration_found_with_values_are_held_too(stage):
    for _ in range(2):
        found = Candidate(id=NEW, integration="bluetooth", values={"temperature": 3.0})
        stage.path.pipeline.strangers.heard(found, "found")
        await stage.path.clock.advance(SPACING_S)
    await stage.holding.flush()
    assert stage.holding.of(NEW) == 2


def sealed_by(stage, *numbers):
    for n in numbers:
        address = f"CC:CC:CC:CC:CC:{n:02X}"
        frame = Frame(kind="ble", address=address, data={"uuid:fcd2": b"sealed"})
        stage.holding.offer_sealed(Candidate(id=f"ble:{address}", integration="bluetooth"), frame)


async def test_senders_of_sealed_frames_who_come_once_each_leave_no_trace(stage, monkeypatch):
    monkeypatch.setattr(holding_module, "WAITING", 3)
    sealed_by(stage, *range(50))
    assert stage.holding._sealed.maybe == set(stage.holding._once)
    assert len(stage.holding._once) == 3


async def test_of_sealed_frames_that_were_held_for_too_long_nothing_is_remembered(stage):
    sealed_by(stage, 1, 2)
    await stage.path.clock.advance(SPACING_S)
    sealed_by(stage, 1, 2)
    await stage.holding.flush()
    await stage.holding._pruned()
    assert len(stage.holding._sealed.maybe) == 2
    await stage.path.clock.advance(stage.age_s + 1)
    sealed_by(stage, 2, 3)  # of one more was held, and another comes
    await stage.holding._pruned()
    assert {name[-2:] for name in stage.holding._sealed.maybe} == {"02", "03"}
