"""Execution of one entry of raised sampling: its device is told, retried, and heard at the new period or not.

The durable state is in the entry (`state.Raised`), which the service stores; this module holds only what a restart may
forget.
"""

from __future__ import annotations

from hub.automation.commands import WriteRefused
from hub.core.clock import Clock
from hub.core.text import phrase
from hub.operations.crisis.sampling.actions import SamplingActions
from hub.operations.crisis.sampling.model import DOWNLINK, HOUR_S
from hub.operations.crisis.sampling.state import FAILED, ORDERED, RESTORING, TOLD, WAITING, Raised, State
from hub.operations.crisis.sampling.verification import PeriodObserver

TICK_S = 1.0
AGAIN_S = 15.0
"""Seconds until an order that was not possible is tried again."""
TRIES = 3
"""Maximum commands to one device when raising."""
GIVE_UP_S = 48 * HOUR_S
"""Maximum seconds to wait for a device when restoring; then it is reported and left."""


class SamplingExecution:
    """Execution of the entries of one raising, and of its restoration."""

    def __init__(self, actions: SamplingActions, clock: Clock) -> None:
        self._actions, self._clock = actions, clock
        self._observers: dict[str, dict[str, PeriodObserver]] = {}
        self._later: dict[str, float] = {}  # entry → monotonic seconds of its next try
        self._began = clock.monotonic()

    def begin(self) -> None:
        """Reset for other entries, or for the other direction."""
        self._observers.clear()
        self._later.clear()
        self._began = self._clock.monotonic()

    async def advance(self, current: State, one: Raised, moment: float, *, may_order: bool) -> int:
        """Advance one entry by one step; return the number of commands ordered."""
        if one.how != DOWNLINK:
            if one.step == WAITING:
                one.touched = True
                self._reached(one)
            return 0
        if one.step == WAITING and may_order and moment >= self._later.get(one.name, 0.0):
            return await self._order(current, one, moment)
        if one.step == ORDERED:
            stands = await self._actions.command_state(one.command)
            if stands in ("sent", "done"):
                one.touched = True
            if stands == "done":
                self._reached(one)
            elif stands == "":
                one.step = WAITING  # the result is unknown: telling a device the same period twice does no harm
            elif stands in ("failed", "expired"):
                self._failed(current, one, f"command-{stands}", moment)
        return 0

    async def _order(self, current: State, one: Raised, moment: float) -> int:
        """Order the command; one that a former process left pending is not ordered twice."""
        back = current.phase == RESTORING
        period = one.was_s if back else one.to_s
        one.command = self._actions.pending_command(one, period)
        if not one.command:
            if closed := self._actions.refusal():
                one.why, self._later[one.name] = closed, moment + TICK_S
                return 0
            why = (
                phrase("sampling-as-before-because", "sampling as before: {why}", why=current.why)
                if back
                else phrase("sampling-raised-because", "sampling raised: {why}", why=current.why)
            )
            try:
                one.command = await self._actions.order(one, period, current.by, why)
            except WriteRefused as refused:
                if refused.reason in ("too-soon", "too-many", "stopped", "read-only"):
                    one.why = refused.reason
                    self._later[one.name] = moment + AGAIN_S
                else:
                    self._failed(current, one, "refused", moment)
                return 1
        one.step, one.why = ORDERED, ""
        return 1

    def _failed(self, current: State, one: Raised, why: str, moment: float) -> None:
        """Schedule another try: a few times when raising, since the hub may have been restarted during the command;
        when restoring until somebody gives up, ever more seldom. Expired and refused commands are not repeated when
        raising."""
        one.why, one.tries = why, one.tries + 1
        again = one.tries < TRIES and why == "command-failed"
        back = current.phase == RESTORING and why != "refused" and moment - self._began < GIVE_UP_S
        if again or back:
            one.step = WAITING
            self._later[one.name] = moment + AGAIN_S * 2 ** min(one.tries - 1, 10)
        else:
            one.step = FAILED

    def _reached(self, one: Raised) -> None:
        one.step, one.why = TOLD, ""
        self._observers[one.name] = {
            device: PeriodObserver(self._actions.last_report(device)) for device in one.devices
        }

    def notice(self, current: State, one: Raised) -> None:
        """Compare the observed period with the requested one. One device of a poll loop stands for all of them."""
        if one.step != TOLD or one.confirmed:
            return
        mine = self._observers.setdefault(
            one.name, {device: PeriodObserver(self._actions.last_report(device)) for device in one.devices}
        )
        for device, noticing in mine.items():
            noticing.observe(self._actions.last_report(device))
            if noticing.slower(one.was_s) if current.phase == RESTORING else noticing.faster(one.to_s):
                one.confirmed = True
        if one.confirmed:
            del self._observers[one.name]

    def is_over(self, one: Raised, moment: float) -> bool:
        """Return whether the entry needs no further step."""
        if one.confirmed or one.step == FAILED:
            return True
        return moment - self._began >= GIVE_UP_S + 4 * one.was_s
