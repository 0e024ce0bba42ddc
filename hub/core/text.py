"""Text for people as data: a code, an English sentence, and the parameters that stand in it. Pure.

    raise NotReady(phrase("gateway-silent", "{gateway} is silent: {reason}", gateway=name, reason=reason_of(error)))

A `Phrase` is a `str`, its English sentence, so that a program that only prints it needs to know nothing. Its code and
its parameters stay with it, so that whoever shows it to a person can say it in that person's language
(`hub.i18n.catalogues`), and a program can recognise it without reading it. `str()` and formatting give a plain string:
a phrase within another one is passed as a parameter, and an exception that goes on is turned by `reason_of`.

Codes are words with hyphens, `gateway-silent`. Those of a plugin or a pack begin with its name and a point,
`modbus.gateway-silent`: that is the catalogue where its translations are. A code never changes its meaning.

JSON carries a phrase as its sentence, and beside it the code and the parameters; see `with_codes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Self

Value = str | int | float | bool | date | None
"""What a parameter may be; a `Phrase` is a `str`. Also a list of these, which becomes a tuple."""
LONGEST = 4000
"""Characters of one sentence of another process that is taken back from JSON."""
MOST_PARAMETERS = 32
DEEPEST = 8
"""Levels of phrases within phrases that JSON carries."""
_EITHER = re.compile(r"\[([^\[\]|]*)\|([^\[\]|]*)\]")
ONE, MANY = "_text", "_texts"
"""Ends of the keys that carry code and parameters in JSON."""


class Phrase(str):
    """An English sentence with its `code` and its `params`, which stand in it by name."""

    __slots__ = ("code", "params")

    code: str
    params: dict[str, Any]

    def __new__(cls, sentence: str, code: str, params: Mapping[str, Any]) -> Self:
        self = super().__new__(cls, sentence)
        self.code = code
        self.params = dict(params)
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, dict[str, Any]]]:
        return type(self), (str.__str__(self), self.code, self.params)

    def __repr__(self) -> str:
        return f"<{self.code}: {str.__repr__(self)}>"


class InSentence(str):
    """A text that stands in a sentence: `{reason:l}` begins it with a small letter, but for one like CO2 or UV."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        if not spec.endswith("l"):
            return super().__format__(spec)
        text = str(self) if self[1:2].isupper() or self[1:2].isdigit() else self[:1].lower() + self[1:]
        return text.__format__(spec[:-1])


def phrase(code: str, english: str, /, **params: Any) -> Phrase:
    """Return a sentence for people. `english` names its parameters as `str.format` does: `{device}`, `{seconds:g}`.

    `[device|devices]` is chosen by the whole number `count`, and `{reason:l}` begins a text with a small letter.
    Parameters may be text, numbers, dates, phrases, and lists of these, which are joined by commas; anything else is
    kept as its `str()`. Raises KeyError for a parameter that is not given.
    """
    return of_table(code, english, **params)


def of_table(code: str, english: str, /, **params: Any) -> Phrase:
    """Return the phrase of a code and a sentence that a table has. `tools/catalogues.py` reads the sentences of
    `phrase()` in the code, and those of tables in their tables."""
    kept = {name: _value(one) for name, one in params.items()}
    english = chosen(english, kept, many=lambda count: count != 1)
    return Phrase(english.format_map({name: shown(one) for name, one in kept.items()}), code, kept)


def chosen(template: str, params: Mapping[str, Any], *, many: Callable[[int], bool]) -> str:
    """Return a template with one side of each `[device|devices]`, as the parameter `count` and a language ask."""
    count = params.get("count")
    if "|" not in template or not isinstance(count, int):
        return template
    return _EITHER.sub(lambda found: found[1 + many(count)], template)


def code_of(said: str) -> str:
    """Return the code of a phrase, "" for plain text."""
    return said.code if isinstance(said, Phrase) else ""


def shown(value: Any) -> Any:
    """Return a parameter as an English sentence shows it: a list joined by commas, text as `InSentence`, anything else
    as it is."""
    if isinstance(value, tuple):
        return ", ".join(str(one) for one in value)
    return InSentence(value) if isinstance(value, str) else value


def reason_of(error: BaseException) -> str:
    """Return what an exception says, for a parameter `reason` of another phrase: a Phrase where the error was raised
    with one, or is a common one of the system; else the text of a library, which no catalogue translates."""
    given = error.args[0] if len(error.args) == 1 else None
    if isinstance(given, Phrase):
        return given
    if isinstance(own := getattr(error, "strerror", None), Phrase):
        return own
    said = system_error(error)
    name = getattr(error, "filename", None)
    if isinstance(said, Phrase) and isinstance(name, str) and name:
        return phrase("of-file", "{reason}: {file}", reason=said, file=name)
    return said if isinstance(said, Phrase) else str(error)


def system_error(error: BaseException) -> str:
    """Return what the system says in an exception, without the name of a file: for a sentence that names it already."""
    from hub.core.system_errors import system_reason  # its phrases are made of this module

    said = system_reason(error)
    return said if said is not None else str(getattr(error, "strerror", None) or error)


def with_codes(value: Any) -> Any:
    """Return JSON data in which each phrase is its sentence, and code and parameters stand beside it.

    {"error": <phrase>} becomes {"error": "…", "error_text": {"code": "…", "params": {…}}}; a list of sentences under
    "problems" gets "problems_texts", a list of the same length, null for a sentence without a code. Data without a
    phrase are returned unchanged.
    """
    if isinstance(value, dict):
        found: dict[Any, Any] = {}
        for key, one in value.items():
            found[key] = with_codes(one)
            if isinstance(one, Phrase) and f"{key}{ONE}" not in value:
                found[f"{key}{ONE}"] = _coded(one)
            elif (
                isinstance(one, list | tuple)
                and f"{key}{MANY}" not in value
                and any(isinstance(each, Phrase) for each in one)
            ):
                found[f"{key}{MANY}"] = [_coded(each) if isinstance(each, Phrase) else None for each in one]
        return found
    if isinstance(value, list | tuple):
        return [with_codes(one) for one in value]
    return str(value) if isinstance(value, Phrase) else value


def from_codes(value: Any) -> Any:
    """Return the data of `with_codes` with their phrases again, as another process of this machine reads them."""
    if isinstance(value, list):
        return [from_codes(one) for one in value]
    if not isinstance(value, dict):
        return value
    found: dict[Any, Any] = {}
    for key, one in value.items():
        if isinstance(one, str) and (coded := value.get(f"{key}{ONE}")) is not None:
            found[key] = _decoded(one, coded)
        elif isinstance(one, list) and isinstance(coded := value.get(f"{key}{MANY}"), list) and len(coded) == len(one):
            found[key] = [
                _decoded(*pair) if isinstance(pair[0], str) else pair[0] for pair in zip(one, coded, strict=True)
            ]
        else:
            found[key] = from_codes(one)
    return {key: one for key, one in found.items() if not _beside(key, found)}


def _beside(key: Any, found: Mapping[Any, Any]) -> bool:
    return isinstance(key, str) and (
        (key.endswith(ONE) and isinstance(found.get(key.removesuffix(ONE)), Phrase))
        or (key.endswith(MANY) and isinstance(found.get(key.removesuffix(MANY)), list))
    )


def as_data(said: str) -> dict[str, Any] | None:
    """Return code and parameters of a phrase as JSON data, to be stored beside its sentence; None for plain text."""
    return _coded(said) if isinstance(said, Phrase) else None


def plain(value: Any) -> Any:
    """Return a phrase as its sentence: the `enc_hook` of msgspec, which encodes no subclass of `str`, where what is
    written needs no code. Raises TypeError for anything else, as msgspec does."""
    if isinstance(value, Phrase):
        return str(value)
    raise TypeError(f"Encoding objects of type {type(value).__name__} is unsupported")


def from_data(sentence: str, coded: Any) -> str:
    """Return the phrase that `as_data` was made of; the plain sentence where `coded` is not of that form."""
    return _decoded(sentence, coded)


def _value(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | date):
        return value
    if isinstance(value, list | set | frozenset) or type(value) is tuple:  # a NamedTuple is one thing with a name
        return tuple(_value(one) for one in (sorted(value) if isinstance(value, set | frozenset) else value))
    return str(value)


def _coded(said: Phrase, level: int = 0) -> dict[str, Any]:
    return {"code": said.code, "params": {name: _plain(one, level) for name, one in said.params.items()}}


def _plain(value: Any, level: int) -> Any:
    if isinstance(value, Phrase):
        if level >= DEEPEST:
            return str(value)
        return {"text": str(value), **_coded(value, level + 1)}
    if isinstance(value, tuple):
        return [_plain(one, level) for one in value]
    if isinstance(value, date):
        return {"date": value.isoformat()}
    return value


def _decoded(sentence: str, coded: Any, level: int = 0) -> str:
    if not isinstance(coded, dict) or not isinstance(code := coded.get("code"), str):
        return sentence
    params = coded.get("params")
    if not isinstance(params, dict) or len(params) > MOST_PARAMETERS or level > DEEPEST:
        return sentence
    return Phrase(sentence[:LONGEST], code, {str(name): _read(one, level) for name, one in params.items()})


def _read(value: Any, level: int) -> Any:
    if isinstance(value, dict):
        if isinstance(value.get("date"), str):
            return value["date"]
        return _decoded(str(value.get("text", "")), value, level + 1)
    if isinstance(value, list):
        return tuple(_read(one, level) for one in value)
    return value
