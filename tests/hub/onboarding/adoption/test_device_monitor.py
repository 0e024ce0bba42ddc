"""Waiting, green, or in trouble: what a technician sees of each device."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hub.core.errors import DiskRefuses
from hub.core.model import Proof
from hub.core.text import code_of
from hub.i18n.typography import ascii_spaces
from hub.onboarding.adoption import tables
from hub.onboarding.adoption.device_monitor import EXPECTED_S, LOOK_S, PERIODS, SHORTEST_S, SILENT_S
from hub.onboarding.adoption.device_status import JOIN_S, REFUSED, Evidence, device_status
from hub.onboarding.adoption.remedies import NO_ANSWER, OTHER, remedy
from hub.pipeline.admission.quarantine import REFUSALS
from hub.plugin_host.supervisor import HEALTHY_S, QUARANTINED, RUNNING, STOPPED, WAITING
from tests.hub.onboarding.adoption.adoption_kit import KEY, PACKS, House

ID = "lorawan:0018b20000001234"
FRESH = Proof("lorawan-1.0", None, True)


@pytest.fixture
async def hall(house: House) -> House:
    """With one device that was just added."""
    await house.add(device=ID, key=KEY.hex(), place="hall")
    return house


def stand(house: House, device: str = ID) -> dict[str, Any]:
    return house.service.status_of(device)


async def report(house: House, **more: Any) -> None:
    await house.emit("lorawan", ID, **{"values": {"temperature": 20.0}, "proof": FRESH, **more})


async def test_a_new_device_waits_and_is_green_with_its_first_valid_report(hall: House) -> None:
    assert stand(hall) == {
        "state": "waiting", "why": "not-heard", "en": "waiting for its first report",
        "fr": "en attente de son premier relevé", "first_heard": None, "adopted": True,
    }  # fmt: skip
    assert hall.service.status() == {"devices": 2, "green": 0, "trouble": []}
    await report(hall)
    at = hall.clock.now()
    assert stand(hall) == {
        "state": "green", "why": "", "en": "reports", "fr": "remonte", "first_heard": at, "adopted": True,
    }  # fmt: skip
    await hall.clock.advance(60)
    await report(hall)
    assert stand(hall)["first_heard"] == at, "the first one counts"
    assert hall.service.status() == {"devices": 2, "green": 1, "trouble": []}


async def test_a_report_that_is_refused_makes_nothing_green(hall: House) -> None:
    await report(hall, proof=Proof("lorawan-1.0", 5, True))
    await hall.add(device="lorawan:0000000000000002", key=KEY.hex(), place="boiler")
    for values in ({"temperature": 9e9}, {"nonsense": 1.0}):
        await hall.emit("lorawan", "lorawan:0000000000000002", values=values, proof=FRESH)
    assert stand(hall, "lorawan:0000000000000002")["state"] == "waiting"


async def test_it_is_remembered_over_a_restart_and_until_another_key_is_given(hall: House) -> None:
    await report(hall)
    at = stand(hall)["first_heard"]
    await hall.service.flush()
    hall.live.forget(ID)
    await hall.start()
    assert (stand(hall)["state"], stand(hall)["first_heard"]) == ("green", at)
    await report(hall)
    hall.devices.rekey(ID, bytes(16))
    assert stand(hall)["state"] == "waiting", "what it said under the other key says nothing of this one"
    await hall.clock.advance(10)
    await report(hall)
    assert (stand(hall)["state"], stand(hall)["first_heard"]) == ("green", hall.clock.now())


async def test_the_service_writes_it_down_and_a_refusing_disk_is_tried_again(
    hall: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear, refused = tables.store_first_heard, []

    async def refusing(*arguments: Any) -> None:
        if not refused:
            refused.append(1)
            raise DiskRefuses("no space")
        await hear(*arguments)

    monkeypatch.setattr(tables, "store_first_heard", refusing)
    running = asyncio.create_task(hall.service.run())
    await report(hall)
    await hall.clock.advance(0)
    assert (await tables.load(hall.store)).heard == {}
    for _ in range(200):  # the store answers from a thread of its own
        await hall.clock.advance(LOOK_S)
        if (await tables.load(hall.store)).heard:
            break
    running.cancel()
    assert list((await tables.load(hall.store)).heard) == [ID]


@pytest.mark.parametrize("reason", sorted(REFUSED))
async def test_why_a_device_is_refused_is_said_in_words_until_it_is_validly_heard(hall: House, reason: str) -> None:
    hall.counts.add(reason, ID)
    said = stand(hall)
    assert (said["state"], said["why"]) == ("trouble", reason)
    assert said["en"] != said["fr"]
    await report(hall)
    assert stand(hall)["state"] == "green"
    hall.counts.add(reason, ID)
    enough = REFUSALS[reason].after if reason in REFUSALS else 1
    assert stand(hall)["state"] == ("trouble" if enough == 1 else "green"), "one forged frame says nothing"
    hall.counts.add(reason, ID, enough - 1)
    assert stand(hall)["why"] == reason


async def test_what_was_counted_before_it_was_added_says_nothing_of_it(house: House) -> None:
    house.counts.add("bad-mic", ID)
    await house.add(device=ID, key=KEY.hex(), place="hall")
    assert stand(house)["state"] == "waiting"
    house.counts.add("bad-mic", ID)
    assert "clé fausse" in stand(house)["fr"]


async def test_silence_is_told_after_a_while_and_ends_with_a_word(hall: House) -> None:
    await hall.clock.advance(EXPECTED_S - 1)
    assert stand(hall)["state"] == "waiting"
    await hall.clock.advance(2)
    assert stand(hall)["why"] == "silent"
    assert ascii_spaces(stand(hall)["fr"]) == "aucune nouvelle : hors de portée ou éteint ?"
    await report(hall)
    assert stand(hall)["state"] == "green"
    await hall.clock.advance(SILENT_S + 1)
    assert stand(hall)["why"] == "silent"


async def test_a_pack_that_names_its_period_makes_silence_shorter(house: House) -> None:
    await house.add(device=ID, key=KEY.hex(), place="boiler", pack="ewattch-squid")
    running = asyncio.create_task(house.service.run())
    async with asyncio.timeout(60):
        while "ewattch-squid" not in house.service._commissioning._periods:
            await asyncio.sleep(0.01)
    running.cancel()
    period = (await PACKS.get("ewattch-squid")).keys.period
    assert period is not None
    assert EXPECTED_S > SHORTEST_S
    await house.clock.advance(max(PERIODS * period.total_seconds(), SHORTEST_S) - 1)
    assert stand(house)["state"] == "waiting"
    await house.clock.advance(2)
    assert stand(house)["why"] == "silent"


async def test_a_join_is_no_report_and_one_without_a_word_after_it_is_told(hall: House) -> None:
    await report(hall, values={"battery": 90.0}, proof=Proof("lorawan-join", None, True))
    assert (stand(hall)["state"], stand(hall)["why"]) == ("waiting", "joined")
    await hall.clock.advance(JOIN_S + 1)
    assert (stand(hall)["state"], stand(hall)["why"]) == ("trouble", "elsewhere")
    await report(hall)
    assert stand(hall)["state"] == "green"


@pytest.mark.parametrize(("state", "error"), [(STOPPED, "no rights"), (QUARANTINED, "a bug"), (WAITING, "away")])
async def test_an_integration_that_does_not_run_is_the_reason(hall: House, state: str, error: str) -> None:
    await report(hall)
    hall.health[0].state, hall.health[0].error = state, error
    assert (stand(hall)["state"], stand(hall)["why"]) == ("trouble", "integration")
    assert error in stand(hall)["fr"]
    hall.health[0].name = "another"
    assert "disabled" in stand(hall)["en"]


async def test_an_integration_that_has_just_begun_again_says_nothing_good_of_its_devices(hall: House) -> None:
    await report(hall)
    health = hall.health[0]
    health.state, health.error, health.through, health.since = RUNNING, "nobody answers", False, hall.clock.now()
    await hall.clock.advance(HEALTHY_S - 1)
    assert stand(hall)["why"] == "integration", "its former attempt failed, this one has not got through"
    await hall.clock.advance(2)
    assert stand(hall)["state"] == "green", "it runs, and its devices speak when they like"
    health.since, health.through = hall.clock.now(), True
    assert stand(hall)["state"] == "green"


@pytest.mark.parametrize(("outcome", "why"), [("silent", "unreachable"), ("unread", "not-read")])
async def test_a_polled_device_is_in_trouble_as_soon_as_a_poll_gives_nothing(
    hall: House, outcome: str, why: str
) -> None:
    failed: dict[str, str] = {}
    hall.service._commissioning._polls_failed = failed
    await report(hall)
    assert stand(hall)["state"] == "green"
    failed[ID] = outcome
    assert (stand(hall)["state"], stand(hall)["why"]) == ("trouble", why), "not after a day"
    assert stand(hall)["en"] != stand(hall)["fr"]
    assert remedy(why) is (NO_ANSWER if outcome == "silent" else OTHER)
    on_duty = [False]
    hall.service._commissioning._on_duty = lambda device: on_duty[0]
    assert stand(hall)["why"] == "resting", "an inverter sleeps at night"
    on_duty[0] = True
    failed.clear()
    assert stand(hall)["state"] == "green"


async def test_what_nothing_reads_is_told(hall: House) -> None:
    hall.counts.add("no-codec", ID)
    await report(hall)
    assert stand(hall)["why"] == "unread"
    await hall.clock.advance(1)
    await report(hall)
    assert stand(hall)["state"] == "green"


async def test_a_date_that_nobody_was_sure_of_is_not_told(hall: House) -> None:
    hall.clock.set(hall.clock.now(), sure=False)
    await report(hall)
    assert (stand(hall)["state"], stand(hall)["first_heard"]) == ("green", None)


async def test_an_unknown_device_stands_nowhere(house: House) -> None:
    assert stand(house, "ble:nobody") == {"adopted": False}


def test_the_worst_is_said_first() -> None:
    whole = Evidence(plugin="", refused="", unread=False, spoke=True, silent_s=0, joined_s=None, patience_s=60)
    assert device_status(whole).state == "green"
    assert device_status(whole._replace(unread=True)).why == "unread"
    assert device_status(whole._replace(unread=True, silent_s=61)).why == "silent"
    assert device_status(whole._replace(silent_s=61, refused="bad-mic")).why == "bad-mic"
    assert device_status(whole._replace(refused="bad-mic", plugin="x is away")).why == "integration"
    joined = whole._replace(spoke=False, joined_s=1.0, silent_s=61)
    assert (device_status(joined).state, device_status(joined).why) == ("waiting", "joined")
    assert (
        device_status(joined._replace(joined_s=JOIN_S + 1)).state,
        device_status(joined._replace(joined_s=JOIN_S + 1)).why,
    ) == (
        "trouble",
        "elsewhere",
    )
    assert code_of(device_status(joined._replace(joined_s=JOIN_S + 1)).said) == "device-joined-elsewhere"


async def test_a_device_off_duty_rests_and_gets_its_full_time_when_its_hours_begin(hall: House) -> None:
    await report(hall)
    on_duty = [False]
    hall.service._commissioning._on_duty = lambda device: on_duty[0]
    await hall.clock.advance(10 * SILENT_S)
    assert (stand(hall)["state"], stand(hall)["why"]) == ("waiting", "resting")
    on_duty[0] = True
    await hall.clock.advance(60)
    assert stand(hall)["state"] == "green"
    await hall.clock.advance(2 * SILENT_S)
    assert (stand(hall)["state"], stand(hall)["why"]) == ("trouble", "silent")
