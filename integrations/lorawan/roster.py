"""Index of the network's devices: by DevEUI, and by the DevAddr of each of their sessions. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from integrations.lorawan.counters import Ring
from integrations.lorawan.device import Device
from integrations.lorawan.entry import Entry

NETWORK_BITS = 25
"""Bits of a DevAddr that are the device's own in a network of type 0 (TS001-1.0.4 §6.1.1 and the Alliance's NetID
document)."""


class Roster:
    """Index of devices. `draw(n)` returns a random number below n. Addresses are unique where possible, but need not
    be."""

    def __init__(self, net_id: int, draw: Callable[[int], int]) -> None:
        self._prefix = (net_id & 0x3F) << NETWORK_BITS
        self._draw = draw
        self._entries: dict[bytes, Entry] = {}
        self._addresses: dict[int, list[tuple[Entry, Ring]]] = {}

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def get(self, dev_eui: bytes) -> Entry | None:
        return self._entries.get(dev_eui)

    def add(self, entry: Entry) -> None:
        """Add a device, or replace one with new settings."""
        self.remove(entry.device.dev_eui)
        self._entries[entry.device.dev_eui] = entry
        self._index(entry)

    def remove(self, dev_eui: bytes) -> None:
        entry = self._entries.pop(dev_eui, None)
        if entry is not None:
            self._unindex(entry)

    def refresh(self, entry: Entry) -> None:
        """Index a device again after its sessions changed."""
        self._unindex(entry)
        entry.refresh()
        self._index(entry)

    def settle(self, entry: Entry, device: Device) -> None:
        """Apply the provisioning of a device."""
        self._unindex(entry)
        entry.settle(device)
        self._index(entry)

    def at(self, dev_addr: int) -> list[tuple[Entry, Ring]]:
        """Return the devices and sessions that use this address."""
        return self._addresses.get(dev_addr, [])

    def free_address(self) -> int:
        """Return a DevAddr that is not in use. If eight random draws are all taken, the last is returned: then the MIC
        tells the two devices apart."""
        address = self._prefix
        for _ in range(8):
            address = self._prefix | self._draw(1 << NETWORK_BITS)
            if address not in self._addresses:
                break
        return address

    def _index(self, entry: Entry) -> None:
        for ring in entry.rings:
            self._addresses.setdefault(ring.session.dev_addr, []).append((entry, ring))

    def _unindex(self, entry: Entry) -> None:
        for ring in entry.rings:
            address = ring.session.dev_addr
            left = [pair for pair in self._addresses.get(address, []) if pair[0] is not entry]
            if left:
                self._addresses[address] = left
            else:
                self._addresses.pop(address, None)
