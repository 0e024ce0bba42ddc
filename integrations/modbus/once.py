"""Reads the registers of one device once: for a proposal, and for what a person looks at before it is saved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import hub
from hub.sdk.finding import Tried
from hub.sdk.phrases import phrase
from integrations.modbus.decode import Value, decode
from integrations.modbus.faults import Refused, Silent
from integrations.modbus.plan import Request, plan, split
from integrations.modbus.settings import MOST_REGISTERS, DeviceSettings, Register
from integrations.modbus.sunspec import Points, discover

Read = Callable[[Request], Awaitable[list[int]]]


async def values_now(
    read: Read, registers: Iterable[Register], *, max_gap: int, max_registers: int
) -> tuple[dict[str, Value], dict[str, str]]:
    """Return the values by metric, and why the others have none. Raises Silent and NotReady, and Refused where the
    whole device is away."""
    values: dict[str, Value] = {}
    wrong: dict[str, str] = {}
    waiting = [*reversed(plan(registers, max_gap=max_gap, max_registers=max_registers))]
    answered = False
    while waiting:
        request = waiting.pop()
        try:
            words = await read(request)
        except (Refused, Silent) as error:
            if isinstance(error, Refused) and error.whole_device:
                raise
            if isinstance(error, Silent) and not answered:
                raise
            if len(request.registers) > 1:
                waiting += reversed(split(request))
            else:
                wrong |= {one.metric: _why(error) for one in request.registers}
            continue
        except hub.DecodeError as error:
            wrong |= {one.metric: error.detail for one in request.registers}
            continue
        answered = True
        for register in request.registers:
            try:
                value = decode(register, request.words_of(register, words))
            except hub.DecodeError as error:
                wrong[register.metric] = error.detail
                continue
            if value is None:
                wrong[register.metric] = phrase("modbus.device-says-no-value", "the device says that it has no value")
            else:
                values[register.metric] = value
    return values, wrong


async def tried(read: Read, settings: DeviceSettings) -> Tried:
    """Return what a device with these settings says now. Raises as `values_now`, and DecodeError where there is no
    SunSpec map."""
    metrics = list(settings.own_metrics())
    values, wrong = await values_now(
        read, settings.registers, max_gap=settings.max_gap, max_registers=settings.max_registers
    )
    if settings.sunspec:
        found = await discover(read, settings.sunspec_address)
        points = Points(found.part(settings.sunspec_part), {one.metric for one in settings.registers})
        raw, _ = await values_now(read, points.registers, max_gap=MOST_REGISTERS, max_registers=settings.max_registers)
        values |= points.values(raw, lambda error: None)
        metrics += points.metrics
    return Tried(values=values, wrong=wrong, metrics=tuple(metrics))


def _why(error: Refused | Silent) -> str:
    if isinstance(error, Refused):
        return error.detail
    return phrase("modbus.no-answer-to-this", "no answer to this request: the device may not have the register")
