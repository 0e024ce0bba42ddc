"""The devices this hub admits, by id, and the replacements made on site.

Configuration is admission, and so is adoption: what the file or the store names is known. `ilot device replace OLD
NEW` lets NEW stand where OLD stood: place, series, settings and rules stay, only the hardware's id changes. The file
may go on naming OLD; the replacement, kept in the store, says who stands there today.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from hashlib import sha256
from weakref import WeakSet

import msgspec

from hub.core.errors import HubError
from hub.core.model import DEVICE_ID, Device


class Devices:
    """Known devices by id. `replaced` maps a former id to the one that took its place; `keys` a device to a key given
    by command and the mark of the one that it stands instead of."""

    def __init__(
        self,
        devices: Iterable[Device] = (),
        replaced: Mapping[str, tuple[str, bytes | None]] | None = None,
        keys: Mapping[str, tuple[bytes, bytes]] | None = None,
    ) -> None:
        self._devices: dict[str, Device] = {}
        self._configured: dict[str, bytes | None] = {}
        self.replaced: dict[str, tuple[str, bytes | None]] = dict(replaced or {})
        self._listeners: dict[str, WeakSet[asyncio.Queue[Device]]] = {}
        for device in devices:
            known = self._configure(self._today(device), keys or {})
            self._devices[known.id] = known

    def _configure(self, known: Device, keys: Mapping[str, tuple[bytes, bytes]]) -> Device:
        """The device with the key that a command gave it, as long as that stands instead of the one configured."""
        self._configured[known.id] = known.key
        key, instead = keys.get(known.id, (None, b""))
        if key is not None and instead == mark_of(known.key):  # else the file was changed since: it counts
            return msgspec.structs.replace(known, key=key)
        return known

    def assign(
        self, devices: Iterable[Device], keys: Mapping[str, tuple[bytes, bytes]] | None = None
    ) -> tuple[list[Device], list[Device]]:
        """These are the devices from now on, and no others: (those that are new or differ, those that are gone). The
        integrations' `changes()` yield them. Replacements stay: the file may name a former device again."""
        self._configured.clear()
        now = {known.id: known for known in (self._configure(self._today(one), keys or {}) for one in devices)}
        fresh = [one for one in now.values() if self._devices.get(one.id) != one]
        gone = [one for one in self._devices.values() if one.id not in now]
        moved = [  # to another integration: the former one is told too
            former for one in fresh if (former := self._devices.get(one.id)) and former.integration != one.integration
        ]
        self._devices = now
        for device in [*gone, *moved, *fresh]:
            self._tell(device)
        return fresh, gone

    def _today(self, device: Device) -> Device:
        """Who stands today where the configuration says `device` stands."""
        seen = {device.id}
        while device.id in self.replaced:
            new, key = self.replaced[device.id]
            if new in seen:
                break
            seen.add(new)
            device = msgspec.structs.replace(device, id=new, key=key)
        return device

    def today(self, name: str) -> str:
        """The id of who stands where the configuration says that this one does."""
        seen = {name}
        while name not in self._devices and name in self.replaced and self.replaced[name][0] not in seen:
            name = self.replaced[name][0]
            seen.add(name)
        return name

    def get(self, device: str) -> Device | None:
        return self._devices.get(device)

    def of(self, integration: str) -> list[Device]:
        """The devices of one integration instance."""
        return [device for device in self._devices.values() if device.integration == integration]

    def key(self, device: str) -> bytes | None:
        """The radio key of a device id, None when there is none."""
        known = self._devices.get(device)
        return known.key if known else None

    def configured_key(self, device: str) -> bytes | None:
        """The key that the configuration, or a replacement, says; whatever a command gave since."""
        return self._configured.get(device)

    def rekey(self, device: str, key: bytes | None) -> Device:
        """Give a known device another key; the integration's `changes()` yields it."""
        known = msgspec.structs.replace(self._devices[device], key=key)
        self.put(known)
        return known

    def put(self, device: Device) -> None:
        """Add or change one; the integration's `changes()` yields it."""
        self._devices[device.id] = device
        self._tell(device)

    def adopt(self, device: Device) -> None:
        """Add or change one that a command adopted; what is said of its key there counts as configured."""
        self._configured[device.id] = device.key
        self.put(device)

    def remove(self, device: str) -> Device:
        """Admit it no longer; the integration's `changes()` yields it, and `get` knows it no more. Raises KeyError."""
        known = self._devices.pop(device)
        self._configured.pop(device, None)
        for former in self.line_of(device)[:-1]:
            del self.replaced[former]
        self._tell(known)
        return known

    def line_of(self, device: str) -> list[str]:
        """Who stood where this device stands, the first first, and itself at the end. The first is the one that the
        configuration, or an adoption, names."""
        line = [device]
        if not self.replaced:
            return line
        before = {new: old for old, (new, _) in self.replaced.items()}
        while (former := before.get(line[0])) is not None and former not in line:
            line.insert(0, former)
        return line

    def _tell(self, device: Device) -> None:
        for queue in self._listeners.get(device.integration, ()):
            queue.put_nowait(device)

    def replacement(self, old: str, new: str, key: bytes | None = None) -> Device:
        """NEW as it would stand where OLD stands; changes nothing. Raises HubError when that makes no sense."""
        device = self._devices.get(old)
        if device is None:
            raise HubError(f"no device {old!r} is known; `ilot devices` lists them")
        if new in self._devices:
            raise HubError(f"{new!r} already stands at place {self._devices[new].place!r}")
        if not DEVICE_ID.fullmatch(new):
            raise HubError(f"{new!r} is not a device id; expected scheme:identifier, like {old!r}")
        if new.partition(":")[0] != old.partition(":")[0]:
            raise HubError(f"{new!r} and {old!r} are not of the same kind")
        return msgspec.structs.replace(device, id=new, key=key)  # a key belongs to hardware, not to a place

    def replace(self, old: str, new: str, key: bytes | None = None) -> Device:
        """NEW stands where OLD stood. Returns NEW as a device. Raises HubError when that makes no sense."""
        successor = self.replacement(old, new, key)
        # The former device may come back one day (a repaired sensor): drop whatever chain led away from NEW.
        self.replaced.pop(new, None)
        self.replaced[old] = (new, key)
        del self._devices[old]
        self._configured[new] = key
        self.put(successor)
        return successor

    def changes(self, integration: str) -> AsyncIterator[Device]:
        """Each device of one integration that is added, changed or removed from now on, and not only once the first is
        waited for; of one that was removed, `get` says None."""
        queue: asyncio.Queue[Device] = asyncio.Queue()
        self._listeners.setdefault(integration, WeakSet()).add(queue)  # for as long as somebody holds the iterator
        return _each(queue)

    def __iter__(self) -> Iterator[Device]:
        return iter(list(self._devices.values()))

    def __len__(self) -> int:
        return len(self._devices)


async def _each(queue: asyncio.Queue[Device]) -> AsyncIterator[Device]:
    while True:
        yield await queue.get()


def mark_of(key: bytes | None) -> bytes:
    """What tells whether a configured key is still the same, and nothing more of it."""
    return sha256(b"ilot/key/1\0" + (key or b"")).digest()[:8]
