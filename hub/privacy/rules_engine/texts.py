"""Describes the effect of privacy rules in plain words, in French and English. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from hub.config.values import show_duration
from hub.core.model import Metric
from hub.i18n import metric_names
from hub.privacy.rules_engine.data_categories import POSITION
from hub.privacy.rules_engine.rules import PrivacyRule

_PARTS = re.compile(r"(\d+)([a-z]+)")
_BY = {
    "mean": ("moyenne", "mean"), "sum": ("somme", "sum"), "max": ("maximum", "maximum"),
    "devices": ("appareils qui disent oui", "devices that say yes"),
}  # fmt: skip


def describe_data(rule: PrivacyRule, metrics: Mapping[str, Metric], lang: str) -> str:
    """Describe the data: names of metrics and device classes; everything where the rule names none."""
    names = [metric_name(key, metrics, lang) for key in sorted(rule.metrics)]
    classes = [f"{'classe' if lang == 'fr' else 'class'} {name}" for name in sorted(rule.device_classes)]
    return ", ".join([*names, *classes]) or ("toutes les mesures" if lang == "fr" else "everything measured")


def metric_name(key: str, metrics: Mapping[str, Metric], lang: str) -> str:
    if key == POSITION:
        return "Position"
    metric = metrics.get(key)
    return metric_names.metric_name(metric, lang) if metric is not None else key


def does(rule: PrivacyRule, lang: str) -> str:
    """Describe the treatment."""
    fr = lang == "fr"
    if rule.drop:
        return "rien n'est conservé" if fr else "nothing is kept"
    window_spec = rule.window_spec
    if window_spec is not None:
        by = _BY[window_spec.by][0 if fr else 1]
        window = _per(window_spec.window_s, fr)
        if window_spec.count:
            total = (
                " ; total par site des comptes publiés" if fr else "; a site's total of what is told"
            ) * window_spec.total
            return (
                f"seul un comptage par zone et {window} sort ({by}), arrondi à 5, de 0 à 4 indistinct{total}"
                if fr
                else f"only a count per zone and {window} is sent ({by}), rounded to 5, 0 to 4 alike{total}"
            )
        return (
            f"seul un agrégat par zone et {window} sort ({by}), d'au moins {window_spec.least} appareils"
            if fr
            else f"only an aggregate per zone and {window} is sent ({by}), of at least {window_spec.least} devices"
        )
    return _kept(rule, fr=fr)


def _kept(rule: PrivacyRule, *, fr: bool) -> str:
    said = []
    if rule.step:
        said.append(f"arrondi à {rule.step:g}" if fr else f"rounded to {rule.step:g}")
    if rule.bucket_s:
        span = _span(rule.bucket_s, fr)
        said.append(f"daté par tranche de {span}" if fr else f"dated by spans of {span}")
    if rule.grid_m is not None:
        grid = f"{rule.grid_m:g} m"
        said.append(f"positions sur une grille de {grid}" if fr else f"positions on a grid of {grid}")
    if rule.keep_id:
        said.append("positions avec l'identifiant de l'appareil" if fr else "positions with their device's id")
    if rule.rotate_s:
        each = _each(rule.rotate_s, fr)
        said.append(f"sous un pseudonyme qui change {each}" if fr else f"under a pseudonym, another {each}")
    if rule.keyed:
        said.append("sous un pseudonyme à clé destructible" if fr else "under a pseudonym whose key can be destroyed")
    if rule.consent:
        said.append(
            f"sous pseudonyme, tant que les occupants y consentent ({rule.consent})"
            if fr
            else f"under a pseudonym, while the people of the home agree ({rule.consent})"
        )
    return ("conservé, " if fr else "kept, ") + ", ".join(said)


_ONE = {
    60.0: ("minute", "minute"), 3600.0: ("heure", "hour"), 86_400.0: ("jour", "day"), 604_800.0: ("semaine", "week"),
}  # fmt: skip


def _per(seconds: float, fr: bool) -> str:
    """Format a period: `par heure`, `par période de 15 min`."""
    one = _ONE.get(seconds)
    if one is not None:
        return f"par {one[0]}" if fr else f"per {one[1]}"
    return f"par période de {_span(seconds, fr)}" if fr else f"per {_span(seconds, fr)}"


def _each(seconds: float, fr: bool) -> str:
    """Format a repetition: `chaque jour`, `toutes les 12 h`."""
    one = _ONE.get(seconds)
    if one is not None:
        return f"chaque {one[0]}" if fr else f"each {one[1]}"
    every = "tous les" if fr and seconds % 86_400 == 0 else "toutes les"
    return f"{every} {_span(seconds, fr)}" if fr else f"every {_span(seconds, fr)}"


def _span(seconds: float, fr: bool) -> str:
    """Format a duration: `1 h 30 min`."""
    said = " ".join(f"{count}\u00a0{unit}" for count, unit in _PARTS.findall(show_duration(timedelta(seconds=seconds))))
    return said.replace("\u00a0d", "\u00a0j") if fr else said
