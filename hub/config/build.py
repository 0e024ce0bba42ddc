"""Builder: data and the plugins' models → a configuration, or findings. Pure except for the secrets it is given.

All errors are found in one pass: each section, instance, uplink and device is validated for itself.
"""

from __future__ import annotations

from typing import Any

from hub.config.checks.energy import check_energy
from hub.config.checks.privacy import check_privacy
from hub.config.checks.references import duplicate_devices, references, unknown_packs
from hub.config.checks.rules import check_rules
from hub.config.instances import Built, ExporterInstance, Instance, Models, NotifierInstance, UplinkInstance
from hub.config.model import Core, Position
from hub.config.parts.devices import Report
from hub.config.parts.devices import Writable as Bounds
from hub.config.parts.energy import to_meter as built_meter
from hub.config.parts.pulse import to_pulse as built_pulse
from hub.config.positions import Finding, Path, quoted
from hub.config.sections import (
    CORE_KEYS,
    NOTIFIER_KEYS,
    Configs,
    by_type,
    core_data,
    device_keys,
    device_settings,
    instances_of,
    validate_core,
)
from hub.config.validate import validate
from hub.core.model import Device, Place, Strategy, Writable
from hub.core.model import Position as PlacePosition
from hub.core.text import phrase


def build(data: Any, models: Models, broken: set[Path]) -> tuple[Built | None, list[Finding]]:
    """Return the configuration and no findings, or None and all of them. `data` has Secrets in the place of references;
    errors at or below a `broken` path are known already and left out."""
    if data is None:
        data = {}
    if not isinstance(data, dict):
        return None, [
            Finding(
                (),
                phrase(
                    "file-without-mapping",
                    "expected a mapping: lines of 'key: value'; this is {given}",
                    given=quoted(data),
                ),
            )
        ]
    found: list[Finding] = []
    core = validate(Core, core_data(data), (), phrase("the-configuration", "the configuration"), found, validate_core)
    instances = instances_of("integration", data, Configs(models.integrations), CORE_KEYS, found)
    uplinks = by_type("uplink", ("link", "uplinks"), data, models.uplinks, found)
    exporters = by_type("exporter", ("exporters",), data, models.exporters, found)
    notifiers = instances_of("notifier", data, models.notifiers, NOTIFIER_KEYS, found)
    settings = device_settings(data, models, found)
    keys = device_keys(data, found)
    found += [*references(data, broken), *duplicate_devices(data.get("devices"))]
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
            id=name,
            integration=entry.integration,
            place=entry.place,
            model=entry.model,
            name=entry.name,
            key=keys.get(name),
            settings=settings.get(name, {}),
            pack=entry.pack or "",
            writable={metric: _writable(bounds) for metric, bounds in entry.writable.items()},
            report=strategies(entry.report),
        )
        for name, entry in core.devices.items()
    ]
    kept = [
        Instance(
            name=name,
            type=keys_of.type or name,
            config=instances[name],
            enabled=keys_of.enabled,
            isolation=keys_of.isolation,
            perimeter=keys_of.perimeter,
            report=strategies(keys_of.report),
        )
        for name, keys_of in core.integrations.items()
        if name in instances
    ]
    whole = Built(
        config=core,
        integrations=kept,
        devices=devices,
        places=list(places.values()),
        uplinks=[UplinkInstance(name=name, config=config) for name, config in uplinks.items()],
        exporters=[ExporterInstance(name=name, config=config) for name, config in exporters.items()],
        notifiers=[
            NotifierInstance(name=name, type=keys_of.type or name, config=notifiers[name], keys=keys_of)
            for name, keys_of in core.notifiers.items()
            if name in notifiers and keys_of.enabled
        ],
    )
    return whole, []


def strategies(report: Report) -> dict[str, Strategy]:
    """Return the report strategies that one level of the file sets: by metric, "" for all."""
    given = {"": report, **report.metrics}
    made = {
        metric: Strategy(one.on, one.dead_band, one.period.total_seconds() if one.period else None)
        for metric, one in given.items()
    }
    return {metric: strategy for metric, strategy in made.items() if strategy != Strategy()}


def _writable(bounds: Bounds) -> Writable:
    return Writable(bounds.low, bounds.high, bounds.role, bounds.every.total_seconds(), bounds.reason)


def _place(name: str, core: Core) -> Place:
    entry = core.places[name]
    position = _position(entry.position) if entry.position else None
    site = core.zones[entry.zone].site
    pulse = built_pulse(entry.pulse, core.sites[site].timezone) if entry.pulse is not None else None
    meter = built_meter(entry.meter, core.sites[site].timezone) if entry.meter is not None else None
    return Place(
        id=name,
        site=site,
        zone=entry.zone,
        name=entry.name,
        role=entry.role,
        position=position,
        pulse=pulse,
        meter=meter,
    )


def _position(position: Position) -> PlacePosition:
    return PlacePosition(position.latitude, position.longitude, position.accuracy, position.altitude)
