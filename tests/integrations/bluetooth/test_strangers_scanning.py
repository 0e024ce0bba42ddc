"""From the radio to the worker and back, through the integration itself: a recorded capture is the radio."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import hub
from integrations import bluetooth

from .radio_kit import Session, running
from .strangers_kit import until

LINES = [
    {"address": "A4:C1:38:01:02:03", "service_data": {"fcd2": "4002C409"}},
    {"address": "AA:BB:CC:DD:EE:01", "name": "TP357 (2142)", "manufacturer_data": {"f1c2": "001d022c"}},
    {"address": "AA:BB:CC:DD:EE:02", "manufacturer_data": {"38ec": "36e73c"}},  # no sensor of anybody's
    {"address": "AA:BB:CC:DD:EE:03", "manufacturer_data": {"3904": "36e73c"},
     "service_uuids": ["ef090000-11d6-42ba-93b8-9dd7ec090ab0"]},  # SensorPush HT.w
]  # fmt: skip


class Deciding(Session):
    """A session that offers frames to the registered decoders, as the hub does."""

    def __init__(self) -> None:
        super().__init__({})
        self.decoders: list[Any] = []
        self.answers: list[hub.Decoded] = []
        self.unknown: list[str] = []
        bluetooth.register_decoders(lambda name, kind, decode, **more: self.decoders.append(decode))

    async def submit_frame(self, frame: hub.Frame) -> bool:  # type: ignore[override]
        for decode in self.decoders:
            answer = decode(frame, lambda device: None)
            if answer is not None:
                self.answers.append(answer)
                return True
        self.unknown.append(frame.address)
        return False


@pytest.fixture
def capture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere")
    path = tmp_path / "capture.jsonl"
    path.write_text("".join(json.dumps({"time": 1.0 + n, **line}) + "\n" for n, line in enumerate(LINES)))
    return path


@pytest.mark.real("processes")
async def test_what_no_decoder_knows_is_read_by_other_makers_parsers(capture: Path) -> None:
    session = Deciding()
    async with running(session, capture=capture, others=True):
        await until(lambda: len(session.answers) == 3)
    assert {answer.model: answer.values for answer in session.answers} == {
        "BTHome": {"temperature": 25.0},
        "ThermoPro TP357": {"temperature": 24.1, "humidity": 29, "battery": 100},
        "SensorPush HT.w": {"temperature": 20.44, "humidity": 38.7},
    }
    assert session.unknown == [line["address"] for line in LINES[1:]]


async def test_by_default_no_other_parser_is_started(capture: Path) -> None:
    session = Deciding()
    async with running(session, capture=capture):
        await until(lambda: len(session.unknown) == 3)
    assert [answer.model for answer in session.answers] == ["BTHome"]
