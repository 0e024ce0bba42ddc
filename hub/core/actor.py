"""Names of callers: as the control socket and the pages pass them, as the audit log stores them, as a person reads
them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.core.text import phrase

LONGEST = 64


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


def who(by: str) -> str:
    """Return a caller on its own, for a list or a page, from its name in the audit log: `web:camille`, `rule:night`,
    `cli`."""
    if by == "cli":
        return phrase("who-command-line", "the command line")
    if by == "hub":
        return phrase("who-hub", "the hub")
    if by == "configuration":
        return phrase("who-configuration", "the configuration")
    if by == "backend":
        return phrase("who-backend", "the backend")
    kind, _, name = by.partition(":")
    match kind:
        case "web" if name.startswith("?"):
            return phrase("who-unknown-from", "nobody known, from {address}", address=name.removeprefix("?"))
        case "web" if name:
            return name
        case "rule":
            return phrase("who-rule", "rule {name}", name=name)
        case "backend":
            return phrase("who-at-backend", "{name}, at the backend", name=name)
        case "cli":
            return phrase("who-at-command-line", "{name}, at the command line", name=name)
        case "token":
            return phrase("who-token", "token {name}", name=name)
    return by
