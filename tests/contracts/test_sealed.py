"""Sealed frames of sensors whose key the hub has not yet: held as they came, opened in order when the key is given.

For each scheme that an integration hands over sealed. Frames are built here from the specifications, and each says its
own number as a reading: what arrives twice, out of order or not at all is seen in the rows.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.cmac import CMAC

from hub.core.errors import StorageError
from hub.core.model import Device, Frame, Signal
from hub.core.store import Store
from hub.pipeline.holding_queue import HeldReportTable, HoldingQueue
from hub.pipeline.holding_queue import service as holding_module
from hub.pipeline.holding_queue.sealed import BEHIND
from hub.pipeline.holding_queue.service import SPACING_S
from hub.plugin_host.registry import Registry
from hub.plugin_host.runtime import InProcessSession
from hub.plugin_host.session_parts import Core
from hub.sdk.testing import FakeHttp

from ..hub.path_kit import Path

ROOT = FilePath(__file__).parents[2]
REGISTRY = Registry.discover()
for plugin in ("bluetooth", "wmbus"):
    REGISTRY.load(plugin)
KEY, OTHER = bytes(range(16)), bytes(16)
METER = bytes.fromhex("9315785634123303")


def bthome(number: int, key: bytes = KEY) -> Frame:
    """bthome.io/encryption: the number as lux, object 0x05, under the counter of the same number."""
    nonce = bytes.fromhex("A4C1385E0001") + b"\xd2\xfc\x41" + struct.pack("<I", number)
    box = AESCCM(key, tag_length=4).encrypt(nonce, b"\x05" + (100 * number).to_bytes(3, "little"), None)
    data = b"\x41" + box[:-4] + struct.pack("<I", number) + box[-4:]
    return Frame(
        kind="ble", address="A4:C1:38:5E:00:01", data={"service:fcd2": data}, name="Anne's", signal=Signal(-70)
    )


def _cubic_metres(number: int) -> bytes:
    return (b"\x2f\x2f\x04\x16" + number.to_bytes(4, "little")).ljust(16, b"\x2f")


def _telegram(body: bytes) -> Frame:
    raw = bytes([len(body)]) + body
    return Frame(kind="wmbus", address=raw[2:10].hex(), data={"telegram": raw})


def mode_5(number: int, key: bytes = KEY) -> Frame:
    """EN 13757-7:2018, 7.6.3: AES-CBC, the vector made of the address and the access number."""
    access = number & 255
    box = Cipher(algorithms.AES(key), modes.CBC(METER + bytes([access]) * 8)).encryptor()
    return _telegram(b"\x44" + METER + b"\x7a" + bytes([access, 0]) + b"\x10\x05" + box.update(_cubic_metres(number)))


def mode_7(number: int, key: bytes = KEY) -> Frame:
    """EN 13757-7:2018, 7.6.4 and 7.6.5: keys of each message counter, AES-CBC, a CMAC of 8 bytes."""
    counter = number.to_bytes(4, "little")

    def cmac(under: bytes, data: bytes) -> bytes:
        mac = CMAC(algorithms.AES(under))
        mac.update(data)
        return mac.finalize()

    seal, sign = (cmac(key, bytes([use]) + counter + METER[2:6] + b"\x07" * 7) for use in (0, 1))
    box = Cipher(algorithms.AES(seal), modes.CBC(bytes(16))).encryptor()
    rest = b"\x7a" + bytes([number & 255, 0]) + b"\x10\x07\x10" + box.update(_cubic_metres(number))
    mac = cmac(sign, b"\x25" + counter + rest)[:8]
    layers = b"\x8c\x20" + bytes([number & 255]) + b"\x90\x0f\x00\x2c\x25" + counter + mac
    return _telegram(b"\x44" + METER + layers + rest)


class Scheme(NamedTuple):
    integration: str
    device: str
    make: Callable[..., Frame]
    trust: str


METER_ID = "mbus:ELS-12345678-33-03"
SCHEMES = {
    "bthome": Scheme("bluetooth", "ble:A4:C1:38:5E:00:01", bthome, "A"),
    "oms-5": Scheme("wmbus", METER_ID, mode_5, "B"),
    "oms-7": Scheme("wmbus", METER_ID, mode_7, "A"),
}
COUNTED = ["bthome", "oms-7"]
"""Those that authenticate a counter."""

HELD = "sealed frames are held"
KEYED = {
    "bluetooth": HELD,
    "mbus": HELD,
    "enocean": "a stranger that is secured is a neighbour's business: it is listed when it is taught in; of a known "
    "device the key comes with the configuration or by a teach-in, and what it said before is counted as needs-key",
    "lorawan": "a device whose key the hub has not joins nowhere, and sends no data",
}
"""Folder of integrations that read with a device's key → whether what was sealed before waits for it."""


def test_every_integration_that_has_keys_says_what_becomes_of_frames_before_the_key() -> None:
    uses = re.compile(r"NeedKey|\b(?:device|voice|known)\.key\b")
    found = {
        file.relative_to(ROOT / "integrations").parts[0]
        for file in (ROOT / "integrations").rglob("*.py")
        if uses.search(file.read_text())
    }
    assert found == set(KEYED)
    assert {folder for folder, said in KEYED.items() if said == HELD} == {"bluetooth", "mbus"}


class Stage:
    """A store that outlives the hub's lives, a buffer whose commits have rows and small state together or neither."""

    def __init__(self, folder: FilePath, scheme: Scheme, *, twin: str = "") -> None:
        self.folder, self.scheme, self.twin = folder, scheme, twin
        self.local: dict[str, Any] = {}
        self.rows: list[Any] = []
        self.now: float | None = None
        self.key: bytes | None = None
        self.known = False

    async def start(self) -> None:
        self.path = Path(local=self.local)
        if self.now is not None:
            self.path.clock.set(self.now)
        path, (integration, device) = self.path, self.scheme[:2]
        path.planner._replay._highest = {k: v for k, v in self.local.items() if k.startswith("counter/")}
        path.buffer.flush, path.buffer.put_local = self._flush, path.buffer.local.__setitem__
        self.store = await Store.open(self.folder / "store.db", bytes(range(32)))
        self.holding = HoldingQueue(
            table=HeldReportTable(self.store, 259_200.0, 16 << 20),
            buffer=path.buffer,
            pipeline=path.pipeline,
            devices=path.devices,
            clock=path.clock,
            counts=path.counts,
            decoders=REGISTRY.decoders,
        )
        await self.holding.load()
        strangers = path.pipeline.strangers
        strangers._hold, strangers._hold_sealed = self.holding.offer, self.holding.offer_sealed
        core = Core(
            path.pipeline,
            path.planner,
            path.devices,
            path.buffer,
            path.clock,
            path.counts,
            lambda _: FakeHttp(),
            REGISTRY.decoders,
            holding_queue=None if self.twin == "overtakes" else self.holding,
        )
        self.session = InProcessSession(integration, core, lambda: None)
        if self.known:
            path.devices.put(Device(id=device, integration=integration, place="classe-1", key=self.key))

    async def _flush(self) -> None:
        self.rows += self.path.buffer.rows
        self.path.buffer.rows.clear()
        kept = {key: value for key, value in self.path.buffer.local.items() if value is not None}
        self.local = {} if self.twin == "forgets" else kept

    def adopt(self, key: bytes | None = KEY) -> None:
        self.known, self.key = True, key
        device = Device(id=self.scheme.device, integration=self.scheme.integration, place="classe-1", key=key)
        self.path.devices.put(device)
        self.path.pipeline.admit(device.id)

    async def hear(self, *frames: Frame, every: float = SPACING_S) -> None:
        for frame in frames:
            assert await self.session.radio.submit_frame(frame)
            await self.path.clock.advance(every)

    async def release(self) -> int:
        return await self.holding.release([self.scheme.device])

    async def told(self) -> list[int]:
        """The numbers of the readings that are durable."""
        await self._flush()
        return [round(row.values[0]) for row in self.rows]

    async def kill(self) -> None:
        self.now = self.path.clock.now()
        await self.store.close()


@pytest.fixture(params=SCHEMES)
async def stage(request: pytest.FixtureRequest, tmp_path: FilePath) -> Any:
    made = Stage(tmp_path, SCHEMES[request.param])
    await made.start()
    yield made
    await made.kill()


async def test_what_was_sealed_before_the_key_came_is_read_with_it_in_order_at_its_own_time_and_once(
    stage: Stage,
) -> None:
    make, began = stage.scheme.make, stage.path.clock.now()
    await stage.hear(*(make(n) for n in range(1, 8)))
    assert await stage.told() == []
    (waiting,) = stage.path.quarantine
    assert (waiting.reason, waiting.values) == ("needs a key", {})
    stage.adopt()
    assert await stage.release() in (7, 21)  # a meter's telegram also says fault and battery
    assert await stage.told() == [1, 2, 3, 4, 5, 6, 7]
    assert [row.time_ms / 1000 for row in stage.rows] == [began + n * SPACING_S for n in range(7)]
    assert {row.trust.name for row in stage.rows} == {stage.scheme.trust}
    assert await stage.release() == 0
    assert list(stage.path.live.values()) == []  # it is not what the device said last
    await stage.hear(make(8))
    assert await stage.told() == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("name", COUNTED)
async def test_the_replay_window_stands_where_the_held_frames_left_it_also_over_a_kill(
    tmp_path: FilePath, name: str
) -> None:
    stage = Stage(tmp_path, SCHEMES[name])
    await stage.start()
    frames = [stage.scheme.make(n) for n in range(1, 6)]
    await stage.hear(*frames, frames[2], frames[4])  # replayed while it waited
    stage.adopt()
    await stage.release()
    assert await stage.told() == [1, 2, 3, 4, 5]
    await stage.kill()
    await stage.start()
    await stage.hear(*frames)
    assert await stage.told() == [1, 2, 3, 4, 5]
    await stage.kill()


async def test_mode_5_authenticates_no_counter_so_a_replayed_telegram_is_a_reading_of_class_b(
    tmp_path: FilePath,
) -> None:
    """What the documentation says of it. Nothing in the telegram could tell: its access number is one byte, sent in
    clear, and authenticated by nothing."""
    stage = Stage(tmp_path, SCHEMES["oms-5"])
    await stage.start()
    stage.adopt()
    await stage.hear(mode_5(1), mode_5(2), mode_5(1), mode_5(257))
    assert await stage.told() == [1, 2, 1, 257]
    assert {row.trust.name for row in stage.rows} == {"B"}
    assert not any(key.startswith("counter/") for key in stage.local), "no window that it could be judged by"
    await stage.kill()


async def test_what_it_says_while_its_held_frames_are_opened_comes_behind_them_and_is_live(stage: Stage) -> None:
    make = stage.scheme.make
    await stage.hear(make(1), make(2), make(3))
    stage.adopt()
    await stage.hear(make(4), make(5), every=1.0)  # before anybody has released anything
    assert await stage.told() == []
    await stage.release()
    assert await stage.told() == [1, 2, 3, 4, 5]
    assert next(value.value for value in stage.path.live.values()) == 5
    await stage.hear(make(6))
    assert await stage.told() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("name", COUNTED)
async def test_a_hub_that_lets_live_frames_overtake_loses_the_held_ones_and_the_same_test_sees_it(
    tmp_path: FilePath, name: str
) -> None:
    stage = Stage(tmp_path, SCHEMES[name], twin="overtakes")
    await stage.start()
    await stage.hear(*(stage.scheme.make(n) for n in (1, 2, 3)))
    stage.adopt()
    await stage.hear(stage.scheme.make(4))
    await stage.release()
    assert await stage.told() == [4]
    await stage.kill()


async def test_a_wrong_key_opens_nothing_and_loses_nothing_until_the_right_one_comes(stage: Stage) -> None:
    make = stage.scheme.make
    await stage.hear(make(1), make(2), make(3))
    stage.adopt(OTHER)
    assert await stage.release() == 0
    assert stage.path.counts.of("held-unfit", stage.scheme.device) == 1
    assert stage.holding.of(stage.scheme.device) == 3
    assert await stage.release() == 0
    assert stage.path.counts.of("held-unfit", stage.scheme.device) == 1, "said once"
    stage.adopt(KEY)
    await stage.hear(make(4), every=0.0)
    await stage.release()
    assert await stage.told() == [1, 2, 3, 4]


async def test_frames_that_somebody_forged_are_dropped_and_counted_once_another_fits(stage: Stage) -> None:
    make = stage.scheme.make
    await stage.hear(make(1, OTHER), make(2), make(3, OTHER), make(4))
    stage.adopt()
    await stage.release()
    assert await stage.told() == [2, 4]
    device = stage.scheme.device
    assert stage.path.counts.of("bad-mic", device) + stage.path.counts.of("bad-key", device) == 2
    assert stage.holding.of(device) == 0


async def test_a_device_that_is_configured_without_a_key_is_read_from_its_first_frame_when_it_gets_one(
    stage: Stage,
) -> None:
    make = stage.scheme.make
    stage.adopt(None)
    await stage.hear(make(1), make(2), make(3))
    await stage.holding.flush()
    assert await stage.release() == 0
    assert stage.holding.of(stage.scheme.device) == 3
    stage.path.devices.rekey(stage.scheme.device, KEY)
    stage.path.pipeline.forget(stage.scheme.device)
    assert await stage.release() in (3, 9)
    assert await stage.told() == [1, 2, 3]


async def test_one_a_minute_is_held_its_name_is_not_and_nothing_of_whom_somebody_ignores(stage: Stage) -> None:
    await stage.hear(*(stage.scheme.make(n) for n in range(1, 121)), every=1.0)
    await stage.holding.flush()
    assert stage.holding.of(stage.scheme.device) == 2
    held = await stage.holding._memory.of(stage.scheme.device, 0, 9)
    assert {one.frame.name for _, one in held if one.frame is not None} == {""}
    assert await stage.holding.destroy(stage.scheme.device) == 2
    stage.adopt()
    assert await stage.release() == 0
    await stage.hear(stage.scheme.make(200))
    assert await stage.told() == [200], "nothing is in its way any more"


async def test_no_more_wait_behind_than_there_is_room_for_and_the_rest_goes_straight_on(tmp_path: FilePath) -> None:
    stage = Stage(tmp_path, SCHEMES["bthome"])
    await stage.start()
    await stage.hear(bthome(1), bthome(2))
    stage.adopt()
    await stage.hear(*(bthome(n) for n in range(3, 4 + BEHIND)), every=0.0)
    assert await stage.told() == [3 + BEHIND]
    await stage.kill()


async def test_the_hub_opens_them_by_itself_as_soon_as_their_device_speaks(stage: Stage) -> None:
    """Also the frame of one that was heard once, which costs no disk."""
    import asyncio

    await stage.hear(stage.scheme.make(1))
    stage.path.devices.put(
        Device(id=stage.scheme.device, integration=stage.scheme.integration, place="classe-1", key=KEY)
    )
    running = asyncio.create_task(stage.holding.run())
    await asyncio.sleep(0)
    await stage.hear(stage.scheme.make(2), every=0.0)
    async with asyncio.timeout(60):
        while len(await stage.told()) != 2:
            await asyncio.sleep(0.005)
    running.cancel()
    await asyncio.wait([running])
    assert await stage.told() == [1, 2]


async def torn(folder: FilePath, scheme: Scheme, step: int, *, twin: str = "") -> list[int]:
    """A release that is killed at its `step`th flush or removal and done again in the next life, while the device
    speaks."""
    stage = Stage(folder, scheme, twin=twin)
    await stage.start()
    many = holding_module.BATCH + 6
    await stage.hear(*(scheme.make(n) for n in range(1, many + 1)))
    stage.adopt()
    done = 0

    def counted(work: Any) -> Any:
        async def tried(*arguments: Any) -> Any:
            nonlocal done
            done += 1
            if done == step:
                raise StorageError("killed here")
            return await work(*arguments)

        return tried

    stage.path.buffer.flush = counted(stage.path.buffer.flush)
    stage.holding._memory.released = counted(stage.holding._memory.released)
    await stage.release()
    await stage.kill()  # what was not committed is gone
    await stage.start()
    await stage.hear(scheme.make(many + 1))
    await stage.release()
    told = await stage.told()
    await stage.kill()
    return told


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", ["bthome", "oms-5"])
async def test_a_release_that_is_killed_anywhere_gives_each_frame_once_in_order(
    tmp_path: FilePath, name: str, step: int
) -> None:
    assert await torn(tmp_path, SCHEMES[name], step) == [*range(1, holding_module.BATCH + 8)]


async def test_a_hub_that_forgets_what_it_released_is_seen_by_the_same_oracle(tmp_path: FilePath) -> None:
    told = await torn(tmp_path, SCHEMES["oms-5"], 2, twin="forgets")
    assert len(told) > len(set(told))
