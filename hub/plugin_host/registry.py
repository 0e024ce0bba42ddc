"""Loads plugins and collects their registrations, one at a time. Installed is not running.

Entry points of group `hub.plugins` are only listed until somebody asks for one: `load` imports it and calls its hooks
through a pluggy manager of its own, so that a failing plugin affects only itself. By convention an entry point has the
name of the type it registers (`modbus` registers "modbus"), so that a type is found without importing every plugin.
"""

from __future__ import annotations

import inspect
import sys
from collections import ChainMap
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

import pluggy

from hub.core.catalogue_domain import domain_of
from hub.core.errors import ConfigError, PluginError
from hub.core.metric_catalogue import METRICS, of_plugin
from hub.core.metric_rules import PRIVACY, clash, expect_metrics
from hub.core.model import Frame, Metric
from hub.core.text import Phrase, phrase, reason_of
from hub.i18n import catalogues
from hub.i18n.reasons import Words, meaning, problem_with, words_of
from hub.plugin_host import entry_points
from hub.plugin_host.error_text import named_error
from hub.plugin_host.manifest import Manifest, Permissions, classed, judged_decoder, permissions_of
from hub.sdk.exporter import RunExporter
from hub.sdk.finding import Finder
from hub.sdk.hookspecs import Decode, Decoder, Explain, Hooks, Listen, Probe, Reasons, Run
from hub.sdk.notification import RunNotifier
from hub.sdk.options import Config
from hub.sdk.sampling import DEFAULT, Sampling
from hub.sdk.session import Access
from hub.sdk.transport import RunTransport

GROUP = "hub.plugins"
DISTRIBUTION = "ilot"


@dataclass(frozen=True, slots=True)
class Integration:
    """A registered integration; see `hub.sdk.hookspecs`."""

    name: str
    plugin: str
    config: type[Config]
    run: Run[Any]
    device: type[Config] | None
    metrics: tuple[Metric, ...]
    probe: Callable[[Any, Access], Awaitable[str]] | None
    listen: Listen[Any] | None = None
    pack: type[Config] | None = None
    sampling: Sampling = DEFAULT
    finder: Finder[Any] | None = None


@dataclass(frozen=True, slots=True)
class UplinkKind:
    """A registered transport; see `hub.sdk.hookspecs`."""

    name: str
    plugin: str
    config: type[Config]
    run: RunTransport[Any]


@dataclass(frozen=True, slots=True)
class ExporterKind:
    """A registered exporter; see `hub.sdk.hookspecs`."""

    name: str
    plugin: str
    config: type[Config]
    run: RunExporter[Any]


@dataclass(frozen=True, slots=True)
class NotifierKind:
    """A registered notifier; see `hub.sdk.hookspecs`."""

    name: str
    plugin: str
    config: type[Config]
    run: RunNotifier[Any]
    per_hour: int | None = None


class Loads(Protocol):
    """The part of `hub.plugin_host.entry_points.Entry` that is needed here."""

    @property
    def value(self) -> str: ...
    def load(self) -> Any: ...


@dataclass(slots=True)
class Plugin:
    """An installed plugin: its origin, and, once loaded, its registrations or the reason why it failed."""

    name: str
    distribution: str
    version: str
    entry: Loads
    loaded: bool = False
    error: str = ""
    integrations: list[Integration] = field(default_factory=list)
    decoders: list[Decoder] = field(default_factory=list)
    uplinks: list[UplinkKind] = field(default_factory=list)
    exporters: list[ExporterKind] = field(default_factory=list)
    notifiers: list[NotifierKind] = field(default_factory=list)
    reasons: dict[str, Words] = field(default_factory=dict)
    metrics: dict[str, Metric] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    """Import path of one that is installed outside the hub's environment: never on that of the core."""
    manifest: Manifest | None = None
    barred: str = ""
    """Why it may not run at all: it is revoked, or damaged; see `Registry.starting`."""
    apart: dict[str, list[Decoder]] = field(default_factory=dict)
    """Decoders in processes of its own, by the instance that has the process."""

    @property
    def shipped(self) -> bool:
        """Part of this distribution, hence imported by the core. Others are described in a child process first."""
        return self.distribution == DISTRIBUTION

    def __str__(self) -> str:
        return str(self.title)

    @property
    def domain(self) -> str:
        """Its catalogue of translations."""
        return domain_of(self.entry.value)

    def bring_reasons(self, reasons: Reasons) -> None:
        """Add words for reasons that it counts, right by `problem_with`."""
        if reasons:
            brought = words_of(reasons, self.domain)
            catalogues.bring({one.code: one.french for one in brought.values() if one.french})
            self.reasons.update(brought)

    def bring_metrics(self, metrics: Iterable[Metric]) -> tuple[Metric, ...]:
        """Add metrics that it registers. Raises PluginError for one that is none, or weakens one of the catalogue."""
        metrics = tuple(metrics)
        expect_metrics(metrics, METRICS)
        if (may := permissions_of(self)) is not None:
            metrics = tuple(classed(metric, may) for metric in metrics)
        metrics = of_plugin(self.domain, *metrics)
        self.metrics.update((metric.key, metric) for metric in metrics)
        return metrics

    @property
    def title(self) -> Phrase:
        """The plugin with its distribution, for sentences."""
        return phrase(
            "plugin-of-distribution",
            "plugin {name!r} ({distribution} {version})",
            name=self.name,
            distribution=self.distribution,
            version=self.version,
        )


class Registry:
    """The installed plugins by name. Nothing is imported before `load`."""

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        """Index plugins by name. Of two with one name the shipped one counts, else the first; `hidden` are the
        others."""
        self.plugins: dict[str, Plugin] = {}
        self.hidden: list[Plugin] = []
        self.let_in: set[str] | None = None
        """In a hub: the plugins of others that may be imported, by name. None: all, in a process that runs none."""
        self.starting: Callable[[Plugin, str], str] = lambda plugin, instance: plugin.barred
        """Asked before an instance starts in a process of its own: why it may not, "" when it may. Blocking."""
        self.add(plugins)

    def add(self, plugins: Iterable[Plugin]) -> None:
        """Index more plugins."""
        for plugin in plugins:
            known = self.plugins.get(plugin.name)
            if known is None or (plugin.paths and known.paths):  # installed apart: perhaps another version of it
                self.plugins[plugin.name] = plugin
            elif plugin.shipped and not known.shipped:
                self.plugins[plugin.name] = plugin
                self.hidden.append(known)
            elif not plugin.paths or plugin.name not in [one.name for one in self.hidden if one.paths]:
                self.hidden.append(plugin)

    @classmethod
    def discover(cls) -> Registry:
        """Read the entry points of every installed distribution."""
        return cls(map(_plugin_of, entry_points.installed(GROUP)))

    def permissions(self, name: str) -> Permissions | None:
        """Return what the plugin of this name may do; None without limits of this kind, or without such a plugin."""
        plugin = self.plugins.get(name)
        return None if plugin is None else permissions_of(plugin)

    def modules(self) -> dict[str, str]:
        """Return plugin → name of its module."""
        return {name: plugin.entry.value.partition(":")[0] for name, plugin in self.plugins.items()}

    def load(self, name: str) -> Plugin:
        """Import one plugin and collect its registrations. Raises PluginError, then and at every later call."""
        try:
            plugin = self.plugins[name]
        except KeyError:
            raise PluginError(
                phrase(
                    "plugin-not-installed",
                    "no plugin {name!r} is installed; installed: {installed}",
                    name=name,
                    installed=list(self.plugins),
                )
            ) from None
        if self.let_in is not None and not plugin.shipped and name not in self.let_in:
            raise PluginError(
                phrase("plugin-runs-apart", "{plugin} runs in a process of its own only", plugin=plugin.title)
            )
        if not plugin.loaded:
            plugin.loaded = True
            try:
                _expect_importable(plugin)
                _register(plugin)
                self._expect_own_names(plugin)
            except (Exception, SystemExit) as error:  # third-party code may raise anything at import or in a hook
                plugin.error = named_error(error)
                plugin.integrations, plugin.decoders, plugin.uplinks = [], [], []
                plugin.exporters, plugin.notifiers, plugin.reasons, plugin.metrics = [], [], {}, {}
                raise _not_loaded(plugin) from error
        if plugin.error:
            raise _not_loaded(plugin)
        return plugin

    def integration(self, name: str) -> Integration:
        """Return the integration of that type. Raises PluginError when no plugin of that name registers it."""
        for integration in self.load(name).integrations:
            if integration.name == name:
                return integration
        raise PluginError(
            phrase(
                "plugin-registers-no-integration",
                "{plugin} registers no integration {name!r}",
                plugin=self.plugins[name].title,
                name=name,
            )
        )

    def uplink(self, name: str) -> UplinkKind:
        """Return the transport of that type. Raises PluginError when no plugin of that name registers it."""
        for uplink in self.load(name).uplinks:
            if uplink.name == name:
                return uplink
        raise PluginError(
            phrase(
                "plugin-registers-no-uplink",
                "{plugin} registers no uplink {name!r}",
                plugin=self.plugins[name].title,
                name=name,
            )
        )

    def exporter(self, name: str) -> ExporterKind:
        """Return the exporter of that type. Raises PluginError when no plugin of that name registers it."""
        for exporter in self.load(name).exporters:
            if exporter.name == name:
                return exporter
        raise PluginError(
            phrase(
                "plugin-registers-no-exporter",
                "{plugin} registers no exporter {name!r}",
                plugin=self.plugins[name].title,
                name=name,
            )
        )

    def notifier(self, name: str) -> NotifierKind:
        """Return the notifier of that type. Raises PluginError when no plugin of that name registers it."""
        for notifier in self.load(name).notifiers:
            if notifier.name == name:
                return notifier
        raise PluginError(
            phrase(
                "plugin-registers-no-notifier",
                "{plugin} registers no notifier {name!r}",
                plugin=self.plugins[name].title,
                name=name,
            )
        )

    def decoders(self, kind: str) -> list[Decoder]:
        """Return the decoders for one kind of frame among the plugins loaded so far; those of other processes, of which
        one of a name counts, come last."""
        here = [d for plugin in self.plugins.values() for d in plugin.decoders if d.kind == kind]
        apart = (d for plugin in self.plugins.values() for some in plugin.apart.values() for d in some)
        return [*here, *{(d.plugin, d.name): d for d in apart if d.kind == kind}.values()]

    def metrics(self) -> dict[str, Metric]:
        """Return the metrics that loaded plugins add to the catalogue, by key. Of two with one name it is that which
        protects people more, else that of this distribution; a device's own plugin has its own (`metrics_of`)."""
        merged: dict[str, Metric] = {}
        for plugin in sorted(self.plugins.values(), key=lambda one: not one.shipped):
            for key, metric in plugin.metrics.items():
                known = merged.get(key)
                if known is None or PRIVACY.index(metric.privacy) > PRIVACY.index(known.privacy):
                    merged[key] = metric
        return merged

    def metrics_of(self, name: str) -> Mapping[str, Metric]:
        """Return the metrics that the plugin of this name registers, none before it is loaded."""
        plugin = self.plugins.get(name)
        return plugin.metrics if plugin is not None else {}

    def _expect_own_names(self, plugin: Plugin) -> None:
        """Raise PluginError when a plugin of another distribution takes the name of another's metric for another
        quantity, or a less protected one."""
        for other in self.plugins.values() if not plugin.shipped else ():
            for key in plugin.metrics.keys() & other.metrics.keys() if other is not plugin else ():
                if wrong := clash(plugin.metrics[key], other.metrics[key], other.title):
                    raise PluginError(wrong)

    def meaning(self, reason: str, type_: str = "") -> Phrase | None:
        """Return what a reason means, counted by an integration of this type; None if unknown."""
        own = self.plugins[type_].reasons if type_ in self.plugins else {}
        shipped_first = sorted(self.plugins.values(), key=lambda plugin: not plugin.shipped)
        return meaning(reason, own, ChainMap(*(one.reasons for one in shipped_first if one.reasons)))


def _plugin_of(entry: entry_points.Entry) -> Plugin:
    plugin = Plugin(entry.name, entry.distribution, entry.version, entry)
    if not plugin.shipped:
        from hub.plugin_host.manifest_file import manifest_of_module  # late: most hubs have no such plugin

        try:
            plugin.manifest = manifest_of_module(entry.value)
        except ConfigError as error:
            plugin.barred = reason_of(error)
    return plugin


def _not_loaded(plugin: Plugin) -> PluginError:
    return PluginError(
        phrase(
            "plugin-cannot-be-loaded",
            "{plugin} cannot be loaded: {reason}",
            plugin=plugin.title,
            reason=plugin.error,
        )
    )


def _expect_importable(plugin: Plugin) -> None:
    """Raise PluginError for one that may not be imported in this process."""
    if plugin.barred:
        raise PluginError(plugin.barred)
    if not set(plugin.paths) <= set(sys.path):
        raise PluginError(phrase("plugin-installed-apart", "it is installed apart: it runs in its own process alone"))


def _register(plugin: Plugin) -> None:
    manager = pluggy.PluginManager("hub")
    manager.add_hookspecs(Hooks)
    module = plugin.entry.load()
    if getattr(module, "__path__", None) and getattr(module, "__file__", "") is None:
        raise PluginError(
            phrase(
                "directory-hides-module",
                "{directory} is a mere directory and hides the module: rename it",
                directory=next(iter(module.__path__)),
            )
        )
    manager.register(module, plugin.name)
    manager.check_pending()

    def integration(
        name: str,
        config: type[Config],
        run: Run[Any],
        *,
        device: type[Config] | None = None,
        metrics: Iterable[Metric] = (),
        probe: Probe[Any] | None = None,
        listen: Listen[Any] | None = None,
        pack: type[Config] | None = None,
        reasons: Reasons = MappingProxyType({}),
        sampling: Sampling = DEFAULT,
        finder: Finder[Any] | None = None,
    ) -> None:
        _expect_config(name, config)
        _expect_reasons(name, reasons)
        _expect_sampling(name, sampling)
        _expect_finder(name, finder, config, device)
        plugin.bring_reasons(reasons)
        plugin.integrations.append(
            Integration(
                name,
                plugin.name,
                config,
                run,
                device,
                plugin.bring_metrics(metrics),
                None if probe is None else _with_access(probe),
                listen,
                pack,
                sampling,
                finder,
            )
        )

    def decoder(
        name: str,
        kind: str,
        decode: Decode,
        *,
        metrics: Iterable[Metric] = (),
        line: Callable[[dict[str, Any]], Frame] | None = None,
        explain: Explain | None = None,
        reasons: Reasons = MappingProxyType({}),
    ) -> None:
        _expect_reasons(name, reasons)
        plugin.bring_reasons(reasons)
        if (may := permissions_of(plugin)) is not None:
            decode = judged_decoder(decode, plugin.name, may)
        plugin.decoders.append(Decoder(name, plugin.name, kind, decode, plugin.bring_metrics(metrics), line, explain))

    def uplink(name: str, config: type[Config], run: RunTransport[Any]) -> None:
        _expect_config(name, config)
        plugin.uplinks.append(UplinkKind(name, plugin.name, config, run))

    def exporter(name: str, config: type[Config], run: RunExporter[Any]) -> None:
        _expect_config(name, config)
        plugin.exporters.append(ExporterKind(name, plugin.name, config, run))

    def notifier(name: str, config: type[Config], run: RunNotifier[Any], *, per_hour: int | None = None) -> None:
        _expect_config(name, config)
        plugin.notifiers.append(NotifierKind(name, plugin.name, config, run, per_hour))

    manager.hook.register_integrations(register=integration)
    manager.hook.register_decoders(register=decoder)
    manager.hook.register_transports(register=uplink)
    manager.hook.register_uplinks(register=uplink)
    manager.hook.register_exporters(register=exporter)
    manager.hook.register_notifiers(register=notifier)
    if not any((plugin.integrations, plugin.decoders, plugin.uplinks, plugin.exporters, plugin.notifiers)):
        raise PluginError(
            phrase(
                "plugin-registers-nothing",
                "it registers nothing: does its hook bear @hub.hookimpl, and one of the names of hub.sdk.hookspecs?",
            )
        )


def _with_access(probe: Any) -> Callable[[Any, Access], Awaitable[str]]:
    """Return a probe in the form with two parameters."""
    try:
        needed = [one for one in inspect.signature(probe).parameters.values() if one.default is one.empty]
    except (TypeError, ValueError):  # a callable that does not say
        needed = []
    if len(needed) > 1:
        return probe  # type: ignore[no-any-return]

    async def asked(config: Any, access: Access) -> str:
        return await probe(config)  # type: ignore[no-any-return]

    return asked


def _expect_config(name: str, config: object) -> None:
    if not (isinstance(config, type) and issubclass(config, Config)):
        raise PluginError(
            phrase(
                "register-without-config",
                "register({name!r}, …): the second argument must be a subclass of hub.Config",
                name=name,
            )
        )


def _expect_reasons(name: str, said: Reasons) -> None:
    if complaint := problem_with(said):
        raise PluginError(
            phrase("register-with-bad-reasons", "register({name!r}, …): {reason}", name=name, reason=complaint)
        )


def _expect_sampling(name: str, said: object) -> None:
    if not isinstance(said, Sampling):
        raise PluginError(
            phrase(
                "register-without-sampling",
                "register({name!r}, …): `sampling` is a hub.sdk.sampling.Sampling",
                name=name,
            )
        )
    if complaint := problem_with({said.reason: said.why}):
        raise PluginError(
            phrase(
                "register-with-bad-sampling", "register({name!r}, …): `sampling`: {reason}", name=name, reason=complaint
            )
        )


def _expect_finder(name: str, finder: object, config: type[Config], device: type[Config] | None) -> None:
    if finder is None:
        return
    if not isinstance(finder, Finder):
        raise PluginError(
            phrase("register-without-finder", "register({name!r}, …): `finder` is a hub.sdk.finding.Finder", name=name)
        )
    if complaint := finder.wrong(config, device):
        raise PluginError(
            phrase("register-with-bad-finder", "register({name!r}, …): `finder`: {reason}", name=name, reason=complaint)
        )
