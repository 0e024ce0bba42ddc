"""Processes a server's messages, and turns commands into downlinks.

Rules: a message is acknowledged to the broker when its contents are on the disk, in the order of arrival (MQTT 5, 4.6).
The device's state is part of the commit of the frame's reports, former values and present ones: after a kill either all
of it is stored or nothing, and the broker's next delivery is recognised as a repetition, or is new.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

import hub
from hub.sdk.phrases import detail_of, phrase, reason_of
from integrations.lorawan_servers import freshness
from integrations.lorawan_servers.downlinks import Downlinks, item_of
from integrations.lorawan_servers.freshness import Memory, Verdict
from integrations.lorawan_servers.parts import Event, Heard, Joined, Moved, Noted, Status, Uplink
from integrations.lorawan_servers.reading import Reader, signal_of
from integrations.lorawan_servers.settings import eui_of

FUTURE_S = 120.0
"""Seconds that a server's clock may be ahead of the hub's."""
PLAUSIBLE = 1_767_225_600.0
"""2026 in Unix seconds: an earlier clock has not been set, and is not used for checks."""

Publish = Callable[[str, bytes], Awaitable[None]]
Keep = Callable[[], Coroutine[Any, Any, None]]


class Server(Protocol):
    """The part that differs between servers. Both methods raise DecodeError; `downlink` with the remedy for a
    person."""

    def read(self, topic: str, payload: bytes) -> Event | None: ...
    def downlink(
        self, device: hub.Device, where: str, item: str, port: int, payload: bytes, expires: float
    ) -> tuple[str, bytes]:
        """Return topic and message. `where`: the stored destination of its downlinks."""
        ...

    def confirmed(self, device: hub.Device) -> bool: ...


async def nothing() -> None:
    """Do nothing: the message needs no storing."""


class Driver:
    """Processes one connection. `sealed`: the broker is reached by TLS."""

    def __init__(self, session: hub.Session, server: Server, *, sealed: bool, now: Callable[[], float] = time.time):
        self._session = session
        self._server = server
        self._reader = Reader(session, sealed=sealed)
        self._downlinks = Downlinks(session)
        self._now = now
        self._known: dict[str, Memory] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._full = False
        for device in session.devices.all():
            if eui_of(device.id) is None:
                session.log.error(
                    phrase(
                        "lorawan_servers.device-id-malformed",
                        "{device} is not heard: a device is named lorawan: and the 16 digits of its DevEUI, in lower "
                        "case",
                        device=device.id,
                    )
                )

    async def hear(self, topic: str, payload: bytes, *, retained: bool = False) -> Keep:
        """Process a message. Await the returned function before acknowledging: it hands the reports over, and returns
        once they are on the disk. Raises NotReady when the message cannot be decoded now."""
        if retained:  # a stored copy of an old message
            self._session.radio.report_decode_error("", hub.DecodeError("mqtt-retained"))
            return nothing
        try:
            event = self._server.read(topic, payload)
        except hub.DecodeError as error:
            self._session.radio.report_decode_error("", error)
            return nothing
        if event is None:
            return nothing
        name = f"lorawan:{event.dev_eui}"
        if self._session.devices.get(name) is None:
            self._stranger(name, event)
            return nothing
        match event:
            case Uplink():
                return await self._uplink(name, event)
            case Status():
                return self._status(name, event.time, self._reader.battery(name, event))
            case Joined():
                self._session.log.info(phrase("lorawan_servers.device-joined", "{device} has joined", device=name))
                self._remember_where(name, event.where)
            case Moved():
                self._downlinks.moved(name, event)
            case Noted():
                self._session.radio.report_decode_error(name, hub.DecodeError(event.reason, event.text))
        return nothing

    async def _uplink(self, name: str, uplink: Uplink) -> Keep:
        memory = self._memory(name)
        believed = self._believed(uplink.time)
        verdict = freshness.judge(memory.windows, uplink.session, uplink.fcnt, believed)
        if verdict is not Verdict.FRESH:
            self._session.radio.report_decode_error(name, hub.DecodeError(verdict.value))
        if verdict.told:
            return self._wait_for_commit(name)
        reports = await self._reader.reports(name, uplink)
        battery = None
        if uplink.battery is not None and uplink.battery[1] > memory.status:
            level, when = uplink.battery
            battery = self._reader.battery(name, Status(dev_eui=uplink.dev_eui, time=when, battery=level))
        if battery is not None:
            reports.insert(0, battery)
        windows = freshness.take(memory.windows, uplink.session, uplink.fcnt, believed)
        status = memory.status if battery is None else battery.time or memory.status
        self._known[name] = Memory(windows, status, uplink.where)  # at once: the next message may be its copy
        return self._keep(name, reports)

    def _status(self, name: str, when: float | None, report: hub.Report | None) -> Keep:
        memory = self._memory(name)
        if when is not None and when <= memory.status:
            self._session.radio.report_decode_error(name, hub.DecodeError("repeat"))
            return self._wait_for_commit(name)
        if report is None:
            return nothing
        self._known[name] = Memory(memory.windows, when if when is not None else memory.status, memory.where)
        return self._keep(name, [report])

    def _keep(self, name: str, reports: list[hub.Report]) -> Keep:
        memory = self._known[name]

        async def keep() -> None:
            turn = self._turns.setdefault(name, asyncio.Lock())
            await turn.acquire()  # until it is stored: the state includes the frames before it
            mine = True

            def note() -> None:
                nonlocal mine
                where = self._known[name].where  # a join may have set a newer one meanwhile
                self._remember(name, Memory(memory.windows, memory.status, where))
                turn.release()
                mine = False

            try:
                await self._durable(name, *reports, note=note)
            finally:
                if mine:
                    turn.release()

        return keep

    def _wait_for_commit(self, name: str) -> Keep:
        """Wait for the disk: the frame was reported before, but perhaps not yet committed."""

        async def wait() -> None:
            async with self._turns.setdefault(name, asyncio.Lock()):
                pass  # it is stored
            await self._durable(name)

        return wait

    async def _durable(self, name: str, *reports: hub.Report, note: Callable[[], None] | None = None) -> None:
        """Return once these reports, and all that was taken before, are on the disk. Raises NotReady: the broker gives
        the message again, and it is recognised if it was taken."""
        try:
            await self._session.emit(*reports, note=note, durable=True)
        except Exception as error:
            raise hub.NotReady(
                phrase(
                    "lorawan_servers.reading-cannot-be-kept",
                    "what {device} said cannot be kept, the broker keeps it: {reason}",
                    device=name,
                    reason=reason_of(error),
                )
            ) from error

    def _stranger(self, name: str, event: Event) -> None:
        if not isinstance(event, Uplink | Joined):
            return
        self._session.radio.report_decode_error("", hub.DecodeError("not-admitted"))
        heard: tuple[Heard, ...] = event.heard if isinstance(event, Uplink) else ()
        remedy = "name it in the configuration, with the pack that reads it; the server has its keys"
        self._session.devices.discovered(
            hub.Candidate(
                id=name,
                integration=self._session.name,
                model=event.model or "LoRaWAN",
                signal=signal_of(heard),
                evidence={**event.about, "by": "an uplink" if heard else "a join", "remedy": remedy},
            )
        )

    # stored state

    def _memory(self, name: str) -> Memory:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._stored_memory(name)
        return known

    def _stored_memory(self, name: str) -> Memory:
        """Return the stored state of a device; `_memory` also includes frames that are still queued."""
        record = self._session.state.get(eui_of(name) or name)
        try:
            return Memory() if record is None else freshness.decode(record)
        except hub.DecodeError as error:
            self._session.log.error(
                phrase(
                    "lorawan_servers.record-unreadable",
                    "{device}: {reason}; its next frames may be told twice",
                    device=name,
                    reason=detail_of(error),
                )
            )
            return Memory()

    def _remember(self, name: str, memory: Memory) -> None:
        try:
            self._session.state.put(eui_of(name) or name, freshness.encode(memory))
        except Exception as error:  # the state is full: the reading is still reported
            self._session.radio.report_decode_error(name, hub.DecodeError("state-full"))
            if not self._full:
                self._full = True
                self._session.log.error(
                    phrase(
                        "lorawan_servers.too-many-devices",
                        "more devices than about 2,000: counters of some are not remembered over a restart ({reason}). "
                        "Give some to another instance",
                        reason=reason_of(error),
                    )
                )

    def _remember_where(self, name: str, where: str) -> None:
        memory = self._memory(name)
        if where and where != memory.where:
            self._known[name] = Memory(memory.windows, memory.status, where)
            kept = self._stored_memory(name)
            self._remember(name, Memory(kept.windows, kept.status, where))

    def _believed(self, when: float | None) -> float | None:
        now = self._now()
        return None if when is not None and now >= PLAUSIBLE and when > now + FUTURE_S else when

    # downlinks

    async def command(self, publish: Publish) -> None:
        """Put commands into the server's queue as they arrive."""
        async for command in self._session.commands:
            try:
                await self._push(command, publish)
            except (hub.DecodeError, hub.NotReady) as error:
                self._downlinks.end(command, "failed", detail_of(error))

    async def _push(self, command: hub.Command, publish: Publish) -> None:
        device = self._session.devices.get(command.device)
        if device is None or command.values is None:
            raise hub.DecodeError(
                "no-downlink",
                phrase(
                    "lorawan_servers.only-downlinks-of-pack",
                    "a LoRaWAN device is told what a downlink of its pack says: `ilot pack show` lists them",
                ),
            )
        if not self._downlinks.wait(command, confirmed=self._server.confirmed(device)):
            self._session.commands.answer(
                command,
                "queued",
                phrase("lorawan_servers.queued-before-restart", "it is in the server's queue since before a restart"),
            )
            return
        port, payload = await self._session.packs.encode(device.id, command.metric, command.values)
        where = self._memory(device.id).where
        topic, message = self._server.downlink(device, where, item_of(command), port, payload, command.expires)
        # Store it first: one that was published before a kill would be published again.
        try:
            await self._session.emit(note=lambda: self._downlinks.pushed(command), durable=True)
        except Exception as error:
            raise hub.NotReady(
                phrase(
                    "lorawan_servers.downlink-cannot-be-kept",
                    "it is not sent, for the disk does not take that it is: {reason}",
                    reason=reason_of(error),
                )
            ) from error
        if not self._session.commands.wanted(command):  # expired, or all writes were stopped meanwhile
            return
        await publish(topic, message)
        self._session.commands.answer(
            command, "queued", phrase("lorawan_servers.queued", "it is in the server's queue")
        )
