"""What the hub says of itself: the answers of the control socket, as plain data. Reads, never changes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from hub.admission.quarantine import Quarantine, Waiting
from hub.buffer import Buffer
from hub.clock import Clock
from hub.counts import Counts
from hub.devices import Devices
from hub.link import Link
from hub.live import Live
from hub.pipeline import Pipeline
from hub.places import Places
from hub.plan import Declared, Planner
from hub.supervisor import QUARANTINED, STOPPED, Health

_PAGE = os.sysconf("SC_PAGE_SIZE") / 1048576


class Overview:
    """The parts of one hub, looked at together. `problems` are those of the configuration file, when the hub runs
    on the last good one."""

    def __init__(
        self, *, hub: str, clock: Clock, pipeline: Pipeline, planner: Planner, buffer: Buffer, link: Link, live: Live,
        devices: Devices, places: Places, quarantine: Quarantine, counts: Counts, health: list[Health],
        problems: list[str],
    ) -> None:  # fmt: skip
        self._hub = hub
        self._clock = clock
        self._began = clock.monotonic()
        self._pipeline = pipeline
        self._planner = planner
        self._buffer = buffer
        self._link = link
        self._live = live
        self._devices = devices
        self._places = places
        self._quarantine = quarantine
        self._counts = counts
        self._health = health
        self._problems = problems
        self.written_readings = 0
        self.written_bytes = 0

    def status(self) -> dict[str, Any]:
        """All of `ilot status`. Times are seconds, sizes bytes unless their name says otherwise."""
        buffer, link = self._buffer.status(), self._link.status()
        return {
            "hub": self._hub,
            "up_s": self._clock.monotonic() - self._began,
            "clock_sure": self._clock.sure(),
            "rss_mib": _rss_mib(),
            "reports": self._pipeline.reports,
            "readings": self._pipeline.readings,
            "buffer": {
                **msgspec.to_builtins(buffer),
                "oldest_age_s": self._clock.now() - buffer.oldest_s if buffer.oldest_s else None,
                "written_readings": self.written_readings,
                "written_bytes": self.written_bytes,
            },
            "link": msgspec.to_builtins(link),
            "plugins": [msgspec.to_builtins(health) for health in self._health],
            "last": [msgspec.to_builtins(value) for value in self._live.values()],
            "counts": self._counts.by_subject(),
            "quarantine": [_waiting(waiting) for waiting in self._quarantine],
            "configuration": self._problems,
            "degraded": self.degraded(buffer.error, link.error),
        }

    def pulse(self) -> dict[str, Any]:
        """The counters alone: cheap enough to be asked many times a second."""
        return {
            "reports": self._pipeline.reports,
            "readings": self._pipeline.readings,
            "written_readings": self.written_readings,
            "written_bytes": self.written_bytes,
            "acked": self._link.delivery.acked_readings,
        }

    def devices(self) -> dict[str, Any]:
        """All of `ilot devices`."""
        return {
            "devices": [self._device(device.id) for device in self._devices],
            "quarantine": [_waiting(waiting) for waiting in self._quarantine],
        }

    def degraded(self, buffer_error: str, link_error: str) -> list[str]:
        """What somebody should look at, one sentence each; empty when all is well."""
        said = [f"{h.name} is {h.state}: {h.error}" for h in self._health if h.state in (STOPPED, QUARANTINED)]
        if buffer_error:
            said.append(f"the buffer does not reach the disk: {buffer_error}")
        if link_error:
            said.append(f"link: {link_error}")
        if self._problems:
            said.append("the configuration file is wrong, the last good one runs: `ilot check` shows where")
        if not self._clock.sure():
            said.append("the clock is not sure: readings are dated by this boot until it is")
        return said

    def _device(self, name: str) -> dict[str, Any]:
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
        }


def _waiting(waiting: Waiting) -> dict[str, Any]:
    return dict(msgspec.to_builtins(waiting))


def _rss_mib() -> float:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0.0
