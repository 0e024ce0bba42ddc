"""Translation of pydantic's errors into findings that say what was expected. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from hub.config.option_paths import at, field_at, is_written_as, key_of, options
from hub.config.positions import Finding, Path, clipped, quoted
from hub.config.values import Size, show_duration, show_size
from hub.core.option_text import help_phrase
from hub.core.text import Phrase, phrase, reason_of

_TEXT = phrase("expected-text", "text")
_NUMBER = phrase("expected-number", "a number")
_MAPPING = phrase("expected-mapping", "a mapping: lines of 'key: value' below it")
_LIST = phrase("expected-list", "a list: lines that start with '- ' below it")
_WHOLE = phrase("expected-whole-number", "a whole number")
EXPECTED: dict[str, Phrase] = {
    "bool": phrase("expected-truth", "true or false"),
    "int": _WHOLE,
    "float": _NUMBER,
    "decimal": _NUMBER,
    "string": phrase("expected-text-quoted", "text; a number or true/false is put in quotes"),
    "bytes": _TEXT,
    "date": phrase("expected-date", "a date, like 2026-01-31"),
    "datetime": phrase("expected-date-time", "a date and time, like 2026-01-31T12:00:00Z"),
    "time_delta": phrase("expected-duration", "a duration with its unit (ms, s, min, h, d), like 30s"),
    "time": phrase("expected-time-of-day", "a time of day, like 07:30"),
    "url": phrase("expected-url", "a URL, like https://example.org"),
    "dict": _MAPPING,
    "mapping": _MAPPING,
    "model": _MAPPING,
    "model_attributes": _MAPPING,
    "list": _LIST,
    "tuple": _LIST,
    "set": _LIST,
    "frozen_set": _LIST,
    "path": phrase("expected-path", "the path of a file or directory"),
    "ip_any_address": phrase("expected-ip-address", "an IP address"),
    "uuid": phrase("expected-uuid", "a UUID"),
}
_BOUNDS = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
NOUNS: dict[str, Phrase] = {
    "site": phrase("noun-site", "site"),
    "zone": phrase("noun-zone", "zone"),
    "place": phrase("noun-place", "place"),
    "integration": phrase("noun-integration", "integration"),
    "bus": phrase("noun-bus", "bus"),
    "calendar": phrase("noun-calendar", "calendar"),
    "schedule": phrase("noun-schedule", "schedule"),
    "uplink": phrase("noun-uplink", "uplink"),
    "exporter": phrase("noun-exporter", "exporter"),
    "notifier": phrase("noun-notifier", "notifier"),
}
"""Words for entries of sections. In French they have their article."""
UNKNOWN_OPTION = frozenset({"option-unknown", "option-unknown-in"})
"""Codes of the findings for a key that is no option."""


def nearest(word: object, known: Iterable[str]) -> str:
    """Return the known word most like this one, empty when none is."""
    by_small = {name.lower(): name for name in known}
    from difflib import get_close_matches  # imported late: most words are right

    near = get_close_matches(str(word).lower().replace("-", "_"), by_small, 1) or get_close_matches(
        str(word).lower(), by_small, 1
    )
    return by_small[near[0]] if near else ""


def one_of(names: Iterable[str]) -> str:
    """Return `a`, `a or b`, `a, b or c`."""
    *first, last = list(names) or [phrase("given-nothing", "nothing")]
    return phrase("either-of", "{first} or {last}", first=first, last=last) if first else last


def all_of(names: Iterable[str]) -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    *first, last = list(names) or [phrase("given-nothing", "nothing")]
    return phrase("all-of", "{first} and {last}", first=first, last=last) if first else last


def list_of_known(names: Collection[str]) -> Phrase:
    """Return `there is a`, `there are a and b`."""
    if len(names) == 1:
        return phrase("there-is-known", "there is {name}", name=next(iter(names)))
    return phrase("there-are-known", "there are {names}", names=all_of(names))


def unknown_id(wanted: str, known: Collection[str], noun: str, section: str, path: Path) -> Iterator[Finding]:
    """Yield a finding for an id that does not exist in its section; it lists the existing ones while they are few."""
    if wanted in known:
        return
    what, name = NOUNS.get(noun, noun), clipped(wanted)
    if 0 < len(known) <= 8:
        message = phrase(
            "entry-unknown-of",
            "there is no {noun} '{name}' in `{section}`; {known}",
            noun=what,
            name=name,
            section=section,
            known=list_of_known(known),
        )
    else:
        message = phrase(
            "entry-unknown", "there is no {noun} '{name}' in `{section}`", noun=what, name=name, section=section
        )
    yield Finding(path, message, nearest(wanted, known))


def findings(error: ValidationError, model: type[BaseModel], base: Path, data: Any, what: str) -> list[Finding]:
    """Return all errors of pydantic. `data` is the input of `model`, `base` its position in the file, `what` its name
    for people."""
    found: dict[tuple[Path, bool], Finding] = {}
    for details in error.errors(include_url=False):
        one = _finding(details, model, base, data, what)
        if details["type"] == "too_short" and len(details["input"]) >= details["ctx"]["min_length"]:
            continue  # a follow-up error: pydantic does not count entries that are wrong themselves
        before = found.setdefault((one.path, one.at_key), one)
        if before is not one:  # errors of several union members, or several missing keys
            found[one.path, one.at_key] = before._replace(message=_merged(before.message, one.message))
    return list(found.values())


def _finding(error: ErrorDetails, model: type[BaseModel], base: Path, data: Any, what: str) -> Finding:
    path, rest = _locate(error["loc"], data)
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        known = [key for owner in at(model, path[:-1]) for key in options(owner)]
        return Finding(
            (*base, *path),
            _unknown_option(str(path[-1]), what if len(path) == 1 else "", known),
            nearest(path[-1], known),
            at_key=True,
        )
    if kind == "missing":
        wanted = (*path, *[str(part) for part in rest[-1:]])
        return Finding((*base, *path), _missing(str(wanted[-1]), _meaning(model, wanted)), at_key=True)
    given = _value_at(data, path)
    at_key = error["loc"][-1:] == ("[key]",)
    if kind in ("literal_error", "enum") and not isinstance(given, SecretStr):
        words = re.findall(r"'([^']*)'", str(context.get("expected", ""))) or [str(context.get("expected", ""))]
        return Finding((*base, *path), _unexpected(words, quoted(given)), nearest(given, words))
    if kind in _BOUNDS:
        return Finding((*base, *path), _out_of_bounds(kind, context, field_at(model, path), quoted(given)))
    return Finding((*base, *path), _sentence(kind, error["msg"], context, given), at_key=at_key)


def _unknown_option(name: str, what: str, known: Collection[str]) -> Phrase:
    option = clipped(name)
    there = list_of_known(known) if known else phrase("takes-no-options", "it takes none")
    if what:
        return phrase(
            "option-unknown-in",
            "'{option}' is not an option of {what}; {known}",
            option=option,
            what=what,
            known=there,
        )
    return phrase("option-unknown", "'{option}' is not an option; {known}", option=option, known=there)


def _missing(name: str, meaning: str) -> Phrase:
    option = clipped(name)
    if meaning:
        return phrase("option-missing-for", "'{option}' is missing here: {meaning}", option=option, meaning=meaning)
    return phrase("option-missing", "'{option}' is missing here", option=option)


def missing_options(message: str) -> tuple[str, ...]:
    """Return the names of the options that this message of a finding asks for."""
    match message:
        case Phrase(code="option-missing" | "option-missing-for"):
            return (str(message.params["option"]),)
        case Phrase(code="options-missing"):
            return tuple(map(str, message.params["options"]))
    return ()


def without_foreign_help(message: str, knows: Callable[[str], bool]) -> str:
    """Return the message of a missing option without its help, where that is not translated into the reader's language,
    as `knows` says. Any other message is returned unchanged."""
    if not isinstance(message, Phrase) or message.code != "option-missing-for" or knows(message.params["meaning"]):
        return message
    return _missing(message.params["option"], "")


def _unexpected(expected: Iterable[str], given: str) -> Phrase:
    return phrase(
        "value-unexpected",
        "expected {expected}; this is {given}",
        expected=one_of(dict.fromkeys(expected)),
        given=given,
    )


def _merged(first: str, second: str) -> str:
    """Return one message for two findings at one place."""
    if isinstance(first, Phrase) and isinstance(second, Phrase):
        if first.code == second.code == "value-unexpected" and first.params["given"] == second.params["given"]:
            return _unexpected([*_expected_by(first), *_expected_by(second)], first.params["given"])
        if (left := missing_options(first)) and (right := missing_options(second)):
            return phrase("options-missing", "missing here: {options}", options=[*left, *right])
    return first if second in first else phrase("both-problems", "{first}; {second}", first=first, second=second)


def _expected_by(message: Phrase) -> list[str]:
    expected = message.params["expected"]
    if isinstance(expected, Phrase) and expected.code == "either-of":
        return [*expected.params["first"], expected.params["last"]]
    return [expected]


def _sentence(kind: str, said: str, context: dict[str, Any], given: Any) -> str:
    if isinstance(given, SecretStr) and kind not in ("value_error", "assertion_error", "too_short", "too_long"):
        return phrase(
            "secret-not-here",
            "!secret cannot stand here: this option is not kept secret, so its value would be shown",
        )
    if kind in ("value_error", "assertion_error"):
        error = context.get("error", said)
        told = reason_of(error) if isinstance(error, BaseException) else str(error)
        if _leaks(told, given):
            return phrase("secret-of-wrong-form", "this secret does not have the form that is asked for")
        return told or phrase("value-not-accepted", "this value is not accepted")
    text = kind.startswith(("string", "bytes")) or isinstance(given, (str, SecretStr))
    if kind in ("string_too_short", "too_short", "bytes_too_short"):
        count = context.get("min_length")
        if text:
            return phrase("characters-too-few", "needs at least {count} [character|characters]", count=count)
        return phrase("entries-too-few", "needs at least {count} [entry|entries]", count=count)
    if kind in ("string_too_long", "too_long", "bytes_too_long"):
        count = context.get("max_length")
        if text:
            return phrase("characters-too-many", "takes at most {count} [character|characters]", count=count)
        return phrase("entries-too-many", "takes at most {count} [entry|entries]", count=count)
    if kind == "string_pattern_mismatch":
        return phrase(
            "text-of-wrong-form",
            "{given} does not have the form that is asked for: {pattern}",
            given=quoted(given),
            pattern=str(context.get("pattern")),
        )
    if kind == "int_from_float":
        return _unexpected([_WHOLE], quoted(given))
    for name, expected in EXPECTED.items():
        if re.match(rf"{name}(_|$)", kind):
            return _unexpected([expected], quoted(given))
    return phrase("value-refused", "this value is not accepted: {reason}", reason=said[:1].lower() + said[1:])


def _out_of_bounds(kind: str, context: dict[str, Any], field: FieldInfo | None, given: str) -> Phrase:
    bound = _bound(_BOUNDS[kind], context, field)
    if kind == "greater_than":
        return phrase("must-be-more", "must be more than {bound}; this is {given}", bound=bound, given=given)
    if kind == "greater_than_equal":
        return phrase("must-be-at-least", "must be at least {bound}; this is {given}", bound=bound, given=given)
    if kind == "less_than":
        return phrase("must-be-less", "must be less than {bound}; this is {given}", bound=bound, given=given)
    return phrase("must-be-at-most", "must be at most {bound}; this is {given}", bound=bound, given=given)


def _bound(name: str, context: dict[str, Any], field: FieldInfo | None) -> str | int | float:
    bound = context.get(name)
    if (
        isinstance(bound, str) and field is not None
    ):  # pydantic says "50000 microseconds"; the model has the text as written
        bound = next((part for m in field.metadata if (part := getattr(m, name, None)) is not None), bound)
    if isinstance(bound, timedelta):
        return show_duration(bound)
    if field is not None and is_written_as(field, Size):
        return show_size(int(str(bound)))
    if isinstance(bound, float):
        return int(bound) if bound.is_integer() and abs(bound) < 1e10 else float(f"{bound:.10g}")
    return bound if isinstance(bound, int) else str(bound)


def _meaning(model: type[BaseModel], path: Path) -> str:
    """Return the help of an option as it stands after a colon; "" where it has none."""
    for owner in at(model, path[:-1]):
        for name, field in owner.model_fields.items():
            if key_of(name, field) == path[-1]:
                help = help_phrase(owner, name)
                text = help[:1].lower() + help[1:].rstrip(".")
                return Phrase(text, help.code, help.params) if isinstance(help, Phrase) else text
    return ""


def _locate(loc: tuple[int | str, ...], data: Any) -> tuple[Path, list[int | str]]:
    """Split pydantic's location into the part that exists in the data and the rest. Names of union members and of
    validators between the real steps are skipped."""
    path: list[int | str] = []
    rest: list[int | str] = []
    for part in loc:
        if isinstance(data, dict) and str(part) in data:
            path.append(str(part))
            data = data[str(part)]
            rest = []
        elif isinstance(data, list | tuple) and isinstance(part, int) and 0 <= part < len(data):
            path.append(part)
            data = data[part]
            rest = []
        else:
            rest.append(part)
    return tuple(path), rest


def _value_at(data: Any, path: Path) -> Any:
    for part in path:
        data = data[part]
    return data


def _leaks(message: str, given: Any) -> bool:
    """Return whether a message, written by the author of the model, repeats a secret."""
    if isinstance(given, SecretStr):
        secret = given.get_secret_value()
        return secret in message or repr(secret)[1:-1] in message
    if isinstance(given, dict):
        return any(_leaks(message, value) for value in given.values())
    return isinstance(given, list) and any(_leaks(message, value) for value in given)
