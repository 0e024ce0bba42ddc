"""The worker process, from the hub's side: started, spoken to, and killed at the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import hub
from integrations.opcua import messages as m

START_S = 60.0
"""How long the worker may take to import asyncua: a second here, ten on a small board that starts."""

MODULE = "integrations.opcua.worker"
_BOOT = "import sys, json; sys.path[:] = json.loads(sys.argv.pop(1)); import runpy; runpy.run_module({!r}, None, {!r})"


class Lost(hub.NotReady):
    """The worker died, hangs or talks nonsense: a new one is started."""


class Died(Lost):
    """It is gone."""

    def __init__(self) -> None:
        super().__init__("the OPC UA worker died")


class Child:
    """A running worker. `send` and `receive` raise Lost."""

    def __init__(self, channel: socket.socket, pid: int) -> None:
        self.pid = pid
        self._channel = channel
        self._sending = asyncio.Lock()

    async def send(self, message: m.ToWorker) -> None:
        try:
            async with self._sending:  # a packet goes whole, but two tasks may wait for the same room
                await asyncio.get_running_loop().sock_sendall(self._channel, m.encode(message))
        except OSError as error:
            raise Died from error

    async def receive(self) -> m.FromWorker:
        try:
            packet = await asyncio.get_running_loop().sock_recv(self._channel, m.PACKET)
        except OSError as error:
            raise Died from error
        if not packet:
            raise Died
        try:
            said: m.FromWorker = m.from_worker(packet)
        except m.UNREADABLE as error:
            raise Lost("the OPC UA worker talked nonsense") from error
        return said


@asynccontextmanager
async def worker(command: Sequence[str] | None = None) -> AsyncIterator[Child]:
    """A worker that has said hello; killed at the end of the block. Raises AuthFailed when asyncua is not installed,
    Lost when it does not come up."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            ours.setblocking(False)
            process = await asyncio.create_subprocess_exec(
                *(command or own_command()), str(theirs.fileno()), pass_fds=(theirs.fileno(),), env={}, cwd="/",
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        try:
            child = Child(ours, process.pid)
            try:
                async with asyncio.timeout(START_S):
                    greeted = isinstance(await child.receive(), m.Hello)
            except TimeoutError:
                raise Lost(f"the OPC UA worker did not start within {START_S:.0f} s") from None
            except Died as error:
                raise await _why(process) from error
            if not greeted:
                raise Lost("the OPC UA worker talked nonsense")
            yield child
        finally:
            await _ended(process)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Kill it and wait until it is gone, which takes no time, even when this is cancelled meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    waiting = asyncio.ensure_future(process.wait())
    cancelled: asyncio.CancelledError | None = None
    while not waiting.done():
        try:
            await asyncio.shield(waiting)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


def own_command() -> list[str]:
    """Python without the site module and its `.pth` files, on the import path of this process."""
    path = [str(Path(__file__).parents[2]), *filter(None, sys.path)]
    return [sys.executable, "-I", "-S", "-c", _BOOT.format(MODULE, "__main__"), json.dumps(path)]


async def _why(process: asyncio.subprocess.Process) -> hub.NotReady | hub.AuthFailed:
    """What a worker that did not start says last, without its bytes of control."""
    last = ""
    if process.stderr is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                lines = (await process.stderr.read(65536)).decode(errors="replace").strip().splitlines()
                last = "".join(letter for letter in lines[-1][:300] if letter.isprintable()) if lines else ""
    if "No module named 'asyncua'" in last:
        return hub.AuthFailed("asyncua is not installed: pip install 'ilot[opcua]'")
    return Lost(f"the OPC UA worker did not start: {last}" if last else "the OPC UA worker died at its start")
