"""Bars writes to devices that still have a default credential.

Anybody who reads a maker's manual can write to such a device past the hub. Known defaults are listed in the device's
pack (`default_credentials`). Readings are not affected.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from hub.automation.commands.credentials import Credential, still_default
from hub.core.clock import Clock
from hub.core.errors import DecodeError
from hub.core.model import Device
from hub.core.text import phrase
from hub.devices.packs.service import Packs
from hub.devices.registry import Devices

LOOK_S = 60.0

_log = logging.getLogger("hub.commands")


class FactoryCredentials:
    """The check for default credentials. `credentials`: integration name → credentials it logs in with."""

    def __init__(
        self, devices: Devices, packs: Packs, credentials: Mapping[str, Sequence[Credential]], clock: Clock
    ) -> None:
        self._devices, self._packs, self._credentials, self._clock = devices, packs, credentials, clock
        self._found: dict[str, str] = {}  # device → "key", "password" or "password of NAME"

    def reconfigure(self, credentials: Mapping[str, Sequence[Credential]]) -> None:
        """Replace the integrations' credentials after a change of configuration."""
        self._credentials = credentials
        self._found.clear()

    async def of(self, device: Device) -> str:
        """Return which default the device still has, without showing it; "" if none, or if its pack cannot be read."""
        if not device.pack:
            return ""
        try:
            pack = await self._packs.get(device.pack)
        except DecodeError:
            return ""  # reported with the packs
        default = still_default(
            pack.keys.default_credentials, self._credentials.get(device.integration, ()), device.key
        )
        if default is None:
            return ""
        return "key" if default.key is not None else f"password of {default.user}" if default.user else "password"

    async def refuses(self, device: Device) -> str:
        """Return why the device may not be written to, "" if it may."""
        what = await self.of(device)
        if not what:
            return ""
        return phrase(
            "factory-credential-bars-writes",
            "{device} still has the {credential} that it left the factory with: change it in the device, then here",
            device=device.id,
            credential=_called(what),
        )

    async def run(self) -> None:
        """Check all devices every LOOK_S seconds: one may be adopted or be given its own key."""
        while True:
            found = {device.id: what for device in self._devices if (what := await self.of(device))}
            for name in found.keys() - self._found.keys():
                _log.warning(
                    phrase(
                        "factory-credential-found",
                        "{device} still has the {credential} that it left the factory with",
                        device=name,
                        credential=_called(found[name]),
                    )
                )
            self._found = found
            await self._clock.sleep(LOOK_S)

    def status(self) -> dict[str, Any]:
        """Return device → default it still has, for the control socket."""
        return dict(sorted(self._found.items()))

    def complaints(self) -> list[str]:
        """Return the problems to show in `ilot status`, one sentence each."""
        return [
            phrase(
                "factory-credential",
                "device {device} still has the {credential} that it left the factory with: nothing is written to it; "
                "change the credential in the device, then here",
                device=name,
                credential=_called(what),
            )
            for name, what in sorted(self._found.items())
        ]


def _called(what: str) -> str:
    if what == "key":
        return phrase("credential-key", "key")
    _, _, user = what.partition("password of ")
    return (
        phrase("credential-password-of", "password of {user}", user=user)
        if user
        else phrase("credential-password", "password")
    )
