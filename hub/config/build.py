"""Data and the plugins' models → a configuration, or findings. Pure but for the secrets it is given.

Everything wrong is found in one pass: each section, instance, uplink and device is validated for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from pydantic import BaseModel, SecretStr

from hub.config import shapes
from hub.config.check import references, twins, unknown_packs
from hub.config.devices import InstanceKeys, Perimeter, Report
from hub.config.devices import Writable as Bounds
from hub.config.energy import built as built_meter
from hub.config.energy import check_energy
from hub.config.model import Core, Position
from hub.config.notifiers import NotifierKeys
from hub.config.positions import Finding, Path, quoted
from hub.config.privacycheck import check_privacy
from hub.config.pulse import built
from hub.config.rulecheck import check_rules
from hub.config.sentences import nearest, one_of
from hub.config.validate import validate
from hub.errors import ConfigError
from hub.model import Device, Place, Strategy, Writable
from hub.model import Position as PlacePosition

Model = type[BaseModel]

CORE_KEYS = frozenset(InstanceKeys.model_fields)
NOTIFIER_KEYS = frozenset(NotifierKeys.model_fields)
"""Keys of an instance that are the core's: no plugin's Config may have an option of these names."""


@dataclass(frozen=True, slots=True)
class Models:
    """What is installed. `integrations`: type → (its Config, the model of its devices' settings or None);
    `uplinks`, `exporters`, `notifiers`: type → its Config; `packs`: names of device packs, None where nobody asks;
    `fill`: type, pack and settings of a device → its settings with what its pack adds, ValueError or ConfigError when
    that cannot be; `packs_stamp`: another value when a pack is another (blocking)."""

    integrations: Mapping[str, tuple[Model, Model | None]] = field(default_factory=dict)
    uplinks: Mapping[str, Model] = field(default_factory=dict)
    exporters: Mapping[str, Model] = field(default_factory=dict)
    notifiers: Mapping[str, Model] = field(default_factory=dict)
    packs: Collection[str] | None = None
    fill: Callable[[str, str, Mapping[str, Any]], Mapping[str, Any]] | None = None
    packs_stamp: Callable[[], Hashable] = lambda: None

    def settings(self, kind: str, pack: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The settings of a device of that type, with what its pack adds. Raises ValueError with a sentence."""
        if self.fill is None or not pack:
            return given
        try:
            return self.fill(kind, pack, given)
        except ConfigError as error:
            raise ValueError(f"pack {pack}: {error.problems[0]}") from error


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """One integration to run. `isolation` is None where the file leaves it to the hub."""

    name: str
    type: str
    config: Any
    enabled: bool = True
    isolation: str | None = None
    perimeter: Perimeter | None = None
    report: dict[str, Strategy] = {}

    def __repr__(self) -> str:
        return f"Instance(name={self.name!r}, type={self.type!r}, enabled={self.enabled})"


class UplinkInstance(msgspec.Struct, frozen=True, kw_only=True):
    """One transport to run."""

    name: str
    config: Any

    def __repr__(self) -> str:
        return f"UplinkInstance(name={self.name!r})"


class ExporterInstance(msgspec.Struct, frozen=True, kw_only=True):
    """One exporter to run."""

    name: str
    config: Any

    def __repr__(self) -> str:
        return f"ExporterInstance(name={self.name!r})"


class NotifierInstance(msgspec.Struct, frozen=True, kw_only=True):
    """One notifier to run. `keys` are the hub's own options of it."""

    name: str
    type: str
    config: Any
    keys: NotifierKeys

    def __repr__(self) -> str:
        return f"NotifierInstance(name={self.name!r})"


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """A whole configuration, typed."""

    config: Core
    integrations: list[Instance]
    uplinks: list[UplinkInstance]
    exporters: list[ExporterInstance]
    notifiers: list[NotifierInstance]
    devices: list[Device]
    places: list[Place]


def build(data: Any, models: Models, broken: set[Path]) -> tuple[Built | None, list[Finding]]:
    """The configuration and no findings, or None and all of them. `data` has Secrets in the place of references;
    what is wrong at a `broken` path or below it is known already and left out."""
    if data is None:
        data = {}
    if not isinstance(data, dict):
        return None, [Finding((), f"expected a mapping: lines of 'key: value'; this is {quoted(data)}")]
    found: list[Finding] = []
    core = validate(Core, _core_data(data), (), "the configuration", found)
    instances = _instances("integration", data, _Configs(models.integrations), CORE_KEYS, found)
    uplinks = _by_type("uplink", ("link", "uplinks"), data, models.uplinks, found)
    exporters = _by_type("exporter", ("exporters",), data, models.exporters, found)
    notifiers = _instances("notifier", data, models.notifiers, NOTIFIER_KEYS, found)
    settings = _settings(data, models, found)
    keys = _keys(data, found)
    found += [*references(data, broken), *twins(data.get("devices"))]
    if models.packs is not None:
        found += unknown_packs(data.get("devices"), models.packs)
    if core is not None:
        found += [*check_rules(core), *check_privacy(core), *check_energy(core)]
    found = [one for one in found if not any(one.path[: len(path)] == path for path in broken)]
    if found or core is None:
        return None, found
    places = {name: _place(name, core) for name in core.places}
    devices = [
        Device(
            id=name, integration=entry.integration, place=entry.place, model=entry.model, name=entry.name,
            key=keys.get(name), settings=settings.get(name, {}), pack=entry.pack or "",
            writable={metric: _writable(bounds) for metric, bounds in entry.writable.items()},
            report=strategies(entry.report),
        )
        for name, entry in core.devices.items()
    ]  # fmt: skip
    kept = [
        Instance(
            name=name, type=keys_of.type or name, config=instances[name], enabled=keys_of.enabled,
            isolation=keys_of.isolation, perimeter=keys_of.perimeter, report=strategies(keys_of.report),
        )
        for name, keys_of in core.integrations.items()
        if name in instances
    ]  # fmt: skip
    built = Built(
        config=core, integrations=kept, devices=devices, places=list(places.values()),
        uplinks=[UplinkInstance(name=name, config=config) for name, config in uplinks.items()],
        exporters=[ExporterInstance(name=name, config=config) for name, config in exporters.items()],
        notifiers=[
            NotifierInstance(name=name, type=keys_of.type or name, config=notifiers[name], keys=keys_of)
            for name, keys_of in core.notifiers.items()
            if name in notifiers and keys_of.enabled
        ],
    )  # fmt: skip
    return built, []


def _core_data(data: dict[str, Any]) -> dict[str, Any]:
    """The file without what belongs to plugins."""
    core = dict(data)
    for section, keys in (("integrations", CORE_KEYS), ("notifiers", NOTIFIER_KEYS)):
        if isinstance(core.get(section), dict):
            core[section] = {name: _only_core(entry, keys) for name, entry in core[section].items()}
    if isinstance(core.get("devices"), dict):
        core["devices"] = {name: _without(entry, "settings") for name, entry in core["devices"].items()}
    if isinstance(core.get("link"), dict) and isinstance(core["link"].get("uplinks"), dict):
        core["link"] = {**core["link"], "uplinks": _names_only(core["link"]["uplinks"])}
    if isinstance(core.get("exporters"), dict):
        core["exporters"] = _names_only(core["exporters"])
    return core


def _names_only(section: dict[str, Any]) -> dict[str, Any]:
    return {name: {} if isinstance(entry, dict) or entry is None else entry for name, entry in section.items()}


def _only_core(entry: Any, keys: frozenset[str]) -> Any:
    return {key: value for key, value in entry.items() if key in keys} if isinstance(entry, dict) else entry


def _without(entry: Any, key: str) -> Any:
    """An entry without its plugin's part; what is not a mapping there stays, to be found wrong."""
    if isinstance(entry, dict) and isinstance(entry.get(key), dict):
        return {name: value for name, value in entry.items() if name != key}
    return entry


class _Configs(Mapping[str, Model]):
    """The models of instances alone. Each is looked at when it is asked for: that imports its integration."""

    def __init__(self, integrations: Mapping[str, tuple[Model, Model | None]]) -> None:
        self._integrations = integrations

    def __getitem__(self, kind: str) -> Model:
        return self._integrations[kind][0]

    def __contains__(self, kind: object) -> bool:
        return kind in self._integrations

    def __iter__(self) -> Iterator[str]:
        return iter(self._integrations)

    def __len__(self) -> int:
        return len(self._integrations)


def _instances(
    noun: str, data: dict[str, Any], models: Mapping[str, Model], core_keys: frozenset[str], found: list[Finding]
) -> dict[str, BaseModel]:
    """Of `integrations` or `notifiers`: instances that are of the type of their name, or say another."""
    made = {}
    for name, entry in _mapping(data.get(f"{noun}s")).items():
        config = _instance(noun, name, {} if entry is None else entry, models, core_keys, found)
        if config is not None:
            made[name] = config
    return made


def _instance(
    noun: str, name: str, entry: Any, models: Mapping[str, Model], core_keys: frozenset[str], found: list[Finding]
) -> BaseModel | None:
    path: Path = (f"{noun}s", name)
    if not isinstance(entry, dict):
        return None  # the core's models say so
    kind = entry.get("type") or name
    if not isinstance(kind, str):
        return None
    if kind not in models:
        where = (*path, "type") if entry.get("type") else path
        found.append(_not_installed(noun, kind, models, where, named=bool(entry.get("type"))))
        return None
    model = models[kind]
    if clash := core_keys & set(shapes.options(model)):
        message = f"{noun} {quoted(kind)} has options named like the hub's own ({one_of(sorted(clash), 'and')})"
        found.append(Finding(path, f"{message}: this is a bug in its code", at_key=True))
        return None
    options = {key: value for key, value in entry.items() if key not in core_keys}
    count = len(found)
    config = validate(model, options, path, f"{noun} {quoted(kind)}", found)
    found[count:] = [_with_core_keys(one, len(path), core_keys) for one in found[count:]]
    return config


def _with_core_keys(one: Finding, depth: int, core_keys: frozenset[str]) -> Finding:
    """An unknown key of an instance may also be a core key misspelt."""
    if one.at_key and not one.suggestion and len(one.path) == depth + 1 and "is not an option" in one.message:
        return one._replace(suggestion=nearest(one.path[-1], core_keys))
    return one


def _by_type(
    noun: str, where: Path, data: dict[str, Any], models: Mapping[str, Model], found: list[Finding]
) -> dict[str, BaseModel]:
    """The section at `where`, whose names are the types of what runs."""
    made = {}
    section: Any = data
    for key in where:
        section = _mapping(section).get(str(key))
    for name, entry in _mapping(section).items():
        path: Path = (*where, name)
        if name not in models:
            found.append(_not_installed(noun, name, models, path, named=False))
        elif entry is None or isinstance(entry, dict):
            config = validate(models[name], entry or {}, path, f"{noun} {quoted(name)}", found)
            if config is not None:
                made[name] = config
    return made


def _not_installed(noun: str, kind: str, known: Mapping[str, Any], path: Path, *, named: bool) -> Finding:
    there = f"installed: {one_of(sorted(known), 'and')}" if known else f"no {noun} is installed"
    hint = "" if named or noun not in ("integration", "notifier") else "; an instance of another name says its `type`"
    return Finding(
        path, f"no {noun} {quoted(kind)} is installed{hint}; {there}", nearest(kind, known), at_key=not named
    )


def _settings(data: dict[str, Any], models: Models, found: list[Finding]) -> dict[str, dict[str, object]]:
    made: dict[str, dict[str, object]] = {}
    integrations = _mapping(data.get("integrations"))
    for name, entry in _mapping(data.get("devices")).items():
        instance = _mapping(entry).get("integration")
        if not isinstance(instance, str) or instance not in integrations:
            continue
        kind = _mapping(integrations[instance]).get("type") or instance
        given = entry.get("settings")
        if kind not in models.integrations or not (given is None or isinstance(given, dict)):
            continue
        model = models.integrations[kind][1]
        path: Path = ("devices", name, "settings")
        if model is None:
            if given:
                message = f"devices of integration {quoted(kind)} have no settings; remove this"
                found.append(Finding(path, message, at_key=True))
            continue
        pack = entry.get("pack")
        try:
            given = models.settings(kind, pack if isinstance(pack, str) else "", given or {})
        except ValueError as error:
            found.append(Finding(("devices", name, "pack"), str(error)))
            continue
        settings = validate(model, given, path, f"the settings of {quoted(kind)} devices", found)
        if settings is not None:
            made[name] = settings.model_dump()
    return made


def _keys(data: dict[str, Any], found: list[Finding]) -> dict[str, bytes]:
    keys = {}
    for name, entry in _mapping(data.get("devices")).items():
        key = _mapping(entry).get("key")
        if isinstance(key, SecretStr):
            try:
                keys[name] = bytes.fromhex(key.get_secret_value().replace(":", ""))
            except ValueError:
                message = "this key must be hexadecimal: an even number of digits 0-9 and a-f"
                found.append(Finding(("devices", name, "key"), message))
    return keys


def strategies(report: Report) -> dict[str, Strategy]:
    """What one level of the file says of report strategies: by metric, "" for all; nothing where it says nothing."""
    said = {"": report, **report.metrics}
    made = {
        metric: Strategy(one.on, one.dead_band, one.period.total_seconds() if one.period else None)
        for metric, one in said.items()
    }
    return {metric: strategy for metric, strategy in made.items() if strategy != Strategy()}


def _writable(bounds: Bounds) -> Writable:
    return Writable(bounds.low, bounds.high, bounds.role, bounds.every.total_seconds())


def _place(name: str, core: Core) -> Place:
    entry = core.places[name]
    position = _position(entry.position) if entry.position else None
    site = core.zones[entry.zone].site
    pulse = built(entry.pulse, core.sites[site].timezone) if entry.pulse is not None else None
    meter = built_meter(entry.meter, core.sites[site].timezone) if entry.meter is not None else None
    return Place(
        id=name, site=site, zone=entry.zone, name=entry.name, role=entry.role, position=position, pulse=pulse,
        meter=meter,
    )  # fmt: skip


def _position(position: Position) -> PlacePosition:
    return PlacePosition(position.latitude, position.longitude, position.accuracy, position.altitude)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
