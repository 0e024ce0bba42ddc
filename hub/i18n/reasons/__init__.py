"""Words for reasons of refusals and notes, by the slug under which they are counted. Pure.

The slug is for programs, logs and metrics, and never changes; the words are for people. `table.REASONS` has those of
the hub itself and those that several integrations share. An integration brings words for its own counters with its
registration (`hub.sdk.hookspecs.Reasons`). A slug without words is shown as it is, and marked.

Words are English in the code, and phrases with the code `reason-<slug>` in the catalogues: `modbus.reason-<slug>` in
that of a plugin.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter
from typing import NamedTuple

from hub.core.metric_catalogue import METRICS, metric_phrase
from hub.core.text import Phrase, of_table, phrase
from hub.i18n.reasons.table import PREFIX, REASONS
from hub.i18n.typography import ascii_spaces

MAX_REASONS, MAX_WORDS = 1000, 250
"""Limits of one registration: number of reasons, characters of their words."""
_LONGEST_SLUG = 80
"""Characters; `hub.core.counters` cuts longer slugs."""
_FAMILY = "*"
"""End of a key for all slugs that begin so; `{part}` in its words is the rest of the slug."""
_PART = "part"
_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\*?")
_WRITE = "write-"
"""Prefix of the reason for which a command was refused."""
_MISTAKE = re.compile(r"[A-Z]\w{0,63}")
"""Name of a Python exception, which is counted where an integration gave no reason."""


class Words(NamedTuple):
    """Words for a reason: English, in which `{part}` may stand, and their code. `french` is that of a plugin which
    gives it in its code, as it did in former versions."""

    english: str
    code: str
    french: str = ""


def words_of(reasons: Mapping[str, str | tuple[str, str]], domain: str) -> dict[str, Words]:
    """Return the words that a plugin brings, which `problem_with` found right; `domain` is its catalogue."""
    return {slug: _words(said, f"{domain}.{PREFIX}{slug}") for slug, said in reasons.items()}


def _words(said: str | tuple[str, str], code: str) -> Words:
    if isinstance(said, Phrase):
        return Words(said, said.code)
    return Words(said, code) if isinstance(said, str) else Words(_former(said[1]), code, _former(said[0]))


def _former(text: str) -> str:
    """Return a template of a text of former versions, in which only `{part}` is filled in."""
    return text.replace("{", "{{").replace("}", "}}").replace("{{part}}", "{part}")


def meaning(
    slug: str, own: Mapping[str, Words] | None = None, others: Mapping[str, Words] | None = None
) -> Phrase | None:
    """Return the words for a slug; None where there are none. `own` are those of the integration that counted it, and
    take precedence. `others` are those of other plugins, a decoder's for instance; their words for a whole family of
    slugs only apply to their own."""
    if len(slug) > _LONGEST_SLUG:
        return None
    own = own or {}
    if (said := own.get(slug)) is not None:
        return _filled(said)
    if slug in REASONS:
        return _filled(Words(REASONS[slug], PREFIX + slug))
    if slug.startswith(_WRITE) and (inner := meaning(slug.removeprefix(_WRITE), own, others)):
        return phrase("reason-of-refused-command", "Command refused: {reason:l}", reason=inner)
    for end in range(len(slug) - 1, 0, -1):
        if (said := own.get(slug[:end] + _FAMILY)) is not None:
            return _filled(said, slug[end:])
    if (said := (others or {}).get(slug)) is not None:
        return _filled(said)
    if _MISTAKE.fullmatch(slug):
        return phrase("reason-of-code", "A mistake in the integration's code ({name}): tell whoever made it", name=slug)
    return None


def problem_with(reasons: Mapping[str, str | tuple[str, str]]) -> str:
    """Return what is wrong with the words that a plugin brings, "" where they are right."""
    if not isinstance(reasons, Mapping):
        return phrase("reasons-are-no-table", "`reasons` maps each reason to its English words")
    if len(reasons) > MAX_REASONS:
        return phrase(
            "reasons-too-many", "{given} reasons are more than the {most} that one registration may bring",
            given=len(reasons), most=MAX_REASONS,
        )  # fmt: skip
    for slug, said in reasons.items():
        if not (isinstance(slug, str) and _SLUG.fullmatch(slug)):
            return phrase(
                "reason-slug-bad",
                "{slug} is no reason: small letters, digits, '-', '_' and '.', and a '*' only at its end",
                slug=repr(slug),
            )  # fmt: skip
        texts = said if isinstance(said, tuple) and len(said) == 2 else (said,)
        if not all(isinstance(one, str) and one.strip() for one in texts):
            return phrase("reason-words-bad", "the words of {slug!r} are an English sentence", slug=slug)
        if not all(len(one) <= MAX_WORDS and ascii_spaces(one).isprintable() for one in texts):
            return phrase(
                "reason-words-long",
                "the words of {slug!r} are one line of at most {most} characters, without control characters",
                slug=slug, most=MAX_WORDS,
            )  # fmt: skip
        if isinstance(said, str) and not _fits(said):
            return phrase("reason-words-braces", "the words of {slug!r} have other braces than {{part}}", slug=slug)
    return ""


def _fits(english: str) -> bool:
    try:
        return {(name, spec) for _, name, spec, _ in Formatter().parse(english) if name is not None} <= {
            (_PART, ""), (_PART, "l"),
        }  # fmt: skip
    except ValueError:
        return False


def _filled(said: Words, part: str = "") -> Phrase:
    """Fill in the rest of a slug: a metric by its name, anything else unchanged."""
    known = METRICS.get(part)
    told = {_PART: metric_phrase(known) if known is not None else part} if "{" in said.english else {}
    return of_table(said.code, said.english, **told)
