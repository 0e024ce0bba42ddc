"""Metrics of inverters and meters that are not in the catalogue. Pure data."""

from __future__ import annotations

import hub
from hub.sdk.metric_names import of_plugin


def _own(
    key: str,
    unit: str,
    resolution: str,
    low: float,
    high: float,
    kind: str,
    *,
    en: str,
    state: str = "measurement",
    code: str = "",
    number: str = "",
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
        en=en,
        code=code,
        number=number,
    )


def _text(key: str, *, en: str) -> hub.Metric:
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
        en=en,
    )


_CURRENT, _VOLTAGE, _POWER = "metric-current", "metric-voltage", "metric-power"
"""Names that the hub's catalogue has."""
_METRICS = of_plugin(
    "modbus",
    *(
        _own(f"current_l{n}", "A", "0.001", -1e5, 1e5, "current", en="Current", code=_CURRENT, number=f"L{n}")
        for n in (1, 2, 3)
    ),
    *(
        _own(f"voltage_l{n}", "V", "0.001", -1e5, 1e6, "voltage", en="Voltage", code=_VOLTAGE, number=f"L{n}")
        for n in (1, 2, 3)
    ),
    *(
        _own(
            f"voltage_l{a}_l{b}", "V", "0.001", -1e5, 1e6, "voltage", en="Voltage", code=_VOLTAGE, number=f"L{a}-L{b}"
        )
        for a, b in ((1, 2), (2, 3), (3, 1))
    ),
    *(
        _own(f"power_l{n}", "W", "0.01", -1e9, 1e9, "power", en="Power", code=_POWER, number=f"L{n}")
        for n in (1, 2, 3)
    ),
    _own(
        "energy_exported", "kW.h", "0.001", 0, 1e12, "energy", en="Energy exported", state="total_increasing"
    ),
    _own("dc_current", "A", "0.001", -1e5, 1e5, "current", en="DC current"),
    _own("dc_voltage", "V", "0.001", -1e5, 1e6, "voltage", en="DC voltage"),
    _own("dc_power", "W", "0.01", -1e9, 1e9, "power", en="DC power"),
    _own("cabinet_temperature", "Cel", "0.1", -100, 300, "temperature", en="Cabinet temperature"),
    _own("heat_sink_temperature", "Cel", "0.1", -100, 300, "temperature", en="Heat sink temperature"),
    _own("transformer_temperature", "Cel", "0.1", -100, 300, "temperature", en="Transformer temperature"),
    _own("other_temperature", "Cel", "0.1", -100, 300, "temperature", en="Other temperature"),
    _text("operating_state", en="Operating state"),
    _text("events", en="Events"),
)  # fmt: skip
METRICS: dict[str, hub.Metric] = {metric.key: metric for metric in _METRICS}
"""Metrics by key."""
