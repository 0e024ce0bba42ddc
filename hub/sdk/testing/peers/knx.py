"""A KNX/IP interface: knxd with a bus of its own, on which its knxtool writes."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from pathlib import Path

from hub.sdk.testing.peers.beginning import Beginning
from hub.sdk.testing.peers.missing import free_port, need_program

_INI = """\
[main]
name = ilot-peer
addr = 1.1.250
client-addrs = 1.1.200:40
connections = server,unix,dummy
[server]
server = ets_router
port = {port}
discover = true
interface = lo
tunnel = tunnel
[unix]
server = knxd_unix
path = {socket}
[dummy]
driver = dummy
"""


class KnxInterface(Beginning):
    """An interface at `host` and `port` that gives tunnels."""

    def __init__(self) -> None:
        self.host, self.port = "127.0.0.1", free_port(socket.SOCK_DGRAM)
        self._socket = Path()
        self._process: asyncio.subprocess.Process | None = None

    async def begin(self) -> None:
        """Start it, and wait until it listens. Raises PeerMissing."""
        program = need_program("knxd", "knxd")
        folder = Path(tempfile.mkdtemp(prefix="ilot-knx-"))
        self._socket, ini = folder / "bus", folder / "knxd.ini"
        ini.write_text(_INI.format(port=self.port, socket=self._socket))
        null = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(program, str(ini), stdout=null, stderr=null)
        while not self._listens():
            if self._process.returncode is not None:
                raise RuntimeError(f"knxd ends at once with status {self._process.returncode}")
            await asyncio.sleep(0.01)

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as sock:
            try:
                sock.connect(str(self._socket))
            except OSError:
                return False
        return True

    async def end(self) -> None:
        """Stop it: it closes its tunnels."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.terminate()
            await self._process.wait()
            self._process = None
            shutil.rmtree(self._socket.parent, ignore_errors=True)

    async def write(self, address: str, *octets: int) -> None:
        """Write a value to a group address, as somebody on the bus would. Raises PeerMissing."""
        program = need_program("knxtool", "knxd-tools")
        null = asyncio.subprocess.DEVNULL
        said = [f"{octet:02x}" for octet in octets]
        process = await asyncio.create_subprocess_exec(
            program, "groupwrite", f"local:{self._socket}", address, *said, stdout=null, stderr=null
        )
        await process.wait()
