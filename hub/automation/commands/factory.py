"""Bars writes to devices that still have a default credential.

Anybody who reads a maker's manual can write to such a device past the hub. Known defaults are listed in the device's
pack (`default_credentials`). Readings are not affected. Each such device is an alert of the rule RULE, whose value
names the pack and which default it is, never the default itself: the same one at several sites is a weak signal for
whoever sees them all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hub.automation.alerts import RAISED, Alert, AlertService
from hub.automation.commands.credentials import Credential, still_default
from hub.core.clock import Clock
from hub.core.errors import DecodeError, HubError
from hub.core.model import Device, Place
from hub.core.text import Phrase, phrase, reason_of
from hub.devices.packs.service import Packs
from hub.devices.registry import Devices
from hub.i18n.catalogues import translate

LOOK_S = 60.0
RULE = "default-credential"

_log = logging.getLogger("hub.commands")


class FactoryCredentials:
    """The check for default credentials. `credentials`: integration name → credentials it logs in with."""

    def __init__(
        self, devices: Devices, packs: Packs, credentials: Mapping[str, Sequence[Credential]], clock: Clock
    ) -> None:
        self._devices, self._packs, self._credentials, self._clock = devices, packs, credentials, clock
        self._found: dict[str, str] = {}  # device → "key", "password" or "password of NAME"
        self._alerts: AlertService | None = None
        self._place: Callable[[str], Place | None] = lambda name: None

    def announce(self, alerts: AlertService, place: Callable[[str], Place | None]) -> None:
        """Raise an alert for each device found from now on, and clear it once its credential is another."""
        self._alerts, self._place = alerts, place
        alerts.owners.add(RULE)

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
                _log.warning(_said(name, found[name]))
            self._found = found
            if self._alerts is not None:
                await self._tell(self._alerts, found)
            await self._clock.sleep(LOOK_S)

    async def _tell(self, alerts: AlertService, found: Mapping[str, str]) -> None:
        known = {key for rule, key in alerts.open_keys() if rule == RULE}
        devices = {device.id: device for device in self._devices}
        try:
            for name in known - found.keys():
                await alerts.clear(RULE, name, "hub")
            for name in found.keys() - known:
                await alerts.raise_(self._alert(devices[name], found[name]))
        except HubError as error:  # it is looked at again in a minute
            _log.warning(reason_of(error))

    def _alert(self, device: Device, what: str) -> Alert:
        place, said = self._place(device.place), _said(device.id, what)
        return Alert(
            id="", rule=RULE, key=device.id, severity="warning", state=RAISED, raised=0.0, changed=0.0, by="hub",
            device=device.id, place=device.place, site=place.site if place else "", zone=place.zone if place else "",
            integration=device.integration, value=f"{device.pack} {what}", text=str(said)[:300],
            text_fr=translate(said, "fr")[:300],
        )  # fmt: skip

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


def _said(device: str, what: str) -> Phrase:
    return phrase(
        "factory-credential-found",
        "{device} still has the {credential} that it left the factory with",
        device=device,
        credential=_called(what),
    )


def _called(what: str) -> str:
    if what == "key":
        return phrase("credential-key", "key")
    _, _, user = what.partition("password of ")
    return (
        phrase("credential-password-of", "password of {user}", user=user)
        if user
        else phrase("credential-password", "password")
    )
