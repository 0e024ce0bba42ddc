"""The link: one delivery, the buffer's disk and clock, and the uplinks that share them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import msgspec

from hub.core.backoff import Backoff
from hub.core.clock import Clock
from hub.core.errors import StorageError
from hub.core.text import phrase, reason_of
from hub.sdk.transport import Message
from hub.store_and_forward.delivery import STATE_S, Answer, Delivery, Ledgers, Sender, StateMaker, Survey
from hub.store_and_forward.link.model import (
    NO_HANDLERS,
    READINGS,
    RETRY_PAUSES,
    STARTING,
    UP,
    AnswerHandlers,
    Buffer,
    Durable,
    Egress,
    HeldCommits,
    Line,
    LinkStatus,
    RetryPauses,
    Trust,
)
from hub.store_and_forward.link.traffic import Traffic
from hub.store_and_forward.link.uplink import SupervisedUplink

_log = logging.getLogger("hub.link")

MEMORY_KEY, TRAFFIC_KEY = "link/acks", "link/traffic"
METERED_S, METERED_STATE_S = 300.0, 1800.0
"""Intervals in seconds on a metered line, of readings and of states; alerts leave at once. Each message of readings
shows that the hub is there. A state or the head of the audit log that is due by then goes in the same message: an
exchange of its own costs more than its content."""
_LONGEST_S, _ANSWER_S = 3600.0, 10.0


class Link:
    """One delivery over all uplinks of a line."""

    def __init__(
        self,
        sender: Sender,
        line: Line,
        *,
        trust: Trust,
        buffer: Buffer,
        egress: Egress,
        clock: Clock,
        handlers: AnswerHandlers = NO_HANDLERS,
        pauses: RetryPauses = RETRY_PAUSES,
        release: str = "",
    ) -> None:
        self.hub, self.egress, self.clock = sender.hub, egress, clock
        self.traffic = Traffic(clock.date, buffer.local.get(TRAFFIC_KEY))
        self.delivery = Delivery(
            StateMaker(sender, boot=clock.boot, trust_version=trust.version, release=release),
            trust,
            Ledgers(buffer.run, buffer.acks),
            memory=buffer.local.get(MEMORY_KEY),
            backoff=pauses.away,
            state_s=METERED_STATE_S if line.metered else STATE_S,
        )
        self._buffer, self._handlers, self._pauses = buffer, handlers, pauses
        self._uplinks = [SupervisedUplink(self, carrier, pauses.refused()) for carrier in line.uplinks]
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self.metered = self._holding = line.metered
        self._held: dict[str, HeldCommits] = {}  # by stream: what is durable and waits until `_due`, as one event
        self._due = 0.0
        self._changed = asyncio.Event()
        self._reading = asyncio.Lock()
        self._closed = False
        self._ended = asyncio.Event()
        self._outdated: set[str] = set()  # uplinks whose connection was made before the hosts or CAs changed
        self._last_ack: float | None = None
        self._alarmed = False
        self._retries = 0
        self.delivery.open(buffer.streams())

    async def run(self) -> None:
        """Keep every uplink running. Ends after `drain`, or by cancellation."""
        async with asyncio.TaskGroup() as self._group:
            for uplink in self._uplinks:
                self._let_run(uplink)
            await self._ended.wait()

    def _let_run(self, uplink: SupervisedUplink) -> None:
        if self._group is not None:
            self._tasks[uplink.name] = self._group.create_task(uplink.keep(), name=f"uplink {uplink.name}")

    async def reconfigure(self, line: Line) -> None:
        """Replace the uplinks. One that stays unchanged goes on; records that another one carried go back to their
        lane. Nothing is lost, and nothing is sent twice but what was on its way."""
        wanted = {carrier.name: carrier for carrier in line.uplinks}
        for uplink in list(self._uplinks):
            if wanted.get(uplink.name) == uplink.carrier:
                del wanted[uplink.name]
                continue
            self._uplinks.remove(uplink)
            if task := self._tasks.pop(uplink.name, None):
                task.cancel()
                await asyncio.wait([task], timeout=_ANSWER_S)
            self.disconnected(uplink.name, None)
            self._outdated.discard(uplink.name)
        for carrier in wanted.values():
            uplink = SupervisedUplink(self, carrier, self._pauses.refused())
            self._uplinks.append(uplink)
            self._let_run(uplink)
        if line.metered != self.metered:
            self.metered = self._holding = line.metered
            self.delivery.state_every(METERED_STATE_S if line.metered else STATE_S)
            self._release()
        self._changed.set()

    def durable(self, event: Durable) -> None:
        """Hand the records of a commit of the current run to the delivery, or hold them back on a metered line."""
        held = self._held.pop(event.stream, None)
        told = HeldCommits(event.stream, held.first if held else event.first, event.last)
        if self._holding and (event.stream == READINGS or event.deferrable):
            self._held[event.stream] = told
        else:
            self.delivery.durable(*told, self.clock.monotonic())
        self._changed.set()

    def update_trust(self, trust: Trust) -> None:
        """Accept acks by the keys of a new trust document."""
        self.delivery.update_trust(trust, trust.version)
        self._changed.set()

    def declare(self, crisis: str) -> None:
        """State what this hub's people declared of it: "read-only", or "" for nothing."""
        self.delivery.declare(crisis)
        self.wake()

    def state_generation(self, generation: int) -> None:
        """The local store has this generation from now on; the next state says so."""
        self.delivery.stating.use_generation(generation)

    def ask_certificate(self, csr: bytes) -> None:
        """Ask for a client certificate with every state from now on, by any uplink; empty: no longer."""
        self.delivery.ask_certificate(csr)
        self._changed.set()

    def reconnect(self) -> None:
        """Make every uplink connect anew: hosts, CAs, the proxy or this hub's certificate changed, or nothing may be
        called at all."""
        self._outdated.update(uplink.name for uplink in self._uplinks)
        self._changed.set()

    def retry_now(self) -> None:
        """End all pauses before the next try."""
        self._retries += 1
        self._changed.set()

    async def drain(self, seconds: float) -> bool:
        """Make everything durable, wait for its acks at most `seconds`, and end. True when nothing is left.

        Does not wait while no uplink is up: what is durable leaves with the next process.
        """
        deadline = self.clock.monotonic() + seconds
        self._holding = False
        self._release()
        try:
            await self._buffer.flush()
        except StorageError as error:
            _log.error(
                phrase(
                    "not-all-on-disk-at-end",
                    "not everything reached the disk before the end: {reason}",
                    reason=reason_of(error),
                )
            )
        while self._owing() and any(uplink.status.state in (STARTING, UP) for uplink in self._uplinks):
            left = deadline - self.clock.monotonic()
            if left <= 0:
                break
            self._changed.clear()
            await self.pause(left)
        self._closed = True
        self._ended.set()
        self._changed.set()
        return not self._owing()

    def status(self) -> LinkStatus:
        now, (messages, size) = self.clock.monotonic(), self.delivery.in_flight()
        held = self._held.values()
        kept = [uplink.status for uplink in self._uplinks]
        errors = [
            phrase("transport-error", "{transport}: {reason}", transport=status.name, reason=status.error)
            for status in kept
            if status.error
        ]
        return LinkStatus(
            acked=self.delivery.acked_readings,
            acked_records=self.delivery.acked_records,
            last_ack_s=None if self._last_ack is None else now - self._last_ack,
            in_flight=messages,
            in_flight_bytes=size,
            rate=self.delivery.rate.bytes_per_s,
            waiting={**self.delivery.depth(), "held": sum(one.last - one.first + 1 for one in held)},
            refused=dict(self.delivery.refusals),
            rejected=self.delivery.rejections,
            wanted=self.delivery.wanted,
            error="" if self.up() else _joined(errors),
            uplinks=[msgspec.structs.replace(status) for status in kept],
            month=msgspec.structs.replace(self.traffic.month()),
            metered=self.metered,
        )

    def up(self) -> bool:
        """True when any uplink is up."""
        return any(uplink.status.state == UP for uplink in self._uplinks)

    # for the uplinks

    @property
    def closed(self) -> bool:
        return self._closed

    def is_outdated(self, via: str) -> bool:
        """True when this uplink has to connect anew: what it may connect to changed since it did."""
        return via in self._outdated

    def wake(self) -> None:
        """Let every uplink look again for a message to send."""
        self._changed.set()

    def connected(self, via: str) -> None:
        self._outdated.discard(via)
        self.delivery.connected(via)

    def disconnected(self, via: str, slow: Backoff | None) -> float:
        """Note that an uplink ended. Returns the monotonic time before which it is not started again."""
        now = self.clock.monotonic()
        pause = self.delivery.disconnected(via, now, slow)
        self._changed.set()
        return now + pause

    async def until(self, monotonic: float) -> None:
        """Wait until that time, the end of the link, or `retry_now`."""
        retries = self._retries
        while not self._closed and retries == self._retries and (left := monotonic - self.clock.monotonic()) > 0:
            self._changed.clear()
            await self.pause(left)

    async def pause(self, seconds: float) -> None:
        """Wait until something changed, or `seconds` have passed on the injected clock."""
        async with asyncio.TaskGroup() as race:
            alarm = race.create_task(self._alarm(min(seconds, _LONGEST_S)))
            await self._changed.wait()
            alarm.cancel()

    async def _alarm(self, seconds: float) -> None:
        await self.clock.sleep(seconds)
        self._changed.set()

    async def make_message(self, via: str) -> Message | None:
        """Read the next message for this uplink; None when nothing is to be sent before `wait_s` has passed."""
        self._changed.clear()
        async with self._reading:
            if self._held and self.clock.monotonic() >= self._due:
                self._release()
            urgent = self._must_wait_for_answer()
            while (action := self.delivery.poll(via, self.clock.monotonic(), urgent=urgent)) is not None:
                streams, fetches = None, []
                if isinstance(action, Survey):
                    self._release()
                    streams = self._buffer.streams()
                else:
                    fetches.append(action)
                if self.metered and not urgent:
                    fetches += self.delivery.also_due(action, via)
                read = [(fetch, await asyncio.to_thread(self._buffer.read, *fetch[1:])) for fetch in fetches]
                message = self.delivery.compose(read, via, self.clock.monotonic(), streams)
                if message is not None:
                    return message
        return None

    def apply_answer(self, answer: Answer) -> None:
        """Tell buffer, clock, trust and certificate what a reply changed. What must outlive the process rides on the
        next commit."""
        self._changed.set()
        if answer.forget:
            _log.warning(
                phrase("backend-database-new", "the backend's database is new: everything still on disk is sent again")
            )
            self._buffer.forget_acks()
        for stream, run, ranges in answer.acked:
            self._buffer.acked(stream, run, ranges)
        for stream, run, ranges in answer.unacked:
            again = sum(last - first + 1 for first, last in ranges)
            _log.warning(
                phrase(
                    "backend-asks-again",
                    "the backend asks again for {count} records of {stream} that it had acknowledged",
                    count=again,
                    stream=stream,
                )
            )
            self._buffer.unacked(stream, run, ranges)
        if answer.accepted:
            self._last_ack = self.clock.monotonic()
            self._buffer.put_local(MEMORY_KEY, self.delivery.remembered())
            self._buffer.put_local(TRAFFIC_KEY, self.traffic.remembered())
        if answer.clock is not None and self._handlers.clock is not None and self._handlers.clock(*answer.clock):
            self.delivery.state_soon()
            self._changed.set()
        if answer.trust and self._handlers.trust is not None:
            self._handlers.trust(answer.trust)
        if answer.certificate and self._handlers.certificate is not None:
            self._handlers.certificate(answer.certificate)
        if self.delivery.rejections and not self._alarmed:
            self._alarmed = True
            _log.warning(
                phrase(
                    "rejected-records-are-kept",
                    "the backend rejected records; they are kept and offered again: its operator looks at its "
                    "alarms. The backend is updated before the hubs",
                )
            )

    def _must_wait_for_answer(self) -> bool:
        """True when a metered line must wait for an answer: a second connection that has been idle for too long costs a
        TLS handshake. An alert is worth one."""
        return self._holding and self.delivery.has_unanswered()

    def wait_s(self, via: str) -> float:
        """Seconds until `make_message` may have something that it did not have now."""
        now = self.clock.monotonic()
        if self._must_wait_for_answer():
            return _ANSWER_S  # an answer wakes it sooner
        wait = self.delivery.wait(via, now)
        return min(wait, max(0.0, self._due - now)) if self._held else wait

    def _release(self) -> None:
        """Hand over the records that a metered line held back."""
        now = self.clock.monotonic()
        self._due = now + METERED_S
        for held in self._held.values():
            self.delivery.durable(*held, now)
            self._changed.set()
        self._held = {}

    def _owing(self) -> bool:
        waiting = self.delivery.depth()
        return sum(waiting.values()) > waiting["rejected"]


def _joined(errors: Sequence[str]) -> str:
    """Return the errors of all transports as one sentence."""
    if len(errors) < 2:
        return next(iter(errors), "")
    return phrase("several-errors", "{errors}", errors=errors)
