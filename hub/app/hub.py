"""The process of one hub: starts it, runs it until a signal, and stops it in order.

Start: lock, keys, trust, configuration, store, buffer (recovery), link, plugins.
Stop (SIGTERM): plugins, the last commit, acks until a deadline, link, buffer, store.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

import msgspec

from hub.app.automation import AutomationServices, build_automation
from hub.app.backend_link import BackendServices, build_backend_link
from hub.app.base_services import BaseServices, build_base_services
from hub.app.config_events import ConfigEvents
from hub.app.crisis import CrisisServices, build_crisis
from hub.app.history import HistoryServices, build_history
from hub.app.incidents import IncidentServices, build_incident_services
from hub.app.plugin_restart import PluginRestart
from hub.app.plugins import FieldServices, build_field_services
from hub.app.privacy import PrivacyServices, build_privacy
from hub.app.reading_path import ReadingPath, build_reading_path
from hub.app.reload import ConfigReload
from hub.app.service import Service, calls, run_coroutines, status_of
from hub.app.shutdown import Part, close_all
from hub.app.user_interfaces import UiServices, build_user_interfaces
from hub.config import history, last_good
from hub.config.instances import Models
from hub.config.load import Loaded
from hub.config.state_dir import state_of
from hub.core.calls import Call
from hub.core.disk.retry import once_the_disk_works
from hub.core.errors import HubError, StorageError
from hub.core.request_log import RequestLog
from hub.core.state_dir import StateDir
from hub.core.text import phrase, reason_of
from hub.identity import keys
from hub.operations.config_changes import ConfigChanger, RunningHub
from hub.plugin_host.opening import installed_in
from hub.plugin_host.registry import Registry
from hub.rpc import control_socket

_log = logging.getLogger("hub")

PLUGIN_STOP_S = 5.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Start options of a hub process. `state_dir` None: as configured. `drain_s`: seconds that a stopping hub waits for
    acknowledgements."""

    config: FilePath
    state_dir: FilePath | None = None
    drain_s: float = 10.0


async def serve(settings: Settings, registry: Registry, ready: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Run one hub until SIGTERM or SIGINT and return the closing figures.

    `ready` is called once with the facts a supervisor needs. Raises HubError when it cannot start.
    """
    state = StateDir(state_of(settings.config, settings.state_dir))
    with state.locked():
        models = installed_in(state, registry, cache=True).models
        hub_keys = keys.load(state.keys)
        kept = last_good.LastGoodStore(state.path, hub_keys.store_key)
        undone = await asyncio.to_thread(_undo, kept)
        bearing = replace(models, packs=None)  # a missing pack affects its devices only, not the start
        started = await asyncio.to_thread(last_good.start, settings.config, bearing, kept=kept)
        problems = [problem.sentence for problem in started.problems]
        for problem in started.problems:  # only the location: logs are stored in clear, and the text names devices
            _log.error(
                phrase(
                    "config-problem-at",
                    "configuration: {file}:{line}:{column} is wrong",
                    file=problem.file,
                    line=problem.line,
                    column=problem.column,
                )
            )
        if problems:
            _log.error(
                phrase(
                    "last-good-config-runs",
                    "the last good configuration runs; `ilot check` shows what is wrong in the file",
                )
            )
        else:
            try:
                await asyncio.to_thread(last_good.remember, kept, started.loaded)
            except StorageError as error:  # not fatal: the file itself is valid
                _log.error(reason_of(error))
        hub = await Hub.build(state, hub_keys, started.loaded, problems, undone, registry, models)
        return await hub.run(settings.drain_s, lambda: ready(dict(hub.facts)))


def _undo(kept: last_good.LastGoodStore) -> str:
    """Take back a configuration change that was not confirmed before the former run ended; returns a sentence about
    it."""
    try:
        said = history.undo(kept, time.time())
    except HubError as error:
        said = phrase(
            "config-change-not-undone",
            "a change of the configuration could not be taken back: {reason}",
            reason=reason_of(error),
        )
    if said:
        _log.warning(
            phrase(
                "config-change-interrupted",
                "a change of the configuration was under way when the hub ended; `ilot config log` shows it",
            )
        )
    return said


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
        self.incidents: IncidentServices = build_incident_services(base, field, automation, backend, self.ui.web)
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
    ) -> Hub:
        """Open everything that outlives the process and wire the parts. Starts nothing.

        `undone`: the sentence of a configuration change taken back at the start.
        """
        base = await build_base_services(state, hub_keys, loaded, problems, undone, registry, models)
        path = await build_reading_path(base, lambda device: automation.stands_s(device))  # noqa: PLW0108 - it is made below
        field = await build_field_services(base, path)
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
        return [*found, Service(self.changing, "config"), Service(self.restarting)]

    def calls(self) -> dict[str, Call]:
        """Return all calls of the hub, as the crisis mode allows them."""
        return self.crisis_services.guarded(calls(self.services))

    async def run(self, drain_s: float, ready: Callable[[], None]) -> dict[str, Any]:
        """Run until a signal, then stop in order. Returns the closing figures."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(RequestLog(logging.getLogger("asyncio")).uncaught)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, self.changing.hang_up)
        base, services = self.base, self.services
        base.buffer.start(
            loop, [self.ui.overview.count_durable, self.backend.link.durable, self.incidents.witness.committed]
        )
        _log.addHandler(base.logs)
        try:
            async with (
                self.field.packs,
                control_socket.serving(base.state.socket, self.calls()),
                asyncio.TaskGroup() as group,
            ):
                working = [group.create_task(work) for work in run_coroutines(services)]
                self.field.plugins.begin(group)
                ready()
                await stop.wait()
                _log.info(
                    phrase(
                        "hub-is-stopping",
                        "stopping: first the plugins, then the last commit, then at most {drain_s:.0f} s of waiting "
                        "for acks",
                        drain_s=drain_s,
                    )
                )
                await _cancel(self.field.plugins.tasks(), PLUGIN_STOP_S)
                await self.backend.link.drain(drain_s)  # commits first, then waits for its acks
                await _cancel(working, PLUGIN_STOP_S)
        finally:
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
        }

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


async def _cancel(tasks: list[asyncio.Task[None]], seconds: float) -> None:
    """Cancel tasks and wait; those that do not end in time are logged and abandoned."""
    for task in tasks:
        task.cancel()
    if tasks:
        _, hanging = await asyncio.wait(tasks, timeout=seconds)
        for task in hanging:
            _log.error(
                phrase(
                    "task-did-not-stop",
                    "{task} did not stop within {seconds:.0f} s",
                    task=task.get_name(),
                    seconds=seconds,
                )
            )
