"""A capture line says all that was heard, and can be heard again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hub
from integrations.bluetooth import advert, capture
from integrations.bluetooth.intake import Heard, private
from integrations.bluetooth.sources import Sources

from .radio_kit import until

ADDRESSES = st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":").upper())
HEARD = st.builds(
    Heard,
    address=ADDRESSES,
    manufacturer=st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=27), max_size=3),
    service=st.dictionaries(
        st.binary(min_size=2, max_size=2).map(lambda raw: f"0000{raw.hex()}-0000-1000-8000-00805f9b34fb"),
        st.binary(max_size=27),
        max_size=3,
    ),
    name=st.text("abc 123", max_size=8).map(str.strip),
    rssi=st.none() | st.integers(-127, 20),
    source=st.sampled_from(["hci0", "hall"]),
    random=st.booleans(),
    raw=st.just(b""),
    uuids=st.lists(st.sampled_from(["0000fff0-0000-1000-8000-00805f9b34fb", "f000aa00-0451-4000-b000-000000000000"])),
)


@given(HEARD, st.floats(1.6e9, 2e9))
def test_a_line_gives_back_what_was_heard(heard: Heard, now: float) -> None:
    at, again = capture.heard(json.loads(json.dumps(capture.line(heard, now))))
    assert at == pytest.approx(now, abs=0.001)
    assert (again.frame().data, again.name, again.rssi) == (heard.frame().data, heard.name, heard.rssi)
    assert (again.address, again.source, private(again)) == (heard.address, f"capture:{heard.source}", private(heard))


@given(HEARD)
def test_a_line_is_one_that_decode_reads(heard: Heard) -> None:
    frame = advert.line(capture.line(heard, 1.7e9))
    assert frame.data == heard.frame().data
    assert frame.signal == hub.Signal(rssi=heard.rssi, source=heard.source)


def test_a_line_of_a_source_that_gives_raw_bytes_keeps_them() -> None:
    heard = Heard("A4:C1:38:01:02:03", raw=bytes.fromhex("0201060516d2fc4001"), rssi=-60, source="hall")
    line = capture.line(heard, 1.7e9)
    assert line["raw"] == "0201060516d2fc4001"
    assert capture.heard(line)[1].frame().data == {"service:fcd2": b"\x40\x01"}


def test_a_line_says_whether_its_sender_changes_its_address() -> None:
    lines = [
        capture.line(Heard(address, {1: b""}, random=True), 0.0)
        for address in ("5A:00:00:00:00:01", "C0:00:00:00:00:01")
    ]
    assert [("private" in line, "random" in line) for line in lines] == [(True, False), (False, True)]


TEXTS = st.text(max_size=20)
ITEMS = st.dictionaries(
    st.sampled_from(["address", "time", "rssi", "raw", "name", "source", "service_data", "x"]),
    st.none() | st.integers() | TEXTS | st.dictionaries(TEXTS, TEXTS, max_size=2),
)


@given(st.binary(max_size=200) | (ITEMS | st.lists(TEXTS)).map(lambda item: json.dumps(item).encode()))
def test_whatever_a_capture_holds_is_heard_or_refused(data: bytes) -> None:
    for item in capture.read(data):
        assert isinstance(item, hub.DecodeError) or isinstance(item[1], Heard)


class Radio:
    def __init__(self) -> None:
        self.heard: list[tuple[float, str]] = []
        self.lost: list[str] = []
        self.sources = Sources([capture.GROUP], lambda listening: None)

    async def play(self, path: Path, heard: int = 0) -> None:
        """Until so many were heard, or it ends by itself."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as tasks:
            playing = tasks.create_task(
                capture.play(
                    path,
                    hear=lambda said: self.heard.append((loop.time() - began, said.address)),
                    count=lambda reason, device: self.lost.append(reason),
                    sources=self.sources,
                )
            )
            if heard:
                await until(lambda: len(self.heard) >= heard)
                playing.cancel()


def line(at: float | None, n: int) -> dict[str, Any]:
    said = {"address": f"A4:C1:38:00:00:{n:02X}", "service_data": {"fcd2": "4001"}}
    return said if at is None else {**said, "time": at}


async def test_a_capture_is_heard_once_at_its_own_pace_and_a_bad_line_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "capture.jsonl"
    lines = [line(100.0, 1), line(100.2, 2), "nonsense", line(None, 3), line(50.0, 4)]
    path.write_text("\n".join(json.dumps(item) for item in lines) + "\n")
    radio = Radio()
    await radio.play(path, heard=4)
    assert [address[-2:] for _, address in radio.heard] == ["01", "02", "03", "04"]
    assert radio.heard[1][0] - radio.heard[0][0] >= 0.19
    assert radio.lost == ["bad-line"]
    assert radio.sources.up == {"capture": "capture"}


async def test_a_capture_that_is_not_there_is_not_ready(tmp_path: Path) -> None:
    with pytest.raises(ExceptionGroup) as error:
        await Radio().play(tmp_path / "nothing.jsonl")
    assert error.group_contains(hub.NotReady, match=r"nothing\.jsonl cannot be read: No such file")


async def test_a_capture_that_would_fill_the_memory_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    with path.open("wb") as file:
        file.truncate(capture.LARGEST + 1)
    with pytest.raises(ExceptionGroup) as error:
        await Radio().play(path)
    assert error.group_contains(hub.NotReady, match="more than 64 MiB")
