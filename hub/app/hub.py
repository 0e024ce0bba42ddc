"""One hub: started, run until a signal says stop, and stopped in order.

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

from hub.app.automation import Watch, build_watch
from hub.app.backend_link import Outward, build_outward
from hub.app.base_services import BaseServices, build_ground
from hub.app.config_events import Configured
from hub.app.crisis import Emergency, build_crisis
from hub.app.history import Measured, build_measured
from hub.app.incidents import IncidentServices, build_vigil
from hub.app.plugin_restart import Restarting
from hub.app.plugins import Field, build_field
from hub.app.privacy import Protect, build_protect
from hub.app.reading_path import Path, build_path
from hub.app.reload import Reloading
from hub.app.service import Service, answers, calls, works
from hub.app.shutdown import Part, close_all
from hub.app.user_interfaces import UiServices, build_shown
from hub.config import history, last_good
from hub.config.instances import Models
from hub.config.load import Loaded
from hub.config.state_dir import state_of
from hub.core.calls import Call
from hub.core.disk.retry import once_the_disk_works
from hub.core.errors import HubError, StorageError
from hub.core.state_dir import StateDir
from hub.identity import keys
from hub.operations.config_changes import ConfigChanger
from hub.plugin_host.plugin_types import installed_models
from hub.plugin_host.registry import Registry
from hub.rpc import control_socket

_log = logging.getLogger("hub")

PLUGIN_STOP_S = 5.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How one hub process is started. `state_dir` None: what the configuration says. `drain_s` is how long a
    stopping hub waits for acknowledgements."""

    config: FilePath
    state_dir: FilePath | None = None
    drain_s: float = 10.0


async def serve(settings: Settings, registry: Registry, ready: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Run one hub until SIGTERM or SIGINT. `ready` is called once with what a supervisor wants to know; returns
    the closing figures. Raises HubError when it cannot start."""
    state = StateDir(state_of(settings.config, settings.state_dir))
    with state.locked():
        models = installed_models(registry, state.path / "cache", state.packs)
        hub_keys = keys.load(state.keys)
        kept = last_good.LastGoodStore(state.path, hub_keys.store_key)
        undone = await asyncio.to_thread(_undo, kept)
        bearing = replace(models, packs=None)  # a pack that is gone costs its devices, not this start
        started = await asyncio.to_thread(last_good.start, settings.config, bearing, kept=kept)
        problems = [str(problem) for problem in started.problems]
        for problem in started.problems:  # where, not what: a log is kept in clear, and the text names devices
            _log.error("configuration: %s:%d:%d is wrong", problem.file, problem.line, problem.column)
        if problems:
            _log.error("the last good configuration runs; `ilot check` shows what is wrong in the file")
        else:
            try:
                await asyncio.to_thread(last_good.remember, kept, started.loaded)
            except StorageError as error:  # it runs all the same: what is on file is good
                _log.error("%s", error)
        hub = await Hub.build(state, hub_keys, started.loaded, problems, registry, models, undone)
        return await hub.run(settings.drain_s, lambda: ready(dict(hub.facts)))


def _undo(kept: last_good.LastGoodStore) -> str:
    """A change of the configuration that nobody kept before the former life ended is taken back."""
    try:
        said = history.undo(kept, time.time())
    except HubError as error:
        said = f"a change of the configuration could not be taken back: {error}"
    if said:
        _log.warning("a change of the configuration was under way when the hub ended; `ilot config log` shows it")
    return said


class Hub:
    """The parts of one hub, built and wired. `build`, then `run` once."""

    def __init__(
        self,
        ground: BaseServices,
        path: Path,
        field: Field,
        watch: Watch,
        outward: Outward,
        protect: Protect,
        measured: Measured,
        emergency: Emergency,
        undone: str = "",
    ) -> None:
        self.ground, self.path, self.field, self.watch, self.outward = ground, path, field, watch, outward
        self.protect, self.measured, self.emergency = protect, measured, emergency
        self.shown: UiServices = build_shown(
            ground,
            path,
            field,
            outward,
            watch,
            told=lambda: answers(self.services),
            calls=self.calls,
        )
        self.vigil: IncidentServices = build_vigil(ground, field, watch, outward, self.shown.web)
        measured.calls = lambda: calls(self.services)
        reloading = Reloading(ground, path, field, watch, outward, self.shown, measured, protect, self.vigil, emergency)
        self.restarting = Restarting(
            field.plugins.health, reloading.again, lambda who, what: ground.store.audit(ground.clock.now(), who, what)
        )
        self.configured = Configured(ground)
        self.changing = ConfigChanger(
            ground.loaded,
            ground.problems,
            kept=last_good.LastGoodStore(ground.state.path, ground.keys.store_key),
            models=ground.models,
            clock=ground.clock,
            reload=reloading,
            stands=reloading.stands,
            audit=self.configured.audit,
            changed=outward.keeper.changed,
            said=undone,
        )
        state = ground.state
        self.facts = {"hub": ground.enrolled.hub, "state_dir": str(state.path), "socket": str(state.socket)}

    @classmethod
    async def build(
        cls,
        state: StateDir,
        hub_keys: keys.HubKeys,
        loaded: Loaded,
        problems: list[str],
        registry: Registry,
        models: Models,
        undone: str = "",
    ) -> Hub:
        """Open everything that outlives the process and wire the parts. Starts nothing. `undone`: what the start took
        back of the configuration."""
        ground = await build_ground(state, hub_keys, loaded, problems, registry, models)
        path = await build_path(ground, lambda device: watch.stands_s(device))  # noqa: PLW0108 - it is made below
        field = await build_field(ground, path)
        watch = await build_watch(ground, path, field)
        outward = await build_outward(ground, field, watch)
        measured = await build_measured(ground, path, watch)
        protect = await build_protect(ground, path, field, outward, measured)

        async def ask(name: str) -> Any:
            return await hub.calls()[name]({})

        emergency = await build_crisis(ground, path, field, watch, outward, ask)  # before anything speaks
        hub = cls(ground, path, field, watch, outward, protect, measured, emergency, undone)
        await once_the_disk_works(hub.configured.begin, ground.clock.sleep)
        return hub

    @property
    def services(self) -> list[Service]:
        """Every part that runs, answers for itself or is called."""
        groups = (
            self.ground, self.field, self.watch, self.outward, self.protect, self.measured, self.emergency,
            self.shown, self.vigil,
        )  # fmt: skip
        found = [service for group in groups for service in group.services]
        return [*found, Service(self.changing, "config"), Service(self.restarting)]

    def calls(self) -> dict[str, Call]:
        """All of the hub's calls, as the state of crisis allows them."""
        return self.emergency.guarded(calls(self.services))

    async def run(self, drain_s: float, ready: Callable[[], None]) -> dict[str, Any]:
        """Run until a signal says stop; then stop in order. Returns the closing figures."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, self.changing.hang_up)
        ground, services = self.ground, self.services
        ground.buffer.start(
            loop, [self.shown.overview.count_durable, self.outward.link.durable, self.vigil.witness.committed]
        )
        _log.addHandler(ground.logs)
        try:
            async with (
                self.field.packs,
                control_socket.serving(ground.state.socket, self.calls()),
                asyncio.TaskGroup() as group,
            ):
                working = [group.create_task(work) for work in works(services)]
                self.field.plugins.begin(group)
                ready()
                await stop.wait()
                _log.info("stopping: plugins, then the last commit, then acks for at most %.0f s", drain_s)
                await _cancel(self.field.plugins.tasks(), PLUGIN_STOP_S)
                await self.outward.link.drain(drain_s)  # the last commit first, then its acks
                await _cancel(working, PLUGIN_STOP_S)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)
            error = await self._close()
        status = self.shown.overview.status()
        return {
            "hub": self.facts["hub"],
            "reports": status["reports"],
            "readings": status["readings"],
            "acked": status["link"]["acked"],
            "buffered": status["buffer"]["readings"],
            "error": error,
        }

    async def _close(self) -> str:
        """Close what outlives the process; what could not be written, empty when all was."""
        _log.removeHandler(self.ground.logs)
        return await close_all(
            [
                Part("readings in memory could not be written", self.ground.buffer.close),
                Part("connections did not close", self.field.http.close, writes=False),
                Part("lines did not close", self.field.buses.close, writes=False),
                Part("what came of commands could not be written", self.field.desk.flush),
                Part("what commissioning heard could not be written", self.shown.adoption.flush),
                Part("the hours could not be written", self.measured.hours.close),
                Part("the store could not be closed", self.ground.store.close),
            ]
        )


async def _cancel(tasks: list[asyncio.Task[None]], seconds: float) -> None:
    """Cancel and wait; a plugin that does not let go within its time is named and left behind."""
    for task in tasks:
        task.cancel()
    if tasks:
        _, hanging = await asyncio.wait(tasks, timeout=seconds)
        for task in hanging:
            _log.error("%s did not stop within %.0f s", task.get_name(), seconds)
