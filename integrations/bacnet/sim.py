"""A BACnet/IP controller that plays an air handling unit and a heat meter: `ilot sim bacnet`.

It prints one line of JSON when it listens: its address, and the `settings:` of its device, ready to be pasted into a
configuration. It ends on SIGTERM. It uses bacpypes3 (extra `bacnet`), notifies changes (COV), and takes commands at
priorities. Once an hour its return sensor is lost for a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import signal
import socket
import sys
import time
from typing import Any

from bacpypes3.app import Application
from bacpypes3.basetypes import Reliability, StatusFlags
from bacpypes3.local.analog import AnalogInputObject, AnalogOutputObject, AnalogValueObjectCmd
from bacpypes3.local.binary import BinaryInputObject, BinaryOutputObject
from bacpypes3.local.cov import GenericCriteria
from bacpypes3.local.device import DeviceObject
from bacpypes3.local.multistate import MultiStateInputObject
from bacpypes3.local.networkport import NetworkPortObject
from bacpypes3.pdu import IPv4Address

OBJECTS: dict[str, dict[str, Any]] = {
    "analog-input:1": {"metric": "flow_temperature"},
    "analog-input:2": {"metric": "return_temperature"},
    "analog-input:3": {"metric": "temperature"},
    "analog-input:4": {"metric": "energy"},
    "analog-input:5": {"metric": "power"},
    "analog-output:1": {"metric": "valve_position"},
    "analog-value:1": {"metric": "setpoint"},
    "binary-input:1": {"metric": "running"},
    "binary-input:2": {"metric": "fault"},
    "binary-output:1": {"metric": "fan_command", "privacy": "technical"},
    "multi-state-input:1": {"metric": "mode", "privacy": "technical"},
}
STATE = {"statusFlags": [0, 0, 0, 0], "eventState": "normal", "outOfService": False}
MODES = ["Arrêt", "Chauffage", "Ventilation"]


class ModeObject(MultiStateInputObject):  # type: ignore[misc]
    """A multi-state object with a COV increment, which bacpypes3 0.0.110 expects although the standard has none."""

    _cov_criteria = GenericCriteria


def _analog(kind: Any, number: int, name: str, units: str, value: float, step: float, about: str = "") -> Any:
    who = {AnalogInputObject: "analog-input", AnalogOutputObject: "analog-output"}.get(kind, "analog-value")
    return kind(
        objectIdentifier=f"{who},{number}",
        objectName=name,
        presentValue=value,
        units=units,
        covIncrement=step,
        description=about,
        **({} if who == "analog-input" else {"relinquishDefault": value}),
        **STATE,
    )


class Unit:
    """The unit's objects and their behaviour over time."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)  # noqa: S311 - a simulation
        self._lead, self._energy, self._at = rng.uniform(0, 600), rng.uniform(1e4, 5e4), 0.0
        self.flow = _analog(AnalogInputObject, 1, "CTA1.T_SOUFFLAGE", "degreesCelsius", 20.0, 0.2, "Supply air")
        self.back = _analog(AnalogInputObject, 2, "CTA1.T_REPRISE", "degreesCelsius", 19.0, 0.2, "Return air")
        self.outside = _analog(AnalogInputObject, 3, "T_EXT", "degreesCelsius", 8.0, 0.2, "Outdoor air")
        self.energy = _analog(AnalogInputObject, 4, "COMPTEUR_CHALEUR", "kilowattHours", 0.0, 1.0, "Heat meter")
        self.power = _analog(AnalogInputObject, 5, "CTA1.PUISSANCE", "kilowatts", 0.0, 0.2)
        self.valve = _analog(AnalogOutputObject, 1, "CTA1.VANNE", "percent", 35.0, 1.0)
        self.setpoint = _analog(AnalogValueObjectCmd, 1, "CTA1.CONSIGNE", "degreesCelsius", 21.0, 0.1)
        flags = {"polarity": "normal", "activeText": "Marche", "inactiveText": "Arrêt", **STATE}
        self.running = BinaryInputObject(
            objectIdentifier="binary-input,1", objectName="CTA1.ETAT_VENTILATEUR", presentValue="active", **flags
        )
        self.fault = BinaryInputObject(
            objectIdentifier="binary-input,2", objectName="CTA1.DEFAUT", presentValue="inactive", **flags
        )
        self.fan = BinaryOutputObject(
            objectIdentifier="binary-output,1",
            objectName="CTA1.CDE_VENTILATEUR",
            presentValue="active",
            relinquishDefault="active",
            **flags,
        )
        self.mode = ModeObject(
            objectIdentifier="multi-state-input,1",
            objectName="CTA1.MODE",
            presentValue=2,
            numberOfStates=3,
            stateText=MODES,
            **STATE,
        )

    @property
    def objects(self) -> list[Any]:
        return [
            self.flow, self.back, self.outside, self.energy, self.power, self.valve, self.setpoint, self.running,
            self.fault, self.fan, self.mode,
        ]  # fmt: skip

    def step(self, t: float) -> None:
        """Set all values for `t` seconds."""
        on = str(self.fan.presentValue) == "active"
        outside = 8 + 4 * math.sin(math.tau * (t + self._lead) / 3600)
        flow = self.setpoint.presentValue + 0.5 * math.sin(math.tau * t / 120) if on else 16.0
        kilowatts = max(0.0, float(flow - outside)) * 1.2 if on else 0.0
        self._energy += kilowatts * (t - self._at) / 3600
        self._at = t
        lost = t % 3600 >= 3540
        values = (
            (self.outside, outside), (self.flow, flow), (self.back, flow - 1.5), (self.power, kilowatts),
            (self.energy, self._energy), (self.running, "active" if on else "inactive"),
            (self.fault, "active" if lost else "inactive"), (self.mode, 1 if not on else 2 if kilowatts > 1 else 3),
        )  # fmt: skip
        for thing, value in values:
            thing.presentValue = value
        if bool(self.back.statusFlags[1]) != lost:
            self.back.reliability = Reliability(1 if lost else 0)
            self.back.statusFlags = StatusFlags([0, int(lost), 0, 0])


def application(options: argparse.Namespace, port: int, unit: Unit) -> Any:
    device = DeviceObject(
        objectIdentifier=f"device,{options.instance}",
        objectName=f"SIM-{options.instance}",
        vendorIdentifier=999,
        vendorName="Îlot",
        modelName="Simulated air handling unit",
        firmwareRevision="1",
        applicationSoftwareVersion="1",
        protocolVersion=1,
        protocolRevision=22,
        maxApduLengthAccepted=1476,
    )
    address = IPv4Address(f"{options.host}/{options.prefix}:{port}")
    network = NetworkPortObject(address, objectIdentifier="network-port,1", objectName="network")
    return Application.from_object_list([device, network, *unit.objects])


async def _main(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    port = options.port or _free_port(options.host)
    unit = Unit(options.seed)
    app = application(options, port, unit)
    for layer in app.link_layers.values():
        await layer.server._local_transport_ready.wait()
    settings = {"address": f"{options.host}:{port}", "objects": OBJECTS}
    sys.stdout.write(json.dumps({"port": port, "devices": {f"bacnet:{options.instance}": settings}}) + "\n")
    sys.stdout.flush()
    began = time.monotonic()
    try:
        while not stop.is_set():
            unit.step(time.monotonic() - began)
            try:
                async with asyncio.timeout(1.0):
                    await stop.wait()
            except TimeoutError:
                continue
    finally:
        app.close()


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        return int(sock.getsockname()[1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="ilot sim bacnet", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--prefix", type=int, default=8, help="length of its network's prefix (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="UDP port, 0 for any free one (default: %(default)s)")
    parser.add_argument("--instance", type=int, default=1201, help="of the device (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another start (default: %(default)s)")
    asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
