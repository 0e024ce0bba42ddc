"""Consents and withdrawals: durable, audited, felt by the next report; erasures told until they are confirmed."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from pathlib import Path as FilePath
from zoneinfo import ZoneInfo

import apsw
import pytest

from hub.core.disk.sqlite import connect, place
from hub.core.errors import DecodeError, StorageError
from hub.core.store import SCHEMA, Store
from hub.privacy.consent import ConsentRefused, ConsentService, ConsentTables
from hub.privacy.consent.erasure_rows import SHAPE
from hub.privacy.consent.service import ConsentEffects
from hub.privacy.erasure_requests import SELDOM_S, SOON_S, ErasureRequests
from hub.privacy.rules_engine import compile_privacy
from hub.privacy.rules_engine.policy import IDENTIFIERS
from hub.privacy.rules_engine.pseudonyms import group_name
from hub.protocol.records.rows import ALERTS
from tests.hub.path_kit import TAG, Path

KEY = bytes(range(32))


def rules(*more):
    from hub.config.model import Core

    flat = {"zones": ["classes", *more], "metrics": ["temperature"], "purpose": "bâti sain", "consent": "climat"}
    core = Core.model_validate(
        {
            "sites": {"ecole": {}},
            "zones": {name: {"site": "ecole", "use": "logement"} for name in ("classes", *more)},
            "privacy": {"rules": {"flat": flat}},
        }
    )
    return compile_privacy(core)


class House:
    """The straight path, a store on the disk, and a desk."""

    def __init__(self, store):
        self.store, self.path = store, Path(uses={"classes": "logement"}, rules=rules())
        self.memory, self.timezone = ConsentTables(store), "Europe/Paris"
        self.forgotten, self.orders = [], 0
        self.desk = self.make_desk()
        self.calls = self.desk.calls()

    def make_desk(self):
        async def forget(devices):
            self.forgotten += [device.id for device in devices]
            return {"kept payloads": 2}

        def ordered():
            self.orders += 1

        return ConsentService(
            self.memory,
            self.path.privacy,
            self.path.clock,
            homes={"classes": "Appartement 12"},
            devices=lambda zone: [TAG] if zone == "classes" else [],
            device=self.path.devices.get,
            effects=ConsentEffects(
                recompile=lambda zone: self.path.pipeline.recompile(), forget=forget, ordered=ordered
            ),
            timezone=lambda: self.timezone,
        )

    async def give(self, person="loc-12", **more):
        asked = {"person": person, "purpose": "climat", "zone": "classes", "by": "cli:jeanne", **more}
        return await self.calls["consent.give"](asked)

    async def emit(self, value=20.5):
        before = len(self.path.buffer.rows)
        await self.path.emit(values={"temperature": value})
        return self.path.buffer.rows[before:]


@pytest.fixture
async def house(tmp_path):
    store = await Store.open(tmp_path / "store.db", KEY)
    made = House(store)
    await made.desk.load()
    yield made
    await store.close()


async def test_a_consent_opens_the_way_and_its_withdrawal_closes_it_for_the_next_report(house):
    assert await house.emit() == []
    await house.give()
    (row,) = await house.emit()
    answer = await house.calls["consent.withdraw"]({"person": "loc-12", "by": "cli:jeanne"})
    assert await house.emit() == []
    assert answer["withdrawn"] == [{"zone": "classes", "purpose": "climat"}]
    assert (answer["erased"], house.forgotten, house.orders) == ({"kept payloads": 2}, [TAG.id], 1)
    (erasure,) = await house.memory.erasures()
    assert (erasure.kind, erasure.name, erasure.person) == ("pseudonym", row.subject.zone, "loc-12")
    said = [entry.what for entry in await house.store.audited()]
    assert [(what["consent"], what["person"]) for what in said] == [("given", "loc-12"), ("withdrawn", "loc-12")]


async def test_it_outlives_the_process_and_so_does_its_end(house):
    await house.give()
    (row,) = await house.emit()
    house.path = Path(uses={"classes": "logement"}, rules=rules())
    house.desk = house.make_desk()
    assert await house.emit() == []
    await house.desk.load()
    house.path.pipeline.recompile()
    (again,) = await house.emit()
    assert again.subject.place == row.subject.place, "the same key, the same pseudonym"
    await house.desk.calls()["consent.withdraw"]({"person": "loc-12"})
    house.path = Path(uses={"classes": "logement"}, rules=rules())
    await house.make_desk().load()
    assert await house.emit() == []


@pytest.mark.parametrize("asked", ["consent.withdraw", "device.erase"])
async def test_what_the_hub_itself_holds_is_erased_by_its_next_life_when_this_one_did_not_get_so_far(house, asked):
    await house.give()
    effects, house.desk._effects = house.desk._effects, house.desk._effects._replace(forget=refuses)
    with pytest.raises(StorageError):
        await house.calls[asked]({"person": "loc-12", "device": TAG.id})
    assert (house.forgotten, house.orders) == ([], 1), "the backend is told all the same"
    work = asyncio.create_task(house.make_desk().run())
    async with asyncio.timeout(60):
        while await house.memory.traces():
            await asyncio.sleep(0.005)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert house.forgotten == [TAG.id]
    house.desk._effects = effects
    await house.desk.settle()
    assert house.forgotten == [TAG.id], "once"


async def refuses(devices):
    raise StorageError("no room")


async def test_a_form_that_two_people_enter_at_once_is_one_consent(house):
    first, second = await asyncio.gather(house.give(), house.give(), return_exceptions=True)
    assert "person" in first
    assert isinstance(second, ConsentRefused)
    assert len((await house.calls["consent.list"]({}))["consents"]) == 1


async def test_who_agrees_again_has_another_pseudonym(house):
    await house.give()
    (first,) = await house.emit()
    await house.calls["consent.withdraw"]({"person": "loc-12"})
    await house.give()
    (second,) = await house.emit()
    assert first.subject.place != second.subject.place


async def test_anybody_of_a_home_ends_it_for_the_home(house):
    await house.give("loc-12")
    await house.give("loc-13")
    await house.calls["consent.withdraw"]({"person": "loc-13"})
    assert await house.emit() == []
    consents = (await house.calls["consent.list"]({}))["consents"]
    assert [one["ended"] is None for one in consents] == [False, False]
    assert {one["why"] for one in consents} == {"withdrawn by loc-13"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"person": "Jean Dupont"}, "a reference of yours, not a name"),
        ({"zone": "cuisine"}, "there is no zone 'cuisine'"),
        ({"purpose": "courbe"}, "they ask for climat"),
        ({"date": "1999-12-31"}, "dated between 2000 and now"),
        ({"date": "2255-03-15"}, "dated between 2000 and now"),
        ({"date": "2027-02-29"}, "expected a date like"),
    ],
)
async def test_a_consent_to_nothing_is_refused(house, change, said):
    with pytest.raises(ConsentRefused, match=said):
        await house.give(**{"person": "loc-12", **change})


@pytest.mark.parametrize(
    ("timezone", "now", "today", "tomorrow"),
    [
        ("Pacific/Noumea", "2026-12-31T13:00:01+00:00", "2027-01-01", "2027-01-02"),
        ("America/Martinique", "2027-01-01T03:59:59+00:00", "2026-12-31", "2027-01-01"),
        ("Europe/Paris", "2028-02-28T23:00:01+00:00", "2028-02-29", "2028-03-01"),
        ("Europe/Paris", "2026-10-25T22:59:59+00:00", "2026-10-25", "2026-10-26"),
    ],
)
async def test_a_form_is_of_the_day_that_it_is_where_the_hub_hangs(house, timezone, now, today, tomorrow):
    house.timezone = timezone
    house.path.clock.set(datetime.fromisoformat(now).timestamp())
    with pytest.raises(ConsentRefused, match="between 2000 and now"):
        await house.give(date=tomorrow)
    given = await house.give(date=today)
    local = datetime.fromtimestamp(given["given"], ZoneInfo(timezone))
    assert f"{local:%Y-%m-%d %H:%M}" == f"{today} 00:00"
    assert {
        given["timezone"],
        *[(await house.calls[f"consent.{one}"]({"person": "loc-12"}))["timezone"] for one in ("list", "access")],
    } == {timezone}


async def test_the_same_consent_twice_and_a_withdrawal_of_nothing_are_refused(house):
    await house.give()
    with pytest.raises(ConsentRefused, match="already"):
        await house.give()
    with pytest.raises(ConsentRefused, match="has no consent that still holds"):
        await house.calls["consent.withdraw"]({"person": "loc-99"})


async def test_a_dry_run_changes_nothing(house):
    await house.give(dry_run=True)
    assert await house.emit() == []
    await house.give()
    answer = await house.calls["consent.withdraw"]({"person": "loc-12", "dry_run": True})
    assert answer["devices"] == [TAG.id]
    await house.calls["device.erase"]({"device": TAG.id, "dry_run": True})
    assert len(await house.emit()) == 1
    assert await house.memory.erasures() == []


async def test_access_tells_where_the_readings_are_and_under_which_name(house):
    await house.give()
    (row,) = await house.emit()
    answer = await house.calls["consent.access"]({"person": "loc-12"})
    (home,) = answer["homes"]
    assert (home["group"], home["devices"][0]["device"]) == (row.subject.zone, TAG.id)
    with pytest.raises(ConsentRefused, match="nothing is known"):
        await house.calls["consent.access"]({"person": "loc-99"})


async def test_the_destroyed_key_is_in_no_page_of_the_store_nor_in_a_backup(house, tmp_path):
    await house.give()
    key = house.path.consents.key("classes", "climat")
    plain = tmp_path / "plain.db"

    def pages():
        """The file as it is under the store's key, without it: what its holder would see."""
        for name in ("", "-wal", "-journal"):
            file = FilePath(f"{plain}{name}")
            file.unlink(missing_ok=True)
        db = connect(tmp_path / "store.db", KEY, SCHEMA, reserve=False)
        db.execute("PRAGMA journal_mode = delete")
        db.close()
        plain.write_bytes((tmp_path / "store.db").read_bytes())
        opened = apsw.Connection(str(plain))
        opened.execute("PRAGMA cipher = 'chacha20'")
        opened.execute(f"PRAGMA key = 'raw:{KEY.hex()}'")
        opened.execute("PRAGMA rekey = ''")
        opened.close()
        return plain.read_bytes()

    image = await house.store.image()
    assert key in pages(), "the search finds it while it is there"
    place(tmp_path / "backup.db", KEY, SCHEMA, image)
    backup = connect(tmp_path / "backup.db", KEY, SCHEMA)
    assert backup.execute("SELECT count(*) FROM pseudonym_keys").get == 0
    assert backup.execute("SELECT count(*) FROM consents").get == 1
    backup.close()
    await house.calls["consent.withdraw"]({"person": "loc-12"})
    assert key not in pages()


# -- erasures on their way ----------------------------------------------------------------------------------------


class Backend:
    def __init__(self):
        self.asked, self.status, self.body = 0, 200, b'{"done": []}'

    async def request(self, method, url, *, timeout=None):
        self.asked += 1
        assert (method, url) == ("GET", "https://backend/v1/erasures")

        class Reply:
            status, body = self.status, self.body

        return Reply


class Alerts:
    def __init__(self):
        self.rows, self.flushed = [], 0

    def append(self, row, stream):
        assert stream == ALERTS
        self.rows.append(row)

    async def flush(self):
        self.flushed += 1


class Road:
    def __init__(self, house):
        self.backend, self.buffer, self.clock, self.up = Backend(), Alerts(), house.path.clock, True
        self.erasing = ErasureRequests(
            house.memory, self.buffer, self.clock, http=self.backend, url="https://backend/", up=lambda: self.up
        )

    async def later(self, seconds):
        await self.clock.advance(seconds)
        await self.erasing.turn()


async def test_an_erasure_is_told_once_a_life_and_asked_after_until_it_is_confirmed(house):
    await house.calls["device.erase"]({"device": "ble:gone", "by": "cli:jeanne"})
    road = Road(house)
    await road.erasing.turn()
    await road.later(1)
    (row,) = road.buffer.rows
    assert row.shape is SHAPE
    assert row.values[1:3] == ("device", "ble:gone")
    assert (road.buffer.flushed, road.backend.asked) == (1, 1)
    await road.later(SOON_S)
    assert road.backend.asked == 2
    again = Road(house)
    await again.erasing.turn()
    assert again.buffer.rows[0].values == row.values, "another life tells it again"
    again.backend.body = json.dumps({"done": [{"id": row.values[0], "readings": 41, "left": 3}]}).encode()
    await again.later(SOON_S)
    await again.later(SELDOM_S)
    (erasure,) = await house.memory.erasures()
    assert (erasure.readings, erasure.left) == (41, 3)
    assert erasure.confirmed is not None
    assert again.backend.asked == 2, "nobody is asked any more"
    assert (await house.store.audited())[-1].who == "backend"


async def test_without_a_link_it_is_durable_and_nobody_is_asked(house):
    await house.calls["device.erase"]({"device": "ble:gone"})
    road = Road(house)
    road.up = False
    await road.erasing.turn()
    assert (len(road.buffer.rows), road.backend.asked) == (1, 0)
    road.up = True
    await road.later(1)
    assert road.backend.asked == 1


@pytest.mark.parametrize(("status", "body"), [(404, b""), (200, b"[]"), (200, b'{"done": [{"id": 5}]}')])
async def test_an_answer_that_is_none_confirms_nothing(house, status, body):
    await house.calls["device.erase"]({"device": "ble:gone"})
    road = Road(house)
    road.backend.status, road.backend.body = status, body
    with pytest.raises(DecodeError):
        await road.erasing.turn()
    (erasure,) = await house.memory.erasures()
    assert erasure.confirmed is None


async def test_an_erasure_that_nobody_confirms_for_a_day_is_said(house):
    await house.calls["device.erase"]({"device": "ble:gone"})
    road = Road(house)
    road.up = False
    await road.erasing.turn()
    assert road.erasing.complaints() == []
    await road.later(90_000)
    assert "not confirmed" in road.erasing.complaints()[0]


async def test_a_home_that_keeps_without_a_consent_has_a_key_from_the_first_start(house):
    assert house.path.consents.key("classes", "") is not None
    assert house.path.consents.key("", "") is not None
    assert group_name(b"k", "classes") != group_name(b"l", "classes")


async def test_a_home_that_the_configuration_got_while_the_hub_runs_can_consent_and_has_a_key_of_its_own(house):
    house.path.privacy.reconfigure({}, {"classes": "logement", "flat": "logement"}, rules("flat"))
    with pytest.raises(ConsentRefused, match="no zone 'flat'"):
        await house.give(zone="flat")
    await house.desk.reconfigure({"classes": "Appartement 12", "flat": "Appartement 14"})
    assert house.path.privacy.consents.key("flat", IDENTIFIERS)
    await house.give(zone="flat")
    assert (await house.calls["consent.list"]({}))["consents"][0]["home"] == "Appartement 14"


async def test_a_change_of_the_configuration_brings_no_withdrawn_consent_back(house):
    await house.give()
    await house.calls["consent.withdraw"]({"person": "loc-12", "by": "cli:jeanne"})
    await house.desk.reconfigure({"classes": "Appartement 12"})
    assert await house.emit() == []
