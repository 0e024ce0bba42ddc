"""Sends the writes that rules request as commands, and retries those that fail.

A command carries the rule's latest decision: one refused as too soon is given again when its time has come; while the
hub is read-only, or all writes are stopped, it waits for the end of that. When writes are allowed again, everything
that rules hold is written again at once, because the stop released it.

    device   a command that fails or expires is retried after FIRST_S, then after twice as long each time, LONGEST_S at
             most; TRIES times at most, which is about a day; never when the rules have decided otherwise, nor when
             somebody else has written the metric since. After TOLD failures an alert is raised, RULE; it is cleared
             when the device has taken a command.
    service  refusals in PASSING are retried likewise. Any other is reported, and waits until its rule fires again, for
             another configuration, or for a restart: nothing else would change the answer.

Each try is a command of its own with its own entries in the audit log. A command whose integration is away waits up to
a day, unless the rule decides otherwise meanwhile.

Which rule holds which metric, and what remains to be written, is stored in the commit of the alert or command it
belongs to, so that the next run of the hub releases a lamp that a rule switched on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

import msgspec

from hub.automation.alerts import Alert, AlertService
from hub.automation.alerts.lifecycle import RAISED
from hub.automation.commands import CommandService, Order, Record, WriteRefused
from hub.automation.rules import Fired, Rules
from hub.automation.rules.compiler import Action, Rule
from hub.automation.rules.write_intents import ALERT_AFTER, KEY, Hold, Holder, Holds, Target, WriteIntent
from hub.core.clock import Clock
from hub.core.counters import Counts
from hub.core.errors import DiskRefuses, StorageError
from hub.core.metric_catalogue import METRICS
from hub.core.model import Device, Place, TrustClass
from hub.core.store import Store
from hub.i18n.plugin_errors import in_french

RULE = "rule_command"
COMMAND_TTL_S = 86_400.0
"""How long a command of a rule may wait to be sent, in seconds: an integration may be away for hours."""
FIRST_S, LONGEST_S = 15.0, 3600.0
TRIES = 30
TRANSIENT_REFUSALS = frozenset({"too-many", "unknown-metric", "default-credential"})
"""Refusals that may end soon without a change of the configuration."""

_log = logging.getLogger("hub.rules")


class RuleCommands:
    """The commands of all rules. Call `load` before the rules are built."""

    def __init__(self, store: Store, book: AlertService, desk: CommandService, clock: Clock, counts: Counts) -> None:
        self._store, self._book, self._desk, self._clock, self._counts = store, book, desk, clock, counts
        self._holds = Holds()
        self._kept = self._holds.image()  # the snapshot in the store, as far as known
        self._unwritten = ""  # why the store could not write it
        self._rules: Rules | None = None
        self._stops = desk.stops
        self._soon: dict[Target, float] = {}  # refused as too soon: the monotonic second to give it again
        self._pause: dict[Target, tuple[object, float]] = {}  # the value that failed, and until when to wait
        self._waits: dict[Target, tuple[WriteIntent, str]] = {}  # refused while nothing may be written, and why
        self._left: dict[Target, WriteIntent] = {}  # refused otherwise
        self._refused: dict[str, str] = {}  # rule → why its command was not given
        self._failed: dict[Target, tuple[str, int, str]] = {}  # rule, how often it came to nothing, and why
        self.device: Callable[[str], Device | None] = lambda name: None
        self.place: Callable[[str], Place | None] = lambda name: None
        self.today: Callable[[str], str] = lambda name: name
        """Maps a configured device id to the device now in its place: the configuration may still name a replaced
        one."""

        self._stood: dict[str, str] = {}
        book.owners.add(RULE)

    async def load(self) -> None:
        """Load the holds of the last run. Call after the command service has loaded.

        Raises DiskRefuses, StorageError.
        """
        image = await self._store.get(KEY)
        if image is None:
            return
        try:
            self._holds, self._kept = Holds.recall(image), image
        except msgspec.MsgspecError:  # written by a later version: start all the same
            _log.error("which rules held what cannot be read: look at the lamps and valves that rules switch")
        for target in self._holds.targets():
            # a killed hub may have withdrawn superseded commands without recording it
            words = self._by_rules(target)
            for record in words[:-1]:
                self._desk.withdraw(record.id, f"rule {words[-1].by.removeprefix('rule:')} has another word by now")

    def _by_rules(self, target: Target) -> list[Record]:
        """Return pending commands of rules for this target, oldest first."""
        return [one for one in self._desk.waiting_for(*self._there(target)) if one.by.startswith("rule:")]

    def held(self, rules: Iterable[Rule]) -> list[Holder]:
        """Return the holders among `rules` that held a metric in the last run and still command the same one."""
        actions = {rule.name: rule.action for rule in rules}
        found = []
        for target, (name, key), _ in self._holds.all():
            action = actions.get(name)
            if action is not None and (action.device, action.metric) == target:
                found.append((name, key))
        return found

    def follow(self, rules: Rules) -> None:
        """Apply a new configuration to the holds.

        A rule that was removed, or commands another metric, releases its hold: no end would ever fire for it. Changed
        values are written.
        """
        fresh = rules is not self._rules
        if fresh:
            self._rules = rules
            self._left.clear()
            self._refused = {name: why for name, why in self._refused.items() if rules.of(name) is not None}
        self._holds.sweep(lambda holder, target: rules.holds(*holder, target))
        for target, holder, hold in list(self._holds.all()):
            action = rules.actions[holder[0]]
            if hold.clear and not action.by_anybody:
                self._holds.let_go(target, holder)
            else:
                self._holds.revise(target, holder, Hold(action.value, action.otherwise, hold.clear))
        for holder, action, trust in rules.standing() if fresh else ():
            if not self._holds.has((action.device, action.metric), holder):
                self._take(holder, action, trust)

    async def sweep(self, devices: Iterable[Device]) -> None:
        """Clear alerts of devices that were removed: once their tries have ended nothing else would."""
        mine = [alert.key for alert in self._book.open if alert.rule == RULE]
        here = {device.id for device in devices} if mine else set()
        for key in mine:
            device, _, metric = key.rpartition("/")
            if self.today(device) not in here:
                self._holds.reached((device, metric))
                self._failed.pop((device, metric), None)
                await self._book.clear(RULE, key, "hub")

    def want(self, rule: Rule, action: Action, fired: Fired) -> None:
        """Take or release the hold of a fired rule on its metric."""
        target, holder = (action.device, action.metric), (rule.name, fired.where.key)
        self._left.pop(target, None)
        if fired.on:
            self._take(holder, action, fired.trust)
        else:
            self._holds.let_go(target, holder)

    def _take(self, holder: Holder, action: Action, trust: TrustClass) -> None:
        if trust is TrustClass.C and not action.by_anybody:
            self._refuse(holder[0], "its reading is of trust class C: `clear_identity: true` would let it command")
        else:
            hold = Hold(action.value, action.otherwise, trust is TrustClass.C)
            self._holds.take((action.device, action.metric), holder, hold)

    def noting(self) -> dict[str, bytes]:
        """Return the keys of `meta` to write in the commit of the alert that belongs to this change."""
        self._kept = b""  # unknown until the store answers
        return {KEY: self._holds.image()}

    async def command(self) -> None:
        """Give all commands that are due. Raises DiskRefuses, StorageError."""
        stopped = self._desk.stopped is not None
        if stopped or self._stops != self._desk.stops:  # the stop released what this hub had written
            self._stops, self._holds.stopped = self._desk.stops, True
        if self._holds.stopped and not stopped:
            self._holds.stopped = False
            self._say_again()
        if not (stopped or self._desk.frozen):
            self._waits.clear()
        for device in {target[0] for target, _, _ in self._holds.all()}:
            if self._stood.setdefault(device, self.today(device)) != self.today(device):
                self._stood[device] = self.today(device)  # the replacement never got what the old device was sent
                self._say_again(device)
        for target, wish in self._holds.given():
            await self._judge(target, wish)
        for target, wish in self._holds.wishes():
            if not self._rests(target, wish):
                await self._give(target, wish)

    def _say_again(self, device: str = "") -> None:
        """Write the held values of one device, or of all, again at once."""
        self._holds.say_again(device)
        self._pause = {target: rests for target, rests in self._pause.items() if device not in ("", target[0])}

    def _there(self, target: Target) -> Target:
        """Return the same metric of the device that stands there today."""
        return self.today(target[0]), target[1]

    def _rests(self, target: Target, wish: WriteIntent) -> bool:
        now = self._clock.monotonic()
        waits, _ = self._waits.get(target, (None, ""))
        if now < self._soon.get(target, 0.0) or wish in (waits, self._left.get(target)):
            return True
        value, until = self._pause.get(target, (None, 0.0))
        return now < until and value == wish[0]

    async def _give(self, target: Target, wish: WriteIntent) -> None:
        (device, metric), (value, name) = self._there(target), wish
        before = self._holds.again(target)
        if before is not None:
            last = await self._desk.latest(device, metric)
            if last is not None and not (last.by.startswith("rule:") or last.id == before):
                # somebody else has written it since: theirs stands
                await self._over(target, wish)
                return
            self._counts.add("rule-command-again", name)
        order = Order(
            device=device,
            metric=metric,
            value=value,
            by=f"rule:{name}",
            role="administrateur",
            why=f"rule {name} {'holds' if self._holds.held(target) else 'is over'}",
            clear=self._holds.by_clear(target),
            ttl_s=COMMAND_TTL_S,
        )
        former = self._by_rules(target)
        image = self._holds.image(giving=(target, wish))
        try:
            await self._desk.order(order, noting={KEY: image})
        except WriteRefused as refused:
            await self._no(target, wish, refused)
            return
        self._kept = image
        self._holds.give(target, wish)
        if not self._holds.missed(target):
            self._refused.pop(name, None)
        for one in former:
            self._desk.withdraw(one.id, f"rule {name} has another word by now")
        self._soon.pop(target, None)
        self._pause.pop(target, None)

    async def _no(self, target: Target, wish: WriteIntent, refused: WriteRefused) -> None:
        """Handle a refusal by the command service."""
        name = wish[1]
        if refused.reason == "too-soon":
            self._soon[target] = self._clock.monotonic() + refused.wait_s
        elif self._desk.frozen or self._desk.stopped is not None:
            if target not in self._waits:
                _log.warning("rule %s could not command; `ilot status` says why", name)
            self._waits[target] = wish, str(refused)
        elif refused.reason in TRANSIENT_REFUSALS:
            await self._miss(target, wish, await self._desk.latest(*self._there(target)), str(refused))
        elif refused.reason == "unknown-device":  # the device was removed
            self._refuse(name, str(refused))
            await self._over(target, wish)
        else:
            self._refuse(name, str(refused))
            self._left[target] = wish

    async def _judge(self, target: Target, wish: WriteIntent) -> None:
        """Look at the outcome of the command for this intent."""
        last = await self._desk.latest(*self._there(target))
        if last is None or not last.by.startswith("rule:") or last.value != wish[0]:
            await self._over(target, wish)  # somebody else has written it since
        elif last.state == "done":
            await self._over(target, wish)
            self._refused.pop(wish[1], None)
        elif last.final:
            least = ALERT_AFTER if last.state == "expired" else 0
            await self._miss(target, wish, last, last.detail or f"it has {last.state}", least)

    async def _over(self, target: Target, wish: WriteIntent) -> None:
        """Drop an intent that needs nothing more, and clear its alert."""
        missed, same = self._holds.missed(target), self._kept == self._holds.image()
        self._holds.drop(target, wish)
        self._holds.reached(target)
        if same and not missed:  # the store still has it in flight, which is harmless: the next run finds it ended
            self._kept = self._holds.image()
        self._failed.pop(target, None)
        self._pause.pop(target, None)
        if self._book.of(RULE, _key(target)) is not None:
            await self._book.clear(RULE, _key(target), "hub")

    async def _miss(self, target: Target, wish: WriteIntent, last: Record | None, why: str, least: int = 0) -> None:
        """Record a failed try and schedule the next; `last` is the latest command of the metric."""
        name, count = wish[1], self._holds.miss(target, wish, last.id if last is not None else "", least)
        if target not in self._failed:
            _log.warning("a command of rule %s came to nothing; `ilot status` says why", name)
        self._failed[target] = name, count, why
        pause = min(LONGEST_S, FIRST_S * 2.0 ** min(count - 1, 16))
        self._pause[target] = wish[0], self._clock.monotonic() + pause
        if count >= TRIES:
            self._holds.drop(target, wish)
            del self._pause[target]
            self._counts.add("rule-command-given-up", name)
        if count in (ALERT_AFTER, TRIES):
            await self._book.raise_(self._alert(target, name, count, why))

    async def keep(self) -> None:
        """Write the holds to the store if no alert or command did. A refused write is retried on the next turn."""
        image = self._holds.image()
        if image == self._kept:
            self._unwritten = ""
            return
        try:
            await self._store.put(KEY, image)
        except (DiskRefuses, StorageError) as error:
            if not self._unwritten:  # once, not at each turn
                _log.warning("which rules hold what is not written down yet: %s", error)
            self._unwritten = str(error)
        else:
            self._kept, self._unwritten = image, ""

    def _refuse(self, rule: str, why: str) -> None:
        if self._refused.get(rule) != why:
            _log.warning("rule %s could not command; `ilot status` says why", rule)
        self._refused[rule] = why

    def complaints(self) -> list[str]:
        """Return the problems to show in `ilot status`, one sentence each."""
        refused = self._refused | {name: why for (_, name), why in self._waits.values()}
        said = [f"rule {name} could not command: {why}" for name, why in refused.items()]
        for target, (name, count, why) in self._failed.items():
            device, metric = self._there(target)
            if count < TRIES:
                said.append(f"rule {name} could not command {metric} of {device}, tried {count} times: {why}")
            else:
                said.append(
                    f"rule {name} could not command {metric} of {device}, tried {count} times and tries no more: {why}"
                )
        if self._unwritten:
            said.append(f"which rules hold what is not written down: {self._unwritten}")
        return said

    def _alert(self, target: Target, name: str, count: int, why: str) -> Alert:
        """Build the alert of a command that keeps failing.

        It omits the value read and whether the rule began or ended: both may be personal data.
        """
        (there, metric), known = self._there(target), METRICS.get(target[1])
        device = self.device(there)
        place = self.place(device.place) if device is not None else None
        rule = self._rules.of(name) if self._rules is not None else None
        called = (device.name if device else "") or (place.name if place else "") or there
        en, fr = (known.en, known.fr) if known is not None else ("", "")
        return Alert(
            id="",
            rule=RULE,
            key=_key(target),
            severity=rule.severity if rule and rule.alert else "warning",
            state=RAISED,
            raised=0.0,
            changed=0.0,
            by=f"rule:{name}",
            device=there,
            place=device.place if device else "",
            site=place.site if place else "",
            zone=place.zone if place else "",
            integration=device.integration if device else "",
            text=f"{called}: rule {name} could not write {en or metric}, {count} tries: {why}"[:300],
            text_fr=f"{called} : la règle {name} n'a pas pu écrire {fr or metric}, {count} essais : {in_french(why)}"[
                :300
            ],
            evidence={"metric": metric, "rule": name},
        )


def _key(target: Target) -> str:
    return "/".join(target)
