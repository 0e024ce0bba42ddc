"""The configuration of the integration and its devices: what is right, and what each mistake is told."""

from __future__ import annotations

import base64
import re
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from lorawan_peer import LoraPacket
from pydantic import ValidationError
from ruamel.yaml import YAML
from serving_kit import (
    ABP,
    DEV_EUI,
    GATEWAY,
    Forwarder,
    free_port,
    known,
    personalised,
    running,
    udp,
)

import hub
from hub.sdk.testing import FakeSession
from integrations import lorawan
from integrations.lorawan import settings
from integrations.lorawan.metrics import METRICS
from integrations.lorawan.settings import Config


def test_the_configuration_in_the_readme_is_right() -> None:
    page = Path(lorawan.__file__).with_name("README.md").read_text()
    (block,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    said = YAML(typ="safe").load(block.replace("!secret ", ""))
    config = Config.model_validate(said["integrations"]["lorawan"])
    assert config.station
    assert list(config.gateways) == [GATEWAY]
    ((name, device),) = said["devices"].items()
    made = settings.device(known(id=name, settings=device["settings"]))
    assert made.version == "1.0.3"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"gateways": {"nobody": {}}}, "not an EUI"),
        ({"udp": None}, "no gateway could reach"),
        ({"udp": {"address": "hub.local"}}, "an address of this machine"),
        ({"gateways": {"aa555a0000000001": {"address": "gw.local"}}}, "the IP address of the gateway"),
        ({"channels": [915.0]}, "no channel of EU863-870"),
        ({"channels": [868.10005]}, "no channel of EU863-870"),
        ({"channels": [867.1] * 6}, "at most 5"),
        ({"station": {"certificate": "a"}}, "belong together"),
        ({"rx_delay": 0}, "greater than or equal to 1"),
    ],
)
def test_each_wrong_option_is_explained(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Config.model_validate(change)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id": "lorawan:70B3D5E75E00ABCD"}, "lower case"), ({"id": "lorawan:1"}, "16 digits"),
        ({"key": None}, "needs a key of 16 bytes: its AppKey"), ({"key": bytes(8)}, "needs a key of 16 bytes"),
        ({"settings": {"address": "01020304"}}, "needs a key of 32 bytes: NwkSKey and AppSKey"),
        ({"settings": {"version": "1.1"}}, "1.0.4"),
    ],
)  # fmt: skip
def test_each_wrong_device_is_explained(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        settings.device(known(**change))


@pytest.mark.real("network, processes")
async def test_a_pack_reads_the_payload_and_former_values_come_first_and_without_a_counter(
    lora_packet: LoraPacket, forwarder: Callable[[int], Awaitable[Forwarder]]
) -> None:
    port = free_port(socket.SOCK_DGRAM)
    session = FakeSession("lorawan", [known(**ABP, pack="acme-thermo")], metrics=METRICS)
    name = f"lorawan:{DEV_EUI}"
    session.packs.payloads[name, 2, b"log"] = (
        hub.Sample(values={"temperature": 21.0, "door": True}),
        hub.Sample(values={"temperature": 20.0}, time=1_790_000_000.0),
    )
    async with running(udp(port), session):
        gateway = await forwarder(port)
        gateway.send(2)
        await gateway.receive()
        device = personalised(lora_packet)
        gateway.forward(device.uplink(b"log", 2, confirmed=True), 1)
        assert device.downlink(base64.b64decode((await gateway.answer())["data"]))["ack"]
        gateway.forward(device.uplink(b"unknown", 2, confirmed=True), 10_000_000)
        assert device.downlink(base64.b64decode((await gateway.answer())["data"]))["ack"]
    assert [(r.values, r.time) for r in session.reports] == [
        ({"temperature": 20.0}, 1_790_000_000.0),
        ({"link_margin": 14.0, "temperature": 21.0, "door": True}, None),
        ({"link_margin": 14.0}, None),
    ]
    assert [r.proof.counter for r in session.reports if r.proof] == [None, 0, 1]
    assert session.durable == session.reports
    assert session.drops == [(name, "no-pack")]
