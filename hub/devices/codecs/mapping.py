"""Maps a codec's answer to readings, by a pack's fields (`hub.devices.codecs.guesses` proposes them). Pure.

A path is the keys to a leaf joined by dots, list elements by their index: `env.temp`, `channels.0.value`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from hub.core.errors import DecodeError
from hub.core.model import Metric, Value
from hub.core.text import phrase

MAX_LEAVES, MAX_DEPTH, MAX_TEXT = 256, 8, 64
_WHOLE = 1 << 64
MAX_PATH = 256
"""Characters of a path. Every leaf has its own, so a long key would be copied once per leaf below it."""


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A leaf and the metric it is: value = raw × `scale` + `offset`.

    `values` maps raw values, as text, to readings; other raw values give none. `invalid` lists raw values that mean no
    reading.
    """

    path: str
    metric: str
    scale: float = 1.0
    offset: float = 0.0
    values: dict[str, Value] | None = None
    invalid: tuple[float | str, ...] = ()


class Mapped(NamedTuple):
    """The readings. `skipped`: why leaves gave none, as slugs to count; `unmapped`: paths without a field."""

    values: dict[str, Value]
    skipped: tuple[str, ...]
    unmapped: tuple[str, ...]


def leaves(data: Any) -> dict[str, Value]:
    """Return every leaf of a decoded object by its path, without nulls.

    Raises DecodeError `codec-shape` for data that is no object, too large or too deep.
    """
    if not isinstance(data, dict):
        raise DecodeError("codec-shape", phrase("codec-data-not-object", "`data` is not an object"))
    found: dict[str, Value] = {}
    for path, value in _walk(data, "", 0):
        if len(found) >= MAX_LEAVES:
            raise DecodeError(
                "codec-shape",
                phrase("codec-data-too-many-values", "`data` has more than {limit} values", limit=MAX_LEAVES),
            )
        found[path] = value
    return found


def _walk(node: Any, path: str, depth: int) -> Iterator[tuple[str, Value]]:
    if depth > MAX_DEPTH:
        raise DecodeError(
            "codec-shape",
            phrase("codec-data-too-deep", "`data` is nested more than {levels} levels deep", levels=MAX_DEPTH),
        )
    if isinstance(node, dict | list):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            step = f"{path}.{key}" if path else str(key)
            if len(step) > MAX_PATH:
                raise DecodeError(
                    "codec-shape",
                    phrase(
                        "codec-data-name-too-long", "`data` has a name of more than {limit} characters", limit=MAX_PATH
                    ),
                )
            yield from _walk(value, step, depth + 1)
    elif isinstance(node, bool | int | float | str):
        if isinstance(node, int) and abs(node) >= _WHOLE:
            raise DecodeError(
                "codec-shape",
                phrase(
                    "codec-integer-too-large",
                    "`data` has a whole number of more than 64 bits, which no JavaScript writes",
                ),
            )
        yield path, node


def apply(fields: Mapping[str, Field], found: Mapping[str, Value], metrics: Mapping[str, Metric]) -> Mapped:
    """Map the leaves `found` to readings by `fields`, keyed by path."""
    values: dict[str, Value] = {}
    skipped: list[str] = []
    for path, field in fields.items():
        if path not in found:
            continue
        raw = found[path]
        if raw in field.invalid:
            continue
        reading = _reading(raw, field, metrics[field.metric].kind)
        if reading is None:
            skipped.append("codec-value")
        else:
            values[field.metric] = reading
    return Mapped(values, tuple(skipped), tuple(path for path in found if path not in fields))


def _reading(raw: Value, field: Field, kind: str) -> Value | None:
    """Convert a raw value, or return None if it does not fit the metric's kind."""
    if field.values is not None:
        return field.values.get(raw_text(raw))
    if kind == "text":
        return raw[:MAX_TEXT] if isinstance(raw, str) and raw.isprintable() else None
    if kind == "flag":
        return read_flag(raw)
    if isinstance(raw, bool):  # Python counts with it; what it is as a number is for `values` to say
        return None
    try:
        number = (float(_bare(raw)) if isinstance(raw, str) else raw) * field.scale + field.offset
    except (ValueError, OverflowError):  # no number; a whole number beyond any float
        return None
    return number if math.isfinite(number) else None


def _bare(raw: Value) -> Value:
    return raw.rstrip("% ") if isinstance(raw, str) else raw


def raw_text(raw: Value) -> str:
    """Return a raw value as `values` of a field names it: a JavaScript boolean is `true` or `false`."""
    return str(raw).lower() if isinstance(raw, bool) else str(raw)


def read_number(raw: Value) -> float | None:
    """Return the finite number that a raw value is or writes, `25 %` too, None for anything else."""
    try:
        number = math.nan if isinstance(raw, bool) else float(_bare(raw))
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


_YES = """
true on open opened yes y occupied leak leaking detected alarm wet trigger triggered active 1 oui ouvert ja offen
"""
_NO = """
false off close closed no n vacant free normal none dry idle inactive 0 non fermé fermée nein geschlossen
"""
_READ = dict.fromkeys(_YES.split(), True) | dict.fromkeys(_NO.split(), False)


def read_flag(raw: Value) -> bool | None:
    """Return what a raw value says, None for one that says neither yes nor no."""
    return _READ.get(str(raw).strip().lower())
