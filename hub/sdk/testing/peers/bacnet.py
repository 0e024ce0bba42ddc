"""A BACnet/IP device of bacpypes3, in a process of its own: the library takes no second device beside it."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from typing import Any

from hub.sdk.testing.peers.beginning import Beginning
from hub.sdk.testing.peers.missing import PeerMissing, free_port, need_module

HOST = "127.0.0.2"
"""Its own address: BACnet tells devices apart by address and port, and the hub has 127.0.0.1."""


class BacnetDevice(Beginning):
    """A device whose analog inputs have these `values`, by instance, in degrees Celsius. `host` and `port` are where it
    listens, `instance` is its number."""

    def __init__(self, values: dict[int, float], *, instance: int = 1201) -> None:
        self.values, self.instance = dict(values), instance
        self.host, self.port = HOST, free_port(socket.SOCK_DGRAM, HOST)
        self._process: asyncio.subprocess.Process | None = None

    async def begin(self) -> None:
        """Start it, and wait until it listens. Raises PeerMissing."""
        need_module("bacpypes3", "bacpypes3")
        options = json.dumps({"host": self.host, "port": self.port, "instance": self.instance, "values": self.values})
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", f"from {__name__} import main; main()", options, stdout=asyncio.subprocess.PIPE
        )
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        if not await self._process.stdout.readline():
            raise PeerMissing("the BACnet device does not start: does 127.0.0.2 belong to this machine?")

    async def end(self) -> None:
        """Kill it."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.communicate()
            self._process = None


async def _serve(said: dict[str, Any]) -> None:
    from bacpypes3.app import Application
    from bacpypes3.local.analog import AnalogInputObject
    from bacpypes3.local.device import DeviceObject
    from bacpypes3.local.networkport import NetworkPortObject
    from bacpypes3.pdu import IPv4Address

    device = DeviceObject(
        objectIdentifier=f"device,{said['instance']}", objectName=f"peer-{said['instance']}", vendorIdentifier=999,
        maxApduLengthAccepted=1476,
    )  # fmt: skip
    port = NetworkPortObject(
        IPv4Address(f"{said['host']}/8:{said['port']}"), objectIdentifier="network-port,1", objectName="network"
    )
    inputs = [
        AnalogInputObject(
            objectIdentifier=f"analog-input,{number}", objectName=f"AI{number}", presentValue=value,
            units="degreesCelsius", covIncrement=0.1, statusFlags=[0, 0, 0, 0], eventState="normal", outOfService=False,
        )
        for number, value in said["values"].items()
    ]  # fmt: skip
    app = Application.from_object_list([device, port, *inputs])
    for layer in app.link_layers.values():
        await layer.server._local_transport_ready.wait()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    """Be the device, in a process of its own."""
    asyncio.run(_serve(json.loads(sys.argv[1])))
