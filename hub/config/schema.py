"""JSON Schema (draft 7) of the whole file with the installed plugins' models, for editors. Pure.

pydantic writes draft 2020-12; what differs in the keywords it uses is rewritten: `$defs` → `definitions`,
`prefixItems` → `items`, durations as people write them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from hub.config.field_types import INSTANCE_NAME
from hub.config.instances import Models
from hub.config.model import Core
from hub.config.parts.devices import InstanceKeys
from hub.config.parts.notifiers import NotifierKeys
from hub.config.values import DURATION, show_duration
from hub.core.option_text import CODE, OWN_TITLE

Schema = dict[str, Any]

PHRASES = {
    "option-uplinks-help": "Transports to the one backend, by type.",
    "option-settings-help": "What its integration asks about each device.",
}
DIALECT = "http://json-schema.org/draft-07/schema#"


class _Generate(GenerateJsonSchema):
    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> JsonSchemaValue:
        return {"type": "string", "pattern": f"^{DURATION}$"}

    def encode_default(self, dft: Any) -> Any:
        return show_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def schema(models: Models) -> Schema:
    """Return the schema of `config.yaml`. Secrets are strings there: tell the editor of the tags !secret and
    !include."""
    definitions: Schema = {}
    root = _of(Core, "core", definitions)
    properties = root["properties"]
    integrations = {kind: model for kind, (model, _) in models.integrations.items()}
    about = _texts(properties["integrations"])
    properties["integrations"] = _instances("integration", about, InstanceKeys, integrations, definitions)
    definitions["core.Link"]["properties"]["uplinks"] = _by_type(
        "uplink", _described("option-uplinks"), models.uplinks, definitions
    )
    properties["exporters"] = _by_type("exporter", _texts(properties["exporters"]), models.exporters, definitions)
    about = _texts(properties["notifiers"])
    properties["notifiers"] = _instances("notifier", about, NotifierKeys, models.notifiers, definitions)
    definitions["core.DeviceKeys"]["properties"]["settings"] = _settings(models, definitions)
    for name in ("Hub", "Site", "Link", "Buffer", "Report", "Writable", "History", "Engine"):
        _nullable(definitions[f"core.{name}"])
    for value in properties.values():
        _nullable(value)
    head = {"$schema": DIALECT, "title": "Configuration of an Îlot hub"}
    return {**root, **head, "definitions": dict(sorted(definitions.items()))}


def _described(code: str) -> Schema:
    return {"description": PHRASES[f"{code}-help"], CODE: code}


def _texts(option: Schema) -> Schema:
    """Return what the schema of an option says to people, for another schema of it."""
    return {name: option[name] for name in ("description", CODE, OWN_TITLE) if name in option}


def _by_type(noun: str, about: Schema, models: Mapping[str, type[BaseModel]], definitions: Schema) -> Schema:
    return {
        "type": ["object", "null"],
        **about,
        "properties": {name: _nullable(_of(model, f"{noun}.{name}", definitions)) for name, model in models.items()},
        "additionalProperties": False,
    }


def _instances(
    noun: str, about: Schema, keys: type[BaseModel], models: Mapping[str, type[BaseModel]], definitions: Schema
) -> Schema:
    """Return the schema of instances: one named like a type is of that type unless it says another; any other names its
    type."""
    prefix = "core.instance" if noun == "integration" else f"core.{noun}"
    _of(keys, prefix, definitions)
    choices = []
    for kind, model in models.items():
        own = _of(model, f"{noun}.{kind}", definitions)
        core = _of(keys, prefix, definitions)
        core["properties"]["type"] = {"const": kind, **_texts(core["properties"]["type"])}
        merged = {**own, "properties": {**core["properties"], **own.get("properties", {})}}
        definitions[f"{noun}.{kind}"] = _nullable(merged)
        choices.append(
            {
                "if": {"type": "object", "properties": {"type": {"const": kind}}, "required": ["type"]},
                "then": {"$ref": f"#/definitions/{noun}.{kind}"},
            }
        )
    kinds = {"type": {"enum": list(models)}}
    typed: Schema = {"type": "object", "required": ["type"], "properties": kinds}
    definitions[noun] = {**typed, "allOf": choices} if choices else typed
    named = {
        kind: {
            "if": {"type": "object", "required": ["type"]},
            "then": {"$ref": f"#/definitions/{noun}"},
            "else": {"$ref": f"#/definitions/{noun}.{kind}"},
        }
        for kind in models
    }
    return {
        "type": ["object", "null"],
        **about,
        "propertyNames": {"pattern": f"^{INSTANCE_NAME.pattern}$"},
        "properties": named,
        "additionalProperties": {"$ref": f"#/definitions/{noun}"},
    }


def _settings(models: Models, definitions: Schema) -> Schema:
    """Return the union of all settings: which model applies depends on the device's integration, which a schema cannot
    follow."""
    choices: list[Schema] = [{"type": "null"}, {"type": "object", "maxProperties": 0}]
    for kind, (_, device) in models.integrations.items():
        if device is not None:
            definitions[f"device.{kind}"] = _of(device, f"device.{kind}", definitions)
            choices.append({"$ref": f"#/definitions/device.{kind}"})
    return {**_described("option-settings"), "anyOf": choices}


def _of(model: type[BaseModel], prefix: str, definitions: Schema) -> Schema:
    """Return the schema of a model; the models inside it go to `definitions` under `prefix`."""
    made = model.model_json_schema(ref_template=f"#/definitions/{prefix}.{{model}}", schema_generator=_Generate)
    for name, inner in made.pop("$defs", {}).items():
        definitions[f"{prefix}.{name}"] = _draft7(inner)
    return _draft7(made)  # type: ignore[no-any-return]


def _nullable(value: Schema) -> Schema:
    """Return the schema with null allowed, where an empty mapping satisfies it."""
    if value.get("type") == "object" and not value.get("required"):
        value["type"] = ["object", "null"]
    return value


_NAMES = ("properties", "patternProperties", "dependentSchemas")
_DATA = ("const", "default", "enum", "examples", "required")


def _draft7(value: Any) -> Any:
    """Convert a schema, or a list of them, to the keywords of draft 7."""
    if isinstance(value, list):
        return [_draft7(item) for item in value]
    if not isinstance(value, dict):
        return value
    made: Schema = {}
    for key, inner in value.items():
        if key in _NAMES:
            made[key] = {name: _draft7(part) for name, part in inner.items()}
        else:
            made[key] = inner if key in _DATA else _draft7(inner)
    if "prefixItems" in made:
        rest = made.pop("items", None)
        made["items"] = made.pop("prefixItems")
        made["additionalItems"] = False if rest is None else rest
    if isinstance(made.get("default"), dict):
        del made["default"]  # of a section: its options have their own defaults
    if "$ref" in made and len(made) > 1:  # draft 7 ignores keywords beside $ref
        made = {"allOf": [{"$ref": made.pop("$ref")}], **made}
    return made
