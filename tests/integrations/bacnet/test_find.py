"""A person looks for a controller and tries its objects: an independent device answers (bacpypes3)."""

from __future__ import annotations

from typing import Any

import pytest
from bacnet_kit import OWN, config, device, free_port, last, running, until
from hypothesis import given
from hypothesis import strategies as st

import hub
from hub.sdk.finding import Offer
from hub.sdk.testing import FakeLent
from integrations.bacnet.find import wanted
from integrations.bacnet.finder import FINDER
from integrations.bacnet.settings import DeviceSettings

MODELS = {"one": "Peer-1", "two": "Peer 22", "three": "1"}
"""The device says that it is a Peer 1: the third is too short a name to mean it."""
TEMPERATURE = {"analog-input:1": {"metric": "flow_temperature"}}


@pytest.mark.real("network, processes")
async def test_a_controller_at_a_typed_address_is_found_with_its_objects_and_what_they_say_now() -> None:
    async with device() as peer:
        lent = FakeLent()
        found = await lent.search(FINDER, config(), peer.address)
        one = found["1201"]
        assert (one.device, one.settings) == ("bacnet:1201", {"address": peer.address})
        (match,) = one.matches
        assert match.settings["objects"]["analog-input:1"] == {"metric": "flow_temperature"}
        tried = await lent.read(FINDER, config(), DeviceSettings(**match.settings))
        assert tried.values["flow_temperature"] == pytest.approx(21.5)
        assert {metric.key for metric in tried.metrics} <= tried.values.keys() | tried.wrong.keys()
        assert lent.steps[-1] == (1, 1)


@pytest.mark.real("network, processes")
async def test_a_search_uses_the_socket_of_the_instance_that_runs_and_leaves_its_polls_alone() -> None:
    async with device() as peer:
        options = config(port=free_port(OWN), notifications="none")
        async with running(options, [peer.device(TEMPERATURE)]) as session:
            await until(lambda: last(session))
            lent = FakeLent(devices=[peer.device(TEMPERATURE)])
            found = await lent.search(FINDER, options, peer.address)
            assert found["1201"].known == "bacnet:1201"
            await lent.read(FINDER, options, DeviceSettings(address=peer.address, objects=TEMPERATURE))
            session.reports.clear()
            await until(lambda: last(session), "it is polled still")
            assert session.radio.errors == []


@pytest.mark.real("network, processes")
async def test_the_pack_of_a_model_is_proposed_before_the_list_of_objects() -> None:
    async with device() as peer:
        offers = [Offer(pack=f"acme-{name}", vendor="Acme", models=(model,)) for name, model in MODELS.items()]
        found = await FakeLent(packs=offers).search(FINDER, config(), peer.address)
        assert [match.pack for match in found["1201"].matches] == ["acme-one", ""]


@pytest.mark.real("network, processes")
async def test_an_object_that_is_not_there_is_told_beside_the_values_of_the_others() -> None:
    async with device() as peer:
        objects: dict[str, Any] = {**TEMPERATURE, "analog-input:999": {"metric": "humidity"}}
        settings = DeviceSettings(address=peer.address, objects=objects)
        tried = await FakeLent().read(FINDER, config(), settings)
        assert tried.values == {"flow_temperature": pytest.approx(21.5)}
        assert list(tried.wrong) == ["humidity"]


@pytest.mark.real("network")
async def test_a_silent_address_finds_nothing_and_a_reading_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.bacnet.find.ANSWERS_S", 0.2)
    nobody = f"127.0.0.2:{free_port()}"
    quick = config(timeout=0.2)
    assert await FakeLent().search(FINDER, quick, nobody) == {}
    with pytest.raises(hub.NotReady, match="does not answer"):
        await FakeLent().read(FINDER, quick, DeviceSettings(address=nobody, objects=TEMPERATURE))


async def test_nothing_is_broadcast_unless_a_person_or_the_configuration_says_so() -> None:
    for text in ("", "1201"):
        with pytest.raises(hub.NotReady, match="say whom to ask"):
            await FakeLent().search(FINDER, config(), text)


def test_what_a_person_types_is_understood() -> None:
    asked = wanted("192.168.10.20, 192.168.10.21:47809; 1201 10.0.255.255")
    assert [station[:2] for station in asked.stations] == [("192.168.10.20", 47808), ("192.168.10.21", 47809)]
    assert (asked.instances, asked.broadcast) == ([1201], "10.0.255.255")


@given(st.text(max_size=40))
def test_whatever_is_typed_is_addresses_or_a_sentence(text: str) -> None:
    try:
        asked = wanted(text)
    except hub.NotReady:
        return
    assert all(0 <= number <= 4_194_302 for number in asked.instances)
