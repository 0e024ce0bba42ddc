"""Parser of one YAML text into plain data, with a position for every key and value. Pure: includes are the caller's.

Parsed from the events of ruamel.yaml's pure parser, so that no unsupported construct is built: aliases, anchors, merge
keys, unknown tags, complex keys and duplicate keys are problems; depth is limited while reading. Keys are text, exactly
as written (`101:` is "101", `no:` is "no").

Importing this module imports ruamel.yaml: only do so where there is a text to parse.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml import events as e

from hub.config.positions import SECRET_NAME, Finding, Lines, Path, Positions, SecretRef, clipped, dotted, line_of
from hub.config.scalars import resolve
from hub.config.syntax import explain
from hub.core.errors import ConfigError, Problem
from hub.core.text import Phrase, phrase, reason_of

MAX_DEPTH = 20
"""Maximum nesting of mappings and sequences, over all includes."""

_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # YAML 1.2.2, §5.1
_SURROGATE = re.compile("[\ud800-\udfff]")
_TAGS = ("!secret", "!include")

Include = Callable[[str, Path, int], Any]
"""(file, path where it is included, depth there) → its data. Raises ValueError with a sentence."""


class Document:
    """Parser of texts into `positions` and `findings`, which several texts share.

    `literal` reads every scalar as text and does not keep the lines (for secrets). `broken` collects paths whose value
    was refused, so that errors which follow from that are not reported.
    """

    def __init__(
        self,
        positions: Positions,
        findings: list[Finding],
        broken: set[Path],
        *,
        include: Include | None = None,
        literal: bool = False,
    ) -> None:
        self.positions = positions
        self.findings = findings
        self.broken = broken
        self._include = include
        self._literal = literal
        self._file = ""
        self._lines = Lines("")

    def read(self, text: str, file: str, at: Path = (), depth: int = 0) -> Any:
        """Return the data of `text`, None when it is empty. Raises ConfigError when it is not YAML or is too deep."""
        self._file, self._lines = file, Lines(text)
        self.positions.lines[file] = [] if self._literal else self._lines.text
        if match := _NOT_YAML.search(text):
            code = f"U+{ord(match.group()):04X}"
            raise self._fatal(
                at,
                match.start(),
                phrase(
                    "yaml-character-refused",
                    "the character {character} cannot stand in a YAML file; remove it",
                    character=code,
                ),
            )
        try:
            return self._documents(at, depth, text)
        except ConfigError:
            raise
        except _Refused as refused:
            raise self._fatal(at, refused.index, reason_of(refused)) from None
        except Exception as error:  # a third party's parser may raise anything on a hostile text
            index, message = explain(error, literal=self._literal)
        raise self._fatal(at, index, message)

    def _documents(self, at: Path, depth: int, text: str) -> Any:
        data, documents = None, 0
        events = iter(YAML(typ="safe", pure=True).parse(text))
        for event in events:
            if isinstance(event, e.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _Refused(
                        event.start_mark.index,
                        phrase("yaml-second-document", "a second document starts here; one file holds one"),
                    )
                if event.version not in (None, (1, 2)):
                    raise _Refused(
                        event.start_mark.index,
                        phrase("yaml-version-unsupported", "this hub reads YAML 1.2; remove the %YAML line"),
                    )
            elif isinstance(event, e.NodeEvent):
                data = self._value(event, events, at, depth)
        return data

    def _value(self, event: Any, events: Iterator[Any], path: Path | None, depth: int) -> Any:
        """Return the value that starts with `event`. With `path` None it is only skipped."""
        index = event.start_mark.index
        if path is not None and not (path in self.positions.keys and _is_empty(event)):
            self.positions.values[path] = self._lines.spot(self._file, index)
        if isinstance(event, e.AliasEvent):
            return self._refuse(
                path, phrase("yaml-alias-refused", "an alias (*) is not allowed here; write the value out")
            )
        if event.anchor is not None:
            self._refuse(
                path,
                phrase("yaml-anchor-refused", "an anchor (&) is not allowed here; write the value where it is needed"),
            )
        if isinstance(event, e.ScalarEvent):
            return self._scalar(event, path, depth)
        if event.tag is not None:
            self._refuse(path, phrase("yaml-tag-misplaced", "a tag (!) cannot stand before a list or a mapping"))
        if depth >= MAX_DEPTH:
            raise _Refused(
                index,
                phrase(
                    "yaml-too-deep",
                    "more than {most} levels within each other; flatten this part",
                    most=MAX_DEPTH,
                ),
            )
        if isinstance(event, e.MappingStartEvent):
            return self._mapping(events, path, depth + 1)
        items: list[Any] = []
        while not isinstance(event := next(events), e.SequenceEndEvent):
            items.append(self._value(event, events, None if path is None else (*path, len(items)), depth + 1))
        return items

    def _mapping(self, events: Iterator[Any], path: Path | None, depth: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        while not isinstance(event := next(events), e.MappingEndEvent):
            key = self._key(event, path, data)
            if not isinstance(event, (e.ScalarEvent, e.AliasEvent)):
                self._value(event, events, None, depth)
            value = self._value(next(events), events, None if path is None or key is None else (*path, key), depth)
            if key is not None:
                data[key] = value
        return data

    def _key(self, event: Any, path: Path | None, data: dict[str, Any]) -> str | None:
        """Return the text of a key, its position noted; None when it is refused."""
        if path is None:
            return None
        spot = self._lines.spot(self._file, event.start_mark.index)
        if (wrong := self._wrong_key(event, path, data)) is not None:
            self.findings.append(Finding(path, wrong, spot=spot))
            return None
        self.positions.keys[(*path, event.value)] = spot
        return str(event.value)

    def _wrong_key(self, event: Any, path: Path, data: dict[str, Any]) -> Phrase | None:
        """Return why a key is refused; None where it is right."""
        if not isinstance(event, e.ScalarEvent) or event.tag is not None or event.anchor is not None:
            return phrase("yaml-key-not-text", "a key is plain text here: no list, mapping, tag, anchor or alias")
        if event.value == "<<" and event.style is None:
            return phrase("yaml-merge-refused", "a merge key (<<) is not allowed here; write the options out")
        if not event.value:
            return phrase("yaml-key-missing", "a key is missing before this colon")
        if _SURROGATE.search(event.value):
            return phrase("yaml-key-not-unicode", "this key is not valid Unicode")
        if event.value not in data:
            return None
        first = self.positions.keys[(*path, event.value)]
        if self._literal:
            return phrase(
                "secret-name-twice",
                "this name stands here a second time; the first is at line {line}",
                line=first.line,
            )
        return phrase(
            "key-twice",
            "'{key}' stands here a second time; the first is at line {line}",
            key=clipped(event.value),
            line=first.line,
        )

    def _scalar(self, event: Any, path: Path | None, depth: int) -> Any:
        text: str = event.value
        if path is None:
            return None
        if _SURROGATE.search(text):
            return self._refuse(
                path, phrase("yaml-text-not-unicode", "this text is not valid Unicode: half of a surrogate pair")
            )
        if event.tag is not None:
            return self._tagged(event, path, depth)
        if self._literal or event.style is not None:
            return text
        try:
            return resolve(text)
        except ValueError as error:
            return self._refuse(path, reason_of(error))

    def _tagged(self, event: Any, path: Path, depth: int) -> Any:
        tag = _tag(event)
        if self._literal:
            return self._refuse(path, phrase("secret-needs-quotes", "a secret that starts with '!' is put in quotes"))
        if tag == "!secret":
            if SECRET_NAME.fullmatch(event.value):
                return SecretRef(event.value)
            return self._refuse(
                path,
                phrase(
                    "secret-reference-without-name",
                    "!secret is followed by a name of letters, digits, '_', '-' and '.'",
                ),
            )
        if tag == "!include" and self._include is not None:
            try:
                return self._include(event.value, path, depth)
            except ValueError as error:
                return self._refuse(path, reason_of(error))
        from difflib import get_close_matches  # imported late: most words are right

        near = get_close_matches(tag, _TAGS, 1)
        return self._refuse(
            path,
            phrase(
                "yaml-tag-unknown", "the tag '{tag}' is not known; there are !secret and !include", tag=clipped(tag)
            ),
            *near,
        )

    def _refuse(self, path: Path | None, message: str, suggestion: str = "") -> None:
        if path is not None:
            self.broken.add(path)
            self.findings.append(Finding(path, message, suggestion))

    def _fatal(self, at: Path, index: int, message: str) -> ConfigError:
        """Return an error that refuses the rest of the text."""
        spot = self._lines.spot(self._file, index)
        line = line_of(self.positions.lines[self._file], spot.line)
        return ConfigError([Problem(message, dotted(at), spot.file, spot.line, spot.column, line)])


class _Refused(Exception):
    """The text is YAML, but the rest of it will not be read."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


def _is_empty(event: Any) -> bool:
    """Return whether nothing is written: the parser places it where the next token begins, people look at its key."""
    return isinstance(event, e.ScalarEvent) and event.start_mark.index == event.end_mark.index


def _tag(event: Any) -> str:
    return str(event.tag).replace("tag:yaml.org,2002:", "!!")
