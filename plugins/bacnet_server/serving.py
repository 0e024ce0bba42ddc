"""Copies the hub's live values into the objects of the device, and writes the list of points."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from hub.sdk.exporter import ExporterView, LastValue
from hub.sdk.phrases import phrase, system_error
from plugins.bacnet_server.device import Device
from plugins.bacnet_server.ears import Ears
from plugins.bacnet_server.points import MOST, MULTI_STATE_VALUE, Objects, ede, reliability, state_texts

if TYPE_CHECKING:
    from plugins.bacnet_server import Config

_OBJECTS, _TEXTS, _REVISION = "objects", "texts", "revision"


async def serve(config: Config, view: ExporterView) -> None:
    """Serve until cancelled."""
    logging.getLogger("bacpypes3").setLevel(logging.CRITICAL + 1)  # it logs a traceback for a malformed datagram
    ears = Ears(config.allow, config.max_rate, view.log)
    port = await ears.open(config.address, config.port, config.broadcast)
    try:
        name = config.name or f"ilot-{view.hub}"
        device = Device(config.instance, name, ears, view.state.get(_REVISION, 1))
        view.log.info(
            phrase(
                "bacnet_server.listening",
                "BACnet clients may ask {address} port {port}: device {instance}",
                address=config.address,
                port=port,
                instance=config.instance,
            )
        )
        shown = _ObjectUpdater(config, view, device, name)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ears.work())
            tasks.create_task(shown.age())
            await shown.follow()
    finally:
        ears.close()


class _ObjectUpdater:
    """The objects that the device shows."""

    def __init__(self, config: Config, view: ExporterView, device: Device, name: str) -> None:
        self._config, self._view, self._device, self._name = config, view, device, name
        self._objects = Objects(view.state.get(_OBJECTS, {}), view.state.get(_TEXTS, {}))
        self._last: dict[str, LastValue] = {}
        self._written = ""
        self._told_full = False
        for series, one in self._objects.of.items():  # also series without a value since the start
            device.show(series, one, 0.01)
            if series in self._objects.texts:
                device.say(series, None, reliability(None, 0.0, 0.0), self._objects.texts[series])

    async def follow(self) -> None:
        """Set each value as it arrives."""
        async for values in self._view.changes(timedelta(seconds=1)):
            if any(value.series not in self._last for value in values):
                self._describe()
            kept = len(str(self._objects.texts))
            for value in values:
                if value.series in self._objects.of:
                    self._last[value.series] = value
                    self._say(value.series)
            if len(str(self._objects.texts)) != kept:
                self._keep()
            await self._write()

    async def age(self) -> None:
        """Mark values that are too old as communication failures."""
        while True:
            await asyncio.sleep(1)
            for series in list(self._last):
                self._say(series)

    def _describe(self) -> None:
        series = {one.id: one for one in self._view.series()}
        before = {name: (one.type, one.instance) for name, one in self._objects.of.items()}
        changed = self._objects.give(series.values())
        for name in changed:
            self._device.show(name, self._objects.of[name], float(series[name].metric.resolution))
        if changed:
            self._keep()
        if before != {name: (one.type, one.instance) for name, one in self._objects.of.items()}:
            self._view.state.put(_REVISION, revision := self._view.state.get(_REVISION, 1) + 1)
            self._device.changed(revision)
        if self._objects.full and not self._told_full:
            self._told_full = True
            self._view.log.warning(
                phrase(
                    "bacnet_server.too-many-series",
                    "more than {most} series: those that came last have no object",
                    most=MOST,
                )
            )

    def _keep(self) -> None:
        objects, texts = self._objects.kept()
        self._view.state.put(_OBJECTS, objects)
        self._view.state.put(_TEXTS, texts)

    def _say(self, series: str) -> None:
        value, one = self._last[series], self._objects.of[series]
        why = reliability(value, time.time(), self._config.expire.total_seconds())
        if one.type == MULTI_STATE_VALUE:
            state = self._objects.state(series, str(value.value))
            self._device.say(series, state, why, list(self._objects.texts[series]))
        elif not isinstance(value.value, str):
            self._device.say(series, float(value.value) if one.type in (0, 2) else int(value.value), why)

    async def _write(self) -> None:
        """Write the list of points when it changed."""
        path = self._config.points
        if path is None:
            return
        said = ede(self._objects, self._config.instance, self._name, 0.0) + state_texts(self._objects)
        if said == self._written:
            return
        points = ede(self._objects, self._config.instance, self._name, time.time())
        try:
            await asyncio.to_thread(_write, path, points, state_texts(self._objects))
        except OSError as error:
            self._view.log.warning(
                phrase(
                    "bacnet_server.points-not-written",
                    "the list of points cannot be written to {file}: {reason}",
                    file=path,
                    reason=system_error(error),
                )
            )
            return
        self._written = said


def _write(path: Path, points: str, texts: str) -> None:
    path.write_text(points, encoding="utf-8", newline="")
    states = path.with_name(f"{path.stem.removesuffix('_EDE')}_StateTexts.csv")
    states.write_text(texts, encoding="utf-8", newline="")
