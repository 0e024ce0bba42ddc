"""The straight path of one report: emit -> admission -> rules -> privacy -> observe -> strategy -> append.

A straight pipe, no event bus, no queue. `emit` may wait before the append (that is the back-pressure); the append
itself never awaits, and all its rows are in one commit, so a report is accepted whole or not at all, even when its
plugin is cancelled or the hub is killed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

import msgspec

from hub.core.clock import Clock
from hub.core.counters import Counts
from hub.core.errors import PluginError
from hub.core.model import Candidate, Device, Position, Proof, Quality, Report, TrustClass, Value
from hub.core.security_events import NOT_ITS_OWN
from hub.history.latest import OBSERVED_S, Slot
from hub.pipeline.admission.guard import Guard
from hub.pipeline.admission.replay import Freshness, ReplayWindows
from hub.pipeline.admission.strangers import Strangers
from hub.pipeline.admission.trust import claims_unfounded, without_claims
from hub.pipeline.plan import Plan, Planner, ShapePlan
from hub.privacy.rules_engine.policy import PositionPolicy
from hub.protocol.records.rows import Row
from hub.sdk.session_rules import not_its_own
from hub.store_and_forward.buffer import Buffer

FUTURE_S = 120.0
"""A source may run this many seconds ahead of the hub; beyond, its date is not believed."""


RSSI_MOST = 32_767
"""dBm that a record has room for, on either side of 0."""


class Observer(Protocol):
    """Receives what privacy let through, for history and aggregates. `moment` is Unix seconds where `sure`, else
    monotonic seconds; `values` stand in the order of the slot's metrics."""

    def see(self, slot: Slot, moment: float, sure: bool, quality: Quality, values: Sequence[Value]) -> None: ...
    def hold(self, slot: Slot, moment: float, sure: bool, quality: Quality, values: Sequence[Value]) -> None:
        """Receive a report that came less than OBSERVED_S after the last one of its slot."""
        ...


class Pipeline:
    """The path of all reports of one hub. `strangers` take what is not admitted, and know what is. Without `guard`
    nothing looks for clones. `observer` is history's."""

    def __init__(
        self,
        *,
        strangers: Strangers,
        planner: Planner,
        replay: ReplayWindows,
        buffer: Buffer,
        clock: Clock,
        counts: Counts,
        guard: Guard | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._observer = observer
        self.strangers = strangers
        self._device = strangers.device
        self._planner = planner
        self._replay = replay
        self._quarantine = strangers.quarantine
        self._buffer = buffer
        self._clock = clock
        self._counts = counts
        self._guard = guard
        self._plans: dict[str, Plan] = {}
        self._turn = 0
        self.reports = 0
        self.readings = 0
        self.spared = 0

    async def emit(self, integration: str, report: Report, *, durable: bool = False) -> None:
        """Accept one report of an integration instance. With `durable`, return after the fdatasync of all that came
        before and of this report, kept or not: an earlier one with the same value may still be on its way to the
        disk."""
        if self._buffer.full:
            await self._buffer.room()
        with self._buffer.together():
            self.accept(integration, report)
        if durable:
            await self._buffer.flush()

    async def emit_all(
        self,
        integration: str,
        reports: Sequence[Report],
        *,
        note: Callable[[], None] | None = None,
        durable: bool = False,
    ) -> None:
        """Accept reports in one commit with what `note` puts into the small state, once there is room. What `note`
        raises is raised, and then nothing is accepted. Raises PluginError, before `note`, when the integration speaks
        for another's device: a counter that is noted goes with its reading."""
        self.expect_own(integration, (report.device for report in reports))
        if self._buffer.full:
            await self._buffer.room()
        self.take(integration, reports, note)
        if durable:
            await self._buffer.flush()

    def expect_own(self, integration: str, devices: Iterable[str]) -> None:
        """Raise PluginError when one of these devices is another integration's."""
        for name in devices:
            device = self._device(name)
            if device is not None and device.integration != integration:
                raise self._not_its_own(integration, device)

    def take(self, integration: str, reports: Iterable[Report], note: Callable[[], None] | None = None) -> None:
        """Accept reports in one commit, after there was room; see `emit_all`."""
        with self._buffer.together():
            if note is not None:
                note()
            for report in reports:
                self.accept(integration, report)

    def accept(self, integration: str, report: Report, *, past: bool = False) -> bool:
        """Take one report from admission to the buffer, without waiting. Returns True when it was appended, or spared
        by its strategy; False when it was kept out (and counted). `past`: a report that waited for long: no rule sees
        it, and it is not the device's latest. Raises PluginError when the integration speaks for another's device."""
        # admission: known, its own, fresh
        plan = self._plans.get(report.device) or self._admit(integration, report)
        if plan is None:
            return False
        if plan.device.integration != integration:
            raise self._not_its_own(integration, plan.device)
        proof = report.proof
        if not plan.key and proof is not None and claims_unfounded(proof, plan.key):
            self._counts.add("key-not-held", report.device)
            proof = without_claims(proof)
            report = msgspec.structs.replace(report, proof=proof)
        counter = proof.counter if proof is not None and proof.authenticated else None
        if counter is not None and not self._fresh(plan, integration, report, counter):
            return False

        report, now, moment, sure, exact = self._date(report)

        # guard: not too often, from one place, as one sender
        doubt, guard, watch = False, self._guard, plan.watch
        if guard is not None and watch is not None and not past:
            if not guard.passes(watch, report):
                self._kept_out(integration, report, "suspect" if watch.suspect else "too-often")
                return False
            if report.signal is not None or report.position is not None:
                guard.look(watch, report, moment if sure else now)
            doubt = bool(watch.suspect) or (bool(watch.metrics) and guard.unlike(watch, report))

        # pulse: what a counter says becomes the index of the meter that it stands for
        if plan.pulse is not None:
            report = plan.pulse.apply(report, moment if sure else None)

        # plausibility
        shape = plan.shape(tuple(report.values))
        wrong = shape.implausible(report.values)
        if wrong:
            report = self._plausible(report, wrong)
            shape = plan.shape(tuple(report.values))

        # rules: they see raw values, in RAM only, also those that may not be kept
        binding = shape.binding
        if binding is not None and not past:
            binding.rules.evaluate(binding, report, plan.trust(proof))

        # privacy
        veil = shape.veil
        if veil is not None:
            report = veil.inward(report, now)
        if shape.keep is None:
            values = tuple(report.values.values())
        else:
            self._count_left_out(report.device, shape.unknown, shape.withheld)
            values = tuple([report.values[key] for key in shape.keep])
        moving = None
        if report.position is not None:
            moving = plan.position
            if moving is None:
                self._counts.add("withheld-personal", report.device)
        if not values and moving is None:
            return False

        quality = report.quality
        if doubt or not exact:
            quality = max(quality, Quality.UNCERTAIN)

        trust, own = plan.trust(proof), None
        if moving is not None and report.position is not None:
            own = self._position(plan, moving, report.position, int(moment * 1000), sure, trust)
        if not values:
            return own is None

        # observe: the live view sees, it does not change
        slot = shape.slot
        if not past:
            slot.trust = trust
            slot.report = report
            slot.time, slot.came = (moment, now) if sure else (None, None)
            self._turn += 1
            slot.turn = self._turn
        if self._observer is not None and (veil is None or veil.plain):
            if not 0.0 <= moment - slot.seen < OBSERVED_S:
                slot.seen = moment
                self._observer.see(slot, moment, sure, quality, values)
            else:
                self._observer.hold(slot, moment, sure, quality, values)

        # report strategy: what need not be told again is seen here and goes no further
        rows: Iterable[tuple[ShapePlan, tuple[Value, ...]]] = ((shape, values),)
        if shape.rules is not None:
            due = plan.due(shape, values, quality, moment)
            self.spared += len(values) - len(due)
            if not due:
                return True
            rows = plan.rows(due)

        # append: in RAM now, durable with the next commit
        rssi = report.signal.rssi if report.signal else None
        if rssi is not None and not (type(rssi) is int and -RSSI_MOST <= rssi <= RSSI_MOST):
            self._counts.add("implausible", report.device)  # a gateway says what it likes: no reason to lose the values
            rssi = None
        for part, those in rows:
            row = Row(plan.subject, part.shape, int(moment * 1000), sure, those, quality, trust, rssi, own)
            if part.veil is None:
                self._buffer.append(row)
            else:
                for outward in part.veil.outward(row):
                    self._buffer.append(outward)
            self.readings += len(those)
        self.reports += 1
        return True

    def _date(self, report: Report) -> tuple[Report, float, float, bool, bool]:
        """Decide the time of a report: `(report, now, moment, sure, exact)`.

        `now` is the hub's wall clock in Unix seconds. `moment` is Unix seconds where `sure`, else seconds of the
        monotonic clock, to be dated by a CLOCK record of this boot. `exact` is False where the hub's own date may be
        off by more than a second: the readings are then uncertain. A date before 1970 or more than FUTURE_S ahead is
        counted, dropped, and makes the report uncertain; the hub's clock dates it instead.
        """
        clock = self._clock
        if report.time is not None:
            now = clock.now()
            if 0 <= report.time <= now + FUTURE_S:
                return report, now, report.time, True, True
            self._counts.add("wrong-date", report.device)
            report = msgspec.structs.replace(report, time=None, quality=max(report.quality, Quality.UNCERTAIN))
        date = clock.date()
        if date is None:
            return report, clock.now(), clock.monotonic(), False, True
        return report, date, date, True, clock.exact()

    def _not_its_own(self, integration: str, device: Device) -> PluginError:
        """Return the error of an integration that spoke for a device of another: a bug, or an impostor."""
        self._counts.add("not-its-own", integration)
        self.strangers.tell(NOT_ITS_OWN, integration, {"device": device.id, "own": device.integration})
        return not_its_own(integration, device)

    def _position(
        self, plan: Plan, moving: PositionPolicy, position: Position, time_ms: int, sure: bool, trust: TrustClass
    ) -> Position | None:
        """Return the position that may stand in the rows of the device. What leaves of it separately, coarse and
        without a name, is appended."""
        cut = moving.cut(position, self._planner.privacy.zone_subject(plan.subject), time_ms, sure, trust)
        if cut is not None:
            self._buffer.append(cut)
        return moving.own(position)

    def _fresh(self, plan: Plan, integration: str, report: Report, counter: int) -> bool:
        """Return whether the counter of an authenticated report is new. Otherwise it is counted, and kept as
        evidence."""
        guard, watch = self._guard, plan.watch
        freshness = self._replay.judge(plan.window, counter)
        if freshness is Freshness.FRESH:
            self._quarantine.trusted(report.device)
            if guard is not None and watch is not None:
                guard.fresh(watch, counter, report)
            return True
        self._counts.add(freshness.value, report.device)
        if guard is not None and watch is not None:
            guard.stale(watch, counter, report)
        if freshness is Freshness.REPLAY:
            self._refused(integration, report, "replay")
        return False

    def _plausible(self, report: Report, wrong: Collection[str]) -> Report:
        """Return the report without these values, which no such device can measure."""
        self._counts.add("implausible", report.device, len(wrong))
        kept = {key: value for key, value in report.values.items() if key not in wrong}
        return msgspec.structs.replace(report, values=kept)

    def recompile(self, device: str | None = None) -> None:
        """Drop compiled plans of one device, or of all: something they were compiled from has changed."""
        if device is None:
            self._plans.clear()
        else:
            self._plans.pop(device, None)

    def admit(self, device: str) -> None:
        """Admit a device from now on, or under changed terms: it leaves the quarantine."""
        self.recompile(device)
        self._quarantine.release(device)

    def forget(self, device: str) -> None:
        """Forget a device that is no longer admitted, or has another key, with the doubts about it."""
        self.recompile(device)
        if self._guard is not None:
            self._guard.clear(device)
        self._quarantine.clear(device)

    def stale(self, device: str, proof: Proof) -> None:
        """Record an authentic frame whose counter is not new, for an integration that keeps counters itself."""
        plan = self._plans.get(device)
        if self._guard is not None and plan is not None and plan.watch is not None and proof.counter is not None:
            self._guard.stale(plan.watch, proof.counter, Report(device=device, values={}, proof=proof))

    def heard_elsewhere(self, candidate: Candidate, own: str) -> None:
        """Count a frame of a device that belongs to another integration, `own`: nothing of it is taken. Two adapters
        may hear one device; those that the owner declared too far apart may not."""
        self._counts.add("heard-elsewhere", candidate.integration)
        plan = self._plans.get(candidate.id)
        if self._guard is not None and plan is not None and plan.watch is not None:
            self._guard.paths(plan.watch, [own, candidate.integration])

    def _kept_out(self, integration: str, report: Report, reason: str) -> None:
        self._counts.add(reason, report.device)
        self._refused(integration, report, reason)

    def _refused(self, integration: str, report: Report, reason: str) -> None:
        self.strangers.refused(Candidate(id=report.device, integration=integration, signal=report.signal), reason)

    def _admit(self, integration: str, report: Report) -> Plan | None:
        device = self._device(report.device)
        if device is None:
            self._counts.add("not-admitted", integration)
            found = Candidate(
                id=report.device,
                integration=integration,
                values=report.values,
                signal=report.signal,
            )
            self.strangers.heard(found, "not in the configuration", report)
            return None
        if self.strangers.blocked(device):
            return None
        self._quarantine.release(device.id)
        plan = self._plans[device.id] = self._planner.compile(device, self._guard)
        return plan

    def _count_left_out(self, device: str, unknown: tuple[str, ...], withheld: tuple[tuple[str, int], ...]) -> None:
        if unknown:
            self._counts.add("unknown-metric", device, len(unknown))
        for event, number in withheld:
            self._counts.add(event, device, number)
