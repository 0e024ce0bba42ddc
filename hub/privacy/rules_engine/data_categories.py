"""Categories of data: what each reveals about people, its purpose, and its retention. Pure data.

A metric's `privacy` (technical, environment, personal) decides its treatment. Its *kind* tells the register, and
whoever is accountable, which data it is. In a dwelling almost everything is personal: temperature and humidity alone
reveal presence (docs/explanation/privacy.md), and so do water, heat and power.
"""

from __future__ import annotations

import re

import msgspec

from hub.core.model import Metric

PERSONAL, ENVIRONMENT, TECHNICAL = "personal", "environment", "technical"
POSITION = "position"
"""Key of positions of moving devices in the `personal:` of a zone: devices are moved by people."""


class Kind(msgspec.Struct, frozen=True):
    """A category. `purpose_fr`, `purpose_en`: the default purpose, unless the configuration states another.
    `retention_days`: maximum useful life; the backend purges by privacy class (`ilot backend retention`)."""

    key: str
    privacy: str
    fr: str
    en: str
    purpose_fr: str
    purpose_en: str
    retention_days: int


PRESENCE = Kind(
    "presence",
    PERSONAL,
    "Présence et passages",
    "Presence and passages",
    "Adapter chauffage, éclairage et ventilation à l'usage des locaux",
    "Fit heating, light and ventilation to how rooms are used",
    396,
)
CLIMATE = Kind(
    "dwelling_climate",
    PERSONAL,
    "Climat intérieur d'un logement",
    "Indoor climate of a dwelling",
    "Confort, bâti sain, précarité énergétique : avec le consentement des occupants",
    "Comfort, healthy building, fuel poverty: with the occupants' consent",
    396,
)
LOAD = Kind(
    "load_curve",
    PERSONAL,
    "Consommations fines (courbe de charge, eau, chaleur)",
    "Fine consumption (load curve, water, heat)",
    "Suivi énergétique demandé par l'occupant, par finalité consentie",
    "Energy follow-up that the occupant asked for, one consent a purpose",
    396,
)
PLACE = Kind(
    "position",
    PERSONAL,
    "Positions d'objets mobiles",
    "Positions of things that move",
    "Suivre une tournée, sans suivre son conducteur",
    "Follow a round without following its driver",
    60,
)
WORDS = Kind(
    "text",
    PERSONAL,
    "Textes et données brutes",
    "Texts and raw data",
    "Diagnostic",
    "Diagnosis",
    30,
)
AIR = Kind(
    "environment",
    ENVIRONMENT,
    "Environnement des locaux et de la rue",
    "Environment of rooms and streets",
    "Qualité de l'air et confort des locaux",
    "Air quality and comfort",
    1827,
)
METERS = Kind(
    "meters",
    TECHNICAL,
    "Comptages du bâtiment",
    "Meters of the building",
    "Suivi énergétique du bâtiment (code de la construction, R175-3 : mensuel, 5 ans)",
    "Energy follow-up of the building (code de la construction, R175-3: monthly, 5 years)",
    1827,
)
PLANT = Kind(
    "plant",
    TECHNICAL,
    "Installations et équipements",
    "Plant and equipment",
    "Exploitation et maintenance",
    "Operation and maintenance",
    1827,
)
KINDS = (PRESENCE, CLIMATE, LOAD, PLACE, WORDS, AIR, METERS, PLANT)

METERED = frozenset({
    "energy", "power", "current", "voltage", "apparent_power", "reactive_power", "water", "gas", "volume",
    "volume_flow_rate", "volume_storage", "power_factor", "frequency",
})  # fmt: skip
"""Device classes of consumption."""
CLIMATES = frozenset({
    "temperature", "humidity", "carbon_dioxide", "volatile_organic_compounds", "pm25", "pm10", "atmospheric_pressure",
})  # fmt: skip
ALWAYS_TECHNICAL = frozenset({
    "battery", "battery_charging", "problem", "smoke", "gas", "carbon_monoxide", "heat", "cold", "tamper", "safety",
    "connectivity", "signal_strength", "data_size",
})  # fmt: skip
"""Device classes of alarms, batteries and radio that stay technical in a dwelling: a fire is not a habit."""
TECHNICAL_KEYS = frozenset({
    "battery_voltage", "tx_power", "fault", "leak", "firmware", "uptime", "clock_synchronised", "clock_error",
    "cpu_load", "cpu_temperature", "memory_used", "disk_used", "disk_free",
})  # fmt: skip

_DWELLING = frozenset({
    "dwelling", "dwellings", "logement", "logements", "flat", "flats", "appartement", "appartements", "apartment",
    "apartments", "home", "homes", "habitation", "habitations", "maison", "maisons",
})  # fmt: skip


def is_dwelling(use: str) -> bool:
    """Return whether the `use` of a zone means that people live there."""
    if not use.isascii():
        import unicodedata  # late: a megabyte of tables for a single word

        use = unicodedata.normalize("NFKD", use).encode("ascii", "ignore").decode()
    return not _DWELLING.isdisjoint(re.findall(r"[a-z]+", use.lower()))


def privacy_of(metric: Metric, *, dwelling: bool) -> str:
    """Return the privacy class of a metric in such a zone. A class that nobody knows is personal."""
    if metric.privacy not in (TECHNICAL, ENVIRONMENT):
        return PERSONAL
    if not dwelling:
        return metric.privacy
    if metric.key in TECHNICAL_KEYS or (metric.device_class in ALWAYS_TECHNICAL and metric.device_class != "gas"):
        return metric.privacy
    if metric.device_class == "gas" and metric.kind == "flag":  # a gas leak, not gas consumption
        return metric.privacy
    return PERSONAL


def kind_of(metric: Metric, *, dwelling: bool = False) -> Kind:
    """Return the category of a metric in such a zone."""
    privacy = privacy_of(metric, dwelling=dwelling)
    consumed = metric.device_class in METERED and metric.kind == "number"
    if privacy == PERSONAL:
        if metric.kind == "text":
            return PRESENCE if metric.key == "button" else WORDS
        if consumed:
            return LOAD
        return CLIMATE if dwelling and metric.device_class in CLIMATES else PRESENCE
    if privacy == ENVIRONMENT:
        return AIR
    return METERS if consumed else PLANT
