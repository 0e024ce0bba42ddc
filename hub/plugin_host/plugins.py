"""The plugins of one hub: from configured instances to supervised coroutines.

Installed is not running: an instance runs when the configuration names it. Plugins of this distribution run in this
process; a third-party plugin runs only where the configuration says `isolation: none` explicitly.

Each instance is started, stopped and replaced independently, also while the hub runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from hub.config.instances import ExporterInstance, Instance, NotifierInstance
from hub.config.positions import Finding
from hub.config.validate import validate
from hub.core.clock import Clock
from hub.core.errors import ConfigError, LedElsewhere, PluginError
from hub.core.model import Device
from hub.core.text import phrase
from hub.plugin_host.error_text import error_text, wrong_options
from hub.plugin_host.exporter_view import LiveView
from hub.plugin_host.notifier_queue import NotifierQueue
from hub.plugin_host.pausing import Pauses
from hub.plugin_host.registry import Integration, Plugin, Registry
from hub.plugin_host.runtime import InProcessSession
from hub.plugin_host.session_parts import Core
from hub.plugin_host.supervisor import STOPPED, Health, Supervisor
from hub.sdk.options import Config
from hub.store_and_forward.egress import Host

_PORTS = {"http": 80, "https": 443, "esphome": 6053}
STOP_S = 5.0

EXPORTER, NOTIFIER, INTEGRATION = "exporter", "notifier", "integration"
Key = tuple[str, str]
"""(EXPORTER, NOTIFIER or INTEGRATION, name)."""


class Plugins:
    """Prepares the configured instances; `health` holds the state of all, `begin` runs them."""

    def __init__(self, instances: Iterable[Instance], registry: Registry, core: Core, clock: Clock) -> None:
        self.health: list[Health] = []
        self.pauses = Pauses()
        self._waiting: dict[Key, Supervisor] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._registry = registry
        self._core = core
        self._clock = clock
        for instance in instances:
            self.prepare_integration(instance)

    def begin(self, group: asyncio.TaskGroup) -> None:
        """Run the prepared instances in this group, and later ones as soon as they are prepared."""
        self._group = group
        for key in list(self._waiting):
            self._start(key)

    def tasks(self) -> list[asyncio.Task[None]]:
        """Return the running tasks."""
        return [task for task in self._tasks.values() if not task.done()]

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
        health = Health(name=instance.name, type=instance.type, since=self._clock.now())
        self.health.append(health)
        try:
            integration, config = load(instance, self._registry)
            if not self._registry.plugins[instance.type].shipped:  # the others were validated when they were read
                expect_settings(integration, self._core.devices.of(instance.name))
        except (PluginError, ConfigError) as error:
            # Only this instance fails: the rest of the hub starts without it.
            health.state, health.error = STOPPED, error_text(error)
            return
        supervisor = self.supervise(health, lambda session: integration.run(config, session))
        self._prepared((INTEGRATION, instance.name), supervisor)

    def prepare_exporter(self, exporter: ExporterInstance, view: Callable[[str, Callable[[], None]], LiveView]) -> None:
        """Prepare one exporter. `view` builds its view from its name and the function to call when it got through."""
        health = Health(name=exporter.name, type=EXPORTER, since=self._clock.now())
        self.health.append(health)
        try:
            if not self._registry.plugins[exporter.name].shipped:
                raise PluginError(
                    phrase(
                        "plugin-not-of-this-distribution",
                        "{plugin} is not part of this distribution",
                        plugin=self._registry.plugins[exporter.name].title,
                    )
                )
            kind = self._registry.exporter(exporter.name)
        except PluginError as error:
            health.state, health.error = STOPPED, error_text(error)
            return

        async def run() -> None:
            await kind.run(exporter.config, view(exporter.name, supervisor.ready))

        supervisor = Supervisor(health, run, self._clock)
        self._prepared((EXPORTER, exporter.name), supervisor)

    def prepare_notifier(
        self, notifier: NotifierInstance, notices: Callable[[str, Callable[[], None]], NotifierQueue]
    ) -> None:
        """Prepare one notifier. `notices` builds its queue from its name and the function to call when it got
        through."""
        health = Health(name=notifier.name, type=NOTIFIER, since=self._clock.now())
        self.health.append(health)
        try:
            if not self._registry.plugins[notifier.type].shipped:
                raise PluginError(
                    phrase(
                        "plugin-not-of-this-distribution",
                        "{plugin} is not part of this distribution",
                        plugin=self._registry.plugins[notifier.type].title,
                    )
                )
            kind = self._registry.notifier(notifier.type)
        except PluginError as error:
            health.state, health.error = STOPPED, error_text(error)
            return

        async def run() -> None:
            await kind.run(notifier.config, notices(notifier.name, supervisor.ready))

        supervisor = Supervisor(health, run, self._clock)
        self._prepared((NOTIFIER, notifier.name), supervisor)

    def supervise(self, health: Health, start: Callable[[InProcessSession], Awaitable[None]]) -> Supervisor:
        """Return a supervisor that starts the plugin with a session of its own."""

        async def run() -> None:
            session = InProcessSession(health.name, self._core, supervisor.ready)
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


def refusal(plugin: Plugin, instance: Instance) -> str:
    """Return why an instance of a third-party plugin may not run, "" if it may."""
    if plugin.shipped or instance.isolation == "none":
        return ""
    return phrase(
        "plugin-needs-isolation-none",
        "{plugin} is not part of this distribution; it runs only in the hub's own process, with all the hub's rights. "
        "If you accept that, set integrations.{instance}.isolation: none",
        plugin=plugin.title,
        instance=instance.name,
    )


def load(instance: Instance, registry: Registry) -> tuple[Integration, Any]:
    """Return the integration of an instance and its configuration, validated by the plugin's own model.

    Raises PluginError, also for a third-party plugin not allowed to run in this process, and ConfigError.
    """
    plugin = registry.plugins[instance.type]
    if why := refusal(plugin, instance):
        raise PluginError(why)
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


def declared_hosts(instances: Iterable[Instance | NotifierInstance]) -> list[Host]:
    """Return the hosts named in plugins' options, each for its plugin: what its `Session.http` may call.

    A plain http:// address is one the operator wrote explicitly.
    """
    hosts = []
    for instance in instances:
        whose = instance.name if isinstance(instance, Instance) else notifiers(instance.name)
        for text in _texts(instance.config.model_dump()):
            try:
                parts = urlsplit(text)
                port = parts.port or _PORTS.get(parts.scheme)
            except ValueError:  # text that merely begins like an address
                continue
            if port is not None and parts.scheme in _PORTS and parts.hostname:
                hosts.append(Host(host=parts.hostname, port=port, plain=parts.scheme == "http", whose=whose))
    return hosts


def notifiers(name: str) -> str:
    """Return the name under which a notifier calls hosts: an integration may have the same name, but without a dot."""
    return f"notifier.{name}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple | set):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, str) or type(value).__name__ in ("HttpUrl", "AnyUrl", "Url"):
        yield str(value)


def _validated(model: type[Config], instance: Instance) -> Any:
    """Validate the options of a third-party plugin by its own model, now that it may be imported."""
    found: list[Finding] = []
    given = instance.config.model_dump(exclude_unset=True)
    where = ("integrations", instance.name)
    config = validate(model, given, where, f"integration {instance.type!r}", found)
    if config is None:
        raise wrong_options(found)
    return config
