"""Decodes groups of one frame to readings: metric and unit of each label. Pure.

Enedis-NOI-CPT_54E §6.1 (historic) and §6.2 (standard), Enedis-NOI-CPT_02E for the labels of older meters; `industrial`
has those of meters above 36 kVA. Names, addresses and messages of a subscriber give no reading. Energies are counters
in Wh at the meter, kWh here.
"""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

import hub
from hub.sdk.metric_names import of_plugin
from hub.sdk.phrases import phrase
from hub.sdk.session import PrivacyClass
from integrations.linky import industrial
from integrations.linky.frames import Frame, Group
from integrations.linky.meter import Meter, Value
from integrations.linky.stamps import Stamp, read_stamp

_M, _T = "measurement", "total_increasing"


def _metric(
    key: str,
    unit: str,
    resolution: str,
    high: float,
    device_class: str,
    state_class: str,
    privacy: PrivacyClass,
    *,
    en: str,
    code: str = "",
    number: object = "",
) -> hub.Metric:
    return hub.Metric(
        key=key,
        unit=unit,
        resolution=resolution,
        low=0,
        high=high,
        device_class=device_class,
        state_class=state_class,
        privacy=privacy,
        en=en,
        code=code,
        number=str(number),
    )


def _text(key: str, privacy: PrivacyClass, *, en: str) -> hub.Metric:
    return hub.Metric(key=key, kind="text", privacy=privacy, en=en)


# fmt: off
# ruff: noqa: E501 - a table is read across
METRICS = of_plugin(
    "linky",
    _metric("energy_exported", "kW.h", "0.001", 1e9, "energy", _T, "technical", en="Active energy exported"),
    *(_metric(f"energy_tariff_{n}", "kW.h", "0.001", 1e9, "energy", _T, "technical", en="Active energy, tariff", code="linky.metric-energy_tariff", number=n) for n in range(1, 11)),
    *(_metric(f"energy_network_{n}", "kW.h", "0.001", 1e9, "energy", _T, "technical", en="Active energy, network tariff", code="linky.metric-energy_network", number=n) for n in range(1, 5)),
    *(_metric(f"energy_reactive_q{n}", "kvar.h", "0.001", 1e9, "", _T, "technical", en="Reactive energy", code="linky.metric-energy_reactive", number=f"Q{n}") for n in range(1, 5)),
    _metric("apparent_power", "V.A", "1", 1e6, "apparent_power", _M, "personal", en="Apparent power drawn"),
    *(_metric(f"apparent_power_{n}", "V.A", "1", 1e6, "apparent_power", _M, "personal", en="Apparent power, phase", code="linky.metric-apparent_power_phase", number=n) for n in (1, 2, 3)),
    _metric("apparent_power_exported", "V.A", "1", 1e6, "apparent_power", _M, "personal", en="Apparent power exported"),
    _metric("apparent_power_max", "V.A", "1", 1e6, "apparent_power", _M, "personal", en="Highest apparent power of the day"),
    _metric("load_mean", "W", "1", 1e9, "power", _M, "personal", en="Load curve, mean power"),
    _metric("load_mean_exported", "W", "1", 1e9, "power", _M, "personal", en="Load curve, exported"),
    *(_metric(f"voltage_{n}", "V", "1", 1000, "voltage", _M, "technical", en="Voltage, phase", code="linky.metric-voltage_phase", number=n) for n in (1, 2, 3)),
    *(_metric(f"current_{n}", "A", "1", 1000, "current", _M, "personal", en="Current, phase", code="linky.metric-current_phase", number=n) for n in (1, 2, 3)),
    _metric("power_subscribed", "kV.A", "0.001", 1e6, "apparent_power", "", "technical", en="Subscribed power"),
    _metric("power_cutoff", "kV.A", "1", 1000, "apparent_power", "", "technical", en="Cut-off power"),
    _text("tariff_option", "technical", en="Tariff option"),
    _text("tariff", "technical", en="Current tariff"),
    _metric("tariff_index", "1", "1", 10, "", "", "technical", en="Current tariff index"),
    hub.Metric(key="overload", kind="flag", device_class="problem", privacy="technical", en="Power exceeded"),
    *industrial.METRICS,
)
# fmt: on


Read = Callable[[str], Value | None]


def _whole(data: str) -> int:
    if not (data.isascii() and data.isdigit() and len(data) <= 12):
        raise hub.DecodeError("tic-value", phrase("linky.not-a-number", "not a number"))
    return int(data)


def _kilo(data: str) -> float:
    return _whole(data) / 1000


def _amperes_as_kva(data: str) -> float:
    return _whole(data) * 200 / 1000  # ISOUSC: the subscribed current at 200 V, Enedis-NOI-CPT_54E table 6


def _option(data: str) -> str | None:
    return _OPTIONS[data[:3]][0] if data[:3] in _OPTIONS else _words(data)


def _words(data: str) -> str | None:
    return " ".join(data.replace("\t", " ").split())[:32] or None


_HISTORIC: dict[str, tuple[str, Read]] = {
    "OPTARIF": ("tariff_option", _option),
    "ISOUSC": ("power_subscribed", _amperes_as_kva),
    "BASE": ("energy_tariff_1", _kilo),
    **{label: (f"energy_tariff_{n}", _kilo) for n, label in enumerate(("HCHC", "HCHP"), 1)},
    **{label: (f"energy_tariff_{n}", _kilo) for n, label in enumerate(("EJPHN", "EJPHPM"), 1)},
    **{
        label: (f"energy_tariff_{n}", _kilo)
        for n, label in enumerate(("BBRHCJB", "BBRHPJB", "BBRHCJW", "BBRHPJW", "BBRHCJR", "BBRHPJR"), 1)
    },
    "PTEC": ("tariff", lambda data: _words(data.rstrip(". "))),
    "IINST": ("current_1", _whole),
    **{f"IINST{n}": (f"current_{n}", _whole) for n in (1, 2, 3)},
    "PAPP": ("apparent_power", _whole),
}
_OPTIONS = {"BAS": ("BASE", 1), "HC.": ("HC", 2), "EJP": ("EJP", 2), "BBR": ("TEMPO", 6)}
"""Name and number of indexes of a tariff option, by the first three characters of OPTARIF."""
_HISTORIC_KNOWN = {
    *("ADCO", "PEJP", "DEMAIN", "ADPS", "IMAX", "IMAX1", "IMAX2", "IMAX3", "PMAX", "PPOT", "HHPHC", "MOTDETAT"),
    *("ADIR1", "ADIR2", "ADIR3"),
}

_STANDARD: dict[str, tuple[str, Read]] = {
    "NGTF": ("tariff_option", _words),
    "LTARF": ("tariff", _words),
    "NTARF": ("tariff_index", _whole),
    "EAST": ("energy", _kilo),
    **{f"EASF{n:02}": (f"energy_tariff_{n}", _kilo) for n in range(1, 11)},
    **{f"EASD{n:02}": (f"energy_network_{n}", _kilo) for n in range(1, 5)},
    "EAIT": ("energy_exported", _kilo),
    **{f"ERQ{n}": (f"energy_reactive_q{n}", _kilo) for n in range(1, 5)},
    **{f"IRMS{n}": (f"current_{n}", _whole) for n in (1, 2, 3)},
    **{f"URMS{n}": (f"voltage_{n}", _whole) for n in (1, 2, 3)},
    "PREF": ("power_subscribed", _whole),
    "PCOUP": ("power_cutoff", _whole),
    "SINSTS": ("apparent_power", _whole),
    **{f"SINSTS{n}": (f"apparent_power_{n}", _whole) for n in (1, 2, 3)},
    "SINSTI": ("apparent_power_exported", _whole),
}
_DATED: dict[str, tuple[str, Read]] = {
    "SMAXSN": ("apparent_power_max", _whole),
    "CCASN": ("load_mean", _whole),
    "CCAIN": ("load_mean_exported", _whole),
}
_STANDARD_KNOWN = {
    *("ADSC", "VTIC", "DATE", "STGE", "MSG1", "MSG2", "PRM", "RELAIS", "NJOURF", "NJOURF+1", "PJOURF+1", "PPOINTE"),
    *("SMAXSN1", "SMAXSN2", "SMAXSN3", "SMAXSN-1", "SMAXSN1-1", "SMAXSN2-1", "SMAXSN3-1", "SMAXIN", "SMAXIN-1"),
    *("CCASN-1", "CCAIN-1", "UMOY1", "UMOY2", "UMOY3", "DPM1", "FPM1", "DPM2", "FPM2", "DPM3", "FPM3"),
}
_STATUS = {"tamper": 1 << 4, "overload": 1 << 7}
"""Bits of STGE, the status word: the terminal cover is open, the reference power is exceeded."""


def decode(frame: Frame, zone: ZoneInfo, heard: float | None = None) -> Meter:
    """Decode a frame received at `heard` (Unix seconds; None: not known).

    Raises DecodeError `tic-no-meter` when the frame has no meter address: it is then ignored. In three phases the meter
    of the historic mode sends short frames (ADIR) during an overload: they have no address and are ignored too."""
    by_label = {group.label: group for group in frame.groups}
    if industrial.is_industrial(by_label):
        said = industrial.read(frame, zone, heard)
        maker = "" if said.serial == industrial.NO_ADDRESS else _MAKERS.get(said.serial[:2], "")
        return said._replace(model=f"{maker} {said.model}".strip())
    serial = by_label.get("ADCO") or by_label.get("ADSC")
    if serial is None or not (serial.data.isascii() and serial.data.isdigit() and len(serial.data) == 12):
        raise hub.DecodeError("tic-no-meter", phrase("linky.no-meter-address", "no address of the meter in the frame"))
    table, known = (_HISTORIC, _HISTORIC_KNOWN) if frame.mode == "historic" else (_STANDARD, _STANDARD_KNOWN)
    values: dict[str, Value] = {}
    dated: list[tuple[Stamp, dict[str, Value]]] = []
    unknown: list[str] = []
    clock: Stamp | None = None
    for group in frame.groups:
        try:
            if group.label in table:
                _put(values, table[group.label], group)
            elif frame.mode == "standard" and group.label in _DATED:
                moment: dict[str, Value] = {}
                _put(moment, _DATED[group.label], group)
                dated.append((read_stamp(group.stamp, zone), moment))
            elif frame.mode == "standard" and group.label == "DATE":
                clock = read_stamp(group.stamp, zone)
            elif frame.mode == "standard" and group.label == "STGE":
                values |= _status(group.data)
            elif group.label not in known:
                unknown.append("tic-label")
        except hub.DecodeError as error:
            unknown.append(error.reason)
        except ValueError:
            unknown.append("tic-value")
    if frame.mode == "historic":
        values["overload"] = "ADPS" in by_label
        _add_total(values, by_label)
    return Meter(serial.data, values, dated, clock, _model(serial.data, by_label), tuple(unknown))


def _put(values: dict[str, Value], entry: tuple[str, Read], group: Group) -> None:
    metric, read = entry
    value = read(group.data)
    if value is not None:
        values[metric] = value


def _status(data: str) -> dict[str, Value]:
    if len(data) != 8:
        raise hub.DecodeError("tic-value", phrase("linky.not-a-status-word", "not a status word of 32 bits"))
    word = int(data, 16)
    return {metric: bool(word & bit) for metric, bit in _STATUS.items()}


def _add_total(values: dict[str, Value], groups: dict[str, Group]) -> None:
    """Add the total, which the historic mode lacks: the sum of the indexes of the option in force, when all of them
    were received."""
    option = groups["OPTARIF"].data[:3] if "OPTARIF" in groups else ""
    indexes = [value for key, value in values.items() if key.startswith("energy_tariff_")]
    if option in _OPTIONS and len(indexes) == _OPTIONS[option][1]:
        values["energy"] = round(sum(float(value) for value in indexes), 3)


_MAKERS = {
    "02": "Sagemcom",
    "04": "Landis+Gyr",
    "06": "Itron",
    "11": "Honeywell",
    "18": "Schneider",
    "27": "Iskraemeco",
}
_MAKERS |= {"01": "Crouzet", "03": "Itron", "24": "Hager", "38": "Ziv"}
_TYPES = {
    **dict.fromkeys(("61", "62", "64", "70", "75"), "Linky, single-phase"),
    **dict.fromkeys(("63", "71", "76"), "Linky, three-phase"),
}


def _model(serial: str, groups: dict[str, Group]) -> str:
    """Return maker and type from the address: two digits of maker, two of year, two of type."""
    kind = _TYPES.get(serial[4:6], "electricity meter")
    version = f", TIC {groups['VTIC'].data[:2]}" if "VTIC" in groups and groups["VTIC"].data[:2].isdigit() else ""
    maker = _MAKERS.get(serial[:2])
    return (f"{maker} {kind}" if maker else kind) + version
