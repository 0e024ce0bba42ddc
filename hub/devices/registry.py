"""The devices this hub admits, by id, and the replacements made on site.

A device is admitted by the configuration or by adoption. `ilot device replace OLD NEW` puts NEW in the place of OLD:
place, series, settings and rules stay, only the hardware's id changes. The file may go on naming OLD; the replacement,
kept in the store, says which device stands there now.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from hashlib import sha256
from weakref import WeakSet

import msgspec

from hub.core.errors import HubError
from hub.core.model import DEVICE_ID, Device
from hub.core.text import phrase


class Devices:
    """Admitted devices by id.

    `replaced` maps a former id to (the id that took its place, key). `keys` maps a device to (a key set by command, the
    fingerprint of the configured key that it overrides).
    """

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
        """Return the device with the key set by command, if the configured key is still the one that it overrides."""
        self._configured[known.id] = known.key
        key, instead = keys.get(known.id, (None, b""))
        if key is not None and instead == key_fingerprint(
            known.key
        ):  # otherwise the file was changed since and takes precedence
            return msgspec.structs.replace(known, key=key)
        return known

    def assign(
        self, devices: Iterable[Device], keys: Mapping[str, tuple[bytes, bytes]] | None = None
    ) -> tuple[list[Device], list[Device]]:
        """Replace all devices; returns (new or changed ones, removed ones).

        The integrations' `changes()` yield them. Replacements stay: the file may name a former device again.
        """
        self._configured.clear()
        now = {known.id: known for known in (self._configure(self._today(one), keys or {}) for one in devices)}
        fresh = [one for one in now.values() if self._devices.get(one.id) != one]
        gone = [one for one in self._devices.values() if one.id not in now]
        moved = [  # to another integration: notify the former one too
            former for one in fresh if (former := self._devices.get(one.id)) and former.integration != one.integration
        ]
        self._devices = now
        for device in [*gone, *moved, *fresh]:
            self._notify(device)
        return fresh, gone

    def _today(self, device: Device) -> Device:
        """Return the device that now stands in the place of a configured one."""
        seen = {device.id}
        while device.id in self.replaced:
            new, key = self.replaced[device.id]
            if new in seen:
                break
            seen.add(new)
            device = msgspec.structs.replace(device, id=new, key=key)
        return device

    def current_id(self, name: str) -> str:
        """Return the id of the device that now stands in the place of this one."""
        seen = {name}
        while name not in self._devices and name in self.replaced and self.replaced[name][0] not in seen:
            name = self.replaced[name][0]
            seen.add(name)
        return name

    def successor(self, device: str) -> str:
        """Return the device that took the place of this one; "" where none did, or it stands again."""
        if device in self._devices or device not in self.replaced:
            return ""
        now = self.current_id(device)
        return now if now != device else ""

    def get(self, device: str) -> Device | None:
        return self._devices.get(device)

    def of(self, integration: str) -> list[Device]:
        """Return the devices of one integration instance."""
        return [device for device in self._devices.values() if device.integration == integration]

    def key(self, device: str) -> bytes | None:
        """Return the radio key of a device, or None."""
        known = self._devices.get(device)
        return known.key if known else None

    def configured_key(self, device: str) -> bytes | None:
        """Return the key set by the configuration or a replacement, regardless of a key set by command."""
        return self._configured.get(device)

    def rekey(self, device: str, key: bytes | None) -> Device:
        """Set the key of a known device; the integration's `changes()` yields it."""
        known = msgspec.structs.replace(self._devices[device], key=key)
        self.put(known)
        return known

    def put(self, device: Device) -> None:
        """Add or change a device; the integration's `changes()` yields it."""
        self._devices[device.id] = device
        self._notify(device)

    def adopt(self, device: Device) -> None:
        """Add or change an adopted device; the adoption's key counts as configured."""
        self._configured[device.id] = device.key
        self.put(device)

    def remove(self, device: str) -> Device:
        """Remove a device; the integration's `changes()` yields it. Raises KeyError."""
        known = self._devices.pop(device)
        self._configured.pop(device, None)
        for former in self.succession(device)[:-1]:
            del self.replaced[former]
        self._notify(known)
        return known

    def succession(self, device: str) -> list[str]:
        """Return the successive devices at this one's place, oldest first, itself last. The configuration, or an
        adoption, names the first."""
        line = [device]
        if not self.replaced:
            return line
        before = {new: old for old, (new, _) in self.replaced.items()}
        while (former := before.get(line[0])) is not None and former not in line:
            line.insert(0, former)
        return line

    def _notify(self, device: Device) -> None:
        for queue in self._listeners.get(device.integration, ()):
            queue.put_nowait(device)

    def replacement(self, old: str, new: str, key: bytes | None = None) -> Device:
        """Return NEW as it would stand in the place of OLD; changes nothing. Raises HubError when it is not
        possible."""
        device = self._devices.get(old)
        if device is None:
            raise HubError(
                phrase("device-not-known", "no device {device!r} is known; `ilot devices` lists them", device=old)
            )
        if new in self._devices:
            raise HubError(
                phrase(
                    "device-already-placed",
                    "{device!r} already stands at place {place!r}",
                    device=new,
                    place=self._devices[new].place,
                )
            )
        if not DEVICE_ID.fullmatch(new):
            raise HubError(
                phrase(
                    "device-id-invalid",
                    "{given!r} is not a device id; expected scheme:identifier, like {example!r}",
                    given=new,
                    example=old,
                )
            )
        if new.partition(":")[0] != old.partition(":")[0]:
            raise HubError(
                phrase("devices-of-different-kinds", "{new!r} and {old!r} are not of the same kind", new=new, old=old)
            )
        return msgspec.structs.replace(device, id=new, key=key)  # a key belongs to hardware, not to a place

    def replace(self, old: str, new: str, key: bytes | None = None) -> Device:
        """Put NEW in the place of OLD and return it. Raises HubError when it is not possible."""
        successor = self.replacement(old, new, key)
        # The former device may come back one day (a repaired sensor): drop whatever chain led away from NEW.
        self.replaced.pop(new, None)
        self.replaced[old] = (new, key)
        self._notify(self._devices.pop(old))  # its integration serves it no longer
        self._configured[new] = key
        self.put(successor)
        return successor

    def changes(self, integration: str) -> AsyncIterator[Device]:
        """Return an iterator over the devices of one integration added, changed or removed from this call on; for a
        removed one `get` returns None."""
        queue: asyncio.Queue[Device] = asyncio.Queue()
        self._listeners.setdefault(integration, WeakSet()).add(queue)  # weakly: dropped with the iterator
        return _each(queue)

    def __iter__(self) -> Iterator[Device]:
        return iter(list(self._devices.values()))

    def __len__(self) -> int:
        return len(self._devices)


async def _each(queue: asyncio.Queue[Device]) -> AsyncIterator[Device]:
    while True:
        yield await queue.get()


def key_fingerprint(key: bytes | None) -> bytes:
    """Return a fingerprint of a key, to detect changes without revealing it."""
    return sha256(b"ilot/key/1\0" + (key or b"")).digest()[:8]
