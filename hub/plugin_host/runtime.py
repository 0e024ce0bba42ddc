"""The Session of a plugin that runs in this process: `hub.sdk.session` over the pipeline."""

from __future__ import annotations

import logging
import random
import traceback
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from hub.automation.commands import CommandService, OwnCommands
from hub.core.clock import Clock
from hub.core.counters import Counts
from hub.core.errors import DecodeError, LedElsewhere, NotReady, PluginError
from hub.core.model import Candidate, Decoded, Device, Frame, Metric, NeedKey, PackFacts, Proof, Report, Sample
from hub.core.security_events import REDIRECT
from hub.devices.packs.service import Packs, facts_of
from hub.devices.registry import Devices
from hub.pipeline.dead_letters import Kept
from hub.pipeline.holding_queue import Holding
from hub.pipeline.pipeline import Pipeline
from hub.pipeline.plan import Planner
from hub.plugin_host.plugin_facts import PluginFacts
from hub.plugin_host.poll_scheduler import PollScheduler
from hub.plugin_host.serial_buses import Buses, SharedLine
from hub.sdk.hookspecs import Decoder
from hub.sdk.session import Http
from hub.store_and_forward.buffer import Buffer

STATE_LIMIT = 256 * 1024
CLEAR = "clear-but-keyed"
LED_ELSEWHERE = "led-elsewhere"


class Core(msgspec.Struct, frozen=True):
    """What every session of this hub shares."""

    pipeline: Pipeline
    planner: Planner
    devices: Devices
    buffer: Buffer
    clock: Clock
    counts: Counts
    http: Callable[[str], Http]
    """The way out of the plugin of this name."""
    decoders: Callable[[str], list[Decoder]]
    packs: Packs | None = None
    desk: CommandService | None = None
    buses: Buses | None = None
    kept: Kept | None = None
    told: PluginFacts | None = None
    held: Holding | None = None
    paces: PollScheduler | None = None
    timezone: Callable[[], str] = lambda: "Europe/Paris"


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
        """Raises PluginError when key or value cannot be kept, or the whole passed 256 KiB; nothing changes then."""
        former = _size(key, self._values[key]) if key in self._values else 0
        size = self._size - former + _size(key, value)
        if size > STATE_LIMIT:
            raise PluginError(f"state would be {size} bytes; a plugin may keep {STATE_LIMIT}")
        try:
            self._buffer.put_local(self._prefix + key, value)
        except ValueError as error:
            raise PluginError(f"state {key!r} cannot be kept: {error}") from error
        self._size = size
        self._values[key] = value


def _size(key: str, value: Any) -> int:
    try:
        return len(key) + len(msgspec.msgpack.encode(value))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise PluginError(f"state {key!r} cannot be kept: {error}") from error


class InProcessSession:
    """See `hub.sdk.session.Session`. `ready` is called at each report accepted (health: it got through)."""

    def __init__(self, name: str, core: Core, ready: Callable[[], None], rng: random.Random | None = None) -> None:
        self.name = name
        self.log = logging.LoggerAdapter(logging.getLogger(f"hub.{name}"), {"plugin": name})
        self.devices = OwnDevices(name, core.devices)
        self.state = OwnState(name, core.buffer)
        self.http = core.http(name)
        self._core = core
        self._mistaken: set[str] = set()  # decoders whose own mistake was told
        self._ready = ready
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret

    @property
    def commands(self) -> OwnCommands:
        if self._core.desk is None:
            raise NotReady("this hub takes no commands")
        return OwnCommands(self.name, self._core.desk)

    @property
    def timezone(self) -> str:
        return self._core.timezone()

    def bus(self, name: str) -> SharedLine:
        return (self._core.buses or Buses({})).get(name)

    async def emit(self, report: Report, *, durable: bool = False) -> None:
        if not isinstance(report, Report):
            raise PluginError(f"emit wants a hub.Report, not {type(report).__name__}")
        await self._core.pipeline.emit(self.name, report, durable=durable)
        self._ready()

    async def emit_all(
        self, reports: Sequence[Report], *, note: Callable[[], None] | None = None, durable: bool = False
    ) -> None:
        for report in reports:
            if not isinstance(report, Report):
                raise PluginError(f"emit_all wants hub.Reports, not {type(report).__name__}")
        await self._core.pipeline.emit_all(self.name, reports, note=note, durable=durable)
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

    def rounds(self, interval: timedelta, asked: Callable[[], Iterable[str]]) -> AsyncIterator[float]:
        step = interval.total_seconds()
        if step <= 0:
            raise PluginError(f"rounds({interval}) is not an interval")
        early = step * self._rng.uniform(0.0, 0.5)
        return (self._core.paces or PollScheduler()).rounds(self.name, step, asked, self._core.clock, early)

    def asks(self, intervals: Mapping[str, timedelta], least: timedelta) -> dict[str, timedelta]:
        usual = {device: interval.total_seconds() for device, interval in intervals.items()}
        now = (self._core.paces or PollScheduler()).asks(self.name, usual, least.total_seconds())
        return {device: timedelta(seconds=seconds) for device, seconds in now.items()}

    def found(self, candidate: Candidate) -> None:
        if self._core.devices.get(candidate.id) is None:
            self._core.pipeline.strangers.heard(msgspec.structs.replace(candidate, integration=self.name), "found")

    def declare(self, device: str, *, model: str = "", firmware: str = "", metrics: tuple[Metric, ...] = ()) -> None:
        if self.devices.get(device) is None:
            raise PluginError(f"{device!r} is not a device of {self.name!r}")
        if self._core.planner.declare(device, model, firmware, metrics):
            self._core.pipeline.recompile(device)

    async def heard(self, frame: Frame) -> bool:
        for decoder in self._core.decoders(frame.kind):
            try:
                decoded = decoder.decode(frame, self._core.devices.key)
            except DecodeError as error:
                device = f"{frame.kind}:{frame.address}"
                self._count(device, error)
                if self._core.devices.get(device) is not None:
                    self._refused(device, decoder.name, frame, error.reason)
                return True
            except Exception as error:  # a decoder's own mistake costs this frame: anybody may send it again and again
                self._count(f"{frame.kind}:{frame.address}", DecodeError("decoder-mistake"))
                if decoder.name not in self._mistaken:
                    self._mistaken.add(decoder.name)
                    where = traceback.extract_tb(error.__traceback__)[-1]
                    text = "decoder %s cannot read a frame: its own mistake, %s in %s line %d; such frames are counted"
                    self.log.error(text, decoder.name, type(error).__name__, where.name, where.lineno)
                return True
            if decoded is not None:
                break
        else:
            self._core.counts.add("not-a-sensor", self.name)
            return False
        if isinstance(decoded, NeedKey):
            # Sealed under a key we do not hold: known or not, a person has to bring the key.
            waiting = Candidate(id=decoded.device, integration=self.name, model=decoded.model, signal=frame.signal)
            self._core.pipeline.strangers.heard(waiting, "needs a key", sealed=frame)
            self._core.counts.add("needs-key", self._counted_for(decoded.device))
            return True
        for reason in decoded.skipped:
            self._core.counts.add(reason, self._counted_for(decoded.device))
        known = self._core.devices.get(decoded.device)
        if known is None:
            self._core.counts.add("not-admitted", self.name)
            waiting = _candidate(decoded, frame, self.name)
            self._core.pipeline.strangers.heard(waiting, "not in the configuration", _report(decoded, frame))
            return True
        if known.integration != self.name:  # anybody may send its id where another instance listens
            self._core.pipeline.heard_elsewhere(_candidate(decoded, frame, self.name), known.integration)
            return True
        proof = decoded.proof
        if known.key is not None and not (proof and (proof.authenticated or proof.sealed)):
            # Whatever its decoder thinks of it: who has a key speaks under it, or anybody could speak for him.
            self._core.counts.add(CLEAR, decoded.device)
            self._refused(decoded.device, decoder.name, frame, CLEAR)
            return True
        if decoded.model:
            self.declare(decoded.device, model=decoded.model)
        if self._core.held is not None and self._core.held.behind(known, frame):
            self._ready()
            return True
        await self.emit(_report(decoded, frame))
        return True

    def _refused(self, device: str, decoder: str, frame: Frame, reason: str) -> None:
        """Evidence about a known device: which decoder refused it, and who heard it."""
        signal, evidence = frame.signal, {"decoder": decoder}
        self._core.pipeline.strangers.refused(
            Candidate(id=device, integration=self.name, signal=signal, evidence=evidence), reason
        )

    def tell(self, subject: str, facts: Mapping[str, Any]) -> None:
        if self._core.told is not None:
            self._core.told.tell(self.name, subject, facts)

    def dropped(self, device: str, error: Exception, *, proof: Proof | None = None) -> None:
        reason = self._count(device, error)
        if self.devices.get(device) is not None:
            if proof is not None:
                self._core.pipeline.stale(device, proof)
            self._core.pipeline.strangers.refused(Candidate(id=device, integration=self.name), reason)

    def _count(self, device: str, error: Exception) -> str:
        if isinstance(error, LedElsewhere):
            reason = LED_ELSEWHERE
            about = "" if device == self.name else device
            self._core.pipeline.strangers.tell(REDIRECT, f"{self.name} {about}".strip(), {"what": str(error)[:200]})
        else:
            reason = error.reason if isinstance(error, DecodeError) else type(error).__name__
        self._core.counts.add(reason, self._counted_for(device))
        self.log.debug("dropped a frame of %s: %s", device, error)
        return reason

    def _counted_for(self, device: str) -> str:
        """A stranger has no count of its own: whoever sends chooses its id, and the passing ones are many."""
        return device if self._core.devices.get(device) is not None else self.name

    async def pack(self, device: str) -> PackFacts | None:
        packs, name = self._packed(device)
        try:
            return facts_of(await packs.get(name)) if name else None
        except DecodeError as error:
            self.log.error("%s: %s", device, error.detail)
            return None

    async def decode(
        self,
        device: str,
        port: int,
        payload: bytes,
        time: float | None = None,
        *,
        proof: Proof | None = None,
        once: bool = False,
    ) -> tuple[Sample, ...]:
        packs, name = self._packed(device)
        try:
            reading = await packs.decode(name, port, payload, time)
        except (DecodeError, NotReady) as error:
            if isinstance(error, NotReady):
                if not once:
                    raise
                error = DecodeError("codec-away", str(error))
            known = self.devices.get(device)
            if self._core.kept is not None and proof is not None and known is not None:
                await self._core.kept.keep(known, port, payload, time, proof, error.reason)
            self.dropped(device, error)
            raise error from None
        for reason in reading.skipped:
            self._core.counts.add(reason, device)
        if reading.unmapped:
            self.log.debug("%s: the pack names no metric for %s", device, ", ".join(reading.unmapped))
        pack = await packs.get(name)
        self.declare(device, model=pack.title, metrics=pack.own_metrics)
        return reading.samples

    async def encode(self, device: str, downlink: str, values: Mapping[str, float]) -> tuple[int, bytes]:
        packs, name = self._packed(device)
        return await packs.encode(name, downlink, values)

    def _packed(self, device: str) -> tuple[Packs, str]:
        """The packs, and the name of a device's own, "" without one."""
        known = self.devices.get(device)
        if known is None:
            raise PluginError(f"{device!r} is not a device of {self.name!r}")
        if self._core.packs is None:
            raise NotReady("this hub runs without packs")
        return self._core.packs, known.pack


def _candidate(decoded: Decoded, frame: Frame, integration: str) -> Candidate:
    evidence = {"name": frame.name} if frame.name else {}
    return Candidate(
        id=decoded.device,
        integration=integration,
        model=decoded.model,
        values=decoded.values,
        signal=frame.signal,
        evidence=evidence,
    )


def _report(decoded: Decoded, frame: Frame) -> Report:
    return Report(
        device=decoded.device, values=decoded.values, time=frame.time, proof=decoded.proof, signal=frame.signal
    )
