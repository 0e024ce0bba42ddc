"""Entries of the audit chain as sentences, in French and in English. Pure.

The chain holds small maps, {"web": "signed in", "from": …}: the first pair is the action. An entry without a sentence
here, of another version of the hub, is shown as its pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from string import Formatter
from typing import Any, NamedTuple

from hub.i18n.typography import typeset
from hub.web.formatting import day_text, size_text
from hub.web.words.deeds import ANY, DECLARED, DEEDS, ENDED, ORDERED


class AuditSentence(NamedTuple):
    """Text of an entry. `text` is "" where no sentence is known; `why`: the given reason; `rest`: pairs in neither of
    them."""

    text: str
    why: str
    rest: list[tuple[str, str]]


_STATES = {
    "acknowledged": "acquittée", "muted": "mise en sourdine", "cleared": "close", "raised": "déclenchée",
    "escalated": "signalée plus haut", "done": "faite", "failed": "échouée", "expired": "périmée",
}  # fmt: skip
_KEYS = {
    "how": ("manière", "how"), "bytes": ("taille", "size"), "id": ("identifiant", "id"), "note": ("note", "note"),
    "dry_run": ("essai", "dry run"), "from": ("depuis", "from"), "role": ("rôle", "role"), "state": ("état", "state"),
    "reason": ("refus", "refusal"), "plan": ("plan", "plan"), "entries": ("appareils", "devices"),
    "until": ("jusqu'à", "until"),
}  # fmt: skip
_HOW = {"inventory": "inventaire", "scan": "caméra", "manual": "saisie", "photo": "photo", "unreadable": "illisible"}
_WHY = {
    "no-key": ("clé inconnue", "no key"), "wrong": ("étiquette ou clé fausse", "wrong label or key"),
    "unreadable": ("étiquette illisible", "label that cannot be read"),
}  # fmt: skip
_KINDS = {"locked room": "local fermé", "dedicated vlan": "VLAN dédié"}
MOST = 300

NameLookup = Callable[[str, str, str], str]
"""(kind, id, device) → its name, "" without one. Kinds: device, place, site, zone, metric (of that device), step of
commissioning, role, reason of a command that was refused, refusal of a request."""

_OWN_PLACE = ("why", "detail")
_NAMED = {name: name for name in ("device", "place", "site", "zone", "metric", "step", "role", "reason")}
_NAMED_IN = {
    "device": {"id": "device", "old": "device", "new": "device"}, "place": {"id": "place"}, "command": {},
}  # fmt: skip


def audit_sentence(
    what: Mapping[str, Any], lang: str, name_of: NameLookup = lambda kind, one, device: ""
) -> AuditSentence:
    """Return the sentence of an entry, with the names of its objects and their ids."""
    key, value = next(iter(what.items()), ("", ""))
    texts = DEEDS.get((key, str(value))) or DEEDS.get((key, ANY))
    if key == "command" and texts is None:
        texts = ORDERED if "metric" in what else ENDED
    if key == "perimeter" and isinstance(what.get("declared"), Mapping):
        texts, what = DECLARED, _perimeter(value, what["declared"], lang)
    elif key == "perimeter":
        what = {key: value}
    kinds = {**_NAMED, **_NAMED_IN.get(key, {})}
    shown = {name: _shown(one, lang) for name, one in what.items()}
    for name, one in what.items():
        if name in kinds and name != key and isinstance(one, str) and one:
            shown[name] = _called(name_of(kinds[name], one, str(what.get("device", ""))), one, kinds[name])
    if isinstance(what.get("bytes"), int):
        shown["bytes"] = size_text(what["bytes"], lang)
    if (key, value) == ("web", "refused"):
        shown["why"] = name_of("refusal", str(what.get("why", "")), "") or shown.get("why", "")
    if key == "roster" and what.get("why"):
        shown["why"] = _WHY.get(str(what["why"]), (shown["why"],) * 2)[lang != "fr"]
    why = shown.get("why") or shown.get("detail") or ""
    others = {name: one for name, one in shown.items() if name not in _OWN_PLACE}
    text = texts[0 if lang == "fr" else 1] if texts else ""
    asked = {name for _, name, _, _ in Formatter().parse(text) if name}
    if not text or not asked <= shown.keys():  # of another version: show all pairs
        return AuditSentence("", why, list(others.items()))
    rest = [
        (_KEYS.get(name, (name, name))[lang != "fr"], _HOW.get(one, one) if name == "how" and lang == "fr" else one)
        for name, one in others.items()
        if name not in asked and name != key and one
    ]
    said = text.format(**shown).rstrip(", ")
    return AuditSentence(typeset(said) if lang == "fr" else said, why, rest)


def _called(name: str, one: str, kind: str) -> str:
    """Return name and id, where they differ; of a metric, a step, a role and a reason the name suffices."""
    if not name or name == one:
        return one
    return name if kind in ("metric", "step", "role", "reason") else f"{name} ({one})"


def _perimeter(integration: object, declared: Mapping[str, Any], lang: str) -> dict[str, Any]:
    kind = str(declared.get("kind", ""))
    return {
        "perimeter": integration, "kind": _KINDS.get(kind, kind) if lang == "fr" else kind,
        "by": declared.get("declared_by", ""), "on": day_text(str(declared.get("declared_on", "")), lang),
        **{name: one for name, one in declared.items()
           if name not in ("kind", "declared_by", "declared_on", "integration", "type")},
    }  # fmt: skip


def _shown(value: Any, lang: str) -> str:
    """Return a value of the chain for people."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return {"fr": ("non", "oui")}.get(lang, ("no", "yes"))[value]
    if isinstance(value, float):
        value = f"{value:g}".replace(".", "," if lang == "fr" else ".")
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(one, lang)}" for name, one in value.items())[:MOST]
    if isinstance(value, (list, tuple)):
        return ", ".join(_shown(one, lang) for one in value)[:MOST]
    return (_STATES.get(str(value), str(value)) if lang == "fr" else str(value))[:MOST]
