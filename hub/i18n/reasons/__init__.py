"""Words for reasons of refusals and notes, by the slug under which they are counted. Pure.

The slug is for programs, logs and metrics, and never changes; the words are for people. `table.REASONS` has those of
the hub itself and those that several integrations share. An integration brings words for its own counters with its
registration (`hub.sdk.hookspecs.Reasons`). A slug without words is shown as it is, and marked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hub.core.metric_catalogue import METRICS
from hub.i18n.reasons.table import REASONS
from hub.i18n.typography import ascii_spaces, typeset, with_units

Words = tuple[str, str]
"""French, English."""
MAX_REASONS, MAX_WORDS = 1000, 250
"""Limits of one registration: number of reasons, characters of their words."""
_LONGEST_SLUG = 80
"""Characters; `hub.core.counters` cuts longer slugs."""
_FAMILY = "*"
"""End of a key for all slugs that begin so; `{part}` in its words is the rest of the slug."""
_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\*?")
_WRITE = "write-"
"""Prefix of the reason for which a command was refused."""
_MISTAKE = re.compile(r"[A-Z]\w{0,63}")
"""Name of a Python exception, which is counted where an integration gave no reason."""
_MISTAKEN = (
    "Erreur dans le code de l'intégration ({part}) : signalez-la à son auteur",
    "A mistake in the integration's code ({part}): tell whoever made it",
)


def words(slug: str, own: Mapping[str, Words] | None = None, others: Mapping[str, Words] | None = None) -> Words | None:
    """Return the words for a slug; None where there are none. `own` are those of the integration that counted it, and
    take precedence. `others` are those of other plugins, a decoder's for instance; their words for a whole family of
    slugs only apply to their own."""
    if len(slug) > _LONGEST_SLUG:
        return None
    own = own or {}
    said = own.get(slug) or REASONS.get(slug)
    if said is None and slug.startswith(_WRITE) and (inner := words(slug.removeprefix(_WRITE), own, others)):
        french, english = (f"{one[:1].lower()}{one[1:]}" for one in inner)
        said = f"Commande refusée : {french}", f"Command refused: {english}"
    if said is not None:
        return _printed(said, "")
    for end in range(len(slug) - 1, 0, -1):
        if (said := own.get(slug[:end] + _FAMILY)) is not None:
            return _printed(said, slug[end:])
    if (said := (others or {}).get(slug)) is not None:
        return _printed(said, "")
    return _printed(_MISTAKEN, slug) if _MISTAKE.fullmatch(slug) else None


def problem_with(reasons: Mapping[str, Words]) -> str:
    """Return what is wrong with the words that a plugin brings, "" where they are right."""
    if not isinstance(reasons, Mapping):
        return "`reasons` maps each reason to a pair of words: French, English"
    if len(reasons) > MAX_REASONS:
        return f"{len(reasons)} reasons are more than the {MAX_REASONS} that one registration may bring"
    for slug, said in reasons.items():
        if not (isinstance(slug, str) and _SLUG.fullmatch(slug)):
            return f"{slug!r} is no reason: small letters, digits, '-', '_' and '.', and a '*' only at its end"
        if not (
            isinstance(said, tuple) and len(said) == 2 and all(isinstance(one, str) and one.strip() for one in said)
        ):
            return f"the words of {slug!r} are a pair: French, English"
        if not all(len(one) <= MAX_WORDS and ascii_spaces(one).isprintable() for one in said):
            return f"the words of {slug!r} are one line of at most {MAX_WORDS} characters, without control characters"
    return ""


def _printed(said: Words, part: str) -> Words:
    """Fill in the rest of a slug: a metric by its name, anything else unchanged."""
    known = METRICS.get(part)
    names = (known.fr.lower() or part, known.en.lower() or part) if known is not None else (part, part)
    french, english = typeset(said[0]), with_units(said[1])
    return french.replace("{part}", names[0]), english.replace("{part}", names[1])
