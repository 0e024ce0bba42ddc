"""Query options of SensorThings: `$top`, `$skip`, `$count`, `$select`, `$orderby`, `$expand`, `$filter`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from backend.city.open_api.evaluation import compile_filter, compile_order
from backend.city.open_api.filters import Node, Path, parse_filter, parse_path
from backend.city.open_api.model import SETS, EntitySet
from hub.core.errors import DecodeError
from hub.core.text import Phrase, phrase

DEFAULT_TOP, MOST_TOP, MOST_SKIP = 100, 10_000, 1_000_000
DEEPEST, MOST_EXPANDS, MOST_ORDERS = 4, 24, 5
LONGEST = 16_000
"""Characters of a query."""
TOKEN = "$skiptoken"  # noqa: S105 the name of an option
_NAMES = ("$top", "$skip", "$count", "$select", "$orderby", "$expand", "$filter", TOKEN)


@dataclass(frozen=True, slots=True)
class Query:
    """Options for one collection or entity. `text` holds them as they were written, without what pages them."""

    top: int = DEFAULT_TOP
    skip: int = 0
    count: bool = False
    select: tuple[str, ...] = ()
    orderby: tuple[tuple[Path, bool], ...] = ()
    expand: tuple[tuple[str, Query], ...] = ()
    filter: Node | None = None
    token: str = ""
    text: tuple[tuple[str, str], ...] = ()


def parse_query(of: EntitySet, pairs: Iterable[tuple[str, str]]) -> Query:
    """Return the options of an address. Raises DecodeError."""
    given = list(pairs)
    if sum(len(name) + len(value) for name, value in given) > LONGEST:
        raise _refused(phrase("open-query-long", "a query has at most {count} characters", count=LONGEST))
    found = _parse(of, given, 0)
    if _expands(found) > MOST_EXPANDS:
        raise _refused(phrase("open-expand-many", "a query has at most {count} $expand", count=MOST_EXPANDS))
    return found


def _parse(of: EntitySet, pairs: list[tuple[str, str]], depth: int) -> Query:
    values: dict[str, str] = {}
    for name, value in pairs:
        if name not in _NAMES:
            raise _refused(
                phrase("open-option-unknown", "there is no option {name} here; there are {known}", name=name[:40],
                       known=list(_NAMES[:-1]))
            )  # fmt: skip
        if name in values:
            raise _refused(phrase("open-option-twice", "{name} is given twice", name=name))
        values[name] = value
    orders = tuple(_order(of, part) for part in _parts(values.get("$orderby", ""), ","))
    if len(orders) > MOST_ORDERS:
        raise _refused(phrase("open-order-many", "$orderby takes at most {count} properties", count=MOST_ORDERS))
    condition = parse_filter(values["$filter"]) if values.get("$filter", "").strip() else None
    if condition is not None:
        compile_filter(of, condition)  # refused here, before anything is read
    return Query(
        top=min(_number("$top", values, DEFAULT_TOP, 1 << 31), MOST_TOP),
        skip=_number("$skip", values, 0, MOST_SKIP),
        count=_flag(values.get("$count", "false")),
        select=tuple(_selected(of, part) for part in _parts(values.get("$select", ""), ",")),
        orderby=orders,
        expand=_expand(of, values.get("$expand", ""), depth),
        filter=condition,
        token=values.get(TOKEN, ""),
        text=tuple((name, values[name]) for name in _NAMES if name in values and name not in ("$skip", TOKEN)),
    )


def _number(name: str, values: dict[str, str], default: int, most: int) -> int:
    text = values.get(name, "").strip()
    if name not in values:
        return default
    if not re.fullmatch(r"\d{1,18}", text) or int(text) > most:
        raise _refused(phrase("open-number-wrong", "{name} is a whole number, 0 to {most}", name=name, most=most))
    return int(text)


def _flag(text: str) -> bool:
    if text.strip().lower() not in ("true", "false"):
        raise _refused(phrase("open-count-wrong", "$count is true or false"))
    return text.strip().lower() == "true"


def _selected(of: EntitySet, name: str) -> str:
    plain = {"@iot.id": "id", "@iot.selfLink": "selfLink"}.get(name, name)
    if plain not in of.fields and plain not in of.links and plain != "selfLink":
        raise _refused(
            phrase("open-select-unknown", "{set} have no {name}; $select takes {known}", set=of.name, name=name[:60],
                   known=[*of.fields, *of.links])
        )  # fmt: skip
    return plain


def _order(of: EntitySet, text: str) -> tuple[Path, bool]:
    path, _, direction = text.strip().partition(" ")
    if direction.strip().lower() not in ("", "asc", "desc"):
        raise _refused(phrase("open-order-wrong", "$orderby takes asc or desc after a property, not {text}",
                              text=direction[:40]))  # fmt: skip
    parsed = parse_path(path)
    compile_order(of, parsed)
    return parsed, direction.strip().lower() == "desc"


def _expand(of: EntitySet, text: str, depth: int) -> tuple[tuple[str, Query], ...]:
    found: dict[str, Query] = {}
    for part in _parts(text, ","):
        if depth >= DEEPEST:
            raise _too_deep()
        steps, options = _split(part)
        name, query = _link(of, steps, options, depth)
        found[name] = _joined(found[name], query) if name in found else query
    return tuple(found.items())


def _split(part: str) -> tuple[list[str], str | None]:
    """Return the steps of one part of an $expand, and the options in its parentheses."""
    path, opened, rest = part.partition("(")
    if opened and not rest.endswith(")"):
        raise _refused(phrase("open-expand-wrong", "$expand cannot be read at {text}", text=part[:60]))
    return [step.strip() for step in path.strip().split("/")], rest[:-1] if opened else None


def _link(of: EntitySet, steps: list[str], options: str | None, depth: int) -> tuple[str, Query]:
    if depth >= DEEPEST:
        raise _too_deep()
    link = of.links.get(steps[0])
    if link is None:
        raise _refused(
            phrase("open-expand-unknown", "{set} have no {name} to expand; there are {known}", set=of.name,
                   name=steps[0][:60], known=list(of.links))
        )  # fmt: skip
    target = SETS[link.to]
    if len(steps) > 1:
        return steps[0], Query(expand=(_link(target, steps[1:], options, depth + 1),))
    pairs = []
    for option in _parts(options or "", ";"):
        name, equals, value = option.partition("=")
        if not equals:
            raise _refused(phrase("open-expand-wrong", "$expand cannot be read at {text}", text=option[:60]))
        pairs.append((name.strip(), value))
    return steps[0], _parse(target, pairs, depth + 1)


def _joined(one: Query, two: Query) -> Query:
    """Return the options of two parts of an $expand that name the same link: those of the one that has some."""
    expand = dict(one.expand)
    for name, query in two.expand:
        expand[name] = _joined(expand[name], query) if name in expand else query
    return replace(two if two.text else one, expand=tuple(expand.items()))


def _parts(text: str, sign: str) -> Iterator[str]:
    """Yield the parts of a text between signs that stand outside of quotes and parentheses."""
    depth, quoted, start = 0, False, 0
    for at, letter in enumerate(text):
        if letter == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif letter in "()":
            depth += 1 if letter == "(" else -1
            if not 0 <= depth <= 64:
                break
        elif letter == sign and depth == 0:
            yield _part(text[start:at], sign)
            start = at + 1
    if quoted or depth:
        raise _refused(phrase("open-parentheses", "a quote or a parenthesis is not closed in {text}", text=text[:60]))
    if text.strip():
        yield _part(text[start:], sign)


def _part(text: str, sign: str) -> str:
    if not text.strip():
        raise _refused(phrase("open-part-empty", "there is nothing beside a {sign}", sign=sign))
    return text.strip()


def _expands(query: Query) -> int:
    return sum(1 + _expands(inner) for _, inner in query.expand)


def _too_deep() -> DecodeError:
    return _refused(phrase("open-expand-deep", "$expand goes at most {count} deep", count=DEEPEST))


def _refused(sentence: Phrase) -> DecodeError:
    return DecodeError("bad-query", sentence)


def goes_to_others(value: Any) -> bool:
    """Return whether a query written like this goes from a metric to the series of all things."""
    return re.search(r"ObservedPropert.*Datastreams", str(value), re.DOTALL) is not None
