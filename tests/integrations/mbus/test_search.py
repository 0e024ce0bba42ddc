"""A search of a bus whose meters answer together: what they say is mixed, bit by bit."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import meterbus
import pytest
import serial
from click.testing import CliRunner

import hub
from hub.cli.radio import discover
from hub.sdk.testing import FakeSession
from integrations.mbus import Config, line_wired, listen, run
from integrations.mbus.master import Master
from integrations.mbus.search import Search
from integrations.mbus.sim import Bus, Meter, crowd, house, mix

from .wire import Wire, plug

QUICK = {"timeout": timedelta(milliseconds=100), "pace": timedelta(milliseconds=50), "baudrate": 38400}


@contextmanager
def bus(*options: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A simulated bus in a process of its own: its port and its meters."""
    process = subprocess.Popen(
        [sys.executable, "-m", "integrations.mbus.sim", *options],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        yield told["port"], told["meters"]
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


async def search(bus: Bus, *, primary: bool = False) -> tuple[dict[str, dict[str, str]], Search]:
    """Everything that a search finds, unpaced."""
    looking = Search(Master(Wire(bus), timeout=0.01, retries=0, ack=0.01, rest=0), primary=primary)  # type: ignore[arg-type]
    found = {}
    while not looking.done:
        one = await looking.step()
        if one is not None:
            found[one.device] = one.evidence()
    return found, looking


@pytest.mark.parametrize("size", [2, 4])
async def test_every_meter_of_a_crowd_is_found_by_its_own_address(size: int) -> None:
    meters = crowd(size)
    found, looking = await search(Bus(meters))
    assert set(found) == {meter.device for meter in meters}
    assert looking.clashes == []
    assert found["mbus:KAM-12345600-08-04"] == {
        "manufacturer": "KAM", "number": "12345600", "version": "8", "medium": "heat",
    }  # fmt: skip
    assert looking.questions < 400


@pytest.mark.real("processes")
def test_an_independent_master_hears_each_of_them_alone_and_nothing_from_all_together() -> None:
    with bus("--crowd", "5", "--pty") as (port, meters), serial.serial_for_url(port, timeout=1) as line:
        meterbus.send_select_frame(line, "FFFFFFFFFFFFFFFF")
        line.read(64)
        meterbus.send_request_frame(line, 253)
        assert meterbus.recv_frame(line) in (False, None), "all of them together are no telegram"
        line.read(512)
        line.timeout = 30
        for meter in meters:
            maker, number, version, medium = meter["device"].removeprefix("mbus:").split("-")
            code = 0
            for letter in maker:
                code = code << 5 | ord(letter) - 64
            little = code.to_bytes(2, "little").hex().upper()
            meterbus.send_select_frame(line, f"{number}{little}{version}{medium}".upper())
            assert isinstance(meterbus.load(meterbus.recv_frame(line, 1)), meterbus.TelegramACK)
            meterbus.send_request_frame(line, 253)
            told = json.loads(meterbus.load(meterbus.recv_frame(line)).to_JSON())
            digits = "".join(part.strip()[2:].zfill(2) for part in told["body"]["header"]["identification"].split(","))
            assert digits == number
            assert told["body"]["header"]["manufacturer"] == maker


async def test_primary_addresses_are_found_and_a_clash_is_told() -> None:
    twins = [
        Meter(7, bytes.fromhex(own), [bytes.fromhex("0c1345230100")])
        for own in (
            "1122334477040807",
            "5222334477040807",
        )
    ]
    found, looking = await search(Bus([*house(), *twins]), primary=True)
    assert {name: told["address"] for name, told in found.items()} == {
        "mbus:KAM-06855817-08-04": "1",
        "mbus:ACW-78563412-14-07": "2",
    }
    assert len(looking.clashes) == 1
    assert looking.clashes[0].startswith("primary address 7: ")


async def test_meters_with_one_number_are_told_apart_by_their_medium_or_named_as_twins() -> None:
    same = [
        Meter(n, bytes.fromhex(f"1234567877040{medium}"), [bytes.fromhex("0c1345230100")])
        for n, medium in (
            (1, "807"),
            (2, "804"),
        )
    ]
    found, looking = await search(Bus(same))
    assert sorted(found) == ["mbus:ACW-78563412-08-04", "mbus:ACW-78563412-08-07"]
    versions = [bytes.fromhex(f"123456787704{version}07") for version in ("08", "09")]
    found, looking = await search(Bus([Meter(n, own, [b"\x0c\x13\x45\x23\x01\x00"]) for n, own in enumerate(versions)]))
    assert found == {}
    assert looking.clashes == ["several meters with the number 78563412 and the medium water"]


async def test_a_search_keeps_its_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    class Counting(Bus):
        def hear(self, telegram: bytes) -> bytes:
            if telegram[0] == 0x68:
                asked.append(time.monotonic())
            return super().hear(telegram)

    port, heard = plug(monkeypatch, Counting(house())), list[dict[str, Any]]()
    task = asyncio.create_task(listen(Config(port=port, search="secondary", **QUICK), heard.append))
    async with asyncio.timeout(60):
        while len(asked) < 8:
            await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert min(after - before for before, after in pairwise(asked)) >= 0.05


async def test_the_hub_looks_once_between_its_polls_when_it_is_told_to_and_makes_candidates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = hub.Device(id="mbus:KAM-06855817-08-04", integration="mbus", place="heat", settings={})
    session = FakeSession("mbus", devices=[known])
    port = plug(monkeypatch, Bus(house()))
    config = Config(port=port, search="secondary", retries=0, interval=timedelta(seconds=60), **QUICK)
    await session.run(run, config, turns=1, timeout=60)
    assert session.reports[0].device == known.id
    (water,) = session.candidates
    assert water.id == "mbus:ACW-78563412-14-07", "the other one is known"
    assert (water.model, water.values) == ("ACW water", {"water": pytest.approx(12345.0)})
    assert water.evidence["number"] == "78563412"
    assert session.state["searched"] == "secondary"
    session.candidates.clear()
    await session.run(run, config, turns=1, timeout=60)
    assert session.candidates == [], "once is enough"
    await session.run(run, Config(port=port, retries=0, **QUICK), turns=1, timeout=60)
    assert "searched" not in session.state


@pytest.mark.real("processes")
def test_the_command_lists_who_is_there(tmp_path: Path) -> None:
    with bus("--pty") as (port, _):
        (tmp_path / "ilot.yaml").write_text(
            f"integrations:\n  mbus:\n    port: {port}\n    baudrate: 38400\n    timeout: 0.5\n    pace: 0.05\n"
        )
        done = CliRunner().invoke(
            discover, ["mbus", "--scan", "300", "--config", str(tmp_path / "ilot.yaml"), "--json"]
        )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout.splitlines()[0])
    assert {one["id"]: one["model"] for one in told["candidates"]} == {
        "mbus:KAM-06855817-08-04": "KAM heat",
        "mbus:ACW-78563412-14-07": "ACW water",
    }


def test_the_command_without_a_configuration_says_what_it_needs(tmp_path: Path) -> None:
    done = CliRunner().invoke(discover, ["mbus", "--scan", "1", "--config", str(tmp_path / "none.yaml")])
    assert done.exit_code == 2
    assert "mbus needs its options" in done.output


async def test_a_number_with_letters_is_found_when_no_digit_is_answered() -> None:
    owns = ("123456aa77040807", "123456ab77040808")
    ill = [Meter(n, bytes.fromhex(own), [b"\x0c\x13\x45\x23\x01\x00"]) for n, own in enumerate(owns)]
    found, _ = await search(Bus(ill))
    assert set(found) == {meter.device for meter in ill}


def test_a_line_of_the_search_says_at_which_address_it_was_found() -> None:
    frame = line_wired({"telegram": "e5", "address": "7"})
    assert (frame.address, frame.name) == ("7", "primary address 7")


def test_the_wire_mixes_as_a_wire_does() -> None:
    assert mix([(0, b"\xe5"), (0, b"\xe5")]) == b"\xe5", "acknowledgements at the same moment look like one"
    assert mix([(0, b"\xe5"), (3, b"\xe5")]) != b"\xe5"
    assert mix([(0, b"\xff"), (0, b"\x00")]) == b"\x00", "a space wins"
    one, two = (meter.answer(0x20) for meter in crowd(2))
    assert mix([(0, one), (2, two)]) not in (one, two)
