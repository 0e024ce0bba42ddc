"""The plugins of one hub: from configured instances to supervised coroutines.

Installed is not running: an instance runs when the configuration names it. What this distribution ships runs in this
process; a stranger's plugin runs only where the configuration says `isolation: none` in so many words.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from hub.clock import Clock
from hub.config.build import ExporterInstance, Instance, NotifierInstance
from hub.config.positions import Finding
from hub.config.validate import validate
from hub.egress import Host
from hub.errors import ConfigError, PluginError
from hub.exporting import LiveView
from hub.hookspecs import Config
from hub.notifying import OwnNotices
from hub.registry import Integration, Registry
from hub.runtime import Core, InProcessSession
from hub.supervisor import STOPPED, Health, Supervisor

_PORTS = {"http": 80, "https": 443, "esphome": 6053}


class Plugins:
    """Prepares the configured instances; `starts` are the supervisors to run, `health` what to show of all."""

    def __init__(self, instances: list[Instance], registry: Registry, core: Core, clock: Clock) -> None:
        self.health: list[Health] = []
        self.starts: list[Supervisor] = []
        self._registry = registry
        self._core = core
        self._clock = clock
        for instance in instances:
            if instance.enabled:
                self._prepare(instance)

    def _prepare(self, instance: Instance) -> None:
        health = Health(name=instance.name, type=instance.type, since=self._clock.now())
        self.health.append(health)
        try:
            integration, config = load(instance, self._registry)
        except (PluginError, ConfigError) as error:
            # Only itself: the rest of the hub starts without it.
            health.state, health.error = STOPPED, str(error)
            return
        self.starts.append(self.supervise(health, lambda session: integration.run(config, session)))

    def export(self, exporter: ExporterInstance, view: Callable[[str, Callable[[], None]], LiveView]) -> None:
        """Prepare one exporter: it runs like an integration, and sees only. `view` makes what it sees, given its name
        and what to call when it got through."""
        health = Health(name=exporter.name, type="exporter", since=self._clock.now())
        self.health.append(health)
        try:
            if not self._registry.plugins[exporter.name].shipped:
                raise PluginError(f"{self._registry.plugins[exporter.name]} is not part of this distribution")
            kind = self._registry.exporter(exporter.name)
        except PluginError as error:
            health.state, health.error = STOPPED, str(error)
            return

        async def run() -> None:
            await kind.run(exporter.config, view(exporter.name, supervisor.ready))

        supervisor = Supervisor(health, run, self._clock)
        self.starts.append(supervisor)

    def notify(self, notifier: NotifierInstance, notices: Callable[[str, Callable[[], None]], OwnNotices]) -> None:
        """Prepare one notifier. `notices` makes what it is handed, given its name and what to call when it got
        through."""
        health = Health(name=notifier.name, type="notifier", since=self._clock.now())
        self.health.append(health)
        try:
            if not self._registry.plugins[notifier.type].shipped:
                raise PluginError(f"{self._registry.plugins[notifier.type]} is not part of this distribution")
            kind = self._registry.notifier(notifier.type)
        except PluginError as error:
            health.state, health.error = STOPPED, str(error)
            return

        async def run() -> None:
            await kind.run(notifier.config, notices(notifier.name, supervisor.ready))

        supervisor = Supervisor(health, run, self._clock)
        self.starts.append(supervisor)

    def supervise(self, health: Health, start: Callable[[InProcessSession], Awaitable[None]]) -> Supervisor:
        """A supervisor that starts the plugin with a session of its own."""

        async def run() -> None:
            await start(InProcessSession(health.name, self._core, supervisor.ready))

        supervisor = Supervisor(health, run, self._clock)
        return supervisor


def load(instance: Instance, registry: Registry) -> tuple[Integration, Any]:
    """The integration of an instance and its configuration, read by the plugin's own model. Raises PluginError, also
    for a stranger that nobody allowed to run in this process, and ConfigError."""
    plugin = registry.plugins[instance.type]
    if not plugin.shipped and instance.isolation != "none":
        raise PluginError(
            f"{plugin} is not part of this distribution; it runs only in the hub's own process, with all the "
            f"hub's rights. If you accept that, set integrations.{instance.name}.isolation: none"
        )
    integration = registry.integration(instance.type)
    if isinstance(instance.config, integration.config):
        return integration, instance.config
    return integration, _validated(integration.config, instance)


def declared_hosts(instances: Iterable[Instance | NotifierInstance]) -> list[Host]:
    """The hosts that the configuration names in plugins' options: what `Session.http` may call beside the owner's.
    A plain http:// address is one the operator wrote in so many words."""
    hosts = []
    for instance in instances:
        for text in _texts(instance.config.model_dump()):
            parts = urlsplit(text)
            if parts.scheme in _PORTS and parts.hostname:
                port = parts.port or _PORTS[parts.scheme]
                hosts.append(Host(host=parts.hostname, port=port, plain=parts.scheme == "http"))
    return hosts


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple | set):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, str) or type(value).__name__ in ("HttpUrl", "AnyUrl", "Url"):
        yield str(value)


def _validated(model: type[Config], instance: Instance) -> Any:
    """The options of a stranger's plugin, judged by its own model now that it may be imported."""
    found: list[Finding] = []
    given = instance.config.model_dump(exclude_unset=True)
    where = ("integrations", instance.name)
    config = validate(model, given, where, f"integration {instance.type!r}", found)
    if config is None:
        raise ConfigError("; ".join(f"{'.'.join(map(str, one.path))}: {one.message}" for one in found))
    return config
