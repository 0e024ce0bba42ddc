"""The straight path of one report: emit -> admission -> rules -> privacy -> observe -> strategy -> append.

A straight pipe, no event bus, no queue. `emit` may wait before the append (that is the back-pressure); the append
itself never awaits, so a report is accepted whole or not at all, even when its plugin is cancelled.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

import msgspec

from hub.admission.quarantine import Quarantine
from hub.admission.replay import Freshness, ReplayWindows
from hub.buffer import Buffer
from hub.buffer.rows import Row
from hub.clock import Clock
from hub.counts import Counts
from hub.errors import PluginError
from hub.model import Candidate, Device, Quality, Report, Value
from hub.plan import Plan, Planner, ShapePlan

_log = logging.getLogger("hub.admission")

FUTURE_S = 120.0
"""A source may run this many seconds ahead of the hub; beyond, its date is not believed."""


class Pipeline:
    """One a hub. `device` tells which device an id names, None when it is not admitted."""

    def __init__(
        self, *, device: Callable[[str], Device | None], planner: Planner, replay: ReplayWindows,
        quarantine: Quarantine, buffer: Buffer, clock: Clock, counts: Counts,
    ) -> None:  # fmt: skip
        self._device = device
        self._planner = planner
        self._replay = replay
        self._quarantine = quarantine
        self._buffer = buffer
        self._clock = clock
        self._counts = counts
        self._plans: dict[str, Plan] = {}
        self.reports = 0
        self.readings = 0
        self.spared = 0

    async def emit(self, integration: str, report: Report, *, durable: bool = False) -> None:
        """Accept one report of an integration instance. With `durable`, return after the fdatasync of all that came
        before and of this report, kept or not: one that was told before may still be on its way to the disk."""
        if self._buffer.full:
            await self._buffer.room()
        self.accept(integration, report)
        if durable:
            await self._buffer.flush()

    def accept(self, integration: str, report: Report) -> bool:
        """The path itself, without waiting. True when the report was appended, or spared by its strategy; False when
        it was kept out (and counted). Raises PluginError when the integration speaks for a device not its own."""
        # admission: known, its own, fresh
        plan = self._plans.get(report.device) or self._admit(integration, report)
        if plan is None:
            return False
        if plan.device.integration != integration:
            self._counts.add("not-its-own", integration)
            raise PluginError(f"{integration!r} spoke for {report.device!r}, a device of {plan.device.integration!r}")
        proof = report.proof
        if proof is not None and proof.authenticated and proof.counter is not None:
            freshness = self._replay.judge(plan.window, proof.counter)
            if freshness is not Freshness.FRESH:
                self._counts.add(freshness.value, report.device)
                if freshness is Freshness.REPLAY:
                    self.refused(Candidate(id=report.device, integration=integration, signal=report.signal), "replay")
                return False
            self._quarantine.trusted(report.device)

        # pulse: what a counter says becomes the index of the meter that it stands for
        if plan.pulse is not None:
            believed = report.time is not None and 0 <= report.time <= self._clock.now() + FUTURE_S
            report = plan.pulse.apply(report, report.time if believed else self._clock.date())

        # plausibility
        shape = plan.shape(tuple(report.values))
        wrong = shape.implausible(report.values)
        if wrong:
            self._counts.add("implausible", report.device, len(wrong))
            kept = {key: value for key, value in report.values.items() if key not in wrong}
            report = msgspec.structs.replace(report, values=kept)
            shape = plan.shape(tuple(kept))

        # rules: they see raw values, in RAM only, also those that may not be kept
        if shape.tap is not None:
            shape.tap.see(report, plan.trust(proof))

        # privacy
        if shape.keep is None:
            values = tuple(report.values.values())
        else:
            self._count_left_out(report.device, shape.unknown, shape.withheld)
            values = tuple([report.values[key] for key in shape.keep])
        if not values:
            return False

        if report.position is not None and not plan.position:
            self._counts.add("withheld-personal", report.device)

        # time: the source's own, the hub's, or the boot's when no clock can be believed
        now = self._clock.now()
        time, sure, quality = report.time, True, report.quality
        if time is not None and not 0 <= time <= now + FUTURE_S:
            self._counts.add("wrong-date", report.device)
            time, quality = None, max(quality, Quality.UNCERTAIN)
        if time is None:
            date = self._clock.date()
            time, sure = (now, False) if date is None else (date, True)

        # observe: the live view sees, it does not change
        slot = shape.slot
        trust = slot.trust = plan.trust(proof)
        slot.report = report
        slot.time = time if sure else None

        # report strategy: what need not be told again is seen here and goes no further
        moment = time if sure else self._clock.monotonic()
        rows: Iterable[tuple[ShapePlan, tuple[Value, ...]]] = ((shape, values),)
        if shape.rules is not None:
            due = plan.due(shape, values, quality, moment)
            self.spared += len(values) - len(due)
            if not due:
                return True
            rows = plan.rows(due)

        # append: in RAM now, durable with the next commit
        for part, those in rows:
            self._buffer.append(
                Row(
                    plan.subject,
                    part.shape,
                    int(moment * 1000),
                    sure,
                    those,
                    quality,
                    trust,
                    report.signal.rssi if report.signal else None,
                    report.position if plan.position else None,
                )
            )
            self.readings += len(those)
        self.reports += 1
        return True

    def recompile(self, device: str | None = None) -> None:
        """Forget compiled plans (of one device, or all): something they were compiled from has changed."""
        if device is None:
            self._plans.clear()
        else:
            self._plans.pop(device, None)

    def admit(self, device: str) -> None:
        """A device is admitted, or admitted differently, from now on: it waits no longer."""
        self.recompile(device)
        self._quarantine.release(device)

    def forget(self, device: str) -> None:
        """A device is not admitted any more; what is remembered of refused frames goes with it."""
        self.recompile(device)
        self._quarantine.clear(device)

    def candidate(self, candidate: Candidate, reason: str) -> None:
        """Something found or heard that is not admitted."""
        self._quarantine.add(candidate, reason, self._clock.now())

    def refused(self, candidate: Candidate, reason: str) -> None:
        """A frame of a known device was refused; `reason` as it is counted."""
        if self._quarantine.refuse(candidate, reason, self._clock.now()):
            _log.warning("frames of a known device are refused (%s); `ilot devices` shows which and why", reason)

    def _admit(self, integration: str, report: Report) -> Plan | None:
        device = self._device(report.device)
        if device is None:
            self._counts.add("not-admitted", integration)
            found = Candidate(
                id=report.device, integration=integration, values=report.values, signal=report.signal,
            )  # fmt: skip
            self.candidate(found, "not in the configuration")
            return None
        self._quarantine.release(device.id)
        plan = self._plans[device.id] = self._planner.compile(device)
        return plan

    def _count_left_out(self, device: str, unknown: tuple[str, ...], withheld: tuple[str, ...]) -> None:
        if unknown:
            self._counts.add("unknown-metric", device, len(unknown))
        if withheld:
            self._counts.add("withheld-personal", device, len(withheld))
