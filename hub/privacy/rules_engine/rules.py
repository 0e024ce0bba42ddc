"""The configured privacy rules, compiled: times in seconds, the effect of a rule as one value. Pure."""

from __future__ import annotations

import msgspec

from hub.config.model import Core
from hub.config.parts.privacy import PrivacyRule as Written
from hub.core.model import Metric
from hub.privacy.rules_engine.data_categories import POSITION


class WindowSpec(msgspec.Struct, frozen=True):
    """A window over a zone. `by` is mean, sum or max (an aggregate), or devices, sum or max (a count). Fewer than
    `least` devices give no aggregate; a count is rounded (`hub.privacy.rules_engine.windows.published`)."""

    rule: str
    window_s: float
    by: str
    least: int = 1
    count: bool = False
    total: bool = False


class PrivacyRule(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled rule. Empty `zones`, `metrics` and `device_classes` mean all. `grid_m` None: the default grid."""

    name: str
    zones: frozenset[str] = frozenset()
    metrics: frozenset[str] = frozenset()
    device_classes: frozenset[str] = frozenset()
    purpose: str = ""
    drop: bool = False
    step: float = 0.0
    bucket_s: float = 0.0
    grid_m: float | None = None
    keep_id: bool = False
    window_spec: WindowSpec | None = None
    rotate_s: float = 0.0
    keyed: bool = False
    consent: str = ""

    def fits(self, metric: Metric, zone: str) -> bool:
        """Return whether the rule applies to this metric in this zone."""
        return (not self.zones or zone in self.zones) and self._names(metric.key, metric.device_class)

    def fits_position(self, zone: str) -> bool:
        """Return whether the rule applies to positions of devices in this zone."""
        return (not self.zones or zone in self.zones) and self._names(POSITION, "")

    def _names(self, key: str, device_class: str) -> bool:
        everything = not (self.metrics or self.device_classes)
        return everything or key in self.metrics or device_class in self.device_classes


def compile_privacy(core: Core) -> tuple[PrivacyRule, ...]:
    """Compile the rules of a configuration that `ilot check` accepts, in the order of the file: the first match
    decides."""
    return tuple(_rule(name, rule) for name, rule in core.privacy.rules.items())


def _rule(name: str, rule: Written) -> PrivacyRule:
    coarsen, pseudonymise = rule.coarsen, rule.pseudonymise
    window_spec = None
    if rule.aggregate is not None:
        window_spec = WindowSpec(name, rule.aggregate.window.total_seconds(), rule.aggregate.by, rule.aggregate.least)
    elif rule.count is not None:
        window = rule.count.window.total_seconds()
        window_spec = WindowSpec(name, window, rule.count.of, count=True, total=rule.count.total)
    return PrivacyRule(
        name=name,
        zones=frozenset(rule.zones),
        metrics=frozenset((*rule.metrics, *rule.plugin_metrics)),
        device_classes=frozenset(rule.device_classes),
        purpose=rule.purpose or "",
        drop=rule.drop,
        step=coarsen.step or 0.0 if coarsen else 0.0,
        bucket_s=coarsen.time.total_seconds() if coarsen and coarsen.time else 0.0,
        grid_m=coarsen.grid if coarsen else None,
        keep_id=coarsen.keep_id if coarsen else False,
        window_spec=window_spec,
        rotate_s=pseudonymise.rotate.total_seconds() if pseudonymise and pseudonymise.rotate else 0.0,
        keyed=pseudonymise is not None and pseudonymise.rotate is None,
        consent=rule.consent or "",
    )
