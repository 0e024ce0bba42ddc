"""Reads JSON, YAML and TOML as others write them, within bounds. Each raises ValueError with a sentence."""

from __future__ import annotations

import codecs
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hub.core.nesting import shallow_json
from hub.core.text import phrase, reason_of
from hub.devices.codecs.bundle import text_of
from hub.devices.packs.loader import content_of

MOST_NODES = 200_000
"""Values of one YAML file, with every alias counted as often as it stands there."""
DEEPEST = 64

_MARKS = ((codecs.BOM_UTF16_LE, "utf_16"), (codecs.BOM_UTF16_BE, "utf_16"))
# Unterminated strings and comments extend to the end of the text: rescanning from each quotation mark would take hours.
_JSON5 = re.compile(
    r'"(?:[^"\\]|\\.)*+(?:"|\Z)'
    r"|'(?:[^'\\]|\\.)*+(?:'|\Z)"
    r"|//[^\n]*|/\*.*?(?:\*/|\Z)"
    r"|\b0[xX][0-9a-fA-F]+\b"
    r"|(?:[^\W\d]|\$)[\w$]*+"
    r"|(?<![\w.])\.(?=[0-9])"
    r"|,(?=(?:\s++|//[^\n]*+\n|/\*(?:[^*]|\*(?!/))*+\*/)*+[\]}])",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)|\"", re.DOTALL)
_COLON = re.compile(r"\s*:")
_NOTHING = {"undefined": "null", "NaN": "null", "Infinity": "null"}
_PLAIN = {"true", "false", "null"}
_TIGHT = re.compile(r"""("(?:[^"\\\n]|\\.)*+"|'(?:[^'\n])*+'|\#[^\n]*)|([{,]\s*[A-Za-z_]\w*):(?=[^\s])""")
_TIGHT_KEY = re.compile(r"([A-Za-z_]\w*):(.+)", re.DOTALL)


def text_at(path: Path) -> str:
    """Read a text file: UTF-8, UTF-16 with its mark, otherwise Windows-1252."""
    return decoded(content_of(path))


def decoded(content: bytes) -> str:
    for mark, name in _MARKS:
        if content.startswith(mark):
            try:
                return content.decode(name)
            except UnicodeDecodeError as error:
                raise ValueError(
                    phrase("import-not-text", "this is not text (byte {position})", position=error.start)
                ) from None
    return text_of(content)


def read_json(text: str) -> Any:
    """Parse JSON with what people add to it: comments, names without quotation marks, apostrophes, hexadecimal numbers,
    commas at the end, `undefined`."""
    return json.loads(shallow_json(_JSON5.sub(_as_json, text)))


def _as_json(match: re.Match[str]) -> str:
    token = match[0]
    if token[0] == '"':
        return token
    if token[0] == "'":
        return f'"{_ESCAPE.sub(_quoted, token[1:-1])}"'
    if token[:2] in ("0x", "0X"):
        return str(int(token, 16))
    if token[0] == ".":
        return "0."
    if token[0] in "/,":
        return ""
    if token in _PLAIN and not _COLON.match(match.string, match.end()):
        return token
    if _COLON.match(match.string, match.end()):
        return f'"{token}"'
    return _NOTHING.get(token, token)


def _quoted(match: re.Match[str]) -> str:
    """Return what stands within apostrophes as it stands within quotation marks."""
    return {"'": "'", None: '\\"'}.get(match[1], match[0])


def read_toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(reason_of(error)) from error


def read_yaml(text: str) -> Any:
    """Parse YAML as other programs do: anchors and merges are followed, of equal keys the last one counts, tags mean
    nothing. In `{name:1}` the name ends at the colon, as its author meant."""
    try:
        return _Yaml().read(text)
    except ValueError:
        loose = _TIGHT.sub(lambda one: one[1] or f"{one[2]}: ", text)
        if loose == text:
            raise
        return _Yaml().read(loose)


class _Yaml:
    """Builds data from the events of ruamel.yaml's pure parser: no object of a tag is ever made."""

    def __init__(self) -> None:
        self._left = MOST_NODES
        self._anchors: dict[str, tuple[Any, int]] = {}

    def read(self, text: str) -> Any:
        from ruamel.yaml import YAML
        from ruamel.yaml import events as e

        events = iter(YAML(typ="safe", pure=True).parse(text))
        try:
            for event in events:
                if isinstance(event, e.NodeEvent):
                    return self._value(event, events, 0)
        except ValueError:
            raise
        except Exception as error:  # a third party's parser may raise anything on a hostile text
            raise ValueError(_at(error)) from error
        return None

    def _value(self, event: Any, events: Iterator[Any], depth: int) -> Any:
        from ruamel.yaml import events as e

        before = self._left
        self._spend(1)
        if depth > DEEPEST:
            raise ValueError(phrase("import-too-deep", "it is nested more than {levels} levels deep", levels=DEEPEST))
        if isinstance(event, e.AliasEvent):
            if event.anchor not in self._anchors:
                raise ValueError(
                    phrase("import-alias-unknown", "the alias {alias!r} names nothing", alias=str(event.anchor)[:64])
                )
            known, size = self._anchors[event.anchor]
            self._spend(size)
            return known
        if isinstance(event, e.ScalarEvent):
            made: Any = _scalar(event)
        elif isinstance(event, e.MappingStartEvent):
            made = self._mapping(events, depth)
        else:
            made = []
            while not isinstance(inner := next(events), e.SequenceEndEvent):
                made.append(self._value(inner, events, depth + 1))
        if event.anchor is not None:
            self._anchors[event.anchor] = (made, before - self._left)
        return made

    def _mapping(self, events: Iterator[Any], depth: int) -> dict[str, Any]:
        from ruamel.yaml import events as e

        made: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while not isinstance(event := next(events), e.MappingEndEvent):
            key = event.value if isinstance(event, e.ScalarEvent) else self._value(event, events, depth + 1)
            value = self._value(next(events), events, depth + 1)
            if key == "<<" and isinstance(value, dict):
                merged.update(value)
                continue
            name = key if isinstance(key, str) else json.dumps(key)
            if value is None and (tight := _TIGHT_KEY.fullmatch(name)) is not None:
                from hub.config.scalars import resolve

                name, value = tight[1], resolve(tight[2])
            made[name] = value
        return {**merged, **made}

    def _spend(self, nodes: int) -> None:
        self._left -= nodes
        if self._left < 0:
            raise ValueError(
                phrase("import-too-many-values", "it has more than {limit} values, aliases counted", limit=MOST_NODES)
            )


def _scalar(event: Any) -> Any:
    from hub.config.scalars import resolve

    return resolve(event.value) if event.style is None or event.style == "" else event.value


def _at(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or error).partition("\n")[0][:200]
    if mark is None:
        return problem
    return phrase("import-at-line", "line {line}: {reason}", line=mark.line + 1, reason=problem)


def objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list, [] for anything else."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def object_of(value: Any) -> dict[str, Any]:
    """Return an object, {} for anything else."""
    return value if isinstance(value, dict) else {}


def file_unreadable(file: str, error: ValueError) -> str:
    return phrase("import-file-unreadable", "{file} cannot be read: {reason}", file=file, reason=reason_of(error))
