"""Shipped rule templates with their inputs. Pure data.

A template names a metric and a test; its inputs are typed, have a unit, bounds and a default. Texts are in English and
French, with the placeholders {place}, {value} and {limit}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from hub.config.parts.rules import Rule
from hub.config.values import duration, show_duration
from hub.core.text import phrase


class Input(NamedTuple):
    """Input of a template. `kind`: "number" or "duration" (bounds in seconds), or "metric", one of `words`. A default
    of None means that it may be left out."""

    kind: str
    default: Any
    en: str
    fr: str
    unit: str = ""
    low: float = 0.0
    high: float = 0.0
    words: tuple[str, ...] = ()


class Template(NamedTuple):
    """A template. `make` turns the inputs into options of a rule."""

    en: str
    fr: str
    severity: str
    text: str
    text_fr: str
    inputs: Mapping[str, Input]
    make: Callable[[dict[str, Any]], dict[str, Any]]
    needs_schedule: bool = False


def _days(number: float) -> float:
    return number * 86400.0


def _bin(given: dict[str, Any]) -> dict[str, Any]:
    level, margin, depth, full = given["level"], given["margin"], given["depth"], given["full"]
    if depth is None:
        return {"metric": "fill_level", "unit": "%", "above": level, "clears": max(0.0, level - margin)}
    return {
        "metric": "distance", "unit": "mm", "below": full + (depth - full) * (1 - level / 100),
        "clears": full + (depth - full) * (1 - max(0.0, level - margin) / 100),
    }  # fmt: skip


def _low(metric: str, unit: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda given: {
        "metric": given.get("metric", metric),
        "unit": unit,
        "below": given["below"],
        "clears": given["below"] + given["margin"],
        **({"for_": given["for"]} if "for" in given else {}),
    }


_FOR = "How long it must last."
_FOR_FR = "Pendant combien de temps."
_MARGIN, _MARGIN_FR = "How far back it must go to be over.", "De combien revenir pour que ce soit fini."


def _for(minutes: int) -> Input:
    return Input("duration", timedelta(minutes=minutes), _FOR, _FOR_FR, "", 1, _days(7))


# ruff: noqa: E501 - a table is read across
TEMPLATES: dict[str, Template] = {
    "bin_full": Template(
        "A bin or tank is full.", "Une benne ou un bac est plein.", "warning",
        "{place} is full ({value})", "{place} : plein ({value})",
        {
            "level": Input("number", 90.0, "From which fill level on.", "À partir de quel taux.", "%", 1, 98),
            "margin": Input("number", 10.0, _MARGIN, _MARGIN_FR, "%", 0, 90),
            "depth": Input(
                "number", None, "Of a sensor in the lid: distance to the bottom when empty.",
                "Capteur dans le couvercle : distance au fond quand il est vide.", "mm", 50, 30_000,
            ),
            "full": Input(
                "number", 0.0, "With `depth`, of a sensor above the rim: distance when it is full.",
                "Avec `depth`, capteur au-dessus du bord : distance quand il est plein.", "mm", 0, 29_000,
            ),
        },
        _bin,
    ),
    "legionella": Template(
        "A hot water loop is too cold: legionella can grow.",
        "Boucle d'eau chaude trop froide : risque de légionelles.", "critical",
        "{place}: hot water loop at {value}, below {limit}: legionella risk",
        "{place} : boucle d'eau chaude à {value}, sous {limit} : risque de légionelles",
        {
            "below": Input("number", 55.0, "Below which temperature.", "Sous quelle température.", "Cel", 40, 70),
            "margin": Input("number", 1.0, _MARGIN, _MARGIN_FR, "Cel", 0, 10),
            "for": _for(30),
            "metric": Input(
                "metric", "return_temperature", "Which metric.", "Quelle grandeur.",
                words=("return_temperature", "flow_temperature", "temperature"),
            ),
        },
        _low("return_temperature", "Cel"),
    ),
    "freezing": Template(
        "Pipes may freeze.", "Risque de gel des canalisations.", "critical",
        "{place}: {value}, it may freeze", "{place} : {value}, risque de gel",
        {
            "below": Input("number", 3.0, "Below which temperature.", "Sous quelle température.", "Cel", -20, 10),
            "margin": Input("number", 2.0, _MARGIN, _MARGIN_FR, "Cel", 0, 10),
            "for": _for(10),
        },
        _low("temperature", "Cel"),
    ),
    "co2_high": Template(
        "The air of a room is used up.", "Air confiné.", "warning",
        "{place}: CO2 at {value}, open a window", "{place} : CO2 à {value}, aérez",
        {
            "above": Input("number", 1000.0, "From which concentration on.", "À partir de quelle teneur.", "[ppm]", 500, 10_000),
            "margin": Input("number", 200.0, _MARGIN, _MARGIN_FR, "[ppm]", 0, 5000),
            "for": _for(10),
        },
        lambda given: {
            "metric": "co2", "unit": "[ppm]", "above": given["above"], "clears": given["above"] - given["margin"],
            "for_": given["for"],
        },
    ),
    "water_leak": Template(
        "A leak detector is wet.", "Un détecteur de fuite est mouillé.", "critical",
        "{place}: water leak", "{place} : fuite d'eau", {},
        lambda given: {"metric": "leak", "equals": True},
    ),
    "water_leak_night": Template(
        "Water flows when nobody should need it. Needs `during`.",
        "De l'eau coule quand personne n'en a besoin. Demande `during`.", "warning",
        "{place}: water flows at night ({value} an hour)", "{place} : de l'eau coule la nuit ({value} par heure)",
        {
            "above": Input("number", 5.0, "From which flow on.", "À partir de quel débit.", "L/h", 0.1, 100_000),
            "over": Input("duration", timedelta(minutes=30), "Flow counted over this time.", "Débit compté sur cette durée.", "", 60, _days(1)),
            "for": Input("duration", timedelta(hours=2), _FOR, _FOR_FR, "", 60, _days(7)),
        },
        lambda given: {
            "metric": "water", "unit": "L", "rate_over": given["over"], "above": given["above"], "for_": given["for"],
        },
        needs_schedule=True,
    ),
    "door_open": Template(
        "A door or window stands open too long.", "Porte ou fenêtre ouverte trop longtemps.", "warning",
        "{place}: open too long", "{place} : ouvert trop longtemps",
        {
            "for": _for(10),
            "metric": Input(
                "metric", "door", "Which metric.", "Quelle grandeur.", words=("door", "opening", "window", "garage_door")
            ),
        },
        lambda given: {"metric": given["metric"], "equals": True, "for_": given["for"]},
    ),
    "silent_sensor": Template(
        "A device is not heard any more; one alert where its whole integration is away.",
        "Un appareil ne donne plus de nouvelles ; une seule alerte si toute sa liaison est coupée.", "warning",
        "{place}: nothing heard for {limit}", "{place} : aucune nouvelle depuis {limit}",
        {
            "after": Input("duration", None, "After how long.", "Après combien de temps.", "", 10, _days(31)),
            "periods": Input("number", 3.0, "Without `after`: after how many of its periods.", "Sans `after` : après combien de ses périodes.", "", 1.5, 100),
        },
        lambda given: {"silent": given["after"]} if given["after"] is not None else {"silent_periods": given["periods"]},
    ),
    "low_availability": Template(
        "A device is often not heard: its share of the day's time, in its duty hours.",
        "Un appareil se tait souvent : sa part du temps du jour, dans ses heures de service.", "warning",
        "{place}: heard {value} of the day only", "{place} : entendu {value} du jour seulement",
        {
            "below": Input("number", 90.0, "Below which availability.", "Sous quelle disponibilité.", "%", 1, 100),
            "margin": Input("number", 5.0, _MARGIN, _MARGIN_FR, "%", 0, 90),
        },
        _low("availability", "%"),
    ),
    "battery_empty_soon": Template(
        "A battery will be empty soon, by the line of its last weeks.",
        "Pile bientôt vide, d'après ses dernières semaines.", "info",
        "{place}: battery empty in {value}", "{place} : pile vide dans {value}",
        {
            "below": Input("number", 30.0, "In fewer days than this.", "Dans moins de jours que cela.", "d", 1, 730),
            "margin": Input("number", 30.0, _MARGIN, _MARGIN_FR, "d", 0, 730),
        },
        _low("battery_days", "d"),
    ),
    "low_battery": Template(
        "A battery should be changed soon.", "Pile à changer bientôt.", "info",
        "{place}: battery at {value}", "{place} : pile à {value}",
        {
            "below": Input("number", 20.0, "Below which charge.", "Sous quelle charge.", "%", 1, 90),
            "margin": Input("number", 20.0, _MARGIN, _MARGIN_FR, "%", 0, 90),
        },
        _low("battery", "%"),
    ),
}  # fmt: skip


def read_input(asked: Input, value: Any) -> Any:
    """Parse a value of the file for the template. Raises ValueError with a sentence."""
    if asked.kind == "duration":
        read = value if isinstance(value, timedelta) else duration(value if isinstance(value, str) else "")
        if not asked.low <= read.total_seconds() <= asked.high:
            low, high = (show_duration(timedelta(seconds=bound)) for bound in (asked.low, asked.high))
            raise ValueError(phrase("must-be-from", "must be from {low} to {high}", low=low, high=high))
        return read
    if asked.kind == "metric":
        if value not in asked.words:
            raise ValueError(phrase("must-be-one-of", "must be one of {words}", words=list(asked.words)))
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not asked.low <= value <= asked.high:
        if not asked.unit:
            raise ValueError(
                phrase(
                    "must-be-number-from",
                    "must be a number from {low:g} to {high:g}",
                    low=asked.low,
                    high=asked.high,
                )
            )
        raise ValueError(
            phrase(
                "must-be-amount-from",
                "must be a number from {low:g} to {high:g} {unit}",
                low=asked.low,
                high=asked.high,
                unit=asked.unit,
            )
        )
    return float(value)


def expand(rule: Rule, templates: Mapping[str, Template] = TEMPLATES) -> Rule:
    """Return the rule that a template makes of its checked inputs; any other rule unchanged."""
    if rule.template is None:
        return rule
    template = templates[rule.template]
    given = {
        name: read_input(asked, rule.inputs[name]) if name in rule.inputs else asked.default
        for name, asked in template.inputs.items()
    }
    made = template.make(given)
    if rule.metric is not None:
        made["metric"] = rule.metric
    texts = {"text": rule.text or template.text, "text_fr": rule.text_fr or (rule.text or template.text_fr)}
    return rule.model_copy(update={**made, **texts, "severity": rule.severity or template.severity})


def described(name: str, template: Template, own: bool) -> dict[str, Any]:
    """Return a template as JSON, with its inputs; `own`: it is the configuration's."""
    return {
        "name": name, "own": own, "en": template.en, "fr": template.fr, "severity": template.severity,
        "needs_schedule": template.needs_schedule,
        "inputs": [_described_input(asked, one) for asked, one in template.inputs.items()],
    }  # fmt: skip


def _described_input(name: str, asked: Input) -> dict[str, Any]:
    default = show_duration(asked.default) if isinstance(asked.default, timedelta) else asked.default
    made = {
        "name": name, "kind": asked.kind, "default": default, "unit": asked.unit, "en": asked.en, "fr": asked.fr,
    }  # fmt: skip
    if asked.words:
        return {**made, "words": list(asked.words)}
    bounds = (asked.low, asked.high)
    if asked.kind == "duration":
        low, high = (show_duration(timedelta(seconds=one)) for one in bounds)
        return {**made, "low": low, "high": high}
    return {**made, "low": f"{asked.low:g}", "high": f"{asked.high:g}"}
