"""Builds data protection: windows, consents, erasures, and erasure on the hub itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hub.app.backend_link import BackendServices
from hub.app.base_services import BaseServices
from hub.app.history import HistoryServices
from hub.app.plugins import FieldServices
from hub.app.reading_path import ReadingPath
from hub.app.service import Service
from hub.core.disk.retry import once_the_disk_works
from hub.core.model import Device
from hub.privacy.consent import ConsentEffects, ConsentService, ConsentTables
from hub.privacy.erasure_requests import ErasureRequests
from hub.privacy.rules_engine.data_categories import PERSONAL, privacy_of
from hub.privacy.window_publisher import WindowPublisher
from hub.rpc.privacy import PrivacyCalls


class LocalEraser:
    """Erases this hub's data of devices, except in the sealed buffer, which it can neither read nor change."""

    def __init__(self, path: ReadingPath, field: FieldServices, history_services: HistoryServices) -> None:
        self._path, self._field, self._history_services = path, field, history_services

    async def __call__(self, devices: list[Device]) -> dict[str, int]:
        """Erase these devices' data; returns the amounts by part."""
        names = {device.id for device in devices}
        waiting = 0
        for name in names:
            waiting += sum(1 for one in self._path.quarantine if one.id == name)
            self._path.quarantine.release(name)
            self._path.quarantine.clear(name)
            self._path.live.forget(name)
            self._path.pipeline.recompile(name)
        self._field.recent_frames.forget(names)
        past = await self._past({device.place for device in devices if device.place})
        for name in names:  # again: a plan compiled meanwhile refers to erased data
            self._path.pipeline.recompile(name)
        return {
            "hourly and monthly figures, raw history": past,
            "held reports": sum([await self._field.holding_queue.destroy(name) for name in names]),
            "kept payloads": await self._field.dead_letters.forget(names), "in quarantine": waiting,
        }  # fmt: skip

    async def _past(self, places: set[str]) -> int:
        """Erase personal history of places; technical data stay."""
        self._history_services.observer.drain()
        rows, raw = 0, self._history_services.raw
        known = {*self._history_services.rollups.series, *(await raw.series() if raw is not None else ())}
        for name, key in sorted(key for key in known if key[0] in places):
            place, metric = self._path.places.get(name), self._path.metrics.get(key)
            zone = place.zone if place else ""
            home = self._path.privacy.dwelling(zone)
            if metric is None or privacy_of(metric, dwelling=home) == PERSONAL:
                rows += await self._history_services.rollups.erase(name, key)
        return rows


@dataclass
class PrivacyServices:
    protecting: WindowPublisher
    consents: ConsentService
    erasing: ErasureRequests
    declaring: PrivacyCalls

    @property
    def services(self) -> list[Service]:
        return [
            Service(self.protecting, "privacy"),
            Service(self.consents),
            Service(self.erasing, "erasures"),
            Service(self.declaring, "withheld"),
        ]


async def build_privacy(
    base: BaseServices,
    path: ReadingPath,
    field: FieldServices,
    backend: BackendServices,
    history_services: HistoryServices,
) -> PrivacyServices:
    memory = ConsentTables(base.store)
    erasing = ErasureRequests(
        memory, base.buffer, base.clock, http=field.http, url=base.enrolled.url, up=backend.link.up
    )

    def of(zone: str) -> Iterable[Device]:
        places = {place.id for place in path.places if place.zone == zone}
        return [device for device in path.devices if device.place in places]

    def recompile(zone: str) -> None:
        for device in of(zone):
            path.pipeline.recompile(device.id)
        backend.keeper.changed()

    consents = ConsentService(
        memory,
        path.privacy,
        base.clock,
        homes={name: zone.name for name, zone in base.loaded.config.zones.items()},
        devices=of,
        effects=ConsentEffects(
            recompile=recompile, forget=LocalEraser(path, field, history_services), ordered=erasing.ordered
        ),
        device=path.devices.get,
        timezone=lambda: base.loaded.config.timezone,
    )
    await once_the_disk_works(consents.load, base.clock.sleep)
    protecting = WindowPublisher(path.privacy, base.buffer, base.clock)
    declaring = PrivacyCalls(
        base.loaded.config,
        path.privacy,
        protecting,
        base.counts,
        base.clock,
        path.metrics,
        enrolled=base.enrolled,
        declared=lambda: {key for one in path.planner.declared.values() for key in one.metrics},
    )
    return PrivacyServices(protecting, consents, erasing, declaring)
