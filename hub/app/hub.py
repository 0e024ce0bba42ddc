"""The process of one hub: starts it, runs it until a signal, and stops it in order.

Start: lock, keys, trust, configuration, store, buffer (recovery), link, plugins.
Stop (SIGTERM): plugins, the last commit, acks until a deadline, link, buffer, store.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

import msgspec

from hub.app.automation import AutomationServices, build_automation
from hub.app.backend_link import BackendServices, build_backend_link
from hub.app.base_services import BaseServices, build_base_services
from hub.app.config_events import ConfigEvents
from hub.app.crash_notes import CrashNotes, SafeMode
from hub.app.crisis import CrisisServices, build_crisis
from hub.app.factory import FactoryReset
from hub.app.history import HistoryServices, build_history
from hub.app.incidents import IncidentServices, build_incident_services
from hub.app.installed_plugins import InstalledPlugins
from hub.app.plugin_restart import PluginRestart
from hub.app.plugin_tasks import PluginTasks, cancel
from hub.app.plugins import FieldServices, build_field_services
from hub.app.privacy import PrivacyServices, build_privacy
from hub.app.reading_path import ReadingPath, build_reading_path
from hub.app.reload import ConfigReload
from hub.app.service import Service, calls, run_coroutines, status_of
from hub.app.shutdown import Part, close_all
from hub.app.starting import configured
from hub.app.user_interfaces import UiServices, build_user_interfaces
from hub.config import last_good
from hub.config.instances import Models
from hub.config.load import Loaded
from hub.config.state_dir import state_of
from hub.core.calls import Call
from hub.core.disk.retry import once_the_disk_works
from hub.core.errors import HubError
from hub.core.request_log import RequestLog
from hub.core.service_manager import ServiceManager
from hub.core.state_dir import StateDir
from hub.core.text import phrase
from hub.devices.packs import Library
from hub.identity import keys
from hub.operations.concentrator.service import Concentrator
from hub.operations.concentrator.watch import Machine
from hub.operations.config_changes import ConfigChanger, RunningHub
from hub.operations.doctor.examination import Examination
from hub.plugin_host.finding import Finding, Here
from hub.plugin_host.lent_access import Lender
from hub.plugin_host.opening import installed_in
from hub.plugin_host.registry import Registry
from hub.plugin_host.stall_watch import StallWatch
from hub.rpc import control_socket

_log = logging.getLogger("hub")

PLUGIN_STOP_S = 5.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Start options of a hub process. `state_dir` None: as configured. `drain_s`: seconds that a stopping hub waits for
    acknowledgements. `traces`: arm the timer of the stall watch, of which a process has one."""

    config: FilePath
    state_dir: FilePath | None = None
    drain_s: float = 10.0
    traces: bool = False


async def serve(
    settings: Settings,
    registry: Registry,
    ready: Callable[[dict[str, Any]], None],
    manager: ServiceManager | None = None,
) -> dict[str, Any]:
    """Run one enrolled hub until SIGTERM or SIGINT and return the closing figures.

    `manager` is told what it does. `ready` is called once with the facts a supervisor needs. Raises HubError when it
    cannot start.
    """
    state = StateDir(state_of(settings.config, settings.state_dir))
    with state.locked():
        models = installed_in(state, registry, cache=True).models
        hub_keys = keys.load(state.keys)
        loaded, problems, undone = await configured(settings.config, models, state, hub_keys)
        notes = CrashNotes(state.path)
        try:
            hub = await Hub.build(state, hub_keys, loaded, problems, undone, registry, models, notes.begin())
            hub.stalls.traces, hub.stalls.suspects = settings.traces, notes.suspect
            closing = await hub.run(settings.drain_s, lambda: ready(dict(hub.facts)), manager or ServiceManager({}))
        except HubError:  # it cannot start, and says why: no death
            notes.end()
            raise
        notes.end()
        return closing


class Hub:
    """The parts of one hub, built and wired. Call `build`, then `run` once."""

    def __init__(
        self,
        base: BaseServices,
        path: ReadingPath,
        field: FieldServices,
        automation: AutomationServices,
        backend: BackendServices,
        privacy_services: PrivacyServices,
        history_services: HistoryServices,
        crisis_services: CrisisServices,
    ) -> None:
        self.base, self.path, self.field, self.automation, self.backend = base, path, field, automation, backend
        self.privacy_services, self.history_services, self.crisis_services = (
            privacy_services,
            history_services,
            crisis_services,
        )
        self.ui: UiServices = build_user_interfaces(
            base,
            path,
            field,
            backend,
            automation,
            told=lambda: status_of(self.services),
            calls=self.calls,
        )
        self.stalls = StallWatch(base.registry.modules, base.clock.now)
        self.incidents: IncidentServices = build_incident_services(
            base, field, automation, backend, self.ui.web, self.stalls
        )
        history_services.calls = lambda: calls(self.services)
        reloading = ConfigReload(
            base,
            path,
            field,
            automation,
            backend,
            self.ui,
            history_services,
            privacy_services,
            self.incidents,
            crisis_services,
        )
        self.restarting = PluginRestart(
            field.plugins.health, reloading.again, lambda who, what: base.store.audit(base.clock.now(), who, what)
        )
        self.installed = InstalledPlugins(base)
        self.configured = ConfigEvents(base)
        self.changing = ConfigChanger(
            base.loaded,
            base.problems,
            kept=last_good.LastGoodStore(base.state.path, base.keys.store_key),
            models=base.models,
            clock=base.clock,
            hub=RunningHub(reloading, reloading.stands, self.configured.audit, backend.keeper.changed),
            said=base.undone,
        )
        self.concentrator = Concentrator(
            Machine(),
            lambda: base.loaded,
            radio=field.radio.call,
            apply=self.changing.calls()["config.apply"],
            audit=lambda who, what: base.store.audit(base.clock.now(), who, what),
        )
        self.finding = Finding(
            Here(
                registry=base.registry,
                models=base.models,
                library=Library(base.state.packs),
                devices=path.devices,
                buses=field.buses,
                lender=Lender(base.registry, field.egress),
                loaded=lambda: base.loaded,
                held=crisis_services.held,
                audit=lambda who, what: base.store.audit(base.clock.now(), who, what),
            )
        )
        self.examination = Examination(
            base.loaded.path, base.state.path, lambda: crisis_services.crisis.state.isolated, base.clock
        )
        book, site = automation.alert_engine.book, base.loaded.config.hub.site
        self.factory = FactoryReset(base.state, base.store, book, self.ui.web, base.clock, site=site)
        state = base.state
        self.facts = {"hub": base.enrolled.hub, "state_dir": str(state.path), "socket": str(state.socket)}

    @classmethod
    async def build(
        cls,
        state: StateDir,
        hub_keys: keys.HubKeys,
        loaded: Loaded,
        problems: list[str],
        undone: str,
        registry: Registry,
        models: Models,
        safe: SafeMode | None = None,
    ) -> Hub:
        """Open everything that outlives the process and wire the parts. Starts nothing.

        `undone`: the sentence of a configuration change taken back at the start. `safe`: which plugins are left out.
        """
        base = await build_base_services(state, hub_keys, loaded, problems, undone, registry, models)
        path = await build_reading_path(base, lambda device: automation.stands_s(device))  # noqa: PLW0108 - it is made below
        field = await build_field_services(base, path, safe)
        automation = await build_automation(base, path, field)
        backend = await build_backend_link(base, field, automation)
        history_services = await build_history(base, path, automation)
        privacy_services = await build_privacy(base, path, field, backend, history_services)

        async def ask(name: str) -> Any:
            return await hub.calls()[name]({})

        crisis_services = await build_crisis(
            base, path, field, automation, backend, ask
        )  # before anything communicates
        hub = cls(base, path, field, automation, backend, privacy_services, history_services, crisis_services)
        await once_the_disk_works(hub.configured.begin, base.clock.sleep)
        return hub

    @property
    def services(self) -> list[Service]:
        """All parts that run, have a status or have calls."""
        groups = (
            self.base,
            self.field,
            self.automation,
            self.backend,
            self.privacy_services,
            self.history_services,
            self.crisis_services,
            self.ui,
            self.incidents,
        )
        found = [service for group in groups for service in group.services]
        return [
            *found, Service(self.changing, "config"), Service(self.restarting), Service(self.concentrator),
            Service(self.finding), Service(self.examination), Service(self.factory), Service(self.stalls, "stalls"),
            Service(self.installed),
        ]  # fmt: skip

    def calls(self) -> dict[str, Call]:
        """Return all calls of the hub, as the crisis mode allows them."""
        return self.crisis_services.guarded(calls(self.services))

    async def run(self, drain_s: float, ready: Callable[[], None], manager: ServiceManager) -> dict[str, Any]:
        """Run until a signal, then stop in order. Returns the closing figures."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(RequestLog(logging.getLogger("asyncio")).uncaught)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)

        def hang_up() -> None:
            manager.reloading()
            self.changing.hang_up().add_done_callback(lambda _: manager.reloaded())

        loop.add_signal_handler(signal.SIGHUP, hang_up)
        base, services = self.base, self.services
        base.buffer.start(
            loop, [self.ui.overview.count_durable, self.backend.link.durable, self.incidents.witness.committed]
        )
        _log.addHandler(base.logs)
        plugin_tasks = PluginTasks()
        try:
            async with (
                self.field.packs,
                control_socket.serving(base.state.socket, self.calls()),
                asyncio.TaskGroup() as group,
            ):
                working = [group.create_task(work) for work in (*run_coroutines(services), manager.feed())]
                working.append(group.create_task(plugin_tasks.failure()))
                self.field.plugins.begin(plugin_tasks)
                ready()
                working.append(group.create_task(self._in_service(manager)))
                await stop.wait()
                manager.stopping()
                _log.info(
                    phrase(
                        "hub-is-stopping",
                        "stopping: first the plugins, then the last commit, then at most {drain_s:.0f} s of waiting "
                        "for acks",
                        drain_s=drain_s,
                    )
                )
                await plugin_tasks.stop(PLUGIN_STOP_S)
                await self.backend.link.drain(drain_s)  # commits first, then waits for its acks
                await cancel(working, PLUGIN_STOP_S)
        finally:
            await plugin_tasks.stop(PLUGIN_STOP_S)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)
            error = await self._close()
        status = self.ui.overview.status()
        return {
            "hub": self.facts["hub"],
            "reports": status["reports"],
            "readings": status["readings"],
            "acked": status["link"]["acked"],
            "buffered": status["buffer"]["readings"],
            "error": error,
            "left_behind": plugin_tasks.left,
        }

    async def _in_service(self, manager: ServiceManager) -> None:
        """Tell the manager once the pages answer: the buffer is open by then. Pages that cannot be served, of a port
        that another program holds for instance, keep no reading from its way."""
        await self.ui.web.settled()
        manager.ready(phrase("hub-in-service", "{hub} is in service", hub=self.facts["hub"]))

    async def _close(self) -> str:
        """Close everything that outlives the process; returns what could not be written, "" if everything was."""
        _log.removeHandler(self.base.logs)
        return await close_all(
            [
                Part(phrase("readings-not-written", "readings in memory could not be written"), self.base.buffer.close),
                Part(
                    phrase("connections-not-closed", "connections did not close"), self.field.http.close, writes=False
                ),
                Part(phrase("lines-not-closed", "lines did not close"), self.field.buses.close, writes=False),
                Part(
                    phrase("commands-not-written", "the outcomes of commands could not be written"),
                    self.field.commands.flush,
                ),
                Part(
                    phrase("commissioning-not-written", "the devices heard by commissioning could not be written"),
                    self.ui.adoption.flush,
                ),
                Part(
                    phrase("hours-not-written", "the hourly aggregates could not be written"),
                    self.history_services.hours.close,
                ),
                Part(phrase("store-not-closed", "the store could not be closed"), self.base.store.close),
            ]
        )
