"""A person looks for what speaks on a bus and tries it before it is saved: knxd is the bus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import project_kit
import pytest
from hypothesis import given
from hypothesis import strategies as st
from knxd_kit import Knxd
from test_peer import READ, WARM, begun, configured, put, said

import hub
from hub.sdk.finding import Found
from hub.sdk.testing import FakeLent, FakeSession
from integrations import knx
from integrations.knx import addresses
from integrations.knx.find import wanted
from integrations.knx.finder import FINDER
from integrations.knx.settings import DeviceSettings

pytestmark = pytest.mark.long("a bus with its peers", of="tests/integrations")

Start = Callable[[Any], "asyncio.Task[None]"]
TEMPERATURE = {"1/2/3": {"dpt": "9.001", "metric": "temperature"}}


def only(found: dict[str, Found]) -> Found:
    (one,) = found.values()
    return one


def groups(one: Found) -> dict[str, Any]:
    return dict(one.matches[0].settings["groups"])


def warm(address: int, apdu: bytes) -> dict[int, bytes]:
    """Answer at 1/2/3 with 21 °C, and nowhere else."""
    return {address: WARM} if apdu == READ and address == addresses.group("1/2/3") else {}


async def speaking(knxd: Knxd, enough: Callable[[], bool]) -> None:
    """Send from one address of the bus until it is enough."""
    async with knxd.bus_device(lambda address, apdu: {}) as say:
        while not enough():
            await say(addresses.group("1/2/3"), b"\x00\x80\x0c\x1a")
            await say(addresses.group("1/2/4"), b"\x00\x81")
            await say(addresses.group("1/2/9"), b"\x00\x80\x01\x02\x03")
            await asyncio.sleep(0.1)


@pytest.mark.real("network, processes")
async def test_who_speaks_is_proposed_with_guessed_types_and_tried_with_what_was_heard(
    knxd: Knxd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.knx.find.LISTEN_S", 4)
    lent = FakeLent()
    options = configured(knxd)
    search = asyncio.ensure_future(lent.search(FINDER, options, ""))
    async with asyncio.timeout(60):
        await speaking(knxd, search.done)
    one = only(await search)
    assert one.device == f"knx:{one.address}"
    assert one.address.startswith("1.1.")
    assert one.title == "1/2/3, 1/2/4, 1/2/9"
    assert groups(one) == TEMPERATURE | {"1/2/4": {"dpt": "1.001", "metric": "generic_flag"}}, (
        "three octets are not guessed"
    )
    assert "guessed" in one.matches[0].why
    tried = await lent.read(FINDER, options, DeviceSettings(**one.matches[0].settings))
    assert tried.values == {"temperature": 21.0, "generic_flag": True}
    assert lent.steps[-1] == (4, 4)


@pytest.mark.real("network, processes")
async def test_typed_addresses_are_asked_and_their_types_are_kept(knxd: Knxd) -> None:
    options = configured(knxd)
    async with knxd.bus_device(warm):
        lent = FakeLent()
        one = only(await lent.search(FINDER, options, "1/2/3=9.001, 1/2/7=9.007"))
        assert groups(one) == TEMPERATURE | {"1/2/7": {"dpt": "9.007", "metric": "humidity"}}
        assert "types that you give" in one.matches[0].why
        tried = await lent.read(FINDER, options, DeviceSettings(**one.matches[0].settings))
    assert tried.values == {"temperature": 21.0}
    assert "nobody answers" in tried.wrong["humidity"]


@pytest.mark.real("network, processes")
async def test_the_answer_at_a_typed_address_tells_its_type_and_silence_proposes_nothing(knxd: Knxd) -> None:
    async with knxd.bus_device(warm):
        one = only(await FakeLent().search(FINDER, configured(knxd), "1/2/3 1/2/8"))
    assert (one.address, groups(one)) == ("1/2/3", TEMPERATURE)
    assert only(await FakeLent().search(FINDER, configured(knxd), "1/2/8")).matches == ()


@pytest.mark.real("network, processes")
async def test_a_search_listens_on_the_tunnel_of_the_instance_that_runs(
    knxd: Knxd, session: FakeSession, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.knx.find.LISTEN_S", 2)
    put(session, "knx:salle-12", TEMPERATURE)
    task = await begun(session, knxd, start)
    lent = FakeLent(devices=session.devices.all())
    async with knxd.bus_device(warm):
        one = only(await lent.search(FINDER, configured(knxd), "1/2/3=9.001"))
        assert one.known == "knx:salle-12"
        search = asyncio.ensure_future(lent.search(FINDER, configured(knxd), ""))
        async with asyncio.timeout(60):
            await speaking(knxd, search.done)
        heard = [found for found in (await search).values() if found.address.startswith("1.1.")]
    assert [list(groups(found)) for found in heard] == [["1/2/4"]], "what a device reads already is not proposed again"
    assert said(session, "knx:salle-12") == {"temperature": 21.0}, "the instance heard all of it"
    assert not task.done()


@pytest.mark.real("network, processes")
async def test_the_devices_of_the_project_are_proposed_before_anybody_speaks(
    knxd: Knxd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.knx.find.LISTEN_S", 0)
    project = project_kit.archive(tmp_path / "building.knxproj", 23)
    found = await FakeLent().search(FINDER, configured(knxd, project=str(project)), "")
    assert found
    for one in found.values():
        assert DeviceSettings(**one.matches[0].settings).groups
        assert "ETS project" in one.matches[0].why


@pytest.mark.real("network")
async def test_an_interface_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = knx.Config(connection="tunnelling", host="127.0.0.1", port=9, timeout=0.3)
    with pytest.raises(hub.NotReady):
        await FakeLent().search(FINDER, nobody, "")


@given(st.text(max_size=40) | st.from_regex(r"\A[0-9/=., ]{0,20}\Z"))
def test_whatever_is_typed_is_group_addresses_or_a_sentence(text: str) -> None:
    with suppress(hub.NotReady):
        assert all(0 < address <= 0xFFFF for address in wanted(text))
