"""Walks a SunSpec map from the mark to the last model, without I/O.

SunSpec Device Information Model Specification V1.1: the map begins at holding register 0, 40000 or 50000. A device's
data are trusted for the next step only: addresses only grow, there are at most `MOST_MODELS`, and a length that runs
past the last register ends the walk.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import NamedTuple

import hub
from hub.sdk.phrases import phrase
from integrations.modbus.faults import Refused
from integrations.modbus.plan import Request
from integrations.modbus.settings import LAST_ADDRESS
from integrations.modbus.sunspec.models import COMMON, COMMON_SIZE, STRINGS

BASES = (40000, 50000, 0)
MARK = [0x5375, 0x6E53]
END = 0xFFFF
MOST_MODELS = 64


class Ask(NamedTuple):
    """Holding registers that the walk needs."""

    address: int
    registers: int


class Model(NamedTuple):
    """A model as announced by the device: `length` registers follow its two."""

    id: int
    address: int
    length: int


class Part(NamedTuple):
    """One device of the map: a common model and its further models. Texts are empty where the device gives none."""

    maker: str
    model: str
    version: str
    serial: str
    models: tuple[Model, ...]

    @property
    def title(self) -> str:
        return f"{self.maker} {self.model}".strip()


class Found(NamedTuple):
    """Result of a walk. `notes` are sentences about errors in the map."""

    base: int
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()

    def part(self, number: int) -> Part:
        """Return a device of the map, from 1. Raises DecodeError `sunspec-part` where it has fewer."""
        if len(self.parts) < number:
            raise hub.DecodeError(
                "sunspec-part",
                phrase(
                    "modbus.sunspec-part-missing",
                    "the SunSpec map has {count} [device|devices], no device {part}",
                    count=len(self.parts),
                    part=number,
                ),
            )
        return self.parts[number - 1]


def walk(base: int | None = None) -> Generator[Ask, list[int] | None, Found]:
    """Yield the registers to read; receive their words, or None where the device refuses. Returns the result.

    Raises DecodeError: `no-sunspec` without the mark, `sunspec-map` without a common model behind it."""
    bases = BASES if base is None else (base,)
    for start in bases:
        if (yield Ask(start, 2)) == MARK:
            return (yield from _models(start))
    raise hub.DecodeError(
        "no-sunspec",
        phrase(
            "modbus.no-sunspec-mark",
            "there is no SunSpec mark at {addresses}: give `registers`, or `sunspec_address`, instead",
            addresses=bases,
        ),
    )


def _models(base: int) -> Generator[Ask, list[int] | None, Found]:
    parts: list[Part] = []
    notes: list[str] = []
    at = base + 2
    for _ in range(MOST_MODELS):
        header = (yield Ask(at, 2)) if at + 1 <= LAST_ADDRESS else None
        if header is None:
            notes.append(
                phrase("modbus.map-without-end", "the map stops at {address} without its end mark", address=at)
            )
            break
        number, length = header
        if number == END:
            break
        if at + 1 + length > LAST_ADDRESS:
            notes.append(
                phrase(
                    "modbus.model-too-long",
                    "model {model} at {address} says that it is {count} registers long, past the last there is",
                    model=number,
                    address=at,
                    count=length,
                )
            )
            break
        model = Model(number, at, length)
        if number == COMMON:
            parts.append((yield from _part(model)))
        elif not parts:
            raise hub.DecodeError(
                "sunspec-map",
                phrase(
                    "modbus.model-before-common",
                    "model {model} at {address} comes before the common model",
                    model=number,
                    address=at,
                ),
            )
        else:
            parts[-1] = parts[-1]._replace(models=(*parts[-1].models, model))
        at += 2 + length
    else:
        notes.append(
            phrase(
                "modbus.too-many-models", "the map has more than {most} models: the rest is left out", most=MOST_MODELS
            )
        )
    if not parts:
        raise hub.DecodeError(
            "sunspec-map",
            phrase("modbus.no-common-model", "no common model follows the mark at {address}", address=base),
        )
    return Found(base, tuple(parts), tuple(notes))


def _part(model: Model) -> Generator[Ask, list[int] | None, Part]:
    words = yield Ask(model.address, 2 + min(model.length, COMMON_SIZE - 2))
    maker, name, version, serial = (_text(words or [], *STRINGS[point]) for point in ("Mn", "Md", "Vr", "SN"))
    return Part(maker, name, version, serial, ())


def _text(words: list[int], offset: int, count: int) -> str:
    data = b"".join(word.to_bytes(2, "big") for word in words[offset : offset + count]).split(b"\0", 1)[0]
    text = data.decode("utf-8", "replace").strip()
    return "".join(c if c.isprintable() else "?" for c in text)


async def discover(read: Callable[[Request], Awaitable[list[int]]], base: int | None = None) -> Found:
    """Run a walk with `read`. Raises as `read` and `walk` do; a register that the device refuses counts as missing."""
    walking = walk(base)
    ask = next(walking)
    while True:
        words: list[int] | None
        try:
            words = await read(Request("holding", ask.address, ask.registers, ()))
        except Refused as refused:
            if refused.whole_device:
                raise
            words = None
        try:
            ask = walking.send(words)
        except StopIteration as done:
            found: Found = done.value
            return found
