"""A BACnet client by bacpypes3, in a process of its own. It obeys one JSON object a line, and answers each with one:

{"who_is": "127.0.0.4:47808"}                          {"devices": [[instance, vendor], …]}
{"read": ["analog-input,1", "present-value"]}          {"value": …} or {"error": …}
{"subscribe": ["analog-input,1", confirmed]}           {"value": …}, once the first notification is there
{"notified": 5}                                        {"value": …} of the next notification, within so many seconds
{"subscriptions": "device,77"}                         {"value": [its active-cov-subscriptions]}
{"write": ["analog-input,1", "present-value", 1.0]}    {"ok": true} or {"error": …}
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any

from bacpypes3.apdu import ErrorRejectAbortNack
from bacpypes3.app import Application
from bacpypes3.local.device import DeviceObject
from bacpypes3.local.networkport import NetworkPortObject
from bacpypes3.pdu import Address, IPv4Address
from bacpypes3.primitivedata import ObjectIdentifier


async def obey(app: Any, peer: Address, order: dict[str, Any], held: dict[str, Any]) -> dict[str, Any]:
    if "who_is" in order:
        found = await app.who_is(address=Address(order["who_is"]))
        return {"devices": [[i_am.iAmDeviceIdentifier[1], i_am.vendorID] for i_am in found]}
    if "read" in order:
        who, which = order["read"]
        value = await app.read_property(peer, ObjectIdentifier(who), which)
        return {"value": plain(value)}
    if "subscriptions" in order:
        listed = await app.read_property(peer, ObjectIdentifier(order["subscriptions"]), "active-cov-subscriptions")
        return {"value": [shown(one) for one in listed]}
    if "write" in order:
        who, which, value = order["write"]
        await app.write_property(peer, ObjectIdentifier(who), which, value)
        return {"ok": True}
    if "subscribe" in order:
        who, confirmed = order["subscribe"]
        held["scm"] = app.change_of_value(
            peer, ObjectIdentifier(who), issue_confirmed_notifications=confirmed, lifetime=60
        )
        await held["scm"].__aenter__()
    async with asyncio.timeout(order.get("notified", 60)):
        said = {}
        for _ in range(2):
            which, value = await held["scm"].get_value()
            said[str(which)] = plain(value)
        return {"value": said}


def shown(one: Any) -> dict[str, Any]:
    address = one.recipient.recipient.address
    return {
        "who": str(one.monitoredPropertyReference.objectIdentifier),
        "which": str(one.monitoredPropertyReference.propertyIdentifier),
        "network": int(address.networkNumber), "mac": bytes(address.macAddress).hex(),
        "process": int(one.recipient.processIdentifier), "confirmed": bool(one.issueConfirmedNotifications),
        "left": int(one.timeRemaining), "increment": None if one.covIncrement is None else float(one.covIncrement),
    }  # fmt: skip


def plain(value: Any) -> Any:
    if isinstance(value, ObjectIdentifier):
        return str(value)
    if isinstance(value, (list, tuple)) and not isinstance(value, str):
        return [plain(one) for one in value] if not hasattr(value, "_bitstring_names") else [int(bit) for bit in value]
    if isinstance(value, bool) or value is None:
        return value
    return float(value) if isinstance(value, float) else str(value)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--peer", required=True)
    options = parser.parse_args()
    device = DeviceObject(
        objectIdentifier="device,42",
        objectName="client",
        vendorIdentifier=999,
        apduTimeout=10_000,
        numberOfApduRetries=0,
    )
    port = NetworkPortObject(
        IPv4Address(f"{options.host}/8:{options.port}"), objectIdentifier="network-port,1", objectName="port"
    )
    app = Application.from_object_list([device, port])
    for layer in app.link_layers.values():
        await layer.server._local_transport_ready.wait()
    say({"ready": True})
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    held: dict[str, Any] = {}
    while line := await reader.readline():
        try:
            say(await obey(app, Address(options.peer), json.loads(line), held))
        except (ErrorRejectAbortNack, TimeoutError) as error:
            say({"error": str(error) or type(error).__name__})
    app.close()


def say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
