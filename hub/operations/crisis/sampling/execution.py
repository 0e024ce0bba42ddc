"""One entry of raised sampling on its way: its device is told, tried again, and heard at the new period or not.

What holds is in the entry (`state.Raised`), which the desk keeps on the disk; here is what a restart may forget.
"""

from __future__ import annotations

from hub.automation.commands import WriteRefused
from hub.core.clock import Clock
from hub.operations.crisis.sampling.actions import SamplingActions
from hub.operations.crisis.sampling.model import DOWNLINK, HOUR_S
from hub.operations.crisis.sampling.state import FAILED, ORDERED, RESTORING, TOLD, WAITING, Raised, State
from hub.operations.crisis.sampling.verification import Noticing

TICK_S = 1.0
AGAIN_S = 15.0
"""Until what could not be ordered now is tried again."""
TRIES = 3
"""Commands to one device on the way up."""
GIVE_UP_S = 48 * HOUR_S
"""How long a device is waited for on the way back before it is named and left."""


class Carrying:
    """The entries of one raising, and of the way back from it."""

    def __init__(self, hands: SamplingActions, clock: Clock) -> None:
        self._hands, self._clock = hands, clock
        self._noticing: dict[str, dict[str, Noticing]] = {}
        self._later: dict[str, float] = {}  # entry → monotonic seconds before which it is not ordered again
        self._began = clock.monotonic()

    def begin(self) -> None:
        """Anew: other entries, or the other way."""
        self._noticing.clear()
        self._later.clear()
        self._began = self._clock.monotonic()

    async def advance(self, held: State, one: Raised, moment: float, *, may_order: bool) -> int:
        """One entry's next step; the number of commands ordered."""
        if one.how != DOWNLINK:
            if one.step == WAITING:
                one.touched = True
                self._reached(one)
            return 0
        if one.step == WAITING and may_order and moment >= self._later.get(one.name, 0.0):
            return await self._order(held, one, moment)
        if one.step == ORDERED:
            stands = await self._hands.stands(one.command)
            if stands in ("sent", "done"):
                one.touched = True
            if stands == "done":
                self._reached(one)
            elif stands == "":
                one.step = WAITING  # nobody knows what became of it: to be told the same twice does no harm
            elif stands in ("failed", "expired"):
                self._failed(held, one, f"command-{stands}", moment)
        return 0

    async def _order(self, held: State, one: Raised, moment: float) -> int:
        """Tell the device; one that is under way already, of a former life, is not told twice."""
        back = held.phase == RESTORING
        period = one.was_s if back else one.to_s
        one.command = self._hands.under_way(one, period)
        if not one.command:
            if closed := self._hands.closed():
                one.why, self._later[one.name] = closed, moment + TICK_S
                return 0
            why = f"sampling {'as before' if back else 'raised'}: {held.why}"[:200]
            try:
                one.command = await self._hands.order(one, period, held.by, why)
            except WriteRefused as refused:
                if refused.reason in ("too-soon", "too-many", "stopped", "read-only"):
                    one.why = refused.reason
                    self._later[one.name] = moment + AGAIN_S
                else:
                    self._failed(held, one, "refused", moment)
                return 1
        one.step, one.why = ORDERED, ""
        return 1

    def _failed(self, held: State, one: Raised, why: str, moment: float) -> None:
        """It is tried again a few times (the hub may have been restarted while it left), on the way back until somebody
        gives up, ever more seldom. What expired had its day; what is refused stays so."""
        one.why, one.tries = why, one.tries + 1
        again = one.tries < TRIES and why == "command-failed"
        back = held.phase == RESTORING and why != "refused" and moment - self._began < GIVE_UP_S
        if again or back:
            one.step = WAITING
            self._later[one.name] = moment + AGAIN_S * 2 ** min(one.tries - 1, 10)
        else:
            one.step = FAILED

    def _reached(self, one: Raised) -> None:
        one.step, one.why = TOLD, ""
        self._noticing[one.name] = {device: Noticing(self._hands.seen(device)) for device in one.devices}

    def notice(self, held: State, one: Raised) -> None:
        """Is it heard so? One device of a loop speaks for all that it asks."""
        if one.step != TOLD or one.confirmed:
            return
        mine = self._noticing.setdefault(
            one.name, {device: Noticing(self._hands.seen(device)) for device in one.devices}
        )
        for device, noticing in mine.items():
            noticing.look(self._hands.seen(device))
            if noticing.slower(one.was_s) if held.phase == RESTORING else noticing.faster(one.to_s):
                one.confirmed = True
        if one.confirmed:
            del self._noticing[one.name]

    def is_over(self, one: Raised, moment: float) -> bool:
        """Nothing more is waited for of it."""
        if one.confirmed or one.step == FAILED:
            return True
        return moment - self._began >= GIVE_UP_S + 4 * one.was_s
