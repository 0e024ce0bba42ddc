"""Decodes groups of meters above 36 kVA to readings: PME-PMI and ICE (Emeraude). Pure.

Enedis-NOI-CPT_02E, "Sorties de télé-information client des appareils de comptage électroniques utilisés par Enedis".
Both send groups of the historic form, with units behind the numbers (`EAP_s 9684kWh`) and dates without a season. A
PME-PMI counts the energy of each tariff post ("poste") and sends the index of the one in force; an ICE sends those of
all posts of the billing period.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from zoneinfo import ZoneInfo

import hub
from hub.sdk.metric_names import of_plugin
from hub.sdk.phrases import phrase
from hub.sdk.session import PrivacyClass
from integrations.linky.frames import Frame, Group
from integrations.linky.meter import Meter, Value
from integrations.linky.stamps import Stamp, read_date

NO_ADDRESS = "0" * 12
"""Placeholder for meters whose frames have no address: every ICE, and a PME-PMI made before 2013."""
POSTS = (*("p", "pm", "hph", "hpd", "hch", "hcd", "hpe", "hce", "ja", "hh", "hd", "hm", "dsm", "scm", "hp", "hc"),)
"""Tariff posts, by their names in PTCOUR: pointe, heures pleines d'hiver, heures creuses d'été…"""


def _metric(
    key: str,
    unit: str,
    resolution: str,
    low: float,
    high: float,
    device_class: str,
    privacy: PrivacyClass,
    *,
    en: str,
    state_class: str = "measurement",
    code: str = "",
    number: str = "",
) -> hub.Metric:
    return hub.Metric(
        key=key,
        unit=unit,
        resolution=resolution,
        low=low,
        high=high,
        device_class=device_class,
        state_class=state_class,
        privacy=privacy,
        en=en,
        code=code,
        number=number,
    )


def _energy(key: str, post: str, unit: str, *, en: str, code: str) -> hub.Metric:
    device_class, number = "energy" if unit == "kW.h" else "", post.upper()
    return _metric(
        f"{key}_{post}",
        unit,
        "0.001",
        0,
        1e9,
        device_class,
        "technical",
        en=en,
        state_class="total_increasing",
        code=code,
        number=number,
    )


# fmt: off
# ruff: noqa: E501 - a table is read across
METRICS = of_plugin(
    "linky",
    *(_energy("energy", post, "kW.h", en="Active energy drawn, post", code="linky.metric-energy_post") for post in POSTS),
    *(_energy("energy_exported", post, "kW.h", en="Active energy exported, post", code="linky.metric-energy_exported_post") for post in POSTS),
    *(_energy("energy_reactive_q1", post, "kvar.h", en="Reactive energy Q1, post", code="linky.metric-energy_reactive_q1_post") for post in POSTS),
    *(_energy("energy_reactive_q2", post, "kvar.h", en="Reactive energy Q2, post", code="linky.metric-energy_reactive_q2_post") for post in POSTS),
    *(_energy("energy_reactive_q3", post, "kvar.h", en="Reactive energy Q3, post", code="linky.metric-energy_reactive_q3_post") for post in POSTS),
    *(_energy("energy_reactive_q4", post, "kvar.h", en="Reactive energy Q4, post", code="linky.metric-energy_reactive_q4_post") for post in POSTS),
    _metric("power_mean", "W", "1", 0, 1e9, "power", "personal", en="Active power, mean of a minute"),
    _metric("reactive_power_mean", "kvar", "1", -1e6, 1e6, "", "personal", en="Reactive power, mean of a minute"),
    _metric("power_peak", "kW", "1", 0, 1e6, "power", "personal", en="Highest active power of the billing period"),
    _metric("power_peak_exported", "kW", "1", 0, 1e6, "power", "personal", en="Highest active power exported"),
    _metric("apparent_power_peak", "kV.A", "1", 0, 1e6, "apparent_power", "personal", en="Highest apparent power of the billing period"),
    _metric("apparent_power_peak_exported", "kV.A", "1", 0, 1e6, "apparent_power", "personal", en="Highest apparent power exported"),
    _metric("power_subscribed_active", "kW", "1", 0, 1e6, "power", "technical", en="Subscribed active power", state_class=""),
    _metric("tangent_phi", "1", "0.01", -100, 100, "", "technical", en="Tangent phi"),
    _metric("tangent_phi_exported", "1", "0.01", -100, 100, "", "technical", en="Tangent phi while exporting"),
    _metric("voltage_mean", "V", "1", 0, 1e6, "voltage", "technical", en="Voltage, mean of ten minutes"),
    hub.Metric(key="power_warning", kind="flag", device_class="problem", privacy="technical", en="Warning: power about to exceed the contract"),
)
# fmt: on

_BOUNDS: dict[str, tuple[float, float]] = {
    m.key: (m.low, m.high) for m in METRICS if m.low is not None and m.high is not None
}
_BOUNDS |= {"load_mean": (0, 1e9), "load_mean_exported": (0, 1e9), "power_subscribed": (0, 1e6)}
_QUANTITY = re.compile(r"\s*(-?\d{1,8}(?:[.,]\d{1,4})?)\s*([A-Za-z]{0,6})\s*", re.ASCII)
_ENERGY = {"wh": "0.001", "kwh": "1", "": "1"}
_REACTIVE = {"varh": "0.001", "kvarh": "1", "": "1"}
_WATTS = {"w": "1", "kw": "1000", "": "1000"}
_KILOVARS = {"var": "0.001", "kvar": "1", "": "1"}
_NUMBER = {"": "1"}

_ICE_INDEX = re.compile(rf"(EA|ERP|ERN)p(1?)({'|'.join(sorted(POSTS, key=len, reverse=True))})", re.IGNORECASE)
_ICE_FAMILIES = {"EA": ("energy", _ENERGY), "ERP": ("energy_reactive_q1", _REACTIVE),
    "ERN": ("energy_reactive_q4", _REACTIVE)}  # fmt: skip
_PME_INDEX = {
    "EAP_s": ("energy", _ENERGY), "EAP_i": ("energy_exported", _ENERGY),
    "ER+P_s": ("energy_reactive_q1", _REACTIVE), "ER-P_s": ("energy_reactive_q4", _REACTIVE),
    "ER+P_i": ("energy_reactive_q2", _REACTIVE), "ER-P_i": ("energy_reactive_q3", _REACTIVE),
}  # fmt: skip
"""Indexes of the post in force. Reactive energy of both signs while drawing is that of Q1 and Q4, while exporting Q2
and Q3."""
_NUMBERS = {
    "PA1MN": ("power_mean", _WATTS), "PREA1MN": ("reactive_power_mean", _KILOVARS),
    "TGPHI": ("tangent_phi", _NUMBER), "TGPHI_S": ("tangent_phi", _NUMBER),
    "TGPHI_I": ("tangent_phi_exported", _NUMBER), "U10MN": ("voltage_mean", {"v": "1", "kv": "1000", "": "1"}),
}  # fmt: skip
_POWERS = {
    # label → by unit: metric
    "PS": {"kva": "power_subscribed", "kw": "power_subscribed_active"},
    "PMAX_S": {"kva": "apparent_power_peak", "kw": "power_peak"},
    "PMAX_I": {"kva": "apparent_power_peak_exported", "kw": "power_peak_exported"},
}
_KNOWN = re.compile(
    r"TRAME|ADS|MESURES[12]|DATE|DATECOUR|CONTRAT|PTCOUR[12]?|TARIFDYN|ETATDYN[12]|PREAVIS[12]?|TDYN[12][CF][DF]|MODE|"
    r"CONFIG|DATEPA[1-6]|PA[1-6](_[si])?|PA10MN|PREA10MN|DebP(-1)?(_2)?|FinP-1(_2)?|E[aA]P_s2|E[aA]P-1_s2?|E[aA]P-1_i|"
    r"ER[+-]P-1_[si]|EA_[si]|ER[+-]_[si]|EAPP_[si]|EA|ERP|KDCD?|CAFp1?|DEBUTp1?|FINp1?|DATE_?(EA|ERP|ERN)p1?|"
    rf"PS({'|'.join(POSTS)})",
    re.IGNORECASE,
)
"""Documented labels without a reading of their own: a former period, the current ten minutes, dates, modes, the
calendar of dynamic tariffs, and a second tariff grid."""


def is_industrial(labels: Iterable[str]) -> bool:
    """Return whether this is the frame of a meter above 36 kVA."""
    there = set(labels)
    return "MESURES1" in there or ("CONTRAT" in there and not {"PTCOUR", "DATECOUR"}.isdisjoint(there))


def read(frame: Frame, zone: ZoneInfo, heard: float | None = None) -> Meter:
    """Decode a frame of such a meter, received at `heard` (Unix seconds). An invalid group is left out and its reason
    counted."""
    first: dict[str, Group] = {}
    for group in frame.groups:
        first.setdefault(group.label.upper(), group)
    ice = "MESURES1" not in first
    said = {label: group.data.strip() for label, group in first.items()}
    post = said.get("PTCOUR" if ice else "PTCOUR1", "").lower()
    values: dict[str, Value] = {}
    unknown: list[str] = []
    for group in frame.groups:
        try:
            _group(group, post if post in POSTS else "", values)
        except hub.DecodeError as error:
            unknown.append(error.reason)
    for metric, text in (("tariff_option", said.get("CONTRAT" if ice else "MESURES1")), ("tariff", post.upper())):
        words = " ".join((text or "").split())[:32]
        if words:
            values[metric] = words
    if "PREAVIS" in said:
        values["power_warning"] = any("DEP" in g.data for g in frame.groups if g.label.upper() == "PREAVIS")
    if ice:
        _ice_total(values)
        if post in POSTS and f"PS{post.upper()}" in said:
            try:
                _put(values, "power_subscribed_active", _number(said[f"PS{post.upper()}"], {"kw": "1", "": "1"}))
            except hub.DecodeError as error:
                unknown.append(error.reason)
    dated, clock = _dated(said, lambda text: read_date(text, zone, heard), unknown)
    serial = said.get("ADS", "")
    if not re.fullmatch(r"[0-9A-F]{12}", serial, re.ASCII):
        serial = NO_ADDRESS
    return Meter(serial, values, dated, clock, "ICE (Emeraude)" if ice else "PME-PMI", tuple(unknown))


def _group(group: Group, post: str, values: dict[str, Value]) -> None:
    """Decode the reading of one group, if it has one; the first of a label counts. Raises DecodeError."""
    label = group.label.upper()
    index = _ICE_INDEX.fullmatch(label)
    if index is not None:
        family, units = _ICE_FAMILIES[index[1].upper()]
        if not index[2]:  # not of the previous period
            _put(values, f"{family}_{index[3].lower()}", _number(group.data, units))
    elif label in _PME_UPPER:
        family, units = _PME_UPPER[label]
        value = _number(group.data, units)
        if not post:
            raise hub.DecodeError(
                "tic-tariff", phrase("linky.unknown-tariff-post", "the index of a tariff post that is not known")
            )
        _put(values, f"{family}_{post}", value)
    elif label in _NUMBERS:
        metric, units = _NUMBERS[label]
        _put(values, metric, _number(group.data, units))
    elif label in _POWERS:
        amount, unit = _quantity(group.data)
        if unit not in _POWERS[label]:
            raise hub.DecodeError("tic-unit", _wrong_unit(unit))
        _put(values, _POWERS[label][unit], float(amount))
    elif not _KNOWN.fullmatch(label):
        raise hub.DecodeError("tic-label")


_PME_UPPER = {label.upper(): entry for label, entry in _PME_INDEX.items()}


def _put(values: dict[str, Value], metric: str, value: float) -> None:
    """Set a metric unless it is set already. Raises DecodeError `tic-value` for an impossible value."""
    low, high = _BOUNDS[metric]
    if not low <= value <= high:
        raise hub.DecodeError(
            "tic-value", phrase("linky.value-impossible", "{metric} cannot be {value:g}", metric=metric, value=value)
        )
    values.setdefault(metric, value)


def _ice_total(values: dict[str, Value]) -> None:
    """Return the energy of the billing period: the sum of all posts of the contract."""
    posts = [value for key, value in values.items() if key.startswith("energy_") and key[7:] in POSTS]
    if posts:
        values["energy"] = float(sum(Decimal(str(value)) for value in posts))


def _dated(
    said: dict[str, str], read_date: Callable[[str], Stamp], unknown: list[str]
) -> tuple[list[tuple[Stamp, dict[str, Value]]], Stamp | None]:
    """Decode the mean powers of the last six spans of ten minutes, each with its own time, oldest first; and the
    clock."""
    dated: list[tuple[Stamp, dict[str, Value]]] = []
    clock: Stamp | None = None
    for n in range(1, 7):
        moment: dict[str, Value] = {}
        try:
            for label, metric in (
                (f"PA{n}", "load_mean"),
                (f"PA{n}_S", "load_mean"),
                (f"PA{n}_I", "load_mean_exported"),
            ):
                if said.get(label):
                    _put(moment, metric, _number(said[label], _WATTS))
            if moment and said.get(f"DATEPA{n}"):
                dated.append((read_date(said[f"DATEPA{n}"]), moment))
        except hub.DecodeError as error:
            unknown.append(error.reason)
    try:
        for label in ("DATECOUR", "DATE"):
            if said.get(label) and clock is None:
                clock = read_date(said[label])
    except hub.DecodeError as error:
        unknown.append(error.reason)
    return sorted(dated, key=lambda one: one[0].time), clock


def _quantity(data: str) -> tuple[Decimal, str]:
    found = _QUANTITY.fullmatch(data)
    if found is None:
        raise hub.DecodeError("tic-value", phrase("linky.not-a-number-with-unit", "not a number with its unit"))
    return Decimal(found[1].replace(",", ".")), found[2].lower()


def _wrong_unit(unit: str) -> str:
    if unit:
        return phrase("linky.unexpected-unit", "the unit {unit} is not expected here", unit=unit)
    return phrase("linky.no-unit", "a number without the unit that is expected here")


def _number(data: str, units: dict[str, str]) -> float:
    """Return a number in the metric's unit, exactly. Raises DecodeError `tic-value`, `tic-unit`."""
    amount, unit = _quantity(data)
    if unit not in units:
        raise hub.DecodeError("tic-unit", _wrong_unit(unit))
    return float(amount * Decimal(units[unit]))
