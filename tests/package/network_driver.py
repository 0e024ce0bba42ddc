"""Asks the part for the network, inside a machine: `python network_driver.py STORE STEP…`, a step is a JSON list [call,
arguments]; `sleep` waits, `profiles` stores one of each kind. Each answer is a line of JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hub.core.clock import SystemClock
from hub.core.errors import HubError
from hub.core.store import Store
from hub.core.text import Phrase
from hub.operations.network import manager, profiles, settings
from hub.operations.network.bus import system_bus
from hub.operations.network.service import Network


async def main(store_path: str, *steps: str) -> None:
    store = await Store.open(Path(store_path), b"k" * 32)

    async def audit(who: str, what: Mapping[str, Any]) -> None:
        say("audit", dict(what))

    network = Network(store, SystemClock(), claimed=lambda: True, audit=audit, port=lambda: 8443)
    running = asyncio.create_task(network.run())
    for step in steps:
        name, arguments = json.loads(step)
        if name == "sleep":
            await asyncio.sleep(arguments)
        elif name == "confirm_s":
            manager.CONFIRM_S = arguments
        elif name == "profiles":
            say(name, await stored())
        elif name == "until_ended":
            while not (await network.calls()["network.show"]({}))["last"]:
                await asyncio.sleep(0.5)
        else:
            try:
                say(name, await network.calls()[f"network.{name}"](arguments))
            except HubError as error:
                said = error.args[-1]
                say(name, {"refused": said.code if isinstance(said, Phrase) else str(said), "said": str(error)})
    running.cancel()
    await store.close()


async def stored() -> dict[str, Any]:
    """Store a profile of each kind, which this machine has no hardware for; return the key of a Wi-Fi as read back."""
    wifi = {"interface": "wlan9", "ssid": "Mairie", "key": "sept huit neuf", "hidden": True}
    async with system_bus() as bus:
        client = manager.NetworkManager(bus)
        for security in ("wpa3", "wpa2"):
            wanted = settings.interface_settings({**wifi, "security": security})
            await client.write(profiles.interface_profile(wanted, profiles.WIFI))
        apn = settings.modem_settings({"apn": "m2m.example", "pin": "1234", "user": "u", "password": "p"})
        await client.write(profiles.modem_profile(apn, "cdc-wdm9", "8933150319"))
        await client.write(profiles.access_point_profile("Ilot-ab12", "sept huit neuf", "wlan9"))
        card = manager.Interface("/", "wlan9", profiles.WIFI, "disconnected", "", "/", {})
        return {"key": await client.stored_key(card, "Mairie"), "other": await client.stored_key(card, "Gare")}


def say(name: str, answer: Any) -> None:
    print(json.dumps([name, answer], default=str), flush=True)


asyncio.run(main(*sys.argv[1:]))
