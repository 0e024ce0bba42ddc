"""Devices that still have a credential with which they left the factory: nothing is written to them.

Who reads a maker's manual can write to such a device past the hub. What is known of defaults stands in the device's
pack (`default_credentials`). A value that is read is worth no less for it: reading goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from hub.automation.commands.credentials import Credential, still_default
from hub.core.clock import Clock
from hub.core.errors import DecodeError
from hub.core.model import Device
from hub.devices.packs.service import Packs
from hub.devices.registry import Devices

LOOK_S = 60.0

_log = logging.getLogger("hub.commands")


class FactoryCredentials:
    """One a hub. `credentials`: what each integration signs in with, by its name."""

    def __init__(
        self, devices: Devices, packs: Packs, credentials: Mapping[str, Sequence[Credential]], clock: Clock
    ) -> None:
        self._devices, self._packs, self._credentials, self._clock = devices, packs, credentials, clock
        self._found: dict[str, str] = {}

    def reconfigure(self, credentials: Mapping[str, Sequence[Credential]]) -> None:
        """What the integrations sign in with by now."""
        self._credentials = credentials
        self._found.clear()

    async def of(self, device: Device) -> str:
        """What the device still has, in words that do not show it; "" when it is nothing that is known, and when its
        pack cannot be read."""
        if not device.pack:
            return ""
        try:
            pack = await self._packs.get(device.pack)
        except DecodeError:
            return ""  # told as the pack's own trouble
        default = still_default(
            pack.keys.default_credentials, self._credentials.get(device.integration, ()), device.key
        )
        if default is None:
            return ""
        return "key" if default.key is not None else f"password of {default.user}" if default.user else "password"

    async def refuses(self, device: Device) -> str:
        """Why nothing is written to this device now, "" when it may be."""
        what = await self.of(device)
        if not what:
            return ""
        return f"{device.id} still has the {what} that it left the factory with: change it in the device, then here"

    async def run(self) -> None:
        """Look at all devices, again and again: one may be adopted, another be given a key of its own."""
        while True:
            found = {device.id: what for device in self._devices if (what := await self.of(device))}
            for name in found.keys() - self._found.keys():
                _log.warning("%s still has the %s that it left the factory with", name, found[name])
            self._found = found
            await self._clock.sleep(LOOK_S)

    def status(self) -> dict[str, Any]:
        """For the control socket: device → what it still has."""
        return dict(sorted(self._found.items()))

    def complaints(self) -> list[str]:
        """What somebody should look at: one sentence for what devices of one integration share, or for one device."""
        return [
            f"device {name} still has the {what} that it left the factory with: nothing is written to it; change the "
            "credential in the device, then here"
            for name, what in sorted(self._found.items())
        ]
