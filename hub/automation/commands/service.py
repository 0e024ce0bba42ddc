"""Takes requests, hands commands to the integrations, and records the results.

A command is never handed out twice, except one that its integration reported as only queued: the hand-over is on disk
before it happens. A command that was taken but not answered when the integration or the hub stops counts as failed;
the requester checks the device and asks again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from secrets import token_hex
from typing import Any

from hub.automation.commands.policy import Order, WriteRefused, check_order
from hub.automation.commands.table import FINAL, CommandTable, Record, Stopped
from hub.core.actor import actor
from hub.core.clock import Clock
from hub.core.counters import Counts
from hub.core.errors import DecodeError, DiskRefuses, StorageError
from hub.core.model import Command, Device, Metric, Value
from hub.core.store import Store
from hub.core.text import phrase, reason_of
from hub.devices.registry import Devices

STATES = FINAL | {"queued", "sent"}
OPEN_LIMIT = 1000
"""Maximum number of commands under way; more is a mistake."""

NO_ANSWER_S = 60.0
"""Seconds after its expiry during which a taken command may still be answered."""

LOOK_S = 0.5
STEP_S = 5.0
"""A clock that moved by more than this, in seconds, between two looks was set."""
DETAIL_LIMIT = 300

WAITED_TOO_LONG = phrase("command-waited-too-long", "it waited too long to be sent")

_log = logging.getLogger("hub.commands")


class CommandService:
    """The commands of one hub.

    `metric` returns what is known of a device's metric, `last` its last value; `downlink` checks a pack's downlink and
    raises DecodeError when the pack has none such or the values are out of bounds; `barred` returns why a device may
    not be written to now, "" if it may.
    """

    def __init__(
        self,
        store: Store,
        devices: Devices,
        clock: Clock,
        counts: Counts,
        *,
        metric: Callable[[str, str], Metric | None],
        last: Callable[[str, str], Value | None],
        downlink: Callable[[Device, str, Mapping[str, float]], Any],
        barred: Callable[[Device], Awaitable[str]] | None = None,
    ) -> None:
        self._table = CommandTable(store)
        self._devices, self._clock, self._counts = devices, clock, counts
        self._metric, self._last, self._downlink = metric, last, downlink
        self._barred = barred
        self._open: dict[str, Record] = {}
        self._former: set[str] = set()  # of these, those accepted by an earlier run
        self._taken: dict[str, str] = {}  # id of a command → the integration that has it
        self._written: dict[tuple[str, str], float] = {}
        self._newest: dict[tuple[str, str], Record] = {}  # (device, metric) → latest command, of this run or looked up
        self._waiting: dict[str, asyncio.Queue[Record]] = {}
        self._offered: dict[str, frozenset[str]] = {}  # actions of integrations beside metrics and downlinks
        self._dirty: dict[str, Record] = {}
        self._changed, self._unwritten, self._some = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._offset: float | None = None  # wall clock less monotonic clock, while commands are open
        self.stopped: Stopped | None = None
        self.stops = 0
        """Number of stops of all writes since the start."""

        self.frozen = ""
        """Why nothing is written during a crisis, "" otherwise."""

    async def load(self) -> None:
        """Load the commands that the last run left open. Call before the plugins start."""
        self.stopped = await self._table.stopped()
        for record in await self._table.open():
            self._register(record)
            self._former.add(record.id)
            if record.state == "sent" or (record.taken and record.state != "queued"):
                self._end(
                    record,
                    "failed",
                    phrase("command-cut-by-restart", "the hub stopped before the device answered: look at the device"),
                )

    async def order(self, order: Order, *, meta: Mapping[str, bytes] | None = None) -> Record:
        """Take a request; on return the command is durable and on its way.

        `meta`: keys of `meta` written in the same commit. Raises WriteRefused, which is audited too.
        """
        now = self._clock.now()
        device = self._devices.get(order.device)
        try:
            self._allow(order, now)
            if device is not None and self._barred is not None and (why := await self._barred(device)):
                raise WriteRefused("default-credential", why)
            if order.values is not None and device is not None:
                await self._check_downlink(device, order)
            now = self._clock.now()
            self._allow(order, now)  # again: during the awaits writes may have been stopped, or the same requested
        except WriteRefused as refused:
            self._counts.add(f"write-{refused.reason}", order.device if device else "commands")
            said = {
                "device": order.device,
                "metric": order.metric,
                "why": shortened(order.why, 200),
                "reason": refused.reason,
            }
            await self._table.audit_refusal(now, order.by, said)
            raise
        return await self._accept(order, now, meta)

    def _allow(self, order: Order, now: float) -> None:
        """Raise WriteRefused if the command may not be given at this moment."""
        if self.frozen:
            raise WriteRefused("read-only", self.frozen)
        if self.stopped is not None:
            raise WriteRefused(
                "stopped",
                phrase(
                    "writes-stopped-by",
                    "all writes are stopped by {by}: {why}. `ilot command resume` allows them again",
                    by=actor(self.stopped.by),
                    why=self.stopped.why,
                ),
            )
        if len(self._open) >= OPEN_LIMIT:
            raise WriteRefused(
                "too-many",
                phrase(
                    "too-many-commands",
                    "{most} commands are under way: wait for some to end",
                    most=OPEN_LIMIT,
                ),
            )
        device = self._devices.get(order.device)
        last = self._written.get((order.device, order.metric))
        check_order(order, device, self._metric(order.device, order.metric), last, now)

    async def _check_downlink(self, device: Device, order: Order) -> None:
        if not order.values and order.metric in self._offered.get(device.integration, ()):
            return
        try:
            await self._downlink(device, order.metric, order.values or {})
        except DecodeError as error:
            raise WriteRefused(error.reason, error.detail) from error

    def _record(self, order: Order, now: float) -> Record:
        return Record(
            id=token_hex(6),
            device=order.device,
            metric=order.metric,
            value=order.value,
            values=order.values,
            by=order.by,
            why=order.why,
            at=now,
            expires=now + order.ttl_s,
            old=self._last(order.device, order.metric),
        )

    async def _accept(self, order: Order, now: float, meta: Mapping[str, bytes] | None) -> Record:
        """Make the command durable, then offer it to its integration."""
        record = self._record(order, now)
        target = order.device, order.metric
        before = self._written.get(target)
        self._written[target] = now  # before any await, so that a concurrent request sees it
        try:
            await self._table.insert(record, meta)
        except BaseException:
            if self._written[target] == now and before is not None:
                self._written[target] = before
            elif self._written[target] == now:
                del self._written[target]
            raise
        self._newest[target] = record
        if self.stopped is not None:  # stopped while it was made durable; no integration has seen it
            self._end(record, "failed", _stopped(self.stopped.by, self.stopped.why))
            return record
        self._register(record)
        self._offer(record)
        return record

    def _register(self, record: Record) -> None:
        self._adjust_to_clock()
        self._open[record.id] = record
        self._some.set()

    def _adjust_to_clock(self) -> None:
        """Shift expiry dates by a step of the clock, so that it changes no waiting time of this run's commands.

        Commands of an earlier run keep their date: how long the hub was off is unknown.
        """
        offset = self._clock.now() - self._clock.monotonic()
        if self._offset is not None and abs(offset - self._offset) > STEP_S:
            for record in self._open.values():
                if record.id not in self._former:
                    record.expires += offset - self._offset
        self._offset = offset

    def _offer(self, record: Record) -> None:
        device = self._devices.get(record.device)
        if device is not None and device.integration in self._waiting:
            self._waiting[device.integration].put_nowait(record)

    async def commands_for(self, integration: str) -> AsyncIterator[Command]:
        """Yield each command for a device of this integration, waiting ones first."""
        self._release_integration(integration)  # taken by a former iterator that Python has not closed yet
        queue: asyncio.Queue[Record] = asyncio.Queue()
        self._waiting[integration] = queue
        for record in list(self._open.values()):
            device = self._devices.get(record.device)
            if device is not None and device.integration == integration and record.id not in self._taken:
                queue.put_nowait(record)
        try:
            while True:
                record = await queue.get()
                if record.final:
                    continue
                self._adjust_to_clock()
                if self._clock.now() > record.expires:
                    self._end(record, "expired", WAITED_TOO_LONG)
                    continue
                await self._hand_out(record)
                if record.final:
                    continue
                self._taken[record.id] = integration
                yield record.command()
        finally:
            if self._waiting.get(integration) is queue:  # otherwise a new iterator owns these entries
                del self._waiting[integration]
                self._offered.pop(integration, None)
                self._release_integration(integration)

    async def _hand_out(self, record: Record) -> None:
        """Record the hand-over on disk before it happens. While the disk refuses the command waits, and may expire."""
        record.taken = True
        while not record.final:
            try:
                await self._table.mark_taken(record)
                break
            except (DiskRefuses, StorageError) as error:
                _log.warning(
                    phrase("command-waits-for-disk", "a command waits for the disk: {reason}", reason=reason_of(error))
                )
                await self._clock.sleep(LOOK_S)

    def _release_integration(self, integration: str) -> None:
        """Fail what an integration that stopped listening had taken; commands it only queued go on waiting."""
        for name in [name for name, who in self._taken.items() if who == integration]:
            record = self._open[name]
            if record.state == "queued":
                del self._taken[name]
            else:
                self._end(
                    record,
                    "failed",
                    phrase(
                        "command-integration-stopped",
                        "its integration stopped before it answered: look at the device",
                    ),
                )

    def offer(self, integration: str, acts: frozenset[str]) -> None:
        """Register extra actions of an integration until it stops taking commands; see
        `hub.sdk.session.Commands.offer`."""
        self._offered[integration] = acts

    def wants(self, integration: str, command: str) -> bool:
        """Return whether the integration still has this command to do."""
        return self._taken.get(command) == integration

    def answer(self, integration: str, command: str, state: str, detail: str) -> None:
        """Record an integration's answer to a command it took. A command that has ended does not change."""
        record = self._open.get(command)
        if record is None or self._taken.get(command) != integration or state not in STATES:
            self._counts.add("answer-to-no-command", integration)
            return
        if state in FINAL:
            self._end(record, state, detail)
        elif (record.state, record.detail) != (state, detail := shortened(detail, DETAIL_LIMIT)):
            record.state, record.detail = state, detail
            self._note(record)

    def _end(self, record: Record, state: str, detail: str) -> None:
        record.state, record.detail, record.until = state, shortened(detail, DETAIL_LIMIT), self._clock.now()
        self._open.pop(record.id, None)
        self._former.discard(record.id)
        self._taken.pop(record.id, None)
        if state != "done":
            self._counts.add(f"command-{state}", record.device)
        self._note(record)

    def _note(self, record: Record) -> None:
        self._dirty[record.id] = record
        self._changed.set()
        self._unwritten.set()

    async def run(self) -> None:
        """Write results to the store, and expire commands that wait too long."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write())
            group.create_task(self._expire())

    async def _write(self) -> None:
        while True:
            await self._unwritten.wait()
            self._unwritten.clear()
            await self.flush()
            if self._dirty:
                await self._clock.sleep(LOOK_S)
                self._unwritten.set()

    async def _expire(self) -> None:
        while True:
            if not self._open:  # no periodic wake-up while nothing is under way
                self._some.clear()
                await self._some.wait()
            await self._clock.sleep(LOOK_S)
            self._adjust_to_clock()
            now = self._clock.now()
            for record in list(self._open.values()):
                waits = record.id not in self._taken or record.state == "queued"
                if waits and now > record.expires:
                    self._end(record, "expired", WAITED_TOO_LONG)
                elif not waits and now > record.expires + NO_ANSWER_S:
                    self._end(
                        record,
                        "failed",
                        phrase(
                            "command-not-answered",
                            "its integration did not say what became of it: look at the device",
                        ),
                    )

    async def flush(self) -> None:
        """Write pending results now. What the disk refuses is retried on the next turn."""
        dirty, self._dirty = self._dirty, {}
        if dirty:
            try:
                await self._table.update(list(dirty.values()), self._clock.now())
            except (DiskRefuses, StorageError) as error:
                self._dirty = {**dirty, **self._dirty}
                _log.warning(
                    phrase(
                        "command-results-not-written",
                        "what came of {count} commands is not written down yet: {reason}",
                        count=len(dirty),
                        reason=reason_of(error),
                    )
                )

    async def wait(self, record: Record, seconds: float) -> Record:
        """Wait until the command has ended, `seconds` at most, and return it."""
        try:
            async with asyncio.timeout(seconds):
                while not record.final:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        return record

    @property
    def under_way(self) -> int:
        return len(self._open)

    def find(self, name: str) -> Record | None:
        return self._open.get(name)

    async def latest(self, device: str, metric: str) -> Record | None:
        """Return the latest accepted command of a metric, whoever gave it. Raises StorageError."""
        target = device, metric
        if target not in self._newest:
            kept = await self._table.latest(device, metric)
            known = None if kept is None else self._open.get(kept.id) or self._dirty.get(kept.id) or kept
            if known is None or not (known.final or known.id in self._open):
                return known  # its end is being written: the next call sees it
            self._newest.setdefault(target, known)
        return self._newest[target]

    def pending_for(self, device: str, metric: str) -> list[Record]:
        """Return the commands under way to this metric of a device, oldest first."""
        found = [one for one in self._open.values() if (one.device, one.metric) == (device, metric)]
        return sorted(found, key=lambda one: one.at)

    def withdraw(self, name: str, why: str) -> bool:
        """Cancel a command. Returns False when it has ended or may have reached its device: it goes on then."""
        record = self._open.get(name)
        if record is None or record.state not in ("accepted", "queued") or (record.taken and record.state != "queued"):
            return False
        self._end(record, "failed", why)
        return True

    async def last(self, limit: int) -> list[Record]:
        """Return the newest commands first."""
        await self.flush()
        return await self._table.last(limit)

    async def stop(self, by: str, why: str) -> list[Record]:
        """Stop all writes, durably (code de la construction, R175-3 4°). Returns the commands that release.

        Commands under way fail, and values that this hub wrote are released where the device can do so.
        """
        now = self._clock.now()
        self.stopped = Stopped(now, by, why)
        self.stops += 1
        # A command that an integration has taken may still reach its device: release it afterwards.
        underway = [
            one
            for one in self._open.values()
            if one.id in self._taken and one.state != "queued" and one.value is not None
        ]
        for record in list(self._open.values()):  # in memory first: the stop holds even if the disk refuses
            self._end(record, "failed", _stopped(by, why))
        await self.flush()  # so that values written a moment ago are released too
        try:
            before = await self._table.written()
        except (DiskRefuses, StorageError):
            await self._table.stop(self.stopped, now, by, why)
            raise
        written = {(one.device, one.metric) for one in (*before, *underway)}
        releases = [
            self._record(Order(device=device, metric=metric, by=by, role="administrateur", why=why), now)
            for device, metric in sorted(written)
            if self._devices.get(device) is not None
        ]
        await self._table.stop(
            self.stopped, now, by, why, releases
        )  # one transaction: a kill in between still releases all
        for record in releases:
            self._written[record.device, record.metric] = now
            self._newest[record.device, record.metric] = record
            self._register(record)
            self._offer(record)
        _log.warning(phrase("writes-stopped-now", "all writes are stopped; `ilot command resume` allows them again"))
        return releases

    async def resume(self, by: str, why: str) -> None:
        before = self.stopped
        await self._table.stop(None, self._clock.now(), by, why)
        if self.stopped is not before:  # stopped again during the await
            return
        self.stopped = None
        _log.warning(phrase("writes-allowed-again", "writes are allowed again"))


def shortened(text: str, most: int) -> str:
    """Return a text of `most` characters at most; one that is longer loses its translations."""
    return text if len(text) <= most else text[:most]


def _stopped(by: str, why: str) -> str:
    return phrase("command-ended-by-stop", "all writes were stopped by {by}: {why}", by=actor(by), why=why)


class OwnCommands:
    """`Session.commands` of one integration."""

    def __init__(self, name: str, service: CommandService) -> None:
        self._name, self._service = name, service

    def __aiter__(self) -> AsyncIterator[Command]:
        return self._service.commands_for(self._name)

    def answer(self, command: Command, state: str, detail: str = "") -> None:
        self._service.answer(self._name, command.id, state, detail)

    def wanted(self, command: Command) -> bool:
        return self._service.wants(self._name, command.id)

    def offer(self, *acts: str) -> None:
        self._service.offer(self._name, frozenset(acts))
