"""Plans: everything about a report that depends on its device and metrics only, compiled once and again after a change.

The hot path looks a plan up by device and a shape by the report's metric keys; all questions whose answer does
not depend on the value (is the metric known, may it be kept, what are its bounds, which columns does it become)
are answered here, once.
"""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, cast

import msgspec

from hub.automation.rules import RuleBinding, Rules
from hub.core.metric_catalogue import METRICS
from hub.core.metric_rules import expect_metrics
from hub.core.model import Device, Metric, Place, Proof, Quality, TrustClass, Value
from hub.core.plausibility import ValueCheck
from hub.history.latest import LatestValues, Slot
from hub.pipeline.admission.guard import DeviceChecks, Guard
from hub.pipeline.admission.replay import ReplayWindows
from hub.pipeline.admission.trust import KnownKey, trust_class
from hub.pipeline.pulse_counters import PulseConversion, Pulses
from hub.pipeline.report_strategy import LastSent, Level, ResolvedStrategy, rule
from hub.privacy.rules_engine import Privacy, ReportFilter
from hub.privacy.rules_engine.policy import PositionPolicy
from hub.privacy.rules_engine.policy import column as column_of
from hub.protocol.records.rows import Column, Shape, Subject

MOST_SHAPES = 4096
"""Limit of shapes that devices of one kind share."""

MOST_COMBINATIONS = 32
"""Limit of combinations of metrics that strategies let through, per device."""


class KeptMetrics(NamedTuple):
    """Which of the reported metrics are kept. `keep`: their keys, None when every value is kept unchanged. `withheld`
    counts those that privacy leaves out, by reason; `unknown` are the keys that no catalogue has."""

    keep: tuple[str, ...] | None
    withheld: tuple[tuple[str, int], ...]
    unknown: tuple[str, ...]


class ShapePlan(ValueCheck):
    """Plan for one set of metrics of a device; `keep`, `withheld` and `unknown` are those of KeptMetrics. `rules` is
    None when every kept value goes further, else it has a strategy per column, None for columns that always do.
    `binding` are the automation rules that look at it, None where none does; `veil` is the privacy filter, None where
    it does nothing."""

    __slots__ = ("binding", "keep", "rules", "shape", "slot", "unknown", "veil", "withheld")

    def __init__(
        self,
        shape: Shape,
        slot: Slot,
        judged: Iterable[Metric],
        kept: KeptMetrics,
        rules: tuple[ResolvedStrategy | None, ...] | None,
        binding: RuleBinding | None,
        veil: ReportFilter | None,
    ) -> None:
        super().__init__(judged)
        self.shape = shape
        self.veil = veil
        self.binding = binding
        self.slot = slot
        self.keep, self.withheld, self.unknown = kept
        self.rules = rules


class AdmissionChecks(NamedTuple):
    """What frames of one device are admitted by: the name of its replay window, whether its integration hears nobody
    but its own devices (`perimeter`), which key of it the core knows, and the guard's state of it, None without a
    guard."""

    window: str
    protected: bool
    key: KnownKey
    watch: DeviceChecks | None


class Plan:
    """Plan for one admitted device: its subject (as TABLE records name it), its trust and its shapes."""

    __slots__ = (
        "_compile", "_protected", "_sent", "device", "key", "metrics", "position", "pulse", "shapes", "subject",
        "watch", "window",
    )  # fmt: skip

    def __init__(
        self,
        device: Device,
        subject: Subject,
        metrics: Mapping[str, Metric],
        checks: AdmissionChecks,
        compile_: Callable[[Plan, tuple[str, ...]], ShapePlan],
        pulse: PulseConversion | None = None,
        position: PositionPolicy | None = None,
    ) -> None:
        self.device = device
        self.position = position  # what happens to the positions that it reports; None: they are withheld
        self.pulse = pulse
        self.subject = subject
        self.metrics = metrics
        self.window, self._protected, self.key, self.watch = checks
        self.shapes: dict[tuple[str, ...], ShapePlan] = {}
        self._compile = compile_
        self._sent: dict[str, LastSent] = {}

    def shape(self, keys: tuple[str, ...]) -> ShapePlan:
        """Return the compiled shape for these metric keys, in this order."""
        shape = self.shapes.get(keys)
        if shape is None:
            if len(self.shapes) >= 256:  # a device that never says the same twice must not fill the RAM
                self.shapes.clear()
            shape = self.shapes[keys] = self._compile(self, keys)
        return shape

    def due(self, shape: ShapePlan, values: tuple[Value, ...], quality: Quality, time: float) -> dict[str, Value]:
        """Return the values that go further by their strategies, in the order of the columns. They count as sent."""
        due = {}
        for column, value, strategy in zip(shape.shape.columns, values, shape.rules or (), strict=True):
            if strategy is None or strategy.due(self._sent.get(column.metric), value, quality, time):
                due[column.metric] = value
                self._sent[column.metric] = LastSent(value, quality, time)
        return due

    def rows(self, due: dict[str, Value]) -> Iterator[tuple[ShapePlan, tuple[Value, ...]]]:
        """Split the values that go further into rows to store: one row, or one per metric where that combination is new
        and there are too many. Each combination costs a description in the buffer, and a device of 20 metrics has a
        million of them."""
        keys = tuple(due)
        if keys in self.shapes or len(self.shapes) < MOST_COMBINATIONS:
            yield self.shape(keys), tuple(due.values())
        else:
            for key, value in due.items():
                yield self.shape((key,)), (value,)

    def trust(self, proof: Proof | None) -> TrustClass:
        return trust_class(proof, protected=self._protected, key=self.key)


class Declared(msgspec.Struct, frozen=True):
    """Declaration of a plugin about one device: model, firmware, metrics beyond the catalogue."""

    model: str = ""
    firmware: str = ""
    metrics: dict[str, Metric] = {}


class Planner:
    """Compiles plans. `metrics` is the catalogue with what plugins add to it; `levels` returns the report strategies
    above the device's own for an integration instance; `registered` the metrics of its plugin, which stand before those
    of the catalogue; `holds_keys` whether it has keys for devices of which the hub has none. `declared` holds the
    declarations of plugins, by device."""

    def __init__(
        self,
        *,
        metrics: Mapping[str, Metric],
        place: Callable[[str], Place | None],
        privacy: Privacy,
        live: LatestValues,
        replay: ReplayWindows,
        protected: Callable[[str], bool],
        levels: Callable[[str], tuple[Level, ...]] = lambda integration: (),
        pulses: Pulses | None = None,
        registered: Callable[[str], Mapping[str, Metric]] = lambda integration: {},
        holds_keys: Callable[[str], bool] = lambda integration: False,
    ) -> None:
        self._pulses = pulses
        self._rules: Rules | None = None
        self._metrics = metrics
        self._levels = levels
        self._place = place
        self._privacy = privacy
        self._live = live
        self._replay = replay
        self._protected = protected
        self._registered, self._holds_keys = registered, holds_keys
        self._owners: dict[str, str] = {}  # device → the instance that its plan was compiled for
        self._shared: dict[tuple[Column, ...], Shape] = {}
        self.declared: dict[str, Declared] = {}

    def declare(self, device: str, model: str = "", firmware: str = "", metrics: Iterable[Metric] = ()) -> bool:
        """Add to the declaration of a device. Returns whether that changed anything: the device's plans are then to be
        compiled again. Raises PluginError for a metric that is none, or weakens one of the catalogue; nothing is
        declared then."""
        before = self.declared.get(device, Declared())
        metrics = tuple(metrics)
        expect_metrics((one for one in metrics if one not in before.metrics.values()), METRICS)
        after = Declared(
            model or before.model, firmware or before.firmware, {**before.metrics, **{m.key: m for m in metrics}}
        )
        self.declared[device] = after
        return after != before

    def compile(self, device: Device, guard: Guard | None = None) -> Plan:
        """Return the plan of an admitted device, watched by `guard`."""
        place = self._place(device.place)
        declared = self.declared.get(device.id, Declared())
        subject = Subject(
            device=device.id,
            place=device.place,
            site=place.site if place else "",
            zone=place.zone if place else "",
            model=device.model or declared.model,
            integration=device.integration,
        )
        subject = self._privacy.subject(subject)
        self.reseat(device)
        self._owners[device.id] = device.integration
        window = self._replay.window(device.id, device.key)
        return Plan(
            device,
            subject,
            self._of(declared, device.integration),
            AdmissionChecks(
                window,
                self._protected(device.integration),
                self._known_key(device),
                guard.watch(device, window, subject.zone) if guard is not None else None,
            ),
            self._compile_shape,
            self._pulses.of(place) if self._pulses is not None else None,
            self._privacy.position_policy(subject.zone),
        )

    def _known_key(self, device: Device) -> KnownKey:
        if device.key is not None:
            return KnownKey.OF_DEVICE
        return KnownKey.OF_INSTANCE if self._holds_keys(device.integration) else KnownKey.NONE

    def _of(self, declared: Declared, integration: str) -> Mapping[str, Metric]:
        """Return the metrics of a device. Without a declaration it is the catalogue itself: a copy takes 13 KiB per
        device. Two plugins may have a metric of one name: that of the device's own counts."""
        own = [metrics for metrics in (declared.metrics, self._registered(integration)) if metrics]
        if not own:
            return self._metrics
        return ChainMap(*cast("list[dict[str, Metric]]", [*own, self._metrics]))  # which nobody writes through it

    def reseat(self, device: Device) -> None:
        """Show the latest values of a device only as far as they may be kept where it stands now."""
        place = self._place(device.place)
        zone = place.zone if place else ""

        def may_show(metric: Metric) -> bool:
            one = self._privacy.treatment(metric, zone)
            return one.keep and not (one.keyed or one.rotate_s)

        self._live.rebind(device, may_show)

    def reconfigure(
        self,
        *,
        protected: Callable[[str], bool],
        levels: Callable[[str], tuple[Level, ...]],
        registered: Callable[[str], Mapping[str, Metric]],
        holds_keys: Callable[[str], bool],
    ) -> None:
        """Compile plans by this configuration from now on."""
        self._protected, self._levels = protected, levels
        self._registered, self._holds_keys = registered, holds_keys

    def use_rules(self, rules: Rules | None) -> None:
        """Bind plans that are compiled from now on to these rules; None: to no rule."""
        self._rules = rules

    def metric(self, device: str, key: str) -> Metric | None:
        """Return a metric by key: declared for the device, or of the catalogue; None when it is unknown."""
        return self._of(self.declared.get(device, Declared()), self._owners.get(device, "")).get(key)

    def may_keep(self, metric: Metric, zone: str) -> bool:
        """Return whether readings of this metric in this zone may leave memory unchanged."""
        return self._privacy.may_keep(metric, zone)

    @property
    def privacy(self) -> Privacy:
        return self._privacy

    def _compile_shape(self, plan: Plan, keys: tuple[str, ...]) -> ShapePlan:
        known = [self._privacy.treatment(plan.metrics[key], plan.subject.zone) for key in keys if key in plan.metrics]
        treated = [one for one in known if one.keep]
        kept = tuple(one.metric for one in treated)
        columns = tuple(column_of(metric) for metric in kept)
        levels = (*self._levels(plan.device.integration), plan.device.report)
        rules = tuple(rule(metric, levels) for metric in kept)
        judged = tuple(one.metric for one in known)  # of all: rules see what may not be kept too
        # Devices of one kind share one shape, so that a block groups them and a TABLE names it once.
        if len(self._shared) >= MOST_SHAPES:  # those in use are still held by their plans
            self._shared.clear()
        shape = self._shared.setdefault(columns, Shape(columns=columns))
        return ShapePlan(
            shape,
            self._live.slot(plan.device, tuple(one.metric for one in treated if not (one.keyed or one.rotate_s))),
            judged,
            KeptMetrics(
                None if len(kept) == len(keys) else tuple(metric.key for metric in kept),
                tuple(Counter(one.why or "gathered" for one in known if not one.keep).items()),
                tuple(key for key in keys if key not in plan.metrics),
            ),
            rules if any(rules) else None,
            None if self._rules is None else self._rules.bind(plan.device, plan.metrics, keys),
            self._privacy.filter_for(known, plan.subject),
        )
