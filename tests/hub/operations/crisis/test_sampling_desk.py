"""Raising and giving back: exactly what was shown, remembered before it is done, undone whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hub.automation.commands import WriteRefused
from hub.core.errors import HubError, StorageError
from hub.operations.crisis.sampling import state as states
from hub.operations.crisis.sampling.execution import GIVE_UP_S
from hub.operations.crisis.sampling.expected_periods import LINGER_S, ExpectedPeriods
from hub.operations.crisis.sampling.model import DOWNLINK, Air, Band, Budgets, Downlink, Gateway, Item, SamplingRequest
from hub.operations.crisis.sampling.service import PLANS, Sampling
from hub.operations.crisis.sampling.state import Raised
from hub.operations.crisis.sampling.verification import PeriodObserver
from hub.operations.crisis.service import Crisis
from hub.sdk.testing import ManualClock
from tests.hub.operations.crisis.test_crisis import Hands as CrisisHands
from tests.hub.operations.crisis.test_crisis import Memory

AIR = Air(seconds=0.05, bands=(Band("M", 1.0, 36.0),), channels=3, down_s=0.05, down_band="M")
SENSOR = Item(
    name="lorawan:a",
    devices=("lorawan:a",),
    integration="lora",
    how=DOWNLINK,
    was_s=600.0,
    powered=False,
    battery=900.0,
    air=AIR,
    downlink=Downlink("period", "seconds", 1.0, 60.0, 65_535.0),
)
METER = Item(name="modbus:b", devices=("modbus:b",), integration="plant", was_s=300.0, line="plant", turn_s=0.1)
RAISE = {"by": "cli", "role": "administrateur", "why": "flood"}


class Disk(Memory):
    """The store; it outlives a kill. `before`: as it was before the last write."""

    def __init__(self) -> None:
        super().__init__()
        self.before: dict[str, bytes] = {}

    async def put(self, key: str, value: bytes) -> None:
        before = dict(self.kept)
        await super().put(key, value)
        self.before = before


class World:
    """Devices that outlive a kill, and the commands that the desk of commands keeps on the disk: `leave` lets what
    waits reach its device."""

    def __init__(self) -> None:
        self.sensor_s = 600.0  # what the device is set to
        self.commands: dict[str, tuple[float, str]] = {}
        self.refuses = ""
        self.quick: dict[str, float] = {}
        self.heard: dict[str, float] = {}
        self.told: list[float] = []
        self.sum = "aa"

    def leave(self) -> None:
        for name, (period, stands) in list(self.commands.items()):
            if stands == "queued":
                self.sensor_s = period
                self.commands[name] = (period, "done")

    def refusal(self) -> str:
        return self.refuses if self.refuses == "read-only" else ""

    async def order(self, one: Raised, period_s: float, by: str, why: str) -> str:
        if self.refuses:
            raise WriteRefused(self.refuses, "not now")
        name = f"c{len(self.commands)}"
        self.commands[name] = (period_s, "queued")
        self.told.append(period_s)
        return name

    async def command_state(self, command: str) -> str:
        return self.commands.get(command, (0.0, ""))[1]

    def pending_command(self, one: Raised, period_s: float) -> str:
        return next((n for n, (period, s) in self.commands.items() if s == "queued" and period == period_s), "")

    def withdraw(self, command: str) -> bool:
        period, stands = self.commands[command]
        if stands != "queued":
            return False
        self.commands[command] = (period, "failed")
        return True

    def set_poll_periods(self, periods: dict[str, float]) -> None:
        self.quick = periods

    def last_report(self, device: str) -> float | None:
        return self.heard.get(device)

    def changed(self, devices: Sequence[str]) -> None:
        pass

    def digest(self) -> str:
        return self.sum


class Rig:
    def __init__(self) -> None:
        self.disk, self.world, self.clock = Disk(), World(), ManualClock()
        self.items, self.budgets = [SENSOR, METER], Budgets()
        self.start()

    def start(self) -> None:
        """A life of the process: nothing of the former one is left but the disk and the world."""
        self.world.quick = {}

        async def gather(request: SamplingRequest) -> tuple[list[Item], list[Gateway]]:
            return self.items, [Gateway("g", {"M": 36.0}, {"M": 36.0})]

        self.desk = Sampling(
            self.disk,
            self.world,
            self.clock,
            gather=gather,
            budgets=lambda: self.budgets,
            longest_s=lambda: 86_400.0,
        )

    async def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        return dict(await self.desk.calls()[f"crisis.sampling.{name}"](arguments))

    async def raised(self, **more: Any) -> dict[str, Any]:
        shown = await self.call("plan", period_s=60, **more)
        return await self.call("raise", plan=shown["digest"], **RAISE)

    async def pass_(self, seconds: int) -> None:
        """Time goes on; devices speak as they are set, and are asked as they are asked."""
        for _ in range(seconds):
            self.clock._now += 1.0
            self.clock._monotonic += 1.0
            now = self.clock.now()
            if now % self.world.sensor_s < 1:
                self.world.heard["lorawan:a"] = now
                self.world.leave()  # class A: it listens after its own uplink
            if now % self.world.quick.get("modbus:b", 300.0) < 1:
                self.world.heard["modbus:b"] = now
            await self.desk.step()


async def test_what_was_shown_is_done_observed_and_given_back() -> None:
    rig = Rig()
    shown = await rig.call("plan", period_s=60)
    assert {(e["name"], e["was_s"], e["to_s"]) for e in shown["entries"]} == {
        ("lorawan:a", 600.0, 60.0),
        ("modbus:b", 300.0, 60.0),
    }
    answer = await rig.call("raise", plan=shown["digest"], **RAISE)
    assert (answer["phase"], rig.world.quick) == ("raised", {"modbus:b": 60.0})
    assert answer["counts"]["confirmed"] == 0
    await rig.pass_(900)
    assert rig.world.sensor_s == 60.0
    counts = (await rig.call("status"))["counts"]
    assert (counts["told"], counts["confirmed"], counts["not_confirmed"]) == (2, 2, 0)
    await rig.call("restore", by="cli", why="over")
    assert rig.world.quick == {}
    await rig.pass_(100)
    assert rig.world.sensor_s == 600.0
    assert (await rig.call("status"))["phase"] == "restoring", "nobody was observed at the former period yet"
    await rig.pass_(2500)
    assert (await rig.call("status"))["phase"] == "over"
    assert rig.desk.complaints() == []
    assert rig.world.told == [60.0, 600.0]
    assert [one["crisis"] for one in rig.disk.told] == ["sampling", "sampling over", "sampling is as before"]


async def test_nobody_who_only_looks_at_plans_takes_away_the_one_that_is_about_to_be_raised() -> None:
    rig = Rig()
    shown = await rig.call("plan", period_s=60, by="web:chief")
    for period in range(61, 161):
        await rig.call("plan", period_s=period, by="web:reader")
    await rig.call("plan", period_s=60, by="web:reader")
    for period in range(161, 261):
        await rig.call("plan", period_s=period, by="web:reader")
    assert len(rig.desk._plans) == PLANS
    answer = await rig.call("raise", plan=shown["digest"], **RAISE | {"by": "web:chief"})
    assert answer["phase"] == "raised"


async def test_a_plan_whose_facts_changed_is_refused_and_made_anew() -> None:
    rig = Rig()
    shown = await rig.call("plan", period_s=60)
    rig.items = [replace(SENSOR, battery=91.0), METER]
    with pytest.raises(HubError, match=r"lorawan:a would exceed a budget.*A new one was made, (\w+)"):
        await rig.call("raise", plan=shown["digest"], **RAISE)
    rig.items = [SENSOR, METER]
    rig.budgets = Budgets(line=0.4)
    with pytest.raises(HubError, match="the budgets were changed"):
        await rig.call("raise", plan=shown["digest"], **RAISE)
    with pytest.raises(HubError, match="not known any more"):
        await rig.call("raise", plan="0" * 16, **RAISE)
    assert (rig.disk.kept, rig.world.told, rig.world.quick) == ({}, [], {})


async def test_who_may_not_rule_raises_nothing_and_that_is_audited() -> None:
    rig = Rig()
    shown = await rig.call("plan", period_s=60)
    for role in ("technicien", "lecteur", None):
        with pytest.raises(WriteRefused, match="administrator"):
            await rig.call("raise", plan=shown["digest"], by="web:tech", why="x", role=role)
    assert [one["refused"] for one in rig.disk.told] == ["role"] * 3
    with pytest.raises(HubError, match="say why"):
        await rig.call("raise", plan=shown["digest"], by="cli", role="administrateur", why=" ")
    with pytest.raises(HubError, match="1 min to 1d"):
        await rig.call("plan", period_s=60, for_s=90_000)
    with pytest.raises(HubError, match="number of seconds"):
        await rig.call("plan", period_s="60")
    assert rig.world.told == []


async def test_what_the_disk_does_not_take_does_not_happen() -> None:
    rig = Rig()
    shown = await rig.call("plan", period_s=60)
    rig.disk.works = False
    with pytest.raises(StorageError):
        await rig.call("raise", plan=shown["digest"], **RAISE)
    assert (rig.world.quick, rig.world.told, rig.desk.holds) == ({}, [], False)


async def test_it_ends_by_itself_when_its_time_is_over_also_over_a_restart_and_a_clock_that_was_lost() -> None:
    rig = Rig()
    await rig.raised(for_s=3600)
    await rig.pass_(1800)
    rig.start()
    await rig.desk.load()
    assert rig.world.quick == {"modbus:b": 60.0}
    assert rig.desk.state.left_s <= 1801
    rig.clock.set(1000.0, sure=False)  # a machine without a battery for its clock
    rig.start()
    await rig.desk.load()
    assert rig.desk.holds
    for _ in range(4000):
        rig.clock._monotonic += 1.0
        await rig.desk.step()
    assert (rig.desk.state.phase, rig.world.quick) == ("restoring", {})
    assert rig.disk.told[-1]["why"] == "its time is over"


async def test_a_downlink_that_never_left_is_withdrawn_and_its_device_left_in_peace() -> None:
    rig = Rig()
    await rig.raised()
    await rig.call("restore", by="cli", why="a mistake")
    await rig.pass_(1300)
    assert (rig.world.told, rig.world.sensor_s) == ([60.0], 600.0)
    assert rig.world.commands == {"c0": (60.0, "failed")}


async def test_while_nothing_may_be_written_the_way_back_waits_and_says_why() -> None:
    rig = Rig()
    await rig.raised()
    await rig.pass_(700)
    rig.world.refuses = "read-only"
    await rig.call("restore", by="cli", why="over")
    assert rig.world.quick == {}, "what is polled goes back at once"
    await rig.pass_(120)
    entry = next(e for e in (await rig.call("status"))["entries"] if e["name"] == "lorawan:a")
    assert (entry["step"], entry["reason"]) == ("waiting", "read-only")
    assert "lecture seule" in entry["why_fr"]
    with pytest.raises(HubError, match="restoring already"):
        await rig.raised()
    rig.world.refuses = ""
    await rig.pass_(200)
    assert rig.world.sensor_s == 600.0


async def test_a_command_that_expires_is_given_again_on_the_way_back_until_somebody_gives_up() -> None:
    rig = Rig()
    await rig.raised()
    await rig.pass_(700)
    await rig.call("restore", by="cli", why="over")
    rig.world.commands["c1"] = (600.0, "expired")
    await rig.pass_(120)
    assert rig.world.told == [60.0, 600.0, 600.0]
    rig.world.refuses = "unknown-device"  # it was removed meanwhile
    name = next(n for n, (_, stands) in rig.world.commands.items() if stands != "failed")
    rig.world.commands = {name: (600.0, "done")}
    rig.world.sensor_s = 60.0  # it says that it has it, and goes on as before
    rig.clock._monotonic += GIVE_UP_S + 4000
    await rig.pass_(3)
    assert (await rig.call("status"))["phase"] == "over"
    assert rig.desk.state.unconfirmed == ["lorawan:a", "modbus:b"]
    assert "lorawan:a was not observed at its former period" in rig.desk.complaints()[0]


async def test_who_was_removed_meanwhile_is_named_and_not_asked_for_again_and_again() -> None:
    rig = Rig()
    await rig.raised()
    await rig.pass_(700)
    rig.world.refuses = "unknown-device"
    asked = 0
    order = rig.world.order

    async def counted(one: Raised, period_s: float, by: str, why: str) -> str:
        nonlocal asked
        asked += 1
        return await order(one, period_s, by, why)

    rig.world.order = counted  # type: ignore[method-assign]
    await rig.call("restore", by="cli", why="over")
    await rig.pass_(900)
    assert asked == 1, "each refusal is a line of the audit log"
    assert rig.desk.state.unconfirmed == ["lorawan:a"]


async def test_what_the_disk_did_not_take_is_written_as_soon_as_it_works_again() -> None:
    rig = Rig()
    await rig.raised()
    rig.disk.works = False
    rig.world.leave()
    with pytest.raises(StorageError):
        await rig.pass_(1)
    rig.disk.works = True
    await rig.pass_(1)
    kept = states.decode(rig.disk.kept[states.KEY])
    assert {one.name: one.step for one in kept.entries} == {"lorawan:a": "told", "modbus:b": "told"}


# -- kills

STEPS = st.lists(
    st.sampled_from(["step", "uplink", "kill", "kill-early", "restore", "expire"]), min_size=1, max_size=14
)


async def through(steps: list[str], desk: type[Sampling]) -> Rig:
    rig = Rig()
    await rig.raised()
    for step in steps:
        if step.startswith("kill"):
            if step == "kill-early":  # after what was ordered, and before that was noted
                rig.disk.kept = dict(rig.disk.before)
            rig.start()
            rig.desk.__class__ = desk
            await rig.desk.load()
        elif step == "uplink":
            rig.world.leave()
        elif step == "restore":
            await rig.desk.restore("cli", "over")
        elif step == "expire":
            for name, (period, stands) in list(rig.world.commands.items()):
                rig.world.commands[name] = (period, "expired" if stands == "queued" else stands)
        else:
            rig.clock._monotonic += 40.0
            await rig.desk.step()
    await rig.desk.restore("cli", "over")
    for _ in range(20):
        rig.clock._monotonic += 40.0
        await rig.desk.step()
        rig.world.leave()
    return rig


@given(STEPS)
@settings(max_examples=150, deadline=None)
async def test_a_kill_at_any_moment_leaves_no_device_raised(steps: list[str]) -> None:
    rig = await through(steps, Sampling)
    assert (rig.world.sensor_s, rig.world.quick) == (600.0, {})


class Forgetful(Sampling):
    """The broken twin: after a kill it believes what it last wrote down of who was told."""

    async def load(self) -> None:
        await super().load()
        told = states.msgspec.json.decode(await self._memory.get(states.KEY) or b"{}", type=states.State)
        for mine, was in zip(self.state.entries, told.entries, strict=True):
            mine.touched = was.touched


async def test_the_twin_that_believes_its_last_note_leaves_a_device_raised() -> None:
    worst = ["uplink", "kill-early", "restore"]
    assert (await through(worst, Sampling)).world.sensor_s == 600.0
    assert (await through(worst, Forgetful)).world.sensor_s == 60.0


async def test_what_was_remembered_and_cannot_be_read_is_said() -> None:
    rig = Rig()
    rig.disk.kept[states.KEY] = b"\x00"
    await rig.desk.load()
    assert "cannot be read" in rig.desk.complaints()[0]


# -- the crisis around it


async def test_leaving_the_crisis_gives_the_former_periods_back_and_knows_the_configuration_of_then() -> None:
    for later, same in (("aa", True), ("bb", False)):
        rig = Rig()

        async def nothing(*_: object) -> Any:
            return {}

        hands = CrisisHands()
        crisis = Crisis(rig.disk, hands, rig.clock.now, export=nothing, runbook=nothing, sampling=rig.desk)
        await rig.raised()
        status = await crisis.calls()["crisis.status"]({})
        assert (status["isolated"], status["sampling"]["phase"]) == (False, "raised")
        hands.sum = rig.world.sum = later
        answer = await crisis.calls()["crisis.end"]({"by": "cli", "why": "over"})
        assert (answer["same"], rig.desk.state.phase, rig.world.quick) == (same, "restoring", {})


# -- what is expected meanwhile


def entry(**more: object) -> Raised:
    one = Raised(name="x", devices=("x",), integration="i", how=DOWNLINK, was_s=600.0, to_s=60.0, step=states.TOLD)
    return replace(one, **more)  # type: ignore[arg-type]


def test_neither_silence_nor_a_burst_nor_a_gap_is_of_our_own_making() -> None:
    expecting = ExpectedPeriods()
    assert (expecting.silence("x", 600.0), expecting.burst("x"), expecting.coverage("x", 600.0)) == (600.0, None, 600.0)
    raised = states.State(phase="raised", entries=[entry(step="ordered")])
    expecting.follow(raised, 0.0)
    assert expecting.silence("x", 600.0) == 600.0, "who was not told yet is not late"
    assert expecting.burst("x") == 60.0, "it may have been told"
    expecting.follow(replace(raised, entries=[entry(confirmed=True)]), 1.0)
    assert (expecting.silence("x", 600.0), expecting.silence("x", None)) == (60.0, None)
    assert expecting.coverage("x", 300.0) == 600.0, "an hour that was half slow has no gaps"
    expecting.follow(states.State(phase="restoring", entries=[entry()]), 2.0)
    assert expecting.silence("x", 300.0) == 600.0, "who is told to slow down is not silent"
    assert expecting.burst("x") == 60.0, "it may not have been told yet"
    assert expecting.former("x") == 600.0
    expecting.follow(states.State(), 3.0)
    assert (expecting.silence("x", 300.0), expecting.burst("x"), expecting.coverage("x", 300.0)) == (300.0, None, 600.0)
    expecting.follow(states.State(), 4.0 + LINGER_S)
    assert expecting.coverage("x", 300.0) == 300.0


def test_one_step_proves_nothing_and_the_one_that_was_under_way_does_not_count() -> None:
    noticing = PeriodObserver(0.0)
    for seen in (20.0, 80.0):
        noticing.observe(seen)
        assert not noticing.faster(60.0)
    noticing.observe(140.0)
    assert noticing.faster(60.0)
    assert noticing.period == 60.0
    assert not noticing.slower(600.0)
    noticing.observe(260.0)  # one frame was lost
    assert not noticing.faster(60.0)
    assert not noticing.slower(120.0)
