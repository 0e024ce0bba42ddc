"""Applies another configuration to a running hub: only what differs is touched.

Instances are stopped, replaced and started one by one. The path of a reading is switched in a single turn of the event
loop: places, devices, rules and plans change between two reports, so none is lost or handled by a mixture. What cannot
be applied is named by `hub.config.differences` and waits for a restart. Called the other way round, it reverts
everything.
"""

from __future__ import annotations

import asyncio

from hub.app.automation import AutomationServices, zone_of
from hub.app.backend_link import BackendServices, carriers_of
from hub.app.base_services import BaseServices
from hub.app.crisis import CrisisServices
from hub.app.history import HistoryServices
from hub.app.incidents import IncidentServices
from hub.app.plugins import FieldServices
from hub.app.privacy import PrivacyServices
from hub.app.reading_path import ReadingPath, holds_keys_of, levels_of, registered_of
from hub.app.user_interfaces import UiServices, export, parts_of, paths_of
from hub.automation.commands import credentials_of
from hub.config.differences import EXPORTER, INTEGRATION, NOTIFIER, REMOVED, Difference, Differences
from hub.config.load import Loaded
from hub.core.errors import HubError
from hub.core.text import phrase
from hub.onboarding.adoption import merge, tables
from hub.operations.config_changes import LINGER_S
from hub.operations.config_changes.health_gate import PartStatuses, part_statuses
from hub.plugin_host.declared_hosts import callers, declared_hosts
from hub.plugin_host.serial_buses import bus_options
from hub.privacy.rules_engine import compile_privacy
from hub.store_and_forward.link import Line

RULE_SECTIONS = frozenset(
    {"hub", "rules", "rule_templates", "devices", "schedules", "calendars", "school_years", "zones", "places", "sites"}
)
"""Configuration sections that rules depend on."""


class ConfigReload:
    """Applies differences between two configurations."""

    def __init__(
        self,
        base: BaseServices,
        path: ReadingPath,
        field: FieldServices,
        automation: AutomationServices,
        backend: BackendServices,
        ui: UiServices,
        history_services: HistoryServices,
        privacy_services: PrivacyServices,
        incidents: IncidentServices,
        crisis_services: CrisisServices,
    ) -> None:
        self._base, self._path, self._field = base, path, field
        self._automation, self._backend, self._ui, self._history_services = automation, backend, ui, history_services
        self._turn = asyncio.Lock()
        self._privacy_services, self._incidents, self._crisis_services = privacy_services, incidents, crisis_services

    async def __call__(self, old: Loaded, new: Loaded, found: Differences) -> None:
        """Apply the differences. Raises HubError when a part cannot be replaced."""
        async with self._turn:
            await self._take_up(old, new, found)

    async def again(self, one: Difference) -> None:
        """Restart one instance with the running configuration.

        Raises PluginError, and HubError where a configuration applied meanwhile no longer names it.
        """
        async with self._turn:
            loaded = self._base.loaded
            named = {
                INTEGRATION: {instance.name for instance in loaded.integrations},
                EXPORTER: {instance.name for instance in loaded.exporters},
                NOTIFIER: {instance.name for instance in loaded.notifiers},
            }
            if one.name not in named[one.kind]:
                raise HubError(
                    phrase(
                        "plugin-left-configuration",
                        "{kind} {name!r} is no longer in the configuration; `ilot status` lists those that are",
                        kind=one.kind,
                        name=one.name,
                    )
                )
            await self._stop(one)
            await self._start(one, loaded)

    async def _take_up(self, old: Loaded, new: Loaded, found: Differences) -> None:
        base, field = self._base, self._field
        await field.packs.expect({device.pack for device in new.devices if device.pack})
        for one in found.instances:
            await self._stop(one)
        if "buses" in found.parts:
            await field.buses.configure({name: bus_options(bus) for name, bus in new.config.buses.items()})
        await self._straight_path(old, new, found)
        self._declare(new)
        self._crisis_services.reconfigured()
        for one in found.instances:
            if one.how != REMOVED:
                await self._start(one, new)
        self._path.metrics.update(base.registry.metrics())
        await self._ui.adoption.reconfigure(new, self._path.joined)
        await self._ui.gate.declare(paths_of(new))
        self._incidents.reconfigure(new)
        self._automation.availability.zone = zone_of(new)
        self._backend.keeper.reconfigure(new.files)
        here = {base.enrolled.hub, *new.config.sites}
        self._backend.badging.reconfigure(here, metered=new.config.link.metered)
        self._history_services.energy.reconfigure(
            {name: (zone.name, zone.site, zone.use) for name, zone in new.config.zones.items()},
            new.config.timezone,
            new.config.hub.name,
            {name: one.name for name, one in new.config.sites.items()},
        )
        self._privacy_services.declaring.reconfigure(new.config)
        await self._privacy_services.consents.reconfigure({name: zone.name for name, zone in new.config.zones.items()})
        self._path.pipeline.recompile()  # homes may have got their key only now
        if "link" in found.parts:
            await self._relink(old, new)
        await self._pages(found, new)

    def stands(self) -> PartStatuses:
        """Return the status of every part: plugins, link, pages."""
        link, web = self._backend.link.status(), self._ui.web
        others = {
            "link": ""
            if not link.uplinks or self._backend.link.up()
            else link.error or phrase("link-connects", "it connects")
        }
        others["web"] = web.trouble()
        return part_statuses(self._field.plugins.health, others)

    async def _stop(self, one: Difference) -> None:
        if one.kind == NOTIFIER:
            self._automation.forget(one.name)
        await self._field.plugins.stop((one.kind, one.name))

    async def _start(self, one: Difference, new: Loaded) -> None:
        plugins = self._field.plugins
        await plugins.stop((one.kind, one.name))
        if one.kind == INTEGRATION:
            plugins.prepare_integration(next(instance for instance in new.integrations if instance.name == one.name))
        elif one.kind == EXPORTER:
            exporter = next(exporter for exporter in new.exporters if exporter.name == one.name)
            export(exporter, self._base, self._path, self._field, self._ui.overview)
        else:
            notifier = next(notifier for notifier in new.notifiers if notifier.name == one.name)
            await self._automation.notify(notifier, self._base, self._field)

    async def _straight_path(self, old: Loaded, new: Loaded, found: Differences) -> None:
        """Read from disk first, then switch everything between two reports."""
        base, path = self._base, self._path
        roll, keys = await tables.load_with_keys(base.store)
        path.roll.devices, path.roll.places = roll.devices, roll.places
        # no await from here on
        base.loaded = new
        path.joined = merge(path.roll, new, path.devices.replaced, base.models)
        zones = new.config.zones
        path.privacy.reconfigure(
            {name: zone.personal for name, zone in zones.items()},
            {name: zone.use for name, zone in zones.items()},
            compile_privacy(new.config),
        )
        protected = {instance.name for instance in new.integrations if instance.perimeter}
        path.planner.reconfigure(
            protected=protected.__contains__,
            levels=levels_of(new),
            registered=registered_of(new, base.registry),
            holds_keys=holds_keys_of(new, base.registry),
        )
        path.places.assign([*new.places, *path.joined.places])
        fresh, gone = path.devices.assign([*new.devices, *path.joined.devices], keys)
        if RULE_SECTIONS & set(found.parts):
            self._automation.compile(base, path)
        for device in gone:
            path.pipeline.forget(device.id)
            path.live.forget(device.id)
        for device in fresh:
            path.pipeline.admit(device.id)
        path.pipeline.recompile()
        for device in path.devices:
            path.planner.reseat(device)

    def _declare(self, new: Loaded) -> None:
        hosts = declared_hosts(callers(new, self._base.registry), self._base.registry.permissions)
        self._field.egress.declare(hosts, new.config.link.proxy_url())
        self._field.factory.reconfigure({one.name: [*credentials_of(one.config)] for one in new.integrations})

    async def _relink(self, old: Loaded, new: Loaded) -> None:
        registry, link, options = self._base.registry, self._backend.link, new.config.link
        url = self._base.enrolled.url
        carriers = carriers_of(new.uplinks, registry, url)
        await link.reconfigure(Line(carriers, options.metered))
        if old.config.link.proxy_url() != options.proxy_url():
            link.reconnect()
        self._backend.answering.metered = options.metered

    async def _pages(self, found: Differences, new: Loaded) -> None:
        if "web" in found.parts:
            await self._base.clock.sleep(LINGER_S)
        await self._ui.web.reconfigure(
            new.config.web, parts_of(self._base, self._path, self._backend, self._automation)
        )
