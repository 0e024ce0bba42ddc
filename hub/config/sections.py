"""Sections of plugins in the file, each part validated by its plugin's model. Pure except for the secrets it is given.

Values that are no mapping where one should be are left alone: the core's own models report them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from hub.config import option_paths
from hub.config.instances import Model, Models
from hub.config.model import Core
from hub.config.parts.devices import InstanceKeys
from hub.config.parts.notifiers import NotifierKeys
from hub.config.positions import Finding, Path, clipped
from hub.config.pydantic_findings import NOUNS, UNKNOWN_OPTION, all_of, nearest
from hub.config.validate import validate
from hub.core.text import Phrase, phrase, reason_of

CORE_KEYS = frozenset(InstanceKeys.model_fields)
NOTIFIER_KEYS = frozenset(NotifierKeys.model_fields)
"""Keys of an instance that belong to the core: no plugin's Config may have an option of these names."""


def core_data(data: dict[str, Any]) -> dict[str, Any]:
    """Return the file without the parts of plugins."""
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


def validate_core(data: dict[str, Any]) -> Core:
    """Validate like `Core.model_validate`, but with a temporary validator for each section that is present. A validator
    of all of `Core` takes twice as long and 2 MiB for as long as the hub runs, and most files have a third of its
    sections. Raises ValidationError with the same errors."""
    fields = Core.model_fields
    if data.keys() <= fields.keys():
        with contextlib.suppress(ValidationError):
            return Core.model_construct(
                set(data), **{name: _reader(fields[name]).validate_python(value) for name, value in data.items()}
            )
    return Core.model_validate(data)


def _reader(field: FieldInfo) -> TypeAdapter[Any]:
    kind: Any = Annotated[field.annotation, *field.metadata]
    return TypeAdapter(kind)


def _names_only(section: dict[str, Any]) -> dict[str, Any]:
    return {name: {} if isinstance(entry, dict) or entry is None else entry for name, entry in section.items()}


def _only_core(entry: Any, keys: frozenset[str]) -> Any:
    return {key: value for key, value in entry.items() if key in keys} if isinstance(entry, dict) else entry


def _without(entry: Any, key: str) -> Any:
    """Return an entry without its plugin's part; a value that is no mapping stays, to be reported."""
    if isinstance(entry, dict) and isinstance(entry.get(key), dict):
        return {name: value for name, value in entry.items() if name != key}
    return entry


class Configs(Mapping[str, Model]):
    """Models of the instances alone. Each is looked up on demand, since that imports its integration."""

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


def instances_of(
    noun: str, data: dict[str, Any], models: Mapping[str, Model], core_keys: frozenset[str], found: list[Finding]
) -> dict[str, BaseModel]:
    """Return the instances of `integrations` or `notifiers`, whose type is their name unless they give another."""
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
        return None  # the core's models report it
    kind = entry.get("type") or name
    if not isinstance(kind, str):
        return None
    if kind not in models:
        where = (*path, "type") if entry.get("type") else path
        found.append(_not_installed(noun, kind, models, where, named=bool(entry.get("type"))))
        return None
    model = models[kind]
    if clash := core_keys & set(option_paths.options(model)):
        message = phrase(
            "options-of-hub",
            "{what} has options named like the hub's own ({options}): this is a bug in its code",
            what=_named(noun, kind),
            options=all_of(sorted(clash)),
        )
        found.append(Finding(path, message, at_key=True))
        return None
    options = {key: value for key, value in entry.items() if key not in core_keys}
    count = len(found)
    config = validate(model, options, path, _named(noun, kind), found)
    found[count:] = [_with_core_keys(one, len(path), core_keys) for one in found[count:]]
    return config


def _named(noun: str, name: str) -> Phrase:
    return phrase("plugin-named", "{noun} '{name}'", noun=NOUNS[noun], name=clipped(name))


def _with_core_keys(one: Finding, depth: int, core_keys: frozenset[str]) -> Finding:
    """Return the finding for an unknown key of an instance, which may also be a misspelt core key."""
    unknown = isinstance(one.message, Phrase) and one.message.code in UNKNOWN_OPTION
    if unknown and not one.suggestion and len(one.path) == depth + 1:
        return one._replace(suggestion=nearest(one.path[-1], core_keys))
    return one


def by_type(
    noun: str, where: Path, data: dict[str, Any], models: Mapping[str, Model], found: list[Finding]
) -> dict[str, BaseModel]:
    """Return the instances of the section at `where`, whose names are their types."""
    made = {}
    section: Any = data
    for key in where:
        section = _mapping(section).get(str(key))
    for name, entry in _mapping(section).items():
        path: Path = (*where, name)
        if name not in models:
            found.append(_not_installed(noun, name, models, path, named=False))
        elif entry is None or isinstance(entry, dict):
            config = validate(models[name], entry or {}, path, _named(noun, name), found)
            if config is not None:
                made[name] = config
    return made


def _not_installed(noun: str, kind: str, known: Mapping[str, Any], path: Path, *, named: bool) -> Finding:
    installed = (
        phrase("installed-are", "installed: {names}", names=all_of(sorted(known)))
        if known
        else phrase("none-installed", "there is none")
    )
    message = phrase(
        "type-not-installed",
        "no {noun} '{name}' is installed; {installed}",
        noun=NOUNS[noun],
        name=clipped(kind),
        installed=installed,
    )
    if not named and noun in ("integration", "notifier"):
        message = phrase(
            "instance-without-type",
            "no {noun} '{name}' is installed; an instance of another name says its `type`; {installed}",
            **message.params,
        )
    return Finding(path, message, nearest(kind, known), at_key=not named)


def device_settings(data: dict[str, Any], models: Models, found: list[Finding]) -> dict[str, dict[str, object]]:
    """Return the settings of devices by id, each validated by the model of its integration, with those of its pack."""
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
                message = phrase(
                    "devices-without-settings",
                    "devices of integration '{integration}' have no settings; remove this",
                    integration=clipped(kind),
                )
                found.append(Finding(path, message, at_key=True))
            continue
        pack = entry.get("pack")
        try:
            given = models.settings(kind, pack if isinstance(pack, str) else "", given or {})
        except ValueError as error:
            found.append(Finding(("devices", name, "pack"), reason_of(error)))
            continue
        what = phrase("settings-of-devices", "the settings of '{integration}' devices", integration=clipped(kind))
        settings = validate(model, given, path, what, found)
        if settings is not None:
            made[name] = settings.model_dump()
    return made


def device_keys(data: dict[str, Any], found: list[Finding]) -> dict[str, bytes]:
    """Return the keys of devices by id, as bytes; in the file they are hexadecimal."""
    keys = {}
    for name, entry in _mapping(data.get("devices")).items():
        key = _mapping(entry).get("key")
        if isinstance(key, SecretStr):
            try:
                keys[name] = bytes.fromhex(key.get_secret_value().replace(":", ""))
            except ValueError:
                message = phrase(
                    "device-key-not-hexadecimal", "this key must be hexadecimal: an even number of digits 0-9 and a-f"
                )
                found.append(Finding(("devices", name, "key"), message))
    return keys


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
