"""Sampling raised over the air: lora-packet hears the pack's downlink, a kill comes in between, and it hears the former
period at the end."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lorawan_peer import LoraPacket, PeerDevice

from hub.rpc.control_socket import call
from tests.hub.devices.packs.packs_kit import CODEC

from .test_hub import CONFIG, DEV_EUI, KEY, House
from .test_kept import pack

pytestmark = pytest.mark.real("network, processes")

DEVICE = f"lorawan:{DEV_EUI}"
MORE = "crisis: {{sampling: {{unknown_battery: true}}}}\n"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path, CONFIG.replace("cayenne-lpp", "acme-thermo") + MORE)
    subprocess.run(
        [sys.executable, "-m", "hub", "pack", "install", pack(tmp_path, 1, CODEC), "--config", str(made.rig.config)],
        check=True, capture_output=True,
    )  # fmt: skip
    yield made
    made.close()


def ask(house: House, name: str, **arguments: Any) -> dict[str, Any]:
    return dict(call(house.rig.state / "hub.sock", f"crisis.sampling.{name}", **arguments))


def told(house: House, device: PeerDevice, wanted: str, acknowledged: list[int]) -> bool:
    """Uplinks, a second apart, until the device was told this in the clear of lora-packet. It acknowledges with the
    next uplink what wants to be acknowledged."""
    for _ in range(30):
        heard = speak(house, device, acknowledged)
        if heard is not None and (heard["fport"], heard["payload"]) == (2, wanted):
            return True
    return False


def speak(house: House, device: PeerDevice, acknowledged: list[int]) -> dict[str, Any] | None:
    """One uplink, and what comes down. `acknowledged`: how many downlinks the device has acknowledged."""
    last = device.downlinks[-1] if device.downlinks else {"type": ""}
    ack = last["type"].startswith("Confirmed") and len(device.downlinks) > acknowledged[0]
    if ack:
        acknowledged[0] = len(device.downlinks)
    answer = house.gateway.forward(device.uplink(bytes((200, 0, 1)), 1, ack=ack), 1)
    return device.downlink(answer) if answer is not None else None


def test_a_device_hears_its_new_period_is_observed_at_it_and_hears_the_former_one_after_a_kill(
    house: House, lora_packet: LoraPacket
) -> None:
    device = PeerDevice(lora_packet, bytes.fromhex(DEV_EUI), KEY)
    house.start()
    accept = house.gateway.forward(device.join_request(1), 60)
    assert accept
    device.join_accept(accept)
    house.gateway.forward(device.uplink(bytes((200, 0, 1)), 1), 1)

    shown = ask(house, "plan", period_s=60, for_s=3600)
    (entry,) = shown["entries"]
    assert (entry["name"], entry["was_s"], entry["to_s"]) == (DEVICE, 600.0, 60.0)
    # 16 bytes at SF7: 51.456 ms (AN1200.13); five of eight channels lie in sub-band L, so 3600/60 of them are 1.93 s
    assert entry["air"]["after_s"] == pytest.approx(60 * 0.051456 * 5 / 8, abs=0.01)
    assert entry["air"]["of_s"] == 36.0
    assert (shown["telling"]["downlinks"], shown["telling"]["takes_s"]) == (1, 600.0)

    arguments = {"by": "cli", "role": "administrateur", "why": "crue"}
    assert ask(house, "raise", plan=shown["digest"], **arguments)["phase"] == "raised"
    acknowledged = [0]
    assert told(house, device, "0101", acknowledged), house.rig.logs()
    house.kill()  # it was told, and nobody knows: the acknowledgement is still to come
    house.start()
    assert ask(house, "status")["phase"] == "raised"
    assert told(house, device, "0101", acknowledged), "to be told the same twice does no harm"
    end = time.monotonic() + 60
    while not ask(house, "status")["counts"]["confirmed"] and time.monotonic() < end:
        speak(house, device, acknowledged)
    counts = ask(house, "status")["counts"]
    assert (counts["told"], counts["confirmed"]) == (1, 1), json.dumps(
        call(house.rig.state / "hub.sock", "command.list")
    )

    assert ask(house, "restore", by="cli", why="décrue")["phase"] == "restoring"
    assert told(house, device, "010a", acknowledged), "ten minutes again"
    speak(house, device, acknowledged)
    end = time.monotonic() + 60
    while not ask(house, "status")["counts"]["told"] and time.monotonic() < end:
        time.sleep(0.1)
    status = ask(house, "status")
    assert (status["counts"]["told"], status["counts"]["confirmed"]) == (1, 0), (
        "told; it was not observed so slowly yet"
    )
