"""Rules at work: what fires becomes alerts and commands; people answer at the hub or at the backend.

What fires in the straight path waits in RAM for the next turn of the loop (milliseconds), where alerts are made durable
one after the other. A command follows the last word of its rule: one that is refused as too soon is given again when
its time has come, one that is refused while the hub is read-only when that is over; any other refusal is said once and
left. One that waits for its integration waits for a day, unless the rule has another word meanwhile.

Which rule holds what, and what is to be written yet, is kept in the commit of the alert or the command that goes with
it: a lamp that a rule switched on is released by the next life of the hub.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import msgspec

from hub.alerts import ACKNOWLEDGED, CLEARED, MUTED, Alert, Book
from hub.alerts.life import RAISED
from hub.clock import Clock
from hub.commands import Desk, Order, WriteRefused
from hub.config.values import show_duration
from hub.counts import Counts
from hub.errors import DecodeError, DiskRefuses, HubError, StorageError
from hub.model import Device, TrustClass
from hub.packs import Packs
from hub.rules import Fired, Rules
from hub.rules.compiling import Action, Rule
from hub.rules.holds import KEY, Hold, Holder, Holds, Target, Wish
from hub.store import Store
from hub.typography import plain_spaces, quantity

TICK_S = 1.0
LASTING_S = 86_400.0
"""So long a command of a rule may wait to be sent: an integration may be away for hours, and nobody gives it again."""
INSIDE = ("told", "evidence", "story")
"""Of an alert: not in lists."""
WAITING = 10_000
"""What may have fired and not been looked at; more is counted and lost, and the next reading fires again."""

_log = logging.getLogger("hub.rules")


class Watching:
    """One a hub. Give `fired` to its Rules, then `rules` to it; load its `book` before the plugins start."""

    def __init__(
        self,
        store: Store,
        book: Book,
        desk: Desk,
        clock: Clock,
        counts: Counts,
        packs: Packs,
        devices: Callable[[], Iterable[Device]],
    ) -> None:
        self.rules: Rules | None = None
        self.book = book
        self._store = store
        self._desk, self._clock, self._counts, self._packs, self._devices = desk, clock, counts, packs, devices
        self._waiting: deque[Fired] = deque()
        self._came = asyncio.Event()
        self._turn = asyncio.Lock()
        self._refused: dict[str, str] = {}  # rule → why its command was not given
        self._holds = Holds()
        self._kept = self._holds.image()  # as the store has it
        self._unwritten = ""  # why the store does not have it
        self._again: dict[Target, float] = {}  # refused as too soon: the monotonic second to give it again
        self._frozen: dict[Target, Wish] = {}  # refused while the hub is read-only
        self._periods: dict[str, float | None] = {}  # by pack
        self.expected: Callable[[str, float | None], float | None] = lambda device, usual: usual
        """(device, period of its pack) → the period that is expected now."""

        self.covers: Callable[[str, float | None], float | None] = lambda device, usual: usual
        """The same → seconds for which one reading stands."""

    async def load(self) -> None:
        """Which rules held what when the hub's last life ended. Before the rules are made. Raises DiskRefuses,
        StorageError."""
        image = await self._store.get(KEY)
        if image is None:
            return
        try:
            self._holds, self._kept = Holds.recall(image), image
        except msgspec.MsgspecError:  # of a later version: a hub starts all the same
            _log.error("which rules held what cannot be read: look at the lamps and valves that rules switch")

    def held(self, rules: Iterable[Rule]) -> list[Holder]:
        """Those of `rules` that held somewhere in the last life, and command the same today."""
        actions = {rule.name: rule.action for rule in rules}
        found = []
        for (device, metric), (name, key), hold in self._holds.all():
            action = actions.get(name)
            if action is not None and (action.device, action.metric, action.value, action.otherwise) == (
                device, metric, hold.value, hold.otherwise,
            ):  # fmt: skip
                found.append((name, key))
        return found

    def fired(self, fired: Fired) -> None:
        """From the straight path: never waits, never fails."""
        if len(self._waiting) >= WAITING:
            self._counts.add("rules-overrun", fired.rule.name)
            return
        self._waiting.append(fired)
        self._came.set()

    def usual(self, device: Device) -> float | None:
        """How often it speaks, as its pack tells."""
        return self._periods.get(device.pack)

    def period(self, device: Device) -> float | None:
        """How often it is expected to speak now."""
        return self.expected(device.id, self.usual(device))

    async def run(self) -> None:
        """What fires, and the clock."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tick())
            while True:
                await self._came.wait()
                self._came.clear()
                await self.settle()

    async def settle(self) -> None:
        """Act on all that fired so far, one after the other: an end that overtakes its beginning ends nothing."""
        async with self._turn:
            while self._waiting:
                fired = self._waiting.popleft()
                try:
                    await self._act(fired)
                except Exception:  # one rule's trouble is its own
                    _log.exception("what follows from rule %s failed", fired.rule.name)
                    self._counts.add("rule-failed", fired.rule.name)
        await self.book.tell()

    async def turn(self) -> None:
        """One tick of the clock."""
        if self.rules is not None:
            await self._sweep(self.rules)
            rules = self.rules
            # what the configuration has no more, or has otherwise, holds nothing: its end fires nowhere, and whatever
            # else holds the same could not let go
            self._holds.sweep(lambda holder, target: rules.holds(*holder, target))
            if self.rules.absence.rules:
                await self._ask_periods()
            self.rules.tick()
        await self.settle()
        await self.book.tick()
        async with self._turn:
            await self._command()
            await self._keep()

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(TICK_S)
            try:
                await self.turn()
            except HubError as error:
                _log.warning("alerts: %s", error)

    async def _act(self, fired: Fired) -> None:
        rule, where = fired.rule, fired.where
        if rule.action is not None:
            self._want(rule, rule.action, fired)
        if rule.alert:  # first: a store that refuses a command keeps no alert back
            noting = None
            if rule.action is not None:
                noting, self._kept = {KEY: self._holds.image()}, b""  # what the store has is not known until an answer
            if fired.on:
                await self.book.raise_(alert_of(fired), noting=noting)
            else:
                await self.book.clear(rule.name, where.key, f"rule:{rule.name}", noting=noting)
        if rule.action is not None:
            await self._command()
            await self._keep()

    async def _sweep(self, rules: Rules) -> None:
        """End what rules raised that the configuration has no more: nothing else would."""
        known = rules.names | self.book.owners
        for alert in [alert for alert in self.book.open if alert.rule not in known]:
            await self.book.clear(alert.rule, alert.key, "hub")

    # commands

    def _want(self, rule: Rule, action: Action, fired: Fired) -> None:
        target, holder = (action.device, action.metric), (rule.name, fired.where.key)
        if not fired.on:
            self._holds.let_go(target, holder)
        elif fired.trust is TrustClass.C and not action.by_anybody:
            self._refuse(rule.name, "its reading is of trust class C: `clear_identity: true` would let it command")
        else:
            self._holds.take(target, holder, Hold(action.value, action.otherwise, fired.trust is TrustClass.C))

    async def _command(self) -> None:
        if not self._desk.frozen:
            self._frozen.clear()
        for target, wish in self._holds.wishes():
            if self._clock.monotonic() < self._again.get(target, 0.0) or self._frozen.get(target) == wish:
                continue
            (device, metric), (value, name) = target, wish
            order = Order(
                device=device, metric=metric, value=value, by=f"rule:{name}", role="administrateur",
                why=f"rule {name} {'holds' if self._holds.held(target) else 'is over'}",
                clear=self._holds.by_clear(target), ttl_s=LASTING_S,
            )  # fmt: skip
            former = [one.id for one in self._desk.waiting_for(device, metric) if one.by.startswith("rule:")]
            image = self._holds.image(without=(target, wish))
            try:
                await self._desk.order(order, noting={KEY: image})
            except WriteRefused as refused:
                if refused.reason == "too-soon":
                    self._again[target] = self._clock.monotonic() + refused.wait_s
                    continue
                self._refuse(name, str(refused))
                if self._desk.frozen:
                    self._frozen[target] = wish
                    continue
            else:
                self._kept = image
                self._refused.pop(name, None)
                for one in former:
                    self._desk.withdraw(one, f"rule {name} has another word by now")
            self._again.pop(target, None)
            self._holds.fulfilled(target, wish)

    async def _keep(self) -> None:
        """What no alert and no command took along to the disk. What that refuses is tried again at the next turn."""
        image = self._holds.image()
        if image == self._kept:
            self._unwritten = ""
            return
        try:
            await self._store.put(KEY, image)
        except (DiskRefuses, StorageError) as error:
            if not self._unwritten:  # not at each turn
                _log.warning("which rules hold what is not written down yet: %s", error)
            self._unwritten = str(error)
        else:
            self._kept, self._unwritten = image, ""

    def _refuse(self, rule: str, why: str) -> None:
        if self._refused.get(rule) != why:
            _log.warning("rule %s could not command; `ilot status` says why", rule)
        self._refused[rule] = why

    # what is shown and asked

    def status(self) -> dict[str, Any]:
        """For the control socket."""
        states: dict[str, int] = {}
        for alert in self.book.open:
            states[alert.state] = states.get(alert.state, 0) + 1
        return {"open": len(self.book.open), "states": states, "changes": self.book.changes}

    def complaints(self) -> list[str]:
        """Sentences for `ilot status`."""
        commands = [f"rule {name} could not command: {why}" for name, why in self._refused.items()]
        if self._unwritten:
            commands.append(f"which rules hold what is not written down: {self._unwritten}")
        return [*(self.rules.complaints() if self.rules is not None else []), *commands, *self.book.complaints()]

    def calls(self) -> dict[str, Any]:
        """alert.list {all, limit, severity, state, rule, zone, q} · alert.show {id}: with its story and evidence ·
        alert.ack {id, by, why} · alert.mute {id, seconds, by, why} · alert.clear {id, by, why}; these three answer with
        the alert as it stands then."""
        return {
            "alert.list": self._list, "alert.show": self._show, "alert.ack": self._ack, "alert.mute": self._mute,
            "alert.clear": self._clear,
        }  # fmt: skip

    async def _list(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments.get("all"):
            found = await self.book.last(min(1000, max(1, int(arguments.get("limit", 100)))))
        else:
            found = self.book.open[::-1]
        return {"alerts": [told(alert) for alert in found if _wanted(alert, arguments)]}

    async def _show(self, arguments: dict[str, Any]) -> dict[str, Any]:
        alert = await self.book.find(str(arguments.get("id", "")))
        return {**told(alert), "evidence": alert.evidence, "story": msgspec.to_builtins(alert.story)}

    async def _ack(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return await self._person(arguments, ACKNOWLEDGED)

    async def _mute(self, arguments: dict[str, Any]) -> dict[str, Any]:
        seconds = float(arguments.get("seconds", 3600.0))
        if not 1 <= seconds <= 31 * 86_400:
            raise HubError("an alert is muted for 1 s to 31 days")
        return await self._person(arguments, MUTED, self._clock.now() + seconds)

    async def _clear(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return await self._person(arguments, CLEARED)

    async def _person(self, arguments: dict[str, Any], state: str, until: float | None = None) -> dict[str, Any]:
        by, why = str(arguments.get("by", "")) or "?", str(arguments.get("why", ""))
        alert = await self.book.act(str(arguments.get("id", "")), state, by, why, until)
        await self.book.tell()
        return told(alert)

    async def _ask_periods(self) -> None:
        for name in {device.pack for device in self._devices() if device.pack} - self._periods.keys():
            try:
                period = (await self._packs.get(name)).keys.period
                self._periods[name] = period.total_seconds() if period else None
            except DecodeError:
                self._periods[name] = None


def alert_of(fired: Fired) -> Alert:
    """What is told of it; its id and dates are the book's."""
    rule, where = fired.rule, fired.where
    plain = f"{{place}}: {rule.name}"
    away = where.key.startswith("integration:")
    en, fr = rule.text or plain, rule.text_fr or rule.text or plain
    if away:
        en = "{place}: nothing is heard of this whole integration for {limit}; look at its gateway, bus or server"
        fr = "{place} : toute la liaison est muette depuis {limit} ; voyez sa passerelle, son bus ou son serveur"
    return Alert(
        id="", rule=rule.name, key=where.key, severity=rule.severity, state=RAISED, raised=0.0, changed=0.0,
        by=f"rule:{rule.name}", device=where.device, place=where.place, site=where.site, zone=where.zone,
        integration=where.integration, value=fired.value, text=_filled(en, fired, "en"),
        text_fr=_filled(fr, fired, "fr"), escalate_s=rule.escalate_s, evidence=_evidence(fired),
    )  # fmt: skip


def _wanted(alert: Alert, arguments: dict[str, Any]) -> bool:
    """Does it fit what `alert.list` asks for?"""
    for name in ("severity", "state", "rule", "zone"):
        if arguments.get(name) and getattr(alert, name) != arguments[name]:
            return False
    text = plain_spaces(str(arguments.get("q", "")).casefold()[:100])
    searched = (alert.text, alert.text_fr, alert.rule, alert.place, alert.device, alert.zone, alert.id)
    return not text or any(text in plain_spaces(one.casefold()) for one in searched)


def _evidence(fired: Fired) -> dict[str, str]:
    """Why it was raised, for people: what was looked at, and how far it may be believed. Values that may not leave RAM
    are not in `fired`."""
    rule = fired.rule
    shown = {
        "metric": rule.metric or "", "value": fired.value, "limit": fired.limit, "of": _of(rule),
        "for": show_duration(timedelta(seconds=rule.for_s)) if rule.for_s else "", "trust": fired.trust.name,
    }  # fmt: skip
    return {name: said for name, said in shown.items() if said}


def _of(rule: Rule) -> str:
    if rule.aggregate:
        return rule.aggregate
    if rule.minus:
        return "- " + "/".join(rule.minus)
    if rule.rate_s is not None:
        return f"1 h / {show_duration(timedelta(seconds=rule.rate_s))}"
    return ""


def _filled(text: str, fired: Fired, lang: str) -> str:
    words = {
        "{place}": fired.where.name, "{value}": quantity(fired.value, lang) or "?",
        "{limit}": quantity(fired.limit, lang),
    }  # fmt: skip
    for word, said in words.items():
        text = text.replace(word, said)
    return text[:300]


def told(alert: Alert) -> dict[str, Any]:
    """As JSON."""
    return {name: value for name, value in msgspec.to_builtins(alert).items() if name not in INSIDE}
