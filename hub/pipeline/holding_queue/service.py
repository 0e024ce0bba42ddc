"""Takes in the reports of sensors in quarantine, and releases each once or destroys it.

A sealed frame whose key the hub has not is held as it came. When its device has a key, its frames are opened in the
order in which they came, each counter against the window that live frames move too: so what the device says meanwhile
waits behind them, in memory, for the moment that this takes. A frame that does not fit the key is dropped, and counted,
once another one has fitted; while none fits, the key is taken for wrong, and all wait for another.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import msgspec

from hub.core.clock import Clock
from hub.core.counters import Counts
from hub.core.errors import DiskRefuses, StorageError
from hub.core.model import Candidate, Device, Frame, Proof, Quality, Report
from hub.core.text import phrase, reason_of
from hub.devices.registry import Devices
from hub.pipeline.holding_queue.sealed import Decoders, SealedFrames, told
from hub.pipeline.holding_queue.table import MOST_DEVICES, HeldReport, HeldReportTable
from hub.pipeline.pipeline import Pipeline
from hub.store_and_forward.buffer import Buffer

MARK = "held/released"
"""Key in the buffer's small state: {device: number}. Reports of these devices up to these numbers are in the buffer."""
SPACING_S = 60.0
"""Seconds between two held reports of one sensor."""
WRITE_S = 30.0
LOOK_S = 600.0
BATCH = 200
"""Reports that are handed over at once: fewer than the quarter that the buffer takes beyond its limit."""
WAITING = 4_096
"""Limit of reports that wait for the disk, and of senders that were heard once."""

_log = logging.getLogger("hub.held")


class HoldingQueue:
    """The holding queue of one hub. The strangers of its pipeline call `offer` and `offer_sealed`. `decoders` returns
    those for a kind of frame."""

    def __init__(
        self,
        *,
        table: HeldReportTable,
        buffer: Buffer,
        pipeline: Pipeline,
        devices: Devices,
        clock: Clock,
        counts: Counts,
        decoders: Decoders = lambda kind: (),
    ) -> None:
        self._memory = table
        self._buffer, self._pipeline, self._devices = buffer, pipeline, devices
        self._clock, self._counts, self._decoders = clock, counts, decoders
        self._sealed = SealedFrames()
        self._wake = asyncio.Event()
        self._once: dict[str, HeldReport] = {}  # heard once, the longest ago first
        self._last: dict[str, float] = {}  # device → monotonic seconds of its last held report
        self._new: list[HeldReport] = []
        self._turn = asyncio.Lock()
        self._releasing: set[str] = set()
        self._refused = False

    async def load(self) -> None:
        """Remove what the last process had released. Raises StorageError."""
        await self._memory.load()
        if mark := self._mark():
            await self._memory.released(mark)
            self._buffer.put_local(MARK, None)
        await self._memory.prune(self._clock.now())
        self._last = dict.fromkeys(self._memory.counts, float("-inf"))  # they count against MOST_DEVICES as before
        self._sealed.maybe = set(self._memory.counts)  # which of them are frames is seen when they are opened

    async def run(self) -> None:
        """Write reports to disk, release those of devices that are known now, delete the oldest."""
        looked = float("-inf")
        while True:
            await self.flush()
            # adopted by the file, or while the disk did not work
            names = dict.fromkeys([*self._memory.counts, *self._sealed.behind])
            await self.release([name for name in names if self._devices.get(name) is not None])
            if self._clock.monotonic() - looked >= LOOK_S:
                looked = self._clock.monotonic()
                await self._pruned()
            await self._pause()

    async def _pause(self) -> None:
        """Sleep until it is time to write, or until a device speaks whose held frames have to be opened first."""
        async with asyncio.TaskGroup() as race:
            alarm = race.create_task(self._alarm())
            await self._wake.wait()
            alarm.cancel()
        self._wake.clear()

    async def _alarm(self) -> None:
        await self._clock.sleep(WRITE_S)
        self._wake.set()

    def status(self) -> dict[str, Any]:
        return {"reports": sum(self._memory.counts.values()), "bytes": self._memory.total}

    def complaints(self) -> list[str]:
        return []

    def of(self, device: str) -> int:
        """Return how many reports of a device are held."""
        return self._memory.counts.get(device, 0) + sum(one.report.device == device for one in self._new)

    # in

    def offer(self, candidate: Candidate, report: Report) -> None:
        """Take a report of a stranger, from the pipeline: never waits, never fails."""
        proof = report.proof
        if proof is not None:  # a counter of somebody whom nobody knew proves nothing later
            report = msgspec.structs.replace(report, proof=Proof(proof.scheme))
        self._take(candidate.integration, self._held(report))

    def offer_sealed(self, candidate: Candidate, frame: Frame) -> None:
        """Take a frame of a device whose key is missing, from the pipeline: never waits, never fails."""
        frame = msgspec.structs.replace(frame, name="")  # a name may be a person's, and opens nothing
        report = Report(device=candidate.id, values={}, time=frame.time)
        if self._take(candidate.integration, self._held(report, frame)):
            self._sealed.maybe.add(candidate.id)

    def behind(self, device: Device, frame: Frame) -> bool:
        """Queue a frame behind held ones that the key of its device may open, and that come first. Returns False when
        nothing is in its way."""
        if not self._sealed.first(device):
            return False
        added = self._sealed.add(self._held(Report(device=device.id, values={}, time=frame.time), frame))
        self._wake.set()
        return added

    def _held(self, report: Report, frame: Frame | None = None) -> HeldReport:
        date = self._clock.date()
        time = report.time if report.time is not None and (date is None or report.time <= date) else date
        return HeldReport(report, self._clock.now(), time, self._clock.boot, self._clock.monotonic(), frame)

    def _take(self, integration: str, held: HeldReport) -> bool:
        """Return whether the report is held, or waits in memory for a second one of its sender."""
        if self._memory.age_s <= 0:
            return False
        device, moment = held.report.device, held.moment
        once = self._once.get(device)
        last = once.moment if once is not None else self._last.get(device)
        if last is not None and moment - last < SPACING_S:
            return False
        known = device in self._last or device in self._memory.counts
        if not known and once is None:
            while len(self._once) >= WAITING:
                longest = next(iter(self._once))
                del self._once[longest]
                self._sealed.forget(longest)
            self._once[device] = held
            return True
        if len(self._new) >= WAITING or (not known and len(self._last) >= MOST_DEVICES):
            self._counts.add("not-held", integration)
            return False
        if once is not None:
            del self._once[device]
            self._new.append(once)
        self._new.append(held)
        self._last[device] = moment
        return True

    async def flush(self) -> None:
        """Write waiting reports to disk. Those that the disk refuses go on waiting, as far as there is room."""
        async with self._turn:
            new, self._new = self._new, []
            if not new:
                return
            try:
                gone = await self._memory.add(new, self._clock.now())
            except (DiskRefuses, StorageError) as error:
                waiting = [*new, *self._new]
                self._new = waiting[:WAITING]
                if len(waiting) > WAITING:
                    self._counts.add("not-held", "", len(waiting) - WAITING)
                if not self._refused:
                    _log.error(
                        phrase(
                            "quarantine-reports-not-held",
                            "reports of sensors in quarantine cannot be held: {reason}",
                            reason=reason_of(error),
                        )
                    )
                self._refused = True
                return
            self._refused = False
            if gone:
                self._counts.add("held-dropped", "", gone)

    # out

    async def destroy(self, device: str) -> int:
        """Delete all reports of a device that was ignored or blocked. Returns how many. Raises StorageError."""
        self._forget(device)
        async with self._turn:
            return await self._memory.remove(device)

    async def release(self, devices: Sequence[str]) -> int:
        """Hand the reports of adopted devices to the pipeline, oldest first, each once. Returns how many readings went
        on; what the disk refuses is released later."""
        mine = [device for device in devices if device not in self._releasing]
        mine = [device for device in mine if (one := self._devices.get(device)) is None or not self._sealed.shut(one)]
        if not mine:
            return 0
        self._releasing.update(mine)
        try:
            for device in mine:
                if (once := self._once.pop(device, None)) is not None:
                    self._new.append(once)
            await self.flush()
            async with self._turn:
                return await self._release(mine)
        except (DiskRefuses, StorageError) as error:
            _log.warning(
                phrase(
                    "held-reports-wait-for-disk",
                    "what new devices said before they were adopted waits for the disk: {reason}",
                    reason=reason_of(error),
                )
            )
            return 0
        finally:
            self._releasing.difference_update(mine)
            for device in mine:
                self._last.pop(device, None)

    async def _release(self, devices: Sequence[str]) -> int:
        await self._settle()
        before, after = self._pipeline.readings, dict.fromkeys(devices, 0)
        keys = {device: self._devices.key(device) for device in devices}
        for device in devices:
            if device in self._sealed.maybe and not await self._fits(device):
                del after[device]
        while after:
            batch = list[tuple[str, HeldReport]]()
            for device in list(after):
                if len(batch) == BATCH:
                    break
                found = await self._memory.of(device, after[device], BATCH - len(batch))
                if not found or self._devices.get(device) is None:  # removed again meanwhile
                    del after[device]
                    self._caught_up(device)
                    continue
                batch += [(device, held) for _, held in found]
                after[device] = found[-1][0]
            if not batch:
                break
            if self._buffer.full:
                await self._buffer.room()
            known = {device: one for device, _ in batch if (one := self._devices.get(device)) is not None}
            for device in [name for name, one in known.items() if one.key != keys[name]]:
                del known[device], after[device]  # another key meanwhile: another release
            with self._buffer.together():  # one commit has the mark and all of it
                self._buffer.put_local(MARK, {device: after[device] for device in known} or None)
                for device, held in batch:
                    if (one := known.get(device)) is not None:
                        self._hand_over(one, held)
            await self._settle()
        return self._pipeline.readings - before

    async def _fits(self, name: str) -> bool:
        """Return whether a held frame opens with the device's present key, or no held report is a frame. Where none
        opens, reports that came meanwhile go on without them."""
        device, after, frames = self._devices.get(name), 0, False
        while device is not None and (found := await self._memory.of(name, after, BATCH)):
            after, sealed = found[-1][0], [held.frame for _, held in found if held.frame is not None]
            frames = frames or bool(sealed)
            if self._sealed.opens(device, sealed, self._decoders):
                return True
        if device is None or not frames:
            self._sealed.forget(name)
            return True
        if self._sealed.refuse(device):
            self._counts.add("held-unfit", name)
            _log.warning(
                phrase(
                    "held-frames-fit-no-key",
                    "no sealed frame that was held of a device fits its key: is it the right one?",
                )
            )
        self._told_behind(device)
        return False

    def _caught_up(self, name: str) -> None:
        """Hand over what came meanwhile: nothing is held any more. Must not await: a new frame would overtake."""
        if any(held.report.device == name for held in self._new):
            return  # the disk refused it: the next turn has it
        self._sealed.forget(name)
        if (device := self._devices.get(name)) is not None:
            self._told_behind(device)
        self._sealed.behind.pop(name, None)

    def _told_behind(self, device: Device) -> None:
        for held in self._sealed.behind.pop(device.id, ()):
            self._hand_over(device, held, past=False)

    async def _settle(self) -> None:
        """Delete the rows that were handed over once they are durable in the buffer. Raises StorageError: both stay."""
        if mark := self._mark():
            await self._buffer.flush()
            await self._memory.released(mark)
            self._buffer.put_local(MARK, None)

    def _mark(self) -> dict[str, int]:
        return {str(device): int(number) for device, number in (self._buffer.local.get(MARK) or {}).items()}

    def _hand_over(self, device: Device, held: HeldReport, *, past: bool = True) -> None:
        report, time = told(held, device, self._decoders, self._counts.add), held.time
        if report is None:
            return
        if time is None and held.boot == self._clock.boot and self._clock.sure():
            time = self._clock.now() - (self._clock.monotonic() - held.moment)
            if not self._clock.exact():
                report = msgspec.structs.replace(report, quality=max(report.quality, Quality.UNCERTAIN))
        if time is None and past:
            self._counts.add("undated", device.id)
            return
        self._pipeline.accept(device.integration, msgspec.structs.replace(report, time=time), past=past)

    async def _pruned(self) -> None:
        async with self._turn:  # else what is being written down is nowhere to be seen
            try:
                if gone := await self._memory.prune(self._clock.now()):
                    self._counts.add("held-expired", "", gone)
            except (DiskRefuses, StorageError) as error:
                _log.warning(
                    phrase(
                        "held-reports-not-read",
                        "held reports could not be looked through: {reason}",
                        reason=reason_of(error),
                    )
                )
            for device in [name for name in self._last if name not in self._memory.counts]:
                del self._last[device]
            waiting = {one.report.device for one in self._new}
            self._sealed.keep({*self._memory.counts, *self._once, *self._sealed.behind, *waiting})

    def _forget(self, device: str) -> None:
        self._sealed.forget(device)
        self._sealed.behind.pop(device, None)
        self._once.pop(device, None)
        self._last.pop(device, None)
        self._new = [one for one in self._new if one.report.device != device]
