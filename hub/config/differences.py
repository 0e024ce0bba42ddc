"""Differences between the running configuration and another one, and how a running hub applies them. Pure.

instances   integrations, exporters and notifiers: started, stopped or replaced one by one
parts       sections applied by parts that go on running: their plans and rules are compiled anew
restart     options that only a restart applies, each named
lockout     options that could lock out whoever changes them: confirmed within some time, or undone
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from hub.config.load import Loaded

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
INTEGRATION, EXPORTER, NOTIFIER = "integration", "exporter", "notifier"

LIVE = (
    "sites", "zones", "places", "devices", "report", "schedules", "calendars", "school_years", "rules", "privacy",
    "buses", "web", "link", "config", "rule_templates", "crisis", "security", "sovereignty", "plugins",
)  # fmt: skip
"""Sections that a running hub applies, beside the instances; and `hub.name`, `hub.site`. Anything else is applied by
the next start, and named."""

INSTANCES = ("integrations", "exporters", "notifiers")

LOCKOUTS = ("web", "link")
"""Sections that could cut off whoever changes them: the pages, and the link to the backend."""


class Difference(NamedTuple):
    """An instance. `kind`: INTEGRATION, EXPORTER or NOTIFIER; `how`: ADDED, REMOVED or CHANGED."""

    kind: str
    name: str
    how: str


class Differences(msgspec.Struct, frozen=True, kw_only=True):
    """See the module. `parts` are names of LIVE and `hub`; `restart` and `lockout` are dotted options."""

    instances: list[Difference] = []
    parts: list[str] = []
    restart: list[str] = []
    lockout: list[str] = []

    def __bool__(self) -> bool:
        return bool(self.instances or self.parts or self.restart)


def differences(old: Loaded, new: Loaded) -> Differences:
    """Compare two configurations. Values of secrets count; mere differences of notation do not."""
    was, now = _sections(old), _sections(new)
    parts = [name for name in LIVE if was[name] != now[name]]
    if (old.config.hub.name, old.config.hub.site) != (new.config.hub.name, new.config.hub.site):
        parts.append("hub")
    instances = [
        *_compared(INTEGRATION, _integrations(old), _integrations(new)),
        *_compared(EXPORTER, _named(old.exporters), _named(new.exporters)),
        *_compared(NOTIFIER, _notifiers(old), _notifiers(new)),
    ]
    moved = _buses_changed(old, new)
    told = {one.name for one in instances if one.kind == INTEGRATION}
    instances += [  # users of a serial line that is reopened are restarted
        Difference(INTEGRATION, one.name, CHANGED)
        for one in new.integrations
        if one.name not in told and one.enabled and getattr(one.config, "bus", None) in moved
    ]
    restart = ["hub.state_dir"] if old.state_dir != new.state_dir else []
    for name in type(new.config).model_fields:
        if name not in (*LIVE, *INSTANCES, "hub"):
            restart += _options(name, getattr(old.config, name), getattr(new.config, name))
    zones = [*new.config.zones, *(name for name in old.config.zones if name not in new.config.zones)]
    restart += [f"zones.{name}.neighbours" for name in zones if _neighbours(new, name) != _neighbours(old, name)]
    lockout = [name for part in LOCKOUTS if part in parts for name in _lockouts(part, old, new)]
    if _report_of(old) != _report_of(new) and "report" not in parts:
        parts.append("report")
    return Differences(instances=instances, parts=parts, restart=restart, lockout=lockout)


def _sections(loaded: Loaded) -> dict[str, Any]:
    core = loaded.config
    found: dict[str, Any] = {name: getattr(core, name) for name in LIVE}
    found["devices"] = ({device.id: device for device in loaded.devices}, core.devices)
    found["places"] = ({place.id: place for place in loaded.places}, core.places)
    found["link"] = (core.link, {one.name: one.config for one in loaded.uplinks})
    return found


def _integrations(loaded: Loaded) -> dict[str, Any]:
    """Return each running integration with the values that require its replacement. Its report strategies and its
    perimeter belong to the plans."""
    return {one.name: (one.type, one.config, one.isolation) for one in loaded.integrations if one.enabled}


def _report_of(loaded: Loaded) -> dict[str, Any]:
    return {one.name: (one.report, one.perimeter) for one in loaded.integrations}


def _notifiers(loaded: Loaded) -> dict[str, Any]:
    """Return each notifier, with its time zone and its schedule of quiet hours."""
    core, found = loaded.config, {}
    for one in loaded.notifiers:
        schedule = core.schedules.get(one.keys.quiet or "")
        zone = core.timezone_of(schedule.site) if schedule is not None else ""
        quiet = (schedule, zone, core.calendars, core.school_years) if schedule is not None else None
        found[one.name] = (one.type, one.config, one.keys, core.timezone, quiet)
    return found


def _named(instances: Any) -> dict[str, Any]:
    return {one.name: one.config for one in instances}


def _compared(kind: str, was: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    found = [Difference(kind, name, REMOVED) for name in was if name not in now]
    for name, config in now.items():
        if name not in was:
            found.append(Difference(kind, name, ADDED))
        elif was[name] != config:
            found.append(Difference(kind, name, CHANGED))
    return found


def _buses_changed(old: Loaded, new: Loaded) -> set[str]:
    was, now = old.config.buses, new.config.buses
    return {name for name in was.keys() | now.keys() if was.get(name) != now.get(name)}


def _options(section: str, was: Any, now: Any) -> list[str]:
    if not hasattr(type(now), "model_fields"):
        return [section] if was != now else []
    return [f"{section}.{name}" for name in type(now).model_fields if getattr(was, name) != getattr(now, name)]


def _neighbours(loaded: Loaded, zone: str) -> Mapping[str, float]:
    known = loaded.config.zones.get(zone)
    return known.neighbours if known is not None else {}


def _lockouts(part: str, old: Loaded, new: Loaded) -> list[str]:
    was, now = getattr(old.config, part), getattr(new.config, part)
    if was is None or now is None:
        return [part]
    found = [name for name in _options(part, was, now) if name != "link.uplinks"]
    if part == "link":
        uplinks = _compared("", _named(old.uplinks), _named(new.uplinks))
        found += [f"link.uplinks.{one.name}" for one in uplinks]
    return found
