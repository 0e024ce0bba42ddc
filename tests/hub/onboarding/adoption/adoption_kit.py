"""A hub's adoption with a real store, a configuration from a file, and the straight path of `path_kit`."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

from hub.config.load import load
from hub.core.store import Store
from hub.devices.packs import Library, Packs
from hub.devices.places import Places
from hub.devices.registry import Devices
from hub.identity.enrolment import Enrolment
from hub.identity.keys import create
from hub.onboarding.adoption import (
    AdoptionService,
    AuditedStore,
    DeviceSigns,
    DeviceSources,
    build_adoption,
    merge,
    resolution_context,
    tables,
)
from hub.onboarding.adoption.commissioning_service import CommissioningService
from hub.onboarding.adoption.engine import Adoption, Row
from hub.plugin_host.plugin_types import installed_models
from hub.plugin_host.registry import Registry
from hub.plugin_host.supervisor import RUNNING, Health
from hub.protocol.device_labels.device_request import DeviceRequest
from tests.hub.path_kit import Path

CONFIG = """\
hub: {name: school}
sites: {school: {name: School}}
zones: {rooms: {site: school, name: Rooms}, cellar: {site: school, name: Cellar}}
places: {hall: {zone: rooms}, boiler: {zone: cellar}}
integrations:
  lorawan: {udp: {port: 0}}
  bluetooth: {}
  wmbus: {port: "tcp://192.0.2.1:1"}
  enocean: {port: "tcp://192.0.2.1:2"}
devices:
  lorawan:00000000000000aa:
    {integration: lorawan, place: hall, key: !secret k, pack: cayenne-lpp, name: From the file}
"""
KEY = bytes(range(16))
MODELS = installed_models(Registry.discover())
PACKS = Packs(Library())


class House(Path):
    """`start` again is the next life of the hub."""

    def __init__(self, root: FilePath) -> None:
        super().__init__()
        self.root, self.changes = root, 0
        self.store: Any = None
        (root / "config.yaml").write_text(CONFIG)
        (root / "secrets.yaml").write_text(f"k: {KEY.hex()}\n")
        (root / "secrets.yaml").chmod(0o600)
        self.keys = create(root / "keys")
        self.health = [Health(name=name, state=RUNNING) for name in ("lorawan", "bluetooth", "wmbus", "enocean")]

    async def start(self) -> None:
        if self.store is not None:
            await self.store.close()
        self.store = await Store.open(self.root / "store.db", bytes(32))
        loaded = load(self.root / "config.yaml", MODELS)
        roll, replaced = await tables.load(self.store), await self.store.replaced()
        joined = merge(roll, loaded, replaced, MODELS)
        self.devices = Devices([*loaded.devices, *joined.devices], replaced, await self.store.keys())
        self.places = Places([*loaded.places, *joined.places])
        self.pipeline._device = self.pipeline.strangers.device = self.devices.get
        self.pipeline.strangers._successor = self.devices.successor
        self.planner._place = self.places.get
        self.pipeline.recompile()
        self.service: AdoptionService = build_adoption(
            resolution_context(loaded, MODELS, self.devices, self.places, PACKS, self.quarantine),
            DeviceSources(loaded, roll, joined),
            DeviceSigns(self.live, self.counts, self.health),
            audited=AuditedStore(self.store, self.clock, self.changed),
            pipeline=self.pipeline,
            enrolled=Enrolment(hub="hub-x", url="", root="00" * 32),
            hub_keys=self.keys,
        )

    def changed(self) -> None:
        self.changes += 1

    @property
    def adoption(self) -> Adoption:
        return self.service._adoption

    async def add(self, *, dry_run: bool = False, update: bool = False, **wish: Any) -> Row:
        return (await self.adoption.add([DeviceRequest(**wish)], dry_run=dry_run, update=update, by="test"))[0]

    async def call(self, name: str, /, **arguments: Any) -> Any:
        return await self.service.calls()[name](arguments)


async def do(rolls: CommissioningService, name: str, **arguments: Any) -> Any:
    """Make a call of the list of commissioning."""
    return await rolls.calls()[f"roster.{name}"]({"by": "web:camille", **arguments})
