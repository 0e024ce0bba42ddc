"""The exporters' `hub.sdk.session.View`, over the latest values. Nothing here reaches the disk or the link."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import NamedTuple

from hub.core.clock import Clock
from hub.core.model import LastValue, Metric, Report, Series, series_id
from hub.devices.places import Places
from hub.devices.registry import Devices
from hub.history.latest import LatestValues
from hub.pipeline.plan import Declared, Planner
from hub.plugin_host.session_parts import own_state
from hub.sdk.session import Http, Network
from hub.store_and_forward.buffer import Buffer


class LiveSeries(NamedTuple):
    """The latest values, and what describes them: devices, places, and the declarations of plugins in the planner."""

    live: LatestValues
    devices: Devices
    places: Places
    planner: Planner


class LiveView:
    """See `hub.sdk.session.View`. `name` is the exporter's; `ready` is called once it has reached its neighbour."""

    def __init__(
        self,
        name: str,
        hub: str,
        ready: Callable[[], None],
        *,
        series: LiveSeries,
        buffer: Buffer,
        clock: Clock,
        pulse: Callable[[], dict[str, float]],
        http: Http,
        network: Network,
    ) -> None:
        self.name, self.hub = name, hub
        self.log = logging.LoggerAdapter(logging.getLogger(f"hub.exporter.{name}"), {"plugin": name})
        self.state = own_state(f"exporter.{name}", buffer)  # with a dot, which no name of an integration instance has
        self._live, self._devices, self._places, self._planner = series
        self._clock, self._ready = clock, ready
        self.pulse = pulse
        self.http, self.network = http, network

    def series(self) -> list[Series]:
        return [self._series(device, metric) for device, metric in self._live.metrics()]

    def values(self) -> list[LastValue]:
        return list(self._live.values())

    async def changes(self, interval: timedelta = timedelta(seconds=1)) -> AsyncIterator[list[LastValue]]:
        seen: dict[int, Report] = {}
        while True:
            self._ready()  # it asks for values, so its neighbour is connected
            if changed := self._live.changed(seen):
                yield changed
            await self._clock.sleep(interval.total_seconds())

    def _series(self, name: str, metric: Metric) -> Series:
        device = self._devices.get(name)
        place = self._places.get(device.place) if device else None
        declared = self._planner.declared.get(name, Declared())
        return Series(
            id=series_id(device.place if device else name, metric.key),
            place=place.id if place else "",
            device=name,
            integration=device.integration if device else "",
            metric=metric,
            name=(place.name if place else "") or (device.name if device else ""),
            model=(device.model if device else "") or declared.model,
            site=place.site if place else "",
            zone=place.zone if place else "",
        )
