"""What people want of a device: from `ilot command set` in a whole hub to the bytes that a device of lora-packet reads,
over a kill; and `ilot device rejoin`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lorawan_peer import LoraPacket, PeerDevice

from ...faults.rig import ilot, until
from .test_hub import CONFIG, DEV_EUI, GATEWAY, KEY, House

pytestmark = pytest.mark.real("network, processes")

DEVICE = f"lorawan:{DEV_EUI}"
TOLD = CONFIG.replace("pack: cayenne-lpp", "pack: decentlab-dl-pm, settings: {{version: 1.0.4}}")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path, TOLD)
    yield made
    made.close()


def test_a_command_reaches_the_device_over_a_kill_and_is_done_when_it_says_so(
    house: House, lora_packet: LoraPacket
) -> None:
    asked = ("--config", str(house.rig.config), "--json")

    def state() -> dict[str, Any]:
        return ilot("command", "list", *asked)["commands"][0]

    device = PeerDevice(lora_packet, bytes.fromhex(DEV_EUI), KEY)
    house.start()
    accept = house.gateway.forward(device.join_request(5), 60)
    assert accept
    device.join_accept(accept)
    assert house.gateway.forward(device.uplink(b"", 1, confirmed=True), 60)
    order = ilot("command", "set", DEVICE, "period", "seconds=600", "--why", "less often", "--wait", "0", *asked)
    until(lambda: state()["state"] == "queued", 90, house.rig.logs)
    house.kill()
    house.start()
    device.fcnt_down = 0
    answer = None
    for _ in range(20):  # the command comes again once the codec worker is there, which may be after the first uplink
        answer = answer or house.gateway.forward(device.uplink(b"", 1), 3)
    assert answer, house.rig.logs()
    said = device.downlink(answer)
    assert said["type"] == "Confirmed Data Down"
    # "for a new period of 600 s (0x0258)": 0002, the period, and the CRC-16 that the manual asks for
    assert (said["fport"], said["payload"][:8]) == (1, "00020258")
    until(lambda: state()["state"] == "sent", 90, house.rig.logs)
    assert house.gateway.forward(device.uplink(b"", 1, confirmed=True, ack=True), 60)
    until(lambda: state()["state"] == "done", 90, house.rig.logs)
    assert (state()["id"], state()["detail"]) == (order["id"], "the device acknowledged it")
    health = ilot("radio", *asked)
    ((one,), (gateway,)) = health["devices"], health["gateways"]
    assert (one["id"], one["join"], one["rates"]) == (DEVICE, "joined", {"SF7": one["heard"]})
    assert one["heard"] >= 2
    assert (one["margin_db"], one["en"], one["fr"]) == (14.0, "not judged yet", "pas encore jugée")
    assert (gateway["id"], gateway["silent"], sorted(gateway["duty"])) == (GATEWAY, False, list("KLMNPQ"))


def test_a_device_that_lost_its_count_joins_once_on_a_person_s_word(house: House, lora_packet: LoraPacket) -> None:
    asked = ("--config", str(house.rig.config), "--json")
    device = PeerDevice(lora_packet, bytes.fromhex(DEV_EUI), KEY)
    house.start()
    accept = house.gateway.forward(device.join_request(5), 60)
    assert accept
    device.join_accept(accept)
    assert house.gateway.forward(device.uplink(b"", 1, confirmed=True), 60)
    assert house.gateway.forward(device.join_request(1), 0.5) is None, "DevNonce 1 after 5"
    word = ilot("device", "rejoin", DEVICE, "--why", "its battery was changed", *asked)
    assert (word["state"], word["values"]) == ("queued", {})
    accept = house.gateway.forward(device.join_request(2), 60)
    assert accept, house.rig.logs()
    device.join_accept(accept)
    assert house.gateway.forward(device.uplink(b"", 1, confirmed=True), 60)
    until(lambda: ilot("command", "list", *asked)["commands"][0]["state"] == "done", 90, house.rig.logs)
    assert house.gateway.forward(device.join_request(0), 0.5) is None, "its word is used up"


def test_a_device_with_the_key_of_all_its_kind_is_heard_and_told_nothing(
    tmp_path: Path, lora_packet: LoraPacket
) -> None:
    house = House(tmp_path, CONFIG.replace("pack: cayenne-lpp", "pack: milesight-ws202"))
    key = bytes.fromhex("5572404C696E6B4C6F52613230313823")  # printed in its maker's manual
    (tmp_path / "secrets.yaml").write_text(f"appkey: {key.hex()}\n")
    asked = ("--config", str(house.rig.config), "--json")
    try:
        device = PeerDevice(lora_packet, bytes.fromhex(DEV_EUI), key)
        house.start()
        accept = house.gateway.forward(device.join_request(5), 60)
        assert accept
        device.join_accept(accept)
        assert house.gateway.forward(device.uplink(bytes.fromhex("017564"), 85, confirmed=True), 60)
        until(lambda: DEVICE in ilot("status", *asked)["factory_credentials"], 90, house.rig.logs)
        (said,) = [text for text in ilot("status", *asked)["degraded"] if "left the factory" in text]
        assert said.startswith(f"device {DEVICE} still has the key that it left the factory with: nothing is written")
        refused = subprocess.run(
            [sys.executable, "-m", "hub", "command", "set", DEVICE, "period", "seconds=600", "--why", "x", *asked],
            capture_output=True,
            check=False,
            text=True,
        )
        assert refused.returncode == 3
        assert "still has the key that it left the factory with: change it in the device, then here" in refused.stderr
    finally:
        house.close()
