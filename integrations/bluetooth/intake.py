"""Between the radio's callback and the hub: bounded, newest first to survive, repeats dropped early. Pure.

A radio repeats each advertisement on purpose, neighbours' gadgets talk all day, and anybody may flood the air. So:

- what a device says again, byte for byte, within `repeat` seconds goes no further;
- one advertisement waits per sender: a newer one replaces it;
- this hub's own devices have a lane of their own, which no stranger can fill and which is served first;
- the strangers' lane holds `limit` senders; when it is full a new one is dropped;
- a random private address (Core 5.4, vol 6 part B §1.3.2.2) names nobody twice: counted and forgotten, unless it is
  one of this hub's own devices.

Everything lost is counted by reason: "superseded", "queue-full", "private-address".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

import hub
from integrations.bluetooth import advert


class Heard(NamedTuple):
    """One advertisement as the Bluetooth stack reports it: company id → bytes, service UUID → bytes."""

    address: str
    manufacturer: Mapping[int, bytes]
    service: Mapping[str, bytes]
    name: str = ""
    rssi: int | None = None
    source: str = ""
    random: bool = False  # the address is a random one, not the maker's


def private(heard: Heard) -> bool:
    """Is this a random address that changes: resolvable or not, but not static (two highest bits set)?"""
    return heard.random and int(heard.address[:2], 16) >> 6 != 0b11


class Intake:
    """`hear` from the callback, `take` from the loop. `own` says whether a device id is this hub's;
    `count(reason, device)` is called for what is lost, with an empty device for a stranger; `clock` is in seconds."""

    def __init__(
        self,
        *,
        own: Callable[[str], bool],
        count: Callable[[str, str], None],
        clock: Callable[[], float],
        limit: int,
        repeat: float,
    ) -> None:
        self._own = own
        self._count = count
        self._clock = clock
        self._repeat = repeat
        self._limit = limit
        self._waiting: tuple[dict[str, Heard], dict[str, Heard]] = ({}, {})  # own devices, strangers
        self._said: tuple[dict[str, tuple[Heard, float]], dict[str, tuple[Heard, float]]] = ({}, {})
        self._ready = asyncio.Event()

    def hear(self, heard: Heard) -> None:
        """Take one advertisement. Never waits, never raises, whatever it holds."""
        if not heard.manufacturer and not heard.service:
            return
        device = f"ble:{heard.address.upper()}"
        own = self._own(device)
        if not own and private(heard):
            self._count("private-address", "")
            return
        if self._said_again(heard, own):
            return
        waiting = self._waiting[not own]
        if heard.address in waiting:
            self._count("superseded", device if own else "")
        elif not own and len(waiting) >= self._limit:
            self._count("queue-full", "")
            return
        waiting[heard.address] = heard
        self._remember(heard, own)
        self._ready.set()

    async def take(self) -> hub.Frame:
        """The next frame: of this hub's own devices first, then the strangers', each in the order they spoke."""
        while True:
            for waiting in self._waiting:
                if waiting:
                    heard = waiting.pop(next(iter(waiting)))
                    return advert.frame(
                        heard.address, heard.manufacturer, heard.service,
                        name=heard.name, rssi=heard.rssi, source=heard.source,
                    )  # fmt: skip
            self._ready.clear()
            await self._ready.wait()

    def _said_again(self, heard: Heard, own: bool) -> bool:
        last = self._said[not own].get(heard.address)
        if last is None or self._clock() - last[1] >= self._repeat:
            return False
        return heard.manufacturer == last[0].manufacturer and heard.service == last[0].service

    def _remember(self, heard: Heard, own: bool) -> None:
        said = self._said[not own]
        said.pop(heard.address, None)
        if not own and len(said) >= 4 * self._limit:
            del said[next(iter(said))]
        said[heard.address] = (heard, self._clock())
