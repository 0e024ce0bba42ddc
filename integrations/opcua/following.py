"""Follows one server's nodes during a session: its subscription, polls and writes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

import hub
from hub.sdk.phrases import phrase, reason_of
from integrations.opcua import messages as m
from integrations.opcua import status
from integrations.opcua.decode import Point, Said, Value, quality, reading, reports, when
from integrations.opcua.entering import Entered
from integrations.opcua.link import Refusal
from integrations.opcua.planning import Plan, Trouble, Wanted, made, wanted
from integrations.opcua.settings import Config, DeviceSettings
from integrations.opcua.writing import written

NAMED = 5
"""Maximum metrics named in one line of the log."""

SETTLE_S = 0.5
"""Seconds to wait for further changes of the configuration before planning again."""


class Follower:
    """Runs one session. `now` is Unix seconds."""

    def __init__(
        self, config: Config, session: hub.Session, inside: Entered, *, now: Callable[[], float] = time.time
    ) -> None:
        self._config, self._session, self._inside, self._now = config, session, inside, now
        self._link = inside.link
        secure = inside.door.certificate is not None
        sealed = inside.door.mode == 3
        self._proof = hub.Proof(scheme="opcua", authenticated=secure, sealed=sealed)
        self._plan = Plan()
        self._wanted: list[Wanted] | None = None
        self._handles = 1
        self._planned = asyncio.Lock()
        self._seen: set[int] = set()  # handles that have had their first value
        self._last: dict[int, Value] = {}
        self._bad: dict[str, dict[str, str]] = {}  # device -> metric -> why it is bad
        self._told: set[str] = set()

    async def run(self) -> None:
        """Run until cancelled. Raises NotReady when the server cannot be reached or ends the subscription."""
        try:
            await self._replan()
            async with asyncio.TaskGroup() as tasks:
                for work in (self._changes, self._polls, self._refresh_regularly, self._follow, self._write):
                    tasks.create_task(work(), name=f"opcua {work.__name__}")
        except* Refusal as refusals:
            error = refusals.exceptions[0]
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            raise hub.NotReady(
                phrase(
                    "opcua.session-ended",
                    "{peer} ended the session: {reason}",
                    peer=self._link.peer,
                    reason=reason_of(error),
                )
            ) from refusals

    # -- which nodes --------------------------------------------------------------------------------------------------

    async def _replan(self, *, anyway: bool = False) -> None:
        async with self._planned:
            devices = self._session.devices.all()
            nodes, wrong = wanted(devices, self._config)
            if nodes == self._wanted and not anyway:
                return
            self._wanted = nodes
            for device, why in wrong.items():
                self._once(
                    phrase(
                        "opcua.device-settings-wrong",
                        "{device} is not read, or not all of it: its settings are wrong: {reason}",
                        device=device,
                        reason=why,
                    )
                )
            self._declare(devices)
            plan = await made(self._link, self._config, nodes, self._handles)
            self._handles += len(plan.points)
            self._plan, self._seen, self._last = plan, set(), {}
            for note in plan.notes:
                self._once(note)
            self._bad = {device: bad for device, bad in self._bad.items() if any(d.id == device for d in devices)}
            self._trouble(plan.troubles)
        if plan.polled:
            await self._read(plan.polled)

    def _declare(self, devices: Iterable[hub.Device]) -> None:
        server = self._inside.server
        for device in devices:
            try:
                metrics = device.settings_as(DeviceSettings).own_metrics()
            except ValueError:
                continue
            self._session.devices.declare(device.id, model=server.product, firmware=server.version, metrics=metrics)

    async def _follow(self) -> None:
        """Plan again when the configuration of a device changes, also during the first plan."""
        changes = self._session.devices.changes()
        await self._replan()
        async for _ in changes:
            await asyncio.sleep(SETTLE_S)
            await self._replan()

    def _trouble(self, troubles: Sequence[Trouble]) -> None:
        for wanted_node, error in troubles:
            self._session.radio.report_decode_error(wanted_node.device, error)
        self._judge(
            {
                (t.wanted.device, t.wanted.node.metric): phrase(
                    "opcua.about-node", "{address}: {reason}", address=t.wanted.address, reason=t.error.detail
                )
                for t in troubles
            }
        )

    # -- what comes ---------------------------------------------------------------------------------------------------

    async def _changes(self) -> None:
        async for changes in self._link.changes():
            async with self._planned:  # a new subscription's first changes come before its plan is ready
                await self._take(changes, changed=True)

    async def _polls(self) -> None:
        async for _ in self._session.polling.poll_cycles(self._config.interval, self._asked):
            if self._plan.polled and self._seen >= self._plan.polled:  # planning included the first read
                await self._read(self._plan.polled, self._config.interval.total_seconds() / 2)

    def _asked(self) -> set[str]:
        """Return the devices with polled nodes."""
        points = self._plan.points
        return {points[handle].device for handle in self._plan.polled if handle in points}

    async def _refresh_regularly(self) -> None:
        """Read subscribed nodes at intervals: a value that does not change is not reported, but may be needed each
        hour."""
        first = True
        async for _ in self._session.every(self._config.refresh):
            if not first:
                if self._plan.troubles:
                    await self._retry()
                await self._read(self._plan.points.keys() - self._plan.polled)
            first = False

    async def _retry(self) -> None:
        """Look for missing nodes again: a server that starts fills its address space for minutes."""
        places = [trouble.wanted.place for trouble in self._plan.troubles]
        for batch in m.batches(places):
            found = await self._link.ask(m.Resolve(batch), m.Nodes)
            if any(node.status < 0x80000000 for node in found.nodes):
                await self._replan(anyway=True)
                return

    async def _read(self, handles: Iterable[int], oldest_s: float = 0.0) -> None:
        for items in self._plan.items(sorted(handles), self._config):
            found = await self._link.ask(m.Read(items, oldest_s * 1000), m.Values)
            await self._take(found.values, changed=False)

    async def _take(self, changes: Sequence[m.Change], *, changed: bool) -> None:
        """Report changes."""
        said: list[Said] = []
        verdicts: dict[tuple[str, str], str] = {}
        now, tolerance = self._now(), self._config.clock_tolerance.total_seconds()
        for change in changes:
            point = self._plan.points.get(change.handle)
            if point is None:  # of a former subscription
                continue
            value, why = self._value(point, change)
            verdicts[point.device, point.metric.key] = why
            fresh = changed and change.handle in self._seen
            self._seen.add(change.handle)
            if value is None:
                continue
            date, doubt = when(change, now, tolerance, fresh=fresh)
            if doubt:
                self._session.radio.report_decode_error(point.device, hub.DecodeError(doubt))
                self._once(
                    phrase(
                        "opcua.clock-off",
                        "the clock of {peer} is off by more than {seconds:.0f} s: its dates are not used; have it set",
                        peer=self._link.peer,
                        seconds=tolerance,
                    )
                )
            said.append(Said(point.device, point.metric.key, value, date, quality(change)))
        for report in reports(said, self._proof):
            await self._session.emit(report)
        self._judge(verdicts)

    def _value(self, point: Point, change: m.Change) -> tuple[Value | None, str]:
        """Return the value of a change, and why it is not good, "" when it is. A bad change without a value repeats the
        last value, as bad."""
        if status.overflowed(change.status):
            self._session.radio.report_decode_error(point.device, hub.DecodeError("opcua-overflow"))
        value, why = None, ""
        try:
            value = reading(point, change)
        except hub.DecodeError as error:
            self._session.radio.report_decode_error(point.device, error)
            return None, error.detail
        if change.status >= 0x80000000:
            fault = status.fault(change.status)
            self._session.radio.report_decode_error(point.device, hub.DecodeError(fault.reason))
            why = status.told(change.status, "")
            value = value if value is not None else self._last.pop(change.handle, None)
        elif value is not None:
            self._last[change.handle] = value
        return value, why

    # -- words --------------------------------------------------------------------------------------------------------

    def _judge(self, verdicts: dict[tuple[str, str], str]) -> None:
        """Log one line when the first nodes of a device fail, and one when the last is back; say of which devices no
        node has a good value."""
        went: dict[str, dict[str, str]] = {}
        for (device, metric), why in verdicts.items():
            bad = self._bad.setdefault(device, {})
            if why:
                if not bad or device in went:
                    went.setdefault(device, {})[metric] = why
                bad[metric] = why
            elif bad.pop(metric, None) is not None and not bad:
                self._session.log.info(
                    phrase("opcua.all-values-again", "{device}: all its nodes give values again", device=device)
                )
        for device, bad in went.items():
            self._session.log.warning(_bad_values(device, bad))
        for device in {device for device, _ in verdicts}:
            unread = bool(self._bad[device]) and self._metrics_of(device) <= self._bad[device].keys()
            self._session.polling.polled(device, "unread" if unread else "answered")

    def _metrics_of(self, device: str) -> set[str]:
        points = (point.metric.key for point in self._plan.points.values() if point.device == device)
        return {*points, *(t.wanted.node.metric for t in self._plan.troubles if t.wanted.device == device)}

    def _once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._session.log.warning(text)

    # -- writes -------------------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        commands = self._session.commands
        async for command in commands:
            found = self._plan.find(command.device, command.metric)
            async for state, detail, seen in written(self._link, found and found[1], command, self._now):
                now = self._plan.find(command.device, command.metric)  # the plan may have changed meanwhile
                if seen is not None and now is not None:
                    await self._take([msgspec.structs.replace(seen, handle=now[0])], changed=False)
                commands.answer(command, state, detail)


def _bad_values(device: str, bad: Mapping[str, str]) -> str:
    """Return a line about metrics of a device and why they are bad."""
    some = [
        phrase("opcua.about-metric", "{metric}: {reason}", metric=metric, reason=why)
        for metric, why in list(bad.items())[:NAMED]
    ]
    if len(bad) <= NAMED:
        return phrase("opcua.no-good-value", "{device}: no good value of {metrics}", device=device, metrics=some)
    return phrase(
        "opcua.no-good-values",
        "{device}: no good value of {metrics}; and {count} more",
        device=device,
        metrics=some,
        count=len(bad) - NAMED,
    )
