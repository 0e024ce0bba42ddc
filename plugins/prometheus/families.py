"""Live values as Prometheus metric families. Pure.

ilot_<metric>{place,zone,site,device,unit}   gauge, or counter (…_total) for a metric whose state class is
                                             total_increasing; flags are 0 or 1; texts are left out
ilot_age_seconds{place,device}               since the device spoke last
ilot_hub_<counter>_total                     the hub's own counters
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

import hub
from hub.sdk.exporter import LastValue, Series

_LABELS = ("place", "zone", "site", "device", "unit")


def families(
    series: Sequence[Series],
    values: Sequence[LastValue],
    pulse: Mapping[str, float],
    *,
    now: float,
    expire_s: float,
) -> Iterator[Metric]:
    """Return the families. `now` is Unix seconds. A value whose time is unknown (the clock was not trusted) counts as
    fresh."""
    last = {value.series: value for value in values}
    made: dict[str, Metric] = {}
    ages: dict[tuple[str, str], float] = {}
    for one in series:
        value = last.get(one.id)
        if value is None or isinstance(value.value, str):
            continue
        age = now - value.time if value.time is not None else 0.0
        if age > expire_s:
            continue
        ages[one.place, one.device] = min(age, ages.get((one.place, one.device), age))
        _family(made, one.metric).add_metric(  # type: ignore[attr-defined]
            (one.place, one.zone, one.site, one.device, one.metric.unit), float(value.value)
        )
    yield from made.values()
    age_of = GaugeMetricFamily("ilot_age_seconds", "Since the device spoke last", labels=("place", "device"))
    for (place, device), age in ages.items():
        age_of.add_metric((place, device), max(0.0, age))
    yield age_of
    for name, count in pulse.items():
        yield CounterMetricFamily(f"ilot_hub_{name}", f"The hub's own counter of {name.replace('_', ' ')}", value=count)


def _family(made: dict[str, Metric], metric: hub.Metric) -> Metric:
    if metric.key not in made:
        kind = CounterMetricFamily if metric.state_class == "total_increasing" else GaugeMetricFamily
        made[metric.key] = kind(f"ilot_{metric.key}", metric.en or metric.key, labels=_LABELS)
    return made[metric.key]
