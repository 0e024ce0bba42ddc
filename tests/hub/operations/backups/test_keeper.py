"""When a state backup is made, where it goes, and what is said when it does not get there."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.core.clock import BUILD_FLOOR
from hub.core.disk import backup_directory
from hub.core.errors import NotReady, StorageError
from hub.core.text import code_of
from hub.identity.enrolment import Enrolment
from hub.operations.backups import generation_notes
from hub.operations.backups.keeper import (
    DAY_S,
    FIRST_BACKUP_S,
    HANGS_S,
    LAST_KEY,
    LATE_S,
    LOOK_S,
    NIGHT_S,
    Keeper,
    _load_last,
    next_night,
)
from hub.protocol.hub_id import hub_id
from hub.sdk.session import Reply
from hub.sdk.testing import ManualClock

HUB = "hub-aaaaaaaaaaaaaaaa"


class Gatherer:
    def __init__(self) -> None:
        self.generation, self.of, self.error = 0, "one", None

    async def make(self, now: float) -> tuple[int, bytes]:
        if self.error is not None:
            raise self.error
        self.generation += 1
        return self.generation, b"backup %d" % self.generation

    def fingerprint(self) -> str:
        return self.of


class Http:
    def __init__(self) -> None:
        self.status, self.taken = 200, []

    async def request(self, method: str, url: str, *, body: bytes, timeout: Any) -> Reply:
        if self.status == 0:
            raise NotReady("the backend does not answer")
        if self.status == 200:
            self.taken.append(body)
        return Reply(self.status, {}, b"a newer backup is here")


class Memory:
    def __init__(self, local: dict[str, Any] | None = None) -> None:
        self.local = local or {}

    def put_local(self, key: str, value: Any) -> None:
        self.local[key] = value


class Night:
    """A keeper that runs, on a clock of its own."""

    def __init__(
        self, directory: Path | None, *, memory: Memory | None = None, clock: ManualClock | None = None, hub: str = HUB
    ) -> None:
        self.clock, self.gatherer, self.http = clock or ManualClock(), Gatherer(), Http()
        self.memory, self.told = memory or Memory(), []
        self.keeper = Keeper(
            self.gatherer,
            enrolled=Enrolment(hub=hub, url="https://backend", root=""),
            http=self.http,
            buffer=self.memory,
            clock=self.clock,
            directory=directory,
            beside=Path("/proc"),
            told=self.told.append,
        )

    async def __aenter__(self) -> Night:
        self.task = asyncio.create_task(self.keeper.run())
        await self.passes(FIRST_BACKUP_S)
        return self

    async def __aexit__(self, *error: object) -> None:
        assert not self.task.done(), "nothing may end the task"
        self.task.cancel()

    def asleep(self) -> list[int]:
        return sorted(n for _, n, wake in self.clock._sleepers if not wake.done())

    async def passes(self, seconds: float) -> None:
        """Time passes, and the keeper's threads have theirs."""
        end = self.clock.monotonic() + seconds
        while True:
            waiting = self.asleep()
            await self.clock.advance(min(HANGS_S / 2, end - self.clock.monotonic()))  # a thread takes no time
            still = 3 if waiting and waiting == self.asleep() else 0  # nobody woke
            async with asyncio.timeout(60):
                while still < 3:  # once may be the moment before a task hears that its thread has ended
                    await asyncio.sleep(0.001)
                    busy = self.keeper._aside._busy
                    still = still + 1 if self.asleep() and (busy is None or busy.done()) else 0
            if self.clock.monotonic() >= end:
                return


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """A directory that is not on the disk of /proc."""
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick"


async def test_the_first_is_made_right_after_the_start_and_goes_to_both_places(stick: Path) -> None:
    async with Night(stick) as night:
        status = night.keeper.status()
        assert (status["generation"], status["bytes"], status["error"]) == (1, 8, "")
        assert status["backend"]["generation"] == status["directory"]["generation"] == 1
        assert Path(status["directory"]["file"]).read_bytes() == b"backup 1"
        assert (night.http.taken, night.told, night.keeper.complaints()) == ([b"backup 1"], [1], [])


async def test_one_more_is_made_every_night_at_an_hour_of_this_hubs_own() -> None:
    async with Night(None) as night:
        for day in range(2, 5):
            await night.passes(DAY_S)
            assert night.gatherer.generation == day
        at = (night.keeper.status()["made"] - next_night(0.0, HUB)) % DAY_S
        assert min(at, DAY_S - at) <= LOOK_S


def test_the_hours_of_a_districts_hubs_are_spread_over_the_night() -> None:
    hours = {int(next_night(0.0, f"hub-{n}") % DAY_S // 3600) for n in range(200)}
    assert hours == set(range(NIGHT_S // 3600))
    assert next_night(next_night(0.0, HUB), HUB) == next_night(0.0, HUB) + DAY_S


async def test_a_backend_that_is_away_gets_the_same_one_when_it_is_back() -> None:
    night = Night(None)
    night.http.status = 0
    async with night:
        assert night.keeper.status()["backend"] == {
            "generation": 0, "at": None, "file": "", "error": "the backend does not answer",
        }  # fmt: skip
        night.http.status = 200
        await night.passes(2 * 3600.0)
        assert (night.http.taken, night.gatherer.generation) == ([b"backup 1"], 1)
        assert night.keeper.status()["backend"]["error"] == ""


async def test_a_refusal_is_told_with_the_backends_words() -> None:
    night = Night(None)
    night.http.status = 403
    async with night:
        assert "a newer backup is here" in night.keeper.status()["backend"]["error"]


async def test_a_stick_that_was_pulled_is_told_and_gets_the_newest_when_it_is_back(stick: Path) -> None:
    async with Night(stick) as night:
        stick.rename(stick.with_name("pulled"))
        await night.passes(DAY_S)
        (said,) = night.keeper.complaints()
        assert said == f"backup.directory: {stick} is not there: put the stick back"
        assert night.keeper.status()["directory"]["generation"] == 1
        stick.with_name("pulled").rename(stick)
        await night.passes(2 * 3600.0)
        assert night.keeper.complaints() == []
        assert [generation for generation, _ in backup_directory.kept(stick, HUB)] == [2, 1]


async def test_a_stick_that_hangs_does_not_keep_the_backup_from_the_backend(
    stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, keep = threading.Event(), backup_directory.keep
    monkeypatch.setattr(backup_directory, "keep", lambda *what: (gate.wait(600), keep(*what))[1])
    night = Night(stick)
    task = asyncio.create_task(night.keeper.run())
    await night.clock.advance(FIRST_BACKUP_S)
    async with asyncio.timeout(60):
        while not night.http.taken:
            await night.clock.advance(1.0)
            await asyncio.sleep(0.001)
    assert night.keeper.status()["directory"]["error"] == f"{stick} does not answer"
    assert night.keeper.complaints() == [f"backup.directory: {stick} does not answer"]
    gate.set()
    task.cancel()


async def test_a_directory_on_the_hubs_own_disk_is_no_safety(stick: Path) -> None:
    night = Night(stick)
    night.keeper._beside = stick
    night.http.status = 0
    async with night:
        assert Path(night.keeper.status()["directory"]["file"]).exists(), "it is kept there all the same"
        assert "own disk" in night.keeper.complaints()[0]
        await night.passes(LATE_S)
        assert "no state backup in safety for 3 days" in night.keeper.complaints()[0]


async def test_days_without_a_backup_in_safety_are_counted_over_restarts() -> None:
    night = Night(None)
    night.http.status = 0
    async with night:
        await night.passes(LATE_S - DAY_S)
        assert night.keeper.complaints() == []
    later = Night(None, memory=Memory(night.memory.local), clock=night.clock)
    later.http.status = 0
    await night.clock.advance(DAY_S)
    assert later.keeper.complaints() == ["no state backup in safety for 3 days: the backend does not answer"]


async def test_why_a_copy_is_missing_keeps_its_code_over_a_restart_and_a_former_hubs_is_read(stick: Path) -> None:
    stick.rmdir()
    async with Night(stick) as night:
        assert night.keeper.status()["directory"]["error"].code == "backup-folder-missing"
    kept = night.memory.local[LAST_KEY]
    assert kept["directory"]["error_text"]["code"] == "backup-folder-missing"
    assert type(kept["directory"]["error"]) is str
    assert code_of(_load_last(kept).directory.error) == "backup-folder-missing"
    del kept["directory"]["error_text"], kept["backend"]["error_text"]
    former = _load_last(kept).directory
    assert (former.error, former.error_text) == (f"{stick} is not there: put the stick back", None)


@pytest.mark.parametrize("error", [StorageError("the store refused: disk I/O error"), ValueError("a bug")])
async def test_when_none_can_be_made_the_hub_goes_on_and_it_is_tried_again(error: Exception) -> None:
    night = Night(None)
    night.gatherer.error = error
    async with night:
        assert str(error) in night.keeper.status()["error"]
        night.gatherer.error = None
        await night.passes(2 * 3600.0)
        assert (night.keeper.status()["error"], night.gatherer.generation) == ("", 1)


async def test_a_change_of_configuration_trust_or_devices_does_not_wait_for_the_night() -> None:
    async with Night(None) as night:
        await night.passes(3 * LOOK_S)
        assert night.gatherer.generation == 1
        night.gatherer.of = "two"
        await night.passes(LOOK_S)
        assert night.gatherer.generation == 2
        night.keeper.changed()
        await night.passes(2 * LOOK_S)
        assert night.gatherer.generation == 3


async def test_what_another_process_made_and_did_not_bring_away_is_made_again() -> None:
    night = Night(None)
    night.http.status = 0
    async with night:
        pass
    later = Night(None, memory=Memory(night.memory.local), clock=ManualClock(night.clock.now()))
    later.gatherer.generation = 1
    async with later:
        assert later.http.taken == [b"backup 2"]
    third = Night(None, memory=Memory(later.memory.local), clock=ManualClock(night.clock.now()))
    async with third:
        assert third.http.taken == [], "the second is there: nothing is due"
        assert third.keeper.status()["generation"] == 2


async def test_a_small_state_that_cannot_be_read_counts_as_none() -> None:
    async with Night(None, memory=Memory({LAST_KEY: {"generation": "seven"}})) as night:
        assert night.keeper.status()["generation"] == 1


async def test_without_a_sure_clock_a_day_is_counted_by_the_monotonic_one() -> None:
    async with Night(None, clock=ManualClock(sure=False)) as night:
        await night.passes(DAY_S - 3 * LOOK_S)
        assert night.gatherer.generation == 1
        await night.passes(4 * LOOK_S)
        assert night.gatherer.generation == 2


def test_a_shelf_keeps_the_newest_three_of_each_hub(tmp_path: Path) -> None:
    other = "hub-bbbbbbbbbbbbbbbb"
    backup_directory.keep(tmp_path, other, 1, b"other")
    (tmp_path / "holiday.jpg").write_bytes(b"not ours")
    for generation in range(1, 6):
        backup_directory.keep(tmp_path, HUB, generation, b"%d" % generation)
    assert [(generation, path.read_bytes()) for generation, path in backup_directory.kept(tmp_path, HUB)] == [
        (5, b"5"),
        (4, b"4"),
        (3, b"3"),
    ]
    assert [generation for generation, _ in backup_directory.kept(tmp_path, other)] == [1]
    assert (tmp_path / "holiday.jpg").exists()
    assert backup_directory.kept(tmp_path / "nowhere", HUB) == []


def test_a_shelf_that_is_full_keeps_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup_directory.keep(tmp_path, HUB, 1, b"one")

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(StorageError, match="No space left"):
        backup_directory.keep(tmp_path, HUB, 2, b"two")
    assert [path.name for path in tmp_path.iterdir()] == [f"{HUB}-000000000001.ilot-backup"]


def test_a_shelf_keeps_what_it_was_just_given_whatever_the_names_of_others_say(tmp_path: Path) -> None:
    for generation in (999_999_999_997, 999_999_999_998, 999_999_999_999):
        (tmp_path / f"{HUB}-{generation}.ilot-backup").write_bytes(b"a stranger's")
    for generation in (1, 2):
        assert backup_directory.keep(tmp_path, HUB, generation, b"%d" % generation).read_bytes() == b"%d" % generation


async def test_a_hub_behind_what_the_stick_knows_of_it_is_told_so_and_puts_nothing_there(
    stick: Path, tmp_path: Path
) -> None:
    identity = Ed25519PrivateKey.generate()
    hub = hub_id(identity.public_key().public_bytes_raw())
    generation_notes.record_generation(stick, identity, hub, generation=1031, at=1.9e9)
    night = Night(stick, hub=hub)
    async with night:
        assert "`--lived 1031`" in night.keeper.complaints()[0]
        assert backup_directory.kept(stick, hub) == []
        night.gatherer.generation = 1031
        night.keeper.changed()
        await night.passes(LOOK_S)
        assert night.keeper.complaints() == []
        assert [generation for generation, _ in backup_directory.kept(stick, hub)] == [1032]


async def test_a_backup_dated_by_a_clock_that_was_years_ahead_hides_no_silence_of_later_nights() -> None:
    async with Night(None, clock=ManualClock(BUILD_FLOOR + 14 * 365 * DAY_S)) as night:
        assert night.keeper.complaints() == []
    right = Night(None, memory=night.memory)
    right.http.status = 0
    async with right:
        await right.passes(LATE_S + LOOK_S)
        assert "no state backup in safety for 3 days" in right.keeper.complaints()[0]


async def test_an_older_backup_that_arrives_late_does_not_count_as_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    night = Night(None)
    slow, request = asyncio.Event(), night.http.request

    async def arrive(method: str, url: str, *, body: bytes, timeout: Any) -> Reply:
        if body == b"backup 1":
            await slow.wait()
        return await request(method, url, body=body, timeout=timeout)

    monkeypatch.setattr(night.http, "request", arrive)
    first = asyncio.create_task(night.keeper.now())
    while not night.gatherer.generation:
        await asyncio.sleep(0.001)
    second = asyncio.create_task(night.keeper.now())
    while night.gatherer.generation < 2:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    slow.set()
    await asyncio.gather(first, second)
    status = night.keeper.status()
    assert (status["generation"], status["backend"]["generation"], night.http.taken[-1]) == (2, 2, b"backup 2")
