"""Sends requests one at a time, at a limited rate, over any transport.

MODBUS Application Protocol V1.1b3. Reads are function codes 1 to 4; writes, for commands only, are 5 (one coil), 6 (one
register) and 16 (several, or one where a device does not know 6).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence

from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest, WriteSingleCoilRequest
from pymodbus.pdu.mei_message import ReadDeviceInformationRequest, ReadDeviceInformationResponse
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

import hub
from hub.sdk.phrases import phrase
from integrations.modbus.faults import Refused, Silent, Unsent
from integrations.modbus.plan import Request
from integrations.modbus.settings import BITS, Register

_READS: dict[str, type[ModbusPDU]] = {
    "coil": ReadCoilsRequest, "discrete": ReadDiscreteInputsRequest, "holding": ReadHoldingRegistersRequest,
    "input": ReadInputRegistersRequest,
}  # fmt: skip
_ILLEGAL_FUNCTION = 1
_IDENTIFICATION = "identification (43/14)"
_BASIC, _REGULAR = 1, 2
FIRST_REGULAR, LAST_REGULAR = 3, 6
"""Objects of an identification that a unit may have beside vendor, product code and revision (§6.21)."""
MOST_ANSWERS = 4
"""Maximum number of answers of one kind of identification."""

SHORTEST_S, PATIENT, FORGETS = 0.2, 4.0, 0.99
"""Time-out for a unit that was silent: its minimum in seconds, its factor on the slowest answer, and the decay of that
one."""


class Asker(ABC):
    """Sends requests to the units of one host or line, and returns their answers. `max_rate` is in requests a
    second."""

    peer: str
    """Name of the host or line, for messages."""
    answered_s: dict[int, float]
    """Unit → duration of its last answer in seconds."""

    def __init__(
        self,
        max_rate: float,
        timeout_s: float,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        # pymodbus would log whole frames; its errors are raised here in our own words
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)
        self._max_rate, self._timeout_s = max_rate, timeout_s
        self._sleep, self._monotonic = sleep, monotonic
        self._slowest_s = 0.0
        self.answered_s = {}
        self._free_at = 0.0
        self._turn = asyncio.Lock()  # first come, first served: a dead unit holds it for one time-out only

    @abstractmethod
    async def _ask(self, pdu: ModbusPDU, timeout_s: float) -> ModbusPDU:
        """Return the answer to one request to `pdu.dev_id`. Raises Silent (no answer), DecodeError (an invalid answer)
        or NotReady (the connection is lost)."""

    @abstractmethod
    async def _settled(self, pdu: ModbusPDU) -> None:
        """Wait until the answer to an earlier request cannot be mistaken for the one to this."""

    @property
    def short_s(self) -> float:
        """Return the time-out for a unit that was silent the last time: a multiple of the slowest recent answer of the
        others, so that a dead unit costs them little."""
        return min(self._timeout_s, max(SHORTEST_S, PATIENT * self._slowest_s)) if self._slowest_s else self._timeout_s

    async def read(
        self, unit: int, request: Request, *, attempts: int = 1, silent: bool = False, within_s: float = math.inf
    ) -> list[int]:
        """Return the words of one request: registers as 0..65535, bits as 0 or 1, exactly `request.count` of them.

        `silent`: the unit did not answer the last time; `within_s`: do not wait longer. Raises Silent (no answer after
        `attempts`), Refused (an exception response), DecodeError (an invalid answer) or NotReady (the connection is
        lost)."""
        kind = _READS[request.table]
        for left in reversed(range(attempts)):
            try:
                pdu = kind(address=request.address, count=request.count, dev_id=unit)
                answer = await self._paced(pdu, min(within_s, self.short_s if silent else self._timeout_s))
            except Silent:
                silent = True
                if not left:
                    raise
            else:
                return _words(request, answer)
        raise ValueError("attempts must be 1 or more")

    async def identification(self, unit: int, within_s: float = math.inf) -> dict[int, str]:
        """Return what a unit says of itself, by the number of the object (§6.21): the basic ones, and the regular ones
        of a unit that has them. Raises as `read`."""
        found, conformity = await self._objects(unit, _BASIC, 0, within_s)
        if conformity & 0x7F >= _REGULAR:
            with contextlib.suppress(Silent, hub.DecodeError):  # it promises more than it has
                found |= (await self._objects(unit, _REGULAR, FIRST_REGULAR, within_s))[0]
        return found

    async def _objects(self, unit: int, code: int, first: int, within_s: float) -> tuple[dict[int, str], int]:
        """Return the objects of one kind of identification, and the kinds that the unit has."""
        found: dict[int, str] = {}
        for _ in range(MOST_ANSWERS):
            pdu = ReadDeviceInformationRequest(read_code=code, object_id=first, dev_id=unit)
            answer = _identified(await self._paced(pdu, min(within_s, self._timeout_s)))
            found |= _texts(answer)
            first = answer.next_object_id if answer.more_follows else 0
            if not first:
                break
        return found, answer.conformity

    async def write(
        self, unit: int, register: Register, words: Sequence[int], wanted: Callable[[], bool] = lambda: True
    ) -> None:
        """Write one register of the map, once: without an answer it may have been written.

        `wanted` is called right before it is sent, since others may have been served for long. Raises as `read`, and
        Unsent."""
        try:
            await self._write(_writing(unit, register, words), register, wanted)
        except Refused as error:
            if error.code != _ILLEGAL_FUNCTION or register.table in BITS or len(words) > 1:
                raise
            several = WriteMultipleRegistersRequest(address=register.address, registers=[*words], dev_id=unit)
            await self._write(several, register, wanted)  # some devices support only the function for several

    async def _write(self, pdu: ModbusPDU, register: Register, wanted: Callable[[], bool]) -> None:
        answer = await self._paced(pdu, self._timeout_s, wanted)
        what = f"{register.table} {register.address} ({register.metric})"
        if isinstance(answer, ExceptionResponse):
            raise Refused(answer.exception_code, what)
        if answer.isError() or answer.function_code != pdu.function_code or answer.address != pdu.address:
            raise hub.DecodeError(
                "bad-answer",
                phrase("modbus.answer-does-not-match", "{request}: not an answer to what was asked", request=what),
            )

    async def _paced(self, pdu: ModbusPDU, timeout_s: float, wanted: Callable[[], bool] = lambda: True) -> ModbusPDU:
        async with self._turn:
            wait = self._free_at - self._monotonic()
            if wait > 0:
                await self._sleep(wait)
            await self._settled(pdu)
            if not wanted():
                raise Unsent
            self._free_at = self._monotonic() + 1 / self._max_rate
            began = self._monotonic()
            answer = await self._ask(pdu, timeout_s)
            took = self._monotonic() - began
            self._slowest_s = max(took, self._slowest_s * FORGETS)
            self.answered_s[pdu.dev_id] = took
            return answer


def _identified(answer: ModbusPDU) -> ReadDeviceInformationResponse:
    if isinstance(answer, ExceptionResponse):
        raise Refused(answer.exception_code, _IDENTIFICATION)
    if not isinstance(answer, ReadDeviceInformationResponse):
        raise hub.DecodeError(
            "bad-answer",
            phrase(
                "modbus.answer-does-not-match", "{request}: not an answer to what was asked", request=_IDENTIFICATION
            ),
        )
    return answer


def _texts(answer: ReadDeviceInformationResponse) -> dict[int, str]:
    """Return the objects that are texts for people; an answer cannot hold more than its 253 bytes."""
    texts = {
        number: "".join(c if c.isprintable() else " " for c in data.decode("utf-8", "replace")).strip()
        for number, data in answer.information.items()
        if isinstance(data, bytes) and number <= LAST_REGULAR
    }
    return {number: text for number, text in texts.items() if text}


class Unreadable(ModbusPDU):
    """A placeholder for an answer that no PDU class could decode."""


class Decoder(DecodePDU):
    """Decoder that returns an unreadable answer like any other, so that the caller refuses it. pymodbus raises into the
    event loop instead, which logs a traceback and breaks the connection for all units."""

    def decode(self, frame: bytes) -> ModbusPDU:
        return super().decode(frame) or Unreadable()


def _writing(unit: int, register: Register, words: Sequence[int]) -> ModbusPDU:
    if register.table in BITS:
        return WriteSingleCoilRequest(address=register.address, bits=[bool(words[0])], dev_id=unit)
    if len(words) == 1:
        return WriteSingleRegisterRequest(address=register.address, registers=[*words], dev_id=unit)
    return WriteMultipleRegistersRequest(address=register.address, registers=[*words], dev_id=unit)


def _words(request: Request, response: ModbusPDU) -> list[int]:
    if isinstance(response, ExceptionResponse):
        raise Refused(response.exception_code, request)
    if response.isError() or response.function_code != _READS[request.table].function_code:
        raise hub.DecodeError(
            "bad-answer",
            phrase("modbus.answer-does-not-match", "{request}: not an answer to what was asked", request=request),
        )
    words = [int(word) for word in (response.bits if request.table in BITS else response.registers)]
    spare = 7 if request.table in BITS else 0  # bits are padded to whole bytes
    if not request.count <= len(words) <= request.count + spare:
        raise hub.DecodeError(
            "truncated",
            phrase(
                "modbus.wrong-answer-length",
                "{request}: {asked} asked, {received} came",
                request=request,
                asked=request.count,
                received=len(words),
            ),
        )
    return words[: request.count]
