"""Contradictions in a pack that involve several of its parts or files. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from hub.config.positions import Finding, Path, quoted
from hub.config.pydantic_findings import list_of_known, nearest
from hub.core.metric_catalogue import METRICS
from hub.core.metric_rules import clash
from hub.core.model import Metric, Value
from hub.core.plausibility import TEXT_LIMIT, plausible
from hub.core.text import phrase
from hub.devices.packs.format import FieldKeys, PackKeys, ProposedKeys
from hub.devices.packs.vectors import VectorKeys

_KINDS = {
    "number": phrase("kind-number", "number"),
    "flag": phrase("kind-flag", "flag"),
    "text": phrase("kind-text", "text"),
}


def value_problem(metric: Metric, value: Value) -> str:
    """Return why a metric cannot have a value, "" when it can."""
    kind = "flag" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
    if kind != metric.kind:
        return phrase(
            "vector-value-wrong-kind",
            "{metric} is a {kind}; this is {given}",
            metric=quoted(metric.key),
            kind=_KINDS[metric.kind],
            given=quoted(value),
        )
    if plausible(metric, value):
        return ""
    if kind == "text":
        return phrase(
            "metric-text-too-long",
            "{metric} is a text of at most {most} characters",
            metric=quoted(metric.key),
            most=TEXT_LIMIT,
        )
    low = "−∞" if metric.low is None else f"{metric.low:g}"
    high = "∞" if metric.high is None else f"{metric.high:g}"
    if metric is METRICS.get(metric.key):
        return phrase(
            "pack-value-out-of-bounds",
            "{metric} cannot be {value}: in the catalogue it is from {low} to {high} {unit}",
            metric=quoted(metric.key),
            value=quoted(value),
            low=low,
            high=high,
            unit=metric.unit,
        )
    return phrase(
        "reading-out-of-own-bounds",
        "{metric} cannot be {value}: its own `low` and `high` are {low} and {high} {unit}",
        metric=quoted(metric.key),
        value=quoted(value),
        low=low,
        high=high,
        unit=metric.unit,
    )


def contradictions(keys: PackKeys) -> Iterator[Finding]:
    """Yield problems that involve several parts of a pack."""
    for key, own in own_metrics(keys).items():
        if key in METRICS and clash(own, METRICS[key], ""):
            message = phrase(
                "metric-in-catalogue",
                "the catalogue has {metric} already: use that, or another name",
                metric=quoted(key),
            )
            yield Finding(("metrics", key), message, at_key=True)
    known = {**METRICS, **own_metrics(keys)}
    paths, metrics = set[str](), set[str]()
    for at, field, metric in _named(keys):
        if metric not in known:
            message = phrase(
                "metric-not-defined",
                "{metric} is neither in the catalogue nor in `metrics`",
                metric=quoted(metric),
            )
            yield Finding((*at, "metric"), message, nearest(metric, known))
            continue
        if isinstance(field, ProposedKeys) and field.decision == "ask":
            continue
        if field.path in paths:
            yield Finding(
                (*at, "path"),
                phrase("listed-twice-here", "{name} stands here a second time", name=quoted(field.path)),
            )
        if metric in metrics:
            yield Finding(
                (*at, "metric"),
                phrase(
                    "metric-read-twice",
                    "{metric} is read twice: one device has one value of a metric",
                    metric=quoted(metric),
                ),
            )
        paths.add(field.path)
        metrics.add(metric)
        yield from _values(field.values or {}, known[metric], (*at, "values"))
    for number, default in enumerate(keys.default_credentials):
        if default.source not in keys.sources:
            wrong = _absent("source", default.source, keys.sources)
            yield Finding(("default_credentials", number, "source"), wrong, nearest(default.source, keys.sources))
    if keys.codec.message is None:
        yield from _ports(keys)


def _named(keys: PackKeys) -> Iterator[tuple[Path, FieldKeys | ProposedKeys, str]]:
    """Yield what names a metric: fields, and proposals that a person has not left out."""
    for number, field in enumerate(keys.fields if isinstance(keys.fields, tuple) else ()):
        yield ("fields", number), field, field.metric
    for number, one in enumerate(keys.proposed):
        if one.metric is not None and one.decision != "leave":
            yield ("proposed", number), one, one.metric


def _absent(option: str, name: str, known: Collection[str]) -> str:
    if not known:
        return phrase("pack-names-unknown", "there is no {option} {name}", option=option, name=quoted(name))
    return phrase(
        "pack-names-unknown-of",
        "there is no {option} {name}; {known}",
        option=option,
        name=quoted(name),
        known=list_of_known(known),
    )


def _values(values: Mapping[str, Any], metric: Metric, at: Path) -> Iterator[Finding]:
    for raw, value in values.items():
        if wrong := value_problem(metric, value):
            yield Finding((*at, raw), wrong)


def _ports(keys: PackKeys) -> Iterator[Finding]:
    """Yield ambiguous ports: without a name in the codec's answer, the port identifies the message."""
    owners: dict[int, str] = {}
    for name, message in keys.messages.items():
        if not message.ports and len(keys.messages) > 1:
            yield Finding(
                ("messages", name),
                phrase(
                    "messages-need-ports",
                    "messages are told apart by their port here: give `ports`, or `codec.message`",
                ),
            )
        for port in message.ports:
            if owners.setdefault(port, name) != name:
                text = phrase(
                    "port-of-two-messages",
                    "port {port} is already that of {message}",
                    port=port,
                    message=quoted(owners[port]),
                )
                yield Finding(("messages", name, "ports"), text)


def unknown_names(vector: VectorKeys, keys: PackKeys, at: Path) -> Iterator[Finding]:
    """Yield names in a vector that the pack does not define."""
    if (vector.heard is not None) != (keys.part is not None):
        wanted = (
            phrase("vectors-of-map", "a pack with a map has vectors with `heard`")
            if keys.part is not None
            else phrase("vectors-of-codec", "a pack with a codec has vectors with `bytes`")
        )
        yield Finding((*at, "bytes" if vector.heard is None else "heard"), wanted)
    if keys.part is None and (vector.port is None) == (keys.protocol == "lorawan"):
        wanted = (
            phrase("vector-without-port", "a vector of lorawan names its port")
            if vector.port is None
            else phrase("sigfox-without-ports", "Sigfox has no ports")
        )
        yield Finding((*at, "port") if vector.port is not None else at, wanted)
    metrics = {**METRICS, **keys.metrics}
    for option, known in (("source", keys.sources), ("message", keys.messages), ("downlink", keys.downlinks)):
        name = getattr(vector, option)
        if name is not None and name not in known:
            yield Finding(
                (*at, option),
                _absent(option, name, known),
                nearest(name, known),
            )
    for key in (vector.readings or {}) if keys.part is None else ():
        if key not in metrics:
            yield Finding(
                (*at, "readings", key),
                phrase("pack-no-such-metric", "there is no metric {metric}", metric=quoted(key)),
                nearest(key, metrics),
                at_key=True,
            )


def own_metrics(keys: PackKeys) -> dict[str, Metric]:
    """Return the metrics that a pack declares, by key."""
    return {
        key: Metric(
            key=key,
            unit=m.unit,
            resolution=m.resolution,
            kind=m.kind,
            low=m.low,
            high=m.high,
            device_class=m.device_class,
            state_class=m.state_class,
            privacy=m.privacy,
            fr=m.fr,
            en=m.en,
        )
        for key, m in keys.metrics.items()
    }
