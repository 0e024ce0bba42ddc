"""The example, the reference page and the editors' schema say what the models say."""

from __future__ import annotations

import importlib
import importlib.util
import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from hub.config.load import Loaded, Models, load
from hub.config.model import Core
from hub.config.option_paths import children, options
from hub.config.parts.devices import InstanceKeys
from hub.config.positions import SecretRef
from hub.config.reference import default_of, render
from hub.config.schema import DIALECT, schema
from hub.config.source import parse, read
from hub.config.values import duration
from hub.plugin_host.plugin_types import installed_models
from hub.plugin_host.registry import Registry

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "config.example.yaml"
REFERENCE = ROOT / "docs/reference/configuration.md"
KEY = "231d39c1d7cc1ab1aee224cd096db932"
PROXY_KEY = "QRTIErOb/fcE9Ukd/5qA3RGYMn0Y+p06U58SCtOXvPc="


@pytest.fixture(scope="module")
def installed() -> Models:
    """The models of all that this distribution registers."""
    integrations: dict[str, Any] = {}
    uplinks: dict[str, Any] = {}
    exporters: dict[str, Any] = {}
    notifiers: dict[str, Any] = {}

    def integration(name: str, config: Any, run: Any, *, device: Any = None, **_: Any) -> None:
        integrations[name] = (config, device)

    def uplink(name: str, config: Any, run: Any) -> None:
        uplinks[name] = config

    def exporter(name: str, config: Any, run: Any) -> None:
        exporters[name] = config

    def notifier(name: str, config: Any, run: Any, **more: Any) -> None:
        notifiers[name] = config

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for module in project["entry-points"]["hub.plugins"].values():
        plugin = importlib.import_module(module)
        for hook, register in (
            ("register_integrations", integration), ("register_transports", uplink), ("register_exporters", exporter),
            ("register_notifiers", notifier),
        ):  # fmt: skip
            getattr(plugin, hook, lambda register: None)(register=register)
    return Models(integrations, uplinks, exporters, notifiers, fill=installed_models(Registry.discover()).fill)


def secrets() -> dict[str, str]:
    """Every secret that the example names, commented or not."""
    names = set(re.findall(r"!secret ([a-z0-9_]+)", EXAMPLE.read_text()))
    return {f"ILOT_SECRET_{name.upper()}": KEY for name in names} | {"ILOT_SECRET_HALL_PROXY_KEY": PROXY_KEY}


@pytest.fixture(scope="module")
def example(installed: Models) -> Loaded:
    return load(EXAMPLE, installed, environ=secrets())


def test_the_example_is_right_with_all_that_ships(example: Loaded, installed: Models) -> None:
    assert {i.type for i in example.integrations} <= set(installed.integrations)
    assert {e.name for e in example.exporters} == set(installed.exporters)
    assert [u.name for u in example.uplinks] == ["https", "mqtt"]
    assert bytes.fromhex(KEY) in [device.key for device in example.devices]


def every(model: type[BaseModel]) -> Iterator[tuple[type[BaseModel], str]]:
    """Every option of a model and of the models inside it."""
    for key, field in options(model).items():
        yield model, key
        for _, inner in children(field.annotation):
            yield from every(inner)


def test_no_option_is_missing_in_the_example() -> None:
    """Nor one of an integration in the README of its own, where the example does not have it."""
    spec = importlib.util.spec_from_file_location("example_config", ROOT / "tools/example_config.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert [one.path for one in tool.missing()] == []


def uncommented(text: str) -> str:
    """The example with every option that it shows in a comment."""
    return re.sub(r"^(\s*)# ([a-z_]+: )", r"\1\2", text, flags=re.M)


def test_the_defaults_that_the_example_shows_are_the_defaults(installed: Models, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(uncommented(EXAMPLE.read_text()))
    full = load(path, installed, environ=secrets())
    plain = load(EXAMPLE, installed, environ=secrets())
    assert full.data != plain.data
    assert full.config.buffer == plain.config.buffer
    assert set(full.data["buffer"]) == set(options(type(full.config.buffer)))
    assert full.config.sites == plain.config.sites
    # no default: an example of what could stand there
    examples = {"capture", "disk", "mask", "meter", "password", "timezone"}
    for instance, by_default in zip(full.integrations, plain.integrations, strict=True):
        assert without(instance.config.model_dump(), examples) == without(by_default.config.model_dump(), examples)
    for uplink, by_default_too in zip(full.uplinks, plain.uplinks, strict=True):
        assert uplink.config == by_default_too.config
    for device, with_defaults in zip(full.devices, plain.devices, strict=True):
        assert without(device.settings, examples) == without(with_defaults.settings, examples)


def without(value: Any, keys: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: without(inner, keys) for key, inner in value.items() if key not in keys}
    return [without(inner, keys) for inner in value] if isinstance(value, (list, tuple)) else value


def test_the_reference_page_is_what_the_models_say() -> None:
    assert REFERENCE.read_text() == render(), "run: python -m hub.config.reference > docs/reference/configuration.md"


def test_the_reference_names_every_option_of_the_core_with_its_meaning() -> None:
    page = render()
    for model, key in every(Core):
        assert f"| `{key}` |" in page or model is Core
        assert options(model)[key].description
    assert "| `window` | duration, 50ms to 5min | `5s` |" in page


def test_every_section_of_the_core_is_optional() -> None:
    assert all(field.default is not PydanticUndefined for field in Core.model_fields.values())
    assert default_of(InstanceKeys.model_fields["enabled"]) == "`true`"


# JSON Schema


def resolve(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        part = whole["definitions"][part["$ref"].removeprefix("#/definitions/")]
    return part


def accepts(whole: dict[str, Any], part: Any, value: Any) -> bool:
    """A draft-07 validator for the keywords that the schema uses, written from the specification."""
    if part is True or part is False:
        return bool(part)
    if "$ref" in part:  # §8.3: all other properties in a "$ref" object are ignored
        return accepts(whole, resolve(whole, part), value)
    types = part.get("type", [])
    types = [types] if isinstance(types, str) else types
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
    is_a = {"integer": isinstance(value, int) and not isinstance(value, bool)}
    is_a["number"] = isinstance(value, (int, float)) and not isinstance(value, bool)
    if types and not any(is_a.get(t, isinstance(value, kinds.get(t, ()))) for t in types):
        return False
    if "const" in part and value != part["const"]:
        return False
    if "enum" in part and value not in part["enum"]:
        return False
    if not all(accepts(whole, inner, value) for inner in part.get("allOf", [])):
        return False
    if "anyOf" in part and not any(accepts(whole, inner, value) for inner in part["anyOf"]):
        return False
    if "if" in part:
        branch = "then" if accepts(whole, part["if"], value) else "else"
        if branch in part and not accepts(whole, part[branch], value):
            return False
    if isinstance(value, str):
        return bool(re.search(part.get("pattern", ""), value)) and len(value) <= part.get("maxLength", len(value))
    if is_a["number"]:
        return bool(part.get("minimum", value) <= value <= part.get("maximum", value))
    if isinstance(value, list):
        return len(value) >= part.get("minItems", 0) and all(
            accepts(whole, part.get("items", True), item) for item in value
        )
    if isinstance(value, dict):
        properties = part.get("properties", {})
        return (
            set(part.get("required", ())) <= set(value)
            and len(value) <= part.get("maxProperties", len(value))
            and all(accepts(whole, part.get("propertyNames", True), name) for name in value)
            and all(
                accepts(whole, properties.get(name, part.get("additionalProperties", True)), inner)
                for name, inner in value.items()
            )
        )
    return True


DRAFT_7 = {
    "$schema", "$ref", "title", "description", "default", "examples", "type", "enum", "const", "multipleOf", "maximum",
    "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength", "minLength", "pattern", "items", "additionalItems",
    "maxItems", "minItems", "uniqueItems", "contains", "maxProperties", "minProperties", "required", "properties",
    "patternProperties", "additionalProperties", "dependencies", "propertyNames", "if", "then", "else", "allOf",
    "anyOf", "oneOf", "not", "format", "contentEncoding", "contentMediaType", "readOnly", "writeOnly", "definitions",
}  # fmt: skip


def keywords(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            yield key
            if key in ("properties", "definitions", "patternProperties"):
                for inner in value.values():
                    yield from keywords(inner)
            elif key not in ("default", "const", "enum", "examples", "required", "french"):
                yield from keywords(value)
    elif isinstance(part, list):
        for item in part:
            yield from keywords(item)


def as_json(data: Any) -> Any:
    if isinstance(data, SecretRef):
        return "hidden"
    if isinstance(data, dict):
        return {key: as_json(value) for key, value in data.items()}
    return [as_json(value) for value in data] if isinstance(data, list) else data


def test_the_schema_is_draft_7(installed: Models) -> None:
    made = schema(installed)
    assert made["$schema"] == DIALECT
    # unknown keywords are ignored (§6.5 of the core)
    assert set(keywords(made)) <= DRAFT_7 | {"unit", "french", "x-code", "x-title"}
    for reference in re.findall(r"'\$ref': '([^']*)'", repr(made)):
        assert reference.removeprefix("#/definitions/") in made["definitions"]


def test_the_schema_accepts_the_example(installed: Models) -> None:
    made = schema(installed)
    assert accepts(made, made, as_json(read(EXAMPLE).data))
    assert accepts(made, made, as_json(parse(uncommented(EXAMPLE.read_text()))))


@pytest.mark.parametrize(
    "text",
    [
        "hubb: {}", "hub: {siet: x}", "places: {p: {}}", "zones: {z: }", "buffer: {window: 5m}", "buffer: {pending: x}",
        "integrations: {other: {type: nothing}}", "integrations: {other: {}}",
        "integrations: {bluetooth: {adapter: x}}", "integrations: {bluetooth: {scanning: no}}",
        "integrations: {mqtt_devices: }", "integrations: {x: {type: mqtt_devices}}",
        "integrations: {x: {type: modbus, host: y, port: 0}}", "integrations: {bluetooth: {repeat: 5 parsecs}}",
        "integrations: {Bluetooth: {type: bluetooth}}", "integrations: {bluetooth: {type: host, scanning: active}}",
        "link: {uplinks: {carrier: {}}}", "devices: {'modbus:x': {integration: modbus}}",
        "devices: {'modbus:x': {integration: modbus, place: p, settings: {unit: 300}}}",
    ],
)  # fmt: skip
def test_the_schema_refuses_what_the_hub_refuses(installed: Models, text: str) -> None:
    made = schema(installed)
    assert not accepts(made, made, parse(text))


def test_durations_in_the_schema_are_written_as_in_the_file(installed: Models) -> None:
    repeat = schema(installed)["definitions"]["integration.bluetooth"]["properties"]["repeat"]
    assert duration(repeat["default"]) == timedelta(seconds=5)
    assert re.search(repeat["pattern"], repeat["default"])
