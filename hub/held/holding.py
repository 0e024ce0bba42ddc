"""Takes in what quarantined sensors say, and releases it once or destroys it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import msgspec

from hub.buffer import Buffer
from hub.clock import Clock
from hub.counts import Counts
from hub.devices import Devices
from hub.errors import DiskRefuses, StorageError
from hub.held.memory import MOST_DEVICES, HeldReport, Memory
from hub.model import Candidate, Proof, Report
from hub.pipeline import Pipeline
from hub.store import Store

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
    """One a hub. Give `offer` to its Pipeline as `hold`."""

    def __init__(
        self, *, store: Store, buffer: Buffer, pipeline: Pipeline, devices: Devices, clock: Clock, counts: Counts,
        age_s: float, most_bytes: int,
    ) -> None:  # fmt: skip
        self._memory = Memory(store, age_s, most_bytes)
        self._buffer, self._pipeline, self._devices = buffer, pipeline, devices
        self._clock, self._counts = clock, counts
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

    async def run(self) -> None:
        """Write down what waits; release what belongs to devices that are known by now; let the oldest go."""
        looked = float("-inf")
        while True:
            await self.flush()
            # adopted by the file, or while the disk did not work
            await self.release([name for name in self._memory.counts if self._devices.get(name) is not None])
            if self._clock.monotonic() - looked >= LOOK_S:
                looked = self._clock.monotonic()
                await self._pruned()
            await self._clock.sleep(WRITE_S)

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
        if self._memory.age_s <= 0:
            return
        device, moment = report.device, self._clock.monotonic()
        once = self._once.get(device)
        last = once.moment if once is not None else self._last.get(device)
        if last is not None and moment - last < SPACING_S:
            return
        proof = report.proof
        if proof is not None:  # a counter of somebody whom nobody knew proves nothing later
            report = msgspec.structs.replace(report, proof=Proof(proof.scheme))
        date = self._clock.date()
        time = report.time if report.time is not None and (date is None or report.time <= date) else date
        held = HeldReport(report, self._clock.now(), time, self._clock.boot, moment)
        known = device in self._last or device in self._memory.counts
        if not known and once is None:
            while len(self._once) >= WAITING:
                del self._once[next(iter(self._once))]
            self._once[device] = held
            return
        if len(self._new) >= WAITING or (not known and len(self._last) >= MOST_DEVICES):
            self._counts.add("not-held", candidate.integration)
            return
        if once is not None:
            del self._once[device]
            self._new.append(once)
        self._new.append(held)
        self._last[device] = moment

    async def flush(self) -> None:
        """Write down what waits. What the disk refuses waits on, as far as there is room."""
        async with self._turn:
            new, self._new = self._new, []
            if not new:
                return
            try:
                gone = await self._memory.add(new, self._clock.now())
            except (DiskRefuses, StorageError) as error:
                self._new = [*new, *self._new][:WAITING]
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
        while after:
            batch = list[tuple[str, HeldReport]]()
            for device in list(after):
                if len(batch) == BATCH:
                    break
                found = await self._memory.of(device, after[device], BATCH - len(batch))
                if not found or self._devices.get(device) is None:  # removed again meanwhile
                    del after[device]
                    continue
                after[device] = found[-1][0]
                batch += [(device, held) for _, held in found]
            if self._buffer.full:
                await self._buffer.room()
            known = {device: self._devices.get(device) for device, _ in batch}
            # nothing is awaited from the mark to the last report: one commit has all of it
            self._buffer.put_local(MARK, {device: after[device] for device in known} or None)
            for device, held in batch:
                if (one := known[device]) is not None:
                    self._hand_over(one.integration, held)
            await self._settle()
        return self._pipeline.readings - before

    async def _settle(self) -> None:
        """What was handed over is durable in the buffer, and then no longer here. Raises StorageError: both stay."""
        if mark := self._mark():
            await self._buffer.flush()
            await self._memory.released(mark)
            self._buffer.put_local(MARK, None)

    def _mark(self) -> dict[str, int]:
        return {str(device): int(number) for device, number in (self._buffer.local.get(MARK) or {}).items()}

    def _hand_over(self, integration: str, held: HeldReport) -> None:
        time = held.time
        if time is None and held.boot == self._clock.boot and self._clock.sure():
            time = self._clock.now() - (self._clock.monotonic() - held.moment)
        if time is None:
            self._counts.add("undated", held.report.device)
            return
        self._pipeline.accept(integration, msgspec.structs.replace(held.report, time=time), past=True)

    async def _pruned(self) -> None:
        try:
            if gone := await self._memory.prune(self._clock.now()):
                self._counts.add("held-expired", "", gone)
        except (DiskRefuses, StorageError) as error:
            _log.warning("held reports could not be looked through: %s", error)
        for device in [name for name in self._last if name not in self._memory.counts]:
            del self._last[device]

    def _forget(self, device: str) -> None:
        self._once.pop(device, None)
        self._last.pop(device, None)
        self._new = [one for one in self._new if one.report.device != device]
