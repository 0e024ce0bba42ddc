"""Reads the names of decoded data: a path to concepts, units and what tells it apart. Pure.

TempC_SHT31            temperature; the letter c; the place sht31
acCurrent_mA           current, mains; the unit mA
line_4_total_in.value  total, in, line; the channel 4
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from hub.devices.codecs import units, vocabulary
from hub.devices.codecs.vocabulary import CHIPS, CONCEPTS


class Name(NamedTuple):
    """A path, read. `concepts`: what its words mean; `unknown`: words that nothing is known of; `units`: units that it
    names, "" for one that its writing hides; `letter`: a single last letter, a unit or a channel; `channel`: number,
    letter or phase; `place`: what else tells it apart; `listed`: it leads through a list."""

    concepts: frozenset[str]
    unknown: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    letter: str = ""
    channel: str = ""
    place: str = ""
    listed: bool = False


_NO_LETTER = r"(?![a-zA-Z])"
_WRITTEN = tuple(
    (re.compile(pattern, re.IGNORECASE), text)
    for pattern, text in (
        (r"pm[_.]?2[_.]?5(?!\d)", " pm2x5 "),
        (r"pm[_.]?10(_0)?(?!\d)", " pm10 "),
        (r"pm(\.1\.0|_?1(_0)?)(?!\d)", " pm1 "),
        (rf"(?<![a-z])v_?bat(t|tery)?{_NO_LETTER}", " vbat "),
        (rf"(?<![a-z])(bat|batt|battery)_?vol{_NO_LETTER}", " vbat "),
        (r"set[_ ]point|(?<=[a-z])SetPoint", " setpoint "),
        (rf"eco2|co2_?eq?{_NO_LETTER}", " eco2 "),
        (r"\bl_?a_?eq\b", " laeq "),
        (rf"(?<![a-z])m3_?(?:per_?|/)?h{_NO_LETTER}", " =m3/h "),
        (rf"(?<![a-z])l(?:_per_|/|_)h{_NO_LETTER}", " =L/h "),
        (rf"(?<![a-z])l(?:_per_|/|_)?min{_NO_LETTER}", " =L/min "),
        (r"(?<![a-z])ug_?(?:per_?|/)?m3", " =ug/m3 "),
        (r"(?<![a-z])mg_?(?:per_?|/)?m3", " =mg/m3 "),
        (r"(?<![a-z])us_?(?:per_?|/)?cm", " =uS/cm "),
        (r"(?<![a-z])ms_?(?:per_?|/)?cm", " =mS/cm "),
        (r"(?<![a-z])w_?(?:per_?|/)?m2", " =W/m2 "),
        (rf"(?<![a-z])km(?:_per_|/|_)?h{_NO_LETTER}", " =km/h "),
        (rf"(?<![a-z])m(?:_per_|/|_)s{_NO_LETTER}", " =m/s "),
        (rf"(?<![a-z])temp([cf]){_NO_LETTER}", r" temp \1 "),
        (r"%", " =% "),
        (r"°(?=[cf]\b)", "_"),
    )
)
"""Names and units of several signs → a word, or a unit after `=`."""
_CASED = re.compile(
    r"(?<![A-Z])(kWh|MWh|mWh|Wh|kVAh|VAh|kVA|kvarh|kVARh|kvar|VARh|VAR|mAh|mV|kV|kA|mA|kW|MW|mW|hPa|kPa|MPa|kHz|MHz|mHz"
    r"|dBA|dBm|dB)(?=$|[^A-Za-z]|[A-Z][a-z])"
)
"""Units that their capitals tell, where a key ends or another word follows."""
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[0-9])(?=[A-Z][a-z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PARTS = re.compile(r"[a-z0-9]+")
_PIECES = re.compile(r"[a-z]+|[0-9]+")
_PHASE = re.compile(r"l[123]")
_WHOLE = CONCEPTS.keys() | CHIPS | units.WORDS.keys()
_OF_T = {"dew", "air", *vocabulary.PLACES}
"""Concepts after the letter t of a temperature: `tDew`, `t_air`."""
_SHORTEST = 3
"""Letters of a word that may be one half of another: `waterleak`."""
_SHORTEST_MEANT = 6
"""Letters of a word that may be misspelt."""


@lru_cache(maxsize=4096)
def read_name(path: str) -> Name:
    """Read a path, keys joined by dots."""
    path = _folded(path)
    for pattern, text in _WRITTEN:
        path = pattern.sub(text, path)
    steps = [step for step in path.split(".") if step.strip()]
    keys = [step for step in steps if not step.strip().isdigit()]
    while len(keys) > 1 and keys[-1].strip().lower() in vocabulary.GENERIC:
        keys.pop()
    above = [word for key in keys[:-1] for word in _words(key) if word not in vocabulary.CONTAINERS]
    own = list(_words(keys[-1])) if keys else []
    return _Reader(above, own).name(len(keys) < len(steps) and any(step.strip().isdigit() for step in steps))


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.translate(units.SIGNS))
    return "".join(sign for sign in plain if not unicodedata.combining(sign))


def _words(key: str) -> Iterator[str]:
    for chunk in _CASED.sub(lambda found: f" ={found[0]} ", key).split():
        if chunk[0] == "=":
            yield chunk
            continue
        for part in _PARTS.findall(_CAMEL.sub(" ", chunk).lower()):
            if part in _WHOLE or _PHASE.fullmatch(part):
                yield part
            else:
                yield from (word for piece in _PIECES.findall(part) for word in _halves(_meant(piece)))


def _meant(word: str) -> str:
    """Return the word that one slip of the pen made: `voltate`, `humdity`."""
    if word in _WHOLE or len(word) < _SHORTEST_MEANT:
        return word
    return next((known for known in vocabulary.MISSPELT if _one_slip(word, known)), word)


def _one_slip(word: str, known: str) -> bool:
    """Return whether one letter more, less, changed or exchanged with its neighbour makes the words equal."""
    at = next((n for n, (a, b) in enumerate(zip(word, known, strict=False)) if a != b), min(len(word), len(known)))
    rest, other = word[at:], known[at:]
    return (
        rest[1:] == other
        or rest == other[1:]
        or rest[1:] == other[1:]
        or (rest[:2] == other[1::-1] and rest[2:] == other[2:])
    )


def _halves(word: str) -> tuple[str, ...]:
    """Split a word that two known ones make: `batteryvoltage`, `aussentemperatur`."""
    if word not in _WHOLE:
        for at in range(_SHORTEST, len(word) - _SHORTEST + 1):
            if word[:at] in CONCEPTS and word[at:] in CONCEPTS:
                return word[:at], word[at:]
    return (word,)


class _Reader:
    """Sorts the words of a name: those `above` the last key, and its `own`."""

    def __init__(self, above: list[str], own: list[str]) -> None:
        self._words, self._own = [*above, *own], len(above)
        self._concepts, self._unknown, self._units = set[str](), list[str](), list[str]()
        self._letter, self._channels, self._places = "", list[str](), list[str]()
        for at, word in enumerate(self._words):
            self._take(at, word)

    def name(self, listed: bool) -> Name:
        return Name(
            frozenset(self._concepts),
            (*self._unknown, *self._channels[1:]),
            tuple(self._units),
            self._letter,
            (self._channels[0].lstrip("0") or "0") if self._channels else "",
            "_".join(dict.fromkeys(self._places)),
            listed,
        )

    def _take(self, at: int, word: str) -> None:
        if word[0] == "=":
            self._units.append(word[1:])
        elif word.isdigit() or _PHASE.fullmatch(word):
            self._channels.append(word)
        elif word in vocabulary.COUNTED:
            self._channels.append(vocabulary.COUNTED[word])
        elif word in CONCEPTS:
            self._concepts.update(CONCEPTS[word])
            self._places += [concept for concept in CONCEPTS[word] if concept in vocabulary.PLACES]
            self._units += [word] if word in units.IMPLIED else []
            self._units += [units.OF_LABEL[word]] if word in units.OF_LABEL else []
        elif word in CHIPS:
            self._chip(word)
        elif len(word) == 1:
            self._single(at, word)
        elif word in units.WORDS and at >= self._own:
            self._units.append(units.WORDS[word])
            self._concepts.update({units.IMPLIED[word]} if word in units.IMPLIED else ())
        elif word not in vocabulary.NUMBERED:
            self._unknown.append(word)

    def _chip(self, word: str) -> None:
        self._places.append(word)
        if word.startswith("pt1"):  # a resistance thermometer measures nothing else
            self._concepts.add("temperature")

    def _single(self, at: int, letter: str) -> None:
        before, after = self._words[at - 1] if at else "", self._words[at + 1 : at + 2]
        if letter == "t" and after and set(CONCEPTS.get(after[0], ())) & _OF_T:
            self._concepts.add("temperature")
            return
        if before in vocabulary.NUMBERED and before not in CONCEPTS:
            self._channels.append(letter)
        elif at and (at == len(self._words) - 1 or before in CONCEPTS) and not self._letter:
            self._letter = letter
        else:
            self._unknown.append(letter)
