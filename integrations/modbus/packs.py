"""The `registers` and `signs` of a device pack: a register map, its readings in vectors, what tells a device. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

import hub
from hub.sdk.phrases import phrase
from integrations.modbus.decode import Value, decode
from integrations.modbus.settings import LAST_ADDRESS, Register, Table


class Sign(hub.Config):
    """A register by which a device of a pack is known: the numbers that it may hold, or how its text starts."""

    table: Literal["holding", "input"] = "holding"
    address: Annotated[int, Field(ge=0, le=LAST_ADDRESS)]
    length: Annotated[int, Field(ge=1, le=32, description="Registers of a text, two characters each")] = 1
    values: Annotated[tuple[Annotated[int, Field(ge=0, le=0xFFFF)], ...], Field(max_length=64)] = ()
    starts: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=64)], ...], Field(max_length=64)] = ()

    @model_validator(mode="after")
    def _one_kind(self) -> Sign:
        if bool(self.values) == bool(self.starts) or (self.values and self.length != 1):
            raise ValueError(
                phrase(
                    "modbus.sign-of-one-kind", "a sign is a register with `values`, or a `length` of text that `starts`"
                )
            )
        return self

    def fits(self, words: Sequence[int]) -> bool:
        """Return whether these words, from its address on, are those of a device of the pack."""
        if len(words) < self.length:
            return False
        if self.values:
            return words[0] in self.values
        text = b"".join(word.to_bytes(2) for word in words[: self.length]).decode("latin-1")
        return text.strip("\0 ").startswith(self.starts)


class RegisterMap(hub.Config):
    """What a pack of modbus holds."""

    registers: Annotated[tuple[Register, ...], Field(min_length=1, max_length=1000)]
    signs: Annotated[tuple[Sign, ...], Field(max_length=16)] = ()

    def metrics(self) -> set[str]:
        return {register.metric for register in self.registers}

    def readings(self, heard: Mapping[str, Any]) -> dict[str, Value]:
        """Return the readings of a vector. `heard`: `input 0` → list of words from there. A register that no list
        covers completely has no reading."""
        words: dict[tuple[str, int], int] = {}
        for place, said in heard.items():
            table, _, address = place.partition(" ")
            if table not in get_args(Table) or not address.isdigit() or not isinstance(said, list):
                raise ValueError(
                    phrase(
                        "modbus.not-a-register-place",
                        "{place!r} is not like `input 0` with a list of words",
                        place=place,
                    )
                )
            span = range(int(address), int(address) + len(said))
            if not any(one.table == table and one.address in span for one in self.registers):
                raise ValueError(
                    phrase(
                        "modbus.no-register-in-pack",
                        "no register of the pack begins in {place!r} with {size} words; it has {known}",
                        place=place,
                        size=len(said),
                        known=[f"{one.table} {one.address}" for one in self.registers[:20]],
                    )
                )
            words |= {(table, int(address) + number): int(word) for number, word in enumerate(said)}
        found: dict[str, Value] = {}
        for register in self.registers:
            at = [(register.table, register.address + number) for number in range(register.size)]
            if all(place in words for place in at):
                value = decode(register, [words[place] for place in at])
                if value is not None:
                    found[register.metric] = value
        return found
