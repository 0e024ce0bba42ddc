"""A KNXnet/IP server with tunnels: frames in, frames out. No I/O.

KNX Standard v2.1, 03_08_02 Core (search, description, connections) and 03_08_04 Tunnelling (link layer, over UDP and,
from version 2, TCP). Written for the simulator: it checks only as much of its input as it needs to answer.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

SEARCH, SEARCH_ANSWER, DESCRIBE, DESCRIBE_ANSWER = 0x0201, 0x0202, 0x0203, 0x0204
CONNECT, CONNECT_ANSWER, STATE, STATE_ANSWER = 0x0205, 0x0206, 0x0207, 0x0208
DISCONNECT, DISCONNECT_ANSWER = 0x0209, 0x020A
SEARCH_EXTENDED, SEARCH_EXTENDED_ANSWER = 0x020B, 0x020C
TUNNEL, TUNNEL_ACK = 0x0420, 0x0421

NO_ERROR, NO_CHANNEL, NO_TUNNEL = 0x00, 0x21, 0x24
IND, REQ, CON = 0x29, 0x11, 0x2E

_HEADER = struct.Struct(">BBHH")
_UDP, _TCP = 1, 2


class Peer(NamedTuple):
    """Sender of a frame, and destination of the answers: an address over UDP, a connection over TCP."""

    key: Any
    tcp: bool = False


@dataclass(slots=True)
class Channel:
    """An open tunnel."""

    peer: Peer
    address: int
    received: int = 0
    sent: int = 0


Bus = Callable[[bytes], list[bytes]]
"""Called with a telegram (L_Data.ind); returns the further telegrams that it causes."""


def frame(service: int, body: bytes) -> bytes:
    return _HEADER.pack(6, 0x10, service, 6 + len(body)) + body


def split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Split `data` into whole frames, each a service and a body, and the rest."""
    while len(data) >= 6:
        size, version, service, total = _HEADER.unpack_from(data)
        if size != 6 or version != 0x10 or total < 6 or len(data) < total:
            return
        yield service, data[6:total]
        data = data[total:]


class Server:
    """The server. `host` and `port`: the address it announces; `tcp`: whether it offers tunnels over TCP."""

    def __init__(
        self, bus: Bus, host: str, port: int, *, tunnels: int = 4, tcp: bool = True, name: str = "ilot sim"
    ) -> None:
        self._bus = bus
        self._host, self._port = host, port
        self._tunnels = tunnels
        self._tcp = tcp
        self._name = name
        self.address = 0x11FA  # 1.1.250
        self.channels: dict[int, Channel] = {}

    def receive(self, service: int, body: bytes, peer: Peer) -> list[tuple[Peer, bytes]]:
        """Return the frames to send, with their recipients, in answer to one frame. Invalid frames get no answer."""
        try:
            return self._answer(service, body, peer)
        except (IndexError, struct.error):
            return []

    def gone(self, peer: Peer) -> None:
        """Close the tunnels of a connection that has ended."""
        self.channels = {number: c for number, c in self.channels.items() if c.peer != peer}

    def spread(self, cemi: bytes, but: int | None = None) -> list[tuple[Peer, bytes]]:
        """Send a telegram to every tunnel except its source, and to the bus; return the answers."""
        out = [self._tunnelled(n, c, cemi) for n, c in self.channels.items() if n != but]
        for more in self._bus(cemi):
            out += self.spread(more)
        return out

    def _answer(self, service: int, body: bytes, peer: Peer) -> list[tuple[Peer, bytes]]:
        match service:
            case 0x0201 | 0x020B:
                if service == SEARCH:
                    return [(peer, frame(SEARCH_ANSWER, self._hpai(peer) + self._description()))]
                return [(peer, frame(SEARCH_EXTENDED_ANSWER, self._hpai(peer) + self._description() + self._slots()))]
            case 0x0203:
                return [(peer, frame(DESCRIBE_ANSWER, self._description()))]
            case 0x0205:
                return [(peer, self._connect(body, peer))]
            case 0x0207:
                status = NO_ERROR if body[0] in self.channels else NO_CHANNEL
                return [(peer, frame(STATE_ANSWER, bytes((body[0], status))))]
            case 0x0209:
                self.channels.pop(body[0], None)
                return [(peer, frame(DISCONNECT_ANSWER, bytes((body[0], NO_ERROR))))]
            case 0x0420:
                return self._tunnel(body, peer)
        return []

    def _hpai(self, peer: Peer) -> bytes:
        if peer.tcp:
            return bytes((8, _TCP)) + bytes(6)
        return bytes((8, _UDP)) + bytes(map(int, self._host.split("."))) + self._port.to_bytes(2, "big")

    def _description(self) -> bytes:
        device = struct.pack(
            ">BBBBHH6s4s6s30s",
            54,
            1,
            2,
            0,
            self.address,
            0,
            b"\0\xfa\0\0\0\1",
            bytes(4),
            b"\2\0\0\0\0\1",
            self._name.encode("latin-1", "replace")[:29],
        )
        core, tunnelling = (2, 2) if self._tcp else (1, 1)
        return device + bytes((6, 2, 2, core, 4, tunnelling))

    def _slots(self) -> bytes:
        """Return the state of the tunnels: usable, authorised, free."""
        slots = b"".join(
            (self.address + n).to_bytes(2, "big") + (b"\xff\xfe" if n in self.channels else b"\xff\xff")
            for n in range(1, self._tunnels + 1)
        )
        return bytes((4 + len(slots), 7)) + (254).to_bytes(2, "big") + slots

    def _connect(self, body: bytes, peer: Peer) -> bytes:
        information = body[16:]
        free = next((n for n in range(1, self._tunnels + 1) if n not in self.channels), None)
        if free is None or information[1] != 4 or information[2] != 2:
            return frame(CONNECT_ANSWER, bytes((0, NO_TUNNEL)))
        data = body[8:16]
        address = self.address + free
        if not peer.tcp and any(data[2:]) and isinstance(peer.key, tuple):
            peer = Peer((".".join(map(str, data[2:6])), int.from_bytes(data[6:8], "big")))
        self.channels[free] = Channel(peer, address)
        return frame(
            CONNECT_ANSWER, bytes((free, NO_ERROR)) + self._hpai(peer) + b"\x04\x04" + address.to_bytes(2, "big")
        )

    def _tunnel(self, body: bytes, peer: Peer) -> list[tuple[Peer, bytes]]:
        number, sequence, cemi = body[1], body[2], body[4:]
        channel = self.channels.get(number)
        if channel is None:
            return []
        out: list[tuple[Peer, bytes]] = []
        if not peer.tcp:
            if sequence not in (channel.received, channel.received - 1 & 0xFF):
                return []
            out.append((channel.peer, frame(TUNNEL_ACK, bytes((4, number, sequence, NO_ERROR)))))
            if sequence != channel.received:  # repeated: acknowledge again, execute once
                return out
        channel.received = channel.received + 1 & 0xFF
        if not cemi or cemi[0] != REQ:
            return out
        start = 2 + cemi[1]
        source = channel.address.to_bytes(2, "big")
        told = cemi[1:start] + cemi[start : start + 2] + source + cemi[start + 4 :]
        out.append(self._tunnelled(number, channel, bytes((CON,)) + told))
        return out + self.spread(bytes((IND,)) + told, but=number)

    def _tunnelled(self, number: int, channel: Channel, cemi: bytes) -> tuple[Peer, bytes]:
        sequence = channel.sent
        channel.sent = sequence + 1 & 0xFF
        return channel.peer, frame(TUNNEL, bytes((4, number, sequence, 0)) + cemi)
