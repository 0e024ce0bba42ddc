"""Publishes link quality of devices and remaining airtime of gateways, for `ilot radio`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

import hub
from integrations.lorawan.device import device_id
from integrations.lorawan.health import Link, gateway_facts
from integrations.lorawan.network import Network
from integrations.lorawan.parts import Joined, Uplink

GATEWAYS = timedelta(seconds=15)


class Telling:
    """Publisher of these facts. `now` is monotonic seconds, `wall` Unix seconds or None; `spoke` gives the last message
    of each gateway (monotonic), None for a silent one, and has no entry for one that never sent any; after `silence`
    seconds such a one counts as silent too."""

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
        self.displaced: Mapping[str, int] = {}
        """Gateway → connections that came while another one of it was open."""

    def admitted(self, dev_eui: bytes) -> None:
        """Publish a newly admitted device, perhaps with a session of an earlier process."""
        entry = self._network.device(dev_eui)
        link = self._links.setdefault(device_id(dev_eui), Link())
        if entry is not None and entry.memory.current is not None:
            link.join = "joined"
        self._session.radio.publish_facts(device_id(dev_eui), link.facts())

    def removed(self, device: str) -> None:
        self._links.pop(device, None)
        self._session.radio.publish_facts(device, {})

    def uplink(self, uplink: Uplink) -> None:
        link = self._links.setdefault(device_id(uplink.dev_eui), Link())
        link.take(uplink)
        entry = self._network.device(uplink.dev_eui)
        if entry is not None and entry.memory.current is not None:
            link.radio = entry.memory.current.radio
        link.join = "joined"
        self._session.radio.publish_facts(device_id(uplink.dev_eui), link.facts())

    def joined(self, joined: Joined) -> None:
        link = self._links.setdefault(device_id(joined.dev_eui), Link())
        if joined.proven:
            link.join, link.joined_at = "joined", self._wall()
        elif link.join == "none":
            link.join = "offered"
        self._session.radio.publish_facts(device_id(joined.dev_eui), link.facts())

    async def gateways(self) -> None:
        """Publish the facts of gateways at intervals, until cancelled."""
        async for _ in self._session.every(GATEWAYS):
            self.tell_gateways()

    def tell_gateways(self) -> None:
        now, wall = self._now(), self._wall()
        for gateway, airspace in self._network.gateways.items():
            spoke = self._spoke.get(gateway)
            waits = gateway not in self._spoke and now - self._began <= self._silence  # grace period
            if spoke is not None and wall is not None:
                self._heard[gateway] = wall - (now - spoke)
            facts = gateway_facts(airspace, now, self._heard.get(gateway), silent=spoke is None and not waits)
            if displaced := self.displaced.get(gateway):
                facts["displaced"] = displaced
            self._session.radio.publish_facts(f"gateway:{gateway}", facts)
