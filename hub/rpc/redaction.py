"""Redaction of data for support: it must name nobody and hold no secret. Pure.

Names that the hub knows (devices, places, zones, sites, accounts, hosts, its own id) are replaced everywhere, in keys
and inside sentences too, each by its kind and a number: `device-3` is the same device in every file of one archive, and
in no other one. Unlisted identifiers are recognised by their shape: long runs of hexadecimal or base64 digits, IP and
MAC addresses, e-mail addresses, telephone numbers, and the user and query parts of a URL. Fields whose name says that
they hold a secret lose their value, whatever it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

MASK = "•••"
_SECRET = re.compile(
    r"(?i)(^|[_.-])(key|keys|apikey|pass|passwd|passphrase|password|pwd|auth|authorization|bearer|secret|token|pin|code"
    r"|credential|csrf|cookie|psk)s?($|[_.-])"
)
_SHAPES = (
    (re.compile(r"(?<=://)[^/\s@\"'<>]+(?=@)"), "credential"),
    (re.compile(r"(?<=[?&])[\w.~%\[\]-]+=[^&\s\"'<>#]+"), "query"),
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "e-mail"),
    (re.compile(r"(?i)\b(?:[0-9a-f]{2}[:-]){5,}[0-9a-f]{2}\b"), "address"),
    (re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b"), "address"),
    (re.compile(r"(?i)\b(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}\b"), "address"),
    (re.compile(r"(?i)\b[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*::(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*)?(?:%\w+)?"), "address"),
    (re.compile(r"(?i)\b[0-9a-f]{12,}\b"), "number"),
    (re.compile(r"(?<![\w.+])(?:\+\d(?:[ .-]?\d){6,14}|0\d(?:[ .-]?\d\d){4})(?!\w)"), "telephone"),
    (re.compile(r"[A-Za-z0-9+/_-]{32,}={0,2}"), "text"),
)
LOOPBACK = frozenset({"127.0.0.1", "0.0.0.0"})  # noqa: S104 - addresses that are not hidden, no addresses to listen on


_PEOPLE = tuple(pattern for pattern, kind in _SHAPES if kind in ("credential", "query", "e-mail", "telephone"))


def names_secret(key: str) -> bool:
    """Return whether a field of this name holds a secret."""
    return _SECRET.search(key) is not None


def without_people(said: str) -> str:
    """Return a text without addresses and numbers of people, and without credentials in URLs."""
    for pattern in _PEOPLE:
        said = pattern.sub(MASK, said)
    return said


class Redactor:
    """Redactor for one archive. `names`: kind → the names of that kind. Longer names are replaced first, so that none
    is cut in two."""

    def __init__(self, names: Mapping[str, Iterable[str]]) -> None:
        self._known: dict[str, str] = {}
        for kind, those in names.items():
            for number, name in enumerate(sorted({name for name in those if len(name) > 1}), 1):
                self._known.setdefault(name, f"{kind}-{number}")
        self._folded = {name.casefold(): told for name, told in reversed(self._known.items())}
        longest = sorted(self._known, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest)), re.IGNORECASE) if longest else None
        self._shaped: dict[str, str] = {}
        self._numbers: dict[str, int] = {}

    def text(self, said: str) -> str:
        """Return a sentence without names, addresses and keys."""
        if self._pattern is not None:
            said = self._pattern.sub(lambda found: self._name(found[0]), said)
        for pattern, kind in _SHAPES:
            said = pattern.sub(lambda found, kind=kind: self._shape(found[0], kind), said)  # type: ignore[misc]
        return said

    def value(self, value: Any) -> Any:
        """Return plain data without them, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return MASK
        if isinstance(value, Mapping):
            return {
                self.text(str(key)): MASK
                if _SECRET.search(str(key)) and part not in (None, "", False, True)
                else self.value(part)
                for key, part in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(part) for part in value]
        return value

    def _name(self, found: str) -> str:
        """Return the substitute of a name. `re` and `casefold` differ on some letters: then any substitute will do."""
        return self._known.get(found) or self._folded.get(found.casefold()) or "name"

    def _shape(self, found: str, kind: str) -> str:
        if found in LOOPBACK:
            return found
        known = self._shaped.get(found)
        if known is None:
            self._numbers[kind] = self._numbers.get(kind, 0) + 1
            known = self._shaped[found] = f"{kind}-{self._numbers[kind]}"
        return known
