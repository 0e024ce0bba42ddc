"""Plays controllers of a BACnet pack for `ilot sim --pack`: by bacpypes3 (extra `bacnet`), with the objects of the
pack's vectors."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from bacpypes3.app import Application
from bacpypes3.basetypes import EngineeringUnits
from bacpypes3.local.analog import AnalogInputObject, AnalogOutputObject, AnalogValueObject
from bacpypes3.local.binary import BinaryInputObject, BinaryOutputObject, BinaryValueObject
from bacpypes3.local.device import DeviceObject
from bacpypes3.local.networkport import NetworkPortObject
from bacpypes3.pdu import IPv4Address

import hub
from hub.sdk.phrases import phrase
from hub.sdk.simulation import Fault, Message, Play, Played, Script
from integrations.bacnet.sim import STATE, ModeObject

FIRST = 3_900_000
KINDS = {
    "analog-input": AnalogInputObject, "analog-output": AnalogOutputObject, "analog-value": AnalogValueObject,
    "binary-input": BinaryInputObject, "binary-output": BinaryOutputObject, "binary-value": BinaryValueObject,
    "multi-state-input": ModeObject,
}  # fmt: skip


class Muted(Application):  # type: ignore[misc]
    """An application that can be silent, or lose a question."""

    silent = False
    lost = 0

    async def indication(self, apdu: Any) -> None:
        if self.silent or self.lost:
            self.lost = max(0, self.lost - 1)
            return
        await super().indication(apdu)


def said_of(message: Message) -> dict[str, dict[str, Any]]:
    """Return the objects that a vector names: {value, units, texts}."""
    return {name: said if isinstance(said, dict) else {"value": said} for name, said in message.heard.items()}


def _object(name: str, said: dict[str, Any]) -> Any:
    kind, _, number = name.partition(":")
    if kind not in KINDS:
        raise hub.NotReady(
            phrase(
                "bacnet.object-not-simulated",
                "{object} cannot be simulated; it can be {kinds}",
                object=name,
                kinds=sorted(KINDS),
            )
        )
    facts: dict[str, Any] = {"objectIdentifier": f"{kind},{number}", "objectName": name, **STATE}
    if kind.startswith("analog"):
        facts |= {"presentValue": float(said["value"]), "units": EngineeringUnits(said.get("units", 95))}
        facts["covIncrement"] = 0.0
    elif kind.startswith("binary"):
        facts |= {"presentValue": "active" if said["value"] else "inactive"}
    else:
        texts = list(said.get("texts", ()))
        facts |= {"presentValue": int(said["value"]), "numberOfStates": max(len(texts), int(said["value"]))}
        if texts:
            facts["stateText"] = texts
    return KINDS[kind](**facts)


Units = tuple[tuple[str, int], ...]


def units_of(message: Message) -> Units:
    """Return the units of a vector's objects: a controller keeps them for life, so others are another controller's."""
    return tuple(sorted((name, said["units"]) for name, said in said_of(message).items() if "units" in said))


class BacnetPlayer:
    """Controllers, each at a port of its own; for each set of units that the vectors show there are some."""

    faults: frozenset[Fault] = frozenset({"silence", "drop"})
    secrets: dict[str, str] = {}  # noqa: RUF012 - nothing to add to
    environment: dict[str, str] = {}  # noqa: RUF012

    def __init__(self) -> None:
        self.devices: list[Played] = []
        self.options: dict[str, Any] = {"address": "127.0.0.1", "port": 0, "interval": "1s", "timeout": "1s"}
        self._apps: list[Muted] = []
        self._objects: list[dict[str, Any]] = []
        self._units: list[Units] = []

    async def add(self, instance: int, port: int, units: Units, objects: dict[str, dict[str, Any]]) -> Muted:
        made = {name: _object(name, said) for name, said in objects.items()}
        device = DeviceObject(
            objectIdentifier=f"device,{instance}", objectName=f"SIM-{instance}", vendorIdentifier=999,
            vendorName="Îlot", modelName="Simulated controller", firmwareRevision="1", applicationSoftwareVersion="1",
            protocolVersion=1, protocolRevision=22, maxApduLengthAccepted=1476,
        )  # fmt: skip
        network = NetworkPortObject(
            IPv4Address(f"127.0.0.1/8:{port}"), objectIdentifier="network-port,1", objectName="network"
        )
        app: Muted = Muted.from_object_list([device, network, *made.values()])
        for layer in app.link_layers.values():
            await layer.server._local_transport_ready.wait()
        self._apps.append(app)
        self._objects.append(made)
        self._units.append(units)
        self.devices.append(Played(f"bacnet:{instance}", {"address": f"127.0.0.1:{port}"}))
        return app

    def speaks(self, device: int, message: Message) -> bool:
        return self._units[device] == units_of(message)

    async def joined(self, device: int) -> None:
        pass

    async def say(self, device: int, message: Message, fault: Fault | None) -> None:
        app = self._apps[device]
        app.silent, app.lost = fault == "silence", int(fault == "drop")
        if fault is not None:
            return
        for name, said in said_of(message).items():
            thing = self._objects[device][name]
            if name.startswith("analog"):
                thing.presentValue = float(said["value"])
            elif name.startswith("binary"):
                thing.presentValue = "active" if said["value"] else "inactive"
            else:
                thing.presentValue = int(said["value"])


@asynccontextmanager
async def play(script: Script) -> AsyncIterator[BacnetPlayer]:
    sets = dict.fromkeys(map(units_of, script.messages))
    player, first = BacnetPlayer(), FIRST + 1000 * script.seed % 290_000
    async with AsyncExitStack() as stack:
        for number, units in enumerate(units for units in sets for _ in range(script.devices)):
            objects: dict[str, dict[str, Any]] = {}
            for message in reversed(script.messages):
                objects |= said_of(message) if units_of(message) == units else {}
            port = script.port + number if script.port else _free_port()
            app = await player.add(first + number, port, units, objects)
            stack.callback(app.close)
        yield player


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


PLAYERS: dict[str, Play] = {"bacnet": play}
