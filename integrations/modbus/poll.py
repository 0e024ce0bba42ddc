"""Polls one device, and handles its refusals and absences."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from pydantic import ValidationError

import hub
from hub.sdk.options import wrong_option
from hub.sdk.phrases import phrase, reason_of
from hub.sdk.poll_backoff import PollBackoff
from integrations.modbus.decode import Value, decode
from integrations.modbus.faults import Refused, Silent
from integrations.modbus.plan import Request, plan, split
from integrations.modbus.presence import Roster
from integrations.modbus.settings import MOST_REGISTERS, Config, DeviceSettings

if TYPE_CHECKING:
    from integrations.modbus.sunspec import Found, Points

LONGEST = timedelta(minutes=10)
"""The longest pause between two attempts on a device that does not answer."""

WHOLE_EVERY = 4
"""Attempts on a silent device after which one has the whole time-out: it may be slower than all others."""


class Reader(Protocol):
    """The part of a Link that a poller needs."""

    peer: str
    answered_s: dict[int, float]

    async def read(self, unit: int, request: Request, *, attempts: int = 1, silent: bool = False) -> list[int]: ...


@dataclass(slots=True)
class _Read:
    request: Request
    patience: PollBackoff
    told: bool = False


class Poller:
    """Polls one device on one link. Ends when the device is no longer this plugin's."""

    def __init__(self, device: str, config: Config, session: hub.Session, link: Reader, roster: Roster) -> None:
        self._id = device
        self._config = config
        self._session = session
        self._link = link
        self._roster = roster
        self._limit = int(LONGEST / config.interval)
        self._read_as: Mapping[str, object] | None = None
        self._settings: DeviceSettings | None = None
        self._reads: list[_Read] = []
        self._patience = PollBackoff(self._limit)
        self._points: Points | None = None
        self._walk = PollBackoff(self._limit)

    async def run(self) -> None:
        """Poll until the device is removed. Raises NotReady when the host cannot be reached, or when none of its
        devices answers."""
        try:
            self._refresh()  # enter all devices in the roster before the first poll
            async for _ in self._session.polling.poll_cycles(self._config.interval, lambda: (self._id,)):
                if not self._refresh():
                    return
                if self._settings is not None and self._patience.due():
                    await self._poll(self._settings)
        finally:
            self._roster.leaves(self._id)

    def _refresh(self) -> bool:
        """Apply the configuration; False when it no longer contains the device."""
        device = self._session.devices.get(self._id)
        if device is not None and device.settings != self._read_as:
            self._configure(device)
        return device is not None

    def _configure(self, device: hub.Device) -> None:
        self._read_as = dict(device.settings)
        self._patience = PollBackoff(self._limit)
        try:
            self._settings = settings = device.settings_as(DeviceSettings)
        except ValidationError as error:
            self._settings = None
            self._roster.leaves(self._id)
            self._session.log.error(
                phrase(
                    "modbus.device-settings-wrong",
                    "{device} is not read: its settings are wrong: {reason}",
                    device=self._id,
                    reason=wrong_option(error),
                )
            )
            return
        self._forget_map(settings)
        self._walk = PollBackoff(self._limit)
        self._roster.joins(self._id)
        if metrics := settings.own_metrics():
            self._session.devices.declare(self._id, metrics=metrics)

    def _forget_map(self, settings: DeviceSettings) -> None:
        """Return to the registers of the configuration; a SunSpec map must be found again."""
        requests = plan(settings.registers, max_gap=settings.max_gap, max_registers=settings.max_registers)
        self._reads = [self._new(request) for request in requests]
        self._points = None

    @property
    def _prefers_short_timeout(self) -> bool:
        """Return whether to use the short time-out now."""
        return self._patience.failures % WHOLE_EVERY != 0

    def _new(self, request: Request) -> _Read:
        return _Read(request, PollBackoff(self._limit))

    async def _poll(self, settings: DeviceSettings) -> None:
        unit = settings.unit
        values: dict[str, Value] = {}
        attempts = 1 if self._patience.failures else 1 + self._config.retries
        away = await self._find_map(settings, attempts)
        answered = False  # outcome of the last request in this poll
        waiting = deque(read for read in self._reads if read.patience.due())
        asked, read_any = bool(waiting) or not self._reads, False
        while waiting and away is None:
            read = waiting.popleft()
            try:
                words = await self._link.read(unit, read.request, attempts=attempts, silent=self._prefers_short_timeout)
            except Silent as error:
                if answered:  # some devices do not answer requests for missing registers
                    self._leave(
                        read,
                        phrase(
                            "modbus.no-answer-to-request",
                            "no answer to {request}: the device may not have it",
                            request=read.request,
                        ),
                    )
                else:
                    away = error
                    self._reads.sort(key=lambda other: other is read)  # start with another request next time
                answered = False
                continue
            except Refused as error:
                self._session.radio.report_decode_error(self._id, error)
                if error.whole_device:
                    away = error
                else:
                    waiting.extendleft(reversed(self._refused(read, error)))
            except hub.DecodeError as error:
                self._session.radio.report_decode_error(self._id, error)
            else:
                read.patience.succeeded()
                read.told, read_any = False, True
                values.update(self._decode(read.request, words))
            answered = True
        if self._points is not None:
            try:
                values |= self._points.values(
                    values, lambda error: self._session.radio.report_decode_error(self._id, error)
                )
            except hub.DecodeError as error:  # a different device or firmware answers now
                self._session.radio.report_decode_error(self._id, error)
                self._forget_map(settings)
        if values:
            await self._session.emit(hub.Report(device=self._id, values=values, proof=hub.Proof(scheme="modbus")))
        if away is not None or asked:
            self._session.polling.polled(self._id, "silent" if away else "answered" if read_any else "unread")
        self._judge(away)

    async def _find_map(self, settings: DeviceSettings, attempts: int) -> hub.NotReady | Refused | None:
        """Find the SunSpec map where one is wanted and not known yet. Returns why the device is away, if it is."""
        if not settings.sunspec or self._points is not None or not self._walk.due():
            return None
        from integrations.modbus.sunspec import discover  # model tables: only for devices with SunSpec

        async def read(request: Request) -> list[int]:
            return await self._link.read(settings.unit, request, attempts=attempts, silent=self._prefers_short_timeout)

        try:
            found = await discover(read, settings.sunspec_address)
            self._take(settings, found)
        except Silent as error:
            return error
        except hub.DecodeError as error:
            self._session.radio.report_decode_error(self._id, error)
            if isinstance(error, Refused) and error.whole_device:
                return error
            if not self._walk.failures:
                self._warn(error.detail)
            self._walk.failed()
        return None

    def _take(self, settings: DeviceSettings, found: Found) -> None:
        """Use the map. Raises DecodeError `sunspec-part` when it has fewer devices than configured."""
        from integrations.modbus.sunspec import Points

        part = found.part(settings.sunspec_part)
        self._points = points = Points(part, {register.metric for register in settings.registers})
        # in as few requests as possible: a scale factor belongs to the values that are read with it
        requests = plan(points.registers, max_gap=MOST_REGISTERS, max_registers=settings.max_registers)
        self._reads += [self._new(request) for request in requests]
        self._session.devices.declare(
            self._id, model=part.title, firmware=part.version, metrics=(*settings.own_metrics(), *points.metrics)
        )
        self._walk.succeeded()
        for note in found.notes:
            self._warn(note)

    def _decode(self, request: Request, words: list[int]) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for register in request.registers:
            try:
                value = decode(register, request.words_of(register, words))
            except hub.DecodeError as error:
                self._session.radio.report_decode_error(self._id, error)
            else:
                if value is not None:
                    values[register.metric] = value
        return values

    def _refused(self, read: _Read, error: Refused) -> list[_Read]:
        """Split a refused request to find the register at fault; returns the requests to send instead."""
        if len(read.request.registers) > 1:
            parts = [self._new(request) for request in split(read.request)]
            place = self._reads.index(read)
            self._reads[place : place + 1] = parts
            return parts
        self._leave(read, error.detail)
        return []

    def _leave(self, read: _Read, why: str) -> None:
        """Skip one request for a while; log the reason once."""
        read.patience.failed()
        if not read.told:
            read.told = True
            self._warn(why)

    def _warn(self, reason: str) -> None:
        self._session.log.warning(phrase("modbus.about-device", "{device}: {reason}", device=self._id, reason=reason))

    def _judge(self, away: hub.NotReady | Refused | None) -> None:
        if away is None:
            self._patience.succeeded()
            if self._settings is not None and (took := self._link.answered_s.get(self._settings.unit)) is not None:
                self._session.radio.publish_facts(
                    self._id, {"latency_ms": round(1000 * took, 1), "requests": max(1, len(self._reads))}
                )
            if self._roster.here(self._id):
                self._session.log.info(phrase("modbus.device-answers-again", "{device} answers again", device=self._id))
            return
        self._patience.failed()
        tell = self._roster.silent(self._id) if isinstance(away, Silent) else self._roster.away(self._id)
        if self._roster.nobody:
            raise hub.NotReady(
                phrase(
                    "modbus.no-device-answers",
                    "{peer} is connected but none of its {count} [device|devices] answers",
                    peer=self._link.peer,
                    count=len(self._roster),
                )
            ) from away
        if tell:
            self._session.log.warning(
                phrase(
                    "modbus.device-away",
                    "{device} is away, tried again with growing pauses: {reason}",
                    device=self._id,
                    reason=away.detail if isinstance(away, Refused) else reason_of(away),
                )
            )
