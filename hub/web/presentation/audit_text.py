"""Entries of the audit chain as sentences in the reader's language. Pure.

The chain holds small maps, {"web": "signed in", "from": …}: the first pair is the action. An entry without a sentence
in `hub.web.words.deeds`, of another version of the hub, is shown as its pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from string import Formatter
from typing import Any, NamedTuple

from hub.core.text import Phrase
from hub.i18n.catalogues import translate
from hub.i18n.typography import typeset
from hub.page_kit.formatting import day_text, size_text
from hub.web.words import WORDS, template


class AuditSentence(NamedTuple):
    """Text of an entry. `text` is "" where no sentence is known; `why`: the given reason; `rest`: pairs in neither of
    them."""

    text: str
    why: str
    rest: list[tuple[str, str]]


MOST = 300

NameLookup = Callable[[str, str, str], str]
"""(kind, id, device) → its name, "" without one. Kinds: device, place, site, zone, metric (of that device), step of
commissioning, role, reason of a command that was refused, refusal of a request."""

_OWN_PLACE = ("why", "detail")
_NAMED = {name: name for name in ("device", "place", "site", "zone", "metric", "step", "role", "reason")}
_NAMED_IN = {
    "device": {"id": "device", "old": "device", "new": "device", "former_place": "place"},
    "place": {"id": "place"}, "command": {},
}  # fmt: skip


def audit_sentence(
    what: Mapping[str, Any], lang: str, name_of: NameLookup = lambda kind, one, device: ""
) -> AuditSentence:
    """Return the sentence of an entry, with the names of its objects and their ids."""
    key, value = next(iter(what.items()), ("", ""))
    deed = deed_of(key, str(value))
    if key == "command" and not deed:
        deed = "deed-command-ordered" if "metric" in what else "deed-command-ended"
    if key == "perimeter" and isinstance(what.get("declared"), Mapping):
        deed, what = "deed-perimeter-declared", _perimeter(value, what["declared"], lang)
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
        shown["why"] = _word("audit-why-", str(what["why"]), lang) or shown["why"]
    why = shown.get("why") or shown.get("detail") or ""
    others = {name: one for name, one in shown.items() if name not in _OWN_PLACE}
    text = template(deed, lang) if deed else ""
    asked = {name for _, name, _, _ in Formatter().parse(text) if name}
    if not text or not asked <= shown.keys():  # of another version: show all pairs
        return AuditSentence("", why, list(others.items()))
    rest = [
        (
            _word("audit-name-", name.replace("_", "-"), lang) or name,
            (_word("audit-how-", one, lang) if name == "how" else "") or one,
        )
        for name, one in others.items()
        if name not in asked and name != key and one
    ]
    said = text.format(**shown).rstrip(", ")
    return AuditSentence(typeset(said) if lang == "fr" else said, why, rest)


def deed_of(key: str, value: str) -> str:
    """Return the word of the first pair of an entry; "" for a pair that no word is about."""
    for deed in (f"deed-{key}-{value.replace(' ', '-')}", f"deed-{key}"):
        if deed in WORDS:
            return deed
    return ""


def _word(family: str, one: str, lang: str) -> str:
    return template(family + one, lang) if family + one in WORDS else ""


def _called(name: str, one: str, kind: str) -> str:
    """Return name and id, where they differ; of a metric, a step, a role and a reason the name suffices."""
    if not name or name == one:
        return one
    return name if kind in ("metric", "step", "role", "reason") else f"{name} ({one})"


def _perimeter(integration: object, declared: Mapping[str, Any], lang: str) -> dict[str, Any]:
    kind = str(declared.get("kind", ""))
    return {
        "perimeter": integration, "kind": _word("perimeter-", kind.replace(" ", "-"), lang) or kind,
        "by": declared.get("declared_by", ""), "on": day_text(str(declared.get("declared_on", "")), lang),
        **{name: one for name, one in declared.items()
           if name not in ("kind", "declared_by", "declared_on", "integration", "type")},
    }  # fmt: skip


def _shown(value: Any, lang: str) -> str:
    """Return a value of the chain for people."""
    if value is None:
        return "–"
    if isinstance(value, Phrase):
        return translate(value, lang)[:MOST]
    if isinstance(value, bool):
        return template("yes" if value else "no", lang)
    if isinstance(value, float):
        value = f"{value:g}".replace(".", "," if lang == "fr" else ".")
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(one, lang)}" for name, one in value.items())[:MOST]
    if isinstance(value, (list, tuple)):
        return ", ".join(_shown(one, lang) for one in value)[:MOST]
    return _word("audit-value-", str(value), lang) or str(value)[:MOST]
