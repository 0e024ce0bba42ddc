"""Lines, and what is read on them, as plain data for the pages: answers of the calls `find.…`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from hub.core.metric_catalogue import METRICS
from hub.core.model import Metric, Value
from hub.plugin_host.registry import Integration
from hub.sdk.finding import Finder
from hub.sdk.options import Config

if TYPE_CHECKING:
    from hub.config.load import Loaded

PORTS = ("/dev/serial/by-id/*", "/dev/ttyAMA*", "/dev/ttyUSB*", "/dev/ttyACM*")


def described(integration: Integration) -> dict[str, Any]:
    finder = integration.finder
    if finder is None:
        return {}
    fields = finder.rows.model_fields if finder.rows is not None else {}
    schema = finder.rows.model_json_schema()["properties"] if finder.rows is not None else {}
    return {
        "type": integration.name,
        "addresses_hint": finder.addresses,
        "address": finder.address,
        "title": finder.title,
        "option_names": [*finder.options],
        "labels": [finder.labels.get(name, "") for name in finder.options],
        "choices": [[*choices_of(integration.config, name)] for name in finder.options],
        "serial": finder.bus,
        "setting": finder.setting,
        "columns": [
            {
                "name": name,
                "choices": list(schema[name].get("enum", [])),
                "type": str(schema[name].get("type", "string")),
                "default": None if fields[name].is_required() else fields[name].default,
            }
            for name in finder.columns
        ],
    }


def choices_of(config: type[Config], name: str) -> dict[str, object]:
    """Return what an option may be, as people choose it → its value, the default first, where it is one of a few."""
    found = config.model_fields[name]
    if get_origin(found.annotation) is not Literal:
        return {}
    return {str(one): one for one in sorted(get_args(found.annotation), key=lambda one: bool(one != found.default))}


def chosen_options(finder: Finder[Any], config: type[Config], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a new line out of what people typed and chose."""
    return {
        name: choices_of(config, name).get(str(given[name]), given[name])
        for name in finder.options
        if given.get(name) not in ("", None)
    }


def where(finder: Finder[Any], config: Any, loaded: Loaded) -> str:
    """Return where a line goes, for people: `192.168.1.2:502`, or a bus and its port."""
    if finder.bus and (bus := getattr(config, finder.bus, "")):
        known = loaded.config.buses.get(bus)
        return f"{bus} ({known.port})" if known is not None else str(bus)
    said = [str(value) for name in finder.options if (value := getattr(config, name, "")) not in ("", None)]
    return ":".join(said)


def value_of(key: str, value: Value, metric: Metric | None) -> dict[str, Any]:
    metric = metric or METRICS.get(key)
    return {"metric": key, "value": value, "unit": metric.unit if metric else "", "en": metric.en if metric else ""}


def ports_here() -> list[str]:
    """Return the serial ports that are here, by the names that last first. Blocking."""
    import glob  # a confined process, which has no ports, may read no further module

    found: list[str] = []
    for pattern in PORTS:
        found += sorted(glob.glob(pattern))
    return found[:32]
