"""A modem on a serial line (3GPP TS 27.007 and TS 27.005), in PDU mode: signs on, waits for registration, sends a
message."""

from __future__ import annotations

import asyncio
import re

import hub
from hub.sdk import serial_line
from hub.sdk.phrases import phrase, reason_of
from plugins.sms.pdu import Pdu

ANSWER_S, SEND_S = 10.0, 60.0
LIMIT = 64 * 1024
CTRL_Z, ESC = b"\x1a", b"\x1b"
REGISTERED = ("1", "5")
"""Registration states: home, roaming (TS 27.007 section 7.2)."""
REFUSED = frozenset((1, 8, 10, 21, 28, 29, 50, 69))
"""Permanent errors of TS 27.005 section 3.2.5 (TS 24.011 annex E-2): the number or the subscription is wrong."""
_ERROR = re.compile(r"\+CM([ES]) ERROR: ?(\d+)")


class Refused(Exception):
    """The network refuses this message permanently. `str` gives the reason."""


class Failed(Exception):
    """A command was answered with an error: `code` of +CMS or +CME ERROR, None where the modem gives none."""

    def __init__(self, said: str) -> None:
        found = _ERROR.search(said)
        self.code = int(found[2]) if found else None
        super().__init__(said)


class Modem:
    """A modem on an open line."""

    def __init__(self, line: serial_line.SerialLine) -> None:
        self._line = line
        self._buffer = b""

    async def sign_on(self, pin: str) -> None:
        """Sign on. Raises NotReady until it is registered, AuthFailed where the SIM card needs a person."""
        await self._line.send(ESC + b"\r")  # cancel a command left incomplete by an earlier process
        await self._command("AT")
        self._buffer = b""
        await self._command("ATE0")
        await self._command("AT+CMEE=1")
        try:
            state = _value(await self._command("AT+CPIN?"), "+CPIN:")
        except Failed as error:
            raise hub.AuthFailed(
                phrase(
                    "sms.sim-card-unreadable",
                    "{port}: no SIM card can be read ({reason}): look at it",
                    port=self._line.port,
                    reason=reason_of(error),
                )
            ) from error
        if state == "SIM PIN":
            await self._unlock(pin)
        elif state != "READY":
            raise hub.AuthFailed(
                phrase(
                    "sms.sim-card-locked",
                    "{port}: the SIM card asks for {code}: a person must unlock it",
                    port=self._line.port,
                    code=state,
                )
            )
        if not await self._registered():
            raise hub.NotReady(
                phrase(
                    "sms.modem-without-network",
                    "{port}: the modem is in no network yet: aerial, contract?",
                    port=self._line.port,
                )
            )
        await self._command("AT+CMGF=0")

    async def submit(self, pdu: Pdu) -> None:
        """Send one message. Raises NotReady, Refused."""
        await self._line.send(f"AT+CMGS={pdu.length}\r".encode())
        try:
            await self._until(ANSWER_S, prompt=True)
            await self._line.send(pdu.hex.encode() + CTRL_Z)
            await self._until(SEND_S)
        except Failed as error:
            if error.code in REFUSED and "CMS" in str(error):
                raise Refused(str(error)) from error
            raise hub.NotReady(
                phrase(
                    "sms.network-takes-nothing",
                    "{port}: the network takes no message now ({reason})",
                    port=self._line.port,
                    reason=reason_of(error),
                )
            ) from error

    async def _unlock(self, pin: str) -> None:
        """Enter the PIN, once only: a card counts wrong attempts, and three lock it."""
        if not pin:
            raise hub.AuthFailed(
                phrase(
                    "sms.pin-missing",
                    "{port}: the SIM card asks for its PIN: give it as `pin`",
                    port=self._line.port,
                )
            )
        try:
            await self._command(f'AT+CPIN="{pin}"')
        except Failed as error:
            raise hub.AuthFailed(
                phrase(
                    "sms.pin-refused",
                    "{port}: the SIM card refuses this PIN; it is not tried again",
                    port=self._line.port,
                )
            ) from error

    async def _registered(self) -> bool:
        for question in ("CREG", "CEREG"):
            try:
                said = _value(await self._command(f"AT+{question}?"), f"+{question}:")
            except Failed:  # old modems do not support CEREG
                continue
            if said.split(",")[1:2] and said.split(",")[1].strip() in REGISTERED:
                return True
        return False

    async def _command(self, text: str) -> list[str]:
        """Return the lines of its answer, without the result. Raises Failed, NotReady."""
        await self._line.send(text.encode() + b"\r")
        return await self._until(ANSWER_S)

    async def _until(self, seconds: float, *, prompt: bool = False) -> list[str]:
        """Return lines up to OK, an error, or the prompt for a message, unsolicited ones included."""
        lines: list[str] = []
        try:
            async with asyncio.timeout(seconds):
                while True:
                    if prompt and self._buffer.lstrip(b"\r\n").startswith(b">"):
                        self._buffer = b""
                        return lines
                    line, newline, rest = self._buffer.partition(b"\n")
                    if not newline:
                        self._buffer += await self._line.receive()
                        if len(self._buffer) > LIMIT:
                            raise hub.NotReady(
                                phrase("sms.not-a-modem", "{port} does not speak like a modem", port=self._line.port)
                            )
                        continue
                    self._buffer = rest
                    said = line.strip().decode("ascii", "replace")
                    if said == "OK" and not prompt:
                        return lines
                    if said == "ERROR" or _ERROR.fullmatch(said):
                        raise Failed(said)
                    if said:
                        lines.append(said)
        except TimeoutError:
            raise hub.NotReady(
                phrase(
                    "sms.modem-silent",
                    "{port}: the modem does not answer within {seconds:g} s",
                    port=self._line.port,
                    seconds=seconds,
                )
            ) from None


def _value(lines: list[str], prefix: str) -> str:
    return next((line[len(prefix) :].strip() for line in lines if line.startswith(prefix)), "")
