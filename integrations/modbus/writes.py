"""Commands: writes one register, then reads it back."""

from __future__ import annotations

from typing import Literal

from pydantic import ValidationError

import hub
from hub.sdk.phrases import phrase, reason_of
from hub.sdk.session import Answer
from integrations.modbus.asking import Asker
from integrations.modbus.decode import Value, decode
from integrations.modbus.encode import encode
from integrations.modbus.faults import Silent, Unsent
from integrations.modbus.plan import Request
from integrations.modbus.settings import DeviceSettings, Register


async def obey(session: hub.Session, link: Asker) -> None:
    """Carry out this plugin's commands until cancelled. Raises NotReady when the connection is lost."""
    async for command in session.commands:
        try:
            state, detail = await _one(command, session, link)
        except hub.NotReady as error:
            session.commands.answer(command, "failed", _perhaps(error))
            raise
        if state:
            session.commands.answer(command, state, detail)


async def _one(command: hub.Command, session: hub.Session, link: Asker) -> tuple[Answer | Literal[""], str]:
    """Carry out a command. Returns the outcome, "" where it was already answered: all writes were stopped while it
    waited for its turn."""
    device = session.devices.get(command.device)
    try:
        settings = DeviceSettings.model_validate(device.settings if device else {})
    except ValidationError:
        return "failed", phrase("modbus.settings-wrong", "the device's settings are wrong: `ilot check` shows where")
    register = next((one for one in settings.registers if one.metric == command.metric), None)
    if register is None:
        return "failed", phrase(
            "modbus.not-in-map", "{metric!r} is not in the device's register map", metric=command.metric
        )
    if command.value is None:
        return "failed", phrase("modbus.no-release", "a Modbus register cannot be let go: it keeps its last value")
    try:
        words = encode(register, command.value)
        await link.write(settings.unit, register, words, lambda: session.commands.wanted(command))
        session.commands.answer(command, "sent")
        stands = await _read_back(link, settings.unit, register)
    except Unsent:
        return "", ""
    except Silent as error:
        return "failed", _perhaps(error)
    except hub.DecodeError as error:
        session.radio.report_decode_error(command.device, error)
        return "failed", error.detail
    if stands is None and decode(register, words) is not None:
        return "failed", phrase("modbus.reads-back-none", "written, and the device answered; it reads back as no value")
    if stands != decode(register, words):
        return "failed", phrase(
            "modbus.reads-back-differently",
            "written, and the device answered; it reads back as {value}",
            value=stands,
        )
    return "done", ""


def _perhaps(error: hub.NotReady) -> str:
    return phrase(
        "modbus.perhaps-written", "it may have been written, look at the device: {reason}", reason=reason_of(error)
    )


async def _read_back(link: Asker, unit: int, register: Register) -> Value | None:
    request = Request(register.table, register.address, register.size, (register,))
    return decode(register, await link.read(unit, request, attempts=2))
