"""Reads every meter of one bus in turn. A meter that does not answer is polled at growing intervals, so that it does
not delay the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

import hub
from hub.sdk.phrases import phrase
from integrations.mbus import decode as telegrams
from integrations.mbus.decode import Message
from integrations.mbus.header import Identity
from integrations.mbus.master import NETWORK, Master, Silent, secondary
from integrations.mbus.readings import STORED, present, states, stored
from integrations.mbus.records import Record
from integrations.mbus.settings import DeviceSettings

Value = float | int | bool | str
LONGEST = 32
"""Maximum polls between two attempts on a meter that does not answer."""


class Poller:
    """Polls the meters. `meters` has the settings of each device: one without an address is selected by its own. `turn`
    is held while a meter is read, by whoever shares the line."""

    def __init__(
        self,
        master: Master,
        session: hub.Session,
        meters: dict[str, DeviceSettings],
        turn: asyncio.Lock | None = None,
    ) -> None:
        self._master, self._session, self._meters = master, session, meters
        self._turn = turn or asyncio.Lock()
        self._stored: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._skip: dict[str, int] = {}

    async def poll(self, devices: Iterable[hub.Device]) -> None:
        """Poll once. Raises NotReady when the line is gone, or when no polled meter answers."""
        asked = answered = 0
        for device in devices:
            if self._skip.get(device.id, 0):
                self._skip[device.id] -= 1
                continue
            asked += 1
            answered += await self._meter(device.id)
        if asked and not answered and not any(self._failures.get(id_) == 0 for id_ in self._failures):
            raise hub.NotReady(
                phrase(
                    "mbus.no-meter-answers",
                    "no meter of this bus answers: is the level converter powered, is the bus wired?",
                )
            )

    async def follow(self, changes: AsyncIterator[hub.Device]) -> None:
        """Read a meter at once that is added, or whose settings change: the next poll may be far."""
        async for device in changes:
            if self._session.devices.get(device.id) is None:
                self._meters.pop(device.id, None)
            elif self._meters.get(device.id) != (settings := device.settings_as(DeviceSettings)):
                self._meters[device.id] = settings
                self._skip.pop(device.id, None)
                with suppress(hub.NotReady):  # the next poll says so
                    await self._meter(device.id)

    async def _meter(self, device: str) -> bool:
        try:
            async with self._turn:
                found = await read_meter(self._master, device, self._settings(device))
        except Silent:
            self._session.radio.report_decode_error(device, hub.DecodeError("mbus-silent"))
            self._session.polling.polled(device, "silent")
            return self._failed(device, phrase("mbus.meter-silent", "it does not answer"))
        except hub.DecodeError as error:
            self._session.radio.report_decode_error(device, error)
            self._session.polling.polled(device, "unread")
            return self._failed(device, error.detail or error.reason)
        if self._failures.get(device):
            self._session.log.info(phrase("mbus.meter-answers-again", "a meter answers again"))
        self._failures[device] = self._skip[device] = 0
        self._session.polling.polled(device, "answered")
        self._session.radio.publish_facts(device, {"latency_ms": round(1000 * self._master.answered_s, 1)})
        await self._tell(device, found)
        return True

    def _settings(self, device: str) -> DeviceSettings:
        return self._meters.get(device) or DeviceSettings()

    async def _tell(self, device: str, found: list[Message]) -> None:
        records = [record for message in found for record in message.parsed.records]
        who = found[0].identity
        now = present(records, who, self._settings(device).records)
        skipped = {message.parsed.problem for message in found if message.parsed.problem} | {*now.skipped}
        if STORED in skipped and await self._tell_stored(device, records, who):
            skipped.remove(STORED)
        for reason in sorted(skipped):
            self._session.radio.report_decode_error(device, hub.DecodeError(reason))
        if who is not None:
            self._session.devices.declare(device, model=f"{who.manufacturer} {telegrams.medium(who)}")
        values: dict[str, Value] = {**now.values, **states(found[0].status)}
        await self._session.emit(hub.Report(device=device, values=values, proof=hub.Proof(scheme="mbus")))

    async def _tell_stored(self, device: str, records: list[Record], who: Identity | None) -> bool:
        """Emit what a meter stored last, dated, where it says no present total. Once for each moment. False when it is
        not dated."""
        former = stored(records, who)
        if former is None:
            return False
        zone = ZoneInfo(self._session.devices.timezone)
        try:
            time = datetime.fromisoformat(former.moment).replace(tzinfo=zone).timestamp()
        except (OverflowError, ValueError):  # a day that no calendar has
            return False
        if self._stored.get(device) != time:
            values: dict[str, Value] = {**former.values}
            report = hub.Report(device=device, values=values, time=time, proof=hub.Proof(scheme="mbus"))
            await self._session.emit(report)
            self._stored[device] = time
        return True

    def _failed(self, device: str, why: str) -> bool:
        count = self._failures[device] = self._failures.get(device, 0) + 1
        self._skip[device] = min(LONGEST, 2 ** min(count, 8) - 2)
        if count == 1:
            self._session.log.warning(phrase("mbus.meter-not-read", "a meter is not read: {reason}", reason=why))
        return False


async def read_meter(master: Master, device: str, settings: DeviceSettings) -> list[Message]:
    """Read the meter of a device, or that of the settings where there is none yet. Raises Silent, DecodeError,
    NotReady."""
    device = f"mbus:{settings.meter}" if settings.meter else device
    wanted = secondary(device)
    if settings.address is None:
        if wanted is None:
            raise hub.DecodeError(
                "mbus-address",
                phrase("mbus.no-address", "no address: say `address`, or name the device by its own"),
            )
        await master.select(wanted)
        return await master.read(NETWORK, wanted)
    found = await master.read(settings.address)
    who = found[0].identity
    if wanted is not None and who is not None and who.device != device:
        raise hub.DecodeError("mbus-other-meter", phrase("mbus.another-meter", "another meter is at this address"))
    if len({(who.manufacturer, who.id) for message in found if (who := message.identity) is not None}) > 1:
        raise hub.DecodeError(
            "mbus-other-meter", phrase("mbus.two-meters", "two meters are at this address, and both answer")
        )
    return found
