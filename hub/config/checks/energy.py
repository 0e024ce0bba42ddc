"""Checks of meters, operators and the outdoor series across a valid configuration. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from hub.config.model import Core
from hub.config.parts.rules import series_of
from hub.config.positions import Finding, Path, clipped
from hub.config.pydantic_findings import unknown_id
from hub.core.metric_catalogue import METRICS
from hub.core.text import phrase


def check_energy(core: Core) -> Iterator[Finding]:
    """Yield one finding for each error."""
    for name, place in core.places.items():
        metric = METRICS.get(place.meter.metric) if place.meter else None
        if metric is not None and metric.state_class != "total_increasing":
            message = phrase(
                "metric-no-index", "{metric} is no index of a meter: it does not only rise", metric=metric.key
            )
            yield Finding(("places", name, "meter", "metric"), message)
        if place.meter is not None and place.meter.schedule is not None:
            yield from unknown_id(
                place.meter.schedule, core.schedules, "schedule", "schedules", ("places", name, "meter", "schedule")
            )
        if place.meter is not None and place.meter.behind is not None:
            yield from _check_main(core, name, place.meter.behind)
    if core.energy.outdoor is not None:
        place_id, key = series_of(core.energy.outdoor)
        path: Path = ("energy", "outdoor")
        yield from unknown_id(place_id, core.places, "place", "places", path)
        known = METRICS.get(key)
        if known is not None and known.unit != "Cel":
            yield Finding(
                path,
                phrase(
                    "metric-no-temperature", "{metric} is no temperature: it is in {unit}", metric=key, unit=known.unit
                ),
            )
    for name, operator in core.energy.operators.items():
        base: Path = ("energy", "operators", name)
        for at, place_id in enumerate(operator.meters):
            yield from unknown_id(place_id, core.places, "place", "places", (*base, "meters", at))
            if place_id in core.places and core.places[place_id].meter is None:
                yield Finding(
                    (*base, "meters", at),
                    phrase(
                        "place-without-meter-section", "the place '{place}' has no `meter`", place=clipped(place_id)
                    ),
                )
        for at, zone in enumerate(operator.zones):
            yield from unknown_id(zone, core.zones, "zone", "zones", (*base, "zones", at))


def _check_main(core: Core, name: str, main: str) -> Iterator[Finding]:
    """Check the main meter of a meter: it is there, counts the same, and is behind none of those behind it."""
    path: Path = ("places", name, "meter", "behind")
    yield from unknown_id(main, core.places, "place", "places", path)
    meter = core.places[main].meter if main in core.places else None
    if main in core.places and meter is None:
        yield Finding(
            path, phrase("place-without-meter-section", "the place '{place}' has no `meter`", place=clipped(main))
        )
    own = core.places[name].meter
    if meter is not None and own is not None and meter.carrier != own.carrier:
        message = phrase("main-meter-of-another", "the meter at '{place}' counts something else", place=clipped(main))
        yield Finding(path, message)
    seen, at = {name}, main
    while at and at not in seen:
        seen.add(at)
        before = core.places[at].meter if at in core.places else None
        at = (before.behind if before is not None else None) or ""
    if at == name:
        yield Finding(path, phrase("meter-behind-itself", "a meter is not behind itself, nor behind one behind it"))
