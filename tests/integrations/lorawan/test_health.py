"""How devices are heard: margins, lost uplinks, data rates, joins, and what gateways may still send."""

from __future__ import annotations

from typing import Any

import pytest
from lorawan_peer import LoraPacket
from lorawan_world import GATEWAYS, WALL, World

from hub.sdk.testing import FakeSession
from integrations.lorawan.device import Radio
from integrations.lorawan.health import LAST, Heard, Link
from integrations.lorawan.metrics import METRICS
from integrations.lorawan.parts import Commit, Joined
from integrations.lorawan.telling import Telling

NAME = "lorawan:0000000000000001"


class House(World):
    def __init__(self, peer: LoraPacket) -> None:
        super().__init__(peer)
        self.session = FakeSession("lorawan", metrics=METRICS)
        self.spoke: dict[str, float | None] = {GATEWAYS[0]: self.now, GATEWAYS[1]: None}
        self.telling = Telling(self.session, self.network, self.spoke, lambda: self.now, lambda: WALL + self.now, 300.0)

    def do(self, decisions: Any) -> None:
        for decision in decisions:
            if isinstance(decision, Commit) and decision.report is not None:
                self.telling.uplink(decision.report)
            if isinstance(decision, Joined):
                self.telling.joined(decision)
            super().do([decision])

    @property
    def facts(self) -> dict[str, Any]:
        return self.session.radio.facts.get(NAME, {})


@pytest.mark.real("processes")
def test_margin_rates_and_lost_uplinks_of_the_last_ones(lora_packet: LoraPacket) -> None:
    world = House(lora_packet)
    device = world.otaa()
    world.telling.admitted(device.dev_eui)
    assert (world.facts["join"], world.facts["margin_db"]) == ("none", None)
    world.join(device, 1)
    assert world.facts["join"] == "offered"
    world.send(device, b"x", snrs=(-2.5,), rate=5)
    assert (world.facts["join"], world.facts["margin_db"]) == ("joined", 5.0)
    assert world.facts["joined_at"] == WALL + world.now
    for _ in range(3):
        device.uplink(b"nobody hears it")
    world.send(device, b"x", snrs=(-15.0,), rate=0)
    assert (world.facts["heard"], world.facts["lost"]) == (2, 3)
    assert world.facts["rates"] == {"SF12": 1, "SF7": 1}
    for _ in range(LAST):
        world.sleep(58)
        world.send(device, b"x", snrs=(-0.5,))
    assert (world.facts["heard"], world.facts["lost"], world.facts["rates"]) == (LAST, 0, {"SF7": LAST})
    assert (world.facts["margin_db"], world.facts["margin_low_db"]) == (7.0, 7.0)
    assert world.facts["period_s"] == pytest.approx(60, abs=1)


@pytest.mark.real("processes")
def test_another_session_is_no_gap(lora_packet: LoraPacket) -> None:
    world = House(lora_packet)
    device = world.joined()
    for _ in range(5):
        world.send(device)
    world.join(device, 2)
    world.send(device)
    assert (world.facts["heard"], world.facts["lost"]) == (7, 0)


@pytest.mark.real("processes")
def test_one_that_joined_in_an_earlier_life_is_known_to_have_joined_and_one_that_goes_is_forgotten(
    lora_packet: LoraPacket,
) -> None:
    world = House(lora_packet)
    device = world.joined()
    world.telling.removed(NAME)
    assert world.facts == {}
    world.telling.admitted(device.dev_eui)
    assert (world.facts["join"], world.facts["joined_at"], world.facts["heard"]) == ("joined", None, 0)


@pytest.mark.real("processes")
def test_a_gateway_tells_its_silence_and_what_is_left_of_its_hour(lora_packet: LoraPacket) -> None:
    world = House(lora_packet)
    device = world.joined()
    world.telling.tell_gateways()
    one, other = (world.session.radio.facts[f"gateway:{gateway}"] for gateway in GATEWAYS)
    assert (one["silent"], one["last_heard"]) == (False, WALL + 1000.0)
    assert (other["silent"], other["last_heard"]) == (True, None)
    del world.spoke[GATEWAYS[1]]  # it never spoke, and the hub has only just started
    world.telling.tell_gateways()
    assert world.session.radio.facts[f"gateway:{GATEWAYS[1]}"]["silent"] is False
    assert "displaced" not in world.session.radio.facts[f"gateway:{GATEWAYS[1]}"]
    world.telling.displaced = {GATEWAYS[1]: 4}
    world.telling.tell_gateways()
    assert world.session.radio.facts[f"gateway:{GATEWAYS[1]}"]["displaced"] == 4
    world.sleep(301)
    world.telling.tell_gateways()
    assert world.session.radio.facts[f"gateway:{GATEWAYS[1]}"]["silent"] is True
    before = one["duty"]["M"]
    assert before["of_s"] == 36.0
    world.send(device, b"x", confirmed=True)
    world.telling.tell_gateways()
    after = world.session.radio.facts[f"gateway:{GATEWAYS[0]}"]["duty"]["M"]
    assert 0.02 < before["left_s"] - after["left_s"] < 0.2, "one acknowledgement at SF7"


@pytest.mark.parametrize(
    ("rate", "milliseconds"), [(5, 82.176), (4, 143.872), (3, 267.264), (2, 493.568), (1, 1069.056), (0, 1974.272)]
)
def test_the_airtime_that_is_told_is_that_of_a_published_calculator(rate: int, milliseconds: float) -> None:
    """24 bytes of payload and 13 of LoRaWAN, from a sheet after AN1200.13, "total airtime":
    docs.google.com/spreadsheets/d/1eL1nHxMidIcIdDE_l-DoY3kmE2e8b0YpOBW64WnYxj8."""
    link = Link(radio=Radio(channels={0: 868_100_000, 1: 868_300_000, 2: 868_500_000, 3: 867_100_000}))
    assert link.facts()["air"] == {}
    link.heard.append(Heard(1, 0.0, 0 if rate else 5, 10.0, 200))  # at another data rate: it says nothing of now
    link.heard.extend(Heard(n, n * 60.0, rate, 10.0, size) for n, size in ((2, 20), (3, 37), (4, 30)))
    air = link.facts()["air"]
    assert air["uplink_s"] == pytest.approx(milliseconds / 1000, abs=1e-4)
    assert (air["channels"], air["down"]) == (4, "M")
    assert air["bands"] == {"M": {"part": 0.75, "of_s": 36.0}, "L": {"part": 0.25, "of_s": 36.0}}
    link.radio = Radio(nb_trans=3)
    assert link.facts()["air"]["uplink_s"] == pytest.approx(3 * milliseconds / 1000, abs=1e-3)


def test_a_period_that_was_changed_shows_within_ten_uplinks() -> None:
    link = Link()
    link.heard.extend(Heard(n, n * 600.0, 5, 10.0, 30) for n in range(40))
    assert link.period() == 600.0
    link.heard.extend(Heard(40 + n, 24_000.0 + n * 60.0, 5, 10.0, 30) for n in range(10))
    assert link.period() == 60.0
