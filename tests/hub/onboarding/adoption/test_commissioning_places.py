"""Places in a commissioning: the one that is known is proposed before another one is made."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.errors import HubError
from hub.core.model import Place
from hub.onboarding.adoption.commissioning_service import CommissioningService
from hub.protocol.device_labels.device_request import DeviceRequest
from tests.hub.onboarding.adoption.adoption_kit import KEY, House, do

EUI, OTHER_EUI = "0018b20000001234", "0018b20000005678"
ID, OTHER = f"lorawan:{EUI}", f"lorawan:{OTHER_EUI}"
KEYED = f"DevEUI {EUI} AppKey {KEY.hex()}"
OLD = "lorawan:00000000000000aa"


async def test_a_place_that_waits_for_a_device_is_proposed_and_taken_by_a_touch(
    rolls: tuple[House, CommissioningService],
) -> None:
    house, roll = rolls
    for place in ("Salle 10", "Salle 9"):
        house.places.put(Place(id=place.lower().replace(" ", "-"), site="school", zone="rooms", name=place))
    row = (await do(roll, "scan", label=KEYED, zone="rooms"))["row"]
    assert (row["colour"], row["why"], row["place"], row["remedy"]["action"]) == ("grey", "no-place", "", "place")
    assert [(one["place"], one["name"], one["kind"]) for one in row["places"]] == [
        ("salle-9", "Salle 9", "free"), ("salle-10", "Salle 10", "free"),
    ]  # fmt: skip
    assert house.devices.get(ID) is None, "nothing was made for it"
    shown = (await do(roll, "show"))["rows"][0]
    assert shown["places"] == row["places"]
    assert (await do(roll, "retry"))["added"] == 0
    row = (await do(roll, "scan", label=KEYED, zone="rooms", place="salle-9"))["row"]
    assert (row["place"], row["place_name"], row["colour"]) == ("salle-9", "Salle 9", "blue")
    # the next one is not offered what is taken; and where nothing waits a place is made
    row = (await do(roll, "scan", device=OTHER, key=KEY.hex(), zone="rooms"))["row"]
    assert [one["place"] for one in row["places"]] == ["salle-10"]
    row = (await do(roll, "scan", device=OTHER, key=KEY.hex(), zone="rooms", place="salle 10"))["row"]
    assert row["place"] == "salle-10"
    assert len(house.places) == 4, "hall, boiler and the two"
    third = (await do(roll, "scan", device="lorawan:0018b20000009999", key=KEY.hex(), zone="rooms"))["row"]
    assert (third["place"], third["colour"]) == ("rooms-1", "blue")


async def test_the_place_of_a_silent_device_is_proposed_and_its_device_replaced(
    rolls: tuple[House, CommissioningService],
) -> None:
    house, roll = rolls
    asked = list[dict[str, Any]]()

    async def replace(arguments: dict[str, Any]) -> None:
        asked.append(arguments)
        house.devices.replace(arguments["old"], arguments["new"], bytes.fromhex(arguments["key"]))

    roll.replace = replace
    house.service._commissioning.expect(OLD)
    await house.clock.advance(2 * 86_400.0)
    row = (await do(roll, "scan", label=KEYED, zone="rooms"))["row"]
    assert row["places"] == [{"place": "hall", "name": "hall", "kind": "silent", "device": OLD}]
    told = {"label": KEYED, "zone": "rooms", "place": "hall", "instead": OLD}
    row = (await do(roll, "scan", **told))["row"]
    assert (row["device"], row["place"], row["colour"]) == (ID, "hall", "blue")
    assert asked == [{"old": OLD, "new": ID, "key": KEY.hex(), "by": "web:camille"}]
    assert (house.devices.successor(OLD), len(asked)) == (ID, 1)
    await do(roll, "scan", **told)
    assert len(asked) == 1, "scanned again, it stands there"


async def test_the_place_that_a_table_names_is_taken_once_its_zone_is_known(
    rolls: tuple[House, CommissioningService],
) -> None:
    house, roll = rolls
    house.places.put(Place(id="salle-4", site="school", zone="rooms", name="Salle 4"))
    kept = [
        DeviceRequest(device=ID, key=KEY.hex(), place="SALLE 4"),
        DeviceRequest(device=OTHER, key=KEY.hex(), place="Sous-sol"),
    ]
    await house.adoption.keep(kept, 1, dry_run=False, by="test")
    row = (await do(roll, "scan", device=ID, zone="cellar"))["row"]
    assert (row["place"], row["zone"], row["colour"]) == ("salle-4", "rooms", "blue")
    row = (await do(roll, "scan", device=OTHER, zone="cellar"))["row"]
    assert (row["place"], row["place_name"], row["zone"]) == ("sous-sol", "Sous-sol", "cellar")
    assert OTHER not in str(list(house.places)), "no id of hardware in a place"


async def test_a_place_that_was_made_is_named_afterwards_and_never_doubled(
    rolls: tuple[House, CommissioningService],
) -> None:
    house, roll = rolls
    first = (await do(roll, "scan", label=KEYED, zone="rooms"))["row"]
    assert first["place"] == "rooms-1"
    row = (await do(roll, "place", n=first["n"], place="Salle 4"))["row"]
    assert (row["place"], row["place_name"]) == ("rooms-1", "Salle 4")
    second = (await do(roll, "scan", device=OTHER, key=KEY.hex(), zone="rooms"))["row"]
    assert second["place"] == "rooms-2"
    row = (await do(roll, "place", n=second["n"], place="salle-04"))["row"]
    assert (row["place"], row["place_name"]) == ("rooms-1", "Salle 4")
    assert house.places.get("rooms-2") is None
    with pytest.raises(HubError, match="no such row"):
        await do(roll, "place", n=99, place="Salle 4")


async def test_only_an_optional_step_is_skipped_and_it_can_be_done_after_all(
    rolls: tuple[House, CommissioningService],
) -> None:
    _, roll = rolls
    await do(roll, "step", step="plan", skip=True)
    shown = await do(roll, "show")
    assert (list(shown["skipped"]), shown["steps"]["plan"]) == (["plan"], None)
    with pytest.raises(HubError, match="cannot be skipped"):
        await do(roll, "step", step="scan", skip=True)
    await do(roll, "step", step="plan")
    shown = await do(roll, "show")
    assert (list(shown["skipped"]), shown["steps"]["plan"][1]) == ([], "web:camille")
