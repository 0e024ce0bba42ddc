"""Groups the registers of a map into the fewest requests. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from integrations.modbus.settings import BITS, MOST_BITS, MOST_REGISTERS, Register, Table


@dataclass(frozen=True, slots=True)
class Request:
    """A read request: `count` registers (or bits) of one table from `address`, and the registers of the map in it."""

    table: Table
    address: int
    count: int
    registers: tuple[Register, ...]

    def words_of(self, register: Register, words: list[int]) -> list[int]:
        """Return the part of this request's answer that belongs to `register`."""
        start = register.address - self.address
        return words[start : start + register.size]

    def __str__(self) -> str:
        last = self.address + self.count - 1
        where = f"{self.table} {self.address}" + (f"..{last}" if self.count > 1 else "")
        names = ", ".join(register.metric for register in self.registers)
        return f"{where} ({names})" if names else where


def plan(registers: Iterable[Register], *, max_gap: int, max_registers: int = MOST_REGISTERS) -> tuple[Request, ...]:
    """Merge neighbours of one table, at most `max_gap` unwanted registers apart, into requests of at most
    `max_registers` registers (2000 bits). Taking them in order of address is optimal: a register that does not
    fit the open request cannot be reached by closing it earlier."""
    requests: list[Request] = []
    for register in sorted(registers, key=lambda r: (r.table, r.address, r.size)):
        most = MOST_BITS if register.table in BITS else max_registers
        joined = _join(requests[-1], register, max_gap, most) if requests else None
        if joined is None:
            requests.append(Request(register.table, register.address, register.size, (register,)))
        else:
            requests[-1] = joined
    return tuple(requests)


def split(request: Request) -> tuple[Request, ...]:
    """Make one request for each register, to find the one that a device refuses."""
    return tuple(Request(request.table, r.address, r.size, (r,)) for r in request.registers)


def _join(request: Request, register: Register, max_gap: int, most: int) -> Request | None:
    end = request.address + request.count
    count = max(end, register.address + register.size) - request.address
    if request.table != register.table or register.address - end > max_gap or count > most:
        return None
    return Request(request.table, request.address, count, (*request.registers, register))
