"""Evaluation of filters and orders over entities. Pure.

A path goes over links to a property, and on into an object: `Datastream/Thing/properties/kind`. Where a link leads to
several entities, a comparison is true when it is true of one of them. `null` equals `null` alone; values of two kinds
are never equal, and none is before the other. Texts are compared by code points, times as moments.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from backend.city.open_api.filters import And, Call, Compare, Literal, Moment, Node, Not, Operand, Or, Path
from backend.city.open_api.geometry import Geometry
from backend.city.open_api.model import SETS, EntitySet, Field, Link, feature, point
from hub.core.errors import DecodeError
from hub.core.text import phrase

Test = Callable[[Any], bool]
Values = Callable[[Any], Sequence[Any]]
_ORDERED: dict[str, Callable[[Any, Any], Any]] = {
    "gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le,
}  # fmt: skip
_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "startswith": lambda text, part: text.startswith(part),
    "endswith": lambda text, part: text.endswith(part),
    "substringof": lambda part, text: part in text,
}
_TURNED = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge", "eq": "eq", "ne": "ne"}


class Resolved:
    """A path in a set: `values` of an entity, of `kind`; `links` it goes over, `many` where it meets several."""

    def __init__(self, of: EntitySet, path: Path) -> None:
        here, links, steps = of, list[Link](), list(path.steps)
        while steps and steps[0] in here.links:
            link = here.links[steps.pop(0)]
            if link.of is None:
                raise _refused_observations()
            links.append(link)
            here = SETS[link.to]
        if not steps:
            steps = ["id"]  # Datastream eq 5 is what some clients say of Datastream/id eq 5
        name = {"@iot.id": "id"}.get(steps[0], steps[0])
        found = here.fields.get(name)
        if found is not None and found.kind == "geometry" and len(steps) > 1:
            found = _as_json(name, found)
        if found is None or (len(steps) > 1 and found.kind not in ("object", "any")):
            raise _unknown(here, "/".join(path.steps))
        self.kind = "any" if found.kind == "object" else found.kind
        self.field, self.links, self.many = found, tuple(links), any(link.many for link in links)
        self.values = _values(links, found, steps[1:])


def _as_json(name: str, found: Field) -> Field:
    """Return a position as its GeoJSON: `location/type eq 'Point'` is what QGIS asks."""
    written = feature if name == "feature" else point
    return Field("object", lambda one: written(found.value(one)))


def compile_filter(of: EntitySet, node: Node) -> Test:
    """Return a filter as a function of an entity of a set. Raises DecodeError for a property that there is not, and for
    kinds that cannot be compared."""
    if isinstance(node, And):
        parts = [compile_filter(of, part) for part in node.parts]
        return lambda one: all(part(one) for part in parts)
    if isinstance(node, Or):
        parts = [compile_filter(of, part) for part in node.parts]
        return lambda one: any(part(one) for part in parts)
    if isinstance(node, Not):
        inner = compile_filter(of, node.part)
        return lambda one: not inner(one)
    if isinstance(node, Call):
        return _called(of, node)
    return _compared(of, node)


def compile_order(of: EntitySet, path: Path) -> Callable[[Any], tuple[Any, ...]]:
    """Return the key of an entity by which a path orders a set: null, then truths, numbers, texts. Raises
    DecodeError."""
    resolved = Resolved(of, path)
    if resolved.many or resolved.kind == "geometry":
        raise DecodeError(
            "bad-query",
            phrase(
                "open-order-of-several", "{path} has no order: $orderby takes properties with one value",
                path="/".join(path.steps)[:100],
            ),
        )  # fmt: skip

    def key(one: Any) -> tuple[Any, ...]:
        found = resolved.values(one)
        return order_key(found[0] if found else None)

    return key


def order_key(value: Any) -> tuple[Any, ...]:
    """Return where a value stands among all."""
    if isinstance(value, bool):
        return 1, int(value)
    if isinstance(value, int | float):
        return 2, value
    return (3, value) if isinstance(value, str) else (0, 0)


def _values(links: Sequence[Link], found: Field, rest: Sequence[str]) -> Values:
    get = found.value

    def last(one: Any) -> Any:
        value = get(one)
        for step in rest:
            value = value.get(step) if isinstance(value, dict) else None
        return value

    end = last if rest else get
    if found.kind == "time":
        plain = end

        def end(one: Any) -> Any:
            ms = plain(one)
            return None if ms is None else ms * 1000

    if not links:
        return lambda one: (end(one),)

    def over(one: Any) -> Sequence[Any]:
        here: Sequence[Any] = (one,)
        for link in links:
            here = [two for each in here for two in (link.of(each) if link.of is not None else ())]
        return [end(each) for each in here]

    return over


def _compared(of: EntitySet, node: Compare) -> Test:
    op, left, right = node
    if isinstance(left, Literal) and isinstance(right, Path):
        op, left, right = _TURNED[op], right, left
    (left_kind, lefts), (right_kind, rights) = _operand(of, left), _operand(of, right)
    kinds = {left_kind, right_kind}
    if "geometry" in kinds or (len(kinds - {"any", "null"}) > 1):
        raise DecodeError(
            "bad-query",
            phrase("open-kinds-differ", "a {one} is not compared with a {other}", one=left_kind, other=right_kind),
        )
    if isinstance(right, Literal):
        value = rights(None)[0]
        test = _test(op, value)
        if isinstance(left, Path) and not Resolved(of, left).links:
            return lambda one: test(lefts(one)[0])
        return lambda one: any(test(found) for found in lefts(one))
    return lambda one: any(_test(op, two)(found) for two in rights(one) for found in lefts(one))


def _test(op: str, value: Any) -> Test:
    kind = _kind(value)
    if op == "eq":
        return lambda found: _kind(found) == kind and found == value
    if op == "ne":
        return lambda found: _kind(found) != kind or found != value
    compare = _ORDERED[op]
    if kind == "null":
        return lambda found: False
    return lambda found: _kind(found) == kind and bool(compare(found, value))


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    return "null" if value is None else "object"


def _called(of: EntitySet, node: Call) -> Test:
    (left_kind, lefts), (right_kind, rights) = _operand(of, node.left), _operand(of, node.right)
    if node.name == "geo.intersects":
        return _intersects(of, node)
    for kind in (left_kind, right_kind):
        if kind not in ("text", "any"):
            raise DecodeError(
                "bad-query",
                phrase("open-function-text", "{name} takes two texts, not a {kind}", name=node.name, kind=kind),
            )
    test = _TEXTS[node.name]

    def called(one: Any) -> bool:
        return any(
            test(first, two)
            for first in lefts(one)
            for two in rights(one)
            if isinstance(first, str) and isinstance(two, str)
        )

    return called


def _intersects(of: EntitySet, node: Call) -> Test:
    path, shape = (node.left, node.right) if isinstance(node.left, Path) else (node.right, node.left)
    if not isinstance(path, Path) or not isinstance(shape, Literal) or not isinstance(shape.value, Geometry):
        raise _needs_geometry()
    resolved, geometry = Resolved(of, path), shape.value
    if resolved.kind != "geometry":
        raise _needs_geometry()
    return lambda one: any(at is not None and geometry.meets(at) for at in resolved.values(one))


def _operand(of: EntitySet, operand: Operand) -> tuple[str, Values]:
    """Return kind and values of an operand."""
    if isinstance(operand, Path):
        resolved = Resolved(of, operand)
        return resolved.kind, resolved.values
    value = operand.value
    if isinstance(value, Moment):
        return "time", lambda one: (value.us,)
    if isinstance(value, Geometry):
        return "geometry", lambda one: (None,)
    kind = {"null": "null", "bool": "any"}.get(_kind(value), _kind(value))
    return kind, lambda one: (value,)


def _unknown(of: EntitySet, path: str) -> DecodeError:
    return DecodeError(
        "bad-query",
        phrase(
            "open-property-unknown", "{set} have no {path}; there are {known}", set=of.name, path=path[:100],
            known=[*of.fields, *of.links],
        ),
    )  # fmt: skip


def _needs_geometry() -> DecodeError:
    return DecodeError(
        "bad-query",
        phrase(
            "open-intersects-needs",
            "geo.intersects takes a position, as location, feature or observedArea, and geography'…'",
        ),
    )


def _refused_observations() -> DecodeError:
    return DecodeError(
        "bad-query",
        phrase(
            "open-path-observations",
            "a condition cannot go over Observations: ask Observations, with a condition on Datastream/…",
        ),
    )
