"""An entry of the audit chain as a sentence, in French and in English. Pure.

The chain holds small maps, {"web": "signed in", "from": …}: the first pair says what was done. What no sentence here
knows, of another version of the hub, is shown as the pairs it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import Any, NamedTuple

from hub.web.words.deeds import ANY, DEEDS, ENDED, ORDERED


class Deed(NamedTuple):
    """`text` is "" where no sentence is known; `why`: what somebody gave as the reason; `rest`: what neither says."""

    text: str
    why: str
    rest: list[tuple[str, str]]


_STATES = {
    "acknowledged": "acquittée", "muted": "mise en sourdine", "cleared": "close", "raised": "levée",
    "escalated": "signalée plus haut", "done": "faite", "failed": "échouée", "expired": "périmée",
}  # fmt: skip
_KEYS = {
    "how": ("manière", "how"), "bytes": ("octets", "bytes"), "id": ("identifiant", "id"), "note": ("note", "note"),
    "dry_run": ("essai", "dry run"), "from": ("depuis", "from"), "role": ("rôle", "role"), "state": ("état", "state"),
    "plan": ("plan", "plan"), "entries": ("appareils", "devices"), "until": ("jusqu'à", "until"),
}  # fmt: skip
_HOW = {"inventory": "inventaire", "scan": "caméra", "manual": "saisie", "photo": "photo", "unreadable": "illisible"}
MOST = 300


_OWN_PLACE = ("why", "detail")


def deed(what: Mapping[str, Any], lang: str) -> Deed:
    """The sentence of an entry."""
    key, value = next(iter(what.items()), ("", ""))
    texts = DEEDS.get((key, str(value))) or DEEDS.get((key, ANY))
    if key == "command" and texts is None:
        texts = ORDERED if "metric" in what else ENDED
    shown = {name: _shown(one, lang) for name, one in what.items()}
    why = shown.get("why") or shown.get("detail") or ""
    others = {name: one for name, one in shown.items() if name not in _OWN_PLACE}
    text = texts[0 if lang == "fr" else 1] if texts else ""
    asked = {name for _, name, _, _ in Formatter().parse(text) if name}
    if not text or not asked <= shown.keys():  # another version's: all that it holds
        return Deed("", why, list(others.items()))
    rest = [
        (_KEYS.get(name, (name, name))[lang != "fr"], _HOW.get(one, one) if name == "how" and lang == "fr" else one)
        for name, one in others.items()
        if name not in asked and name != key and one
    ]
    return Deed(text.format(**shown).rstrip(", "), why, rest)


def _shown(value: Any, lang: str) -> str:
    """A value of the chain for people."""
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
