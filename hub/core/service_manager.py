"""Messages of a service to the manager that started it: sd_notify(3), datagrams to the socket in `$NOTIFY_SOCKET`.

    READY=1      it is in service: `systemctl start` returns
    RELOADING=1  it takes up another configuration, until the next READY=1
    STOPPING=1   it ends
    STATUS=…     one line for `systemctl status`
    EXTEND_TIMEOUT_USEC=…  a start that takes longer than `TimeoutStartSec=` goes on
    WATCHDOG=1   it is alive; where none comes for `WatchdogSec=` it is killed and started again

The watchdog is fed by the event loop itself: a loop that hangs feeds nothing. Without a manager every call does
nothing.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Mapping

FEEDS = 3
"""Signs of life within the time that the manager waits for one: two may be lost."""


class ServiceManager:
    """The manager of this process, as its environment names it. `translate`: of the sentence in STATUS."""

    def __init__(self, environ: Mapping[str, str], translate: Callable[[str], str] = str) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._translate = translate
        self.watchdog_s = _watchdog_s(environ) if self._address else 0.0
        self._owed: dict[str, str] = {}

    def ready(self, sentence: str) -> None:
        self._tell(READY="1", STATUS=self._line(sentence))

    def starting(self, sentence: str, seconds: float) -> None:
        """Tell that the start goes on, and may take so many seconds more from now."""
        self._tell(EXTEND_TIMEOUT_USEC=str(int(seconds * 1e6)), STATUS=self._line(sentence))

    def status(self, sentence: str) -> None:
        self._tell(STATUS=self._line(sentence))

    def reloading(self) -> None:
        # with the time from which it is reloading, which Type=notify-reload asks for
        self._tell(RELOADING="1", MONOTONIC_USEC=str(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000))

    def reloaded(self) -> None:
        self._tell(READY="1")

    def stopping(self) -> None:
        self._tell(STOPPING="1")

    async def feed(self) -> None:
        """Feed the watchdog until cancelled; return at once where there is none."""
        while self.watchdog_s:
            self.alive()
            await asyncio.sleep(self.watchdog_s / FEEDS)

    def alive(self) -> None:
        """Feed the watchdog once, where there is one."""
        if self.watchdog_s:
            self._tell(WATCHDOG="1")

    def _line(self, sentence: str) -> str:
        return " ".join(self._translate(sentence).split())

    def _tell(self, **said: str) -> None:
        """Send without waiting, which would stop the loop; what the socket has no room for goes with the next one."""
        if not self._address:
            return
        said = {**self._owed, **said}
        text = "\n".join(f"{name}={value}" for name, value in said.items())
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
                way.setblocking(False)
                way.sendto(text.encode(), self._address)
        except OSError:
            self._owed = {name: value for name, value in said.items() if name != "WATCHDOG"}
        else:
            self._owed = {}


def _address(named: str) -> str:
    """Return the address of the socket; "@" begins a name in the abstract namespace (unix(7)). "" for another kind."""
    if named.startswith("@"):
        return "\0" + named[1:]
    return named if named.startswith("/") else ""


def _watchdog_s(environ: Mapping[str, str]) -> float:
    """Return the seconds within which the manager expects a sign of life, 0 if from no process or from another."""
    span, process = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not (span.isascii() and span.isdigit()) or (process and process != str(os.getpid())):
        return 0.0
    return int(span) / 1e6
