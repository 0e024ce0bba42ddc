"""Parses the output of wireless M-Bus receivers, one telegram a line. Pure.

rtl_wmbus   T1;1;1;2019-04-03 19:00:42.000;97;148;88888888;0x6e44…    mode, CRC right, …, telegram without CRCs
CUL         b2E4493…6F                                               telegram with CRCs, then LQI and RSSI
others      2E4493…8A                                                the telegram, with or without CRCs
"""

from __future__ import annotations

import hub
from hub.sdk.phrases import phrase
from integrations.mbus import radio

MAX_LINE = 1024


def telegram(line: str) -> bytes:
    """Return the telegram of one line. Raises DecodeError: `wmbus-line`, `wmbus-frame`, `wmbus-crc`."""
    text = line.strip()
    if ";" in text:
        fields = text.split(";")
        if len(fields) < 8 or not fields[-1].startswith("0x"):
            raise hub.DecodeError(
                "wmbus-line", phrase("mbus.not-a-receiver-line", "neither a telegram nor a line of rtl_wmbus")
            )
        if fields[1] != "1":
            raise hub.DecodeError(
                "wmbus-crc", phrase("mbus.checksum-wrong-at-receiver", "the receiver says that a checksum is wrong")
            )
        return radio.strip(_hex(fields[-1][2:]))
    if text[:1] == "b" and len(text) % 2:
        raw = _hex(text[1:])
        try:
            return radio.strip(raw)
        except hub.DecodeError:
            return radio.strip(raw[:-2])
    return radio.strip(_hex(text))


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise hub.DecodeError("wmbus-line", phrase("mbus.not-hexadecimal", "not hexadecimal")) from None


class Lines:
    """Cuts a stream into lines; one that is too long is dropped up to its end."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that `data` completes, without empty ones."""
        found = []
        for byte in data:
            if byte in (0x0A, 0x0D):
                if self._rest and not self._skipping:
                    found.append(self._rest.decode("ascii", "replace"))
                self._rest.clear()
                self._skipping = False
            elif len(self._rest) >= MAX_LINE:
                self._skipping = True
            else:
                self._rest.append(byte)
        return found
