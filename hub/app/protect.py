"""Data protection at work: windows that end, consents, erasures, and what the hub itself erases."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hub.app.field import Field
from hub.app.ground import Ground
from hub.app.outward import Outward
from hub.app.path import Path
from hub.app.service import Service
from hub.consent import ConsentDesk, Memory
from hub.erasing import Erasing
from hub.model import Device
from hub.patience import once_the_disk_works
from hub.protecting import Protecting


class Forgetting:
    """Erases what this hub holds of devices outside the sealed buffer, which it cannot read, let alone change."""

    def __init__(self, path: Path, field: Field) -> None:
        self._path, self._field = path, field

    async def __call__(self, devices: list[Device]) -> dict[str, int]:
        """How much, by part."""
        names = {device.id for device in devices}
        waiting = 0
        for name in names:
            waiting += sum(1 for one in self._path.quarantine if one.id == name)
            self._path.quarantine.release(name)
            self._path.quarantine.clear(name)
            self._path.live.forget(name)
            self._path.pipeline.recompile(name)
        return {"kept payloads": await self._field.kept.forget(names), "quarantine": waiting}


@dataclass
class Protect:
    protecting: Protecting
    consents: ConsentDesk
    erasing: Erasing

    @property
    def services(self) -> list[Service]:
        return [Service(self.protecting, "privacy"), Service(self.consents), Service(self.erasing, "erasures")]


async def build_protect(ground: Ground, path: Path, field: Field, outward: Outward) -> Protect:
    memory = Memory(ground.store)
    erasing = Erasing(
        memory, ground.buffer, ground.clock, http=field.http, url=ground.enrolled.url, up=outward.link.up
    )  # fmt: skip

    def of(zone: str) -> Iterable[Device]:
        places = {place.id for place in path.places if place.zone == zone}
        return [device for device in path.devices if device.place in places]

    def recompile(zone: str) -> None:
        for device in of(zone):
            path.pipeline.recompile(device.id)
        outward.keeper.changed()

    consents = ConsentDesk(
        memory, path.privacy, ground.clock,
        homes={name: zone.name for name, zone in ground.loaded.config.zones.items()}, devices=of, recompile=recompile,
        forget=Forgetting(path, field), ordered=erasing.ordered,
    )  # fmt: skip
    await once_the_disk_works(consents.load, ground.clock.sleep)
    return Protect(Protecting(path.privacy, ground.buffer, ground.clock), consents, erasing)
