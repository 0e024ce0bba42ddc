"""Sentences of messages: what happened, where, since when, and the page to open. In the language of who is told."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from hub.core.text import Phrase, phrase
from hub.i18n.ambiguous_time import offset_if_ambiguous
from hub.i18n.catalogues import translate
from hub.i18n.typography import quantity

SMS_LENGTH = 300
_SEVERITIES = {
    "info": phrase("severity-info", "info"),
    "warning": phrase("severity-warning", "warning"),
    "critical": phrase("severity-critical", "critical"),
}


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Contents of a message. `what` is raised, graver, taken, muted or cleared; `who` made that change; `sites` are the
    names of an incident's first sites, of `count` in all; `link` is the page to open."""

    what: str
    hub: str
    alert: str
    n: int
    rule: str
    severity: str
    text: str
    text_fr: str
    value: str = ""
    site: str = ""
    zone: str = ""
    place: str = ""
    device: str = ""
    who: str = ""
    why: str = ""
    raised_at: float = 0.0
    incident: int = 0
    kind: str = ""
    name: str = ""
    count: int = 0
    sites: tuple[str, ...] = ()
    link: str = ""
    service: str = ""


def subject(facts: Facts, lang: str) -> str:
    """Return one line."""
    return one_line(translate(_said(facts, lang), lang))


def _said(facts: Facts, lang: str) -> Phrase:
    text: str = (
        incident_text(facts) if facts.incident else (facts.text_fr if lang == "fr" else facts.text) or facts.text
    )
    severity = _SEVERITIES.get(facts.severity, facts.severity)
    match facts.what:
        case "cleared":
            return phrase("dispatch-cleared", "Over: {text}", text=text)
        case "taken":
            return phrase("dispatch-taken", "Taken by {who}: {text}", who=facts.who or "?", text=text)
        case "muted":
            return phrase("dispatch-muted", "Muted by {who}: {text}", who=facts.who or "?", text=text)
        case "graver":
            return phrase("dispatch-graver", "Graver now ({severity}): {text}", severity=severity, text=text)
    return phrase("dispatch-raised", "Alert ({severity}): {text}", severity=severity, text=text)


def incident_text(facts: Facts) -> Phrase:
    """Return what an incident is, with its first sites."""
    sites = [*facts.sites, "…"] if facts.count > len(facts.sites) else list(facts.sites)
    name = incident_name(facts.name)
    given: dict[str, Any] = {"number": facts.incident, "count": facts.count, "sites": sites, "name": name}
    match facts.kind:
        case "family":
            return phrase("incident-of-family", "incident {number}: {name} at {count} [site|sites] ({sites})", **given)
        case "signal":
            return phrase(
                "incident-of-signal",
                "weak signal, incident {number}: {name} at {count} [site|sites] ({sites})",
                **given,
            )
    return phrase(
        "incident-of-cause",
        "incident {number}: {count} [site|sites] on {kind} {name} ({sites})",
        kind=kind_words(facts.kind),
        **given,
    )


def incident_name(name: str) -> str:
    """Return the name of an incident: of a weak signal in words, else as the plan or a hub's tag has it."""
    family, _, rest = name.partition("/")
    if family == "default-credential":
        return phrase("signal-credential", "default credential {which}", which=rest)
    return _SIGNALS.get(name, name)


def kind_words(kind: str) -> str:
    """Return a kind of cause in words."""
    return _KINDS.get(kind, kind)


_SIGNALS = {
    "security/doors": phrase("signal-doors", "refused sign-ins"),
    "security/network": phrase("signal-network", "suspicious connections"),
    "security/sensors": phrase("signal-sensors", "suspicious sensor frames"),
    "security/hub": phrase("signal-hub", "incidents of the hub itself"),
    "alarm/silent": phrase("signal-silent", "hubs that fall silent"),
    "alarm/forged": phrase("signal-forged", "forged records"),
    "alarm/two-hubs": phrase("signal-two-hubs", "a device heard at two hubs"),
}
_KINDS = {
    "gateway": phrase("cause-gateway", "the gateway"),
    "feeder": phrase("cause-feeder", "the feeder"),
    "operator": phrase("cause-operator", "the operator"),
    "release": phrase("cause-release", "the release"),
    "ring": phrase("cause-ring", "the ring"),
    "tag": phrase("cause-tag", "the tag"),
    "family": phrase("cause-family", "the rule"),
    "signal": phrase("cause-signal", "the weak signal"),
}


def body(facts: Facts, lang: str, zone: str) -> str:
    """Return the lines of an e-mail."""
    given: list[tuple[str, str]] = [
        (phrase("dispatch-line-place", "Place"), " / ".join(x for x in (facts.site, facts.zone, facts.place) if x)),
        (phrase("dispatch-line-value", "Value"), quantity(facts.value, "fr" if lang == "fr" else "en")),
        (phrase("dispatch-line-device", "Device"), facts.device),
        (phrase("dispatch-line-rule", "Rule"), facts.rule),
        (phrase("dispatch-line-why", "Reason"), facts.why),
        (phrase("dispatch-line-since", "Since"), moment(facts.raised_at, zone, lang) if facts.raised_at else ""),
        (phrase("dispatch-line-alert", "Alert"), facts.alert),
        (phrase("dispatch-line-hub", "Hub"), facts.hub),
    ]
    colon = "\u00a0:" if lang == "fr" else ":"
    lines = [f"{translate(label, lang)}{colon} {one_line(said)}" for label, said in given if said]
    opened = [] if not facts.link else ["", translate(phrase("dispatch-open", "Take it, or look:"), lang), facts.link]
    return "\n".join([subject(facts, lang), "", *lines, *opened]) + "\n"


def short(facts: Facts, lang: str) -> str:
    """Return the text of a short message, in letters that do not halve its length."""
    said = subject(facts, lang)
    place = facts.site if facts.site and facts.site not in said else ""
    text = f"{said}{f' [{place}]' if place else ''}"
    link = f" {facts.link}" if facts.link else ""
    return plain(text)[: SMS_LENGTH - len(link)] + link


def plain(text: str) -> str:
    """Return a text without typographic signs; letters that no alphabet of short messages has lose their accent."""
    text = text.translate({0x2019: "'", 0xAB: '"', 0xBB: '"', 0x2026: "...", 0xA0: " ", 0x202F: " ", 0x2013: "-"})
    kept = "èéùìòàÈÉÇñÑüÜöÖäÄ"
    return "".join(c if ord(c) < 128 or c in kept else _base(c) for c in text)


def _base(letter: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", letter) if ord(c) < 128)


def moment(at: float, zone: str, lang: str) -> str:
    """Return date and time in a zone; in the hour that comes twice, which of the two."""
    local = datetime.fromtimestamp(at, ZoneInfo(zone))
    twice = offset_if_ambiguous(local)
    return f"{local:{'%d/%m/%Y %H:%M' if lang == 'fr' else '%Y-%m-%d %H:%M'}}{f' ({twice})' if twice else ''}"


def one_line(text: str) -> str:
    """Return a text on one line, so that what a hub says adds no header."""
    return " ".join("".join(c if c.isprintable() or c in "\u00a0\u202f" else " " for c in text).split(" ")).strip()
