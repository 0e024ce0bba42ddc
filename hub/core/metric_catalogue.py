"""The catalogue of metrics: one key, one meaning, everywhere. Pure data.

Units are UCUM (The Unified Code for Units of Measure, 2.1). Device and state classes follow Home Assistant's
where they exist. `rules_engine`: "technical" says something of the plant or the hub, "environment" of the air of a
room, "personal" of people; maybe personal is personal (CO2, presence, doors and the load curve of a home say
when somebody is in).
"""

from __future__ import annotations

from msgspec.structs import replace

from hub.core.model import Metric, MetricKind, PrivacyClass
from hub.core.text import Phrase, phrase

_M = "measurement"
_T = "total_increasing"


def _metric(
    key: str,
    unit: str,
    resolution: str,
    low: float | None,
    high: float | None,
    device_class: str,
    state_class: str,
    privacy: PrivacyClass,
    *,
    en: str,
    kind: MetricKind = "number",
) -> Metric:
    return Metric(
        key=key,
        unit=unit,
        resolution=resolution,
        kind=kind,
        low=low,
        high=high,
        device_class=device_class,
        state_class=state_class,
        privacy=privacy,
        en=en,
    )


def _flag(key: str, device_class: str, privacy: PrivacyClass, *, en: str) -> Metric:
    return _metric(key, "1", "1", None, None, device_class, "", privacy, en=en, kind="flag")


# fmt: off - a table is read across
_ALL = (
    # air and room
    _metric("temperature", "Cel", "0.005", -100, 200, "temperature", _M, "environment", en="Temperature"),
    _metric("humidity", "%", "0.0025", 0, 100, "humidity", _M, "environment", en="Relative humidity"),
    _metric("pressure", "hPa", "0.01", 300, 1200, "atmospheric_pressure", _M, "environment", en="Air pressure"),
    _metric("dew_point", "Cel", "0.01", -100, 100, "temperature", _M, "environment", en="Dew point"),
    _metric("co2", "[ppm]", "1", 0, 40000, "carbon_dioxide", _M, "personal", en="CO2"),
    _metric("radon", "Bq/m3", "1", 0, 16383, "", _M, "environment", en="Radon (Rn-222)"),
    _metric("tvoc", "ug/m3", "1", 0, 65535, "volatile_organic_compounds", _M, "environment", en="Total VOC"),
    _metric("pm1", "ug/m3", "0.1", 0, 6553.5, "pm1", _M, "environment", en="PM1"),
    _metric("pm2_5", "ug/m3", "0.1", 0, 6553.5, "pm25", _M, "environment", en="PM2.5"),
    _metric("pm10", "ug/m3", "0.1", 0, 6553.5, "pm10", _M, "environment", en="PM10"),
    _metric("illuminance", "lx", "0.01", 0, 200000, "illuminance", _M, "environment", en="Illuminance"),
    _metric("uv_index", "1", "0.1", 0, 25, "", _M, "environment", en="UV index"),
    _metric("irradiance", "W/m2", "0.1", 0, 2000, "irradiance", _M, "environment", en="Solar irradiance"),
    _metric("sound_level", "dB[SPL]", "0.1", 0, 200, "sound_pressure", _M, "personal", en="Sound level"),
    _metric("moisture", "%", "0.01", 0, 100, "moisture", _M, "environment", en="Soil moisture"),
    # radio sensor
    _metric("battery", "%", "1", 0, 100, "battery", _M, "technical", en="Battery"),
    _metric("battery_days", "d", "1", 0, 3650, "duration", _M, "technical", en="Battery days left"),
    _metric("availability", "%", "0.1", 0, 100, "", _M, "technical", en="Availability of the day"),
    _metric("battery_voltage", "V", "0.001", 0, 100, "voltage", _M, "technical", en="Battery voltage"),
    _metric("tx_power", "dBm", "1", -127, 127, "signal_strength", _M, "technical", en="Transmit power"),
    _metric("acceleration_x", "m/s2", "0.001", -320, 320, "", _M, "technical", en="Acceleration X"),
    _metric("acceleration_y", "m/s2", "0.001", -320, 320, "", _M, "technical", en="Acceleration Y"),
    _metric("acceleration_z", "m/s2", "0.001", -320, 320, "", _M, "technical", en="Acceleration Z"),
    _metric("acceleration", "m/s2", "0.001", 0, 640, "", _M, "technical", en="Acceleration"),
    _metric("gyroscope", "deg/s", "0.001", 0, 10000, "", _M, "technical", en="Angular rate"),
    _metric("rotation", "deg", "0.1", -3600, 3600, "", _M, "technical", en="Rotation"),
    _metric("movement_counter", "1", "1", 0, None, "", _T, "personal", en="Movement counter"),
    _metric("count", "1", "1", None, None, "", _M, "personal", en="Count"),
    _metric("people", "1", "1", 0, 1_000_000, "", _M, "personal", en="People present"),
    _metric("people_in", "1", "1", 0, None, "", _T, "personal", en="People who came in"),
    _metric("people_out", "1", "1", 0, None, "", _T, "personal", en="People who went out"),
    _metric("nearby_devices", "1", "1", 0, 4096, "", _M, "personal", en="Devices near by (rounded to 5)"),
    _metric("button", "1", "1", None, None, "", "", "personal", en="Button event", kind="text"),
    _metric("dimmer", "1", "1", None, None, "", _M, "personal", en="Dimmer steps"),
    # quantities
    _metric("distance", "mm", "0.1", 0, 10_000_000, "distance", _M, "technical", en="Distance"),
    _metric("fill_level", "%", "0.1", 0, 100, "", _M, "technical", en="Fill level"),
    _metric("water_level", "m", "0.001", -100, 10_000, "distance", _M, "technical", en="Water level"),
    _metric("mass", "kg", "0.01", 0, 1_000_000, "weight", _M, "technical", en="Mass"),
    _metric("speed", "m/s", "0.01", 0, 1000, "speed", _M, "technical", en="Speed"),
    _metric("duration", "s", "0.001", 0, 16_777_216, "duration", _M, "technical", en="Duration"),
    _metric("direction", "deg", "0.01", 0, 360, "", _M, "environment", en="Direction"),
    _metric("precipitation", "mm", "0.1", 0, 100_000, "precipitation", _M, "environment", en="Precipitation"),
    _metric("conductivity", "uS/cm", "1", 0, 1_000_000, "conductivity", _M, "technical", en="Conductivity"),
    # energy and fluids
    _metric("voltage", "V", "0.001", -100_000, 1_000_000, "voltage", _M, "technical", en="Voltage"),
    _metric("current", "A", "0.001", -100_000, 100_000, "current", _M, "technical", en="Current"),
    _metric("power", "W", "0.01", -1e9, 1e9, "power", _M, "technical", en="Power"),
    _metric("power_factor", "1", "0.001", -1, 1, "power_factor", _M, "technical", en="Power factor"),
    _metric("apparent_power", "V.A", "0.01", -1e9, 1e9, "apparent_power", _M, "technical", en="Apparent power"),
    _metric("reactive_power", "var", "0.01", -1e9, 1e9, "reactive_power", _M, "technical", en="Reactive power"),
    _metric("frequency", "Hz", "0.001", 0, 1000, "frequency", _M, "technical", en="Frequency"),
    _metric("energy", "kW.h", "0.001", 0, 1e12, "energy", _T, "technical", en="Active energy"),
    _metric("volume", "L", "0.1", 0, 1e12, "volume", _M, "technical", en="Volume"),
    _metric("volume_storage", "L", "0.001", 0, 1e9, "volume_storage", _M, "technical", en="Stored volume"),
    _metric("volume_flow", "m3/h", "0.001", -1e6, 1e6, "volume_flow_rate", _M, "technical", en="Flow rate"),
    _metric("gas", "m3", "0.001", 0, 1e9, "gas", _T, "technical", en="Gas"),
    _metric("water", "L", "0.001", 0, 1e12, "water", _T, "technical", en="Water"),
    _metric("heat_cost_units", "1", "0.01", 0, 1e9, "", _T, "personal", en="Heat cost allocator units"),
    # heating plant
    _metric("flow_temperature", "Cel", "0.1", -50, 250, "temperature", _M, "technical", en="Flow temperature"),
    _metric("return_temperature", "Cel", "0.1", -50, 250, "temperature", _M, "technical", en="Return temperature"),
    _metric("setpoint", "Cel", "0.1", -50, 250, "temperature", _M, "technical", en="Set point"),
    _metric("water_pressure", "bar", "0.01", -1, 1000, "pressure", _M, "technical", en="Water pressure"),
    _metric("valve_position", "%", "0.1", 0, 100, "", _M, "technical", en="Valve position"),
    # states
    _flag("running", "running", "technical", en="Running"),
    _flag("fault", "problem", "technical", en="Fault"),
    _flag("alarm", "problem", "technical", en="Alarm"),
    _flag("battery_low", "battery", "technical", en="Battery low"),
    _flag("charging", "battery_charging", "technical", en="Charging"),
    _flag("leak", "moisture", "technical", en="Water leak"),
    _flag("smoke", "smoke", "technical", en="Smoke"),
    _flag("gas_detected", "gas", "technical", en="Gas detected"),
    _flag("co_detected", "carbon_monoxide", "technical", en="CO detected"),
    _flag("heat", "heat", "technical", en="Heat"),
    _flag("cold", "cold", "technical", en="Cold"),
    _flag("tamper", "tamper", "technical", en="Tamper"),
    _flag("vibration", "vibration", "technical", en="Vibration"),
    _flag("connectivity", "connectivity", "technical", en="Connected"),
    _flag("plugged", "plug", "technical", en="Plugged in"),
    _flag("powered", "power", "technical", en="Powered"),
    _flag("safe", "safety", "technical", en="Safety"),
    _flag("sound", "sound", "personal", en="Sound"),
    _flag("occupancy", "occupancy", "personal", en="Occupancy"),
    _flag("motion", "motion", "personal", en="Motion"),
    _flag("presence", "presence", "personal", en="Presence"),
    _flag("moving", "moving", "personal", en="Moving"),
    _flag("opening", "opening", "personal", en="Opening"),
    _flag("door", "door", "personal", en="Door open"),
    _flag("garage_door", "garage_door", "personal", en="Garage door open"),
    _flag("window", "window", "personal", en="Window open"),
    _flag("lock", "lock", "personal", en="Unlocked"),
    _flag("light", "light", "personal", en="Light"),
    _flag("generic_flag", "", "personal", en="State"),
    # the hub's own machine
    _metric("cpu_load", "1", "0.01", 0, 10_000, "", _M, "technical", en="CPU load (1 min)"),
    _metric("cpu_temperature", "Cel", "0.1", -50, 150, "temperature", _M, "technical", en="CPU temperature"),
    _metric("memory_used", "%", "0.1", 0, 100, "", _M, "technical", en="Memory used"),
    _metric("disk_used", "%", "0.1", 0, 100, "", _M, "technical", en="Disk used"),
    _metric("disk_free", "MiBy", "1", 0, 1e9, "data_size", _M, "technical", en="Disk free"),
    _metric("uptime", "s", "1", 0, 1e10, "duration", _T, "technical", en="Uptime"),
    _flag("clock_synchronised", "", "technical", en="Clock synchronised"),
    _metric("clock_error", "s", "0.000001", 0, 1e6, "duration", _M, "technical", en="Estimated clock error"),
    # text of any kind
    _metric("text", "1", "1", None, None, "", "", "personal", en="Text", kind="text"),
    _metric("raw", "1", "1", None, None, "", "", "personal", en="Raw data", kind="text"),
    _metric("firmware", "1", "1", None, None, "", "", "technical", en="Firmware version", kind="text"),
)
# fmt: on

METRICS: dict[str, Metric] = {metric.key: metric for metric in _ALL}
"""Every metric the core knows, by key. Plugins add theirs through `register(…, metrics=…)`."""


def of_plugin(domain: str, *metrics: Metric) -> tuple[Metric, ...]:
    """Return a plugin's own metrics, each with the code of its name in the plugin's catalogue."""
    return tuple(one if one.code or one.fr else replace(one, code=f"{domain}.metric-{one.key}") for one in metrics)


def numbered(metric: Metric, key: str, number: object) -> Metric:
    """Return a further metric of one name: `numbered(METRICS["temperature"], "temperature_2", 2)`."""
    if metric.fr:
        return replace(metric, key=key, fr=f"{metric.fr} {number}", en=f"{metric.en} {number}")
    return replace(metric, key=key, code=metric.code or f"metric-{metric.key}", number=str(number))


def metric_phrase(metric: Metric) -> Phrase:
    """Return the name of a metric. Its code is `metric-<key>`; `<plugin>.metric-<key>` for a plugin's own."""
    name = Phrase(metric.en or metric.key.replace("_", " "), metric.code or f"metric-{metric.key}", {})
    return phrase("metric-numbered", "{metric} {number}", metric=name, number=metric.number) if metric.number else name
