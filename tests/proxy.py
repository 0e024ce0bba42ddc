"""A small HTTP proxy for tests: CONNECT (RFC 9110, 9.3.6) with Basic credentials (RFC 7617), and a record of every
byte that passed through its tunnels. Knows nothing of the hub."""

from __future__ import annotations

import base64
import selectors
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Proxy(socketserver.ThreadingTCPServer):
    """`credentials` "user:password", or "" for none. `refuses`: answers 403 to every CONNECT."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, credentials: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.credentials, self.refuses = credentials, False
        self.asked: list[str] = []
        self.statuses: list[int] = []
        self.up, self.down = bytearray(), bytearray()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Tunnel(socketserver.StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        line = self.rfile.readline(4096).decode("latin-1").split()
        headers: dict[str, str] = {}
        while header := self.rfile.readline(8192).decode("latin-1").strip():
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        if len(line) != 3 or line[0] != "CONNECT":
            self._say(405, "Method Not Allowed")
            return
        self.server.asked.append(line[1])
        wanted = "Basic " + base64.b64encode(self.server.credentials.encode()).decode()
        if self.server.credentials and headers.get("proxy-authorization") != wanted:
            self._say(407, "Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="town"\r\n')
            return
        if self.server.refuses:
            self._say(403, "Forbidden")
            return
        host, _, port = line[1].rpartition(":")
        try:
            there = socket.create_connection((host.strip("[]"), int(port)), 60)
        except OSError:
            self._say(502, "Bad Gateway")
            return
        self._say(200, "Connection established", length=False)
        with there, suppress(OSError):
            self._carry(there)

    def _carry(self, there: socket.socket) -> None:
        here = self.connection
        ways = {here: (there, self.server.up), there: (here, self.server.down)}
        with selectors.DefaultSelector() as ready:
            for end in ways:
                ready.register(end, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    other, record = ways[key.fileobj]  # type: ignore[index]
                    data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                    if not data:
                        return
                    record += data
                    other.sendall(data)

    def _say(self, status: int, reason: str, more: str = "", *, length: bool = True) -> None:
        self.server.statuses.append(status)
        end = "Content-Length: 0\r\n\r\n" if length else "\r\n"
        self.wfile.write(f"HTTP/1.1 {status} {reason}\r\n{more}{end}".encode())


@contextmanager
def proxy(credentials: str = "") -> Iterator[Proxy]:
    with Proxy(credentials) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
