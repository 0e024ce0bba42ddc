"""Puts alerts together that are one event: inside the transaction that takes them in, before anybody is told.

    new alert ─▶ of an open incident of its cause or family: joins it
              ├▶ enough sites of its family in the window: opens one, of a common cause where all hang on one
              ├▶ enough sites of a cause, whatever the families: opens one
              └▶ else told by itself

An alert that joins is listed. People are told of an incident once for each service, and again when an alert that joins
is graver than all before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from backend.city.dispatch.plan import SEVERITIES, Cause, Plan, matches
from backend.city.incidents import rules
from backend.storage.city import dispatch as alerts
from backend.storage.city import incidents as table
from backend.storage.city.database import Transaction
from backend.storage.city.dispatch import KnownAlert
from backend.storage.city.incidents import Incident
from hub.core.errors import HubError
from hub.core.text import phrase

SYSTEM = "ilot"


class NoIncident(HubError):
    """The incident is unknown, or closed."""

    exit_code = 3


class Correlation:
    """Correlator of one pass. `tags`: hub → its tags; `hold_s`: seconds until people are told."""

    def __init__(self, t: Transaction, plan: Plan, tags: dict[str, Sequence[str]], now: float, hold_s: float) -> None:
        self._t, self._plan, self._tags, self._now, self._hold = t, plan, tags, now, hold_s
        self._causes = [*plan.causes, *rules.causes_of_tags(tags)]
        self._open = table.standing(t)
        self._first = alerts.first_seen(t)
        self._rates: dict[str, float] = {}

    def take(self, one: KnownAlert) -> bool:
        """Put a new alert where it belongs; return whether it is in an incident now."""
        known = alerts.alert(self._t, one.hub, one.alert)
        if known is None or known.incident or known.apart:
            return known is not None and known.incident > 0
        return self._join(one) or self._of_family(one) or self._of_cause(one)

    def _join(self, one: KnownAlert) -> bool:
        for at, incident in enumerate(self._open):
            signal = rules.signal(one.family)
            window = signal.window_s if signal is not None else rules.WINDOW_S
            if one.family not in incident.family.split() or self._now - incident.joined_at > window:
                continue
            if incident.kind not in ("family", "signal") and not self._hangs_on(incident, one):
                continue
            self._open[at] = join(self._t, incident, [one], self._now, SYSTEM)
            return True
        return False

    def _hangs_on(self, incident: Incident, one: KnownAlert) -> bool:
        cause = next((c for c in self._causes if (c.kind, c.name) == (incident.kind, incident.name)), None)
        return cause is not None and rules.covers(cause, one.site, one.hub, self._tags.get(one.hub, ()))

    def _of_family(self, one: KnownAlert) -> bool:
        signal = rules.signal(one.family)
        if signal is None and (matches(one.family, self._plan.alone) or matches(one.rule, self._plan.alone)):
            return False
        window = signal.window_s if signal is not None else rules.WINDOW_S
        near = [other for other in alerts.recent_of_family(self._t, one.family, self._now - window)
                if not other.incident and _together(other, one, window)]  # fmt: skip
        sites = {_site(other) for other in near}
        if len(sites) < (signal.sites if signal is not None else rules.LEAST_SITES):
            return False
        rate = self._rate(one.family, window)
        least = signal.sites if signal is not None else rules.least_sites(rate, window)
        if len(sites) < least:
            return False
        cause = rules.narrowest(self._causes, {(other.site, other.hub) for other in near}, self._tags)
        kind, name = ("signal" if signal else "family", one.family) if cause is None else (cause.kind, cause.name)
        facts = {"family": one.family, "window_s": window, "sites": len(sites), "least": least,
                 "rate_h": round(rate, 4), "cause": None if cause is None else cause.name}  # fmt: skip
        self._begin(kind, name, one.family, near, facts)
        return True

    def _of_cause(self, one: KnownAlert) -> bool:
        fitting = [c for c in self._causes if rules.covers(c, one.site, one.hub, self._tags.get(one.hub, ()))]
        if not fitting:
            return False
        near = [other for other in alerts.recent(self._t, self._now - rules.CAUSE_WINDOW_S)
                if not other.incident and _together(other, one, rules.CAUSE_WINDOW_S)
                and not matches(other.family, self._plan.alone)]  # fmt: skip
        for cause in sorted(fitting, key=lambda c: rules.size(c, self._tags)):
            of = [other for other in near if rules.covers(cause, other.site, other.hub, self._tags.get(other.hub, ()))]
            sites, members = {_site(other) for other in of}, rules.size(cause, self._tags)
            if len(sites) < max(rules.LEAST_SITES, math.ceil(rules.CAUSE_SHARE * members)):
                continue
            rate = self._rate_of_cause(cause, members)
            least = rules.least_sites(rate, rules.CAUSE_WINDOW_S)
            if len(sites) < least:
                continue
            families = " ".join(sorted({other.family for other in of}))
            facts = {"families": families, "window_s": rules.CAUSE_WINDOW_S, "sites": len(sites), "least": least,
                     "rate_h": round(rate, 4), "members": members, "cause": cause.name}  # fmt: skip
            self._begin(cause.kind, cause.name, families, of, facts)
            return True
        return False

    def _begin(self, kind: str, name: str, families: str, of: Sequence[KnownAlert], facts: dict[str, Any]) -> None:
        rank = max(SEVERITIES.index(one.severity) for one in of)
        made = table.add(
            self._t,
            Incident(0, kind, name, families, SEVERITIES[rank], rank, 1, self._now, self._now, self._now + self._hold,
                     None, 0, "raised", ""),
        )  # fmt: skip
        note(self._t, made.id, self._now, SYSTEM, "opened", facts)
        self._open.append(join(self._t, made, of, self._now, SYSTEM))

    def _rate(self, family: str, window: float) -> float:
        """Return alerts an hour of a family, over the last weeks before this window."""
        if family not in self._rates:
            end = self._now - window
            begin = max(end - rules.BASE_S, self._first if self._first is not None else end)
            count = alerts.count_of_family(self._t, family, begin, end)
            self._rates[family] = count / max(1.0, (end - begin) / rules.HOUR, 24.0)
        return self._rates[family]

    def _rate_of_cause(self, cause: Cause, members: int) -> float:
        """Return alerts an hour at what hangs on a cause: its share of all alerts."""
        key = f"cause {cause.kind} {cause.name}"
        if key not in self._rates:
            end = self._now - rules.CAUSE_WINDOW_S
            begin = max(end - rules.BASE_S, self._first if self._first is not None else end)
            count = alerts.count_apart(self._t, begin, end)
            share = min(1.0, members / max(members, len(self._tags), 1))
            self._rates[key] = share * count / max(1.0, (end - begin) / rules.HOUR, 24.0)
        return self._rates[key]


def _site(one: KnownAlert) -> str:
    return one.site or one.hub or one.alert


def _together(one: KnownAlert, other: KnownAlert, window: float) -> bool:
    """Return whether two alerts began within a window: what arrives together after an outage need not have."""
    return abs(one.raised_at - other.raised_at) <= window


def join(t: Transaction, incident: Incident, of: Sequence[KnownAlert], now: float, who: str) -> Incident:
    """Add alerts to an incident; return it as it is then."""
    rank = incident.rank
    for one in of:
        alerts.set_incident(t, one.hub, one.alert, incident.id, False)
        alerts.end_chains(t, one.hub, one.alert, "incident")
        alerts.drop_waiting(t, one.hub, one.alert, "raised")
        alerts.release(t, one.hub, one.alert, now)
        rank = max(rank, SEVERITIES.index(one.severity))
    graver = rank > incident.rank
    made = incident._replace(
        rank=rank,
        severity=SEVERITIES[rank],
        n=incident.n + graver,
        joined_at=now,
        tell_at=now if graver else incident.tell_at if incident.tell_at is not None else now,
        state="raised" if graver else incident.state,
    )
    table.put(t, made)
    for one in of:
        facts = {"hub": one.hub, "alert": one.alert, "site": one.site, "rule": one.rule, "severity": one.severity,
                 "value": one.value, "text": one.text, "text_fr": one.text_fr, "raised_at": one.raised_at}  # fmt: skip
        note(t, incident.id, now, who, "joined", facts)
    if graver:
        note(t, incident.id, now, who, "graver", {"severity": made.severity})
    return made


def graver(t: Transaction, number: int, severity: str, now: float) -> None:
    """Note that an alert of an incident became graver than all of it was."""
    found = table.incident(t, number)
    rank = SEVERITIES.index(severity)
    if found is None or found.closed_at is not None or rank <= found.rank:
        return
    table.put(t, found._replace(rank=rank, severity=severity, n=found.n + 1, tell_at=now, state="raised"))
    note(t, number, now, SYSTEM, "graver", {"severity": severity})


def end_if_over(t: Transaction, number: int, now: float, who: str = SYSTEM) -> Incident | None:
    """Close an incident whose alerts are all over; return it then."""
    found = table.incident(t, number)
    if found is None or found.closed_at is not None:
        return None
    if any(one.cleared_at is None for one in alerts.children(t, number)):
        return None
    made = found._replace(state="cleared", n=found.n + 1, closed_at=now, tell_at=None)
    table.put(t, made)
    note(t, number, now, who, "closed", {})
    return made


def split(t: Transaction, number: int, hub: str, name: str, now: float, who: str) -> None:
    """Take an alert out of an incident, for good; it is told by itself. Raises NoIncident."""
    one = alerts.alert(t, hub, name)
    if one is None or one.incident != number:
        raise NoIncident(
            phrase("incidents-not-in", "alert {alert} is not of incident {number}", alert=name, number=number)
        )
    alerts.set_incident(t, hub, name, 0, True)
    if one.cleared_at is None:
        alerts.hold(t, hub, name, now)
    note(t, number, now, who, "split", {"hub": hub, "alert": name, "site": one.site})


def merge(t: Transaction, number: int, into: int, now: float, who: str) -> None:
    """Put all alerts of an incident into another one, and close it. Raises NoIncident."""
    from_, to = table.incident(t, number), table.incident(t, into)
    if from_ is None or to is None or from_.closed_at is not None or to.closed_at is not None or number == into:
        raise NoIncident(
            phrase("incidents-not-two", "{number} and {into} are not two open incidents", number=number, into=into)
        )
    of = alerts.children(t, number)
    families = " ".join(sorted({*from_.family.split(), *to.family.split()}))
    join(t, to._replace(family=families), of, now, who)
    alerts.end_chains(t, "", f"incident:{number}", "merged")
    alerts.drop_waiting(t, "", f"incident:{number}", "raised")
    table.put(t, from_._replace(state="cleared", closed_at=now, into_incident=into, tell_at=None))
    note(t, number, now, who, "merged", {"into": into})
    note(t, into, now, who, "merged", {"from": number, "alerts": len(of)})


def note(t: Transaction, number: int, now: float, who: str, what: str, facts: dict[str, Any]) -> None:
    table.add_evidence(t, number, now, who, what, msgspec.json.encode(facts).decode())
