"""Hubs of the simulated town. Each enrols with a token, seals and signs by the hub's own code, reports over HTTPS with
its client certificate, and does to its alerts what the operator asks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from backend.conformance.probe import Probe
from backend.conformance.sender import Segment
from backend.demo.town import Site
from hub.automation.alerts.lifecycle import Alert, transition
from hub.automation.alerts.stream_rows import row as alert_row
from hub.automation.alerts.stream_rows import subject_of
from hub.core.errors import NotReady
from hub.core.text import phrase
from hub.identity import enrolment
from hub.protocol.link_messages import sign_state
from hub.protocol.records.rows import ALERTS, READINGS, Row

BLOCK = 400
"""Reports of one record."""


class SimulatedHub:
    """A hub at a site."""

    def __init__(self, site: Site, probe: Probe, session: aiohttp.ClientSession) -> None:
        self.site, self.hub = site, probe.hub
        self.silent = False
        self._probe, self._session = probe, session
        self._readings, self._alerts = probe.segment(READINGS), probe.segment(ALERTS)
        self._open: dict[str, Alert] = {}
        self._count = 0

    @classmethod
    async def enrolled(
        cls, site: Site, url: str, token: str, state: Path, session: aiohttp.ClientSession
    ) -> SimulatedHub:
        """Enrol a hub. Raises HubError."""
        await enrolment.enrol(token, state, name=site.name)
        return cls(site, Probe(url, token, state, session), session)

    async def report(self, rows: Sequence[Row]) -> None:
        """Send reports. Raises NotReady where the backend does not take them."""
        blocks = [self._readings.block(rows[begin : begin + BLOCK], tight=True) for begin in range(0, len(rows), BLOCK)]
        await self._send(self._readings, blocks)

    async def say_alive(self) -> None:
        """Send this hub's signed state. Raises NotReady."""
        streams = {
            name: (one.run, one.next_seq - 1, one.last_digest)
            for name, one in ((READINGS, self._readings), (ALERTS, self._alerts))
            if one.next_seq > 1
        }
        state = self._probe.state_of(streams, nonce=msgspec.msgpack.encode(time.time_ns())[:9].ljust(16, b"\0"))
        answer = await self._probe.post(sign_state(state, self._probe.keys.identity), "state")
        self._check(answer.status)

    async def raise_alert(self, rule: str, key: str, severity: str, **about: Any) -> str:
        """Raise an alert; return its id. Raises NotReady."""
        self._count += 1
        now = time.time()
        one = Alert(
            id=f"{rule}-{self._count}", rule=rule, key=key, severity=severity, raised=now, changed=now,
            by=f"rule:{rule}", site=self.site.id, **about,
        )  # fmt: skip
        await self._tell(one)
        return one.id

    async def clear(self, alert: str) -> None:
        """End an alert, as its rule does when the cause is gone."""
        after = transition(self._open[alert], "cleared", time.time(), self._open[alert].by)
        if after is not None:
            await self._tell(after)

    async def answer(self) -> list[str]:
        """Do what the operator asks of this hub's alerts; return which were acknowledged."""
        if not self._open:
            return []
        url = f"{self._probe.url}/v1/alerts"
        async with self._session.get(url, ssl=self._probe.tls()) as reply:
            self._check(reply.status)
            acts = msgspec.json.decode(await reply.read())["acts"]
        done = []
        for act in acts:
            one = self._open.get(act["alert"])
            after = one and transition(one, act["state"], time.time(), f"backend:{act['by']}", act["why"], act["until"])
            if after:
                await self._tell(after)
                done.append(after.id)
        return done

    async def _tell(self, alert: Alert) -> None:
        self._open[alert.id] = alert
        if not alert.open:
            del self._open[alert.id]
        row = alert_row(alert, subject_of(alert), monotonic=0.0, sure=True)
        await self._send(self._alerts, [self._alerts.block([row])])

    async def _send(self, segment: Segment, records: list[bytes]) -> None:
        answer = await self._probe.post(segment.message(records))
        self._check(answer.status)

    def _check(self, status: int) -> None:
        if status != 200:
            raise NotReady(phrase("demo-refused", "{hub}: the backend answers {status}", hub=self.hub, status=status))
