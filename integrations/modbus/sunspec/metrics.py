"""Metrics of inverters and meters that are not in the catalogue. Pure data."""

from __future__ import annotations

import hub


def _own(
    key: str,
    unit: str,
    resolution: str,
    low: float,
    high: float,
    kind: str,
    fr: str,
    en: str,
    state: str = "measurement",
) -> hub.Metric:
    return hub.Metric(
        key=key,
        unit=unit,
        resolution=resolution,
        kind="number",
        low=low,
        high=high,
        device_class=kind,
        state_class=state,
        privacy="technical",
        fr=fr,
        en=en,
    )


def _text(key: str, fr: str, en: str) -> hub.Metric:
    return hub.Metric(
        key=key,
        unit="1",
        resolution="1",
        kind="text",
        low=None,
        high=None,
        device_class="",
        state_class="",
        privacy="technical",
        fr=fr,
        en=en,
    )


_METRICS = (
    *(_own(f"current_l{n}", "A", "0.001", -1e5, 1e5, "current", f"Intensité L{n}", f"Current L{n}") for n in (1, 2, 3)),
    *(_own(f"voltage_l{n}", "V", "0.001", -1e5, 1e6, "voltage", f"Tension L{n}", f"Voltage L{n}") for n in (1, 2, 3)),
    *(
        _own(f"voltage_l{a}_l{b}", "V", "0.001", -1e5, 1e6, "voltage", f"Tension L{a}-L{b}", f"Voltage L{a}-L{b}")
        for a, b in ((1, 2), (2, 3), (3, 1))
    ),
    *(_own(f"power_l{n}", "W", "0.01", -1e9, 1e9, "power", f"Puissance L{n}", f"Power L{n}") for n in (1, 2, 3)),
    _own("apparent_power", "V.A", "0.01", -1e9, 1e9, "apparent_power", "Puissance apparente", "Apparent power"),
    _own("reactive_power", "var", "0.01", -1e9, 1e9, "reactive_power", "Puissance réactive", "Reactive power"),
    _own(
        "energy_exported", "kW.h", "0.001", 0, 1e12, "energy", "Énergie injectée", "Energy exported", "total_increasing"
    ),
    _own("dc_current", "A", "0.001", -1e5, 1e5, "current", "Intensité continue", "DC current"),
    _own("dc_voltage", "V", "0.001", -1e5, 1e6, "voltage", "Tension continue", "DC voltage"),
    _own("dc_power", "W", "0.01", -1e9, 1e9, "power", "Puissance continue", "DC power"),
    *(
        _own(f"{key}_temperature", "Cel", "0.1", -100, 300, "temperature", fr, en)
        for key, fr, en in (
            ("cabinet", "Température de l'armoire", "Cabinet temperature"),
            ("heat_sink", "Température du radiateur", "Heat sink temperature"),
            ("transformer", "Température du transformateur", "Transformer temperature"),
            ("other", "Autre température", "Other temperature"),
        )
    ),
    _text("operating_state", "État de fonctionnement", "Operating state"),
    _text("events", "Événements", "Events"),
)  # fmt: skip
METRICS: dict[str, hub.Metric] = {metric.key: metric for metric in _METRICS}
"""Metrics by key."""
