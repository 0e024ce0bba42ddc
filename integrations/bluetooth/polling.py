"""Reads over connections the values that devices do not broadcast: `settings.gatt` of each device (`gatt_layout`).

Each device has its own task: one that no source has heard for `FRESH_S` gets no slot, one that does not answer is tried
again after a growing pause, `RETRIES` times, then at its next interval. A device that notifies keeps its connection;
when others wait for the slot it disconnects after `HOLD_S`, and queues again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from functools import partial

import hub
from hub.sdk.phrases import phrase, reason_of
from integrations.bluetooth.gatt import Connection, Connector
from integrations.bluetooth.gatt_layout import Characteristic, Settings, read
from integrations.bluetooth.intake import Sighting
from integrations.bluetooth.slots import Slots

FRESH_S = 120.0
HOLD_S = 60.0
RETRIES = 3
PAUSE_S = 5.0
LOOK_S = 1.0
QUEUE = 256


class Poller:
    """Reads devices: call `run` until cancelled. `connectors(source)` returns what opens connections, None where there
    is none; `capacity(source)` their number; `sightings(device)` its receptions; `clock` is in seconds."""

    def __init__(
        self,
        session: hub.Session,
        *,
        connectors: Callable[[str], Connector | None],
        capacity: Callable[[str], int],
        sightings: Callable[[str], Mapping[str, Sighting]],
        clock: Callable[[], float],
    ) -> None:
        self._session = session
        self._connectors = connectors
        self._sightings = sightings
        self._clock = clock
        self._slots = Slots(capacity)
        self._reports: asyncio.Queue[hub.Report] = asyncio.Queue(QUEUE)

    async def run(self) -> None:
        courses: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look())
            tasks.create_task(self._emit())

            def follow(device: hub.Device) -> None:
                if former := courses.pop(device.id, None):
                    former.cancel()
                items = Settings.model_validate({"gatt": device.settings.get("gatt", ())}).gatt
                if items:
                    courses[device.id] = tasks.create_task(self._run_device(device.id, items))

            for device in self._session.devices.all():
                follow(device)
            async for device in self._session.devices.changes():
                follow(device)

    async def _look(self) -> None:
        """Try again to serve the waiting devices, as receptions and sources change."""
        while True:
            await asyncio.sleep(LOOK_S)
            self._slots.grant()

    async def _emit(self) -> None:
        while True:
            await self._session.emit(await self._reports.get())

    async def _run_device(self, device: str, items: tuple[Characteristic, ...]) -> None:
        """Run one device until it is removed."""
        due = {item: self._clock() for item in items}
        failures = 0
        while self._session.devices.get(device) is not None:
            await asyncio.sleep(max(0.0, min(due.values()) - self._clock()))
            try:
                await self._visit(device, items, due)
                failures = 0
            except hub.NotReady as error:
                failures += 1
                self._session.radio.report_decode_error(device, hub.DecodeError("unreachable", reason_of(error)))
                pause = PAUSE_S * 2.0 ** min(failures - 1, 6) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
                for item in items:
                    again = self._clock() + pause
                    given_up = failures > RETRIES and item.mode == "read"
                    due[item] = max(due[item], self._clock() + item.interval.total_seconds() if given_up else again)

    async def _visit(self, device: str, items: tuple[Characteristic, ...], due: dict[Characteristic, float]) -> None:
        """Connect once and read. Raises NotReady."""
        source = await self._slots.take(partial(self._ranked, device))
        try:
            seen, connector = self._sightings(device)[source], self._connectors(source)
            if connector is None:
                raise hub.NotReady(phrase("bluetooth.source-gone", "{source} is gone", source=source))
            async with connector.connect(device.partition(":")[2], seen) as connection:
                signal = hub.Signal(rssi=seen.rssi, source=source)
                began = self._clock()
                notifying = await self._subscribe(connection, device, items, due, signal)
                while True:
                    await self._read_due(connection, device, items, due, signal)
                    if not notifying:
                        return
                    if connection.gone.is_set():
                        raise hub.NotReady(
                            phrase("bluetooth.device-ended-connection", "the device ended the connection")
                        )
                    if self._clock() - began >= HOLD_S and self._slots.wanted(source):
                        return
                    await self._wait(connection, min(due.values()) - self._clock())
        finally:
            self._slots.give(source)

    async def _subscribe(
        self,
        connection: Connection,
        device: str,
        items: tuple[Characteristic, ...],
        due: dict[Characteristic, float],
        signal: hub.Signal,
    ) -> bool:
        """Enable notifications where configured. Returns whether there are any."""
        notifying = False
        for item in items:
            if item.mode == "notify":
                due[item] = self._clock()  # due at the next visit, whenever this one ends
                try:
                    hear = partial(self._said, device, item, signal)
                    await connection.notify(item.service, item.characteristic, hear)
                    notifying = True
                except hub.DecodeError as error:
                    self._session.radio.report_decode_error(device, error)
                    due[item] = self._clock() + item.interval.total_seconds()
        return notifying

    async def _read_due(
        self,
        connection: Connection,
        device: str,
        items: tuple[Characteristic, ...],
        due: dict[Characteristic, float],
        signal: hub.Signal,
    ) -> None:
        values: dict[str, float | int | bool | str] = {}
        for item in items:
            if item.mode != "read" or due[item] > self._clock():
                continue
            try:
                data = await connection.read(item.service, item.characteristic)
                values |= self._decoded(device, item, data)
            except hub.DecodeError as error:
                self._session.radio.report_decode_error(device, error)
            due[item] = max(due[item], self._clock() - item.interval.total_seconds()) + item.interval.total_seconds()
        if values:
            await self._session.emit(_report(device, values, signal))

    def _said(self, device: str, item: Characteristic, signal: hub.Signal, data: bytes) -> None:
        """Report a notification."""
        try:
            values = self._decoded(device, item, data)
            if values:
                self._reports.put_nowait(_report(device, values, signal))
        except hub.DecodeError as error:
            self._session.radio.report_decode_error(device, error)
        except asyncio.QueueFull:
            self._session.radio.report_decode_error(device, hub.DecodeError("superseded"))

    def _decoded(self, device: str, item: Characteristic, data: bytes) -> dict[str, float | int | bool | str]:
        values, skipped = read(item, data)
        for reason in skipped:
            self._session.radio.report_decode_error(device, hub.DecodeError(reason))
        return values

    async def _wait(self, connection: Connection, seconds: float) -> None:
        try:
            async with asyncio.timeout(min(max(seconds, 0.1), 5 * LOOK_S)):
                await connection.gone.wait()
        except TimeoutError:
            return

    def _ranked(self, device: str) -> list[str]:
        """Return the sources that heard it lately and can connect, the best signal first."""
        now = self._clock()
        fresh = [
            (seen.rssi if seen.rssi is not None else -1000, source)
            for source, seen in self._sightings(device).items()
            if now - seen.at <= FRESH_S and self._connectors(source) is not None
        ]
        return [source for _, source in sorted(fresh, reverse=True)]


def _report(device: str, values: dict[str, float | int | bool | str], signal: hub.Signal) -> hub.Report:
    return hub.Report(device=device, values=values, proof=hub.Proof("gatt"), signal=signal)
