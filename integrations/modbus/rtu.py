"""Modbus RTU over a serial line shared by the hub, or a converter behind TCP.

MODBUS over Serial Line V1.02, §2.5.1: address, PDU, CRC-16; frames are separated by silence. Here they are cut by the
length that their function code implies, which needs no clock.

A frame has no transaction number: an answer that arrives after its time-out looks like that to the next request. An
answer is accepted only where address, function and length match the request (for a write: the register too); other
whole frames are skipped (§2.4.1: a reply from an unexpected slave does not end the waiting). Where the next request
cannot be distinguished from a lost one by these, it waits one more time-out, until that one's answer counts as lost. A
request that was sent twice may get both answers.
"""

from __future__ import annotations

from datetime import timedelta

from pymodbus.framer import FramerRTU
from pymodbus.pdu import ModbusPDU

import hub
from hub.sdk.phrases import phrase
from hub.sdk.session import Bus
from integrations.modbus.asking import Asker, Decoder
from integrations.modbus.faults import Silent
from integrations.modbus.settings import Config

_BITS, _WORDS, _WRITES, _IDENTIFY = (1, 2), (3, 4), (5, 6, 15, 16), 43
_ERROR = 0x80

Kind = tuple[int, int, int]
"""Properties that distinguish answers: unit, function, bytes of data."""


class SerialLine(Asker):
    """The units of one bus. Raises NotReady whenever the line is gone."""

    def __init__(self, config: Config, bus: Bus) -> None:
        super().__init__(config.max_rate, config.timeout.total_seconds())
        self._name = config.bus
        self.peer = f"bus {config.bus}"
        self._bus = bus
        self._decoder = Decoder(False)
        self._framer = FramerRTU(self._decoder)
        self._lost: dict[Kind, tuple[bytes, float]] = {}
        """Kind of answer → the request that has one to come yet, and the monotonic second until which it may."""

    async def _settled(self, pdu: ModbusPDU) -> None:
        now = self._monotonic()
        self._lost = {kind: lost for kind, lost in self._lost.items() if lost[1] > now}
        asked = self._framer.buildFrame(pdu)
        lost, until = self._lost.get(_kind(asked), (asked, now))
        if lost != asked:  # an equal request may be sent at once: either answer will do
            await self._sleep(until - now)
            del self._lost[_kind(asked)]

    async def _ask(self, pdu: ModbusPDU, timeout_s: float) -> ModbusPDU:
        asked = self._framer.buildFrame(pdu)
        again = _kind(asked) in self._lost  # an equal request, or `_settled` had waited
        answer, whole = _Answer(asked), False
        try:
            came = await self._bus.transact(asked, answer.end, timeout=timedelta(seconds=timeout_s))
            whole = came is not None
        finally:
            if not whole:
                self._lost[_kind(asked)] = asked, self._monotonic() + self._timeout_s
            elif again:  # this may answer the earlier request: wait the full time for the own answer
                self._lost[_kind(asked)] = asked, self._monotonic() + 2 * self._timeout_s
        if came is None:
            if answer.others:
                raise hub.DecodeError("bad-answer", _foreign(pdu.dev_id))
            raise Silent(
                phrase(
                    "modbus.unit-silent-on-bus",
                    "unit {unit} on bus {bus} does not answer",
                    unit=pdu.dev_id,
                    bus=self._name,
                )
            )
        frame = came[answer.begin :]
        if not _sound(frame):
            raise hub.DecodeError(
                "bad-crc",
                phrase(
                    "modbus.answer-damaged",
                    "an answer of unit {unit} on bus {bus} was damaged on its way",
                    unit=pdu.dev_id,
                    bus=self._name,
                ),
            )
        return self._decoder.decode(frame[1:-2])


class _Answer:
    """Finds the answer to one request in the received bytes, from `begin` on. `others`: frames that were skipped."""

    def __init__(self, asked: bytes) -> None:
        self._asked, self._data = asked, _kind(asked)[2]
        self.begin = self.others = 0

    def end(self, came: bytes) -> int | None:
        """Return where the answer ends, None while more must come. Raises DecodeError for an invalid frame."""
        while len(came) >= self.begin + 3:
            frame = came[self.begin :]
            size = _size(frame)
            if size is not None and len(frame) < size:
                return None
            if size is not None and self._fits(frame):
                return self.begin + size
            if size is None or not _sound(frame[:size]):
                raise hub.DecodeError("bad-answer", _foreign(self._asked[0]))
            self.begin += size
            self.others += 1
        return None

    def _fits(self, frame: bytes) -> bool:
        asked = self._asked
        if frame[0] != asked[0] or frame[1] & ~_ERROR != asked[1]:
            return False
        if frame[1] & _ERROR:
            return True
        if asked[1] == _IDENTIFY:
            return frame[2:4] == asked[2:4]
        return frame[2:4] == asked[2:4] if asked[1] in _WRITES else frame[2] == self._data


def _kind(asked: bytes) -> Kind:
    count = int.from_bytes(asked[4:6], "big")
    if asked[1] in _BITS:
        return asked[0], asked[1], (count + 7) // 8
    return asked[0], asked[1], 2 * count if asked[1] in _WORDS else 0


def _size(frame: bytes) -> int | None:
    """Return the bytes of the whole answer that begins here, by its function; None for a function that is not used."""
    if frame[1] & _ERROR:
        return 5
    if frame[1] in (*_BITS, *_WORDS):
        return 5 + frame[2]
    if frame[1] == _IDENTIFY:
        return _size_of_identification(frame)
    return 8 if frame[1] in _WRITES else None


def _size_of_identification(frame: bytes) -> int:
    """Return the bytes of an answer to 43/14, by the lengths of its objects; one more than there are, while these are
    not all there."""
    end = 8
    if len(frame) < end:
        return len(frame) + 1
    for _ in range(frame[7]):
        if len(frame) < end + 2:
            return len(frame) + 1
        end += 2 + frame[end + 1]
    return end + 2


def _sound(frame: bytes) -> bool:
    return bool(FramerRTU.check_CRC(frame[:-2], int.from_bytes(frame[-2:], "big")))


def _foreign(unit: int) -> str:
    return phrase(
        "modbus.foreign-answer",
        "what came is no answer of unit {unit}: are two masters on this line, or two units alike?",
        unit=unit,
    )
