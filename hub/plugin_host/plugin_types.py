"""Configuration models of installed plugin types, loaded on demand.

A plugin of this distribution is imported only when the configuration names it. A third-party plugin is never imported
to read a file: its description, made in a child process, says which options it has; their values are checked by its own
models when it starts. A plugin that cannot be loaded accepts any options, so that the rest of the file remains valid
and the rest of the hub runs; its own instance then shows the reason.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from hub.config.instances import Model, Models
from hub.core.errors import PluginError
from hub.core.option_text import CODE, LONGEST, french, is_code, texts_of
from hub.core.text import phrase
from hub.devices.packs.library import Library
from hub.devices.packs.maps import MAPS, filled
from hub.plugin_host.error_text import named_error
from hub.plugin_host.isolation.describe import Description, describe
from hub.plugin_host.registry import Plugin, Registry
from hub.sdk.options import Config

if TYPE_CHECKING:
    from hub.devices.packs.format import PackKeys


_log = logging.getLogger("hub.plugins")


class Unread(Config):
    """Options of a plugin that cannot be loaded: kept unchecked."""

    model_config = ConfigDict(extra="allow", frozen=True)


OUTWARD: Mapping[str, tuple[str, ...]] = {
    "uplink": ("https", "mqtt"),
    "exporter": ("bacnet_server", "homeassistant", "modbus_server", "prometheus"),
    "notifier": ("email", "mqtt_notifier", "sms", "webhook"),
}
"""The types that each plugin in `plugins/` registers, known without importing them all (about 30 MiB); a test compares
the table with what they register. Those in `integrations/` register integrations and are named nowhere but in their
entry points."""

_NOUN = {name: noun for noun, names in OUTWARD.items() for name in names}
_INTEGRATIONS = "integrations."
"""Package of this distribution's integrations, with a dot."""


MOST_OPTIONS = 500
"""Maximum number of options of a third-party plugin."""


class _Lazily(Mapping[str, Any]):
    """A lazy mapping: type → result of `ours` or `theirs`; None means that the plugin has no type of this kind
    (`noun`)."""

    def __init__(
        self, registry: Registry, noun: str, ours: Callable[[str], Any], theirs: Callable[[Description], Any]
    ) -> None:
        self._registry = registry
        self._noun = noun
        self._ours = ours
        self._theirs = theirs
        self._cache: Path | None = None
        self._known: dict[str, Any] = {}

    def within(self, cache: Path | None) -> _Lazily:
        self._cache = cache
        return self

    def _look(self, name: str) -> Any:
        plugin = self._registry.plugins.get(name)
        if plugin is None:
            return None
        if name not in self._known:
            self._known[name] = self._ask(plugin)
        return self._known[name]

    def _ask(self, plugin: Plugin) -> Any:
        if not plugin.shipped:
            try:
                return self._theirs(describe(plugin, self._cache))
            except Exception as error:  # a third-party schema may raise anything in create_model
                _log.warning(
                    phrase(
                        "plugin-options-not-described",
                        "{plugin}: its options cannot be described, they are checked when it starts: {reason}",
                        plugin=plugin.title,
                        reason=named_error(error),
                    )
                )
                return self._theirs(Description(plugin.name, plugin.distribution, plugin.version, error=str(error)))
        try:
            return self._ours(plugin.name)
        except PluginError:
            unknown = "cannot be loaded"  # its own instance shows why
            return self._theirs(Description(plugin.name, plugin.distribution, plugin.version, True, unknown))

    def __getitem__(self, name: str) -> Any:
        found = self._look(name)
        if found is None:
            raise KeyError(name)
        return found

    def __contains__(self, name: object) -> bool:
        plugin = self._registry.plugins.get(name) if isinstance(name, str) else None
        if plugin is None:
            return False
        known = _noun(plugin) if plugin.shipped else ""
        return known == self._noun if known else self._look(plugin.name) is not None

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._registry.plugins if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _noun(plugin: Plugin) -> str:
    """Return the type that a plugin of this distribution registers, "" if only importing it would tell."""
    return "integration" if plugin.entry.value.startswith(_INTEGRATIONS) else _NOUN.get(plugin.name, "")


def installed_models(registry: Registry, cache: Path | None = None, packs: Path | None = None) -> Models:
    """Return the models of everything installed. `cache` holds descriptions of third-party plugins; `packs` the
    installed device packs."""

    library = Library(packs)

    def integration(name: str) -> tuple[Model, Model | None] | None:
        for known in registry.load(name).integrations:
            if known.name == name:
                return known.config, known.device
        return None

    def uplink(name: str) -> Model | None:
        return next((known.config for known in registry.load(name).uplinks if known.name == name), None)

    def exporter(name: str) -> Model | None:
        return next((known.config for known in registry.load(name).exporters if known.name == name), None)

    def notifier(name: str) -> Model | None:
        return next((known.config for known in registry.load(name).notifiers if known.name == name), None)

    def their_integration(text: Description) -> tuple[Model, Model | None] | None:
        if text.error:
            return Unread, Unread
        for known in text.integrations:
            if known.name == text.name:
                device = _outline(known.device_schema) if known.device_schema else None
                return _outline(known.schema), device
        return None

    def their_uplink(text: Description) -> Model | None:
        if text.error:
            return Unread
        return next((_outline(known.schema) for known in text.uplinks if known.name == text.name), None)

    def their_exporter(text: Description) -> Model | None:
        if text.error:
            return Unread
        return next((_outline(known.schema) for known in text.exporters if known.name == text.name), None)

    def their_notifier(text: Description) -> Model | None:
        if text.error:
            return Unread
        return next((_outline(known.schema) for known in text.notifiers if known.name == text.name), None)

    return Models(
        integrations=_Lazily(registry, "integration", integration, their_integration).within(cache),
        uplinks=_Lazily(registry, "uplink", uplink, their_uplink).within(cache),
        exporters=_Lazily(registry, "exporter", exporter, their_exporter).within(cache),
        notifiers=_Lazily(registry, "notifier", notifier, their_notifier).within(cache),
        packs=None if packs is None else _Names(library),
        fill=_PackSettings(library).fill,
        packs_stamp=library.installed,
    )


class _Names(Collection[str]):
    """The names of the packs present now: packs may be installed while the hub runs."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._stamp: object = None
        self._known: list[str] = []

    def _now(self) -> list[str]:
        if (stamp := self._library.installed()) != self._stamp:
            self._stamp, self._known = stamp, self._library.names()
        return self._known

    def __contains__(self, name: object) -> bool:
        return name in self._now()

    def __iter__(self) -> Iterator[str]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())


class _PackSettings:
    """Adds the maps of packs to the settings of their devices; each pack is read once per installation."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._names = _Names(library)
        self._stamp: object = None
        self._keys: dict[str, PackKeys] = {}

    def fill(self, kind: str, pack: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        if kind not in MAPS:
            return given
        if (stamp := self._library.installed()) != self._stamp:
            self._stamp, self._keys = stamp, {}
        if pack not in self._keys and pack not in self._names:
            return given
        if pack not in self._keys:
            self._keys[pack] = self._library.get(pack).keys
        keys = self._keys[pack]
        if keys.protocol != kind:
            raise ValueError(
                phrase(
                    "pack-of-other-protocol",
                    "pack {pack} is for devices of {protocol}, this is one of {integration}",
                    pack=pack,
                    protocol=keys.protocol,
                    integration=kind,
                )
            )
        return filled(kind, keys.part, given)


def part_models(registry: Registry) -> Callable[[str], Model | None]:
    """Return a function: protocol → the model of its packs' maps, by the installed integrations."""

    def look(protocol: str) -> Model | None:
        if protocol not in MAPS:
            return None
        try:
            return registry.integration(protocol).pack
        except PluginError:
            return None

    return look


def _outline(schema: Mapping[str, Any]) -> type[BaseModel]:
    """Build a model from a JSON Schema that knows which options exist and are required, but not their types."""
    if len(schema.get("properties", ())) > MOST_OPTIONS:
        raise ValueError(phrase("plugin-too-many-options", "more than {most} options", most=MOST_OPTIONS))
    if taken := sorted(name for name in schema.get("properties", ()) if hasattr(Config, name)):
        raise ValueError(
            phrase(
                "plugin-option-names-taken",
                "no option can be named {options}: models have that name for something else",
                options=taken,
            )
        )
    required = set(schema.get("required", ()))
    fields: dict[str, Any] = {
        name: (Any, _described(part, ... if name in required else part.get("default")))
        for name, part in dict(schema.get("properties", {})).items()
    }
    made = create_model(str(schema.get("title", "Options")), __base__=Config, __doc__=_text(schema), **fields)
    code, help = str(schema.get(CODE, "")), texts_of(schema).get("help", "")
    made.text_code = code if is_code(code) else "vendor.option-Options"  # never that of an option of the hub
    made.help_fr = "" if is_code(help) else help
    return made


def _described(part: object, default: Any) -> Any:
    """A field with the words that a JSON Schema has for it."""
    said = {name: text for name, text in texts_of(part).items() if not is_code(text)}
    code = part.get(CODE) if isinstance(part, dict) else None
    extra: dict[str, Any] = french(said.get("help", ""), title=said.get("title", "")) if said else {}
    if isinstance(code, str) and is_code(code):
        extra[CODE] = code
    return Field(default=default, description=_text(part), json_schema_extra=extra or None)


def _text(schema: object) -> str | None:
    """The English help of a schema that a third-party plugin gave."""
    said = schema.get("description") if isinstance(schema, dict) else None
    return said[: LONGEST["help"]] if isinstance(said, str) else None
