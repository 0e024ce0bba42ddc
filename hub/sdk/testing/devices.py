"""The devices of a plugin under test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple
from weakref import WeakSet

import msgspec

from hub.core.metric_catalogue import METRICS
from hub.core.metric_rules import expect_metrics
from hub.core.model import Candidate, Device, Metric
from hub.sdk.session_rules import not_its_own, own
from hub.sdk.testing.waiting import Inbox


class Refused(NamedTuple):
    """Something that the hub would count and leave out: a reading ("unknown-metric", "implausible"), a date
    ("wrong-date"), a claim ("key-not-held"), or a whole report or frame ("not-admitted", "repeat", "replay")."""

    reason: str
    device: str
    metric: str = ""


class FakeDevices:
    """Implements `hub.sdk.session.Devices` over devices that a test puts. Devices of another `integration` are another
    plugin's. Where a test puts none at all, every device is the plugin's own. `declared` has (device, model, firmware,
    metrics) of each `declare`, `candidates` what was discovered and is none of the devices."""

    def __init__(self, name: str, devices: Iterable[Device] = ()) -> None:
        self.timezone = "Europe/Paris"
        self.declared: list[tuple[str, str, str, tuple[Metric, ...]]] = []
        self.candidates: list[Candidate] = []
        self._name = name
        self._devices = {device.id: device for device in devices}
        self._any = not self._devices
        self._listeners: WeakSet[Inbox[Device]] = WeakSet()

    def get(self, device: str) -> Device | None:
        known = self._devices.get(device)
        return known if known is not None and known.integration == self._name else None

    def all(self) -> list[Device]:
        return [device for device in self._devices.values() if device.integration == self._name]

    def find(self, device: str) -> Device | None:
        """Whichever integration's device has this id."""
        return self._devices.get(device)

    def put(self, device: Device) -> None:
        """Add or change a device, as the configuration would."""
        self._any = False
        self._devices[device.id] = device
        self._tell(device)

    def remove(self, device: str) -> None:
        """Remove a device, as the configuration would."""
        self._tell(self._devices.pop(device))

    def _tell(self, device: Device) -> None:
        for inbox in self._listeners if device.integration == self._name else ():
            inbox.put(device)

    def changes(self) -> AsyncIterator[Device]:
        inbox: Inbox[Device] = Inbox()
        self._listeners.add(inbox)  # weakly: dropped with the iterator
        return _each(inbox)

    def declare(self, device: str, *, model: str = "", firmware: str = "", metrics: tuple[Metric, ...] = ()) -> None:
        self.own(device)
        expect_metrics(metrics, METRICS)
        self.declared.append((device, model, firmware, metrics))

    def discovered(self, candidate: Candidate) -> None:
        if candidate.id not in self._devices:
            self.heard(candidate)

    def heard(self, candidate: Candidate) -> None:
        """Note a candidate of this integration, though its device may be known and lack its key."""
        self.candidates.append(msgspec.structs.replace(candidate, integration=self._name))

    def own(self, device: str) -> None:
        """Raise PluginError when the device is none of this plugin's."""
        if not self._any:
            own(self._name, device, self.get(device))

    def has(self, device: str) -> bool:
        """Whether the device is this plugin's own."""
        return self._any or self.get(device) is not None

    def admits(self, device: str) -> bool:
        """Whether a report of this device is taken. Raises PluginError for another plugin's device."""
        known = self._devices.get(device)
        if known is not None and known.integration != self._name:
            raise not_its_own(self._name, known)
        return known is not None or self._any

    def idle(self) -> bool:
        """Whether somebody waits for a change, and none is there."""
        inboxes = list(self._listeners)
        return any(inbox.waiting for inbox in inboxes) and all(inbox.empty() for inbox in inboxes)


async def _each(inbox: Inbox[Device]) -> AsyncIterator[Device]:
    while True:
        yield await inbox.get()
