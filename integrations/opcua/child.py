"""The worker process, from the hub's side: started, used, and killed at the end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import hub
from hub.sdk.phrases import phrase
from hub.sdk.sandboxed_process import SandboxedProcess
from integrations.opcua import messages as m

START_S = 60.0
"""Seconds that the worker may take to import asyncua: a second here, ten on a small board that starts."""

MODULE = "integrations.opcua.worker"


class Lost(hub.NotReady):
    """The worker died, hangs or sends invalid messages: a new one is started."""


class Died(Lost):
    """The worker has ended."""

    def __init__(self) -> None:
        super().__init__(phrase("opcua.worker-died", "the OPC UA worker died"))


class Child:
    """A running worker. `send` and `receive` raise Lost."""

    def __init__(self, channel: socket.socket, pid: int) -> None:
        self.pid = pid
        self._channel = channel
        self._sending = asyncio.Lock()

    async def send(self, message: m.ToWorker) -> None:
        try:
            async with self._sending:  # packets are atomic, but two tasks may wait for the same buffer space
                await asyncio.get_running_loop().sock_sendall(self._channel, m.encode(message))
        except OSError as error:
            raise Died from error

    async def receive(self) -> m.FromWorker:
        await asyncio.sleep(0)  # available packets are returned at once: let other tasks run during a flood
        try:
            packet = await asyncio.get_running_loop().sock_recv(self._channel, m.PACKET)
        except OSError as error:
            raise Died from error
        if not packet:
            raise Died
        try:
            said: m.FromWorker = m.from_worker(packet)
        except m.UNREADABLE as error:
            raise Lost(phrase("opcua.worker-unreadable", "the OPC UA worker talked nonsense")) from error
        return said


@asynccontextmanager
async def worker(command: Sequence[str] | None = None) -> AsyncIterator[Child]:
    """Start a worker and wait for its hello; it is killed at the end of the block. Raises AuthFailed when asyncua is
    not installed, Lost when it does not start."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.setblocking(False)
        passed = theirs.fileno()
        async with SandboxedProcess.started([*(command or own_command()), str(passed)], [passed]) as process:
            theirs.close()  # so that its end is noticed
            child = Child(ours, process.pid)
            try:
                async with asyncio.timeout(START_S):
                    greeted = isinstance(await child.receive(), m.Hello)
            except TimeoutError:
                raise Lost(
                    phrase(
                        "opcua.worker-too-slow",
                        "the OPC UA worker did not start within {seconds:.0f} s",
                        seconds=START_S,
                    )
                ) from None
            except Died as error:
                raise _start_failure(await process.last_words()) from error
            if not greeted:
                raise Lost(phrase("opcua.worker-unreadable", "the OPC UA worker talked nonsense"))
            yield child


def own_command() -> list[str]:
    return SandboxedProcess.command(MODULE, Path(__file__).parents[2])


def _start_failure(last: str) -> hub.NotReady | hub.AuthFailed:
    """Return why a worker did not start, from its last output."""
    if "No module named 'asyncua'" in last:
        return hub.AuthFailed(phrase("opcua.asyncua-missing", "asyncua is not installed: pip install 'ilot[opcua]'"))
    if last:
        return Lost(phrase("opcua.worker-not-started", "the OPC UA worker did not start: {reason}", reason=last))
    return Lost(phrase("opcua.worker-died-at-start", "the OPC UA worker died at its start"))
