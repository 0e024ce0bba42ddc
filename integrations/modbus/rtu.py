"""Modbus over a serial line that the hub lends: RTU, also behind a converter that speaks TCP.

MODBUS over Serial Line V1.02, §2.5.1: address, PDU, CRC-16; frames are told apart by silence. What has come is cut by
the length that its function code means, which needs no clock.
"""

from __future__ import annotations

from datetime import timedelta

from pymodbus.framer import FramerRTU
from pymodbus.pdu import ModbusPDU

import hub
from integrations.modbus.asking import Asker, Decoder
from integrations.modbus.faults import Silent
from integrations.modbus.settings import Config

_READS, _WRITES = (1, 2, 3, 4), (5, 6, 15, 16)
_ERROR = 0x80


class SerialLine(Asker):
    """The units of one bus. Raises NotReady whenever the line is gone."""

    def __init__(self, config: Config, bus: hub.Bus) -> None:
        super().__init__(config.max_rate, config.timeout.total_seconds())
        self.peer = f"bus {config.bus}"
        self._bus = bus
        self._decoder = Decoder(False)
        self._framer = FramerRTU(self._decoder)

    async def _ask(self, pdu: ModbusPDU, timeout_s: float) -> ModbusPDU:
        def whole(came: bytes) -> int | None:
            return _size(came, pdu.dev_id, pdu.function_code)

        frame = await self._bus.transact(self._framer.buildFrame(pdu), whole, timeout=timedelta(seconds=timeout_s))
        if frame is None:
            raise Silent(f"unit {pdu.dev_id} on {self.peer} does not answer")
        if not FramerRTU.check_CRC(frame[:-2], int.from_bytes(frame[-2:], "big")):
            raise hub.DecodeError("bad-crc", f"an answer of unit {pdu.dev_id} on {self.peer} was damaged on its way")
        return self._decoder.decode(frame[1:-2])


def _size(came: bytes, unit: int, function: int) -> int | None:
    """Bytes of the whole answer, None while more must come. Raises DecodeError when it is another's or none."""
    if len(came) < 3:
        return None
    if came[0] != unit or came[1] & ~_ERROR != function:
        raise hub.DecodeError(
            "bad-answer", f"what came is no answer of unit {unit}: are two masters on this line, or two units alike?"
        )
    if came[1] & _ERROR:
        size = 5
    elif function in _READS:
        size = 5 + came[2]
    elif function in _WRITES:
        size = 8
    else:  # nothing else is asked
        raise hub.DecodeError("bad-answer", f"function {function} was not asked")
    return size if len(came) >= size else None
