"""The district tells a hub at which site a device stands that it waits for, little more, and not without a trace."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from backend_kit import Desk, Sender, row

from backend.conformance.probe import Probe
from backend.ingest import other_hubs
from backend.ingest.other_hubs import DAY, EVERY_S, OtherHubs
from backend.processes.ingest_process import Running
from hub.core.errors import NotReady
from hub.identity.enrolment import enrol
from hub.protocol.records.rows import Column, Row, Shape, Subject

from ..conftest import token_for

NOW = 1_800_000_000.0
MOVED, OWN, GONE = (Subject(f"lorawan:{n:016x}", f"room-{n}", "school", "rooms") for n in range(3))
NAMELESS = Subject("lorawan:00000000000000aa", "room-9", "", "rooms")
RADIO = Subject("ble:A4:C1:38:01:02:03", "room-4", "school", "rooms")


@pytest.fixture
def hub(plain: Desk) -> Sender:
    return plain.enrol()


def say(desk: Desk, hub: Sender, *rows: Row) -> None:
    segment = hub.segment()
    desk.post(hub, segment.message([segment.block([one]) for one in rows]))


def at(subject: Subject, ago: float, **more: Any) -> Row:
    return row(time_ms=int((NOW - ago) * 1000), subject=subject, **more)


def ask(desk: Desk, hub: Sender, *devices: str, now: float = NOW) -> dict[str, str]:
    found = OtherHubs(desk.ingest.storage).answer(hub.hub, devices, now)
    assert all(one["hub"] == "" and set(one) == {"hub", "name"} for one in found.values())
    return {device: one["name"] for device, one in found.items()}


def test_a_hub_is_told_the_site_of_what_another_heard_since_and_neither_who_nor_when(plain: Desk, hub: Sender) -> None:
    other = plain.enrol()
    say(plain, hub, at(MOVED, 100), at(OWN, 50))
    say(plain, other, at(MOVED, 60), at(OWN, 60), at(NAMELESS, 60))
    found = ask(plain, hub, *(one.device for one in (MOVED, OWN, GONE, NAMELESS)))
    assert found == {MOVED.device: "school", NAMELESS.device: "test"}
    assert ask(plain, other, MOVED.device, NAMELESS.device) == {}


def test_of_radios_that_whoever_is_near_hears_and_of_what_was_heard_long_ago_nothing_is_told(
    plain: Desk, hub: Sender
) -> None:
    other = plain.enrol()
    say(plain, other, at(RADIO, 60), at(MOVED, other_hubs.RECENT_S + 1), at(OWN, -2 * DAY))
    assert ask(plain, hub, RADIO.device, MOVED.device, OWN.device) == {}
    assert ask(plain, hub, MOVED.device, now=NOW - 2) == {MOVED.device: "school"}


@pytest.mark.parametrize("what", ["personal", "latitude"])
def test_of_a_device_that_tells_of_people_or_where_it_is_nothing_is_told(plain: Desk, hub: Sender, what: str) -> None:
    other = plain.enrol()
    column = Column("latitude", "deg") if what == "latitude" else Column("co2", "ppm", privacy="personal")
    say(plain, other, at(MOVED, 60), Row(MOVED, Shape((column,)), int(NOW * 1000), True, (400.0,), 0, 1))
    assert ask(plain, hub, MOVED.device) == {}


def test_a_hub_cannot_go_through_a_makers_numbers_and_that_it_tried_is_seen(
    plain: Desk, hub: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other_hubs, "DEVICES_A_DAY", 3)
    other = plain.enrol()
    say(plain, other, at(MOVED, 60))
    tried = [f"lorawan:{n:016x}" for n in range(100, 105)]
    assert ask(plain, hub, *tried[:2]) == {}
    assert plain.alarms() == []
    assert ask(plain, hub, *tried[2:], MOVED.device) == {}
    assert plain.alarms() == [other_hubs.ALARM]
    assert ask(plain, hub, *tried[:3]) == {}, "the same ones may be asked again"
    assert ask(plain, hub, MOVED.device, now=NOW + DAY + 1) == {MOVED.device: "school"}
    assert len(plain.views.asked(hub.hub)) == 4
    assert [(one["device"], one["told_at"]) for one in plain.views.asked() if one["told_at"]] == [
        (MOVED.device, NOW + DAY + 1)
    ]


def test_one_question_follows_another_after_a_while(plain: Desk, hub: Sender) -> None:
    asking, storage = OtherHubs(plain.ingest.storage), plain.ingest.storage
    segment = hub.segment()
    plain.post(hub, segment.message([segment.block([row()])]))
    known = storage.streams.find(hub.hub, segment.run, "readings")
    assert known is not None
    asking.answer(hub.hub, [MOVED.device], NOW)
    with pytest.raises(NotReady, match="just asked"):
        asking.answer(hub.hub, [MOVED.device], NOW + EVERY_S - 1)
    assert storage.streams.find(hub.hub, segment.run, "readings") is known, "what is known of all hubs stays so"
    asking.answer("hub-other", [MOVED.device], NOW + 1)
    asking.answer(hub.hub, [MOVED.device], NOW + EVERY_S)


# -- over the wire -------------------------------------------------------------------------------------------------


@pytest.fixture
async def other(served: Running, probe: Probe, tmp_path: Path) -> Probe:
    token = token_for(served)
    await enrol(token, tmp_path / "other", name="volé")
    return Probe(served.url, token, tmp_path / "other", probe.session)


async def wire(probe: Probe, devices: list[str], *, certificate: bool = True) -> tuple[int, dict[str, Any]]:
    context = probe.tls(certificate=certificate)
    async with probe.session.post(f"{probe.url}/v1/whereabouts", json={"devices": devices}, ssl=context) as answer:
        return answer.status, (await answer.json()).get("devices", {})


async def listed(served: Running, probe: Probe) -> Any:
    bearer = {"Authorization": f"Bearer {served.owner.api_token}"}
    async with probe.session.get(f"{probe.url}/v1/whereabouts", headers=bearer, ssl=probe.tls()) as answer:
        return (await answer.json())["asked"]


@pytest.mark.real("network")
async def test_a_revoked_hub_neither_asks_nor_is_named(
    served: Running, probe: Probe, other: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other_hubs, "EVERY_S", 3600.0)
    segment = other.segment()
    said = row(time_ms=int(time.time() * 1000), subject=MOVED)
    assert (await other.post(segment.message([segment.block([said])]))).status == 200
    assert await wire(probe, [MOVED.device]) == (200, {MOVED.device: {"hub": "", "name": "school"}})
    assert (await wire(probe, [MOVED.device]))[0] == 503, "it has only just asked"
    monkeypatch.setattr(other_hubs, "EVERY_S", 0.0)
    await served.worker.call(lambda ingest: ingest.registry.revoke(other.hub, 1.0))
    assert (await wire(probe, [MOVED.device]))[1] == {}
    assert (await wire(other, [MOVED.device]))[0] == 403
    assert [(one["hub"], one["device"]) for one in await listed(served, probe)] == [(probe.hub, MOVED.device)]


@pytest.mark.real("network")
async def test_only_a_hub_asks_and_not_for_the_whole_district_at_once(probe: Probe) -> None:
    assert (await wire(probe, [MOVED.device], certificate=False))[0] == 403
    assert (await wire(probe, ["lorawan:x"] * 101))[0] == 400


@pytest.mark.real("network")
async def test_the_operator_alone_sees_who_asked(served: Running, probe: Probe) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{probe.url}/v1/whereabouts", ssl=probe.tls()) as reply:
        assert reply.status == 401
