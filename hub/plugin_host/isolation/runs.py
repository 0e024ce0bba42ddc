"""What runs in a process of its own, and how it is started from a configured instance."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hub.core.errors import PluginError
from hub.core.text import phrase
from hub.i18n.reasons import problem_with
from hub.plugin_host.isolation import launch, wire
from hub.plugin_host.isolation.calls import Say
from hub.plugin_host.isolation.host import Host
from hub.plugin_host.isolation.served import SessionServed
from hub.plugin_host.isolation.served_exporter import ViewServed
from hub.plugin_host.isolation.served_notices import NoticesServed
from hub.plugin_host.manifest import permissions_of

if TYPE_CHECKING:
    from hub.config.instances import ExporterInstance, Instance, NotifierInstance
    from hub.plugin_host.exporter_view import LiveView
    from hub.plugin_host.notifier_queue import NotifierQueue
    from hub.plugin_host.registry import Plugin, Registry
    from hub.plugin_host.runtime import InProcessSession
    from hub.plugin_host.session_parts import Core
    from hub.plugin_host.supervisor import Health


async def run_integration(
    instance: Instance, registry: Registry, session: InProcessSession, core: Core, health: Health
) -> None:
    """Run an integration in a process of its own, to its end."""
    plugin = await _startable(registry, instance.type, instance.name)
    served: list[SessionServed] = []

    def serves(say: Say) -> SessionServed:
        served.append(SessionServed(session, core, plugin, say))
        return served[0]

    def loaded(said: wire.Loaded) -> None:
        bring(plugin, said)
        if said.decoders:
            plugin.apart[instance.name] = served[0].decoders.made(said.decoders)
        core.pipeline.recompile()

    host = Host(
        spec_of(instance.name, plugin),
        start_of("integration", instance.name, instance.type, plugin, instance.config),
        serves,
        loaded=loaded,
        uses=uses_in(health),
        launch=launch.launched,
    )
    try:
        await host.run()
    finally:
        plugin.apart.pop(instance.name, None)


async def run_notifier(notifier: NotifierInstance, registry: Registry, queue: NotifierQueue, health: Health) -> None:
    """Run a notifier in a process of its own, to its end."""
    name = f"notifier.{notifier.name}"
    plugin = await _startable(registry, notifier.type, name)
    host = Host(
        spec_of(name, plugin),
        start_of("notifier", notifier.name, notifier.type, plugin, notifier.config),
        lambda say: NoticesServed(queue, say),
        loaded=lambda said: bring(plugin, said),
        uses=uses_in(health),
        launch=launch.launched,
    )
    await host.run()


async def run_exporter(exporter: ExporterInstance, registry: Registry, view: LiveView, health: Health) -> None:
    """Run an exporter in a process of its own, to its end."""
    name = f"exporter.{exporter.name}"
    plugin = await _startable(registry, exporter.name, name)
    host = Host(
        spec_of(name, plugin),
        start_of("exporter", exporter.name, exporter.name, plugin, exporter.config),
        lambda say: ViewServed(view, permissions_of(plugin), say),
        loaded=lambda said: bring(plugin, said),
        uses=uses_in(health),
        launch=launch.launched,
    )
    await host.run()


async def _startable(registry: Registry, registered: str, instance: str) -> Plugin:
    """Return the plugin of a type. Raises PluginError where it may not start, which is asked at each start anew."""
    plugin = registry.plugins[registered]
    if why := await asyncio.to_thread(registry.starting, plugin, instance):
        raise PluginError(why)
    return plugin


def spec_of(instance: str, plugin: Plugin) -> launch.Spec:
    """Return how the process of a plugin is started: one of this distribution as before, only apart."""
    paths = launch.import_path(plugin.paths)
    return launch.Spec(instance, plugin.name, paths, not plugin.shipped, direct_network=plugin.shipped)


def start_of(kind: str, name: str, registered: str, plugin: Plugin, config: Any) -> wire.Start:
    """Return what a process is told first. The options are checked there, by the plugin's own model."""
    return wire.Start(
        kind=kind,
        name=name,
        registered=registered,
        plugin=plugin.name,
        entry=plugin.entry.value,
        distribution=plugin.distribution,
        version=plugin.version,
        given=config.model_dump(exclude_unset=True),
        manifest=plugin.manifest,
    )


def bring(plugin: Plugin, said: wire.Loaded) -> None:
    """Add what a plugin registered in its process. Raises PluginError for what is wrong in it."""
    reasons = {
        key: (words[0], words[1]) if len(words) > 1 else words[0] for key, words in said.reasons.items() if words
    }
    if complaint := problem_with(reasons):
        raise PluginError(
            phrase("register-with-bad-reasons", "register({name!r}, …): {reason}", name=plugin.name, reason=complaint)
        )
    plugin.bring_reasons(reasons)
    plugin.bring_metrics(said.metrics)


def uses_in(health: Health) -> Callable[[int, int], None]:
    """Return what keeps the use of a process in a plugin's health."""

    def keep(processor: int, memory: int) -> None:
        health.cpu_s, health.memory = processor / 1e6, memory

    return keep
