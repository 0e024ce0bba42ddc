"""Overview of the hub for the control socket, as plain data. Reads, never changes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from hub.core.clock import Clock
from hub.core.counters import Counts
from hub.core.process_memory import FamilyMemory, family
from hub.core.text import Phrase, phrase
from hub.devices.places import Places
from hub.devices.registry import Devices
from hub.history.latest import LatestValues
from hub.pipeline.admission.quarantine import Quarantine, QuarantineEntry, heard_by
from hub.pipeline.pipeline import Pipeline
from hub.pipeline.plan import Declared, Planner
from hub.plugin_host.supervisor import QUARANTINED, STOPPED, Health
from hub.rpc.autonomy import Autonomy, WriteRate, days_and_hours
from hub.store_and_forward.buffer import Buffer, BufferStatus, Durable
from hub.store_and_forward.link import Link

WRITTEN_KEY = "overview/written"
MEMORY_S = 5.0
REFUSED_S = 86_400.0
"""Seconds for which the status reports refused frames of a known device; `ilot devices` shows them until a restart."""


class BufferSpace(NamedTuple):
    """Space of the buffer's directory, and the autonomy below which to warn."""

    directory: Path
    max_bytes: int
    warning_s: float

    def free(self) -> int:
        """Return the free bytes of its disk."""
        try:
            disk = os.statvfs(self.directory)
        except OSError:
            return 0
        return disk.f_bavail * disk.f_frsize


class ReportPath(NamedTuple):
    """What a report passes, and where it shows: the pipeline and its plans, the latest values, devices and places, and
    who waits in quarantine."""

    pipeline: Pipeline
    planner: Planner
    live: LatestValues
    devices: Devices
    places: Places
    quarantine: Quarantine


class WayOut(NamedTuple):
    """What readings leave by: the buffer, the space of its directory, and the link to the backend."""

    buffer: Buffer
    room: BufferSpace
    link: Link


class PluginStates(NamedTuple):
    """What is known of the plugins that run: their health, what one says of a device (integration, device), and who
    ships one and what it may do (`hub.plugin_host.about`)."""

    health: list[Health]
    told: Callable[[str, str], dict[str, Any]] = lambda integration, device: {}
    about: Callable[[Health], dict[str, Any]] = lambda health: {}


class Overview:
    """Overview over the parts of one hub. `problems` are those of the configuration file while the hub runs on the last
    good one. `status_of` returns the status of a device, as a slug and as sentences."""

    def __init__(
        self,
        hub: str,
        clock: Clock,
        path: ReportPath,
        way_out: WayOut,
        plugins: PluginStates,
        *,
        counts: Counts,
        problems: list[str],
        status_of: Callable[[str], dict[str, Any]] = lambda device: {},
    ) -> None:
        self._hub = hub
        self._clock = clock
        self._began = clock.monotonic()
        self._pipeline, self._planner, self._live, self._devices, self._places, self._quarantine = path
        self._buffer, self._room, self._link = way_out
        self._health, self._told, self._about = plugins
        self._counts = counts
        self._problems = problems
        self._status_of = status_of
        self._written = WriteRate(clock.monotonic(), self._buffer.local.get(WRITTEN_KEY))
        self.written_readings = 0
        self.written_bytes = 0
        self._memory: tuple[float, FamilyMemory] | None = None

    def count_durable(self, commit: Durable) -> None:
        """Add a commit that reached the disk to the totals and to the rate of writing."""
        readings, size = commit.readings, commit.bytes
        self.written_readings += readings
        self.written_bytes += size
        if self._written.add(readings, size, self._clock.monotonic()):
            self._buffer.put_local(WRITTEN_KEY, self._written.remembered())

    def status(self, *, values: bool = True) -> dict[str, Any]:
        """Return the answer of `ilot status`, with the last value of every series or without. Times are seconds, sizes
        bytes unless their name says otherwise."""
        buffer, link = self._buffer.status(), self._link.status()
        autonomy = self._autonomy(buffer)
        return {
            "hub": self._hub,
            "up_s": self._clock.monotonic() - self._began,
            "clock_sure": self._clock.sure(),
            "memory": _plain(self._memory_now()),
            "reports": self._pipeline.reports,
            "readings": self._pipeline.readings,
            "spared": self._pipeline.spared,
            "buffer": {
                **_plain(buffer),
                "oldest_age_s": self._clock.now() - buffer.oldest_s if buffer.oldest_s else None,
                "written_readings": self.written_readings,
                "written_bytes": self.written_bytes,
                "rate": autonomy.rate,
                "readings_rate": autonomy.readings_rate,
                "autonomy_s": autonomy.seconds,
                "autonomy": days_and_hours(autonomy.seconds) if autonomy.seconds is not None else "",
            },
            "link": _plain(link),
            "plugins": [{**_plain(health), **self._about(health)} for health in self._health],
            "last": [_plain(value) for value in self._live.values()] if values else [],
            "counts": self._counts.by_subject(),
            "quarantine": [_waiting(waiting) for waiting in self._quarantine],
            "configuration": self._problems,
            "degraded": self.degraded(buffer.error, link.error, autonomy, rejected=link.waiting.get("rejected", 0)),
        }

    def _memory_now(self) -> FamilyMemory:
        """Return the memory of the hub and its workers, as it was up to MEMORY_S ago: the kernel walks through all of
        it to tell."""
        now = self._clock.monotonic()
        if self._memory is None or now - self._memory[0] >= MEMORY_S:
            self._memory = (now, family())
        return self._memory[1]

    def pulse(self) -> dict[str, Any]:
        """Return the counters alone: cheap enough to be called many times a second."""
        return {
            "reports": self._pipeline.reports,
            "readings": self._pipeline.readings,
            "written_readings": self.written_readings,
            "written_bytes": self.written_bytes,
            "acked": self._link.delivery.acked_readings,
        }

    def devices(self) -> dict[str, Any]:
        """Return the answer of `ilot devices`."""
        errors = self._counts.by_subject()
        return {
            "devices": [self._device(device.id, errors.get(device.id, {})) for device in self._devices],
            "quarantine": [_waiting(waiting) for waiting in self._quarantine],
        }

    def degraded(self, buffer_error: str, link_error: str, autonomy: Autonomy, *, rejected: int = 0) -> list[str]:
        """Return what somebody should look at, one sentence each; empty when all is well."""
        said: list[str] = [
            phrase("plugin-is-stopped", "{name} is stopped: {reason}", name=one.name, reason=one.error)
            for one in self._health
            if one.state == STOPPED
        ]
        said += [
            phrase("plugin-is-quarantined", "{name} is quarantined: {reason}", name=one.name, reason=one.error)
            for one in self._health
            if one.state == QUARANTINED
        ]
        if buffer_error:
            said.append(
                phrase("buffer-not-on-disk", "the buffer does not reach the disk: {reason}", reason=buffer_error)
            )
            if remedy := disk_remedy(buffer_error):
                said.append(remedy)
        if link_error:
            said.append(phrase("link-away", "link: {reason}", reason=link_error))
        if rejected:
            said.append(
                phrase(
                    "records-not-taken-by-backend",
                    "the backend does not take {count} [record, which stays here and is|records, which stay here and "
                    "are] offered again: if it is older than this hub, update it; its alarms say why",
                    count=rejected,
                )
            )
        if autonomy.seconds is not None and autonomy.seconds < self._room.warning_s:
            said.append(
                phrase(
                    "buffer-full-soon",
                    "without the backend the buffer is full in {time} at today's rate: raise buffer.max_size, free "
                    "some disk, or repair the link",
                    time=days_and_hours(autonomy.seconds),
                )
            )
        since = self._clock.now() - REFUSED_S
        refused = [waiting.id for waiting in self._quarantine if waiting.known and waiting.last > since]
        if refused:
            said.append(
                phrase(
                    "known-devices-refused",
                    "frames of {count} known [device|devices] are refused: `ilot devices` shows which and why",
                    count=len(refused),
                )
            )
        if self._problems:
            said.append(
                phrase(
                    "last-good-configuration-runs",
                    "the configuration file is wrong, the last good one runs: `ilot check` shows where",
                )
            )
        if not self._clock.sure():
            said.append(phrase("clock-not-sure", "the clock is not sure: readings are dated by this boot until it is"))
        return said

    def _autonomy(self, buffer: BufferStatus) -> Autonomy:
        return self._written.autonomy(
            unsent=buffer.readings,
            taken=buffer.bytes,
            most=self._room.max_bytes,
            free=self._room.free(),
            now=self._clock.monotonic(),
        )

    def _device(self, name: str, errors: dict[str, int]) -> dict[str, Any]:
        """Return one device. `errors`: reason → count since the hub started. `latency_ms`: duration of its last answer,
        None for a device that is not polled."""
        device = self._devices.get(name)
        if device is None:
            return {}
        place = self._places.get(device.place)
        seen = self._live.last_seen(name)
        declared = self._planner.declared.get(name, Declared())
        return {
            "id": device.id,
            "name": device.name,
            "place": device.place,
            "zone": place.zone if place else "",
            "site": place.site if place else "",
            "model": device.model or declared.model,
            "firmware": declared.firmware,
            "integration": device.integration,
            "keyed": device.key is not None,
            "last_seen_s": self._clock.now() - seen if seen else None,
            "heard": heard_by(self._live.last_signal(name)),
            "errors": errors,
            "latency_ms": self._told(device.integration, device.id).get("latency_ms"),
            **self._status_of(name),
        }


def disk_remedy(error: str) -> str:
    """Return what to do about an error of the buffer, "" where nobody can say."""
    while isinstance(error, Phrase):
        if error.code in ("os-read-only-file-system", "os-input-output-error"):
            return phrase(
                "buffer-disk-worn",
                "readings are kept in memory, and are lost if the power goes before the disk takes them: where it "
                "stays so, the card is worn out: put in a new one and restore the backup",
            )
        if error.code in ("os-no-space-left", "os-quota-exceeded", "write-cut-short"):
            return phrase(
                "buffer-disk-full",
                "free some room on the disk, or repair the link: what is delivered makes room by itself",
            )
        error = error.params.get("reason", "")
    return ""


def _waiting(waiting: QuarantineEntry) -> dict[str, Any]:
    return dict(_plain(waiting))


def _plain(facts: Any) -> Any:
    """Return a structure as plain data in which phrases stay phrases."""
    return msgspec.to_builtins(facts, builtin_types=(Phrase,))
