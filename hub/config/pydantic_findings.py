"""Translation of pydantic's errors into findings in plain English that say what was expected. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from hub.config.option_paths import at, field_at, is_written_as, options
from hub.config.positions import Finding, Path, quoted
from hub.config.values import Size, show_duration, show_size
from hub.core.text import phrase

EXPECTED = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "string": "text; a number or true/false is put in quotes",
    "bytes": "text",
    "date": "a date, like 2026-01-31",
    "datetime": "a date and time, like 2026-01-31T12:00:00Z",
    "time_delta": "a duration with its unit (ms, s, min, h, d), like 30s",
    "time": "a time of day, like 07:30",
    "url": "a URL, like https://example.org",
    "dict": "a mapping: lines of 'key: value' below it",
    "mapping": "a mapping: lines of 'key: value' below it",
    "model": "a mapping: lines of 'key: value' below it",
    "model_attributes": "a mapping: lines of 'key: value' below it",
    "list": "a list: lines that start with '- ' below it",
    "tuple": "a list: lines that start with '- ' below it",
    "set": "a list: lines that start with '- ' below it",
    "frozen_set": "a list: lines that start with '- ' below it",
    "path": "the path of a file or directory",
    "ip_any_address": "an IP address",
    "uuid": "a UUID",
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def nearest(word: object, known: Iterable[str]) -> str:
    """Return the known word most like this one, empty when none is."""
    by_small = {name.lower(): name for name in known}
    from difflib import get_close_matches  # imported late: most words are right

    near = get_close_matches(str(word).lower().replace("-", "_"), by_small, 1) or get_close_matches(
        str(word).lower(), by_small, 1
    )
    return by_small[near[0]] if near else ""


def one_of(names: Iterable[str], last_by: str = "or") -> str:
    """Return `a`, `a or b`, `a, b or c`."""
    *first, last = list(names) or ["nothing"]
    return f"{', '.join(first)} {last_by} {last}" if first else last


def list_of_known(names: Collection[str]) -> str:
    return f"there {'is' if len(names) == 1 else 'are'} {one_of(names, 'and')}"


def unknown_id(wanted: str, known: Collection[str], noun: str, section: str, path: Path) -> Iterator[Finding]:
    """Yield a finding for an id that does not exist in its section; it lists the existing ones while they are few."""
    if wanted not in known:
        few = f"; {list_of_known(known)}" if 0 < len(known) <= 8 else ""
        yield Finding(
            path,
            phrase(
                "there-no",
                "there is no {noun} {quoted} in `{section}`{few}",
                noun=noun,
                quoted=quoted(wanted),
                section=section,
                few=few,
            ),
            nearest(wanted, known),
        )


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
        of = f" of {what}" if len(path) == 1 else ""
        there = list_of_known(known) if known else "it takes none"
        message = f"{quoted(path[-1])} is not an option{of}; {there}"
        return Finding((*base, *path), message, nearest(path[-1], known), at_key=True)
    if kind == "missing":
        wanted = (*path, *[str(part) for part in rest[-1:]])
        return Finding(
            (*base, *path),
            phrase(
                "missing-here",
                "{quoted} is missing here{meaning}",
                quoted=quoted(wanted[-1]),
                meaning=_meaning(model, wanted),
            ),
            at_key=True,
        )
    given = _value_at(data, path)
    at_key = error["loc"][-1:] == ("[key]",)
    if kind in ("literal_error", "enum") and not isinstance(given, SecretStr):
        words = re.findall(r"'([^']*)'", str(context.get("expected", ""))) or [str(context.get("expected", ""))]
        return Finding(
            (*base, *path),
            phrase("expected", "expected {one_of}; this is {quoted}", one_of=one_of(words), quoted=quoted(given)),
            nearest(given, words),
        )
    if kind in _BOUNDS:
        message = f"must be {_bound(kind, context, field_at(model, path))}; this is {quoted(given)}"
        return Finding((*base, *path), message)
    return Finding((*base, *path), _sentence(kind, error["msg"], context, given), at_key=at_key)


def _merged(first: str, second: str) -> str:
    same, sep, given = first.partition("; this is ")
    if sep and second.endswith(sep + given):
        expected = second.removesuffix(sep + given).removeprefix("expected ")
        return first if same.endswith(expected) else f"{same} or {expected}{sep}{given}"
    return first if second in first else f"{first}; {second}"


def _sentence(kind: str, said: str, context: dict[str, Any], given: Any) -> str:
    if isinstance(given, SecretStr) and kind not in ("value_error", "assertion_error", "too_short", "too_long"):
        return "!secret cannot stand here: this option is not kept secret, so its value would be shown"
    if kind in ("value_error", "assertion_error"):
        told = str(context.get("error", said)) or "this value is not accepted"
        return "this secret does not have the form that is asked for" if _leaks(told, given) else told
    if kind in ("string_too_short", "too_short", "bytes_too_short"):
        return f"needs at least {context.get('min_length')} {_things(kind, context, given)}"
    if kind in ("string_too_long", "too_long", "bytes_too_long"):
        return f"takes at most {context.get('max_length')} {_things(kind, context, given)}"
    if kind == "string_pattern_mismatch":
        return f"{quoted(given)} does not have the form that is asked for: {context.get('pattern')}"
    if kind == "int_from_float":
        return f"expected a whole number; this is {quoted(given)}"
    for name, expected in EXPECTED.items():
        if re.match(rf"{name}(_|$)", kind):
            return f"expected {expected}; this is {quoted(given)}"
    return said[:1].lower() + said[1:]


def _bound(kind: str, context: dict[str, Any], field: FieldInfo | None) -> str:
    name, words = _BOUNDS[kind]
    bound = context.get(name)
    if (
        isinstance(bound, str) and field is not None
    ):  # pydantic says "50000 microseconds"; the model has the text as written
        bound = next((part for m in field.metadata if (part := getattr(m, name, None)) is not None), bound)
    if isinstance(bound, timedelta):
        return f"{words} {show_duration(bound)}"
    if field is not None and is_written_as(field, Size):
        return f"{words} {show_size(int(str(bound)))}"
    return f"{words} {bound:.10g}" if isinstance(bound, float) else f"{words} {bound}"


def _things(kind: str, context: dict[str, Any], given: Any) -> str:
    one = 1 in (context.get("min_length"), context.get("max_length"))
    if kind.startswith(("string", "bytes")) or isinstance(given, (str, SecretStr)):
        return "character" if one else "characters"
    return "entry" if one else "entries"


def _meaning(model: type[BaseModel], path: Path) -> str:
    field = field_at(model, path)
    meaning = field.description if field else None
    return f": {meaning[:1].lower()}{meaning[1:].rstrip('.')}" if meaning else ""


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
        elif isinstance(data, list) and isinstance(part, int) and 0 <= part < len(data):
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
