"""Service of raised sampling: calls `crisis.sampling.plan`, `.raise`, `.restore`, `.status`.

Orders are on the disk before any device is told, and so are restorations.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec

from hub.automation.commands import WriteRefused
from hub.core.actor import actor, asker
from hub.core.clock import Clock
from hub.core.errors import HubError
from hub.core.text import phrase, reason_of, with_codes
from hub.operations.crisis.justification import author_and_reason
from hub.operations.crisis.sampling import planner, state, views
from hub.operations.crisis.sampling.actions import SamplingActions
from hub.operations.crisis.sampling.execution import TICK_S, SamplingExecution
from hub.operations.crisis.sampling.expected_periods import ExpectedPeriods
from hub.operations.crisis.sampling.model import DOWNLINK, Budgets, Gateway, Item, SamplingRequest
from hub.operations.crisis.sampling.state import FAILED, OVER, RAISED, RESTORING, State

KEEP_S = 600.0
MAX_ORDERS = 20
"""Downlinks ordered in one tick: each is one commit of the store."""
PLANS = 16
"""Plans that are remembered after they were shown. Whoever requested most loses the oldest of theirs first, so that a
reader cannot evict the plan that is about to be raised."""
SHORTEST_S = 1.0
BY_HUB = "hub"
MAX_WHY = 150
"""Characters of a reason: it becomes part of the reason of each command."""

_PHASES = {RAISED: phrase("phase-raised", "raised"), RESTORING: phrase("phase-restoring", "restoring")}

_log = logging.getLogger("hub.crisis")


class AuditStore(Protocol):
    """The part of `hub.core.store.Store` that is used here."""

    async def get(self, key: str) -> bytes | None: ...
    async def put(self, key: str, value: bytes) -> None: ...
    async def audit(
        self, at: float, who: str, what: Mapping[str, object], meta: Mapping[str, bytes] | None = None
    ) -> None: ...


class Sampling:
    """Raised sampling of one hub. `gather` returns all items and gateways for a request, `budgets` and `longest_s` the
    configured limits."""

    def __init__(
        self,
        memory: AuditStore,
        actions: SamplingActions,
        clock: Clock,
        *,
        gather: Callable[[SamplingRequest], Awaitable[tuple[list[Item], list[Gateway]]]],
        budgets: Callable[[], Budgets],
        longest_s: Callable[[], float],
    ) -> None:
        self._memory, self._actions, self._clock = memory, actions, clock
        self._gather, self._budgets, self._longest_s = gather, budgets, longest_s
        self._turn = asyncio.Lock()
        self._plans: dict[tuple[str, str], planner.Plan] = {}  # (author, digest) → plan
        self._carrying = SamplingExecution(actions, clock)
        self._looked = self._kept = clock.monotonic()
        self._unwritten = False
        self.expecting = ExpectedPeriods()
        self.state = State()

    async def load(self) -> None:
        """Resume raising or restoring before anything is sent."""
        try:
            self.state = state.decode(await self._memory.get(state.KEY))
        except msgspec.MsgspecError:
            self.state = State(unconfirmed=["?"])
        current, now = self.state, self._clock.date()
        if current.holds and now is not None:
            current.left_s = min(current.left_s, current.since + current.duration_s - now)
        self._follow()
        if current.phase != OVER:
            _log.warning(
                phrase(
                    "sampling-as-before-restart",
                    "sampling is {phase}, as before the restart",
                    phase=_PHASES[current.phase],
                )
            )

    def _follow(self) -> None:
        """Apply the current state to the parts of the hub."""
        self._actions.set_poll_periods(state.poll_periods(self.state))
        self.expecting.follow(self.state, self._clock.monotonic())
        self._actions.changed([device for one in self.state.entries for device in one.devices])

    # -- calls

    def calls(self) -> dict[str, Any]:
        return {
            "crisis.sampling.plan": self._plan, "crisis.sampling.raise": self._raise,
            "crisis.sampling.restore": self._restore, "crisis.sampling.status": self._status,
        }  # fmt: skip

    def status(self) -> dict[str, Any]:
        """Return the state for `ilot status`."""
        current = self.state
        return {"phase": current.phase, "left_s": round(current.left_s), **current.counts()}

    def complaints(self) -> list[str]:
        current, counts = self.state, self.state.counts()
        observed, entries = counts["confirmed"], counts["entries"]
        if current.phase == RAISED:
            return [
                phrase(
                    "sampling-is-raised",
                    "a raised period is asked for since {by} said so ({why}): {observed} of {entries} are observed at "
                    "it; `ilot crisis sampling restore` gives the former one back",
                    by=actor(current.by),
                    why=current.why,
                    observed=observed,
                    entries=entries,
                )
            ]
        if current.phase == RESTORING:
            return [
                phrase(
                    "sampling-is-given-back",
                    "the former period is being given back: {observed} of {entries} are observed at it; `ilot crisis "
                    "sampling status` names the others",
                    observed=observed,
                    entries=entries,
                )
            ]
        if current.unconfirmed == ["?"]:
            return [
                phrase(
                    "sampling-memory-unreadable",
                    "what was remembered of a raised sampling cannot be read: compare `ilot radio` with what was usual",
                )
            ]
        return [
            phrase(
                "device-not-at-former-period",
                "{device} was not observed at its former period after a crisis: look at it, or set its period by hand",
                device=name,
            )
            for name in current.unconfirmed
        ]

    @property
    def holds(self) -> bool:
        return self.state.holds

    @property
    def digest(self) -> str:
        """Return the digest of the configuration when it was raised."""
        return self.state.digest

    def summary(self) -> dict[str, Any]:
        """Return the state as the calls answer it."""
        return views.state(self.state)

    async def _status(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return self.summary()

    async def _plan(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {period_s, for_s, devices, zones, integrations, by} with the plan and its cost; changes nothing."""
        return views.plan(await self._made(self._request(arguments), asker(arguments)))

    async def _made(self, request: SamplingRequest, by: str) -> planner.Plan:
        items, gateways = await self._gather(request)
        made = await asyncio.to_thread(planner.plan, items, gateways, self._budgets(), request)
        self._plans.pop((by, made.digest), None)
        self._plans[by, made.digest] = made
        while len(self._plans) > PLANS:
            each = Counter(asker for asker, _ in self._plans)
            del self._plans[next(key for key in self._plans if each[key[0]] == max(each.values()))]
        return made

    def _request(self, arguments: dict[str, Any]) -> SamplingRequest:
        longest = self._longest_s()
        period, duration = _seconds(arguments, "period_s"), _seconds(arguments, "for_s", longest)
        if period < SHORTEST_S:
            raise HubError(phrase("period-too-short", "a period is 1 s or longer"))
        if not 60 <= duration <= longest:
            raise HubError(
                phrase(
                    "raise-duration-wrong",
                    "sampling is raised for 1 min to {longest}, as `crisis.sampling.longest` says",
                    longest=planner.spell(longest),
                )
            )
        return SamplingRequest(
            period_s=period,
            duration_s=duration,
            devices=_names(arguments, "devices"),
            zones=_names(arguments, "zones"),
            integrations=_names(arguments, "integrations"),
        )

    async def _raise(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {plan: its digest, by, role, why} as `status`. Carries out exactly the plan that was shown, or
        refuses."""
        by, why = author_and_reason(arguments, MAX_WHY)
        if arguments.get("role") != "administrateur":
            await self._memory.audit(self._clock.now(), by, {"crisis": "sampling", "refused": "role"})
            raise WriteRefused("role", phrase("raise-for-administrators", "sampling is raised by an administrator"))
        async with self._turn:
            counts = self.state.counts()
            if self.state.holds or (self.state.phase == RESTORING and counts["waiting"]):
                raise HubError(
                    phrase(
                        "sampling-raised-already",
                        "sampling is {phase} already: `ilot crisis sampling status` says how far, `ilot crisis "
                        "sampling restore` gives the former periods back",
                        phase=_PHASES[self.state.phase],
                    )
                )
            digest = str(arguments.get("plan", ""))
            shown = next((plan for (_, told), plan in self._plans.items() if told == digest), None)
            if shown is None:
                raise HubError(
                    phrase(
                        "sampling-plan-not-known",
                        "this plan is not known any more: `ilot crisis sampling plan` makes a new one",
                    )
                )
            items, _ = await self._gather(shown.request)
            wrong = await asyncio.to_thread(planner.excess, shown, items)
            if self._budgets() != shown.budgets:
                wrong.insert(0, phrase("budgets-changed", "the budgets were changed"))
            if wrong:
                if len(wrong) > 3:
                    wrong[3:] = [phrase("and-more", "and {count} more", count=len(wrong) - 3)]
                again = await self._made(shown.request, by)
                raise HubError(
                    phrase(
                        "sampling-plan-outdated",
                        "the plan does not hold any more: {changes}. A new one was made, {digest}: look at it before "
                        "you raise",
                        changes=wrong,
                        digest=again.digest,
                    )
                )
            if not shown.entries:
                raise HubError(phrase("sampling-plan-empty", "this plan raises nothing: its list says why"))
            current = state.from_plan(shown, now=self._clock.now(), by=by, why=why, digest=self._actions.digest())
            said = {"crisis": "sampling", "why": why, "plan": shown.digest, "entries": len(current.entries)}
            await self._remember(current, by, said)
            _log.warning(
                phrase("sampling-raised-now", "sampling is raised now, {count} entries", count=len(current.entries))
            )
        await self.step()
        return views.state(self.state)

    async def _restore(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer {by, why} as `status`. Devices that cannot be told now are told as soon as possible."""
        by, why = author_and_reason(arguments, MAX_WHY)
        if not self.state.holds:
            raise HubError(phrase("sampling-not-raised", "sampling is not raised: there is nothing to give back"))
        await self.restore(by, why)
        return views.state(self.state)

    async def restore(self, by: str, why: str) -> None:
        """Restore the former periods, if they are raised."""
        async with self._turn:
            if not self.state.holds:
                return
            for one in self.state.entries:
                if one.how == DOWNLINK and one.step != FAILED:
                    command = self._actions.pending_command(one, one.to_s) or one.command
                    if command and not self._actions.withdraw(command):
                        one.touched = True  # it ended meanwhile, or may be on the air
            current = state.restoring(self.state)
            await self._remember(current, by, {"crisis": "sampling over", "why": why, "entries": len(current.entries)})
            _log.warning(phrase("sampling-being-restored", "the former periods are being given back"))
        await self.step()

    async def _remember(self, current: State, by: str, what: dict[str, object]) -> None:
        # with its audit, and first: a hub that is switched off now comes back so, and one whose disk refuses does not
        await self._memory.audit(self._clock.now(), by, with_codes(what), {state.KEY: state.encode(current)})
        self.state = current
        self._carrying.begin()
        self._unwritten = False
        self._looked = self._kept = self._clock.monotonic()
        self._follow()

    # -- execution

    async def run(self) -> None:
        while True:
            await self._clock.sleep(TICK_S)
            try:
                await self.step()
            except HubError as error:
                _log.warning(phrase("sampling-step-failed", "raised sampling: {reason}", reason=reason_of(error)))

    async def step(self) -> None:
        """Advance all entries by one step; end the raised time when it is over."""
        if self.state.phase == OVER:
            return
        async with self._turn:
            moment = self._clock.monotonic()
            current, passed, self._looked = self.state, moment - self._looked, moment
            if current.phase == RAISED:
                current.left_s -= passed
            before = state.encode(current)
            orders = MAX_ORDERS
            for one in current.entries:
                orders -= await self._carrying.advance(current, one, moment, may_order=orders > 0)
                self._carrying.notice(current, one)
            if current.phase == RESTORING and all(self._carrying.is_over(one, moment) for one in current.entries):
                lost = [one.name for one in current.entries if not one.confirmed]
                await self._remember(
                    State(plan=current.plan, unconfirmed=lost),
                    BY_HUB,
                    {"crisis": "sampling is as before", "not_observed": len(lost)},
                )
            elif self._has_changed(current, before):
                self._unwritten = True
                self.expecting.follow(current, moment)
                self._actions.changed([device for one in current.entries for device in one.devices])
            if self._unwritten or moment - self._kept >= KEEP_S:
                await self._memory.put(state.KEY, state.encode(self.state))
                self._unwritten, self._kept = False, moment
        if self.state.phase == RAISED and self.state.left_s <= 0:
            await self.restore(BY_HUB, phrase("raised-time-over", "its time is over"))

    @staticmethod
    def _has_changed(current: State, before: bytes) -> bool:
        """Return whether more changed than the remaining time. A refused write is repeated at the next step."""
        return current.entries != msgspec.json.decode(before, type=State).entries


def _seconds(arguments: dict[str, Any], name: str, otherwise: float | None = None) -> float:
    value = arguments.get(name)
    if value is None and otherwise is not None:
        return otherwise
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise HubError(phrase("seconds-expected", "{name} is a number of seconds", name=name))
    return float(value)


def _names(arguments: dict[str, Any], name: str) -> tuple[str, ...]:
    value = arguments.get(name) or []
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise HubError(phrase("names-expected", "{name} is a list of names", name=name))
    return tuple(sorted(set(value)))
