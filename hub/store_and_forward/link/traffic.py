"""Bytes that went over the link this month, up and down: what a metered line is billed by, as near as we can see.

Counted where the operating system takes and gives them: TLS and the proxy's CONNECT included, TCP and IP headers
not (about 3 % more, and the acknowledgements of TCP). An uplink whose library opens its own sockets is counted by its
messages and their replies.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec


class Month(msgspec.Struct):
    """`month` is UTC, "2026-11"; "" before the clock was ever sure."""

    month: str = ""
    up: int = 0
    down: int = 0


class Traffic:
    """`memory`: what `remembered()` gave an earlier process; `now()` is Unix seconds, None while not sure."""

    def __init__(self, now: Callable[[], float | None], memory: Any = None) -> None:
        self._now = now
        try:
            self._month = msgspec.convert(memory, Month)
        except msgspec.ValidationError:
            self._month = Month()

    def add(self, up: int, down: int) -> None:
        month = self.month()
        month.up += up
        month.down += down

    def month(self) -> Month:
        """Return this month's traffic. While the clock is not sure, it is that of the month before."""
        now = self._now()
        if now is not None:
            name = time.strftime("%Y-%m", time.gmtime(now))
            if self._month.month not in ("", name):
                self._month = Month()
            self._month.month = name
        return self._month

    def remembered(self) -> dict[str, Any]:
        """Return the state that must outlive the process, as plain data."""
        return dict(msgspec.to_builtins(self.month()))

    def socket(self, address: tuple[Any, ...]) -> CountedSocket:
        """Return a new TCP socket for one entry of `getaddrinfo`, its bytes counted here. Raises OSError."""
        family, kind, protocol, *_ = address
        made = CountedSocket(family, kind, protocol)
        made.traffic = self
        made.setblocking(False)
        return made


class CountedSocket(socket.socket):
    """A socket that counts what asyncio sends and receives."""

    __slots__ = ("traffic",)
    traffic: Traffic

    def send(self, data: Any, flags: int = 0, /) -> int:
        sent = super().send(data, flags)
        self.traffic.add(sent, 0)
        return sent

    def sendmsg(self, buffers: Iterable[Any], /, *rest: Any) -> int:
        sent = super().sendmsg(buffers, *rest)
        self.traffic.add(sent, 0)
        return sent

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        data = super().recv(size, flags)
        self.traffic.add(0, len(data))
        return data

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0, /) -> int:
        count = super().recv_into(buffer, size, flags)
        self.traffic.add(0, count)
        return count
