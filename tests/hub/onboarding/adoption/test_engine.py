"""Devices that come and go while the hub runs."""

from __future__ import annotations

import asyncio
import base64
import time
from pathlib import Path
from typing import Any

import apsw
import pytest

from hub.core.disk.sqlite import connect
from hub.core.errors import HubError, StorageError
from hub.core.model import Candidate, Place, Proof
from hub.core.store import SCHEMA
from hub.onboarding.adoption import tables
from hub.onboarding.adoption.engine import MAX_REQUESTS
from hub.protocol.device_labels import Unreadable
from hub.protocol.device_labels.device_request import DeviceRequest
from hub.protocol.documents import inventory
from hub.protocol.documents.trust import Root, fingerprint
from hub.sdk.testing import settle
from tests.hub.onboarding.adoption.adoption_kit import KEY, House
from tests.processor import uncollected

EUI = "0018b20000001234"
ID = f"lorawan:{EUI}"
OTHER = bytes(reversed(KEY))
LABEL = f"DevEUI {EUI} AppKey {KEY.hex()}"
NEW = {"place": "room-1", "zone": "rooms"}


async def test_a_device_by_its_label_is_known_at_once_to_its_integration_and_over_a_restart(house: House) -> None:
    changes = house.devices.changes("lorawan")
    waiting = asyncio.ensure_future(anext(changes))
    await settle()
    row = await house.add(label=LABEL, pack="cayenne-lpp", name="Salle 1", **NEW)
    assert (row.state, row.device, row.place, row.zone, row.integration, row.pack, row.key_from) == (
        "added", ID, "room-1", "rooms", "lorawan", "cayenne-lpp", "label",
    )  # fmt: skip
    heard = await waiting
    await changes.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert (heard.id, heard.key, heard.place, heard.pack, heard.name) == (ID, KEY, "room-1", "cayenne-lpp", "Salle 1")
    assert heard.settings["adr"] is True, "the settings are whole, as the integration's model has them"
    assert house.changes == 1, "a backup is due"
    before = house.devices.get(ID)
    await house.start()
    assert house.devices.get(ID) == before
    place = house.places.get("room-1")
    assert place is not None
    assert (place.site, place.zone) == ("school", "rooms")
    assert house.adoption.added(ID)
    assert not house.adoption.added("lorawan:00000000000000aa")


async def test_a_successor_is_named_by_its_id_or_its_label_and_brings_the_key_that_is_known(house: House) -> None:
    assert await house.service.successor(ID) == (ID, "")
    assert await house.service.successor(LABEL) == (ID, KEY.hex())
    kept = [DeviceRequest(device=ID, key=OTHER.hex())]
    await house.adoption.keep(kept, 1, dry_run=False, by="test")
    assert await house.service.successor(EUI) == (ID, OTHER.hex()), "a DevEUI alone, as it is printed"
    for said in ("", "a cupboard"):
        with pytest.raises(HubError):
            await house.service.successor(said)


async def test_it_is_audited_without_its_key(house: House) -> None:
    await house.add(label=LABEL, **NEW)
    await house.adoption.remove(ID, dry_run=False, by="somebody")
    said = [(entry.who, entry.what) for entry in await house.store.audited()]
    assert said == [
        ("test", {"place": "add", "id": "room-1", "zone": "rooms"}),
        ("test", {"device": "add", "id": ID, "place": "room-1", "keyed": True}),
        ("somebody", {"device": "remove", "id": ID}),
    ]


async def test_adding_it_again_changes_nothing_and_says_so(house: House) -> None:
    await house.add(label=LABEL, pack="cayenne-lpp", **NEW)
    for wish in (
        {"label": LABEL, "place": "room-1"}, {"device": ID.upper().replace("LORAWAN", "lorawan"), "place": "room-1"},
        {"device": ID, "key": KEY.hex(), "place": "room-1", "zone": "rooms", "pack": "cayenne-lpp"},
    ):  # fmt: skip
        assert (await house.add(**wish)).state == "already"
    assert house.changes == 1
    assert len(await house.store.audited()) == 2


async def test_a_difference_is_told_and_made_only_when_that_was_meant(house: House) -> None:
    await house.add(label=LABEL, **NEW)
    row = await house.add(device=ID, place="hall", key=OTHER.hex())
    assert row.state == "wrong"
    assert "another place, key" in row.en
    assert "mise à jour" in row.fr
    row = await house.add(device=ID, place="hall", key=OTHER.hex(), update=True)
    assert row.state == "changed"
    await house.start()
    device = house.devices.get(ID)
    assert device is not None
    assert (device.place, device.key) == ("hall", OTHER)


async def test_a_dry_run_says_the_same_and_changes_nothing(house: House) -> None:
    rows = await house.adoption.add(
        [DeviceRequest(label=LABEL, **NEW), DeviceRequest(device=f"lorawan:{1:016x}", key=KEY.hex(), place="room-1")],
        dry_run=True,
        update=False,
        by="test",
    )
    assert [row.state for row in rows] == ["added", "added"], "the second stands at the place that the first would make"
    assert house.devices.get(ID) is None
    assert house.places.get("room-1") is None
    assert (await tables.load(house.store)).devices == {}
    assert (house.changes, await house.store.audited()) == (0, [])


async def test_each_wish_is_whole_or_not_at_all(house: House) -> None:
    wishes = [
        DeviceRequest(line=2, label=LABEL, **NEW),
        DeviceRequest(line=3, device=f"lorawan:{1:016x}", place="hall"),
        DeviceRequest(line=4, device=f"lorawan:{2:016x}", key=KEY.hex(), place="hall"),
    ]
    rows = await house.adoption.add(wishes, dry_run=False, update=False, by="test")
    assert [(row.line, row.state) for row in rows] == [(2, "added"), (3, "wrong"), (4, "added")]
    assert set((await tables.load(house.store)).devices) == {ID, f"lorawan:{2:016x}"}


async def test_what_the_disk_refuses_has_not_happened(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuses(*_: Any) -> None:
        raise StorageError("no space")

    monkeypatch.setattr(tables, "adopt", refuses)
    with pytest.raises(StorageError):
        await house.add(label=LABEL, **NEW)
    assert house.devices.get(ID) is None
    assert house.places.get("room-1") is None


@pytest.mark.parametrize(
    ("wish", "column", "says"),
    [
        ({"label": LABEL}, "place", "needs a place"),
        ({"label": LABEL, "place": "halll"}, "place", "did you mean hall?; to make it, give its zone"),
        ({"label": LABEL, "place": "---", "zone": "rooms"}, "place", "no letter and no digit"),
        ({"label": LABEL, "place": "room-1", "zone": "room"}, "zone", "did you mean rooms?"),
        ({"label": LABEL, "place": "hall", "zone": "cellar"}, "zone", "is in zone rooms, not cellar"),
        ({"label": LABEL, "place": "hall", "pack": "cayene-lpp"}, "pack", "did you mean cayenne-lpp?"),
        ({"label": LABEL, "place": "hall", "integration": "lora"}, "integration", "there is no integration 'lora'"),
        ({"label": LABEL, "place": "hall", "integration": "bluetooth"}, "integration", "does not speak to lorawan:"),
        ({"label": LABEL, "device": "lorawan:0000000000000001", "place": "hall"}, "label", "is that of lorawan:0018"),
        ({"label": LABEL, "key": OTHER.hex(), "place": "hall"}, "key", "not the one on the label"),
        ({"label": EUI, "place": "hall"}, "app_key", "no label and no inventory has it"),
        ({"device": ID, "key": "00", "place": "hall"}, "key", "32 hexadecimal digits"),
        ({"device": ID, "key": "zz", "place": "hall"}, "key", "hexadecimal"),
        (
            {"device": ID, "key": KEY.hex(), "place": "hall", "settings": {"adrr": "x"}},
            "settings.adrr",
            "did you mean adr",
        ),
        (
            {"device": ID, "key": KEY.hex(), "place": "hall", "settings": {"fastest": "9"}},
            "settings.fastest",
            "at most 5",
        ),
        (
            {"device": ID, "key": KEY.hex(), "place": "hall", "settings": {"address": "01020304"}},
            "key",
            "64 hexadecimal",
        ),
        ({"label": "https://example.org", "place": "hall"}, "label", "no device that can be recognised"),
        ({"place": "hall"}, "device", "no device is named"),
        ({"device": "modbus:x", "place": "hall"}, "integration", "none speaks to modbus devices"),
        ({"device": "enocean:01A02F11", "place": "hall"}, "settings", "eep"),
        ({"label": "1 ELS 00 1234 5678", "place": "hall"}, "meter_id", "let the hub hear it first"),
        ({"label": LABEL, "place": "hall", "name": "x" * 101}, "name", "at most 100"),
    ],
)
async def test_what_is_wrong_is_told_by_column_with_the_remedy(
    house: House, wish: dict[str, Any], column: str, says: str
) -> None:
    row = await house.add(**wish)
    assert (row.state, row.column) == ("wrong", column), row
    assert says in row.en
    assert row.fr
    assert KEY.hex() not in row.en + row.fr
    assert len(house.devices) == 1


async def test_two_devices_of_one_kind_do_not_stand_at_one_place(house: House) -> None:
    first = await house.add(label=LABEL, place="hall", pack="cayenne-lpp")
    assert (first.state, first.column) == ("wrong", "place"), "the one of the configuration stands there"
    assert "lorawan:00000000000000aa, of the same kind, stands at hall already" in first.en
    assert (await house.add(label=LABEL, place="hall", pack="dragino-lht65")).state == "added"


async def test_a_label_names_its_pack_by_number_or_says_which_it_may_be(house: House) -> None:
    row = await house.add(label=f"LW:D0:{0:016X}:{EUI.upper()}:01280013", key=KEY.hex(), place="hall", dry_run=True)
    assert (row.pack, row.en) == ("nke-th", "")
    row = await house.add(label=f"LW:D0:{0:016X}:{EUI.upper()}:0010FFFF", key=KEY.hex(), place="hall", dry_run=True)
    assert row.pack == ""
    assert "adeunis-comfort2, adeunis-pulse4, adeunis-temp4" in row.en
    said = await house.call("device.label", label=f"LW:D0:{0:016X}:{EUI.upper()}:01280013:SAB12")
    assert said == {
        "device": ID, "form": "TR005", "model": "", "serial": "AB12", "keyed": False, "packs": ("nke-th",),
        "perhaps": (), "known": False, "heard_by": "", "expected": False,
    }  # fmt: skip
    assert KEY.hex() not in str(await house.call("device.label", label=LABEL))


async def test_what_is_heard_is_added_to_the_integration_that_heard_it_and_waits_no_longer(house: House) -> None:
    await house.emit("bluetooth", "ble:A4:C1:38:01:02:03", values={"temperature": 20.0})
    assert [waiting.id for waiting in house.quarantine] == ["ble:A4:C1:38:01:02:03"]
    row = await house.add(label=f"A4:C1:38:01:02:03 {KEY.hex()}", place="hall")
    assert (row.state, row.integration) == ("added", "bluetooth")
    assert list(house.quarantine) == []
    before = len(house.buffer.rows)
    await house.emit(
        "bluetooth", "ble:A4:C1:38:01:02:03", values={"temperature": 20.0}, proof=Proof("bthome-ccm", 1, True)
    )
    assert len(house.buffer.rows) == before + 1


async def test_a_meter_is_known_by_its_number_once_it_was_heard(house: House) -> None:
    found = Candidate(id="mbus:ELS-12345678-33-03", integration="wmbus")
    house.pipeline.strangers.heard(found, "needs a key")
    row = await house.add(label=f"1 ELS 00 1234 5678 {KEY.hex()}", place="boiler")
    assert (row.state, row.device, row.integration) == ("added", "mbus:ELS-12345678-33-03", "wmbus")
    house.pipeline.strangers.heard(Candidate(id="mbus:ELS-00000001-33-03", integration="wmbus"), "x")
    house.pipeline.strangers.heard(Candidate(id="mbus:ELS-00000001-34-03", integration="wmbus"), "x")
    row = await house.add(label="mbus:ELS-00000001", place="boiler")
    assert "mbus:ELS-00000001-33-03 or mbus:ELS-00000001-34-03" in row.en


async def test_a_removed_device_is_admitted_no_longer_and_its_integration_is_told(house: House) -> None:
    await house.add(label=LABEL, **NEW)
    await house.emit("lorawan", ID, values={"temperature": 20.0}, proof=Proof("lorawan-1.0", 1, True))
    changes = house.devices.changes("lorawan")
    waiting = asyncio.ensure_future(anext(changes))
    await settle()
    dry = await house.call("device.remove", device=ID, dry_run=True)
    assert dry == {"device": ID, "place": "room-1"}
    assert house.devices.get(ID) is not None
    await house.call("device.remove", device=ID)
    assert (await waiting).id == ID
    await changes.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert house.devices.get(ID) is None
    rows = len(house.buffer.rows)
    await house.emit("lorawan", ID, values={"temperature": 20.0}, proof=Proof("lorawan-1.0", 2, True))
    assert len(house.buffer.rows) == rows
    assert [waiting.id for waiting in house.quarantine] == [ID], "it is a stranger again"
    await house.start()
    assert house.devices.get(ID) is None
    assert house.places.get("room-1") is not None, "a place outlives the hardware"
    assert (await house.add(label=LABEL, place="room-1")).state == "added"


@pytest.mark.parametrize(
    ("device", "says"), [("lorawan:00000000000000aa", r"config.yaml:11"), ("ble:nobody", "is known")]
)
async def test_only_what_a_command_added_is_removed_by_one(house: House, device: str, says: str) -> None:
    with pytest.raises(HubError, match=says):
        await house.call("device.remove", device=device)
    assert len(house.devices) == 1


async def test_a_replaced_device_is_removed_with_all_who_stood_there(house: House) -> None:
    await house.add(label=LABEL, **NEW)
    newer = f"lorawan:{5:016x}"
    await house.store.replace(ID, newer, OTHER, 1.0, "test")
    house.devices.replace(ID, newer, OTHER)
    await house.start()
    device = house.devices.get(newer)
    assert device is not None
    assert (device.key, device.place) == (OTHER, "room-1")
    assert house.adoption.added(newer)
    back = await house.add(label=LABEL, place="room-1")
    assert "took its place" in back.en
    assert (await house.add(device=newer, place="room-1")).state == "already"
    assert "remove it and add it again" in (await house.add(device=newer, place="hall", update=True)).en
    await house.call("device.remove", device=newer)
    await house.start()
    assert [device.id for device in house.devices] == ["lorawan:00000000000000aa"]
    assert (await house.add(label=LABEL, place="room-1")).state == "added"


async def test_the_configuration_counts_where_both_name_a_device(house: House) -> None:
    row = await house.add(device="lorawan:00000000000000aa", place="hall")
    assert row.state == "already"
    row = await house.add(device="lorawan:00000000000000aa", place="boiler", update=True)
    assert "stands in the configuration with another place" in row.en
    await house.add(label=LABEL, **NEW)
    config = house.root / "config.yaml"
    text = config.read_text()
    config.write_text(f"{text}  {ID}:\n    {{integration: lorawan, place: boiler, key: !secret k}}\n")
    await house.start()
    device = house.devices.get(ID)
    assert device is not None
    assert device.place == "boiler"
    (said,) = house.service.complaints()
    assert said == (
        f"device {ID} stands in config.yaml:13 and was added by a command too: the configuration counts. Remove it "
        f"there, or `ilot device remove {ID}` forgets the other"
    )
    await house.call("device.remove", device=ID)
    assert house.devices.get(ID) == device
    assert house.service.complaints() == []
    config.write_text(text)
    await house.start()
    assert house.devices.get(ID) is None


async def test_what_the_configuration_lost_is_complained_of(house: House) -> None:
    await house.add(label=LABEL, place="cave", zone="cellar")
    await house.add(label=f"A4:C1:38:01:02:03 {KEY.hex()}", place="hall")
    config = house.root / "config.yaml"
    text = config.read_text().replace("cellar: {site: school, name: Cellar}", "attic: {site: school, name: Attic}")
    config.write_text(text.replace("boiler: {zone: cellar}", "boiler: {zone: attic}").replace("  bluetooth: {}\n", ""))
    await house.start()
    assert house.service.complaints() == [
        "place cave was made in zone cellar, which the configuration does not have",
        "device ble:A4:C1:38:01:02:03 was added for integration 'bluetooth', which the configuration does not have",
    ]
    assert house.service.status_of("ble:A4:C1:38:01:02:03")["state"] == "waiting", "its health is another part's"


async def test_keys_that_came_before_are_found_when_the_label_has_none(house: House) -> None:
    wishes = [{"label": LABEL, "line": 2}, {"device": f"lorawan:{1:016x}", "line": 3}]
    answer = await house.call("device.keep", wishes=wishes)
    assert [row["state"] for row in answer["rows"]] == ["kept", "wrong"]
    assert (await house.call("device.keep", wishes=wishes[:1], dry_run=True))["rows"][0]["state"] == "already"
    assert await house.call("inventory.list") == {
        "devices": [{"device": ID, "inventory": int(house.clock.now() * 1000), "added": False}]
    }
    assert (await house.call("device.label", label=EUI))["expected"] is True
    await house.start()
    row = await house.add(label=EUI, **NEW)
    assert (row.state, row.key_from) == ("added", "inventory")
    assert house.devices.key(ID) == KEY


async def test_a_label_with_another_key_than_the_inventory_s_is_not_believed(house: House) -> None:
    """Somebody stuck a label of his own over the maker's: the same DevEUI, and a key that he knows."""
    await house.call("device.keep", wishes=[{"device": ID, "key": KEY.hex()}])
    await house.start()
    forged = f"DevEUI {EUI} AppKey {OTHER.hex()}"
    row = await house.add(label=forged, **NEW)
    assert (row.state, row.column) == ("wrong", "key")
    assert "not the one that the inventory has" in row.en
    assert "inventaire" in row.fr
    assert not any(key.hex() in row.en + row.fr for key in (KEY, OTHER))
    assert house.devices.get(ID) is None
    with pytest.raises(Unreadable, match="not the one that the inventory has"):
        await house.service.successor(forged)
    assert await house.service.successor(f"DevEUI {EUI} AppKey {KEY.hex()}") == (ID, KEY.hex())
    row = await house.add(device=ID, key=OTHER.hex(), **NEW)
    assert (row.state, row.key_from) == ("added", "row"), "a person may know better"


async def test_an_id_that_differs_from_a_known_one_in_capitals_alone_is_no_other_device(house: House) -> None:
    def wish(device: str) -> dict[str, Any]:
        return {"device": device, "integration": "lorawan", "place": "hall", "key": KEY.hex()}

    answer = await house.call("device.add", wishes=[wish("acme:Boiler"), wish("acme:boiler")], dry_run=True)
    assert [(row["state"], row["column"]) for row in answer["rows"]] == [("added", ""), ("wrong", "device")]
    assert answer["rows"][1]["en"] == "is acme:Boiler in other capitals: write it so"


async def test_an_inventory_is_opened_by_the_hub_it_is_for_and_an_older_one_changes_nothing(house: House) -> None:
    root = Root.generate()
    service = house.service
    service._hub, service._root = house.keys.hub_id, fingerprint(root.public)
    card = inventory.read_card((await house.call("inventory.card"))["card"].encode())
    assert card.hub == house.keys.hub_id

    def sealed(key: bytes, number: int) -> str:
        wishes = [
            DeviceRequest(device=ID, key=key.hex(), line=2),
            DeviceRequest(device=f"lorawan:{3:016x}", key=KEY.hex(), place="boiler", line=3),
        ]
        document = inventory.seal(wishes, card, root, owner="Ville", number=number, made=1.8e9)
        return base64.b64encode(document).decode()

    async def load(key: bytes, number: int, **more: Any) -> list[str]:
        answer = await house.call("inventory.load", document=sealed(key, number), **more)
        assert (answer["owner"], answer["number"]) == ("Ville", number)
        return [row["state"] for row in answer["rows"]]

    assert await load(OTHER, 20, dry_run=True) == ["kept", "added"]
    assert await load(OTHER, 20) == ["kept", "added"]
    assert await load(KEY, 10) == ["already", "already"], "older: the newer key stays"
    assert (await house.add(label=EUI, place="hall")).key_from == "inventory"
    assert house.devices.key(ID) == OTHER
    with pytest.raises(HubError, match="did not arrive whole"):
        await house.call("inventory.load", document="§")


async def test_too_much_at_once_is_refused(house: House) -> None:
    with pytest.raises(HubError, match="at most 1000"):
        await house.adoption.add([DeviceRequest(device="x:y")] * (MAX_REQUESTS + 1), dry_run=True, update=False, by="t")
    with pytest.raises(HubError, match="not devices to add"):
        await house.call("device.add", wishes=[{"settings": 3}])


async def test_a_long_list_leaves_the_loop_to_others(house: House) -> None:
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            began = time.thread_time()  # the loop's own work, however busy the machine is
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - began)

    watching = asyncio.create_task(watch())
    wishes = [
        DeviceRequest(device=f"lorawan:{1 << 40 | n:016x}", key=KEY.hex(), place=f"p-{n}", zone="rooms")
        for n in range(1000)
    ]
    with uncollected():
        rows = await house.adoption.add(wishes, dry_run=True, update=False, by="test")
    watching.cancel()
    assert {row.state for row in rows} == {"added"}
    assert longest < 0.25, "seconds of work in one turn; a few milliseconds are usual"


def test_the_store_of_an_earlier_version_gets_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    connect(path, bytes(32), SCHEMA[:2]).close()
    db: apsw.Connection = connect(path, bytes(32), SCHEMA)
    assert [
        list(db.execute(f"SELECT count(*) FROM {table}")) for table in ("adopted", "places", "inventory", "heard")
    ] == [[(0,)]] * 4
    db.close()


async def test_an_added_device_is_renamed_and_moved_with_its_former_name_in_the_audit_log_and_over_a_restart(
    house: House,
) -> None:
    await house.add(label=LABEL, **NEW)
    former = house.devices.get(ID)
    assert former is not None
    changes = house.devices.changes("lorawan")
    waiting = asyncio.ensure_future(anext(changes))
    await settle()
    wish = {"device": ID, "name": "Préau", "place": "boiler", "by": "web:anne"}
    assert await house.call("device.amend", **wish, dry_run=True) == {"device": ID, "name": "", "place": "room-1"}
    assert house.devices.get(ID) == former
    await house.call("device.amend", **wish)
    assert (await waiting).place == "boiler"
    await changes.aclose()  # type: ignore[attr-defined]  # it is a generator
    await house.call("device.amend", **wish)  # again: nothing changes
    noted = [entry for entry in await house.store.audited() if entry.what.get("device") == "amend"]
    assert [(entry.who, entry.what) for entry in noted] == [
        ("web:anne", {"device": "amend", "id": ID, "name": "Préau", "place": "boiler", "former_name": "",
                      "former_place": "room-1"})
    ]  # fmt: skip
    await house.start()
    now = house.devices.get(ID)
    assert now is not None
    assert (now.name, now.place, now.key) == ("Préau", "boiler", former.key)
    await house.call("device.amend", device=ID, name="", place="room-1")  # the way back, an empty name included
    assert house.devices.get(ID) == former


async def test_a_device_in_the_place_of_another_keeps_its_own_key_when_it_is_renamed(house: House) -> None:
    await house.add(label=LABEL, **NEW)
    newer = f"lorawan:{5:016x}"
    await house.store.replace(ID, newer, OTHER, 1.0, "test")
    house.devices.replace(ID, newer, OTHER)
    await house.start()
    await house.call("device.amend", device=newer, name="Préau", place="room-1")
    await house.start()
    device = house.devices.get(newer)
    assert device is not None
    assert (device.name, device.place, device.key) == ("Préau", "room-1", OTHER)


@pytest.mark.parametrize(
    ("device", "name", "place", "says"),
    [
        ("lorawan:00000000000000aa", "x", "hall", r"config.yaml:11"), ("ble:nobody", "x", "hall", "is known"),
        (ID, "x", "nowhere", "there is no place 'nowhere'"), (ID, "x" * 101, "hall", "at most 100 characters"),
    ],
)  # fmt: skip
async def test_what_is_no_name_no_place_or_not_of_the_store_is_refused_and_changes_nothing(
    house: House, device: str, name: str, place: str, says: str
) -> None:
    await house.add(label=LABEL, **NEW)
    before = list(house.devices)
    with pytest.raises(HubError, match=says):
        await house.call("device.amend", device=device, name=name, place=place)
    assert list(house.devices) == before


async def test_a_device_is_moved_to_a_new_place_which_is_made_with_the_change(house: House) -> None:
    await house.add(label=LABEL, **NEW)
    wish = {"device": ID, "name": "", "place": "Salle d'eau", "zone": "rooms", "by": "web:anne"}
    await house.call("device.amend", **wish, dry_run=True)
    assert house.places.get("salle-d-eau") is None
    await house.call("device.amend", **wish)
    await house.start()
    device, place = house.devices.get(ID), house.places.get("salle-d-eau")
    assert device is not None
    assert place is not None
    assert (device.place, place.name, place.zone) == ("salle-d-eau", "Salle d'eau", "rooms")
    assert [one.what["id"] for one in await house.store.audited() if one.what.get("place") == "add"][-1] == place.id
    with pytest.raises(HubError, match="nowhere"):
        await house.call("device.amend", device=ID, name="", place="Cave", zone="nowhere")


async def test_a_device_is_not_moved_to_where_one_of_its_kind_stands(house: House) -> None:
    await house.add(label=LABEL, **{**NEW, "pack": "cayenne-lpp"})
    with pytest.raises(HubError, match="of the same kind, stands at hall already"):
        await house.call("device.amend", device=ID, name="", place="hall")


async def test_a_place_is_meant_by_its_name_and_none_is_made_twice(house: House) -> None:
    wishes = [
        DeviceRequest(line=n, device=f"ble:A4:C1:38:01:02:0{n}", place=place, zone=zone)
        for n, (place, zone) in enumerate(
            [("Salle 4", "Rooms"), ("salle-4", ""), ("SALLE_04", "rooms"), ("HALL", ""), ("Salle 4", "cellar")]
        )
    ]
    rows = await house.adoption.add(wishes, dry_run=False, update=False, by="test")
    assert [(row.state, row.place, row.zone) for row in rows[:4]] == [
        ("added", "salle-4", "rooms"), ("added", "salle-4", "rooms"), ("added", "salle-4", "rooms"),
        ("added", "hall", "rooms"),
    ]  # fmt: skip
    assert (rows[4].state, rows[4].column, "is in zone rooms, not cellar" in rows[4].en) == ("wrong", "zone", True)
    assert [(one.id, one.name) for one in house.places if one.id.startswith("salle")] == [("salle-4", "Salle 4")]
    await house.start()
    (place,) = (one for one in house.places if one.id == "salle-4")
    assert (place.name, place.zone) == ("Salle 4", "rooms")


async def test_a_name_that_several_places_have_is_settled_by_the_zone_or_refused(house: House) -> None:
    for place in (Place(id="r-1", site="school", zone="rooms", name="Local"),
                  Place(id="c-1", site="school", zone="cellar", name="Local")):  # fmt: skip
        house.places.put(place)
    row = await house.add(device="ble:A4:C1:38:01:02:03", place="local")
    assert (row.state, row.why, row.column) == ("wrong", "several-places", "place")
    assert "c-1 or r-1" in row.en
    assert (await house.add(device="ble:A4:C1:38:01:02:03", place="local", zone="cellar")).place == "c-1"


async def test_what_is_kept_of_a_device_names_its_place_until_its_zone_is_chosen(house: House) -> None:
    """A table names a place that is not there: the row is kept whole, its key with it, and added once a zone is."""
    wish = DeviceRequest(line=2, device=ID, key=KEY.hex(), place="Salle 4", name="Sonde")
    (row,) = await house.adoption.add([wish], dry_run=False, update=False, by="test")
    assert (row.state, row.why, row.column) == ("wrong", "no-such-place", "place")
    (kept,) = await house.adoption.keep([wish], 1, dry_run=False, by="test")
    assert kept.state == "kept"
    row = await house.add(device=ID, zone="rooms")
    assert (row.state, row.place, row.key_from) == ("added", "salle-4", "inventory")
    assert (house.devices.get(ID) or wish).name == "Sonde"
    keyless = DeviceRequest(line=1, device="ble:A4:C1:38:01:02:03", place="Salle 5")
    assert (await house.adoption.keep([keyless], 1, dry_run=False, by="test"))[0].state == "kept"


async def test_a_place_that_a_command_made_takes_a_name_and_one_that_is_there_is_taken_instead(house: House) -> None:
    await house.add(device="ble:A4:C1:38:01:02:03", place="rooms-1", zone="rooms")
    named = await house.adoption.name_place("ble:A4:C1:38:01:02:03", "Salle 4", spoke=False, by="test")
    assert (named.id, named.name) == ("rooms-1", "Salle 4")
    await house.add(device="ble:A4:C1:38:01:02:04", place="rooms-2", zone="rooms")
    named = await house.adoption.name_place("ble:A4:C1:38:01:02:04", "salle 4", spoke=False, by="test")
    assert named.id == "rooms-1"
    assert [one.place for one in house.devices if one.id == "ble:A4:C1:38:01:02:04"] == ["rooms-1"]
    assert house.places.get("rooms-2") is None, "nothing ever stood there"
    await house.start()
    assert house.places.get("rooms-2") is None
    assert [one.name for one in house.places if one.id == "rooms-1"] == ["Salle 4"]
    with pytest.raises(HubError, match="stands in the configuration"):
        await house.adoption.name_place("lorawan:00000000000000aa", "Autre", spoke=False, by="test")
    with pytest.raises(HubError):
        await house.adoption.name_place("ble:A4:C1:38:01:02:04", "---", spoke=False, by="test")
