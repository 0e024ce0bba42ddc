"""A KNX/IP interface that plays a room, an actuator and a meter: `ilot sim knx`.

It prints one line of JSON when it listens: its port (UDP and TCP), and the `settings:` of its devices, ready to be
pasted into a configuration. It ends on SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import hub
from integrations.knx.sim.building import DEVICES, Building
from integrations.knx.sim.server import Peer, Server, split

MOST_WAITING = 1 << 16
"""Maximum octets of an incomplete frame on a TCP connection."""


class Sim:
    """The server on its sockets."""

    def __init__(self) -> None:
        began = time.monotonic()
        self.building = Building(lambda: time.monotonic() - began)
        self.server: Server | None = None
        self._udp: asyncio.DatagramTransport | None = None

    def hear(self, cemi: bytes) -> list[bytes]:
        try:
            return self.building.hear(cemi)
        except hub.DecodeError:
            return []

    def deliver(self, answers: list[tuple[Peer, bytes]]) -> None:
        for peer, data in answers:
            if isinstance(peer.key, asyncio.StreamWriter):
                if not peer.key.is_closing():
                    peer.key.write(data)
            elif self._udp is not None:
                self._udp.sendto(data, peer.key)

    def datagram_received(self, data: bytes, address: Any) -> None:
        for service, body in split(data):
            self.deliver(self._server.receive(service, body, Peer(address)))

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer, waiting = Peer(writer, tcp=True), b""
        try:
            while (data := await reader.read(4096)) and len(waiting) < MOST_WAITING:
                waiting += data
                for service, body in split(waiting):
                    waiting = waiting[6 + len(body) :]
                    self.deliver(self._server.receive(service, body, peer))
                await writer.drain()
        except OSError:
            pass
        finally:
            self._server.gone(peer)
            writer.close()

    @property
    def _server(self) -> Server:
        if self.server is None:
            raise RuntimeError("not serving yet")
        return self.server

    async def serve(
        self, host: str, port: int, interval: float, ready: Callable[[int], None], stop: asyncio.Event
    ) -> None:
        """Listen on one port, UDP and TCP, until `stop`; the room speaks every `interval` seconds."""
        loop = asyncio.get_running_loop()
        listener = await asyncio.start_server(self.connected, host, port)
        port = listener.sockets[0].getsockname()[1]
        self.server = Server(self.hear, host, port)
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=(host, port))
        try:
            ready(port)
            while not stop.is_set():
                for cemi in self.building.speaks():
                    self.deliver(self._server.spread(cemi))
                try:
                    async with asyncio.timeout(interval):
                        await stop.wait()
                except TimeoutError:
                    continue
        finally:
            self._udp.close()
            listener.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, sim: Sim) -> None:
        self._sim = sim

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._sim.datagram_received(data, addr)


async def _main(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def ready(port: int) -> None:
        sys.stdout.write(json.dumps({"port": port, "devices": DEVICES}) + "\n")
        sys.stdout.flush()

    await Sim().serve(arguments.host, arguments.port, arguments.interval, ready, stop)


def main() -> None:
    parser = argparse.ArgumentParser(prog="ilot sim knx", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=0, help="UDP and TCP port, 0 for any free one (default: %(default)s)"
    )
    parser.add_argument(
        "--interval", type=float, default=10.0, help="seconds between two telegrams of the room (default: %(default)s)"
    )
    asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    main()
