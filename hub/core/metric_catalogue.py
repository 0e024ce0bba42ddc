"""The catalogue of metrics: one key, one meaning, everywhere. Pure data.

Units are UCUM (The Unified Code for Units of Measure, 2.1). Device and state classes follow Home Assistant's
where they exist. `rules_engine`: "technical" says something of the plant or the hub, "environment" of the air of a
room, "personal" of people; maybe personal is personal (CO2, presence, doors and the load curve of a home say
when somebody is in).
"""

from __future__ import annotations

from hub.core.model import Metric, MetricKind, PrivacyClass

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
    fr: str,
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
        fr=fr,
        en=en,
    )


def _flag(key: str, device_class: str, privacy: PrivacyClass, fr: str, en: str) -> Metric:
    return _metric(key, "1", "1", None, None, device_class, "", privacy, fr, en, "flag")


# fmt: off
# ruff: noqa: E501 - a table is read across
_ALL = (
    # air and room
    _metric("temperature", "Cel", "0.005", -100, 200, "temperature", _M, "environment", "Température", "Temperature"),
    _metric("humidity", "%", "0.0025", 0, 100, "humidity", _M, "environment", "Humidité relative", "Relative humidity"),
    _metric("pressure", "hPa", "0.01", 300, 1200, "atmospheric_pressure", _M, "environment", "Pression atmosphérique", "Air pressure"),
    _metric("dew_point", "Cel", "0.01", -100, 100, "temperature", _M, "environment", "Point de rosée", "Dew point"),
    _metric("co2", "[ppm]", "1", 0, 40000, "carbon_dioxide", _M, "personal", "CO2", "CO2"),
    _metric("radon", "Bq/m3", "1", 0, 16383, "", _M, "environment", "Radon (Rn-222)", "Radon (Rn-222)"),
    _metric("tvoc", "ug/m3", "1", 0, 65535, "volatile_organic_compounds", _M, "environment", "COV totaux", "Total VOC"),
    _metric("pm2_5", "ug/m3", "0.1", 0, 6553.5, "pm25", _M, "environment", "Particules PM2,5", "PM2.5"),
    _metric("pm10", "ug/m3", "0.1", 0, 6553.5, "pm10", _M, "environment", "Particules PM10", "PM10"),
    _metric("illuminance", "lx", "0.01", 0, 200000, "illuminance", _M, "environment", "Éclairement", "Illuminance"),
    _metric("uv_index", "1", "0.1", 0, 25, "", _M, "environment", "Indice UV", "UV index"),
    _metric("moisture", "%", "0.01", 0, 100, "moisture", _M, "environment", "Humidité du sol", "Soil moisture"),
    # radio sensor
    _metric("battery", "%", "1", 0, 100, "battery", _M, "technical", "Batterie", "Battery"),
    _metric("battery_days", "d", "1", 0, 3650, "duration", _M, "technical", "Pile : jours restants", "Battery days left"),
    _metric("availability", "%", "0.1", 0, 100, "", _M, "technical", "Disponibilité du jour", "Availability of the day"),
    _metric("battery_voltage", "V", "0.001", 0, 100, "voltage", _M, "technical", "Tension de pile", "Battery voltage"),
    _metric("tx_power", "dBm", "1", -127, 127, "signal_strength", _M, "technical", "Puissance d'émission", "Transmit power"),
    _metric("acceleration_x", "m/s2", "0.001", -320, 320, "", _M, "technical", "Accélération X", "Acceleration X"),
    _metric("acceleration_y", "m/s2", "0.001", -320, 320, "", _M, "technical", "Accélération Y", "Acceleration Y"),
    _metric("acceleration_z", "m/s2", "0.001", -320, 320, "", _M, "technical", "Accélération Z", "Acceleration Z"),
    _metric("acceleration", "m/s2", "0.001", 0, 640, "", _M, "technical", "Accélération", "Acceleration"),
    _metric("gyroscope", "deg/s", "0.001", 0, 10000, "", _M, "technical", "Vitesse angulaire", "Angular rate"),
    _metric("rotation", "deg", "0.1", -3600, 3600, "", _M, "technical", "Rotation", "Rotation"),
    _metric("movement_counter", "1", "1", 0, None, "", _T, "personal", "Compteur de mouvements", "Movement counter"),
    _metric("count", "1", "1", None, None, "", _M, "personal", "Comptage", "Count"),
    _metric("nearby_devices", "1", "1", 0, 4096, "", _M, "personal", "Appareils proches (arrondi à 5)", "Devices near by (rounded to 5)"),
    _metric("button", "1", "1", None, None, "", "", "personal", "Bouton", "Button event", "text"),
    _metric("dimmer", "1", "1", None, None, "", _M, "personal", "Variateur (crans)", "Dimmer steps"),
    # quantities
    _metric("distance", "mm", "0.1", 0, 10_000_000, "distance", _M, "technical", "Distance", "Distance"),
    _metric("fill_level", "%", "0.1", 0, 100, "", _M, "technical", "Taux de remplissage", "Fill level"),
    _metric("mass", "kg", "0.01", 0, 1_000_000, "weight", _M, "technical", "Masse", "Mass"),
    _metric("speed", "m/s", "0.01", 0, 1000, "speed", _M, "technical", "Vitesse", "Speed"),
    _metric("duration", "s", "0.001", 0, 16_777_216, "duration", _M, "technical", "Durée", "Duration"),
    _metric("direction", "deg", "0.01", 0, 360, "", _M, "environment", "Direction", "Direction"),
    _metric("precipitation", "mm", "0.1", 0, 100_000, "precipitation", _M, "environment", "Précipitations", "Precipitation"),
    _metric("conductivity", "uS/cm", "1", 0, 1_000_000, "conductivity", _M, "technical", "Conductivité", "Conductivity"),
    # energy and fluids
    _metric("voltage", "V", "0.001", -100_000, 1_000_000, "voltage", _M, "technical", "Tension", "Voltage"),
    _metric("current", "A", "0.001", -100_000, 100_000, "current", _M, "technical", "Intensité", "Current"),
    _metric("power", "W", "0.01", -1e9, 1e9, "power", _M, "technical", "Puissance", "Power"),
    _metric("power_factor", "1", "0.001", -1, 1, "power_factor", _M, "technical", "Facteur de puissance", "Power factor"),
    _metric("frequency", "Hz", "0.001", 0, 1000, "frequency", _M, "technical", "Fréquence", "Frequency"),
    _metric("energy", "kW.h", "0.001", 0, 1e12, "energy", _T, "technical", "Énergie active", "Active energy"),
    _metric("volume", "L", "0.1", 0, 1e12, "volume", _M, "technical", "Volume", "Volume"),
    _metric("volume_storage", "L", "0.001", 0, 1e9, "volume_storage", _M, "technical", "Volume stocké", "Stored volume"),
    _metric("volume_flow", "m3/h", "0.001", -1e6, 1e6, "volume_flow_rate", _M, "technical", "Débit", "Flow rate"),
    _metric("gas", "m3", "0.001", 0, 1e9, "gas", _T, "technical", "Gaz", "Gas"),
    _metric("water", "L", "0.001", 0, 1e12, "water", _T, "technical", "Eau", "Water"),
    # heating plant
    _metric("flow_temperature", "Cel", "0.1", -50, 250, "temperature", _M, "technical", "Température de départ", "Flow temperature"),
    _metric("return_temperature", "Cel", "0.1", -50, 250, "temperature", _M, "technical", "Température de retour", "Return temperature"),
    _metric("setpoint", "Cel", "0.1", -50, 250, "temperature", _M, "technical", "Consigne", "Set point"),
    _metric("water_pressure", "bar", "0.01", -1, 1000, "pressure", _M, "technical", "Pression d'eau", "Water pressure"),
    _metric("valve_position", "%", "0.1", 0, 100, "", _M, "technical", "Position de vanne", "Valve position"),
    # states
    _flag("running", "running", "technical", "En marche", "Running"),
    _flag("fault", "problem", "technical", "Défaut", "Fault"),
    _flag("battery_low", "battery", "technical", "Pile faible", "Battery low"),
    _flag("charging", "battery_charging", "technical", "En charge", "Charging"),
    _flag("leak", "moisture", "technical", "Fuite d'eau", "Water leak"),
    _flag("smoke", "smoke", "technical", "Fumée", "Smoke"),
    _flag("gas_detected", "gas", "technical", "Gaz détecté", "Gas detected"),
    _flag("co_detected", "carbon_monoxide", "technical", "CO détecté", "CO detected"),
    _flag("heat", "heat", "technical", "Chaleur", "Heat"),
    _flag("cold", "cold", "technical", "Froid", "Cold"),
    _flag("tamper", "tamper", "technical", "Arrachement", "Tamper"),
    _flag("vibration", "vibration", "technical", "Vibration", "Vibration"),
    _flag("connectivity", "connectivity", "technical", "Connecté", "Connected"),
    _flag("plugged", "plug", "technical", "Branché", "Plugged in"),
    _flag("powered", "power", "technical", "Alimenté", "Powered"),
    _flag("safe", "safety", "technical", "Sécurité", "Safety"),
    _flag("sound", "sound", "personal", "Son", "Sound"),
    _flag("occupancy", "occupancy", "personal", "Occupation", "Occupancy"),
    _flag("motion", "motion", "personal", "Mouvement", "Motion"),
    _flag("presence", "presence", "personal", "Présence", "Presence"),
    _flag("moving", "moving", "personal", "En mouvement", "Moving"),
    _flag("opening", "opening", "personal", "Ouverture", "Opening"),
    _flag("door", "door", "personal", "Porte ouverte", "Door open"),
    _flag("garage_door", "garage_door", "personal", "Porte de garage ouverte", "Garage door open"),
    _flag("window", "window", "personal", "Fenêtre ouverte", "Window open"),
    _flag("lock", "lock", "personal", "Déverrouillé", "Unlocked"),
    _flag("light", "light", "personal", "Lumière", "Light"),
    _flag("generic_flag", "", "personal", "État", "State"),
    # the hub's own machine
    _metric("cpu_load", "1", "0.01", 0, 10_000, "", _M, "technical", "Charge CPU (1 min)", "CPU load (1 min)"),
    _metric("cpu_temperature", "Cel", "0.1", -50, 150, "temperature", _M, "technical", "Température CPU", "CPU temperature"),
    _metric("memory_used", "%", "0.1", 0, 100, "", _M, "technical", "Mémoire utilisée", "Memory used"),
    _metric("disk_used", "%", "0.1", 0, 100, "", _M, "technical", "Disque utilisé", "Disk used"),
    _metric("disk_free", "MiBy", "1", 0, 1e9, "data_size", _M, "technical", "Disque libre", "Disk free"),
    _metric("uptime", "s", "1", 0, 1e10, "duration", _T, "technical", "Durée de fonctionnement", "Uptime"),
    _flag("clock_synchronised", "", "technical", "Horloge synchronisée", "Clock synchronised"),
    _metric("clock_error", "s", "0.000001", 0, 1e6, "duration", _M, "technical", "Erreur d'horloge estimée", "Estimated clock error"),
    # text of any kind
    _metric("text", "1", "1", None, None, "", "", "personal", "Texte", "Text", "text"),
    _metric("raw", "1", "1", None, None, "", "", "personal", "Données brutes", "Raw data", "text"),
    _metric("firmware", "1", "1", None, None, "", "", "technical", "Version du logiciel", "Firmware version", "text"),
)
# fmt: on

METRICS: dict[str, Metric] = {metric.key: metric for metric in _ALL}
"""Every metric the core knows, by key. Plugins add theirs through `register(…, metrics=…)`."""
