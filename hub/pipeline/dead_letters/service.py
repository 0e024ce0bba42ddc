"""Keeps payloads that no codec could read, and decodes them again."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from hub.core.clock import Clock
from hub.core.counters import Counts
from hub.core.errors import DecodeError, DiskRefuses, NotReady, StorageError
from hub.core.model import Device, Proof, Quality, Report
from hub.core.store import Store
from hub.core.text import phrase, reason_of
from hub.devices.packs.service import Packs
from hub.devices.registry import Devices
from hub.pipeline.dead_letters.table import MOST_OF_DEVICE, DeadLetterTable, Outcome, UndecodedFrame
from hub.pipeline.pipeline import Pipeline
from hub.pipeline.plan import Planner
from hub.store_and_forward.buffer import Buffer

MARK = "kept/read"
"""Key in the buffer's small state: numbers of the frames whose readings are in the buffer and whose rows are not
removed yet."""
BATCH = 64
LOOK_S = 300.0
LATER = frozenset({"codec-away", "codec-rests"})
"""Reasons that say nothing about the payload itself."""
UNTRIED = "untried"
"""Stands for a digest where no codec has tried the payload yet."""

_log = logging.getLogger("hub.kept")


class DeadLetters:
    """Dead letters of one hub."""

    def __init__(
        self,
        *,
        store: Store,
        buffer: Buffer,
        pipeline: Pipeline,
        planner: Planner,
        devices: Devices,
        packs: Packs,
        clock: Clock,
        counts: Counts,
    ) -> None:
        self._memory = DeadLetterTable(store)
        self._buffer, self._pipeline, self._devices, self._packs = buffer, pipeline, devices, packs
        self._planner, self._clock, self._counts = planner, clock, counts
        self._new: list[tuple[UndecodedFrame, str]] = []
        self._writing = asyncio.Lock()
        self._one_at_a_time = asyncio.Lock()
        self._refused = False

    async def load(self) -> None:
        """Remove the rows that the last process had decoded. Call it before anything is decoded."""
        if marked := self._buffer.local.get(MARK):
            await self._memory.remove(list(marked))
            self._buffer.put_local(MARK, None)
        await self._memory.prune(self._clock.now())

    async def run(self) -> None:
        """Decode again when a pack changes, and delete the oldest rows."""
        while True:
            for device in await self._changed():
                await self.redecode(device)
            await self._clock.sleep(LOOK_S)
            try:
                self._dropped(await self._memory.prune(self._clock.now()))
            except (DiskRefuses, StorageError) as error:
                _log.warning(
                    phrase(
                        "kept-frames-not-read",
                        "kept frames could not be looked through: {reason}",
                        reason=reason_of(error),
                    )
                )

    def status(self) -> dict[str, Any]:
        return {"frames": self._memory.count, "bytes": self._memory.total}

    def complaints(self) -> list[str]:
        return []

    # in

    async def keep(
        self, device: Device, port: int, payload: bytes, time: float | None, proof: Proof, reason: str
    ) -> None:
        """Keep a payload that could not be read. It is durable, or counted as `not-kept`, on return. The same counter
        of the same proof is kept once."""
        frame = UndecodedFrame(
            device=device.id,
            port=port,
            payload=payload,
            at=self._clock.now(),
            time=time if time is not None else self._clock.date(),
            boot=self._clock.boot,
            moment=self._clock.monotonic(),
            scheme=proof.scheme,
            authenticated=proof.authenticated,
            counter=proof.counter,
            reason=reason,
            sealed=proof.sealed,
        )
        self._new.append((frame, UNTRIED if reason in LATER else await self._digest(device)))
        async with self._writing:  # those that come while one writes go together with the next
            if self._new:
                await self._write()

    async def _write(self) -> None:
        new, self._new = self._new, []
        try:
            self._dropped(await self._memory.add(new, self._clock.now()))
        except (DiskRefuses, StorageError) as error:
            for frame, _ in new:
                self._counts.add("not-kept", frame.device)
            if not self._refused:
                self._refused = True
                _log.error(
                    phrase(
                        "payloads-not-kept",
                        "payloads that could not be read cannot be kept either: {reason}",
                        reason=reason_of(error),
                    )
                )
            return
        if self._refused:
            self._refused = False
            _log.info(phrase("payloads-kept-again", "payloads that cannot be read are kept again"))

    def _dropped(self, gone: dict[str, int]) -> None:
        for device, number in gone.items():
            self._counts.add("kept-dropped", device, number)

    async def _digest(self, device: Device) -> str:
        """Return the digest of the device's pack, or the reason why it cannot be read."""
        try:
            return (await self._packs.get(device.pack)).digest
        except DecodeError as error:
            return error.reason

    async def of(self, device: str, most: int) -> list[UndecodedFrame]:
        """Return the newest payloads kept of a device, oldest first."""
        return [frame for _, frame in await self._memory.of(device, 0, MOST_OF_DEVICE)][-most:]

    async def forget(self, devices: set[str]) -> int:
        """Erase the payloads of devices whose data are withdrawn. Returns how many."""
        async with self._writing:
            self._new = [(frame, pack) for frame, pack in self._new if frame.device not in devices]
            return await self._memory.forget(devices)

    # out

    def calls(self) -> dict[str, Any]:
        return {"redecode": self.call, "packs.reload": self.reload}

    async def call(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer `redecode`: {device} or all → {"frames": outcomes, "left": how many stay}."""
        only = str(arguments.get("device") or "")
        if only and self._devices.get(only) is None:
            raise DecodeError(
                "unknown-device",
                phrase("device-not-known", "no device {device!r} is known; `ilot devices` lists them", device=only),
            )
        waiting = [only] if only else sorted({device for device, _, _ in await self._memory.waiting()})
        told: list[Outcome] = []
        for device in waiting:
            told += await self.redecode(device)
        return {"frames": [_plain(outcome) for outcome in told], "left": self._memory.count}

    async def reload(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Answer `packs.reload`: use the pack that was installed, and decode again what the former one could not
        read."""
        pack = str(arguments.get("pack", ""))
        await self._packs.reload(pack)
        told: list[Outcome] = []
        for device in await self._changed():
            told += await self.redecode(device)
        return {"pack": pack, "frames": [_plain(outcome) for outcome in told]}

    async def _changed(self) -> list[str]:
        """Return the devices with payloads that another pack than their present one could not read."""
        found = set()
        for name, pack, _ in await self._memory.waiting():
            device = self._devices.get(name)
            if device is not None and pack != await self._digest(device):
                found.add(name)
        return sorted(found)

    async def redecode(self, name: str) -> list[Outcome]:
        """Decode the kept payloads of a device again, oldest first."""
        async with self._one_at_a_time:
            told: list[Outcome] = []
            after = 0
            while frames := await self._memory.of(name, after, BATCH):
                after = frames[-1][0]
                outcomes = await self._batch(name, frames)
                told += outcomes
                if any(outcome.result == "waits" for outcome in outcomes):
                    break
            read = sum(outcome.result == "decoded" for outcome in told)
            if told:
                _log.info(
                    phrase(
                        "kept-payloads-now-read",
                        "{device}: {read} of {count} kept payloads are read now",
                        device=name,
                        read=read,
                        count=len(told),
                    )
                )
            return told

    async def _batch(self, name: str, frames: list[tuple[int, UndecodedFrame]]) -> list[Outcome]:
        device = self._devices.get(name)
        if device is None:
            return [_outcome(frame, "kept", "unknown-device") for _, frame in frames]
        told, read, still = [], [], []
        for number, frame in frames:
            try:
                if number not in self._marked():  # left by a commit that took its time
                    told.append(await self._read(device, number, frame))
                read.append(number)
            except DecodeError as error:
                if error.reason in LATER:
                    told.append(_outcome(frame, "waits", error.reason))
                    break
                still.append(number)
                told.append(_outcome(frame, "kept", error.reason))
            except NotReady:
                told.append(_outcome(frame, "waits", "codec-away"))
                break
        try:
            if read:
                await self._buffer.flush()
                await self._memory.remove(read)
                left = [number for number in self._marked() if number not in read]
                self._buffer.put_local(MARK, left or None)
            if still:
                await self._memory.tried(still, await self._digest(device))
        except (DiskRefuses, StorageError) as error:
            _log.warning(
                phrase(
                    "kept-payload-rows-remain",
                    "{device}: its kept payloads are read, and their rows remain for now: {reason}",
                    device=name,
                    reason=reason_of(error),
                )
            )
            told.append(_outcome(frames[-1][1], "waits", "disk"))
        return told

    async def _read(self, device: Device, number: int, frame: UndecodedFrame) -> Outcome:
        """Decode a payload and hand its readings to the pipeline. Raises DecodeError, NotReady."""
        time = self._time(frame)
        quality = Quality.GOOD if frame.time is not None or self._clock.exact() else Quality.UNCERTAIN
        reading = await self._packs.decode(device.pack, frame.port, frame.payload, time)
        for reason in reading.skipped:
            self._counts.add(reason, device.id)
        pack = await self._packs.get(device.pack)
        if self._planner.declare(device.id, pack.title, metrics=pack.own_metrics):
            self._pipeline.recompile(device.id)
        proof = Proof(
            frame.scheme, None, frame.authenticated, frame.sealed
        )  # its counter was taken when the frame came
        reports = []
        for sample in [*reading.samples[1:], *reading.samples[:1]]:  # former values first
            dated = sample.time if sample.time is not None else time
            if dated is None:
                self._counts.add("undated", device.id)
            elif sample.values:
                reports.append(Report(device=device.id, values=sample.values, time=dated, proof=proof, quality=quality))
        before = 0

        def note() -> None:
            nonlocal before
            before = self._pipeline.readings
            self._buffer.put_local(MARK, [*self._marked(), number])

        await self._pipeline.emit_all(device.integration, reports, note=note)
        return _outcome(frame, "decoded", readings=self._pipeline.readings - before)

    def _marked(self) -> list[int]:
        """Return the frames whose readings are in the buffer and whose rows are still there."""
        return list(self._buffer.local.get(MARK) or ())

    def _time(self, frame: UndecodedFrame) -> float | None:
        """Return when the payload was received (Unix seconds), None when it cannot be known any more."""
        if frame.time is not None or frame.boot != self._clock.boot or not self._clock.sure():
            return frame.time
        return self._clock.now() - (self._clock.monotonic() - frame.moment)


def _outcome(frame: UndecodedFrame, result: str, reason: str = "", readings: int = 0) -> Outcome:
    return Outcome(frame.device, frame.time, frame.port, len(frame.payload), result, reason, readings)


def _plain(outcome: Outcome) -> dict[str, Any]:
    return {field: getattr(outcome, field) for field in outcome.__struct_fields__}
