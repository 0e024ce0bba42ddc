"""The expected devices of a commissioning: each counts, each is durable before it is answered, none holds a key."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.errors import AuthFailed, HubError, NotReady
from hub.core.model import Proof
from hub.i18n.catalogues import translate
from hub.onboarding.adoption import commissioning_list
from hub.onboarding.adoption.commissioning_service import CommissioningService
from hub.onboarding.adoption.report import sign, verify
from hub.protocol.device_labels import Unreadable
from hub.protocol.hub_id import hub_id
from tests.hub.onboarding.adoption.adoption_kit import KEY, House, do

EUI, OTHER_EUI = "0018b20000001234", "0018b20000005678"
ID, OTHER = f"lorawan:{EUI}", f"lorawan:{OTHER_EUI}"
QR = f"LW:D0:1122334455667788:{EUI.upper()}:FFFF0001"
KEYED = f"DevEUI {EUI} AppKey {KEY.hex()}"


async def rows(rolls: CommissioningService) -> list[dict[str, Any]]:
    return list((await do(rolls, "show"))["rows"])


async def test_a_row_goes_from_grey_to_blue_to_amber_to_green(rolls: tuple[House, CommissioningService]) -> None:
    house, roll = rolls
    said = (await do(roll, "scan", label=QR, zone="rooms", how="scan"))["row"]
    assert (said["colour"], said["why"], said["remedy"]["fr"]) == ("grey", "no-key", "Clé absente")
    assert (said["place"], house.devices.get(ID)) == ("rooms-1", None)
    await house.call("device.keep", wishes=[{"device": ID, "key": KEY.hex(), "pack": "cayenne-lpp"}])
    assert await do(roll, "retry") == {"tried": 1, "added": 1}
    (row,) = await rows(roll)
    assert (row["colour"], row["place"], row["zone"]) == ("blue", "rooms-1", "rooms")
    await house.emit("lorawan", ID, values={"battery": 90.0}, proof=Proof("lorawan-join", None, True))
    assert (await rows(roll))[0]["colour"] == "amber"
    await house.clock.advance(10)
    await house.emit("lorawan", ID, values={"temperature": 20.0}, proof=Proof("lorawan-1.0", 1, True))
    shown = await do(roll, "show")
    assert (shown["rows"][0]["colour"], shown["rows"][0]["remedy"]) == ("green", None)
    assert (shown["green"], shown["expected"]) == (1, 1)


async def test_what_was_answered_is_there_in_the_next_life_and_green_stays_green(
    rolls: tuple[House, CommissioningService],
) -> None:
    house, roll = rolls
    await do(roll, "scan", label=KEYED, zone="rooms", how="scan")
    await do(roll, "unreadable", note="salle 4", zone="rooms")
    await do(roll, "step", step="site")
    await house.emit("lorawan", ID, values={"temperature": 20.0}, proof=Proof("lorawan-1.0", 1, True))
    before = await rows(roll)
    await house.start()  # nothing was stopped in order: as after a power cut
    again = house.service.rolls
    assert await rows(again) == before
    assert [row["colour"] for row in before] == ["green", "grey"]
    assert (await do(again, "show"))["steps"]["site"][1] == "web:camille"
    assert (await do(again, "scan", label=KEYED))["known"]
    assert len(await rows(again)) == 2


async def test_no_key_is_ever_in_the_roster_the_audit_or_the_report(rolls: tuple[House, CommissioningService]) -> None:
    house, roll = rolls
    await do(roll, "scan", label=KEYED, zone="rooms")
    await do(roll, "scan", device=OTHER, key=KEY[::-1].hex(), zone="rooms")
    assert house.store is not None
    kept = await house.store.get(commissioning_list.KEPT)
    assert kept is not None
    report = (await do(roll, "report"))["body"]
    audit = str([one.what for one in await house.store.audited()])
    for key in (KEY, KEY[::-1]):
        assert key not in kept
        assert not any(key.hex() in text for text in (kept.decode("latin-1"), report, audit))
    assert house.devices.key(OTHER) == KEY[::-1]


async def test_a_label_that_names_nothing_is_no_row_and_says_why_in_both_languages(
    rolls: tuple[House, CommissioningService],
) -> None:
    _, roll = rolls
    with pytest.raises(Unreadable) as caught:
        await do(roll, "scan", label="LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122:CAF2D")
    assert "checksum" in str(caught.value)
    assert "contrôle" in translate(caught.value.detail, "fr")
    assert await rows(roll) == []


async def test_another_device_takes_a_rows_place_with_one_scan_and_the_key_of_the_inventory(
    rolls: tuple[House, CommissioningService],
) -> None:
    house, roll = rolls
    asked: list[dict[str, Any]] = []

    async def replace(arguments: dict[str, Any]) -> None:
        asked.append(arguments)
        house.devices.replace(arguments["old"], arguments["new"], bytes.fromhex(arguments["key"]))

    roll.replace = replace
    await do(roll, "scan", label=KEYED, zone="rooms")
    await house.call("device.keep", wishes=[{"device": OTHER, "key": KEY[::-1].hex()}])
    row = (await do(roll, "replace", n=1, label=OTHER_EUI))["row"]
    assert asked == [{"old": ID, "new": OTHER, "key": KEY[::-1].hex(), "by": "web:camille"}]
    assert (row["device"], row["place"], row["colour"]) == (OTHER, "rooms-1", "blue")
    unreadable = (await do(roll, "unreadable", note="couloir", zone="rooms"))["row"]
    assert unreadable["remedy"]["fr"] == "Étiquette illisible"
    row = (await do(roll, "replace", n=unreadable["n"], label=f"DevEUI 0018b2000000aaaa AppKey {KEY.hex()}"))["row"]
    assert (row["colour"], row["device"]) == ("blue", "lorawan:0018b2000000aaaa")


async def test_one_device_is_never_two_rows(rolls: tuple[House, CommissioningService]) -> None:
    _, roll = rolls
    await do(roll, "scan", label=KEYED, zone="rooms")
    second = (await do(roll, "scan", label=OTHER_EUI, zone="rooms"))["row"]
    unreadable = (await do(roll, "unreadable", note="couloir", zone="rooms"))["row"]
    for n in (second["n"], unreadable["n"]):
        with pytest.raises(Unreadable, match="expected already") as caught:
            await do(roll, "replace", n=n, label=KEYED)
        assert "déjà attendu" in translate(caught.value.detail, "fr")
    assert [row["device"] for row in await rows(roll)] == [ID, OTHER, ""]
    await do(roll, "forget", n=second["n"])
    row = (await do(roll, "replace", n=unreadable["n"], device=OTHER, key=KEY.hex()))["row"]
    assert (row["device"], len(await rows(roll))) == (OTHER, 2)


async def test_what_an_inventory_added_is_expected_once_each_by_one_change_of_the_roster(
    rolls: tuple[House, CommissioningService],
) -> None:
    house, roll = rolls
    ids = [f"lorawan:{n:016x}" for n in range(1, 9)]
    wishes = [{"device": one, "key": KEY.hex(), "place": "hall", "name": one[-2:]} for one in ids]
    await house.call("device.add", wishes=wishes)
    await do(roll, "scan", device=ids[0])
    assert house.store is not None
    before = len(await house.store.audited())
    assert await do(roll, "expect", devices=[*ids, *ids, "lorawan:unknown"]) == {"expected": 7}
    assert len(await house.store.audited()) == before + 1
    assert [(row["n"], row["device"], row["how"]) for row in await rows(roll)][1:] == [
        (n, one, "inventory") for n, one in enumerate(ids[1:], 2)
    ]
    assert await do(roll, "expect", devices=ids) == {"expected": 0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hub.onboarding.adoption.commissioning_service.MOST", 8)
        await do(roll, "forget", n=1)
        await do(roll, "unreadable", note="x")
        with pytest.raises(HubError, match="at most 8"):
            await do(roll, "expect", devices=ids)
    assert len(await rows(roll)) == 8


async def test_rows_that_are_tried_again_are_added_together_by_one_change_of_the_roster(
    rolls: tuple[House, CommissioningService],
) -> None:
    house, roll = rolls
    ids = [f"lorawan:{n:016x}" for n in range(1, 9)]
    for one in ids:
        await do(roll, "scan", device=one, zone="rooms")
    assert [row["colour"] for row in await rows(roll)] == ["grey"] * 8
    await house.call("device.keep", wishes=[{"device": one, "key": KEY.hex()} for one in ids[1:]])
    assert house.store is not None
    changes, seen = house.changes, len(await house.store.audited())
    assert await do(roll, "retry") == {"tried": 8, "added": 7}
    assert house.changes == changes + 1
    said = [one.what for one in (await house.store.audited())[seen:] if "roster" in one.what]
    assert said == [{"roster": "retry", "tried": 8, "added": 7}]
    found = await rows(roll)
    assert [row["colour"] for row in found] == ["grey"] + ["blue"] * 7
    assert {row["place"] for row in found} == {f"rooms-{n}" for n in range(1, 9)}
    await house.start()
    assert await rows(house.service.rolls) == found


async def test_more_rows_than_are_added_at_once_are_tried_again_by_portions(
    rolls: tuple[House, CommissioningService], monkeypatch: pytest.MonkeyPatch
) -> None:
    house, roll = rolls
    ids = [f"lorawan:{n:016x}" for n in range(1, 6)]
    for one in ids:
        await do(roll, "scan", device=one, zone="rooms")
    await house.call("device.keep", wishes=[{"device": one, "key": KEY.hex()} for one in ids])
    monkeypatch.setattr("hub.onboarding.adoption.engine.MAX_REQUESTS", 2)
    monkeypatch.setattr("hub.onboarding.adoption.commissioning_service.TOGETHER", 2)
    assert await do(roll, "retry") == {"tried": 5, "added": 5}


async def test_what_a_row_keeps_is_bounded(rolls: tuple[House, CommissioningService]) -> None:
    _, roll = rolls
    for field in ("place", "zone", "name", "pack"):
        with pytest.raises(Unreadable, match="takes at most"):
            await roll.calls()["roster.scan"]({"by": "web:camille", "label": KEYED, field: "x" * 60_000})
    assert await rows(roll) == []


async def test_the_district_says_where_a_silent_device_is_and_its_silence_says_nothing(
    rolls: tuple[House, CommissioningService],
) -> None:
    _, roll = rolls
    await do(roll, "scan", label=KEYED, zone="rooms")
    assert (await rows(roll))[0]["remedy"]["fr"] == "Hors de portée"

    async def where(devices: list[str]) -> dict[str, str]:
        assert devices == [ID]
        return {ID: "École voisine"}

    roll.where = where
    await roll.look()
    assert (await rows(roll))[0]["remedy"]["fr"] == "Déjà sur un autre concentrateur\u00a0: École voisine"

    async def away(devices: list[str]) -> dict[str, str]:
        raise NotReady("away")

    roll.where = away
    await roll.look()
    assert (await rows(roll))[0]["remedy"]["fr"] == "Déjà sur un autre concentrateur\u00a0: École voisine"


async def test_two_phones_that_scan_at_once_make_two_rows(rolls: tuple[House, CommissioningService]) -> None:
    import asyncio

    _, roll = rolls
    await asyncio.gather(*(do(roll, "scan", device=f"lorawan:{n:016x}", key=KEY.hex(), zone="rooms") for n in range(8)))
    found = await rows(roll)
    assert [row["n"] for row in found] == list(range(1, 9))
    assert len({row["place"] for row in found}) == 8


async def test_the_outline_of_a_zone_is_kept_with_its_plan_over_a_commissioning_until_it_is_removed(
    rolls: tuple[House, CommissioningService],
) -> None:
    _, roll = rolls
    corners = [[0, 0], [1, 0], [0.5, 0.33333]]
    told = await do(roll, "outline", plan="p1", zone="rooms", points=corners)
    assert told["points"] == [[0.0, 0.0], [1.0, 0.0], [0.5, 0.3333]]
    wrong: list[dict[str, Any]] = [
        {"points": corners[:2]},
        {"points": [[0.5, 0.5]] * 41},
        {"points": [[0, 0], [1, 0], [1, 1.01]]},
        {"points": [[0, 0], [1, 0], ["x", 1]]},
        {"points": [[0, 0], [1, 0], [float("nan"), 1]]},
        {"points": [[0, 0], [1, 0], 7]},
        {"points": "abc"},
        {"zone": "nowhere"},
        {"plan": ""},
    ]
    for what in wrong:
        with pytest.raises(HubError, match="3 to 40 corners"):
            await do(roll, "outline", **{"plan": "p1", "zone": "rooms", "points": corners, **what})
    await do(roll, "begin")
    kept = (await do(roll, "show"))["outlines"]
    assert [list(point) for point in kept["p1"]["rooms"]] == told["points"]
    for n in range(70):
        await do(roll, "outline", plan=f"other-{n}", zone="rooms", points=corners)
    assert len((await do(roll, "show"))["outlines"]) == 64, "outlines of plans that are gone do not grow for ever"
    await do(roll, "outline", plan="other-69", zone="rooms", points=[])
    assert "other-69" not in (await do(roll, "show"))["outlines"]


async def test_a_commissioning_ends_and_another_begins_with_nothing_expected(
    rolls: tuple[House, CommissioningService],
) -> None:
    house, roll = rolls
    await do(roll, "scan", label=KEYED, zone="rooms")
    with pytest.raises(HubError, match="under way"):
        await do(roll, "begin")
    await do(roll, "pin", place="hall", plan="p1", x=0.25, y=0.5)
    with pytest.raises(HubError, match="0 to 1"):
        await do(roll, "pin", place="hall", plan="p1", x=1.25, y=0.5)
    await do(roll, "end")
    await do(roll, "begin")
    shown = await do(roll, "show")
    assert (shown["expected"], shown["pins"]) == (0, {"hall": {"plan": "p1", "x": 0.25, "y": 0.5}})
    assert house.devices.get(ID) is not None
    await do(roll, "forget", n=(await do(roll, "unreadable", note="x"))["row"]["n"])
    assert await rows(roll) == []


async def test_where_a_site_is_stays_over_lives_and_commissionings_and_stands_in_the_report(
    rolls: tuple[House, CommissioningService],
) -> None:
    house, roll = rolls
    (site,) = house.service.rolls._context.sites
    said = await do(roll, "position", site=site, latitude=48.8566, longitude="2.3522", accuracy=12)
    spot = {"latitude": 48.8566, "longitude": 2.3522, "accuracy": 12.0, "by": "web:camille"}
    assert said["position"] == {**spot, "at": said["position"]["at"]}
    for wrong in (
        {"latitude": 91, "longitude": 2}, {"latitude": 48}, {"latitude": "nan", "longitude": 2},
        {"latitude": 48, "longitude": 2, "accuracy": -1}, {"latitude": 48, "longitude": 2, "accuracy": "x"},
    ):  # fmt: skip
        with pytest.raises(HubError, match="latitude"):
            await do(roll, "position", site=site, **wrong)
    with pytest.raises(HubError, match="site of this hub"):
        await do(roll, "position", site="elsewhere", latitude=48, longitude=2)
    await do(roll, "begin")
    await house.start()
    again = house.service.rolls
    assert (await do(again, "show"))["positions"] == {site: said["position"]}
    assert (await do(again, "report"))["report"]["positions"] == {site: said["position"]}
    assert (await do(again, "position", site=site))["position"] is None
    assert (await do(again, "show"))["positions"] == {}


async def test_a_report_that_was_altered_or_names_another_hub_is_found_out(
    rolls: tuple[House, CommissioningService],
) -> None:
    house, roll = rolls
    identity = house.keys.identity
    own = hub_id(identity.public_key().public_bytes_raw())

    async def facts() -> dict[str, Any]:
        return {"hub": own}

    roll.facts = facts
    await do(roll, "scan", label=KEYED, zone="rooms")
    answer = await do(roll, "report")
    assert verify(answer)["expected"] == 1
    with pytest.raises(AuthFailed, match="altered"):
        verify({**answer, "body": answer["body"].replace('"expected":1', '"expected":2')})
    with pytest.raises(AuthFailed, match="forgery"):
        verify(sign({**answer["report"], "hub": "hub-other"}, identity))
    with pytest.raises(AuthFailed, match="altered"):
        verify({})
