"""Builds the user interfaces: adding devices, the overview, exporters, the pages."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hub.app.automation import AutomationServices
from hub.app.backend_link import BackendServices
from hub.app.base_services import BaseServices
from hub.app.commissioning_facts import CommissioningFacts
from hub.app.device_replacement import DeviceReplacement
from hub.app.network import build_network
from hub.app.plugins import FieldServices
from hub.app.reading_path import ReadingPath
from hub.app.releases import build_releases
from hub.app.service import Service
from hub.config.instances import ExporterInstance
from hub.config.load import Loaded
from hub.core.calls import Call
from hub.core.model import Metric
from hub.core.raised_logs import RaisedLogs
from hub.devices.packs import Library
from hub.identity.keys import page_password
from hub.identity.page_certificate import PageCertificate
from hub.onboarding.adoption import AdoptionService as Adoption
from hub.onboarding.adoption import (
    AuditedStore,
    BulkAdoptionService,
    DeviceSigns,
    DeviceSources,
    QuarantineService,
    SenderChecks,
    build_adoption,
    resolution_context,
)
from hub.onboarding.other_hubs import OtherHubs
from hub.operations.backups.keeper import Keeper
from hub.operations.incidents.correlation import BREAK_GLASS
from hub.operations.network.service import Network
from hub.operations.releases.offers import Releases
from hub.plugin_host.declared_hosts import exporters
from hub.plugin_host.exporter_view import LiveSeries, LiveView
from hub.plugin_host.plugin_types import part_models
from hub.privacy.rules_engine.data_categories import is_dwelling
from hub.rpc.audit import AuditCalls
from hub.rpc.diagnostics import DiagnosticsCalls
from hub.rpc.overview import BufferSpace, Overview, PluginStates, ReportPath, WayOut
from hub.rpc.pack_imports import IMPORTS, ImportCalls
from hub.rpc.packs import PackCalls
from hub.rpc.redaction import LOOPBACK
from hub.rpc.refusal_counts import CountedCalls
from hub.rpc.rekey import Rekey
from hub.rpc.support import Sources, SupportCalls
from hub.store_and_forward.egress_network import EgressNetwork
from hub.web.presentation.tiles import is_room
from hub.web.services import PageServices
from hub.web.sockets.certificate import KEY as PAGE_KEY
from hub.web.web_part import PageIdentity, Web


class CallHandlers:
    """Calls that concern the whole hub. `told` returns (part → status, complaints) of the other parts."""

    def __init__(
        self, overview: Overview, keeper: Keeper, told: Callable[[], tuple[dict[str, Any], list[str]]]
    ) -> None:
        self._overview, self._keeper, self._told = overview, keeper, told

    def calls(self) -> dict[str, Call]:
        return {"status": self._status, "pulse": self._pulse, "devices": self._devices, "backup": self._backup}

    async def _status(self, arguments: dict[str, Any]) -> Any:
        """Answer {values} with the status; `values` False: without the last value of every series, most of what a
        large hub answers."""
        answer = self._overview.status(values=arguments.get("values", True) is not False)
        others, said = self._told()
        return {**answer, **others, "degraded": [*answer["degraded"], *said]}

    async def _pulse(self, arguments: dict[str, Any]) -> Any:
        return self._overview.pulse()

    async def _devices(self, arguments: dict[str, Any]) -> Any:
        return self._overview.devices()

    async def _backup(self, arguments: dict[str, Any]) -> Any:
        """Return the sealed backup itself with {document}, otherwise make one and return its location."""
        if arguments.get("document"):
            return {"document": base64.b64encode(await self._keeper.make()).decode()}
        return await self._keeper.now()


@dataclass
class UiServices:
    """Adoption, status and pages."""

    adoption: Adoption
    gate: QuarantineService
    recette: BulkAdoptionService
    overview: Overview
    rekey: Rekey
    page_certificate: PageCertificate
    replacing: DeviceReplacement
    web: Web
    asked: CallHandlers
    packing: PackCalls
    importing: ImportCalls
    diagnosing: DiagnosticsCalls
    supporting: SupportCalls
    auditing: AuditCalls
    counting: CountedCalls
    network: Network
    releases: Releases

    @property
    def services(self) -> list[Service]:
        return [
            Service(self.adoption, "devices"), Service(self.gate, "admission"), Service(self.recette, "recette"),
            Service(self.adoption.rolls), Service(self.rekey), Service(self.page_certificate, "page_certificate"),
            Service(self.replacing), Service(self.web, "web"), Service(self.network, "network"),
            Service(self.asked), Service(self.packing), Service(self.importing),
            Service(self.diagnosing), Service(self.supporting), Service(self.auditing), Service(self.counting),
            Service(self.releases, "release"),
        ]  # fmt: skip


def build_user_interfaces(
    base: BaseServices,
    path: ReadingPath,
    field: FieldServices,
    backend: BackendServices,
    automation: AutomationServices,
    told: Callable[[], tuple[dict[str, Any], list[str]]],
    calls: Callable[[], Mapping[str, Call]],
) -> UiServices:
    """Build and wire the user interfaces. `told`: status of the parts; `calls`: all calls of the hub, for the pages."""
    loaded, clock, keeper = base.loaded, base.clock, backend.keeper
    audited = AuditedStore(base.store, clock, keeper.changed)
    adoption = build_adoption(
        resolution_context(loaded, base.models, path.devices, path.places, field.packs, path.quarantine),
        DeviceSources(loaded, path.roll, path.joined),
        DeviceSigns(
            path.live,
            base.counts,
            field.plugins.health,
            on_duty=lambda device: automation.presence.of(device, clock.now()),
            polls_failed=field.poll_scheduler.failed,
        ),
        audited=audited,
        pipeline=path.pipeline,
        enrolled=base.enrolled,
        hub_keys=base.keys,
    )
    room = BufferSpace(
        base.state.buffer,
        base.sizes.max_bytes - base.sizes.reserve_bytes,
        loaded.config.buffer.autonomy_warning.total_seconds(),
    )
    overview = Overview(
        base.enrolled.hub,
        clock,
        ReportPath(path.pipeline, path.planner, path.live, path.devices, path.places, path.quarantine),
        WayOut(base.buffer, room, backend.link),
        PluginStates(field.plugins.health, field.plugin_facts.of, field.plugins.about),
        counts=base.counts,
        problems=base.problems,
        status_of=adoption.status_of,
    )
    for exporter in loaded.exporters:
        export(exporter, base, path, field, overview)
    path.metrics.update(base.registry.metrics())  # of the plugins loaded so far, which are those that run
    parts = parts_of(base, path, backend, automation)
    web = Web(
        loaded.config.web,
        PageIdentity(base.enrolled.hub, base.state.keys, page_password(base.keys)),
        parts=parts,
        store=base.store,
        clock=clock,
        calls=calls,
        changed=keeper.changed,
        broken_glass=lambda name, address: base.events.tell(BREAK_GLASS, name, {"from": address}),
    )
    replacing = DeviceReplacement(base, path, keeper, adoption.successor)
    rolls = adoption.rolls
    rolls.replace = replacing.calls()["device.replace"]
    rolls.where = OtherHubs(http=field.http, url=base.enrolled.url, up=backend.link.up, clock=clock).ask
    rolls.facts = CommissioningFacts(base, path, field, web).facts
    recertified = PageCertificate(
        base.state.keys / PAGE_KEY,
        base.enrolled.hub,
        base.enrolled.url,
        base.keys,
        http=field.http,
        clock=clock,
        up=backend.link.up,
        pages=web,
    )
    gate, recette = _gate(base, path, field, audited, adoption)
    library = Library(base.state.packs, parts=part_models(base.registry))
    packing = PackCalls(library, field.dead_letters, base.store, lambda: path.devices, clock.now)
    return UiServices(
        adoption,
        gate,
        recette,
        overview,
        Rekey(base.store, path.devices, path.pipeline, clock, keeper.changed),
        recertified,
        replacing,
        web,
        CallHandlers(overview, keeper, told),
        packing,
        ImportCalls(library, packing, base.state.packs / IMPORTS),
        DiagnosticsCalls(
            base.logs,
            lambda name, arguments: calls()[name](arguments),
            lambda: _names(base, path, field, web),
            lambda: base.loaded.data,
        ),
        _support(base, path, field, web, library, calls),
        AuditCalls(base.store),
        CountedCalls(base.counts, base.registry.meaning, lambda subject: _type(base.loaded, path, subject)),
        build_network(web, base.store, clock),
        build_releases(base, path, field, backend, automation, web, overview),
    )


def _support(
    base: BaseServices,
    path: ReadingPath,
    field: FieldServices,
    web: Web,
    library: Library,
    calls: Callable[[], Mapping[str, Call]],
) -> SupportCalls:
    def metrics(device: str) -> list[Metric]:
        found = (path.planner.metric(device, key) for key in field.recent_frames.metrics(device))
        return [metric for metric in found if metric is not None]

    return SupportCalls(
        Sources(
            devices=path.devices,
            places=path.places,
            library=library,
            frames=field.recent_frames,
            kept=field.dead_letters.of,
            metrics=metrics,
            may_keep=path.planner.may_keep,
            loaded=lambda: base.loaded,
            names=lambda: _names(base, path, field, web),
            ask=lambda name, arguments: calls()[name](arguments),
        ),
        RaisedLogs(base.buffer, base.clock),
        base.logs,
        base.store,
        base.clock,
    )


def _type(loaded: Loaded, path: ReadingPath, subject: str) -> str:
    """Return the type of the integration that counts for a subject (a device or an instance), "" if neither."""
    device = path.devices.get(subject)
    instance = device.integration if device is not None else subject
    return next((one.type for one in loaded.integrations if one.name == instance), "")


def _gate(
    base: BaseServices, path: ReadingPath, field: FieldServices, audited: AuditedStore, adoption: Adoption
) -> tuple[QuarantineService, BulkAdoptionService]:
    path.guard.use_periods(adoption.period)
    gate = QuarantineService(
        checks=SenderChecks(path.quarantine, path.decisions, path.guard, base.events),
        adoption=adoption.engine,
        holding=field.holding_queue,
        pipeline=path.pipeline,
        devices=path.devices,
        audited=audited,
        paths=paths_of(base.loaded),
    )
    recette = BulkAdoptionService(
        gate=gate, adoption=adoption.engine, store=base.store, clock=base.clock, events=base.events
    )
    return gate, recette


def paths_of(loaded: Loaded) -> list[dict[str, Any]]:
    """Return what is declared about each integration's path."""
    return [
        {"integration": one.name, "type": one.type, **(one.perimeter.model_dump(mode="json") if one.perimeter else {})}
        for one in loaded.integrations
    ]


def export(
    exporter: ExporterInstance, base: BaseServices, path: ReadingPath, field: FieldServices, overview: Overview
) -> None:
    """Prepare one exporter."""
    field.plugins.prepare_exporter(
        exporter,
        lambda name, ready: LiveView(
            name,
            base.enrolled.hub,
            ready,
            series=LiveSeries(path.live, path.devices, path.places, path.planner),
            buffer=base.buffer,
            clock=base.clock,
            pulse=overview.pulse,
            http=field.http.of(exporters(name)),
            network=EgressNetwork(field.egress).of(exporters(name)),
        ),
    )


def _names(base: BaseServices, path: ReadingPath, field: FieldServices, web: Web) -> dict[str, set[str]]:
    """Return the names that diagnostics hide, by kind."""
    config = base.loaded.config
    hosts = {one.rpartition(":")[0] for one in field.egress.hosts()}
    return {
        "hub": {base.enrolled.hub, config.hub.name},
        "device": {*path.devices.replaced, *(name for device in path.devices for name in (device.id, device.name))},
        "place": {name for place in path.places for name in (place.id, place.name)},
        "zone": {name for id_, zone in config.zones.items() for name in (id_, zone.name)},
        "site": {name for id_, site in config.sites.items() for name in (id_, site.name)},
        "candidate": {waiting.id for waiting in path.quarantine},
        "host": {host for host in hosts if host != "localhost" and host not in LOOPBACK},
        "person": {one.name for one in web.people.accounts.all()} if web.people is not None else set(),
    }  # fmt: skip


def parts_of(
    base: BaseServices, path: ReadingPath, backend: BackendServices, automation: AutomationServices
) -> PageServices:
    """Return what the pages show of a hub."""
    config = base.loaded.config
    return PageServices(
        live=path.live,
        devices=path.devices,
        places=path.places,
        metric=path.planner.metric,
        title=config.hub.name,
        zones={name: (zone.name, zone.site) for name, zone in config.zones.items()},
        timezone=config.timezone,
        badges=backend.badging,
        contact=config.web.contact if config.web is not None else "",
        raised=lambda: len(automation.alert_engine.book.open),
        sites={name: one.name for name, one in config.sites.items()},
        dwellings=frozenset(name for name, zone in config.zones.items() if is_dwelling(zone.use)),
        rooms=frozenset(name for name, zone in config.zones.items() if is_dwelling(zone.use) or is_room(zone.use)),
    )
