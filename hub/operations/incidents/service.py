"""Incident monitor of one hub: collects security events, reads counters, raises and ends incidents."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from hub.automation.alerts import Alert, AlertService
from hub.automation.alerts.lifecycle import RAISED
from hub.core.clock import Clock
from hub.core.errors import HubError
from hub.core.security_events import Events, SecurityEvent
from hub.core.text import phrase, reason_of
from hub.i18n.catalogues import translate
from hub.operations.incidents.audit_anchor import AuditAnchor
from hub.operations.incidents.correlation import CLOCK, CONFIG, FAMILY_NAMES, Incident, Incidents, Limits

RULE = "security"
TICK_S = 1.0
STEP_S = 5.0
"""A clock that moved by more than this between two checks was set."""
MOST = 200

_log = logging.getLogger("hub.vigil")


class CounterSource(NamedTuple):
    """A counter that only rises, read each second: an increase is an event of `kind`. `read` returns subject →
    count."""

    kind: str
    read: Callable[[], Mapping[str, int]]


class IncidentMonitor:
    """Monitor of one hub. `counters`: sources without events of their own. `site`: of the hub."""

    def __init__(
        self,
        events: Events,
        book: AlertService,
        anchor: AuditAnchor,
        clock: Clock,
        incidents: Incidents,
        counters: Iterable[CounterSource],
        site: str = "",
    ) -> None:
        self._events, self._book, self._anchor, self._clock = events, book, anchor, clock
        self._incidents, self._gauges, self.site = incidents, list(counters), site
        self._last: dict[tuple[str, str], int] = {}
        self._offset: float | None = None
        self._heard: deque[SecurityEvent] = deque(maxlen=MOST)
        self._fresh: dict[str, deque[SecurityEvent]] = {}  # by kind, since the last check
        self._counted = dict(events.counts)
        self._failed = ""
        self._said: dict[str, str] = {}  # family → the text of its incident
        book.owners.add(RULE)
        events.listeners.append(self._hear)

    def reconfigure(self, limits: Limits, site: str) -> None:
        """Apply the configuration. An open incident goes on."""
        self._incidents.limits, self.site = limits, site

    def _hear(self, event: SecurityEvent) -> None:
        """Store an event's subject and evidence; `_count` counts, since an event of one subject comes once a minute at
        most."""
        self._heard.append(event)
        self._fresh.setdefault(event.kind, deque(maxlen=MOST)).append(
            event
        )  # bounded, since a check may wait for the disk

    def _count(self) -> None:
        """Count every event since the last check, published or not."""
        for kind, total in self._events.counts.items():
            more = total - self._counted.get(kind, 0)
            if more <= 0:
                continue
            self._counted[kind] = total
            nameless = SecurityEvent(kind=kind, subject="", evidence={}, at=self._clock.now())
            told = [*self._fresh.pop(kind, ())][:more] or [nameless]
            if (
                kind == CONFIG
            ):  # one change is no incident, but the owner gets the count and the audit log's head at once
                self._anchor.send_soon()
            for event in told[1:]:
                self._incidents.add(msgspec.structs.replace(event, count=1))
            self._incidents.add(msgspec.structs.replace(told[0], count=more - len(told) + 1))

    async def run(self) -> None:
        self._look(first=True)
        for alert in [one for one in self._book.open if one.rule == RULE]:
            await self._book.clear(RULE, alert.key, "hub")  # of a former process: an incident that goes on opens again
        while True:
            await self._clock.sleep(TICK_S)
            try:
                await self.turn()
                self._failed = ""
            except HubError as error:
                if not self._failed:
                    _log.error(
                        phrase(
                            "incidents-not-told",
                            "security incidents cannot be told: {reason}",
                            reason=reason_of(error),
                        )
                    )
                self._failed = reason_of(error)

    async def turn(self) -> None:
        """Run one check, and its consequences."""
        self._look()
        self._count()
        for incident, over in self._incidents.changes(self._clock.now()):
            self._anchor.send_soon()
            if over:
                await self._book.clear(RULE, incident.family, "hub")
            else:
                await self._raise(incident)
        await self._anchor.turn()
        await self._book.flush()

    async def _raise(self, incident: Incident) -> None:
        alert = _alert(incident, self.site)
        self._said[incident.family] = incident.text()
        known = self._book.of(RULE, incident.family)
        if known is None:
            _log.warning(phrase("security-incident", "security incident: {kinds}", kinds=sorted(incident.kinds)))
            await self._book.raise_(alert)
        else:
            await self._book.update(known.id, alert)

    def _look(self, *, first: bool = False) -> None:
        for counter in self._gauges:
            for subject, count in counter.read().items():
                before = self._last.get((counter.kind, subject), 0)
                self._last[counter.kind, subject] = count
                for _ in range(0 if first else min(count - before, MOST)):
                    self._events.tell(counter.kind, subject)
        if self._clock.sure():
            offset = self._clock.now() - self._clock.monotonic()
            if self._offset is not None and abs(offset - self._offset) > STEP_S:
                self._events.tell(CLOCK, "", {"seconds": round(offset - self._offset)})
            self._offset = offset

    def status(self) -> dict[str, Any]:
        """Return the state for the control socket."""
        audit = {"count": self._anchor.count, "head": self._anchor.head.hex()}
        return {
            "counts": dict(self._incidents.counts), "audit": audit,
            "incidents": [one.key for one in self._book.open if one.rule == RULE],
        }  # fmt: skip

    def complaints(self) -> list[str]:
        return [
            phrase(
                "security-incident-open",
                "security incident ({family}): {text}",
                family=FAMILY_NAMES.get(one.key, one.key),
                text=self._said.get(one.key, one.text),
            )
            for one in self._book.open
            if one.rule == RULE and one.state in ("raised", "escalated")
        ]

    def calls(self) -> dict[str, Any]:
        return {"security.events": self._list_events}

    async def _list_events(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {} with {events: the last ones, the newest first; counts}."""
        told = [
            {"kind": one.kind, "subject": one.subject, "at": one.at, "count": one.count, "evidence": one.evidence}
            for one in reversed(self._heard)
        ]
        return {"events": told, "counts": dict(self._incidents.counts)}


def _alert(incident: Incident, site: str) -> Alert:
    evidence = {f"{kind}": str(count) for kind, count in incident.kinds.items()} | incident.evidence
    return Alert(
        id="",
        rule=RULE,
        key=incident.family,
        severity=incident.severity,
        state=RAISED,
        raised=0.0,
        changed=0.0,
        by="hub",
        site=site,
        value=str(sum(incident.kinds.values())),
        text=incident.text()[:300],
        text_fr=translate(incident.text(), "fr")[:300],
        evidence=evidence,
    )
