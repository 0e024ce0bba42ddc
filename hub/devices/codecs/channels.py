"""Tells several leaves of one metric apart: channels, phases, places, and one value in two units. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hub.core.model import Value
from hub.core.text import phrase
from hub.devices.codecs.mapping import read_number
from hub.devices.codecs.names import Name

if TYPE_CHECKING:
    from hub.devices.codecs.guesses import Guess

CHANNELS = "abcd"
"""Letters that number channels where they are no unit."""
Leaf = tuple[Name, tuple[Value | None, ...]]
"""A leaf's name, and its value in each sample."""


def tell_apart(guesses: Sequence[Guess], leaves: Mapping[str, Leaf]) -> list[Guess]:
    """Give the sure guesses of one metric a channel each, and set aside those that stay alike."""
    groups: dict[str, list[Guess]] = {}
    for one in guesses:
        if one.confidence == "sure":
            groups.setdefault(one.metric, []).append(one)
    told = {one.path: one for group in groups.values() for one in _group(group, leaves)}
    return [told.get(one.path, one) for one in guesses]


def _group(group: list[Guess], leaves: Mapping[str, Leaf]) -> list[Guess]:
    same = {one.path: other for one in group if (other := _same(one, group, leaves))}
    kept = [one for one in group if one.path not in same]
    left = [
        replace(
            one, confidence="none", reason=phrase("guess-same-value", "it is the value of {path}", path=same[one.path])
        )
        for one in group
        if one.path in same
    ]
    return [*_channels(kept, leaves), *left]


def _same(one: Guess, group: list[Guess], leaves: Mapping[str, Leaf]) -> str:
    """Return the path of another leaf that gives the same value without conversion, "" if there is none."""
    for other in group:
        plain = (other.scale, other.offset) == (1.0, 0.0) != (one.scale, one.offset)
        if plain and leaves[one.path][0].channel == leaves[other.path][0].channel:
            pairs = [
                (_read(one, a), _read(other, b))
                for a, b in zip(leaves[one.path][1], leaves[other.path][1], strict=True)
            ]
            shown = [(a, b) for a, b in pairs if a is not None and b is not None]
            if shown and all(math.isclose(a, b, rel_tol=0.02, abs_tol=0.15) for a, b in shown):
                return other.path
    return ""


def _read(one: Guess, value: Value | None) -> float | None:
    number = None if value is None else read_number(value)
    return None if number is None else number * one.scale + one.offset


def _channels(group: list[Guess], leaves: Mapping[str, Leaf]) -> list[Guess]:
    """Number the guesses of one metric: the first is plain, but for phases, which are named all."""
    marks = {one.path: _mark(one, leaves[one.path][0]) for one in group}
    group = sorted(group, key=lambda one: _rank(one, leaves[one.path]))
    first = min(group, key=lambda one: (marks[one.path] != "", _order(leaves[one.path][0])))
    taken: dict[str, str] = {}
    told = []
    for one in group:
        mark = marks[one.path]
        if mark in taken:
            why = phrase("guess-claimed-twice", "{path} seems to be the same", path=taken[mark])
            told.append(replace(one, confidence="unsure", reason=why))
        else:
            taken[mark] = one.path
            told.append(replace(one, channel=mark if one is not first or _PHASE.search(mark) else ""))
    return told


def _rank(one: Guess, leaf: Leaf) -> tuple[bool, bool]:
    """Rank two guesses that stay alike: a total before a count, a yes or no before a number that looks like one."""
    return "total" not in leaf[0].concepts, not isinstance(one.sample, bool)


_PHASE = re.compile(r"l[123]$")


def _mark(one: Guess, name: Name) -> str:
    letter = name.letter if name.letter in CHANNELS and not name.channel and _is_channel(one, name.letter) else ""
    return "_".join(part for part in (name.place, name.channel or letter) if part)


def _is_channel(one: Guess, letter: str) -> bool:
    return not (letter == "c" and one.metric.endswith(("temperature", "setpoint"))) and not (
        letter == "a" and one.metric == "current"
    )


def _order(name: Name) -> tuple[int, str]:
    return (int(name.channel), "") if name.channel.isdigit() else (0, name.channel or name.letter)
