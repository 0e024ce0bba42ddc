"""Checks of privacy rules across a configuration: unknown names, windows that overlap, values that cannot be made
coarser. A rule that names nothing protects nothing, so it is an error and not a warning. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from hub.config.model import Core
from hub.config.parts.privacy import PrivacyRule
from hub.config.positions import Finding, Path, clipped
from hub.config.pydantic_findings import nearest
from hub.core.metric_catalogue import METRICS
from hub.core.text import phrase

POSITION = "position"
DEVICE_CLASSES = frozenset({metric.device_class for metric in METRICS.values()} - {""}) | {
    "apparent_power", "reactive_power", "reactive_energy", "sound_pressure", "aqi", "moisture", "illuminance",
}  # fmt: skip
"""Device classes of the catalogue, and of plugins of this distribution."""


def check_privacy(core: Core) -> Iterator[Finding]:
    """Yield all errors, each with the path of its value."""
    decided: dict[tuple[str, str], str] = {}
    for name, rule in core.privacy.rules.items():
        path: Path = ("privacy", "rules", name)
        yield from _names(rule, core, path)
        yield from _kinds(rule, path)
        yield from _partition(name, rule, core, path, decided)


def _names(rule: PrivacyRule, core: Core, path: Path) -> Iterator[Finding]:
    for at, zone in enumerate(rule.zones):
        if zone not in core.zones:
            message = phrase(
                "privacy-zone-unknown",
                "there is no zone '{zone}' in `zones`: this rule would protect nothing there",
                zone=clipped(zone),
            )
            yield Finding((*path, "zones", at), message, nearest(zone, core.zones))
    known = [*METRICS, POSITION]
    for at, metric in enumerate(rule.metrics):
        if metric not in known:
            message = phrase(
                "privacy-metric-unknown",
                "no metric '{metric}' is in the catalogue; one that a plugin adds stands in `plugin_metrics`",
                metric=clipped(metric),
            )
            yield Finding((*path, "metrics", at), message, nearest(metric, known))
    for at, metric in enumerate(rule.plugin_metrics):
        if metric in known:
            yield Finding(
                (*path, "plugin_metrics", at),
                phrase(
                    "privacy-metric-in-catalogue", "{metric} is in the catalogue: name it in `metrics`", metric=metric
                ),
            )
    for at, device_class in enumerate(rule.device_classes):
        if device_class not in DEVICE_CLASSES:
            message = phrase(
                "device-class-unknown",
                "no metric is of device class '{device_class}'",
                device_class=clipped(device_class),
            )
            yield Finding((*path, "device_classes", at), message, nearest(device_class, DEVICE_CLASSES))
    if rule.consent is not None and not rule.zones:
        yield Finding(
            (*path, "consent"),
            phrase("consent-without-zones", "consent is given for a home: name its `zones`"),
            at_key=True,
        )


def _kinds(rule: PrivacyRule, path: Path) -> Iterator[Finding]:
    metrics = [(at, METRICS[metric]) for at, metric in enumerate(rule.metrics) if metric in METRICS]
    for at, metric in metrics:
        where = (*path, "metrics", at)
        if (rule.aggregate or rule.count) and metric.kind == "text":
            message = phrase(
                "text-not-averaged",
                "{metric} is a text: it cannot be counted or averaged, drop it",
                metric=metric.key,
            )
            yield Finding(where, message)
        if rule.coarsen is not None and rule.coarsen.step is not None and metric.kind != "number":
            yield Finding(
                where,
                phrase(
                    "metric-not-rounded",
                    "{metric} is no number: only numbers are rounded to a step",
                    metric=metric.key,
                ),
            )
    if POSITION in rule.metrics and (rule.aggregate or rule.count):
        yield Finding(
            (*path, "metrics", rule.metrics.index(POSITION)),
            phrase("positions-not-counted", "positions are not counted: drop or coarsen them"),
        )
    coarsen = rule.coarsen
    position = not (rule.metrics or rule.device_classes or rule.plugin_metrics) or POSITION in rule.metrics
    if coarsen is not None and (coarsen.grid is not None or coarsen.keep_id) and not position:
        message = phrase(
            "grid-without-position",
            "grid and keep_id are about positions, and this rule is not: add position to `metrics`",
        )
        yield Finding((*path, "coarsen"), message, at_key=True)


def _partition(
    name: str, rule: PrivacyRule, core: Core, path: Path, decided: dict[tuple[str, str], str]
) -> Iterator[Finding]:
    """Check that zones form one partition only, since two counts of the same people can be subtracted from each other,
    and that earlier rules leave something of each rule."""
    names = [*rule.metrics, *rule.plugin_metrics, *rule.device_classes] or [""]
    cells = [(zone, metric) for zone in rule.zones or core.zones for metric in names]
    taken = [(cell, by) for cell in cells if (by := decided.get(cell) or decided.get((cell[0], "")))]
    for (zone, metric), by in taken[:1]:
        what = metric or phrase("every-metric", "everything")
        if len(taken) == len(cells):
            message = phrase(
                "privacy-rule-decided",
                "rule '{rule}' decides on {metric} of {zone} already, and the first one decides",
                rule=clipped(by),
                metric=what,
                zone=zone,
            )
            yield Finding(path, message, at_key=True)
        elif rule.count or rule.aggregate:
            message = phrase(
                "privacy-window-twice",
                "rule '{rule}' decides on {metric} of {zone} already: one window only of the same people",
                rule=clipped(by),
                metric=what,
                zone=zone,
            )
            yield Finding(path, message, at_key=True)
    decided.update({cell: name for cell in cells if cell not in decided})
