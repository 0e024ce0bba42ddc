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
from hub.core.text import phrase, reason_of
from hub.i18n.catalogues import translate
from hub.i18n.metric_names import metric_name

RULE = "rule_command"
COMMAND_TTL_S = 86_400.0
"""Seconds that a command of a rule may wait to be sent: an integration may be away for hours."""
FIRST_S, LONGEST_S = 15.0, 3600.0
TRIES = 30
TRANSIENT_REFUSALS = frozenset({"too-many", "unknown-metric", "default-credential"})
"""Refusals that may end soon without a change of the configuration."""

_ENDED = {
    "failed": phrase("command-has-failed", "it has failed"),
    "expired": phrase("command-has-expired", "it has expired"),
}
"""Said of a command that ended without a detail."""

_log = logging.getLogger("hub.rules")


class RuleCommands:
    """The commands of all rules. Call `load` before the rules are built."""

    def __init__(
        self, store: Store, alerts: AlertService, commands: CommandService, clock: Clock, counts: Counts
    ) -> None:
        self._store, self._alerts, self._commands, self._clock, self._counts = store, alerts, commands, clock, counts
        self._holds = Holds()
        self._stored = self._holds.snapshot()  # the snapshot in the store, as far as known
        self._unwritten = ""  # why the store could not write it
        self._rules: Rules | None = None
        self._stops = commands.stops
        self._retry_at: dict[Target, float] = {}  # refused as too soon: the monotonic second to give it again
        self._pause: dict[Target, tuple[object, float]] = {}  # the value that failed, and until when to wait
        self._blocked: dict[Target, tuple[WriteIntent, str]] = {}  # refused while nothing may be written, and why
        self._refused_intents: dict[Target, WriteIntent] = {}  # refused otherwise
        self._refused: dict[str, str] = {}  # rule → why its command was not given
        self._failed: dict[Target, tuple[str, int, str]] = {}  # rule, how often it came to nothing, and why
        self.device: Callable[[str], Device | None] = lambda name: None
        self.place: Callable[[str], Place | None] = lambda name: None
        self.current_id: Callable[[str], str] = lambda name: name
        """Maps a configured device id to the device now in its place: the configuration may still name a replaced
        one."""

        self._current_device: dict[str, str] = {}
        alerts.owners.add(RULE)

    async def load(self) -> None:
        """Load the holds of the last run. Call after the command service has loaded.

        Raises DiskRefuses, StorageError.
        """
        image = await self._store.get(KEY)
        if image is None:
            return
        try:
            self._holds, self._stored = Holds.restore(image), image
        except msgspec.MsgspecError:  # written by a later version: start all the same
            _log.error(
                phrase(
                    "rule-holds-unreadable",
                    "which rules held what cannot be read: look at the lamps and valves that rules switch",
                )
            )
        for target in self._holds.targets():
            # a killed hub may have withdrawn superseded commands without recording it
            words = self._by_rules(target)
            for record in words[:-1]:
                self._commands.withdraw(record.id, _superseded(words[-1].by.removeprefix("rule:")))

    def _by_rules(self, target: Target) -> list[Record]:
        """Return pending commands of rules for this target, oldest first."""
        return [one for one in self._commands.pending_for(*self._current_target(target)) if one.by.startswith("rule:")]

    def restored_holders(self, rules: Iterable[Rule]) -> list[Holder]:
        """Return the holders among `rules` that held a metric in the last run and still command the same one."""
        actions = {rule.name: rule.action for rule in rules}
        found = []
        for target, (name, key), _ in self._holds.all():
            action = actions.get(name)
            if action is not None and (action.device, action.metric) == target:
                found.append((name, key))
        return found

    def reconfigure(self, rules: Rules) -> None:
        """Apply a new configuration to the holds.

        A rule that was removed, or commands another metric, releases its hold: no end would ever fire for it. Changed
        values are written.
        """
        fresh = rules is not self._rules
        if fresh:
            self._rules = rules
            self._refused_intents.clear()
            self._refused = {name: why for name, why in self._refused.items() if rules.of(name) is not None}
        self._holds.sweep(lambda holder, target: rules.holds(*holder, target))
        for target, holder, hold in list(self._holds.all()):
            action = rules.actions[holder[0]]
            if hold.clear and not action.by_anybody:
                self._holds.release(target, holder)
            else:
                self._holds.revise(target, holder, Hold(action.value, action.otherwise, hold.clear))
        for holder, action, trust in rules.active() if fresh else ():
            if not self._holds.has((action.device, action.metric), holder):
                self._hold(holder, action, trust)

    async def sweep(self, devices: Iterable[Device]) -> None:
        """Clear alerts of devices that were removed: once their tries have ended nothing else would."""
        mine = [alert.key for alert in self._alerts.open if alert.rule == RULE]
        here = {device.id for device in devices} if mine else set()
        for key in mine:
            device, _, metric = key.rpartition("/")
            if self.current_id(device) not in here:
                self._holds.confirm((device, metric))
                self._failed.pop((device, metric), None)
                await self._alerts.clear(RULE, key, "hub")

    def apply_fired(self, rule: Rule, action: Action, fired: Fired) -> None:
        """Take or release the hold of a fired rule on its metric."""
        target, holder = (action.device, action.metric), (rule.name, fired.where.key)
        self._refused_intents.pop(target, None)
        if fired.on:
            self._hold(holder, action, fired.trust)
        else:
            self._holds.release(target, holder)

    def _hold(self, holder: Holder, action: Action, trust: TrustClass) -> None:
        if trust is TrustClass.C and not action.by_anybody:
            self._report_refusal(
                holder[0],
                phrase(
                    "rule-reading-of-class-c",
                    "its reading is of trust class C: `clear_identity: true` would let it command",
                ),
            )
        else:
            hold = Hold(action.value, action.otherwise, trust is TrustClass.C)
            self._holds.take((action.device, action.metric), holder, hold)

    def meta(self) -> dict[str, bytes]:
        """Return the keys of `meta` to write in the commit of the alert that belongs to this change."""
        self._stored = b""  # unknown until the store answers
        return {KEY: self._holds.snapshot()}

    async def command(self) -> None:
        """Give all commands that are due. Raises DiskRefuses, StorageError."""
        stopped = self._commands.stopped is not None
        if stopped or self._stops != self._commands.stops:  # the stop released what this hub had written
            self._stops, self._holds.stopped = self._commands.stops, True
        if self._holds.stopped and not stopped:
            self._holds.stopped = False
            self._resend()
        if not (stopped or self._commands.frozen):
            self._blocked.clear()
        for device in {target[0] for target, _, _ in self._holds.all()}:
            if self._current_device.setdefault(device, self.current_id(device)) != self.current_id(device):
                self._current_device[device] = self.current_id(
                    device
                )  # the replacement never got what the old device was sent
                self._resend(device)
        for target, wish in self._holds.in_flight():
            await self._check_result(target, wish)
        for target, wish in self._holds.pending():
            if not self._is_waiting(target, wish):
                await self._send(target, wish)

    def _resend(self, device: str = "") -> None:
        """Write the held values of one device, or of all, again at once."""
        self._holds.resend(device)
        self._pause = {target: rests for target, rests in self._pause.items() if device not in ("", target[0])}

    def _current_target(self, target: Target) -> Target:
        """Return the same metric of the device that stands there today."""
        return self.current_id(target[0]), target[1]

    def _is_waiting(self, target: Target, wish: WriteIntent) -> bool:
        now = self._clock.monotonic()
        waits, _ = self._blocked.get(target, (None, ""))
        if now < self._retry_at.get(target, 0.0) or wish in (waits, self._refused_intents.get(target)):
            return True
        value, until = self._pause.get(target, (None, 0.0))
        return now < until and value == wish[0]

    async def _send(self, target: Target, wish: WriteIntent) -> None:
        (device, metric), (value, name) = self._current_target(target), wish
        before = self._holds.order_at_failure(target)
        if before is not None:
            last = await self._commands.latest(device, metric)
            if last is not None and not (last.by.startswith("rule:") or last.id == before):
                # somebody else has written it since: theirs stands
                await self._finish(target, wish)
                return
            self._counts.add("rule-command-again", name)
        order = Order(
            device=device,
            metric=metric,
            value=value,
            by=f"rule:{name}",
            role="administrateur",
            why=phrase("rule-holds", "rule {rule} holds", rule=name)
            if self._holds.held(target)
            else phrase("rule-is-over", "rule {rule} is over", rule=name),
            clear=self._holds.decided_by_clear_identity(target),
            ttl_s=COMMAND_TTL_S,
        )
        former = self._by_rules(target)
        image = self._holds.snapshot(giving=(target, wish))
        try:
            await self._commands.order(order, meta={KEY: image})
        except WriteRefused as refused:
            await self._on_refusal(target, wish, refused)
            return
        self._stored = image
        self._holds.mark_in_flight(target, wish)
        if not self._holds.failures(target):
            self._refused.pop(name, None)
        for one in former:
            self._commands.withdraw(one.id, _superseded(name))
        self._retry_at.pop(target, None)
        self._pause.pop(target, None)

    async def _on_refusal(self, target: Target, wish: WriteIntent, refused: WriteRefused) -> None:
        """Handle a refusal by the command service."""
        name = wish[1]
        if refused.reason == "too-soon":
            self._retry_at[target] = self._clock.monotonic() + refused.wait_s
        elif self._commands.frozen or self._commands.stopped is not None:
            if target not in self._blocked:
                _log.warning(
                    phrase(
                        "rule-could-not-command-yet", "rule {rule} could not command; `ilot status` says why", rule=name
                    )
                )
            self._blocked[target] = wish, reason_of(refused)
        elif refused.reason in TRANSIENT_REFUSALS:
            await self._on_failure(
                target, wish, await self._commands.latest(*self._current_target(target)), reason_of(refused)
            )
        elif refused.reason == "unknown-device":  # the device was removed
            self._report_refusal(name, reason_of(refused))
            await self._finish(target, wish)
        else:
            self._report_refusal(name, reason_of(refused))
            self._refused_intents[target] = wish

    async def _check_result(self, target: Target, wish: WriteIntent) -> None:
        """Look at the outcome of the command for this intent."""
        last = await self._commands.latest(*self._current_target(target))
        if last is None or not last.by.startswith("rule:") or last.value != wish[0]:
            await self._finish(target, wish)  # somebody else has written it since
        elif last.state == "done":
            await self._finish(target, wish)
            self._refused.pop(wish[1], None)
        elif last.final:
            least = ALERT_AFTER if last.state == "expired" else 0
            await self._on_failure(target, wish, last, last.detail or _ENDED[last.state], least)

    async def _finish(self, target: Target, wish: WriteIntent) -> None:
        """Drop an intent that needs nothing more, and clear its alert."""
        missed, same = self._holds.failures(target), self._stored == self._holds.snapshot()
        self._holds.drop(target, wish)
        self._holds.confirm(target)
        if same and not missed:  # the store still has it in flight, which is harmless: the next run finds it ended
            self._stored = self._holds.snapshot()
        self._failed.pop(target, None)
        self._pause.pop(target, None)
        if self._alerts.of(RULE, _key(target)) is not None:
            await self._alerts.clear(RULE, _key(target), "hub")

    async def _on_failure(
        self, target: Target, wish: WriteIntent, last: Record | None, why: str, least: int = 0
    ) -> None:
        """Record a failed try and schedule the next; `last` is the latest command of the metric."""
        name, count = wish[1], self._holds.record_failure(target, wish, last.id if last is not None else "", least)
        if target not in self._failed:
            _log.warning(
                phrase(
                    "rule-command-failed", "a command of rule {rule} came to nothing; `ilot status` says why", rule=name
                )
            )
        self._failed[target] = name, count, why
        pause = min(LONGEST_S, FIRST_S * 2.0 ** min(count - 1, 16))
        self._pause[target] = wish[0], self._clock.monotonic() + pause
        if count >= TRIES:
            self._holds.drop(target, wish)
            del self._pause[target]
            self._counts.add("rule-command-given-up", name)
        if count in (ALERT_AFTER, TRIES):
            await self._alerts.raise_(self._alert(target, name, count, why))

    async def keep(self) -> None:
        """Write the holds to the store if no alert or command did. A refused write is retried on the next turn."""
        image = self._holds.snapshot()
        if image == self._stored:
            self._unwritten = ""
            return
        try:
            await self._store.put(KEY, image)
        except (DiskRefuses, StorageError) as error:
            if not self._unwritten:  # once, not at each turn
                _log.warning(
                    phrase(
                        "rule-holds-not-written-yet",
                        "which rules hold what is not written down yet: {reason}",
                        reason=reason_of(error),
                    )
                )
            self._unwritten = reason_of(error)
        else:
            self._stored, self._unwritten = image, ""

    def _report_refusal(self, rule: str, why: str) -> None:
        if self._refused.get(rule) != why:
            _log.warning(
                phrase("rule-could-not-command-yet", "rule {rule} could not command; `ilot status` says why", rule=rule)
            )
        self._refused[rule] = why

    def complaints(self) -> list[str]:
        """Return the problems to show in `ilot status`, one sentence each."""
        refused = self._refused | {name: why for (_, name), why in self._blocked.values()}
        said: list[str] = [
            phrase("rule-could-not-command", "rule {rule} could not command: {reason}", rule=name, reason=why)
            for name, why in refused.items()
        ]
        for target, (name, count, why) in self._failed.items():
            device, metric = self._current_target(target)
            if count < TRIES:
                said.append(
                    phrase(
                        "rule-command-tried",
                        "rule {rule} could not command {metric} of {device}, tried {tries} times: {reason}",
                        rule=name,
                        metric=metric,
                        device=device,
                        tries=count,
                        reason=why,
                    )
                )
            else:
                said.append(
                    phrase(
                        "rule-command-given-up",
                        "rule {rule} could not command {metric} of {device}, tried {tries} times and tries no more: "
                        "{reason}",
                        rule=name,
                        metric=metric,
                        device=device,
                        tries=count,
                        reason=why,
                    )
                )
        if self._unwritten:
            said.append(
                phrase(
                    "rule-holds-not-written",
                    "which rules hold what is not written down: {reason}",
                    reason=self._unwritten,
                )
            )
        return said

    def _alert(self, target: Target, name: str, count: int, why: str) -> Alert:
        """Build the alert of a command that keeps failing.

        It omits the value read and whether the rule began or ended: both may be personal data.
        """
        (there, metric), known = self._current_target(target), METRICS.get(target[1])
        device = self.device(there)
        place = self.place(device.place) if device is not None else None
        rule = self._rules.of(name) if self._rules is not None else None
        called = (device.name if device else "") or (place.name if place else "") or there
        en, fr = (metric_name(known, lang) if known is not None else "" for lang in ("en", "fr"))
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
            text=_failure(called, name, en or metric, count, why)[:300],
            text_fr=translate(_failure(called, name, fr or metric, count, why), "fr")[:300],
            evidence={"metric": metric, "rule": name},
        )


def _superseded(rule: str) -> str:
    return phrase("rule-decided-again", "rule {rule} has another word by now", rule=rule)


def _failure(called: str, rule: str, metric: str, tries: int, why: str) -> str:
    return phrase(
        "rule-could-not-write",
        "{called}: rule {rule} could not write {metric}, {tries} tries: {reason}",
        called=called,
        rule=rule,
        metric=metric,
        tries=tries,
        reason=why,
    )


def _key(target: Target) -> str:
    return "/".join(target)
