"""Guard before xknx's parser of KNX/IP frames (KNX Standard v2.1, 03_08_01 and 03_08_02), which a stranger reaches with
one datagram.

That parser does not end on a description block (DIB) of length 0, and takes memory until the machine has none. It
raises whatever its types raise, where only CouldNotParseKNXIP is caught. Importing this module puts the guard there.
"""

from __future__ import annotations

from xknx.exceptions import CouldNotParseKNXIP
from xknx.knxip import KNXIPFrame, KNXIPServiceType

HEAD, HPAI = 6, 8
DIB_LEAST = 2
_BLOCKS_AT = {
    KNXIPServiceType.SEARCH_RESPONSE.value: HEAD + HPAI,
    KNXIPServiceType.SEARCH_RESPONSE_EXTENDED.value: HEAD + HPAI,
    KNXIPServiceType.DESCRIPTION_RESPONSE.value: HEAD,
}
"""Service → where its description blocks begin."""
_NOT_OURS = KNXIPServiceType.SEARCH_REQUEST_EXTENDED.value
"""Asked of servers only; it has blocks of its own."""

_parse = KNXIPFrame.from_knx


def from_knx(data: bytes) -> tuple[KNXIPFrame, bytes]:
    """Parse one frame; returns it and what follows. Raises CouldNotParseKNXIP, or IncompleteKNXIPFrame, which is
    one."""
    service = int.from_bytes(data[2:4], "big")
    if service == _NOT_OURS:
        raise CouldNotParseKNXIP("not for a client")
    if service in _BLOCKS_AT:
        _check_blocks(data[: int.from_bytes(data[4:6], "big")], _BLOCKS_AT[service])
    try:
        return _parse(data)
    except CouldNotParseKNXIP:
        raise
    except Exception as error:  # of a stranger's datagram: ValueError, IndexError, ConversionError and others
        raise CouldNotParseKNXIP(f"{type(error).__name__}: {error}") from error


def _check_blocks(frame: bytes, at: int) -> None:
    while at < len(frame):
        if frame[at] < DIB_LEAST:
            raise CouldNotParseKNXIP("a description block without a length")
        at += frame[at]


KNXIPFrame.from_knx = staticmethod(from_knx)  # type: ignore[method-assign]
