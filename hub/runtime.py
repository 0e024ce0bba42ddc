"""The Session of a plugin that runs in this process: `hub.session` over the pipeline."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import msgspec

from hub.buffer import Buffer
from hub.clock import Clock
from hub.counts import Counts
from hub.devices import Devices
from hub.errors import DecodeError, PluginError
from hub.model import Candidate, Decoded, Device, Frame, Metric, NeedKey, Report
from hub.pipeline import Pipeline
from hub.plan import Declared, Planner
from hub.registry import Decoder
from hub.session import Http

STATE_LIMIT = 64 * 1024


class Core(msgspec.Struct, frozen=True):
    """What every session of this hub shares."""

    pipeline: Pipeline
    planner: Planner
    devices: Devices
    buffer: Buffer
    clock: Clock
    counts: Counts
    http: Http
    decoders: Callable[[str], list[Decoder]]


class OwnDevices:
    """One plugin's devices and no other's."""

    def __init__(self, name: str, devices: Devices) -> None:
        self._name = name
        self._devices = devices

    def get(self, device: str) -> Device | None:
        known = self._devices.get(device)
        return known if known is not None and known.integration == self._name else None

    def all(self) -> list[Device]:
        return self._devices.of(self._name)

    def changes(self) -> AsyncIterator[Device]:
        return self._devices.changes(self._name)


class OwnState:
    """One plugin's small dictionary; a change rides on the next commit of the buffer."""

    def __init__(self, name: str, buffer: Buffer) -> None:
        self._prefix = f"state/{name}/"
        self._buffer = buffer
        self._values = {
            key.removeprefix(self._prefix): value for key, value in buffer.local.items() if key.startswith(self._prefix)
        }
        self._size = sum(_size(key, value) for key, value in self._values.items())

    def get(self, key: str, default: Any = None) -> Any:
        return self._values.get(key, default)

    def put(self, key: str, value: Any) -> None:
        """Raises PluginError when the value is not msgpack-able or the whole would pass 64 KiB."""
        former = _size(key, self._values[key]) if key in self._values else 0
        size = self._size - former + _size(key, value)
        if size > STATE_LIMIT:
            raise PluginError(f"state would be {size} bytes; a plugin may keep {STATE_LIMIT}")
        self._size = size
        self._values[key] = value
        self._buffer.put_local(self._prefix + key, value)


def _size(key: str, value: Any) -> int:
    try:
        return len(key) + len(msgspec.msgpack.encode(value))
    except (TypeError, OverflowError) as error:
        raise PluginError(f"state {key!r} cannot be kept: {error}") from error


class InProcessSession:
    """See `hub.session.Session`. `ready` is called at each report accepted (health: it got through)."""

    def __init__(self, name: str, core: Core, ready: Callable[[], None], rng: random.Random | None = None) -> None:
        self.name = name
        self.log = logging.LoggerAdapter(logging.getLogger(f"hub.{name}"), {"plugin": name})
        self.devices = OwnDevices(name, core.devices)
        self.state = OwnState(name, core.buffer)
        self.http = core.http
        self._core = core
        self._ready = ready
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret

    async def emit(self, report: Report, *, durable: bool = False) -> None:
        if not isinstance(report, Report):
            raise PluginError(f"emit wants a hub.Report, not {type(report).__name__}")
        await self._core.pipeline.emit(self.name, report, durable=durable)
        self._ready()

    async def every(self, interval: timedelta) -> AsyncIterator[float]:
        clock = self._core.clock
        step = interval.total_seconds()
        if step <= 0:
            raise PluginError(f"every({interval}) is not an interval")
        # The first turn comes at once, so that a technician sees a value; the jitter spreads the next ones.
        due = clock.monotonic() - step * self._rng.uniform(0.0, 0.5)
        while True:
            yield clock.now()
            due = max(due + step, clock.monotonic() - step)
            await clock.sleep(max(0.0, due - clock.monotonic()))

    def found(self, candidate: Candidate) -> None:
        if self._core.devices.get(candidate.id) is None:
            self._core.pipeline.candidate(msgspec.structs.replace(candidate, integration=self.name), "found")

    def declare(self, device: str, *, model: str = "", firmware: str = "", metrics: tuple[Metric, ...] = ()) -> None:
        if self.devices.get(device) is None:
            raise PluginError(f"{device!r} is not a device of {self.name!r}")
        declared = self._core.planner.declared
        before = declared.get(device, Declared())
        after = Declared(
            model or before.model, firmware or before.firmware, {**before.metrics, **{m.key: m for m in metrics}}
        )
        if after != before:
            declared[device] = after
            self._core.pipeline.recompile(device)

    async def heard(self, frame: Frame) -> None:
        for decoder in self._core.decoders(frame.kind):
            try:
                decoded = decoder.decode(frame, self._core.devices.key)
            except DecodeError as error:
                self.dropped(f"{frame.kind}:{frame.address}", error)
                return
            if decoded is not None:
                break
        else:
            self._core.counts.add("not-a-sensor", self.name)
            return
        if isinstance(decoded, NeedKey):
            # Sealed under a key we do not hold: known or not, a person has to bring the key.
            waiting = Candidate(id=decoded.device, integration=self.name, model=decoded.model, signal=frame.signal)
            self._core.pipeline.candidate(waiting, "needs a key")
            self._core.counts.add("needs-key", decoded.device)
            return
        for reason in decoded.skipped:
            self._core.counts.add(reason, decoded.device)
        if self._core.devices.get(decoded.device) is None:
            self._core.counts.add("not-admitted", self.name)
            self._core.pipeline.candidate(_candidate(decoded, frame, self.name), "not in the configuration")
            return
        if decoded.model:
            self.declare(decoded.device, model=decoded.model)
        await self.emit(_report(decoded, frame))

    def dropped(self, device: str, error: Exception) -> None:
        reason = error.reason if isinstance(error, DecodeError) else type(error).__name__
        known = self._core.devices.get(device) is not None
        self._core.counts.add(reason, device if known else self.name)
        self.log.debug("dropped a frame of %s: %s", device, error)


def _candidate(decoded: Decoded, frame: Frame, integration: str) -> Candidate:
    evidence = {"name": frame.name} if frame.name else {}
    return Candidate(
        id=decoded.device, integration=integration, model=decoded.model, values=decoded.values, signal=frame.signal,
        evidence=evidence,
    )  # fmt: skip


def _report(decoded: Decoded, frame: Frame) -> Report:
    return Report(
        device=decoded.device, values=decoded.values, time=frame.time, proof=decoded.proof, signal=frame.signal
    )
