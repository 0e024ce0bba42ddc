"""Names of callers: as the control socket and the pages pass them, as the audit log stores them, as a person reads
them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.core.text import phrase

LONGEST = 64
_WHO = {
    "cli": ("la ligne de commande", "the command line"), "hub": ("le concentrateur", "the hub"),
    "configuration": ("la configuration", "the configuration"), "backend": ("le serveur", "the backend"),
}  # fmt: skip
_WHO_OF = {
    "web:?": ("personne de connu, depuis {}", "nobody known, from {}"), "web:": ("{}", "{}"),
    "rule:": ("règle {}", "rule {}"), "backend:": ("{}, au serveur", "{}, at the backend"),
    "cli:": ("{}, en ligne de commande", "{}, at the command line"), "token:": ("jeton {}", "token {}"),
}  # fmt: skip


def asker(arguments: Mapping[str, Any]) -> str:
    """`cli:camille`, `web:anne`, `token:…`; plain `cli` where nobody said: who reaches the socket is root or the hub's
    own user."""
    return str(arguments.get("by") or "cli")[:LONGEST]


def actor(by: str) -> str:
    """Return a caller for a parameter of a phrase: its name in English, as a person reads it in other languages."""
    if by == "cli":
        return phrase("actor-command-line", "cli")
    if by == "hub":
        return phrase("actor-hub", "hub")
    if by == "configuration":
        return phrase("actor-configuration", "configuration")
    if by == "backend":
        return phrase("actor-backend", "backend")
    kind, _, name = by.partition(":")
    match kind:
        case "web" if name.startswith("?"):
            return phrase("actor-unknown-from", "web:?{address}", address=name.removeprefix("?"))
        case "web" if name:
            return phrase("actor-at-pages", "web:{name}", name=name)
        case "rule":
            return phrase("actor-rule", "rule:{name}", name=name)
        case "backend":
            return phrase("actor-at-backend", "backend:{name}", name=name)
        case "cli":
            return phrase("actor-at-command-line", "cli:{name}", name=name)
        case "token":
            return phrase("actor-token", "token:{name}", name=name)
    return by


def who_text(by: str, lang: str) -> str:
    """Return who did something as a person reads it, from its name in the audit log: `web:camille`, `rule:night`,
    `cli`."""
    if by in _WHO:
        return _WHO[by][lang != "fr"]
    for prefix, texts in _WHO_OF.items():
        if by.startswith(prefix):
            return texts[lang != "fr"].format(by.removeprefix(prefix))
    return by
