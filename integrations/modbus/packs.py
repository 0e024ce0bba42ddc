"""The `registers` of a device pack: a register map, and its readings in vectors. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import Field

import hub
from hub.sdk.phrases import phrase
from integrations.modbus.decode import Value, decode
from integrations.modbus.settings import Register, Table


class RegisterMap(hub.Config):
    """What a pack of modbus holds."""

    registers: Annotated[tuple[Register, ...], Field(min_length=1, max_length=1000)]

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
