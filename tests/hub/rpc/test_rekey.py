"""Another radio key for a known device."""

from __future__ import annotations

from pathlib import Path as FilePath

import pytest

from hub.core.errors import HubError
from hub.core.model import Candidate, Proof, Quality
from hub.core.store import Store
from hub.pipeline.admission.guard import Guard, Options
from hub.pipeline.admission.quarantine import Quarantine
from hub.rpc.rekey import Rekey
from tests.hub.path_kit import TAG, Path

NEW = bytes(range(16))
SAID = {"temperature": 20.0}


class House(Path):
    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store, self.changes = store, 0
        self.rekey = Rekey(store, self.devices, self.pipeline, self.clock, self.changed)

    def changed(self) -> None:
        self.changes += 1

    async def counters(self, *counters: int) -> int:
        """How many of these authenticated counters were accepted."""
        before = len(self.buffer.rows)
        for counter in counters:
            await self.emit(values=SAID, proof=Proof("bthome-ccm", counter, True))
        return len(self.buffer.rows) - before


@pytest.fixture
async def house(tmp_path: FilePath):
    store = await Store.open(tmp_path / "store.db", bytes(32))
    yield House(store)
    await store.close()


async def test_after_a_new_battery_the_counter_starts_over_with_a_new_key_and_only_so(house: House) -> None:
    assert await house.counters(100, 1, 2, 3) == 1
    (waiting,) = house.quarantine
    assert "its counter went back" in waiting.reason
    answer = await house.rekey.call({"device": TAG.id, "key": NEW.hex()})
    assert answer == {"device": TAG.id, "keyed": True, "from": "command"}
    assert house.devices.key(TAG.id) == NEW
    assert list(house.quarantine) == [], "somebody has looked"
    assert house.changes == 1
    assert await house.counters(1, 2, 2, 1) == 2
    await house.rekey.call({"device": TAG.id, "key": None})
    assert house.devices.key(TAG.id) == TAG.key
    assert await house.counters(3, 100) == 0, "the old key keeps its floor"
    assert await house.counters(101) == 1


async def test_the_key_outlives_the_process_and_is_audited_without_being_told(house: House) -> None:
    await house.rekey.call({"device": TAG.id, "key": NEW.hex()})
    [(key, _)] = (await house.store.keys()).values()
    assert key == NEW
    [entry] = await house.store.audited()
    assert entry.what == {"device": "key", "id": TAG.id, "given": True}
    await house.rekey.call({"device": TAG.id, "key": None})
    assert await house.store.keys() == {}


async def test_a_replacement_forgets_the_key_of_the_hardware_that_comes(house: House) -> None:
    await house.rekey.call({"device": TAG.id, "key": NEW.hex()})
    await house.store.replace("ble:other", TAG.id, None, 1.0, "test")
    assert await house.store.keys() == {}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"device": "ble:nobody", "key": NEW.hex()}, "configure it first"),
        ({"device": TAG.id, "key": "nonsense"}, "hexadecimal"),
        ({"device": TAG.id, "key": "00" * 65}, "at most 64 bytes"),
        ({"device": TAG.id, "key": (TAG.key or b"").hex()}, "has this key already"),
    ],
)
async def test_a_key_that_makes_no_sense_is_refused_and_changes_nothing(
    arguments: dict[str, str], says: str, house: House
) -> None:
    with pytest.raises(HubError, match=says):
        await house.rekey.call(arguments)
    assert house.devices.key(TAG.id) == TAG.key
    assert (await house.store.keys(), house.changes) == ({}, 0)


async def test_a_dry_run_changes_nothing(house: House) -> None:
    await house.rekey.call({"device": TAG.id, "key": NEW.hex(), "dry_run": True})
    assert house.devices.key(TAG.id) == TAG.key
    assert await house.store.keys() == {}


def test_evidence_is_cleared_for_that_device_alone() -> None:
    quarantine = Quarantine()
    for name in ("ble:a", "ble:b"):
        quarantine.refuse(Candidate(id=name, integration="bluetooth"), "bad-key", 1.0)
    quarantine.clear("ble:a")
    assert [waiting.id for waiting in quarantine] == ["ble:b"]


async def test_a_new_key_ends_the_suspicion_that_two_spoke_under_the_old_one(house: House) -> None:
    house.pipeline._guard = guard = Guard(
        Options(),
        tell=lambda *event: None,
        monotonic=house.clock.monotonic,
        remembered={},
        remember=house.buffer.put_local,
    )
    for value in (1.0, 2.0):
        await house.emit(values={"temperature": value}, proof=Proof("bthome-ccm", 9, True))
    assert guard.suspects() == {TAG.id: "clone-fork"}
    await house.rekey.call({"device": TAG.id, "key": NEW.hex()})
    assert guard.suspects() == {}
    await house.counters(1)
    assert house.buffer.rows[-1].quality == Quality.GOOD
