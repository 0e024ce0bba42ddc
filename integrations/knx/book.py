"""Table of the configured group addresses: owner, last values and state of each. No I/O: telegrams in, readings out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import ValidationError

import hub
from hub.sdk.options import wrong_option
from integrations.knx import addresses
from integrations.knx.settings import DeviceSettings, Group

Value = float | int | bool | str
Payload = int | bytes
Decode = Callable[[Group, Payload], Value]

MOST_HEARD = 1024
"""Maximum unconfigured group addresses that are remembered. Further ones are only counted."""
MOST_REMEMBERED = 1000
"""Maximum addresses whose state is stored; a plugin's stored state is limited."""


class Entry(NamedTuple):
    """A metric of a device at a group address. `main` is the address that is requested and that confirms."""

    device: str
    group: Group
    main: int


@dataclass(slots=True)
class State:
    """State of a configured group address. Times are seconds of the caller's clock; None: never. `errors` counts by
    reason; `silent` is the number of requests in a row without an answer."""

    heard: float | None = None
    asked: float | None = None
    source: int | None = None
    values: dict[tuple[str, str], Value] = field(default_factory=dict)
    quality: hub.Quality = hub.Quality.GOOD
    errors: Counter[str] = field(default_factory=Counter)
    silent: int = 0


class Reading(NamedTuple):
    """Values of one device in a telegram."""

    device: str
    values: dict[str, Value]
    quality: hub.Quality = hub.Quality.GOOD


class Book:
    """The configured group addresses of one plugin. `decode` converts a payload to a value
    (`integrations.knx.values`)."""

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._read: list[hub.Device] | None = None
        self.entries: dict[int, list[Entry]] = {}
        self.states: dict[int, State] = {}
        self.metrics: dict[tuple[str, str], Entry] = {}

    def refresh(self, devices: list[hub.Device]) -> dict[str, str | None] | None:
        """Apply a changed configuration. None when nothing changed, else device → what is wrong with its settings."""
        if devices == self._read:
            return None
        self._read = devices
        self.entries, self.metrics = {}, {}
        wrong: dict[str, str | None] = {}
        for device in devices:
            try:
                settings = device.settings_as(DeviceSettings)
            except ValidationError as error:
                wrong[device.id] = wrong_option(error)
                continue
            wrong[device.id] = None
            self._enter(device.id, settings)
        self.states = {address: self.states.get(address, State()) for address in self.entries}
        return wrong

    def _enter(self, device: str, settings: DeviceSettings) -> None:
        for written, group in settings.groups.items():
            entry = Entry(device, group, addresses.group(written))
            self.metrics[device, group.metric] = entry
            for address in {entry.main, *map(addresses.group, group.also)}:
                self.entries.setdefault(address, []).append(entry)

    def own_metrics(self) -> dict[str, tuple[hub.Metric, ...]]:
        """Return device → its metrics that are not in the catalogue."""
        found: dict[str, list[hub.Metric]] = {}
        for (device, _), entry in self.metrics.items():
            if (metric := entry.group.own_metric()) is not None:
                found.setdefault(device, []).append(metric)
        return {device: tuple(metrics) for device, metrics in found.items()}

    def hear(
        self, address: int, source: int, payload: Payload, now: float
    ) -> tuple[list[Reading], list[tuple[str, hub.DecodeError]]]:
        """Decode a value sent to a configured address: its readings by device, and the errors."""
        state = self.states[address]
        state.heard, state.source, state.silent = now, source, 0
        found: dict[str, dict[str, Value]] = {}
        wrong = []
        state.quality = hub.Quality.GOOD
        for entry in self.entries[address]:
            try:
                value = self._decode(entry.group, payload)
            except hub.DecodeError as error:
                state.quality = hub.Quality.BAD
                state.errors[error.reason] += 1
                wrong.append((entry.device, error))
                continue
            state.values[entry.device, entry.group.metric] = value
            found.setdefault(entry.device, {})[entry.group.metric] = value
            if address != entry.main:
                self._said_elsewhere(entry, value, now)
        return [Reading(device, values) for device, values in found.items()], wrong

    def _said_elsewhere(self, entry: Entry, value: Value, now: float) -> None:
        """Count a value at an address of `also` as one at the main address, which then needs no request."""
        main = self.states[entry.main]
        main.heard, main.silent = now, 0
        main.values[entry.device, entry.group.metric] = value

    def unanswered(self, address: int) -> list[Reading]:
        """Note an unanswered request. The first one makes the known values uncertain, and returns them again as
        such."""
        state = self.states.get(address)
        if state is None:
            return []
        state.silent += 1
        state.errors["knx-no-answer"] += 1
        if state.quality is not hub.Quality.GOOD or not state.values:
            return []
        state.quality = hub.Quality.UNCERTAIN
        known: dict[str, dict[str, Value]] = {}
        for (device, metric), value in state.values.items():
            if (device, metric) in self.metrics:
                known.setdefault(device, {})[metric] = value
        return [Reading(device, values, hub.Quality.UNCERTAIN) for device, values in known.items()]

    def is_silent(self, device: str) -> bool:
        """Return whether nobody answers any request for a value of this device."""
        asked = [e for e in self.metrics.values() if e.device == device and (e.group.read or e.group.every is not None)]
        return all(self.states[entry.main].silent for entry in asked)

    def failed(self, address: int, reason: str) -> list[str]:
        """Count another error at a configured address; returns the devices it concerns."""
        if address not in self.states:
            return []
        self.states[address].errors[reason] += 1
        return [entry.device for entry in self.entries[address]]

    def remember(self) -> dict[str, list[object]]:
        """Return the state to be stored, for the addresses heard last: address → seconds since 1970 of the last
        telegram, errors by reason."""
        heard = sorted((s.heard, a) for a, s in self.states.items() if s.heard is not None)
        return {
            str(address): [round(when), dict(self.states[address].errors.most_common(4))]
            for when, address in heard[-MOST_REMEMBERED:]
        }

    def recall(self, remembered: Mapping[str, object]) -> None:
        """Restore what `remember` returned in an earlier process."""
        for text, entry in remembered.items():
            match entry:
                case [int() | float() as when, dict() as errors] if text.isdigit() and int(text) in self.states:
                    state = self.states[int(text)]
                    state.heard = float(when)
                    state.errors.update({str(reason): n for reason, n in errors.items() if isinstance(n, int)})


class Heard:
    """Group addresses that are not configured, by the device that sends to them. Never forwarded."""

    def __init__(self, levels: int) -> None:
        self._levels = levels
        self._groups: dict[int, dict[int, str]] = {}
        self._count = 0
        self.left_out = 0

    def note(self, source: int, address: int, size: str) -> dict[str, str] | None:
        """Note a telegram at an unknown address. Returns the evidence about its sender when it is new, else None."""
        groups = self._groups.get(source, {})
        if address in groups:
            return None
        if self._count >= MOST_HEARD:
            self.left_out += 1
            return None
        self._count += 1
        self._groups.setdefault(source, groups)[address] = size
        shown = (f"{addresses.show_group(a, self._levels)} ({s})" for a, s in sorted(groups.items()))
        return {"groups": _short(shown)}


def _short(parts: Iterable[str], limit: int = 400) -> str:
    text = ""
    for part in parts:
        if len(text) + len(part) > limit:
            return f"{text}…"
        text += f"{', ' if text else ''}{part}"
    return text
