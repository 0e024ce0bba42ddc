"""Parser of `$filter`, by hand: text → a tree. Pure.

    or         and { "or" and }
    and        not { "and" not }
    not        "not" not | primary
    primary    "(" or ")" | function | operand comparison operand
    function   startswith(a,b) · endswith(a,b) · substringof(part,whole) · geo.intersects(a,b)
    comparison eq · ne · gt · ge · lt · le
    operand    path | 'text' | number | true | false | null | 2027-01-31T08:00:00Z | geography'POINT(2.35 48.85)'
    path       name { "/" name }

Nothing of the text ever becomes part of another language: the tree is evaluated here, over entities.
"""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

from backend.city.open_api.geometry import Geometry, parse_wkt
from backend.city.open_api.times import MOMENT, parse_time
from hub.core.errors import DecodeError
from hub.core.text import Phrase, phrase

LONGEST = 8000
"""Characters of a filter."""
MOST_NODES, DEEPEST, MOST_STEPS = 200, 24, 6
COMPARISONS = ("eq", "ne", "gt", "ge", "lt", "le")
FUNCTIONS = ("startswith", "endswith", "substringof", "geo.intersects", "st_intersects")
_TOKEN = re.compile(
    rf"""(?:
    (?P<geo>geography'(?:[^']|'')*')
  | (?P<text>'(?:[^']|'')*')
  | (?P<time>{MOMENT}(?![\w:.]))
  | (?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{{1,3}})?(?![\w.]))
  | (?P<name>[A-Za-z_@][\w.@:-]*)
  | (?P<sign>[(),/])
  )""",
    re.VERBOSE,
)


class Moment(NamedTuple):
    """A moment, Unix microseconds."""

    us: int


class Literal(NamedTuple):
    value: str | float | bool | Moment | Geometry | None


class Path(NamedTuple):
    steps: tuple[str, ...]


Operand = Literal | Path


class Compare(NamedTuple):
    op: str
    left: Operand
    right: Operand


class Call(NamedTuple):
    """A function that is true or false of two operands."""

    name: str
    left: Operand
    right: Operand


class Not(NamedTuple):
    part: Node


class And(NamedTuple):
    parts: tuple[Node, ...]


class Or(NamedTuple):
    parts: tuple[Node, ...]


Node = Compare | Call | Not | And | Or


def parse_filter(text: str) -> Node:
    """Return the tree of a filter. Raises DecodeError, which says at which character."""
    if len(text) > LONGEST:
        raise _refused(phrase("open-filter-long", "a $filter has at most {count} characters", count=LONGEST))
    return _Parser(text).whole()


def parse_path(text: str) -> Path:
    """Return a path as it stands in `$orderby`. Raises DecodeError."""
    parser = _Parser(text)
    found = parser.path()
    parser.end()
    return found


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[_Token] = []
        self._at, self._nodes, self._depth = 0, 0, 0
        place = 0
        while place < len(text.rstrip()):
            while text[place].isspace():
                place += 1
            found = _TOKEN.match(text, place)
            if found is None or found.lastgroup is None:
                raise _refused(
                    phrase(
                        "open-filter-sign", "the filter cannot be read at character {at}: {text}", at=place + 1,
                        text=text[place : place + 20],
                    )
                )  # fmt: skip
            self._tokens.append(_Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup)))
            place = found.end()
        self._end = _Token("end", "", len(text))

    def whole(self) -> Node:
        found = self._or()
        self.end()
        return found

    def end(self) -> None:
        if self._peek.kind != "end":
            self._wrong("and, or")

    def path(self) -> Path:
        steps = [self._name()]
        while self._peek.text == "/" and self._peek.kind == "sign":
            self._at += 1
            steps.append(self._name())
        if len(steps) > MOST_STEPS:
            raise _refused(phrase("open-path-long", "a path has at most {count} steps", count=MOST_STEPS))
        return Path(tuple(steps))

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else self._end

    def _next(self) -> _Token:
        found = self._peek
        self._at += 1
        return found

    def _word(self, word: str) -> bool:
        if self._peek.kind == "name" and self._peek.text == word:
            self._at += 1
            return True
        return False

    def _take(self, sign: str) -> None:
        if self._peek.kind != "sign" or self._peek.text != sign:
            self._wrong(sign)
        self._at += 1

    def _node(self) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise _refused(phrase("open-filter-large", "a $filter has at most {count} conditions", count=MOST_NODES))

    def _or(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise _refused(phrase("open-filter-deep", "a $filter is nested at most {count} deep", count=DEEPEST))
        parts = [self._and()]
        while self._word("or"):
            parts.append(self._and())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _and(self) -> Node:
        parts = [self._not()]
        while self._word("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _not(self) -> Node:
        turned = False
        while self._word("not"):
            self._node()
            turned = not turned
        found = self._primary()
        return Not(found) if turned else found

    def _primary(self) -> Node:
        self._node()
        token = self._peek
        if token.kind == "sign" and token.text == "(":
            self._at += 1
            found = self._or()
            self._take(")")
            return found
        if token.kind == "name" and self._followed_by("("):
            return self._call()
        left = self._operand()
        op = self._next()
        if op.kind != "name" or op.text not in COMPARISONS:
            self._at -= 1
            self._wrong(", ".join(COMPARISONS))
        return Compare(op.text, left, self._operand())

    def _followed_by(self, sign: str) -> bool:
        after = self._tokens[self._at + 1] if self._at + 1 < len(self._tokens) else self._end
        return after.kind == "sign" and after.text == sign

    def _call(self) -> Node:
        name = self._next().text
        if name not in FUNCTIONS:
            raise _refused(
                phrase(
                    "open-function-unknown", "{name} is not offered in a $filter; there are {known}", name=name[:40],
                    known=list(FUNCTIONS[:4]),
                )
            )  # fmt: skip
        self._take("(")
        left = self._operand()
        self._take(",")
        right = self._operand()
        self._take(")")
        call = Call("geo.intersects" if name == "st_intersects" else name, left, right)
        if self._peek.kind == "name" and self._peek.text in ("eq", "ne"):  # startswith(name,'a') eq true
            op = self._next().text
            wanted = self._operand()
            if not isinstance(wanted, Literal) or not isinstance(wanted.value, bool):
                self._at -= 1
                self._wrong("true, false")
            return call if wanted.value == (op == "eq") else Not(call)
        return call

    def _operand(self) -> Operand:
        token = self._peek
        if token.kind == "name":
            if token.text in ("true", "false"):
                self._at += 1
                return Literal(token.text == "true")
            if token.text == "null":
                self._at += 1
                return Literal(None)
            return self.path()
        self._at += 1
        if token.kind == "text":
            return Literal(token.text[1:-1].replace("''", "'"))
        if token.kind == "time":
            return Literal(Moment(parse_time(token.text)))
        if token.kind == "number":
            return Literal(_number(token.text))
        if token.kind == "geo":
            return Literal(parse_wkt(token.text[len("geography'") : -1]))
        self._at -= 1
        self._wrong("a property, a text in quotes, a number, a time")
        return None

    def _name(self) -> str:
        token = self._next()
        if token.kind != "name":
            self._at -= 1
            self._wrong("a property")
        return token.text

    def _wrong(self, expected: str) -> NoReturn:
        token = self._peek
        raise _refused(
            phrase(
                "open-filter-wrong", "at character {at} there is {found} where {expected} may stand", at=token.at + 1,
                found=token.text[:40] or "the end", expected=expected,
            )
        )  # fmt: skip


def _number(text: str) -> float:
    if text.lstrip("+-").isdigit():
        if len(text) > 20:
            raise _refused(phrase("open-number-long", "{text} is no number that this knows", text=text[:40]))
        return int(text)
    return float(text)


def _refused(sentence: Phrase) -> DecodeError:
    return DecodeError("bad-query", sentence)
