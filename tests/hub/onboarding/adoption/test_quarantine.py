"""People decide about who waits in quarantine, one by one or, in Mode recette, in bulk."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.core.errors import HubError, StorageError
from hub.core.security_events import ADMISSION, FORK, UNKNOWN, Events
from hub.core.text import code_of
from hub.onboarding.adoption import AuditedStore, BulkAdoptionService, QuarantineService, SenderChecks, decision_table
from hub.onboarding.adoption.bulk import KEY as RECETTE
from hub.onboarding.adoption.bulk import LONGEST_S, filled
from hub.pipeline.admission.decisions import BLOCK, CONFIGURATION, Decision, Decisions, Filter
from hub.pipeline.admission.guard import Guard, Options
from hub.pipeline.admission.quarantine import QuarantineEntry
from hub.pipeline.holding_queue import HeldReportTable, HoldingQueue
from hub.pipeline.holding_queue.service import SPACING_S
from tests.hub.onboarding.adoption.adoption_kit import House

OLD = "lorawan:00000000000000aa"


class Gated(House):
    """A hub with its gate."""

    configured: tuple[Decision, ...] = ()

    async def start(self) -> None:
        await super().start()
        self.events = Events(self.clock.now, self.clock.monotonic)
        self.told: list[Any] = []
        self.events.listeners.append(self.told.append)
        self.decisions = Decisions(self.configured, await decision_table.load(self.store))
        self.guard = Guard(
            Options(),
            tell=self.events.tell,
            monotonic=self.clock.monotonic,
            remembered=self.buffer.local,
            remember=self.buffer.put_local,
        )
        strangers, self.pipeline._guard = self.pipeline.strangers, self.guard
        strangers.decisions, strangers.events = self.decisions, self.events
        self.holding = HoldingQueue(
            table=HeldReportTable(self.store, 72 * 3600.0, 16 << 20),
            buffer=self.buffer,
            pipeline=self.pipeline,
            devices=self.devices,
            clock=self.clock,
            counts=self.counts,
        )
        await self.holding.load()
        strangers._hold = self.holding.offer
        self.gate = QuarantineService(
            checks=SenderChecks(self.quarantine, self.decisions, self.guard, self.events),
            adoption=self.adoption,
            holding=self.holding,
            pipeline=self.pipeline,
            devices=self.devices,
            audited=AuditedStore(self.store, self.clock, self.changed),
        )
        self.recette = BulkAdoptionService(
            gate=self.gate, adoption=self.adoption, store=self.store, clock=self.clock, events=self.events
        )
        await self.recette.load()

    async def call(self, name: str, **arguments: Any) -> Any:
        calls = {**self.gate.calls(), **self.recette.calls()}
        return await calls[name](arguments)

    async def hear(self, *devices: str, value: float = 20.0) -> None:
        for device in devices:
            await self.emit(device=device, values={"temperature": value})

    def waiting(self) -> list[str]:
        return [one.id for one in self.quarantine if not one.known]

    async def audited(self) -> list[dict[str, Any]]:
        return [dict(entry.what) for entry in await self.store.audited()]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Gated]:
    made = Gated(tmp_path)
    await made.start()
    yield made
    await made.store.close()


ONE, TWO = "ble:A4:C1:38:00:00:01", "ble:A4:C1:38:00:00:02"


async def test_an_adopted_sensor_speaks_from_then_on_and_what_it_said_before_goes_on(house: Gated) -> None:
    for _ in range(3):
        await house.hear(ONE)
        await house.clock.advance(SPACING_S)
    (waiting,) = (await house.call("quarantine.list"))["waiting"]
    assert (waiting["id"], waiting["count"], waiting["held"]) == (ONE, 3, 3)
    dry = await house.call("quarantine.adopt", device=ONE, place="room-1", zone="rooms", dry_run=True)
    assert (dry["row"]["state"], dry["released"], house.waiting()) == ("added", 0, [ONE])
    answer = await house.call("quarantine.adopt", device=ONE, place="room-1", zone="rooms", by="web:jeanne")
    assert (answer["row"]["state"], answer["released"]) == ("added", 3)
    assert house.waiting() == []
    rows = await house.emit(device=ONE, values={"temperature": 21.0})
    assert len(rows) == 4
    assert [event.kind for event in house.told][-1] == ADMISSION


async def test_only_what_waits_is_adopted(house: Gated) -> None:
    with pytest.raises(HubError, match="does not wait in quarantine"):
        await house.call("quarantine.adopt", device=ONE, place="room-1", zone="rooms")


async def test_ignored_and_blocked_ones_stay_away_over_a_restart_until_they_are_taken_back(house: Gated) -> None:
    await house.hear(ONE, TWO)
    answer = await house.call("quarantine.block", id="ble:a4:c1:*", why="not ours", by="cli:max")
    assert sorted(answer["waiting"]) == [ONE, TWO]
    await house.hear(ONE, TWO)
    assert house.waiting() == []
    await house.start()
    await house.hear(ONE)
    assert house.waiting() == []
    (decision,) = (await house.call("quarantine.list"))["decisions"]
    assert (decision["kind"], decision["id"], decision["by"], decision["why"], decision["heard"]) == (
        "block", "ble:a4:c1:*", "cli:max", "not ours", 1,
    )  # fmt: skip
    with pytest.raises(HubError, match="unblock"):
        await house.call("quarantine.adopt", device=ONE, place="room-1", zone="rooms")
    await house.call("quarantine.unblock", id="ble:a4:c1:*")
    await house.hear(ONE)
    assert house.waiting() == [ONE]
    said = [what for what in await house.audited() if "quarantine" in what]
    assert [what["quarantine"] for what in said] == ["block", "unblock"]


async def test_a_blocked_device_is_not_added_by_another_way_either(house: Gated) -> None:
    await house.call("quarantine.block", id=ONE)
    row = await house.add(device=ONE, integration="bluetooth", place="hall")
    assert (row.state, row.column) == ("wrong", "device")
    assert "unblock" in row.en
    await house.call("quarantine.unblock", id=ONE)
    assert (await house.add(device=ONE, integration="bluetooth", place="hall")).state == "added"


async def test_what_was_held_of_an_ignored_sensor_is_destroyed(house: Gated) -> None:
    for _ in range(3):
        await house.hear(ONE, TWO)
        await house.clock.advance(SPACING_S)
    await house.holding.flush()
    answer = await house.call("quarantine.ignore", id=ONE)
    assert answer["destroyed"] == 3
    assert (house.holding.of(ONE), house.holding.of(TWO)) == (0, 3)


async def test_a_dry_run_says_whom_a_filter_means_and_changes_nothing(house: Gated) -> None:
    await house.hear(ONE, TWO)
    answer = await house.call("quarantine.ignore", id="ble:*", dry_run=True)
    assert sorted(answer["waiting"]) == [ONE, TWO]
    assert len(house.waiting()) == 2
    assert await house.audited() == []


async def test_a_filter_blocks_no_device_of_this_hub_by_accident_and_its_own_id_does(house: Gated) -> None:
    with pytest.raises(HubError, match="1 device of this hub"):
        await house.call("quarantine.block", id="lorawan:*")
    with pytest.raises(HubError, match="remove"):
        await house.call("quarantine.ignore", id=OLD)
    with pytest.raises(HubError, match="everybody"):
        await house.call("quarantine.block", id="*")
    await house.call("quarantine.block", id=OLD)
    assert await house.emit("lorawan", OLD, values={"temperature": 1.0}) == []
    assert any("known and blocked" in sentence for sentence in house.gate.complaints())
    await house.call("quarantine.unblock", id=OLD)
    assert len(await house.emit("lorawan", OLD, values={"temperature": 1.0})) == 1


async def test_what_the_configuration_blocks_no_command_unblocks(tmp_path: Path) -> None:
    house = Gated(tmp_path)
    house.configured = (Decision(kind=BLOCK, filter=Filter(id=ONE), by=CONFIGURATION),)
    await house.start()
    await house.hear(ONE)
    assert house.waiting() == []
    with pytest.raises(HubError, match="configuration"):
        await house.call("quarantine.unblock", id=ONE)
    await house.store.close()


async def test_a_suspect_is_listed_and_cleared_by_a_person_audited(house: Gated) -> None:
    await house.emit("lorawan", OLD, values={"temperature": 1.0})
    watch = house.pipeline._plans[OLD].watch
    assert watch is not None
    house.guard.suspect(watch, FORK, {"counter": 7})
    assert (await house.call("quarantine.list"))["suspects"] == {OLD: FORK}
    assert any(code_of(sentence) == "devices-look-cloned" for sentence in house.gate.complaints())
    await house.call("quarantine.clear", device=OLD, why="two batteries were swapped")
    assert house.guard.suspects() == {}
    with pytest.raises(HubError, match="no evidence"):
        await house.call("quarantine.clear", device=OLD)
    assert (await house.audited())[-1]["suspect"] == FORK


async def test_who_declared_a_perimeter_and_when_is_audited_once_and_so_is_its_end(
    house: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.gate._store, "put", None)  # a kill comes before any second transaction
    said = {"integration": "boiler", "kind": "locked room", "declared_by": "Ville", "declared_on": "2026-01-15"}
    for paths in ([said], [said], []):
        house.gate._paths = [*paths, {"integration": "bluetooth"}]
        await house.gate.run()
    assert await house.audited() == [
        {"perimeter": "boiler", "declared": said},
        {"perimeter": "boiler", "declared": False},
    ]
    assert (await house.call("quarantine.list"))["paths"] == [{"integration": "bluetooth"}]


# Mode recette


async def test_bulk_adoption_needs_mode_recette_and_its_preview_does_not(house: Gated) -> None:
    await house.hear(ONE, TWO)
    ask = {"id": "ble:*", "place": "salle-{n:2}", "zone": "rooms", "start": 7}
    preview = await house.call("recette.adopt", dry_run=True, **ask)
    assert [(row["device"], row["place"], row["state"]) for row in preview["rows"]] == [
        (ONE, "salle-07", "added"),
        (TWO, "salle-08", "added"),
    ]
    assert house.devices.get(ONE) is None
    with pytest.raises(HubError, match="recette start"):
        await house.call("recette.adopt", **ask)
    await house.call("recette.start", seconds=3600, by="cli:eve", why="réception")
    answer = await house.call("recette.adopt", **ask)
    assert [row["state"] for row in answer["rows"]] == ["added", "added"]
    assert house.waiting() == []
    assert (await house.call("recette.status"))["adopted"] == 2


async def test_a_table_gives_each_its_place_and_tells_which_rows_are_not_heard(house: Gated) -> None:
    await house.hear(ONE, TWO)
    await house.call("recette.start")
    wishes = [
        {"line": 2, "device": ONE, "place": "hall"},
        {"line": 3, "device": "ble:A4:C1:38:00:00:99", "place": "hall"},
        {"line": 4, "device": TWO, "place": "nowhere"},
    ]
    answer = await house.call("recette.adopt", id="ble:*", wishes=wishes)
    assert {row["line"]: row["state"] for row in answer["rows"]} == {2: "added", 3: "wrong", 4: "wrong"}


async def test_sensors_are_not_all_put_at_one_place(house: Gated) -> None:
    await house.hear(ONE, TWO)
    with pytest.raises(HubError, match=r"\{n\}"):
        await house.call("recette.adopt", id="ble:*", place="hall", dry_run=True)
    with pytest.raises(HubError, match="at which place"):
        await house.call("recette.adopt", id="ble:*", dry_run=True)


def test_a_pattern_is_filled_with_a_number_an_id_and_a_model() -> None:
    one = QuarantineEntry(id="ble:A4:C1:38:00:00:0F", integration="bluetooth", reason="", model="Tag 3")
    assert filled("s-{n}", 3, one) == "s-3"
    assert filled("s-{n:3}", 3, one) == "s-003"
    assert filled("{id}", 3, one) == "a4c13800000f"
    assert filled("{model}-{id:4}", 3, one) == "tag3-000f"
    assert filled("{other}", 3, one) == "{other}"


async def test_mode_recette_ends_by_itself_and_is_audited(house: Gated) -> None:
    await house.call("recette.start", seconds=3600)
    assert any("Mode recette is open" in sentence for sentence in house.recette.complaints())
    await house.clock.advance(3599)
    await house.recette.turn()
    assert (await house.call("recette.status"))["active"]
    await house.clock.advance(2)
    await house.recette.turn()
    assert not (await house.call("recette.status"))["active"]
    assert [what["recette"] for what in await house.audited()] == ["start", "end"]
    with pytest.raises(HubError, match="not open"):
        await house.call("recette.end")


async def test_mode_recette_that_is_ended_while_a_bulk_adoption_runs_stays_ended(
    house: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.call("recette.start", seconds=3600)
    await house.hear(ONE)
    add = house.adoption.add

    async def slowly(*wishes: Any, **how: Any) -> Any:
        rows = await add(*wishes, **how)
        await house.call("recette.end", by="eve")
        return rows

    monkeypatch.setattr(house.adoption, "add", slowly)
    answer = await house.call("recette.adopt", id="ble:*", place="hall", zone="rooms")
    assert [row["state"] for row in answer["rows"]] == ["added"]
    assert not (await house.call("recette.status"))["active"]
    assert not await house.store.get(RECETTE)


async def test_what_is_audited_of_mode_recette_holds_after_a_kill_right_after_it(
    house: Gated, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(*_: Any) -> None:
        raise StorageError("killed")

    monkeypatch.setattr(house.store, "put", killed)
    await house.call("recette.start", seconds=3600)
    assert await house.store.get(RECETTE)
    await house.call("recette.end")
    assert not await house.store.get(RECETTE)
    assert [what["recette"] for what in await house.audited()] == ["start", "end"]


async def test_mode_recette_that_is_ended_is_told_as_over(house: Gated) -> None:
    await house.call("recette.start", seconds=3600, why="new wing")
    ended = await house.call("recette.end")
    assert (ended["active"], ended["left_s"], ended["why"], ended["adopted"]) == (False, 0, "new wing", 0)


@pytest.mark.parametrize("seconds", [1, LONGEST_S + 1])
async def test_mode_recette_lasts_eight_hours_at_the_most(house: Gated, seconds: float) -> None:
    with pytest.raises(HubError, match="8 hours"):
        await house.call("recette.start", seconds=seconds)
    assert await house.store.get(RECETTE) is None


async def test_mode_recette_keeps_its_end_over_a_restart_and_rests_while_no_clock_is_sure(house: Gated) -> None:
    await house.call("recette.start", seconds=7200)
    await house.clock.advance(3600)
    await house.start()
    assert (await house.call("recette.status"))["left_s"] == 3600
    now = house.clock.now()
    house.clock.set(now - 50_000, sure=False)
    await house.recette.turn()
    assert not (await house.call("recette.status"))["active"], "nobody knows whether it is over"
    house.clock.set(now + 100)
    assert (await house.call("recette.status"))["left_s"] == 3500
    house.clock.set(now + 7200)
    await house.recette.turn()
    assert await house.audited() != []
    assert not (await house.call("recette.status"))["active"]


async def test_a_clock_that_is_set_back_does_not_lengthen_it(house: Gated) -> None:
    await house.call("recette.start", seconds=600)
    house.clock.set(house.clock.now() - 86_400)
    await house.clock.advance(601)
    await house.recette.turn()
    assert not (await house.call("recette.status"))["active"]


async def test_a_flood_of_200_sensors_is_adopted_in_one_call(house: Gated) -> None:
    devices = [f"ble:A4:C1:38:00:01:{n:02X}" for n in range(200)]
    for _ in range(2):
        await house.hear(*devices)
        await house.clock.advance(SPACING_S)
    await house.call("recette.start")
    began = time.monotonic()
    answer = await house.call("recette.adopt", id="ble:*", place="p-{n:3}", zone="rooms")
    print(f"200 sensors with 2 held reports each: {time.monotonic() - began:.2f} s")
    assert [row["state"] for row in answer["rows"]] == ["added"] * 200
    assert answer["released"] == 400
    assert house.waiting() == []


async def test_a_replaced_device_that_still_speaks_is_told_as_retired_and_never_as_a_stranger(house: Gated) -> None:
    new = "lorawan:00000000000000bb"
    house.devices.replace(OLD, new)
    house.pipeline.recompile()
    for _ in range(3):
        await house.emit("lorawan", OLD, values={"temperature": 20.5})
    answer = await house.gate.calls()["quarantine.list"]({})
    assert answer["waiting"] == []
    (told,) = answer["retired"]
    assert (told["id"], told["count"], new in told["reason"], told["held"]) == (OLD, 3, True, 0)
    assert house.gate.status()["waiting"] == 0
    assert not [event for event in house.told if event.kind == UNKNOWN]
    row = await house.add(device=OLD, place="hall", key="00" * 16)
    assert (row.state, f"{new} took its place" in row.en) == ("wrong", True)
    # the repaired one comes back: it is a device again
    house.devices.replace(new, OLD)
    house.pipeline.admit(OLD)
    assert (await house.gate.calls()["quarantine.list"]({}))["retired"] == []
    assert (house.devices.successor(OLD), house.devices.successor(new)) == ("", OLD)
