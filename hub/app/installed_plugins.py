"""Plugins that are installed apart, in a running hub: what may start, what is new, and whose state goes."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from hub.app.base_services import BaseServices
from hub.core.calls import Call
from hub.core.errors import HubError
from hub.core.text import phrase, reason_of, system_error
from hub.plugin_host.declared_hosts import exporters, notifiers
from hub.plugin_host.registry import Plugin

if TYPE_CHECKING:
    from hub.operations.plugins.offers import Here
    from hub.operations.plugins.service import PluginInstallation

_log = logging.getLogger("hub")
HANDED_OVER = (
    "plugin.list", "plugin.begin", "plugin.offered", "plugin.install", "plugin.discard", "plugin.remove",
    "plugin.index",
)  # fmt: skip


class InstalledPlugins:
    """Says at each start of an instance whether it may start, by the configuration as it is then."""

    def __init__(self, base: BaseServices) -> None:
        self._base = base
        self._installation: PluginInstallation | None = None
        base.registry.starting = self._starting

    def calls(self) -> dict[str, Call]:
        return {"plugins.reload": self._reload, **{name: partial(self._handed_over, name) for name in HANDED_OVER}}

    async def _handed_over(self, name: str, arguments: dict[str, Any]) -> Any:
        """Answer a call of `hub.operations.plugins.service`, which most hubs never need."""
        if self._installation is None:
            from hub.operations.plugins.service import PluginInstallation

            base = self._base
            self._installation = PluginInstallation(
                base.state.path,
                self._here,
                lambda: self._reload({}),
                self._used_by,
                lambda who, what: base.store.audit(base.clock.now(), who, what),
            )
        return await self._installation.calls()[name](arguments)

    def _here(self) -> Here:
        from hub.operations.plugins.offers import Here

        base = self._base
        names = frozenset(name for name, one in base.registry.plugins.items() if not one.paths)
        return Here(base.state.plugins, base.loaded.config.plugins, names, base.clock.now())

    def _used_by(self, name: str) -> list[str]:
        """Return the instances of the configuration that are of a plugin."""
        loaded = self._base.loaded
        types = [(one.name, one.type) for one in loaded.integrations]
        types += [(one.name, one.type) for one in loaded.notifiers]
        types += [(one.name, one.name) for one in loaded.exporters]
        return [instance for instance, kind in types if kind == name or kind.startswith(f"{name}_")]

    async def run(self) -> None:
        """Remove the small state of instances of removed plugins, where that was asked for; then there is nothing more
        to do. An instance that is configured again keeps it."""
        if not self._base.state.plugins.is_dir():
            return
        from hub.plugin_host.installed import forgotten

        buffer, loaded = self._base.buffer, self._base.loaded
        used = {one.name for one in loaded.integrations} | {notifiers(one.name) for one in loaded.notifiers}
        used |= {exporters(one.name) for one in loaded.exporters}
        for note, names in (await asyncio.to_thread(forgotten, self._base.state.plugins)).items():
            gone = tuple(f"state/{name}/" for name in names if name not in used)
            for key in [key for key in buffer.local if key.startswith(gone)]:
                buffer.put_local(key, None)
            try:
                await buffer.flush()
                await asyncio.to_thread(note.unlink)
            except (OSError, HubError) as error:  # the next start does it
                _log.warning(phrase("plugin-state-note-stays", "the small state of {instances} is not removed yet: "
                                    "{reason}", instances=names, reason=reason_of(error)))  # fmt: skip

    def _starting(self, plugin: Plugin, instance: str) -> str:
        if not plugin.paths:
            return plugin.barred
        from hub.plugin_host.installed import barred_now, note_instance  # late: most hubs have none

        try:
            if instance:  # a search on a line that is not configured has none, and leaves nothing
                note_instance(plugin, instance)
        except OSError as error:
            _log.warning(phrase("plugin-instance-not-noted", "{plugin}: {instance} cannot be noted: {reason}",
                                plugin=plugin.title, instance=instance, reason=system_error(error)))  # fmt: skip
        return barred_now(plugin, self._base.state.plugins, self._base.loaded.config.plugins)

    async def _reload(self, arguments: dict[str, Any]) -> Any:
        """Answer `plugins.reload`: know what is installed now. What runs goes on with what it has."""
        from hub.plugin_host.installed import installed_plugins

        found = await asyncio.to_thread(lambda: list(installed_plugins(self._base.state.plugins)))
        self._base.registry.add(found)
        gone = {name for name, one in self._base.registry.plugins.items() if one.paths} - {one.name for one in found}
        for name in gone:
            del self._base.registry.plugins[name]
        return {"plugins": sorted(one.name for one in found)}
