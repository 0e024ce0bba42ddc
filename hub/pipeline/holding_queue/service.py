"""Takes in what quarantined sensors say, and releases it once or destroys it.

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
from hub.core.store import Store
from hub.devices.registry import Devices
from hub.pipeline.holding_queue.sealed import Decoders, Sealed, told
from hub.pipeline.holding_queue.table import MOST_DEVICES, HeldReport, Memory
from hub.pipeline.pipeline import Pipeline
from hub.store_and_forward.buffer import Buffer

MARK = "held/released"
"""In the buffer's small state: {device: number}. The buffer has these devices' reports up to these numbers."""
SPACING_S = 60.0
"""Between two reports of one sensor that are held."""
WRITE_S = 30.0
LOOK_S = 600.0
BATCH = 200
"""Reports that are handed over at once: less than the quarter that a buffer has room for beyond its bound."""
WAITING = 4_096
"""Reports that may wait for the disk, and senders that were heard once."""

_log = logging.getLogger("hub.held")


class Holding:
    """One a hub. Give `offer` to the Strangers of its Pipeline as `hold`, `offer_sealed` as `hold_sealed`. `decoders`:
    of a kind of frame."""

    def __init__(
        self,
        *,
        store: Store,
        buffer: Buffer,
        pipeline: Pipeline,
        devices: Devices,
        clock: Clock,
        counts: Counts,
        age_s: float,
        most_bytes: int,
        decoders: Decoders = lambda kind: (),
    ) -> None:
        self._memory = Memory(store, age_s, most_bytes)
        self._buffer, self._pipeline, self._devices = buffer, pipeline, devices
        self._clock, self._counts, self._decoders = clock, counts, decoders
        self._sealed = Sealed()
        self._wake = asyncio.Event()
        self._once: dict[str, HeldReport] = {}  # heard once, the longest ago first
        self._last: dict[str, float] = {}  # device → monotonic seconds of its last held report
        self._new: list[HeldReport] = []
        self._turn = asyncio.Lock()
        self._releasing: set[str] = set()
        self._refused = False

    async def load(self) -> None:
        """Remove what the last life had released already. Raises StorageError."""
        await self._memory.load()
        if mark := self._mark():
            await self._memory.released(mark)
            self._buffer.put_local(MARK, None)
        await self._memory.prune(self._clock.now())
        self._last = dict.fromkeys(self._memory.counts, float("-inf"))  # they count against MOST_DEVICES as before
        self._sealed.maybe = set(self._memory.counts)  # which of them are frames is seen when they are opened

    async def run(self) -> None:
        """Write down what waits; release what belongs to devices that are known by now; let the oldest go."""
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
        """Until it is time to write, or until somebody speaks whose frames are to be opened first."""
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
        """How many reports of a sensor are held."""
        return self._memory.counts.get(device, 0) + sum(one.report.device == device for one in self._new)

    # in

    def offer(self, candidate: Candidate, report: Report) -> None:
        """From the path: never waits, never fails."""
        proof = report.proof
        if proof is not None:  # a counter of somebody whom nobody knew proves nothing later
            report = msgspec.structs.replace(report, proof=Proof(proof.scheme))
        self._take(candidate.integration, self._held(report))

    def offer_sealed(self, candidate: Candidate, frame: Frame) -> None:
        """From the path: a frame of a device whose key is missing. Never waits, never fails."""
        frame = msgspec.structs.replace(frame, name="")  # a name may be a person's, and opens nothing
        report = Report(device=candidate.id, values={}, time=frame.time)
        if self._take(candidate.integration, self._held(report, frame)):
            self._sealed.maybe.add(candidate.id)

    def behind(self, device: Device, frame: Frame) -> bool:
        """Frames of this device are held that its key may open, and come first: this one waits behind them, and is
        told when they are. False: nothing is in its way."""
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
        """Whether it is held, or waits for the second of its sender."""
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
        """Write down what waits. What the disk refuses waits on, as far as there is room."""
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
                    _log.error("reports of sensors in quarantine cannot be held: %s", error)
                self._refused = True
                return
            self._refused = False
            if gone:
                self._counts.add("held-dropped", "", gone)

    # out

    async def destroy(self, device: str) -> int:
        """It was ignored or blocked: nothing of it stays. How many reports there were. Raises StorageError."""
        self._forget(device)
        async with self._turn:
            return await self._memory.remove(device)

    async def release(self, devices: Sequence[str]) -> int:
        """They are adopted: their reports go the way of all others, each device's oldest first, each once. How many
        readings went on; what the disk refuses is released later."""
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
            _log.warning("what new devices said before they were adopted waits for the disk: %s", error)
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
        """Whether any frame that is held opens with the key that the device has now, or none of what is held is a
        frame. What its device said meanwhile goes on where none does."""
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
            _log.warning("no sealed frame that was held of a device fits its key: is it the right one?")
        self._told_behind(device)
        return False

    def _caught_up(self, name: str) -> None:
        """Nothing is held any more: what it said meanwhile, and from now on straight on. Nothing is awaited here."""
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
        """What was handed over is durable in the buffer, and then no longer here. Raises StorageError: both stay."""
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
                _log.warning("held reports could not be looked through: %s", error)
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
