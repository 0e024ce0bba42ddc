"""Decides the treatment of each series of each zone. Pure; asked when a plan is compiled, never per reading.

In this order: a metric of class personal, taking into account where it is measured
(`hub.privacy.rules_engine.data_categories.privacy_of`), is withheld unless its zone states a purpose for it or a rule
with a purpose matches; the first matching rule of the file decides what is kept; personal data of a dwelling that are
kept leave under a pseudonym, rule or not; a device of scheme `linky` whose id holds a serial number or PRM leaves under
a pseudonym everywhere.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence

import msgspec

from hub.core.model import Metric, Position
from hub.privacy.rules_engine.data_categories import PERSONAL, POSITION, is_dwelling, privacy_of
from hub.privacy.rules_engine.positions import snapped
from hub.privacy.rules_engine.pseudonyms import KEY_BYTES, Consents, Rotating, pseudonym
from hub.privacy.rules_engine.report_filter import Group, Key, ReportFilter, SubjectMapper
from hub.privacy.rules_engine.rules import PrivacyRule, WindowSpec
from hub.privacy.rules_engine.windows import INTEGRATION, Windows
from hub.protocol.records.rows import Column, Row, Shape, Subject

GRID_M = 200.0
POSITION_BUCKET_S = 300.0
IDENTIFIERS = ""
"""Purpose of the key that pseudonymises personal ids: of the whole hub (zone ""), or of a dwelling."""
PERSONAL_WITHHELD, RULE_WITHHELD, CONSENT_WITHHELD = "withheld-personal", "withheld-by-rule", "withheld-no-consent"

_METER_ID = re.compile(r"\d{12}")
_POSITION_SHAPE = Shape(columns=(Column(metric=POSITION, kind="flag", privacy=PERSONAL),))


class Treatment(msgspec.Struct, frozen=True, kw_only=True):
    """The treatment of one series. `keep`: readings go on, possibly coarser; `window_spec`: they feed a window;
    neither: `why` is the slug counted. `rotate_s`, or `purpose` with `keyed`, select the key of its pseudonym. `metric`
    has its class there."""

    metric: Metric
    keep: bool = True
    why: str = ""
    rule: str = ""
    purpose: str = ""
    step: float = 0.0
    bucket_s: float = 0.0
    window_spec: WindowSpec | None = None
    rotate_s: float = 0.0
    keyed: bool = False

    @property
    def raw(self) -> bool:
        """True if readings leave unchanged, under their own name."""
        return self.keep and not (self.step or self.bucket_s or self.rotate_s or self.keyed)


class PositionPolicy(msgspec.Struct, frozen=True):
    """The treatment of positions reported by devices of a zone."""

    grid_m: float = GRID_M
    bucket_s: float = POSITION_BUCKET_S
    keep_id: bool = False

    def own(self, position: Position) -> Position | None:
        """Return the position that leaves with the device's own readings, or None."""
        return snapped(position, self.grid_m) if self.keep_id else None

    def cut(self, position: Position, subject: Subject, time_ms: int, sure: bool, trust: int) -> Row | None:
        """Return the position as a row detached from its device, or None where it stays with the device."""
        if self.keep_id:
            return None
        bucket = int(self.bucket_s * 1000) or 1
        return Row(
            subject,
            _POSITION_SHAPE,
            time_ms - time_ms % bucket,
            sure,
            (True,),
            0,
            trust,
            None,
            snapped(position, self.grid_m),
        )


class Privacy:
    """The privacy rules of one hub. `purposes`: zone id → metric key → purpose, as the zones state them; `uses`: zone
    id → its use."""

    def __init__(
        self,
        purposes: Mapping[str, Mapping[str, str]] | None = None,
        *,
        uses: Mapping[str, str] | None = None,
        rules: Sequence[PrivacyRule] = (),
        consents: Consents | None = None,
        windows: Windows | None = None,
        rotating: Callable[[float], Rotating] = Rotating,
    ) -> None:
        self._purposes = dict(purposes or {})
        self._dwellings = frozenset(zone for zone, use in (uses or {}).items() if is_dwelling(use))
        self.rules = tuple(rules)
        self.consents = Consents() if consents is None else consents  # an empty one is falsy
        self.windows = Windows(lambda: 0.0, lambda event, subject, n: None) if windows is None else windows
        self.windows.set_specs(rule.window_spec for rule in self.rules if rule.window_spec is not None)
        self._make_rotating = rotating
        self._rotating: dict[float, Rotating] = {}
        self._positions: dict[tuple[str, str], Subject] = {}
        self._lost_key = secrets.token_bytes(KEY_BYTES)  # of this process only, for a hub whose store has none

    def reconfigure(
        self, purposes: Mapping[str, Mapping[str, str]], uses: Mapping[str, str], rules: Sequence[PrivacyRule]
    ) -> None:
        """Apply a new configuration to plans compiled from now on. Keys stay, and so do open windows of unchanged
        rules."""
        self._purposes = dict(purposes)
        self._dwellings = frozenset(zone for zone, use in uses.items() if is_dwelling(use))
        self.rules = tuple(rules)
        self.windows.set_specs(rule.window_spec for rule in self.rules if rule.window_spec is not None)

    def dwelling(self, zone: str) -> bool:
        return zone in self._dwellings

    def may_keep(self, metric: Metric, zone: str) -> bool:
        """Return whether readings of this metric in this zone may leave memory unchanged. Rules and alerts follow
        this."""
        return self.treatment(metric, zone).raw

    def treatment(self, metric: Metric, zone: str) -> Treatment:
        """Return the treatment of a series."""
        home = zone in self._dwellings
        privacy = privacy_of(metric, dwelling=home)
        if privacy != metric.privacy:
            metric = msgspec.structs.replace(metric, privacy=privacy)
        personal = privacy == PERSONAL
        stated = self._purposes.get(zone, {}).get(metric.key, "")
        rule = next((rule for rule in self.rules if rule.fits(metric, zone)), None)
        if rule is None:
            if personal and not stated:
                return Treatment(metric=metric, keep=False, why=PERSONAL_WITHHELD)
            hide = personal and home
            return Treatment(metric=metric, purpose=stated, keyed=hide)
        if rule.drop:
            return Treatment(metric=metric, keep=False, why=RULE_WITHHELD, rule=rule.name)
        purpose = rule.purpose or stated
        if personal and not purpose:
            return Treatment(metric=metric, keep=False, why=PERSONAL_WITHHELD, rule=rule.name)
        if rule.window_spec is not None:
            if metric.kind == "text":
                return Treatment(metric=metric, keep=False, why=RULE_WITHHELD, rule=rule.name)
            return Treatment(metric=metric, keep=False, rule=rule.name, purpose=purpose, window_spec=rule.window_spec)
        if rule.consent and self.consents.key(zone, rule.consent) is None:
            return Treatment(metric=metric, keep=False, why=CONSENT_WITHHELD, rule=rule.name, purpose=purpose)
        keyed = bool(rule.consent or rule.keyed or (personal and home and not rule.rotate_s))
        return Treatment(
            metric=metric,
            rule=rule.name,
            purpose=purpose,
            step=rule.step if metric.kind == "number" else 0.0,
            bucket_s=rule.bucket_s,
            rotate_s=rule.rotate_s,
            keyed=keyed,
        )

    def position_policy(self, zone: str) -> PositionPolicy | None:
        """Return the treatment of positions of this zone's devices; None: they are withheld."""
        rule = next((rule for rule in self.rules if rule.fits_position(zone)), None)
        stated = self._purposes.get(zone, {}).get(POSITION, "")
        if rule is None:
            return PositionPolicy() if stated else None
        if rule.drop or rule.window_spec is not None or not (rule.purpose or stated):
            return None
        if rule.consent and self.consents.key(zone, rule.consent) is None:
            return None
        return PositionPolicy(
            GRID_M if rule.grid_m is None else rule.grid_m,
            rule.bucket_s or (0.0 if rule.keep_id else POSITION_BUCKET_S),
            rule.keep_id,
        )

    def zone_subject(self, subject: Subject) -> Subject:
        """Return the subject of positions detached from their device: the zone's."""
        known = self._positions.get((subject.site, subject.zone))
        if known is None:
            known = self._positions[subject.site, subject.zone] = Subject(
                device=f"positions:{subject.zone}", site=subject.site, zone=subject.zone, integration=INTEGRATION
            )
        return known

    def subject(self, subject: Subject) -> Subject:
        """Return a device's subject where no rule hides it: an id that is a Linky's number is pseudonymised all the
        same."""
        scheme, _, name = subject.device.partition(":")
        if scheme == "linky" and _METER_ID.search(name):
            key = self.consents.key("", IDENTIFIERS) or self._lost_key
            return msgspec.structs.replace(subject, device=f"linky:{pseudonym(key, subject.device)}")
        return subject

    def filter_for(self, treatments: Sequence[Treatment], subject: Subject) -> ReportFilter | None:
        """Return the filter for reports of a device with these series; None where nothing is to be done."""
        if all(one.raw or (not one.keep and one.window_spec is None) for one in treatments):
            return None
        kept = [one for one in treatments if one.keep]
        gathered = [one for one in treatments if one.window_spec is not None]
        cells = tuple(
            (one.metric.key, self.windows.cell(one.window_spec, subject.zone, subject.site, one.metric))
            for one in gathered
            if one.window_spec is not None
        )
        return ReportFilter(
            {one.metric.key: one.step for one in kept if one.step},
            cells,
            self._groups(kept, subject),
            max((one.bucket_s for one in kept), default=0.0),
        )

    def purpose_key(self, one: Treatment) -> str:
        """Return the purpose of the key of a keyed series: that of its consent, or the zone's own."""
        rule = next((rule for rule in self.rules if rule.name == one.rule), None)
        return rule.consent if rule is not None and rule.consent else IDENTIFIERS

    def _groups(self, kept: Sequence[Treatment], subject: Subject) -> tuple[Group, ...]:
        """Group the series by key.

        Series without one join the first keyed group: the same battery level under two names would link them.
        """
        keys = [(one.rotate_s, self.purpose_key(one) if one.keyed else None) for one in kept]
        names = list(dict.fromkeys(key for key in keys if key != (0.0, None)))
        if not names:
            return (Group(SubjectMapper(subject), _shape(kept)),)
        groups = []
        for name in names:
            at = tuple(n for n, key in enumerate(keys) if key == name or (key == (0.0, None) and name == names[0]))
            who = SubjectMapper(subject, self._key(subject.zone, *name), grouped=name[1] is not None)
            groups.append(Group(who, _shape([kept[n] for n in at]), None if len(at) == len(kept) else at))
        return tuple(groups)

    def _key(self, zone: str, rotate_s: float, purpose: str | None) -> Key:
        if purpose is not None:
            return lambda at: self.consents.key(zone, purpose)
        rotating = self._rotating.setdefault(rotate_s, self._make_rotating(rotate_s))
        return rotating.key


def column(metric: Metric) -> Column:
    return Column(
        metric=metric.key,
        unit=metric.unit,
        resolution=metric.resolution,
        kind=metric.kind,
        device_class=metric.device_class,
        state_class=metric.state_class,
        privacy=metric.privacy,
    )


def _shape(kept: Sequence[Treatment]) -> Shape:
    return Shape(columns=tuple(column(one.metric) for one in kept))
