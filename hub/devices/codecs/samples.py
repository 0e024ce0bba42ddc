"""Reads the leaves of decoded examples: their names, units and values, and what they tell of each other. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hub.core.model import Value
from hub.devices.codecs.mapping import read_number
from hub.devices.codecs.names import Name, read_name
from hub.devices.codecs.rules import LETTERED, RULES, within
from hub.devices.codecs.vocabulary import NEUTRAL, QUALIFYING

_NUMBER = re.compile(r"(?<![pP][mM])(?<![pP][mM]\.1)\.([0-9]+)(?=\.|$)")
"""A key of digits, but for the size of particles."""
_FIRST = re.compile(r"\.0(?=\.|$)")
UNIT_KEYS = ("unit", "units", "uom", "unite", "einheit", "u")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf over all samples. `units`: what its neighbours named unit say; `column`: its value in each sample."""

    path: str
    name: Name
    column: tuple[Value | None, ...]
    units: frozenset[str]

    @property
    def values(self) -> list[Value]:
        return [value for value in self.column if value is not None]

    @property
    def numbers(self) -> list[float]:
        return [number for value in self.values if (number := read_number(value)) is not None]


def leaves_of(samples: Sequence[Mapping[str, Value]]) -> list[Leaf]:
    """Return the leaves of decoded messages, in the order of their appearance."""
    return _with_letters(_with_places(list(_read(samples))))


def company_of(leaves: Sequence[Leaf]) -> frozenset[str]:
    """Return what a codec's leaves tell of each other, for rules that need company."""
    return frozenset(_company(leaves))


def _read(samples: Sequence[Mapping[str, Value]]) -> Iterator[Leaf]:
    paths = dict.fromkeys(path for sample in samples for path in sample)
    lists = {path[: found.start()] for path in paths for found in _FIRST.finditer(path)}
    for path in paths:
        column = tuple(sample.get(path) for sample in samples)
        name = read_name(_keyed(path, lists))
        if name.listed and _newest_first(path, samples):
            name = name._replace(listed=False)
        yield Leaf(path, name, column, frozenset(_units(path, samples)))


def _keyed(path: str, lists: set[str]) -> str:
    """Return a path with the numbers that are keys as channels, since what they number has no 0: `temperature.1`."""
    return _NUMBER.sub(lambda found: found[0] if path[: found.start()] in lists else f"_{found[1]}", path)


def _newest_first(path: str, samples: Sequence[Mapping[str, Value]]) -> bool:
    """Return whether a codec says beside its lists that the first of each is of now: `values: [t=0, t-1, t-2]`."""
    above, _, last = path.rpartition(".")
    if last != "0" or _FIRST.search(above):
        return False
    said = [value for sample in samples for key, value in sample.items() if key.lower().endswith("decodinginfo")]
    return bool(said) and all(isinstance(text, str) and "[t=0" in text.replace(" ", "") for text in said)


def _with_places(leaves: list[Leaf]) -> list[Leaf]:
    """Take a word that nobody knows for a place where it begins the names of several quantities: `roof_temp`,
    `roof_humidity`."""
    begun: dict[str, set[frozenset[str]]] = {}
    for leaf in leaves:
        if word := _begins(leaf):
            begun.setdefault(word, set()).add(leaf.name.concepts - NEUTRAL)
    places = {word for word, quantities in begun.items() if len(quantities) > 1}
    return [_placed(leaf, word) if (word := _begins(leaf)) in places else leaf for leaf in leaves]


def _begins(leaf: Leaf) -> str:
    """Return the only unknown word of a leaf's name if its last key begins with it and no other, "" otherwise."""
    word = leaf.name.unknown[0] if len(leaf.name.unknown) == 1 else ""
    named = any(rule.needs <= leaf.name.concepts for rule in RULES)
    key = leaf.path.rpartition(".")[2].lower()
    return word if named and word not in QUALIFYING and len(word) > 1 and key.startswith(word) else ""


def _placed(leaf: Leaf, word: str) -> Leaf:
    place = "_".join(part for part in (word, leaf.name.place) if part)
    return replace(leaf, name=leaf.name._replace(unknown=(), place=place))


def _with_letters(leaves: list[Leaf]) -> list[Leaf]:
    """Take the letters t, p, h and rh for the weather's where two of them stand beside each other, with its values."""
    found = {leaf.path: LETTERED[key] for leaf in leaves if (key := _letter_of(leaf))}
    if len(set(found.values())) < 2:
        return leaves
    return [
        leaf
        if leaf.path not in found
        else replace(leaf, name=leaf.name._replace(concepts=found[leaf.path].needs, unknown=()))
        for leaf in leaves
    ]


def _letter_of(leaf: Leaf) -> str:
    key = leaf.path.rpartition(".")[2].lower()
    known = LETTERED.get(key)
    fits = known is not None and leaf.numbers and within(leaf.numbers, known.usual)
    return key if fits and not leaf.units and leaf.name.unknown in ((), (key,)) else ""


def _units(path: str, samples: Sequence[Mapping[str, Value]]) -> Iterator[str]:
    """Yield what the neighbours of a leaf say its unit is: `t.unit` of `t.value` and `t.values.0`, `t_unit` of `t`."""
    above, _, last = path.rpartition(".")
    if last.isdigit():
        above = above.rpartition(".")[0]
    beside = [f"{above}.{key}" if above else key for key in UNIT_KEYS] if _generic(path) else []
    beside += [f"{path}_unit", f"{path}Unit", f"{path}_units", f"{path}Units"]
    for sample in samples:
        if path in sample:
            yield from (str(sample[key]) for key in beside if isinstance(sample.get(key), str) and sample[key])
            if str(sample[path]).endswith("%"):
                yield "%"


def _generic(path: str) -> bool:
    keys = [key for key in path.lower().split(".") if not key.isdigit()]
    return bool(keys) and keys[-1] in ("value", "values", "val", "v")


def _company(leaves: Sequence[Leaf]) -> Iterator[str]:
    """Yield what else a codec's leaves tell, for rules that need company."""
    for leaf in leaves:
        yield from leaf.name.concepts
        if leaf.numbers:
            if {"in", "setting"} <= leaf.name.concepts:
                yield "in_period"
            if leaf.name.letter == "b":
                yield "channel_b"
            if "counter" in leaf.name.concepts and leaf.name.channel:
                yield "numbered_counter"
            if "voltage" in leaf.name.concepts and 85 <= max(leaf.numbers) <= 480:
                yield "mains_voltage"
