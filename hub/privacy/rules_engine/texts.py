"""Describes the effect of privacy rules in plain words, in the reader's language. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from hub.config.values import show_duration
from hub.core.model import Metric
from hub.core.text import phrase
from hub.i18n import metric_names
from hub.i18n.catalogues import translate
from hub.privacy.rules_engine.data_categories import POSITION
from hub.privacy.rules_engine.rules import PrivacyRule, WindowSpec

_PARTS = re.compile(r"(\d+)([a-z]+)")
_BY = {
    "mean": phrase("window-mean", "mean"),
    "sum": phrase("window-sum", "sum"),
    "max": phrase("window-maximum", "maximum"),
    "devices": phrase("window-devices", "devices that say yes"),
}


def describe_data(rule: PrivacyRule, metrics: Mapping[str, Metric], lang: str) -> str:
    """Describe the data: names of metrics and device classes; everything where the rule names none."""
    names = [metric_name(key, metrics, lang) for key in sorted(rule.metrics)]
    classes = [
        translate(phrase("device-class-named", "class {name}", name=name), lang) for name in sorted(rule.device_classes)
    ]
    return ", ".join([*names, *classes]) or str(translate(phrase("everything-measured", "everything measured"), lang))


def metric_name(key: str, metrics: Mapping[str, Metric], lang: str) -> str:
    if key == POSITION:
        return "Position"
    metric = metrics.get(key)
    return metric_names.metric_name(metric, lang) if metric is not None else key


def does(rule: PrivacyRule, lang: str) -> str:
    """Describe the treatment."""
    if rule.drop:
        return str(translate(phrase("nothing-is-kept", "nothing is kept"), lang))
    if rule.window_spec is not None:
        return str(translate(_of_window(rule.window_spec, lang), lang))
    return str(translate(phrase("data-is-kept", "kept, {how}", how=_kept(rule, lang)), lang))


def _of_window(window: WindowSpec, lang: str) -> str:
    by, per = _BY[window.by], _per(window.window_s, lang)
    if not window.count:
        return phrase(
            "only-aggregate-sent",
            "only an aggregate per zone and {window} is sent ({by}), of at least {least} devices",
            window=per,
            by=by,
            least=window.least,
        )
    if window.total:
        return phrase(
            "only-count-and-total-sent",
            "only a count per zone and {window} is sent ({by}), rounded to 5, 0 to 4 alike; a site's total of what is "
            "told",
            window=per,
            by=by,
        )
    return phrase(
        "only-count-sent",
        "only a count per zone and {window} is sent ({by}), rounded to 5, 0 to 4 alike",
        window=per,
        by=by,
    )


def _kept(rule: PrivacyRule, lang: str) -> list[str]:
    said: list[str] = []
    if rule.step:
        said.append(phrase("rounded-to", "rounded to {step:g}", step=rule.step))
    if rule.bucket_s:
        said.append(phrase("dated-by-spans", "dated by spans of {span}", span=_span(rule.bucket_s, lang)))
    if rule.grid_m is not None:
        said.append(phrase("positions-on-grid", "positions on a grid of {metres:g} m", metres=rule.grid_m))
    if rule.keep_id:
        said.append(phrase("positions-with-id", "positions with their device's id"))
    if rule.rotate_s:
        each = _each(rule.rotate_s, lang)
        said.append(phrase("under-changing-pseudonym", "under a pseudonym, another {each}", each=each))
    if rule.keyed:
        said.append(phrase("under-destructible-pseudonym", "under a pseudonym whose key can be destroyed"))
    if rule.consent:
        said.append(
            phrase(
                "under-pseudonym-by-consent",
                "under a pseudonym, while the people of the home agree ({consent})",
                consent=rule.consent,
            )
        )
    return said


_PER = {
    60.0: phrase("per-minute", "per minute"),
    3600.0: phrase("per-hour", "per hour"),
    86_400.0: phrase("per-day", "per day"),
    604_800.0: phrase("per-week", "per week"),
}
_EACH = {
    60.0: phrase("each-minute", "each minute"),
    3600.0: phrase("each-hour", "each hour"),
    86_400.0: phrase("each-day", "each day"),
    604_800.0: phrase("each-week", "each week"),
}


def _per(seconds: float, lang: str) -> str:
    """Format a period: `per hour`, `per 15 min`."""
    return _PER.get(seconds) or phrase("per-span", "per {span}", span=_span(seconds, lang))


def _each(seconds: float, lang: str) -> str:
    """Format a repetition: `each day`, `every 12 h`. Languages may say days otherwise than hours."""
    if seconds in _EACH:
        return _EACH[seconds]
    span = _span(seconds, lang)
    if seconds % 86_400 == 0:
        return phrase("every-days", "every {span}", span=span)
    return phrase("every-span", "every {span}", span=span)


def _span(seconds: float, lang: str) -> str:
    """Format a duration: `1 h 30 min`."""
    said = " ".join(f"{count}\u00a0{unit}" for count, unit in _PARTS.findall(show_duration(timedelta(seconds=seconds))))
    return said.replace("\u00a0d", "\u00a0j") if lang == "fr" else said
