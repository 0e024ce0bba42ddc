"""knxd as a peer in processes of its own: Debian's knxd with a dummy bus, its knxtool, and its own client protocol.

The bus side speaks eibd's protocol over a Unix socket (a length, a type, the data); knxd turns that into telegrams and
the hub sees them through a KNXnet/IP tunnel.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from tests.ports import free_port

OPEN_GROUPCON, GROUP_PACKET = 0x0026, 0x0027
DEADLINE_S = 60.0

_INI = """\
[main]
name = ilot-test
addr = 1.1.250
client-addrs = 1.1.200:40
connections = server,unix,dummy
[server]
server = ets_router
port = {port}
discover = true
interface = lo
tunnel = tunnel
{router}[unix]
server = knxd_unix
path = {socket}
[dummy]
driver = dummy
"""


def free_udp_port() -> int:
    return free_port(kind=socket.SOCK_DGRAM)


async def until(true: Callable[[], object], what: str) -> None:
    """Wait for a condition."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not true():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"waited {DEADLINE_S:.0f} s for {what}") from None


class Knxd:
    """One knxd. `start` and `stop` may be repeated: it comes back on the same port."""

    def __init__(self, *, routing: bool = False) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ilot-knx-"))
        self.socket = self._folder / "knxd"
        self.port = free_udp_port()
        self._routing = routing
        self._process: asyncio.subprocess.Process | None = None
        self.log = self._folder / "log"

    async def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        ini = self._folder / "knxd.ini"
        ini.write_text(
            _INI.format(port=self.port, socket=self.socket, router="router = router\n" if self._routing else "")
        )
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec("knxd", str(ini), stdout=log, stderr=log)
        await until(self._answers, f"knxd; it said {self.log.read_text(errors='replace')!r}")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, self.log.read_text(errors="replace")
        with socket.socket(socket.AF_UNIX) as sock:
            try:
                sock.connect(str(self.socket))
            except OSError:
                return False
        return True

    async def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(how)
            await self._process.wait()
        self._process = None

    async def stop(self) -> None:
        await self.end(signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def tool(self, applet: str, *arguments: str) -> None:
        """`knxtool APPLET`, to its end."""
        process = await asyncio.create_subprocess_exec(
            "knxtool",
            applet,
            f"local:{self.socket}",
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await asyncio.wait_for(process.communicate(), DEADLINE_S)
        assert process.returncode == 0, said

    async def write(self, address: str, *octets: int) -> None:
        await self.tool("groupwrite", address, *(f"{octet:02x}" for octet in octets))

    async def switch(self, address: str, bit: int) -> None:
        await self.tool("groupswrite", address, str(bit))

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[list[str]]:
        """What `knxtool groupsocketlisten` prints, line by line."""
        process = await asyncio.create_subprocess_exec(
            "stdbuf",
            "-oL",
            "knxtool",
            "groupsocketlisten",
            f"local:{self.socket}",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        lines: list[str] = []

        async def read() -> None:
            assert process.stdout is not None
            while line := await process.stdout.readline():
                lines.append(line.decode().strip())

        reading = asyncio.ensure_future(read())
        try:
            await self._heard_by(lines)
            yield lines
        finally:
            reading.cancel()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            await asyncio.gather(reading, return_exceptions=True)

    async def _heard_by(self, lines: list[str]) -> None:
        """knxtool says nothing when it is ready: speak to it until it hears."""
        async with asyncio.timeout(DEADLINE_S):
            while not lines:
                await self.switch("31/7/255", 0)
                await asyncio.sleep(0.05)

    @contextlib.asynccontextmanager
    async def bus_device(
        self, answer: Callable[[int, bytes], dict[int, bytes]]
    ) -> AsyncIterator[Callable[[int, bytes], Awaitable[None]]]:
        """A device on the bus. `answer(address, apdu)` is asked at each telegram and says what to send then: group
        address → APDU (two octets with the service, and the value). Yields a way to send by itself."""
        reader, writer = await asyncio.open_unix_connection(str(self.socket))

        async def send(kind: int, data: bytes) -> None:
            writer.write((len(data) + 2).to_bytes(2, "big") + kind.to_bytes(2, "big") + data)
            await writer.drain()

        async def receive() -> tuple[int, bytes]:
            length = int.from_bytes(await reader.readexactly(2), "big")
            data = await reader.readexactly(length)
            return int.from_bytes(data[:2], "big"), data[2:]

        async def say(address: int, apdu: bytes) -> None:
            await send(GROUP_PACKET, address.to_bytes(2, "big") + apdu)

        async def serve() -> None:
            while True:
                kind, data = await receive()
                if kind == GROUP_PACKET:
                    for address, apdu in answer(int.from_bytes(data[2:4], "big"), data[4:]).items():
                        await say(address, apdu)

        await send(OPEN_GROUPCON, b"\0\0\0")
        kind, _ = await asyncio.wait_for(receive(), DEADLINE_S)
        assert kind == OPEN_GROUPCON
        serving = asyncio.ensure_future(serve())
        try:
            yield say
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
