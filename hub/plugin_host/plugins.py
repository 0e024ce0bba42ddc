"""The plugins of one hub: from configured instances to supervised coroutines.

Installed is not running: an instance runs when the configuration names it. Plugins of this distribution run in this
process, unless the configuration says `isolation: process`; a third-party plugin runs in a process of its own, unless
it says `isolation: none` explicitly.

Each instance is started, stopped and replaced independently, also while the hub runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from hub.config.instances import ExporterInstance, Instance, NotifierInstance
from hub.config.positions import Finding
from hub.config.validate import validate
from hub.core.clock import Clock
from hub.core.errors import ConfigError, LedElsewhere, PluginError
from hub.core.model import Device
from hub.core.text import Phrase, phrase
from hub.plugin_host import libraries
from hub.plugin_host.about import about
from hub.plugin_host.declared_hosts import texts_of
from hub.plugin_host.error_text import error_text, wrong_options
from hub.plugin_host.exporter_view import LiveView
from hub.plugin_host.manifest import (
    Grants,
    permissions_of,
)
from hub.plugin_host.notifier_queue import NotifierQueue
from hub.plugin_host.pausing import Pauses
from hub.plugin_host.registry import Integration, Plugin, Registry
from hub.plugin_host.runtime import InProcessSession
from hub.plugin_host.session_parts import Core
from hub.plugin_host.supervisor import STOPPED, Health, Supervisor
from hub.sdk.options import Config

if TYPE_CHECKING:
    pass

STOP_S = 5.0

EXPORTER, NOTIFIER, INTEGRATION = "exporter", "notifier", "integration"
Key = tuple[str, str]
"""(EXPORTER, NOTIFIER or INTEGRATION, name)."""


class Group(Protocol):
    """Runs coroutines as tasks, as `asyncio.TaskGroup` does."""

    def create_task(self, coro: Coroutine[Any, Any, None], *, name: str | None = None) -> asyncio.Task[None]: ...


class Plugins:
    """Prepares the configured instances; `health` holds the state of all, `begin` runs them."""

    def __init__(
        self,
        instances: Iterable[Instance],
        registry: Registry,
        core: Core,
        clock: Clock,
        leaves_out: Callable[[Plugin], str] = lambda _: "",
    ) -> None:
        """`leaves_out` says why a plugin does not start with the hub; "" for one that does."""
        self.health: list[Health] = []
        self.pauses = Pauses()
        self._waiting: dict[Key, Supervisor] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._group: Group | None = None
        self._registry = registry
        registry.let_in = set()  # from here on: what has a process of its own is never imported here
        self._core = core
        self._clock = clock
        for instance in instances:
            known = registry.plugins.get(instance.type)
            apart = known is not None and runs_apart(known, instance.isolation)  # which cannot kill the hub
            if instance.enabled and known is not None and not apart and (why := leaves_out(known)):
                self.health.append(
                    Health(
                        name=instance.name,
                        type=instance.type,
                        plugin=instance.type,
                        since=clock.now(),
                        state=STOPPED,
                        error=why,
                    )
                )
            else:
                self.prepare_integration(instance)

    def begin(self, group: Group) -> None:
        """Run the prepared instances in this group, and later ones as soon as they are prepared."""
        self._group = group
        for key in list(self._waiting):
            self._start(key)

    async def stop(self, key: Key) -> None:
        """Stop and remove one instance.

        Raises PluginError when it does not end within STOP_S: it is abandoned then, until the hub restarts.
        """
        self._waiting.pop(key, None)
        self.health[:] = [one for one in self.health if key_of(one) != key]
        task = self._tasks.pop(key, None)
        if task is None or task.done():
            return
        task.cancel()
        await asyncio.wait([task], timeout=STOP_S)
        if not task.done():
            raise PluginError(
                phrase(
                    "plugin-does-not-stop",
                    "{plugin} did not stop within {seconds:.0f} s; only a restart of the hub gets rid of it",
                    plugin=key[1],
                    seconds=STOP_S,
                )
            )

    def _prepared(self, key: Key, supervisor: Supervisor) -> None:
        self._waiting[key] = supervisor
        if self._group is not None:
            self._start(key)

    def _start(self, key: Key) -> None:
        if self._group is None:
            return
        supervisor = self._waiting.pop(key)
        run = self.pauses.run_unless_paused(key, supervisor.run, supervisor.paused)
        self._tasks[key] = self._group.create_task(run, name=key[1])

    def prepare_integration(self, instance: Instance) -> None:
        """Prepare one integration if it is enabled. One that cannot start gives the reason in its health."""
        if not instance.enabled:
            return
        health = Health(name=instance.name, type=instance.type, plugin=instance.type, since=self._clock.now())
        self.health.append(health)
        if runs_apart(self._registry.plugins[instance.type], instance.isolation):
            self._prepare_apart(instance, health)
            return
        try:
            integration, config = load(instance, self._registry)
            libraries.expect(config)
            if not self._registry.plugins[instance.type].shipped:  # the others were validated when they were read
                expect_settings(integration, self._core.devices.of(instance.name))
        except (PluginError, ConfigError) as error:
            # Only this instance fails: the rest of the hub starts without it.
            health.state, health.error = STOPPED, error_text(error)
            return
        supervisor = self.supervise(health, lambda session: integration.run(config, session), self.grants(instance))
        self._prepared((INTEGRATION, instance.name), supervisor)

    def _prepare_apart(self, instance: Instance, health: Health) -> None:
        """Prepare an integration that has a process of its own: nothing of it is imported here."""
        health.apart = True

        async def start(session: InProcessSession) -> None:
            from hub.plugin_host.isolation import runs  # late: a hub without such a plugin needs nothing of it

            await runs.run_integration(instance, self._registry, session, self._core, health)

        self._prepared((INTEGRATION, instance.name), self.supervise(health, start, self.grants(instance)))

    def prepare_exporter(self, exporter: ExporterInstance, view: Callable[[str, Callable[[], None]], LiveView]) -> None:
        """Prepare one exporter. `view` builds its view from its name and the function to call when it got through."""
        health = Health(name=exporter.name, type=EXPORTER, plugin=exporter.name, since=self._clock.now())
        self.health.append(health)
        plugin = self._registry.plugins[exporter.name]
        if runs_apart(plugin, None):
            self._prepare_exporter_apart(exporter, health, view)
            return
        try:
            kind = self._registry.exporter(exporter.name)
            libraries.expect(exporter.config)
        except PluginError as error:
            health.state, health.error = STOPPED, error_text(error)
            return

        async def run() -> None:
            await kind.run(exporter.config, view(exporter.name, supervisor.ready))

        supervisor = Supervisor(health, run, self._clock)
        self._prepared((EXPORTER, exporter.name), supervisor)

    def _prepare_exporter_apart(
        self, exporter: ExporterInstance, health: Health, view: Callable[[str, Callable[[], None]], LiveView]
    ) -> None:
        """Prepare an exporter that has a process of its own."""
        health.apart = True
        if why := shows_nothing(self._registry.plugins[exporter.name]):
            health.state, health.error = STOPPED, why
            return

        async def run() -> None:
            from hub.plugin_host.isolation import runs  # late: as for integrations

            await runs.run_exporter(exporter, self._registry, view(exporter.name, supervisor.ready), health)

        supervisor = Supervisor(health, run, self._clock)
        self._prepared((EXPORTER, exporter.name), supervisor)

    def prepare_notifier(
        self, notifier: NotifierInstance, notices: Callable[[str, Callable[[], None]], NotifierQueue]
    ) -> None:
        """Prepare one notifier. `notices` builds its queue from its name and the function to call when it got
        through."""
        health = Health(name=notifier.name, type=NOTIFIER, plugin=notifier.type, since=self._clock.now())
        self.health.append(health)
        if runs_apart(self._registry.plugins[notifier.type], None):
            self._prepare_notifier_apart(notifier, health, notices)
            return
        try:
            kind = self._registry.notifier(notifier.type)
            libraries.expect(notifier.config)
        except PluginError as error:
            health.state, health.error = STOPPED, error_text(error)
            return

        async def run() -> None:
            await kind.run(notifier.config, notices(notifier.name, supervisor.ready))

        supervisor = Supervisor(health, run, self._clock)
        self._prepared((NOTIFIER, notifier.name), supervisor)

    def about(self, health: Health) -> dict[str, Any]:
        """Return who ships the plugin of an instance, where it runs and what it may do; see `hub.plugin_host.about`."""
        plugin = self._registry.plugins.get(health.plugin)
        return {} if plugin is None else about(plugin, apart=health.apart)

    def _prepare_notifier_apart(
        self, notifier: NotifierInstance, health: Health, notices: Callable[[str, Callable[[], None]], NotifierQueue]
    ) -> None:
        """Prepare a notifier that has a process of its own."""
        health.apart = True

        async def run() -> None:
            from hub.plugin_host.isolation import runs  # late: as for integrations

            await runs.run_notifier(notifier, self._registry, notices(notifier.name, supervisor.ready), health)

        supervisor = Supervisor(health, run, self._clock)
        self._prepared((NOTIFIER, notifier.name), supervisor)

    def grants(self, instance: Instance) -> Grants | None:
        """Return what judges an instance's words; None for a plugin of this distribution."""
        may, devices = permissions_of(self._registry.plugins[instance.type]), self._core.devices
        if may is None:
            return None

        def configured(device: str) -> bool:
            known = devices.get(device)
            return known is not None and known.integration == instance.name

        named = frozenset(texts_of(instance.config.model_dump()))
        return Grants(instance.name, may, configured, self._core.counts.add, named)

    def supervise(
        self, health: Health, start: Callable[[InProcessSession], Awaitable[None]], grants: Grants | None = None
    ) -> Supervisor:
        """Return a supervisor that starts the plugin with a session of its own."""

        async def run() -> None:
            session = InProcessSession(health.name, self._core, supervisor.ready, grants=grants)
            try:
                await start(session)
            except LedElsewhere as error:
                if not error.counted:
                    session.radio.report_decode_error("", error)
                raise

        supervisor = Supervisor(health, run, self._clock)
        return supervisor


def key_of(health: Health) -> Key:
    """Return the key of the instance that a health belongs to."""
    return (health.type if health.type in (EXPORTER, NOTIFIER) else INTEGRATION, health.name)


def runs_apart(plugin: Plugin, isolation: str | None) -> bool:
    """Return whether a plugin has a process of its own: unless the configuration says otherwise, one that this
    distribution does not have."""
    return isolation == "process" or (isolation is None and not plugin.shipped)


def shows_nothing(plugin: Plugin) -> str:
    """Return why an exporter of somebody else may not run, "" when it may: its manifest says what it is shown."""
    if plugin.shipped or plugin.manifest is not None:
        return ""
    return phrase(
        "exporter-without-manifest",
        "{plugin} has no manifest, and an exporter is shown only values of the privacy classes that its manifest names",
        plugin=plugin.title,
    )


def transport_of_others(plugin: Plugin) -> Phrase:
    """Return why a transport of somebody else is not used."""
    return phrase(
        "transport-of-others",
        "{plugin} is a transport that is not part of this distribution, and is not used: it could hold records back, "
        "and would need the hub's own certificate. Sealed records go by https or mqtt",
        plugin=plugin.title,
    )


def load(instance: Instance, registry: Registry) -> tuple[Integration, Any]:
    """Return the integration of an instance and its configuration, validated by the plugin's own model.

    Raises PluginError, also for a third-party plugin that runs in a process of its own, and ConfigError.
    """
    plugin = registry.plugins[instance.type]
    if not plugin.shipped and runs_apart(plugin, instance.isolation):
        raise PluginError(
            phrase("plugin-runs-apart", "{plugin} runs in a process of its own only", plugin=plugin.title)
        )
    if registry.let_in is not None:
        registry.let_in.add(instance.type)
    integration = registry.integration(instance.type)
    if isinstance(instance.config, integration.config):
        return integration, instance.config
    return integration, _validated(integration.config, instance)


def expect_settings(integration: Integration, devices: Iterable[Device]) -> None:
    """Validate the settings of devices by the model that the plugin registered, so that `Device.settings_as` gives
    them. Those of a third-party plugin are known only now that it may be imported.

    Raises ConfigError that names each device and what is wrong.
    """
    if integration.device is None:
        return
    found: list[Finding] = []
    for device in devices:
        where = ("devices", device.id, "settings")
        validate(integration.device, device.settings, where, f"integration {integration.name!r}", found)
    if found:
        raise wrong_options(found)


def _validated(model: type[Config], instance: Instance) -> Any:
    """Validate the options of a third-party plugin by its own model, now that it may be imported."""
    found: list[Finding] = []
    given = instance.config.model_dump(exclude_unset=True)
    where = ("integrations", instance.name)
    config = validate(model, given, where, f"integration {instance.type!r}", found)
    if config is None:
        raise wrong_options(found)
    return config
