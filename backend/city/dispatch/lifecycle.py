"""Life of an alert in dispatch: what a change means for its chain, its messages and its intervention.

    raised ─▶ waits a moment (perhaps it is of an incident) ─▶ dispatched: chain, first step
       muted and raised again, or graver ─▶ dispatched anew
       escalated by the hub              ─▶ the next step begins at once
       acknowledged, muted               ─▶ the chain ends; who was told is told that it is taken
       cleared                           ─▶ the chain ends, the intervention is closed, who was told is told so

All of it happens inside one transaction of the city's database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from backend.city.dispatch.plan import MACHINES, SEVERITIES, Plan, Route, Swap
from backend.city.dispatch.rota import Facts as RouteFacts
from backend.city.dispatch.rota import first_route, on_duty
from backend.city.dispatch.sight import Sight
from backend.city.dispatch.wording import Facts
from backend.city.incidents import correlation
from backend.city.incidents.rules import family_of
from backend.storage.city import dispatch as table
from backend.storage.city import incidents as incident_table
from backend.storage.city.database import Transaction
from backend.storage.city.dispatch import Chain, ChainStep, KnownAlert, Message, Person
from backend.storage.city.incidents import Incident
from backend.storage.tables import AlertChange
from hub.core.text import Phrase, phrase

HOLD_S = 1.5
"""Seconds that an alert waits before anybody is told: others of the same cause come within them."""
TAKEN = ("acknowledged", "muted")
NOBODY, UNDELIVERABLE, BARRED = "nobody-on-duty", "message-undeliverable", "nobody-may-see"


class Lifecycle:
    """Changes made in one transaction, by the plan of this moment."""

    def __init__(
        self, t: Transaction, version: int, plan: Plan, swaps: Sequence[Swap], now: float, *, url: str = "",
        tags: dict[str, Sequence[str]] | None = None, hold_s: float = HOLD_S,
    ) -> None:  # fmt: skip
        self._t, self._version, self._plan, self._swaps, self._now = t, version, plan, swaps, now
        self._url, self._tags, self._hold = url, tags or {}, hold_s
        self._sight = Sight(t, plan)
        self.alarms: list[tuple[str, str, Phrase]] = []
        """Alarms of the backend to be raised: kind, service, sentence."""

    # what hubs say

    def take(self, changes: Iterable[AlertChange]) -> None:
        """Take changes in, those that arrived first first."""
        fresh: list[KnownAlert] = []
        for change in changes:
            known = table.alert(self._t, change.hub, change.alert)
            if known is None:
                if change.rule:
                    fresh.append(self._new(change))
            elif known.cleared_at is None and (change.n, change.state) != (known.n, known.state):
                self._changed(known, change)
        if any(one.hold_until is not None for one in fresh):
            judge = correlation.Correlation(self._t, self._plan, self._tags, self._now, self._hold)
            for one in fresh:
                if one.hold_until is not None:
                    judge.take(one)

    def _new(self, change: AlertChange) -> KnownAlert:
        sectors = table.sectors_of(self._t, change.hub, change.device, change.site)
        contract = table.contract_of(self._t, change.hub, change.device) if change.device else ""
        family = family_of(change.rule, change.key, change.value, self._plan.family(change.rule))
        over = change.state == "cleared"
        route = first_route(self._plan, RouteFacts(change.rule, change.severity, sectors, contract), self._now)
        waits = not over and change.state not in TAKEN
        made = KnownAlert(
            change.hub, change.alert, change.n, change.rule, change.key, change.state, _severity(change.severity),
            change.by, change.why, change.value, change.text, change.text_fr, change.device, change.place, change.site,
            change.zone, change.integration, change.raised_at, change.changed_at, change.received_at, self._now, family,
            " ".join(sectors), contract, route.service if route else "", route.id if route else "",
            self._now + self._hold if waits else None, None, 0, 0, SEVERITIES.index(_severity(change.severity)), 0, "",
            change.by if change.state in TAKEN else "", self._now if over else None,
        )  # fmt: skip
        table.put_alert(self._t, made)
        return made

    def _changed(self, known: KnownAlert, change: AlertChange) -> None:
        made = known._replace(
            n=change.n, state=change.state, who=change.by, why=change.why, changed_at=change.changed_at,
            received_at=change.received_at, wanted="" if change.state in (known.wanted, "cleared") else known.wanted,
        )  # fmt: skip
        if change.rule:  # an end without a rule is one that was found missing
            made = made._replace(
                severity=_severity(change.severity), value=change.value, text=change.text, text_fr=change.text_fr
            )
        if change.state == "cleared":
            self._cleared(made)
        elif change.state in TAKEN:
            self._taken(made, known)
        elif known.state in TAKEN or (
            SEVERITIES.index(made.severity) > known.rank and not made.incident and made.hold_until is None
        ):
            self._again(made, known)
        else:
            table.put_alert(self._t, made)
            if made.incident:
                correlation.graver(self._t, made.incident, made.severity, self._now)
            elif change.state == "escalated" and known.state != "escalated":
                for chain in table.chains_of(self._t, made.hub, made.alert):
                    table.hurry_chain(self._t, chain.id, self._now)

    def _cleared(self, made: KnownAlert) -> None:
        table.put_alert(self._t, made._replace(cleared_at=self._now, hold_until=None, wanted=""))
        self._close(made.hub, made.alert)
        task = table.intervention_of(self._t, made.hub, made.alert)
        if task is not None and task.closed_at is None:
            table.move_intervention(self._t, task.id, "closed", "", self._now)
            table.add_note(self._t, task.id, self._now, made.who, "closed", "", None, "")
        self._tell_who_was_told(made, "cleared")
        if made.incident:
            ended = correlation.end_if_over(self._t, made.incident, self._now)
            if ended is not None:
                self._close("", f"incident:{ended.id}")
                self._tell_incident_over(ended)

    def _close(self, hub: str, name: str, why: str = "cleared") -> None:
        table.end_chains(self._t, hub, name, why)
        for what in ("raised", "graver"):
            table.drop_waiting(self._t, hub, name, what)

    def _taken(self, made: KnownAlert, known: KnownAlert) -> None:
        by = _person(made.who)
        table.put_alert(self._t, made._replace(taken_by=by, hold_until=None))
        self._close(made.hub, made.alert, "taken")
        task = table.intervention_of(self._t, made.hub, made.alert)
        if task is not None and task.state == "open" and made.state == "acknowledged":
            table.move_intervention(self._t, task.id, "taken", by, self._now)
            table.add_note(self._t, task.id, self._now, by, "taken", "", None, "")
        if known.state not in TAKEN:
            self._tell_who_was_told(made, "muted" if made.state == "muted" else "taken", but=by)

    def _again(self, made: KnownAlert, known: KnownAlert) -> None:
        route = first_route(
            self._plan, RouteFacts(made.rule, made.severity, tuple(made.sectors.split()), made.contract), self._now
        )
        table.end_chains(self._t, made.hub, made.alert, "again")
        table.drop_waiting(self._t, made.hub, made.alert, "raised")
        table.put_alert(
            self._t,
            made._replace(
                rank=SEVERITIES.index(made.severity), hold_until=self._now, taken_by="",
                service=route.service if route else "", route=route.id if route else "",
            ),
        )  # fmt: skip

    # what is due

    def dispatch_held(self) -> int:
        """Dispatch the alerts that waited long enough; return how many."""
        found = table.held_alerts(self._t, self._now)
        for one in found:
            self._dispatch(one)
        return len(found)

    def _dispatch(self, one: KnownAlert) -> None:
        table.put_alert(
            self._t,
            one._replace(
                hold_until=None, dispatched_at=self._now if one.dispatched_at is None else one.dispatched_at,
                told=one.n, rank=SEVERITIES.index(one.severity),
            ),
        )  # fmt: skip
        route = self._route(one.route)
        if route is None:
            self._nobody(one.service)
            return
        if route.crew:
            table.open_intervention(self._t, one.hub, one.alert, route.service, self._now)
        chain = self._begin(one.hub, one.alert, route, route.service)
        self._run(chain, self._facts(one, "graver" if self._is_graver(one) else "raised", route.service), one.n)

    def _is_graver(self, one: KnownAlert) -> bool:
        """Return whether an alert is graver than all that people were told of it."""
        told = [
            msgspec.json.decode(m.body, type=Facts).severity for m in table.messages_of(self._t, one.hub, one.alert)
        ]
        return bool(told) and SEVERITIES.index(one.severity) > max(map(SEVERITIES.index, told))

    def _route(self, name: str) -> Route | None:
        return next((one for one in self._plan.routes if one.id == name), None) or (
            self._plan.routes[-1] if self._plan.routes else None
        )

    def _begin(self, hub: str, name: str, route: Route, service: str) -> Chain:
        """Decide a chain: whom each step tells, at the moment at which it would begin."""
        steps = []
        for step in route.chain:
            at = self._now + step.after_s
            of = step.service or service
            people = self._people(of, step.channels, at)
            told = tuple(person for person in people if self._sight.sees(person.id, hub, name))
            barred = tuple(person.name for person in people if person not in told)
            steps.append(ChainStep(at, of, told, barred))
        return table.add_chain(self._t, hub, name, service, route.id, self._version, self._now, steps)

    def _people(self, service: str, channels: Sequence[str], at: float) -> tuple[Person, ...]:
        found = []
        for person in on_duty(self._plan, self._swaps, service, at):
            ways = {one: person.address(one) for one in channels if person.address(one)}
            if ways:
                found.append(Person(person.id, person.name, person.language, ways))
        known = self._plan.service(service)
        systems = {one: getattr(known, one) for one in channels if one in MACHINES and known and getattr(known, one)}
        if systems:
            found.append(Person(f"service:{service}", service, "fr", systems))
        return tuple(found)

    def run_due_chains(self) -> int:
        """Begin the steps that are due; return how many chains moved."""
        due = table.due_chains(self._t, self._now)
        for chain in due:
            told = self._told_of(chain)
            if told is None:
                table.move_chain(self._t, chain.id, chain.next_step, None)
            else:
                self._run(chain, *told)
        return len(due)

    def _told_of(self, chain: Chain) -> tuple[Facts, int] | None:
        if chain.alert.startswith("incident:"):
            found = incident_table.incident(self._t, int(chain.alert.partition(":")[2]))
            if found is None or found.closed_at is not None:
                return None
            return self._incident_facts(found, "raised", chain.service), found.n
        one = table.alert(self._t, chain.hub, chain.alert)
        if one is None or one.cleared_at is not None:
            return None
        return self._facts(one, "raised", chain.service), one.told or one.n

    def _run(self, chain: Chain, facts: Facts, n: int) -> None:
        """Begin the next step of a chain, and further ones as long as nobody is reached. Scopes may have become
        narrower since it was decided."""
        steps = table.steps_of(chain)
        at = chain.next_step
        while at < len(steps):
            step = steps[at]
            at += 1
            people = self._who_see(step.people, chain)
            for person in people:
                self._write(chain, at, person, facts, n)
            if people:
                break
            if step.people or step.barred:
                self._barred(step.service)
            else:
                self._nobody(step.service)
        else:
            if steps and not any(self._who_see(step.people, chain) for step in steps):
                self._last_resort(chain, facts, n)
        table.move_chain(self._t, chain.id, at, max(steps[at].at, self._now) if at < len(steps) else None)

    def _last_resort(self, chain: Chain, facts: Facts, n: int) -> None:
        """Tell who is on duty for the catch-all, where a whole chain has nobody."""
        last = self._plan.routes[-1]
        channels = sorted({one for step in last.chain for one in step.channels})
        people = self._people(last.service, channels, self._now)
        told = self._who_see(people, chain)
        for person in told:
            self._write(chain, 0, person, facts, n)
        if people and not told:
            self._barred(last.service)

    def _who_see(self, people: Iterable[Person], chain: Chain) -> list[Person]:
        return [one for one in people if self._sight.sees(one.id, chain.hub, chain.alert)]

    def _barred(self, service: str) -> None:
        self.alarms.append((BARRED, service, phrase(
            "dispatch-nobody-may-see",
            "who is on duty for {service!r} may not see what a route leads to them: mend their scope or the route",
            service=service)))  # fmt: skip

    def _nobody(self, service: str) -> None:
        self.alarms.append((NOBODY, service, nobody(service)))

    def _write(self, chain: Chain, step: int, person: Person, facts: Facts, n: int) -> None:
        facts = self._within(person.id, facts)
        for channel, address in person.ways.items():
            self._add(chain.hub, chain.alert, n, person.id, channel, address, person.language, chain.service, chain.id,
                      step, facts)  # fmt: skip

    def _add(
        self, hub: str, name: str, n: int, person: str, channel: str, address: str, language: str, service: str,
        chain: int, step: int, facts: Facts,
    ) -> None:  # fmt: skip
        key = message_id(hub, name, n, person, channel)
        table.add_message(
            self._t,
            Message(key, hub, name, n, person, channel, address, language, service, chain, step, facts.what,
                    msgspec.json.encode(facts).decode(), self._now, self._now, 0, "", "waiting", "", None, ""),
        )  # fmt: skip

    # incidents

    def tell_incidents(self) -> int:
        """Tell of the incidents that are due: each service once, and again when one became graver."""
        due = incident_table.to_tell(self._t, self._now)
        for incident in due:
            self._tell_incident(incident)
        return len(due)

    def _tell_incident(self, incident: Incident) -> None:
        name = f"incident:{incident.id}"
        children = table.children(self._t, incident.id)
        chains = table.chains_of(self._t, "", name)
        graver = any(one.n < incident.n for one in table.messages_of(self._t, "", name)) and incident.state == "raised"
        if graver and not any(self._began_for(chain, incident.n) for chain in chains):
            table.end_chains(self._t, "", name, "graver")
            chains = []
        known = {chain.service for chain in chains if chain.ended != "graver"}
        for child in sorted(children, key=lambda one: -SEVERITIES.index(one.severity)):
            route = self._route(child.route)
            if route is None or route.service in known or not route.chain:
                continue
            known.add(route.service)
            facts = self._incident_facts(incident, "graver" if graver else "raised", route.service, children)
            self._run(self._begin("", name, route, route.service), facts, incident.n)
        incident_table.put(self._t, incident._replace(tell_at=None))

    def _began_for(self, chain: Chain, n: int) -> bool:
        return any(one.chain == chain.id and one.n == n for one in table.messages_of(self._t, chain.hub, chain.alert))

    def _incident_facts(
        self, incident: Incident, what: str, service: str, children: Sequence[KnownAlert] | None = None
    ) -> Facts:
        children = table.children(self._t, incident.id) if children is None else children
        sites = list(dict.fromkeys(one.site or one.hub for one in children))
        gravest = max(children, key=lambda one: SEVERITIES.index(one.severity), default=None)
        return Facts(
            what=what, hub="", alert=f"incident:{incident.id}", n=incident.n,
            rule=gravest.rule if gravest else incident.family, severity=incident.severity,
            text=gravest.text if gravest else "", text_fr=gravest.text_fr if gravest else "", who=incident.taken_by,
            raised_at=incident.opened_at, incident=incident.id, kind=incident.kind, name=incident.name,
            count=len(sites), sites=tuple(table.site_name(self._t, one) for one in sites[:5]),
            link=f"{self._url}/incidents/{incident.id}" if self._url else "", service=service,
        )  # fmt: skip

    def _within(self, person: str, facts: Facts) -> Facts:
        """Return what a person may be told: of an incident, the alerts that they see."""
        children = self._sight.children(person, facts.incident) if facts.incident else None
        incident = incident_table.incident(self._t, facts.incident) if children else None
        if incident is None:
            return facts
        seen = self._incident_facts(incident, facts.what, facts.service, children)
        return msgspec.structs.replace(
            facts, rule=seen.rule, text=seen.text, text_fr=seen.text_fr, count=seen.count, sites=seen.sites
        )

    def _tell_incident_over(self, incident: Incident) -> None:
        self._follow_up("", f"incident:{incident.id}", incident.n, self._incident_facts(incident, "cleared", ""))

    def take_incident(self, incident: Incident, who: str) -> None:
        """Note that a person took an incident."""
        incident_table.put(
            self._t, incident._replace(state="acknowledged", taken_by=who, n=incident.n + 1, tell_at=None)
        )
        correlation.note(self._t, incident.id, self._now, who, "taken", {})
        self._close("", f"incident:{incident.id}", "taken")
        taken = incident._replace(taken_by=who, n=incident.n + 1)
        self._follow_up("", f"incident:{incident.id}", taken.n, self._incident_facts(taken, "taken", ""), but=who)

    # later changes

    def _tell_who_was_told(self, one: KnownAlert, what: str, *, but: str = "") -> None:
        self._follow_up(one.hub, one.alert, one.n, self._facts(one, what, one.service), but=but)

    def _follow_up(self, hub: str, name: str, n: int, facts: Facts, *, but: str = "") -> None:
        """Tell a later change to who was told an earlier one, or is being told, by the same channel."""
        told: dict[tuple[str, str], Message] = {}
        for one in table.messages_of(self._t, hub, name):
            if one.state == "sent" or (one.state == "waiting" and one.lease):
                told[one.person, one.channel] = one
        absent = {one.id for one in self._plan.people if but and one.account == but}
        for (person, channel), one in told.items():
            if person not in absent and self._sight.sees(person, hub, name):
                told_of = self._within(person, facts)
                self._add(hub, name, n, person, channel, one.address, one.language, one.service, one.chain, 0, told_of)

    def _facts(self, one: KnownAlert, what: str, service: str) -> Facts:
        task = table.intervention_of(self._t, one.hub, one.alert)
        page = f"/interventions/{task.id}" if task is not None else f"/alerts/{one.hub or '-'}/{one.alert}"
        return Facts(
            what=what, hub=one.hub, alert=one.alert, n=one.n, rule=one.rule, severity=one.severity, text=one.text,
            text_fr=one.text_fr, value=one.value, site=table.site_name(self._t, one.site) if one.site else "",
            zone=one.zone, place=one.place, device=one.device, who=_person(one.who), why=one.why,
            raised_at=one.raised_at, link=f"{self._url}{page}" if self._url else "", service=service,
        )  # fmt: skip


def nobody(service: str) -> Phrase:
    """Return the sentence of the alarm that nobody of a service is on duty."""
    return phrase("dispatch-nobody", "nobody is on duty for {service!r}: mend the rota", service=service or "-")


def message_id(hub: str, name: str, n: int, person: str, channel: str) -> str:
    """Return the idempotency id of a line of the ledger."""
    return hashlib.sha256("\0".join((hub, name, str(n), person, channel)).encode()).hexdigest()[:32]


def _severity(said: str) -> str:
    return said if said in SEVERITIES else "warning"


def _person(by: str) -> str:
    """Return the name in who made a change: `backend:jeanne`, `web:paul`."""
    return by.partition(":")[2] or by
