"""The objects that a Session of this process holds: devices, state, polling, packs, radio. See `hub.sdk.session`."""

from __future__ import annotations

import logging
import random
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

import msgspec

from hub.automation.commands import CommandService
from hub.core.clock import Clock
from hub.core.counters import Counts
from hub.core.errors import DecodeError, LedElsewhere, NotReady
from hub.core.model import Candidate, Decoded, Device, Frame, Metric, NeedKey, PackFacts, Proof, Report, Sample
from hub.core.security_events import REDIRECT
from hub.core.small_state import PluginState
from hub.core.text import phrase, reason_of
from hub.devices.packs.service import Packs, facts_of
from hub.devices.registry import Devices
from hub.pipeline.dead_letters import DeadLetters
from hub.pipeline.holding_queue import HoldingQueue
from hub.pipeline.pipeline import Pipeline
from hub.pipeline.plan import Planner
from hub.pipeline.recent_frames import RecentFrames
from hub.plugin_host.manifest import Grants
from hub.plugin_host.plugin_facts import PluginFacts
from hub.plugin_host.poll_scheduler import PollScheduler
from hub.plugin_host.serial_buses import Buses
from hub.sdk.hookspecs import Decoder
from hub.sdk.session import Http, Network, Polled
from hub.sdk.session_rules import interval_s, own, slug_of
from hub.store_and_forward.buffer import Buffer

CLEAR = "clear-but-keyed"


class Core(msgspec.Struct, frozen=True):
    """The parts of the hub that all sessions share."""

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
    commands: CommandService | None = None
    buses: Buses | None = None
    dead_letters: DeadLetters | None = None
    plugin_facts: PluginFacts | None = None
    holding_queue: HoldingQueue | None = None
    poll_scheduler: PollScheduler | None = None
    timezone: Callable[[], str] = lambda: "Europe/Paris"
    recent_frames: RecentFrames | None = None
    network: Callable[[str], Network] | None = None
    """Other connections of the plugin of this name."""


class OwnDevices:
    """The devices of one plugin."""

    def __init__(self, name: str, core: Core, grants: Grants | None = None) -> None:
        self._name = name
        self._core = core
        self._grants = grants

    @property
    def timezone(self) -> str:
        return self._core.timezone()

    def get(self, device: str) -> Device | None:
        known = self._core.devices.get(device)
        return known if known is not None and known.integration == self._name else None

    def all(self) -> list[Device]:
        return self._core.devices.of(self._name)

    def changes(self) -> AsyncIterator[Device]:
        return self._core.devices.changes(self._name)

    def declare(self, device: str, *, model: str = "", firmware: str = "", metrics: tuple[Metric, ...] = ()) -> None:
        own(self._name, device, self.get(device))
        if self._grants is not None:
            metrics = self._grants.metrics(metrics)
        if self._core.planner.declare(device, model, firmware, metrics):
            self._core.pipeline.recompile(device)

    def discovered(self, candidate: Candidate) -> None:
        if self._grants is not None:
            self._grants.device(candidate.id)
        if self._core.devices.get(candidate.id) is None:
            self._core.pipeline.strangers.heard(msgspec.structs.replace(candidate, integration=self._name), "found")


def own_state(name: str, buffer: Buffer) -> PluginState:
    """The small state of one plugin. A change is written with the next commit of the buffer."""
    return PluginState(f"state/{name}/", buffer.local, buffer.put_local)


class OwnPolling:
    """Polls of one plugin, whose rate sampling may raise."""

    def __init__(self, name: str, core: Core, rng: random.Random) -> None:
        self._name, self._core, self._rng = name, core, rng
        self._scheduler = core.poll_scheduler or PollScheduler()
        self.failed = self._scheduler.failed

    def poll_cycles(self, interval: timedelta, asked: Callable[[], Iterable[str]]) -> AsyncIterator[float]:
        step = interval_s(f"poll_cycles({interval})", interval.total_seconds())
        early = step * self._rng.uniform(0.0, 0.5)
        return self._scheduler.rounds(self._name, step, asked, self._core.clock, early)

    def set_poll_intervals(self, intervals: Mapping[str, timedelta], least: timedelta) -> dict[str, timedelta]:
        usual = {device: interval.total_seconds() for device, interval in intervals.items()}
        now = self._scheduler.asks(self._name, usual, least.total_seconds())
        return {device: timedelta(seconds=seconds) for device, seconds in now.items()}

    def polled(self, device: str, outcome: Polled) -> None:
        known = self._core.devices.get(device)
        if known is not None and known.integration == self._name:  # it may have been removed during its poll
            self._scheduler.polled(device, outcome)


class OwnRadio:
    """Frames of one plugin. `emit` and `ready` are its session's."""

    def __init__(
        self,
        name: str,
        core: Core,
        log: logging.LoggerAdapter[logging.Logger],
        devices: OwnDevices,
        emit: Callable[[Report], Awaitable[None]],
        ready: Callable[[], None],
        grants: Grants | None = None,
    ) -> None:
        self._name, self._core, self._log, self._devices = name, core, log, devices
        self._emit, self._ready, self._grants = emit, ready, grants
        self._mistaken: set[str] = set()  # decoders whose own mistake was logged

    async def submit_frame(self, frame: Frame) -> bool:
        if self._grants is not None:
            self._grants.frame(frame)
        for decoder in self._core.decoders(frame.kind):
            try:
                keys = self._core.devices.key
                decoded = await decoder.apart(frame, keys) if decoder.apart else decoder.decode(frame, keys)
            except DecodeError as error:
                device = f"{frame.kind}:{frame.address}"
                self._count(device, error)
                known = self._core.devices.get(device)
                if known is not None and known.integration != self._name:  # whoever listens may send under any id
                    self._core.counts.add("heard-elsewhere", self._name)
                elif known is not None:
                    self._record(device, frame, error.reason)
                    self._refused(device, decoder.name, frame, error.reason)
                return True
            except Exception as error:  # a decoder's own mistake costs this frame: anybody may send it again and again
                self._count(f"{frame.kind}:{frame.address}", DecodeError("decoder-mistake"))
                if decoder.name not in self._mistaken:
                    self._mistaken.add(decoder.name)
                    where = traceback.extract_tb(error.__traceback__)[-1]
                    self._log.error(
                        phrase(
                            "decoder-mistake",
                            "decoder {decoder} cannot read a frame: its own mistake, {type} in {function} line {line}; "
                            "such frames are counted",
                            decoder=decoder.name,
                            type=type(error).__name__,
                            function=where.name,
                            line=where.lineno,
                        )
                    )
                return True
            if decoded is not None:
                break
        else:
            self._core.counts.add("not-a-sensor", self._name)
            return False
        if isinstance(decoded, NeedKey):
            # Sealed under a key we do not hold: known or not, a person has to bring the key.
            waiting = Candidate(id=decoded.device, integration=self._name, model=decoded.model, signal=frame.signal)
            self._core.pipeline.strangers.heard(waiting, "needs a key", sealed=frame)
            self._core.counts.add("needs-key", self._counted_for(decoded.device))
            if self._devices.get(decoded.device) is not None:
                self._record(decoded.device, frame, "needs-key")
            return True
        for reason in decoded.skipped:
            self._core.counts.add(reason, self._counted_for(decoded.device))
        known = self._core.devices.get(decoded.device)
        if known is None:
            self._core.counts.add("not-admitted", self._name)
            waiting = _candidate(decoded, frame, self._name)
            self._core.pipeline.strangers.heard(waiting, "not in the configuration", _report(decoded, frame))
            return True
        if known.integration != self._name:  # anybody may send its id where another instance listens
            self._core.pipeline.heard_elsewhere(_candidate(decoded, frame, self._name), known.integration)
            return True
        proof = decoded.proof
        if known.key is not None and not (proof and (proof.authenticated or proof.sealed)):
            # Whatever its decoder thinks of it: who has a key speaks under it, or anybody could speak for him.
            self._core.counts.add(CLEAR, decoded.device)
            self._record(decoded.device, frame, CLEAR)
            self._refused(decoded.device, decoder.name, frame, CLEAR)
            return True
        self._record(decoded.device, frame, "", decoded.values)
        if decoded.model:
            self._devices.declare(decoded.device, model=decoded.model)
        if self._core.holding_queue is not None and self._core.holding_queue.behind(known, frame):
            self._ready()
            return True
        report = _report(decoded, frame)
        await self._emit(report if self._grants is None else self._grants.report(report, proven=True))
        return True

    def _record(self, device: str, frame: Frame, outcome: str, metrics: Iterable[str] = ()) -> None:
        if self._core.recent_frames is not None:
            at = self._core.clock.now() if frame.time is None else frame.time
            self._core.recent_frames.record(device, frame.kind, frame.data, at, outcome=outcome, metrics=metrics)
        self._log.debug("%s: a frame of %d bytes: %s", device, sum(map(len, frame.data.values())), outcome or "read")

    def _refused(self, device: str, decoder: str, frame: Frame, reason: str) -> None:
        """Evidence about a known device: which decoder refused it, and who heard it."""
        signal, evidence = frame.signal, {"decoder": decoder}
        self._core.pipeline.strangers.refused(
            Candidate(id=device, integration=self._name, signal=signal, evidence=evidence), reason
        )

    def publish_facts(self, subject: str, facts: Mapping[str, Any]) -> None:
        if self._core.plugin_facts is not None:
            self._core.plugin_facts.publish(self._name, subject, facts)

    def report_decode_error(self, device: str, error: Exception, *, proof: Proof | None = None) -> None:
        reason = self._count(device, error)
        if self._devices.get(device) is not None:
            if proof is not None:
                self._core.pipeline.stale(device, proof)
            self._core.pipeline.strangers.refused(Candidate(id=device, integration=self._name), reason)

    def _count(self, device: str, error: Exception) -> str:
        reason = slug_of(error)
        if isinstance(error, LedElsewhere):
            about = "" if device == self._name else device
            self._core.pipeline.strangers.tell(REDIRECT, f"{self._name} {about}".strip(), {"what": str(error)[:200]})
        self._core.counts.add(reason, self._counted_for(device))
        self._log.debug("dropped a frame of %s: %s", device, error)
        return reason

    def _counted_for(self, device: str) -> str:
        """A stranger has no count of its own: whoever sends chooses its id, and the passing ones are many. Nor is what
        another plugin's device is said to have sent counted as that device's."""
        return device if self._devices.get(device) is not None else self._name


class OwnPacks:
    """Device packs for the devices of one plugin."""

    def __init__(
        self, name: str, core: Core, log: logging.LoggerAdapter[logging.Logger], devices: OwnDevices, radio: OwnRadio
    ) -> None:
        self._name, self._core, self._log, self._devices, self._radio = name, core, log, devices, radio

    async def get(self, device: str) -> PackFacts | None:
        packs, name = self._packed(device)
        try:
            return facts_of(await packs.get(name)) if name else None
        except DecodeError as error:
            self._log.error(
                phrase(
                    "pack-of-device-unreadable",
                    "{device}: {reason}",
                    device=device,
                    reason=error.detail or error.reason,
                )
            )
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
                error = DecodeError("codec-away", reason_of(error))
            known = self._devices.get(device)
            if self._core.dead_letters is not None and proof is not None and known is not None:
                await self._core.dead_letters.keep(known, port, payload, time, proof, error.reason)
            self._record(device, port, payload, time, error.reason)
            self._radio.report_decode_error(device, error)
            raise error from None
        told = {key for sample in reading.samples for key in sample.values}
        self._record(device, port, payload, time, "", told)
        for reason in reading.skipped:
            self._core.counts.add(reason, device)
        if reading.unmapped:
            self._log.debug("%s: the pack names no metric for %s", device, ", ".join(reading.unmapped))
        pack = await packs.get(name)
        self._devices.declare(device, model=pack.title, metrics=pack.own_metrics)
        return reading.samples

    def _record(
        self,
        device: str,
        port: int,
        payload: bytes,
        time: float | None,
        outcome: str,
        metrics: Iterable[str] = (),
    ) -> None:
        if self._core.recent_frames is not None:
            at = self._core.clock.now() if time is None else time
            self._core.recent_frames.record(
                device, "payload", {"": payload}, at, port=port, outcome=outcome, metrics=metrics
            )
        self._log.debug("%s: a payload of %d bytes on port %d: %s", device, len(payload), port, outcome or "read")

    async def encode(self, device: str, downlink: str, values: Mapping[str, float]) -> tuple[int, bytes]:
        packs, name = self._packed(device)
        return await packs.encode(name, downlink, values)

    def _packed(self, device: str) -> tuple[Packs, str]:
        """The packs, and the name of a device's own, "" without one."""
        known = own(self._name, device, self._devices.get(device))
        if self._core.packs is None:
            raise NotReady(phrase("hub-runs-without-packs", "this hub runs without packs"))
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
