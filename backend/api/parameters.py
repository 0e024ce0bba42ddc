"""Parameters of a query: what each may be, how it is read, and how it is described."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from multidict import MultiMapping

from backend.queries.views import parse_number
from hub.core.errors import DecodeError
from hub.core.text import phrase


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter. A number lies in `low` … `high`; a text has at most `longest` characters, one of `choices` where
    there are some; `texts` may be repeated up to `high` times; a flag is set unless it is empty or 0."""

    name: str
    about: str
    kind: Literal["text", "texts", "number", "flag"] = "text"
    default: Any = ""
    low: int = 0
    high: int = 0
    longest: int = 256
    choices: tuple[str, ...] = ()
    required: bool = False

    def schema(self) -> dict[str, Any]:
        """Return its JSON Schema."""
        text: dict[str, Any] = {"type": "string", "maxLength": self.longest}
        if self.choices:
            text = {"type": "string", "enum": list(self.choices)}
        if self.kind == "number":
            return {"type": "integer", "minimum": self.low, "maximum": self.high, "default": self.default}
        if self.kind == "flag":
            return text | {"default": "0"}
        if self.kind == "texts":
            return {"type": "array", "items": text, "minItems": int(self.required), "maxItems": self.high}
        return text | ({"default": self.default} if self.default else {})


def parse(query: MultiMapping[str], parameters: Sequence[Parameter]) -> dict[str, Any]:
    """Return the values of a query, with defaults. Raises DecodeError for a value that is out of bounds, and for a
    parameter that there is not: one that is misspelt would be left out in silence."""
    known = {parameter.name for parameter in parameters}
    for name in query:
        if name not in known:
            raise DecodeError(
                "bad-query",
                phrase(
                    "query-parameter-unknown",
                    "there is no parameter {name} here; there are {known}",
                    name=name[:64],
                    known=sorted(known) or ["none"],
                ),
            )
    return {parameter.name: _value(query, parameter) for parameter in parameters}


def _value(query: MultiMapping[str], parameter: Parameter) -> Any:
    if parameter.kind == "texts":
        given = [_text(one, parameter) for one in query.getall(parameter.name, [])]
        if not int(parameter.required) <= len(given) <= parameter.high:
            raise DecodeError(
                "bad-query",
                phrase(
                    "query-too-many-values",
                    "{name} is given {low} to {high} times",
                    name=parameter.name,
                    low=int(parameter.required),
                    high=parameter.high,
                ),
            )
        return given
    text = query.get(parameter.name, "")
    if parameter.kind == "number":
        if parameter.name not in query:
            return parameter.default
        return parse_number(text, parameter.name, parameter.low, parameter.high)
    if parameter.kind == "flag":
        return _text(text, parameter) not in ("", "0")
    if parameter.required and not text:
        raise DecodeError(
            "bad-query", phrase("query-parameter-missing", "{name} is missing in the query", name=parameter.name)
        )
    return _text(text, parameter) if text else parameter.default


def _text(text: str, parameter: Parameter) -> str:
    if len(text) > parameter.longest:
        raise DecodeError(
            "bad-query",
            phrase(
                "query-text-too-long",
                "{name} has at most {count} characters",
                name=parameter.name,
                count=parameter.longest,
            ),
        )
    if parameter.choices and text not in parameter.choices:
        raise DecodeError(
            "bad-query",
            phrase(
                "query-choice-unknown",
                "{name} is one of {choices}",
                name=parameter.name,
                choices=list(parameter.choices),
            ),
        )
    return text
