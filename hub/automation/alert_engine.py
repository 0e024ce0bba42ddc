"""Turns fired rules into alerts and commands, and serves the alert calls of the control socket.

Rules that fire while a reading is processed are queued in memory until the next turn of the event loop (milliseconds),
where their alerts are made durable one after the other. Writes that rules request are handled by
`hub.automation.rule_commands`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from datetime import timedelta
from math import inf
from typing import Any

import msgspec

from hub.automation.alerts import ACKNOWLEDGED, CLEARED, MUTED, Alert, AlertService
from hub.automation.alerts.lifecycle import RAISED, Step
from hub.automation.commands import CommandService
from hub.automation.rule_commands import RuleCommands
from hub.automation.rules import Fired, Rules
from hub.automation.rules.compiler import Rule
from hub.config.values import show_duration
from hub.core.clock import Clock
from hub.core.counters import Counts
from hub.core.errors import DecodeError, HubError
from hub.core.model import Device
from hub.core.store import Store
from hub.core.text import from_data, phrase, reason_of
from hub.devices.packs import Packs
from hub.i18n.catalogues import translate
from hub.i18n.typography import ascii_spaces, quantity

TICK_S = 1.0
OMITTED_IN_LISTS = ("alert_json", "evidence", "story")
"""Fields of an alert left out of lists."""
QUEUE_LIMIT = 10_000
"""Maximum length of the queue of fired rules, processed in order. Beyond it only the last event of each rule and place
is kept, and replaced ones are counted: losing the end of a rule would leave its actuator on for ever."""

_log = logging.getLogger("hub.rules")


class AlertEngine:
    """Connects rules to alerts and commands. Pass `fired` to its Rules, then assign `rules`; load its `book` before the
    plugins start."""

    def __init__(
        self,
        store: Store,
        book: AlertService,
        desk: CommandService,
        clock: Clock,
        counts: Counts,
        packs: Packs,
        devices: Callable[[], Iterable[Device]],
    ) -> None:
        self.rules: Rules | None = None
        self.book = book
        self._clock, self._counts, self._packs, self._devices = clock, counts, packs, devices
        self._waiting: deque[Fired] = deque()
        self._overflow: dict[tuple[str, str], Fired] = {}  # (rule, key) → its last event, once the queue is full
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self.rule_commands = RuleCommands(store, book, desk, clock, counts)
        self._periods: dict[str, float | None] = {}  # by pack
        self.expected_period: Callable[[str, float | None], float | None] = lambda device, usual: usual
        """(device, period of its pack) → the period expected now, in seconds."""

        self.validity_s: Callable[[str, float | None], float | None] = lambda device, usual: usual
        """(device, period of its pack) → seconds for which one reading is valid."""

    def fired(self, fired: Fired) -> None:
        """Queue a fired rule. Called from the path of a reading: never waits, never fails."""
        if self._overflow or len(self._waiting) >= QUEUE_LIMIT:
            if self._overflow.pop((fired.rule.name, fired.where.key), None) is not None:
                self._counts.add("rules-overrun", fired.rule.name)
            self._overflow[fired.rule.name, fired.where.key] = fired
        else:
            self._waiting.append(fired)
        self._wake.set()

    def pack_period(self, device: Device) -> float | None:
        """Return the reporting period that the device's pack states, in seconds, or None."""
        return self._periods.get(device.pack)

    def period(self, device: Device) -> float | None:
        """Return the reporting period expected now, in seconds, or None."""
        return self.expected_period(device.id, self.pack_period(device))

    async def run(self) -> None:
        """Process fired rules, and tick about once a second."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tick())
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self.settle()

    async def settle(self) -> None:
        """Process all queued events in order, so that an end never overtakes its beginning."""
        async with self._turn:
            while self._waiting or self._overflow:
                fired = self._waiting.popleft() if self._waiting else self._overflow.pop(next(iter(self._overflow)))
                try:
                    await self._act(fired)
                except Exception:  # one failing rule must not stop the others
                    _log.exception(
                        phrase("rule-consequence-failed", "what follows from rule {rule} failed", rule=fired.rule.name)
                    )
                    self._counts.add("rule-failed", fired.rule.name)
        await self.book.flush()

    async def turn(self) -> None:
        """Process one tick of the clock."""
        if self.rules is not None:
            await self._sweep(self.rules)
            async with self._turn:
                self.rule_commands.reconfigure(self.rules)
                await self.rule_commands.sweep(self._devices())
            if self.rules.absence.rules:
                await self.ask_periods()
            self.rules.tick()
        await self.settle()
        await self.book.tick()
        async with self._turn:
            await self.rule_commands.command()
            await self.rule_commands.keep()

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(TICK_S)
            try:
                await self.turn()
            except HubError as error:
                _log.warning(phrase("alerts-failed", "alerts: {reason}", reason=reason_of(error)))

    async def _act(self, fired: Fired) -> None:
        rule, where = fired.rule, fired.where
        if rule.action is not None:
            self.rule_commands.apply_fired(rule, rule.action, fired)
        if rule.alert:  # first: a store that refuses the command must not delay the alert
            meta = None if rule.action is None else self.rule_commands.meta()
            if fired.on:
                await self.book.raise_(alert_of(fired), meta=meta)
            else:
                await self.book.clear(rule.name, where.key, f"rule:{rule.name}", meta=meta)
        if rule.action is not None:
            await self.rule_commands.command()
            await self.rule_commands.keep()

    async def _sweep(self, rules: Rules) -> None:
        """Clear alerts of rules that were removed from the configuration or no longer alert; nothing else would."""
        known = rules.alerting | self.book.owners
        for alert in [alert for alert in self.book.open if alert.rule not in known]:
            await self.book.clear(alert.rule, alert.key, "hub")

    # status and calls

    def status(self) -> dict[str, Any]:
        """Return the alert counters for the control socket."""
        states: dict[str, int] = {}
        for alert in self.book.open:
            states[alert.state] = states.get(alert.state, 0) + 1
        return {"open": len(self.book.open), "states": states, "changes": self.book.changes}

    def complaints(self) -> list[str]:
        """Return the problems to show in `ilot status`, one sentence each."""
        rules = self.rules.complaints() if self.rules is not None else []
        return [*rules, *self.rule_commands.complaints(), *self.book.complaints()]

    def calls(self) -> dict[str, Any]:
        """Return the handlers of the control socket.

        alert.list {all, limit, from, to, severity, state, rule, zone, q}: with `all` those raised in [from, to), Unix
        seconds · alert.show {id}: with history and evidence · alert.ack {id, by, why} · alert.mute {id, seconds, by,
        why} · alert.clear {id, by, why}; the last three return the alert as it stands then · rule.limits {place,
        metric} → {limits: what the rules compare that metric with}.
        """
        return {
            "alert.list": self._list, "alert.show": self._show, "alert.ack": self._ack, "alert.mute": self._mute,
            "alert.clear": self._clear, "rule.limits": self._limits,
        }  # fmt: skip

    async def _list(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments.get("all"):
            begin, end = float(arguments.get("from", 0.0)), float(arguments.get("to", inf))
            found = await self.book.last(min(1000, max(1, int(arguments.get("limit", 100)))), begin, end)
        else:
            found = self.book.open[::-1]
        return {"alerts": [alert_json(alert) for alert in found if _matches(alert, arguments)]}

    async def _show(self, arguments: dict[str, Any]) -> dict[str, Any]:
        alert = await self.book.find(str(arguments.get("id", "")))
        return {**alert_json(alert), "evidence": alert.evidence, "story": [_step(step) for step in alert.story]}

    async def _ack(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return await self._person(arguments, ACKNOWLEDGED)

    async def _mute(self, arguments: dict[str, Any]) -> dict[str, Any]:
        seconds = float(arguments.get("seconds", 3600.0))
        if not 1 <= seconds <= 31 * 86_400:
            raise HubError(phrase("mute-too-short-or-long", "an alert is muted for 1 s to 31 days"))
        return await self._person(arguments, MUTED, self._clock.now() + seconds)

    async def _clear(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return await self._person(arguments, CLEARED)

    async def _limits(self, arguments: dict[str, Any]) -> dict[str, Any]:
        place, metric = str(arguments.get("place", "")), str(arguments.get("metric", ""))
        found = [] if self.rules is None else self.rules.limits(place, metric)
        return {"limits": [
            {"rule": rule.name, "limit": test.limit, "clears": test.clears, "up": test.up, "unit": rule.unit,
             "of": rule.aggregate or "", "severity": rule.severity if rule.alert else "",
             "timed": rule.during is not None}
            for rule, test in found
        ]}  # fmt: skip

    async def _person(self, arguments: dict[str, Any], state: str, until: float | None = None) -> dict[str, Any]:
        by, why = str(arguments.get("by", "")) or "?", str(arguments.get("why", ""))
        alert = await self.book.act(str(arguments.get("id", "")), state, by, why, until)
        await self.book.flush()
        return alert_json(alert)

    async def ask_periods(self) -> None:
        """Find the periods that the packs of devices state."""
        for name in {device.pack for device in self._devices() if device.pack} - self._periods.keys():
            try:
                period = (await self._packs.get(name)).keys.period
                self._periods[name] = period.total_seconds() if period else None
            except DecodeError:
                self._periods[name] = None


def alert_of(fired: Fired) -> Alert:
    """Build the alert of a fired rule; the alert service assigns its id and dates."""
    rule, where = fired.rule, fired.where
    plain = f"{{place}}: {rule.name}"
    away = where.key.startswith("integration:")
    en, fr = rule.text or plain, rule.text_fr or rule.text or plain
    return Alert(
        id="",
        rule=rule.name,
        key=where.key,
        severity=rule.severity,
        state=RAISED,
        raised=0.0,
        changed=0.0,
        by=f"rule:{rule.name}",
        device=where.device,
        place=where.place,
        site=where.site,
        zone=where.zone,
        integration=where.integration,
        value=fired.value,
        text=_silent(fired, "en") if away else _fill_placeholders(en, fired, "en"),
        text_fr=_silent(fired, "fr") if away else _fill_placeholders(fr, fired, "fr"),
        escalate_s=rule.escalate_s,
        evidence=_evidence(fired),
    )


def _step(step: Step) -> dict[str, Any]:
    told = msgspec.to_builtins(step)
    del told["why_text"]
    return {**told, "why": from_data(step.why, step.why_text)}


def _silent(fired: Fired, lang: str) -> str:
    said = phrase(
        "integration-is-silent",
        "{place}: nothing is heard of this whole integration for {limit}; look at its gateway, bus or server",
        place=fired.where.name,
        limit=quantity(fired.limit, lang),
    )
    return translate(said, lang)[:300]


def _matches(alert: Alert, arguments: dict[str, Any]) -> bool:
    """Return whether an alert matches the filters of `alert.list`."""
    for name in ("severity", "state", "rule", "zone"):
        if arguments.get(name) and getattr(alert, name) != arguments[name]:
            return False
    text = ascii_spaces(str(arguments.get("q", "")).casefold()[:100])
    searched = (alert.text, alert.text_fr, alert.rule, alert.place, alert.device, alert.zone, alert.id)
    return not text or any(text in ascii_spaces(one.casefold()) for one in searched)


def _evidence(fired: Fired) -> dict[str, str]:
    """Return why the rule fired: metric, value, limit and trust class as text.

    Values that may not leave memory are not in `fired`.
    """
    rule = fired.rule
    shown = {
        "metric": rule.metric or "", "value": fired.value, "limit": fired.limit, "of": _operand_text(rule),
        "for": show_duration(timedelta(seconds=rule.for_s)) if rule.for_s else "", "trust": fired.trust.name,
    }  # fmt: skip
    return {name: said for name, said in shown.items() if said}


def _operand_text(rule: Rule) -> str:
    if rule.aggregate:
        return rule.aggregate
    if rule.minus:
        return "- " + "/".join(rule.minus)
    if rule.rate_s is not None:
        return f"1 h / {show_duration(timedelta(seconds=rule.rate_s))}"
    return ""


def _fill_placeholders(text: str, fired: Fired, lang: str) -> str:
    words = {
        "{place}": fired.where.name, "{value}": quantity(fired.value, lang) or "?",
        "{limit}": quantity(fired.limit, lang),
    }  # fmt: skip
    for word, said in words.items():
        text = text.replace(word, said)
    return text[:300]


def alert_json(alert: Alert) -> dict[str, Any]:
    """Return an alert as JSON, without INSIDE."""
    return {name: value for name, value in msgspec.to_builtins(alert).items() if name not in OMITTED_IN_LISTS}
