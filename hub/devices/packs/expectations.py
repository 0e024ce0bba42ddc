"""Compares the vectors of a pack with what it can give: findings with their place, before anything runs.
Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hub.config.positions import Finding, Path, quoted
from hub.config.pydantic_findings import nearest
from hub.core.metric_catalogue import METRICS
from hub.core.model import Metric, Value
from hub.core.text import phrase
from hub.devices.packs.consistency import own_metrics, value_problem
from hub.devices.packs.format import RADIO, PackKeys
from hub.devices.packs.vectors import VectorKeys


def vain_expectations(vector: VectorKeys, keys: PackKeys, at: Path) -> Iterator[Finding]:
    """Yield what a vector expects and the pack can never give: a metric without a field, a value of another kind or out
    of the metric's bounds."""
    metrics, given = {**METRICS, **own_metrics(keys)}, _given(keys)
    yield from _vain(vector.readings or {}, metrics, given, (*at, "readings"))
    for number, former in enumerate(vector.history):
        yield from _vain(former.readings, metrics, given, (*at, "history", number, "readings"))


def expects_nothing(vector: VectorKeys, keys: PackKeys) -> bool:
    """Return whether a vector would pass whatever the payload means. One of several messages may hold no values: then
    the vector shows that it is told from the others."""
    if vector.data is not None:
        return not vector.data
    idle = vector.readings == {} and not vector.history and not vector.skipped
    return idle and (vector.heard is not None or len(keys.messages) < 2)


def unused_metrics(keys: PackKeys) -> list[str]:
    """Return the metrics of the pack's own that nothing in it gives."""
    given = _given(keys)
    return [] if given is None else [key for key in keys.metrics if key not in given]


def _given(keys: PackKeys) -> set[str] | None:
    """Return the metrics that the fields of a pack give; None where that cannot be said."""
    if keys.protocol not in RADIO or keys.fields == "automatic":
        return None
    proposed = {one.metric for one in keys.proposed if one.metric is not None and one.decision != "leave"}
    return {field.metric for field in keys.fields or ()} | proposed


def _vain(
    readings: Mapping[str, Value], metrics: Mapping[str, Metric], given: set[str] | None, at: Path
) -> Iterator[Finding]:
    for key, value in readings.items():
        metric = metrics.get(key)
        if metric is None:
            continue  # a name that nothing knows is told elsewhere; a map's own metrics are its integration's
        if given is not None and key not in given:
            yield Finding(
                (*at, key),
                phrase("vector-metric-without-field", "no field of this pack gives {metric}", metric=quoted(key)),
                nearest(key, given),
                at_key=True,
            )
        elif wrong := value_problem(metric, value):
            yield Finding((*at, key), wrong)
