"""Tells the hub how devices are heard and what gateways may still send, for `ilot radio`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import hub
from integrations.lorawan.device import device_id
from integrations.lorawan.health import Link, gateway_facts
from integrations.lorawan.network import Network
from integrations.lorawan.parts import Joined, Uplink

GATEWAYS = timedelta(seconds=15)


class Telling:
    """`now` is monotonic seconds, `wall` Unix seconds or None; `spoke` gives when each gateway spoke last (monotonic),
    None for one that is silent, nothing for one that never spoke; after `silence` seconds that is silence too."""

    def __init__(
        self,
        session: hub.Session,
        network: Network,
        spoke: dict[str, float | None],
        now: Callable[[], float],
        wall: Callable[[], float | None],
        silence: float,
    ) -> None:
        self._began, self._silence = now(), silence
        self._session, self._network, self._spoke = session, network, spoke
        self._now, self._wall = now, wall
        self._links: dict[str, Link] = {}
        self._heard: dict[str, float] = {}  # gateway → Unix seconds

    def admitted(self, dev_eui: bytes) -> None:
        """A device is known from now on, perhaps with a session of an earlier life."""
        entry = self._network.device(dev_eui)
        link = self._links.setdefault(device_id(dev_eui), Link())
        if entry is not None and entry.memory.current is not None:
            link.join = "joined"
        self._session.tell(device_id(dev_eui), link.facts())

    def removed(self, device: str) -> None:
        self._links.pop(device, None)
        self._session.tell(device, {})

    def uplink(self, uplink: Uplink) -> None:
        link = self._links.setdefault(device_id(uplink.dev_eui), Link())
        link.take(uplink)
        entry = self._network.device(uplink.dev_eui)
        if entry is not None and entry.memory.current is not None:
            link.radio = entry.memory.current.radio
        link.join = "joined"
        self._session.tell(device_id(uplink.dev_eui), link.facts())

    def joined(self, joined: Joined) -> None:
        link = self._links.setdefault(device_id(joined.dev_eui), Link())
        if joined.proven:
            link.join, link.joined_at = "joined", self._wall()
        elif link.join == "none":
            link.join = "offered"
        self._session.tell(device_id(joined.dev_eui), link.facts())

    async def gateways(self) -> None:
        """Tell of the gateways, now and then, until cancelled."""
        async for _ in self._session.every(GATEWAYS):
            self.tell_gateways()

    def tell_gateways(self) -> None:
        now, wall = self._now(), self._wall()
        for gateway, airspace in self._network.gateways.items():
            spoke = self._spoke.get(gateway)
            waits = gateway not in self._spoke and now - self._began <= self._silence  # since the start
            if spoke is not None and wall is not None:
                self._heard[gateway] = wall - (now - spoke)
            facts = gateway_facts(airspace, now, self._heard.get(gateway), silent=spoke is None and not waits)
            self._session.tell(f"gateway:{gateway}", facts)
