"""The file about one device for support: enough to help, and no secret, no name, and nobody's data unasked."""

from __future__ import annotations

import base64
import json
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from hub.core.errors import DecodeError, HubError
from hub.core.logs import Ring
from hub.core.metric_catalogue import METRICS
from hub.core.model import Device, Place
from hub.core.raised_logs import RaisedLogs
from hub.devices.packs import Library
from hub.devices.places import Places
from hub.devices.registry import Devices
from hub.pipeline.recent_frames import IN_ALL, LONGEST, OF_DEVICE, RecentFrames
from hub.rpc.redaction import MASK
from hub.rpc.support import Sources, SupportCalls
from hub.sdk.testing import ManualClock

EUI, KEY = "0018b20000000a12", bytes(range(16))
AIR = Device(id=f"lorawan:{EUI}", integration="lorawan", place="salle", key=KEY, pack="adeunis-comfort2")
DOOR = Device(id="ble:AA:BB:CC:DD:EE:FF", integration="bluetooth", place="salle")
DATA = {
    "devices": {
        AIR.id: {"integration": "lorawan", "place": "salle", "pack": AIR.pack, "key": object(), "app_key": "00" * 16},
        DOOR.id: {"integration": "bluetooth", "position": {"latitude": 48.85671}},
    },
    "integrations": {"lorawan": {"password": "hunter2", "server": "mqtt://me:s3cret@lora.example/"}},
}
PAYLOAD = bytes.fromhex("4c2000c51f00c72000c82100ca2200cc2300cd24")


class Desk:
    def __init__(self) -> None:
        self.clock, self.frames, self.ring = ManualClock(), RecentFrames(), Ring()
        self.audited: list[tuple[str, dict[str, Any]]] = []
        self.local: dict[str, Any] = {}
        self.kept: list[Any] = []
        self.raised = RaisedLogs(self, self.clock)
        self.calls = SupportCalls(
            Sources(
                devices=Devices([AIR, DOOR]),
                places=Places([Place(id="salle", site="ecole", zone="classes")]),
                library=Library(),
                frames=self.frames,
                kept=self._kept,
                metrics=lambda device: [METRICS[key] for key in self.frames.metrics(device)],
                may_keep=lambda metric, zone: metric.privacy != "personal",
                loaded=lambda: SimpleNamespace(data=DATA, integrations=[]),  # type: ignore[arg-type, return-value]
                names=lambda: {"device": {AIR.id, DOOR.id}, "place": {"salle"}, "person": {"Camille"}},
                ask=self._ask,
            ),
            self.raised,
            self.ring,
            self,  # type: ignore[arg-type]
            self.clock,
        ).calls()

    def put_local(self, key: str, value: Any) -> None:
        self.local[key] = value

    async def audit(self, at: float, who: str, what: dict[str, Any]) -> None:
        self.audited.append((who, what))

    async def _kept(self, device: str, most: int) -> list[Any]:
        return self.kept[-most:] if device == AIR.id else []

    async def _ask(self, name: str, arguments: dict[str, Any]) -> Any:
        if name == "audit.list":
            return {"entries": [{"who": "web:morgane"}]}
        if name == "status":
            return {"counts": {AIR.id: {"codec-refused": 3}}}
        return {"devices": [{"id": AIR.id, "place": "salle", "last": 21.5}, {"id": DOOR.id}]}

    async def file(self, device: str, **more: Any) -> tuple[str, list[dict[str, Any]], dict[str, Any]]:
        answer = await self.calls["support"]({"device": device, "by": "cli:camille", **more})
        text = base64.b64decode(answer["document"]).decode()
        return text, [json.loads(line) for line in text.splitlines()], answer


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_it_holds_what_helps_and_says_what_it_holds(desk: Desk) -> None:
    for n in range(OF_DEVICE + 5):
        desk.frames.record(AIR.id, "payload", {"": PAYLOAD}, 1000.0 + n, port=1, metrics=["temperature"])
    desk.frames.record(AIR.id, "payload", {"": b"\x00"}, 2000.0, port=9, outcome="codec-refused")
    desk.kept.append(SimpleNamespace(port=9, payload=b"\x00\x01", at=5.0, time=None, reason="codec-refused"))
    _, lines, answer = await desk.file(AIR.id)
    frames = [line for line in lines if line["part"] == "frame"]
    assert len(frames) == OF_DEVICE == answer["contents"]["frame"]
    assert frames[0]["bytes"] == PAYLOAD.hex()
    assert (frames[-1]["outcome"], frames[-1]["port"], frames[-1]["bytes"]) == ("codec-refused", 9, "00")
    (kept,) = (line for line in lines if line["part"] == "kept")
    assert (kept["bytes"], kept["time"]) == ("0001", 5.0)
    (about,) = (line for line in lines if line["part"] == "about")
    assert about["pack"] == "adeunis-comfort2"
    assert about["pack_version"] >= 1
    assert about["versions"]["ilot"]
    assert {"part": "count", "reason": "codec-refused", "count": 3} in lines
    assert lines[0]["contents"] == answer["contents"]
    assert desk.audited == [("cli:camille", {"support": "file", "device": AIR.id, "personal": "none", "why": ""})]


async def test_no_name_no_address_no_key_and_no_secret_is_in_it(desk: Desk) -> None:
    desk.frames.record(AIR.id, "payload", {"": b"\x01" + KEY + b"\x02"}, 1.0, port=1, metrics=["temperature"])
    said = f"{AIR.id} in salle, as Camille and morgane said; a phone 5A:11:22:33:44:55 at 192.0.2.7 went by"
    desk.ring.emit(logging.LogRecord("hub.lorawan", logging.WARNING, "", 0, said, (), None))
    text, lines, _ = await desk.file(AIR.id)
    for secret in (
        EUI, KEY.hex(), "00" * 16, "hunter2", "s3cret", "me:", "48.85", "salle", "Camille", "morgane", "5A:11",
        "192.0.2", "21.5",
    ):  # fmt: skip
        assert secret not in text, secret
    (frame,) = (line for line in lines if line["part"] == "frame")
    assert frame["bytes"] == MASK, "a payload that repeats the device's key"


async def test_bytes_that_may_tell_of_people_go_out_with_a_reason_alone(desk: Desk) -> None:
    desk.frames.record(DOOR.id, "ble", {"service:fcd2": b"\x40\x21\x01"}, 1.0, metrics=["motion"])
    _, lines, answer = await desk.file(DOOR.id)
    (frame,) = (line for line in lines if line["part"] == "frame")
    assert (answer["personal"], frame["bytes"], frame["size"]) == ("withheld", None, 3)
    with pytest.raises(HubError, match="say why"):
        await desk.file(DOOR.id, personal=True, why=" ")
    _, lines, answer = await desk.file(DOOR.id, personal=True, why="the maker asks")
    (frame,) = (line for line in lines if line["part"] == "frame")
    assert (answer["personal"], frame["bytes"]) == ("included", {"service:fcd2": "402101"})
    assert desk.audited[-1][1] == {
        "support": "file", "device": DOOR.id, "personal": "included", "why": "the maker asks",
    }  # fmt: skip


async def test_bytes_of_a_device_of_which_nothing_is_known_are_withheld(desk: Desk) -> None:
    desk.frames.record(DOOR.id, "ble", {"service:fcd2": b"\x40"}, 1.0, outcome="needs-key")
    _, lines, answer = await desk.file(DOOR.id)
    assert answer["personal"] == "withheld"
    assert [line["bytes"] for line in lines if line["part"] == "frame"] == [None]


async def test_a_device_that_is_not_there_is_named(desk: Desk) -> None:
    with pytest.raises(DecodeError, match="no device 'ble:x' is known"):
        await desk.file("ble:x")


async def test_raised_lines_are_in_it_for_an_hour_and_the_level_comes_back_by_itself(desk: Desk) -> None:
    logger = logging.getLogger("hub.lorawan")
    answer = await desk.calls["support.raise"]({"device": AIR.id})
    assert answer == {"source": "lorawan", "raised_s": 3600.0}
    logger.debug("a frame of %d bytes", 12)
    _, lines, _ = await desk.file(AIR.id)
    assert [line["text"] for line in lines if line["part"] == "log"] == ["a frame of 12 bytes"]
    answer = await desk.calls["support.lines"]({"device": AIR.id, "after": 0.0})
    assert [line["text"] for line in answer["lines"]] == ["a frame of 12 bytes"]
    await desk.calls["support.raise"]({"device": AIR.id, "end": True})
    assert logger.level == logging.NOTSET
    logger.debug("nobody hears this")
    _, lines, _ = await desk.file(AIR.id)
    assert len([line for line in lines if line["part"] == "log"]) == 1
    assert [what["support"] for _, what in desk.audited] == ["raise", "file", "lower", "file"]


# -- the frames in memory ----------------------------------------------------------------------------------------------


def test_a_talkative_device_displaces_no_quiet_one_and_memory_is_bounded() -> None:
    frames = RecentFrames()
    frames.record("quiet", "payload", {"": b"q"}, 0.0)
    for n in range(3 * IN_ALL):
        frames.record(f"loud-{n % 50}", "ble", {"x": b"l"}, float(n))
    assert len(frames.of("quiet")) == 1
    held = [len(frames.of(f"loud-{n}")) for n in range(50)]
    assert sum(held) == IN_ALL - 1
    assert max(held) - min(held) <= 1
    frames.forget(["quiet", "loud-0"])
    assert frames.of("loud-0") == []
    assert frames.metrics("quiet") == frozenset()


def test_a_frame_longer_than_any_radios_is_recorded_without_its_bytes() -> None:
    frames = RecentFrames()
    frames.record("x", "ble", {"x": bytes(LONGEST + 1)}, 0.0)
    (found,) = frames.of("x")
    assert (found.data, found.size) == ({}, LONGEST + 1)
