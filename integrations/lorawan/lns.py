"""The server of LoRa Basics Station's LNS protocol: WebSocket, with TLS where a certificate is given
(`basics` and `station` read and write the messages)."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
from collections import Counter
from collections.abc import AsyncIterator

from aiohttp import WSMsgType, web

import hub
from hub.sdk.http_server import HttpServer, RequestLog
from hub.sdk.phrases import phrase
from integrations.lorawan import basics, eui, station
from integrations.lorawan.driver import Driver, wall
from integrations.lorawan.parts import Transmit
from integrations.lorawan.settings import Config, Station
from integrations.lorawan.udp import sentence

DISCOVERY = "/router-info"
ROUTER = "/router/{gateway}"
WAITING = 64
"""Maximum messages queued for a station that reads slowly."""


class Server:
    """Connections of stations. The last connection of a gateway is the one that counts."""

    def __init__(self, given: Station, config: Config, driver: Driver) -> None:
        self._given = given
        self._config = config
        self._driver = driver
        self._open: Counter[str] = Counter()
        self.app = web.Application()
        self.app.router.add_get(DISCOVERY, self._discover)
        self.app.router.add_get(ROUTER, self._connect)

    def _authorised(self, request: web.Request) -> bool:
        if self._given.token is None:
            return True
        wanted = self._given.token.get_secret_value().encode()
        if hmac.compare_digest(request.headers.get("Authorization", "").encode("utf-8", "replace"), wanted):
            return True
        self._driver.dropped("station-not-authorised")
        return False

    async def _discover(self, request: web.Request) -> web.StreamResponse:
        if not self._authorised(request):
            raise web.HTTPUnauthorized
        socket = web.WebSocketResponse(max_msg_size=basics.LIMIT, timeout=10, receive_timeout=10)
        await socket.prepare(request)
        with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
            message = await socket.receive()
            if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                await socket.send_str(self._direct(message.data, request).decode())
        await socket.close()
        return socket

    def _direct(self, data: str | bytes, request: web.Request) -> bytes:
        try:
            gateway = basics.discovery(data).gateway
        except hub.DecodeError as error:
            self._driver.dropped(error.reason)
            return station.unwelcome("0" * 16, str(error.detail))
        if not self._driver.allowed(gateway):
            self._driver.stranger(gateway, f"Basics Station from {request.remote}")
            return station.unwelcome(gateway, "this gateway is not on the hub's list")
        scheme = "wss" if request.secure else "ws"
        return station.welcome(gateway, "0" * 16, f"{scheme}://{request.host}/router/{gateway}")

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if not self._authorised(request):
            raise web.HTTPUnauthorized
        try:
            gateway = eui.read(request.match_info["gateway"])
        except hub.DecodeError as error:
            raise web.HTTPNotFound from error
        if not self._driver.allowed(gateway):
            self._driver.stranger(gateway, f"Basics Station from {request.remote}")
            raise web.HTTPForbidden
        socket = web.WebSocketResponse(max_msg_size=basics.LIMIT, heartbeat=30)
        await socket.prepare(request)
        connection = Connection(socket, gateway, self._driver, self._config)
        if self._open[gateway]:
            self._driver.displaced(gateway)
        self._open[gateway] += 1
        self._driver.reach(gateway, connection)
        try:
            await connection.run()
        except* ConnectionError:  # it is gone, or does not read: no fault of this program
            pass
        finally:
            self._open[gateway] -= 1
            self._driver.lose(gateway, connection)
        return socket


class Connection:
    """Connection of one station."""

    def __init__(self, socket: web.WebSocketResponse, gateway: str, driver: Driver, config: Config) -> None:
        self._socket = socket
        self._gateway = gateway
        self._driver = driver
        self._channels = config.frequencies()
        self._out: asyncio.Queue[bytes] = asyncio.Queue(WAITING)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(self._write(), name=f"station {self._gateway}")
            async for message in self._socket:
                if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    self._take(message.data)
            writing.cancel()

    async def _write(self) -> None:
        while True:
            message = await self._out.get()
            with contextlib.suppress(ConnectionError):
                await self._socket.send_str(message.decode())

    def _take(self, data: str | bytes) -> None:
        try:
            said = basics.parse(data)
        except hub.DecodeError as error:
            self._driver.dropped(error.reason)
            return
        now = wall()
        self._driver.alive(self._gateway)
        match said:
            case basics.Version():
                self._say(station.router_config(self._channels, now or 0.0))
            case basics.Received():
                at = asyncio.get_running_loop().time()
                self._driver.hear(basics.reception(said, self._gateway, at, now))
            case basics.Sent(id=number):
                self._driver.transmitted(number, self._gateway)
            case basics.TimeSync(txtime=txtime):
                if now is not None:
                    self._say(station.timesync(txtime, now))
            case basics.Other(reason=reason):
                if reason:
                    self._driver.dropped(reason)

    def _say(self, message: bytes) -> None:
        try:
            self._out.put_nowait(message)
        except asyncio.QueueFull:
            raise ConnectionResetError(phrase("lorawan.station-does-not-read", "the station does not read")) from None

    def transmit(self, order: Transmit) -> None:
        if self._socket.closed:
            raise ConnectionResetError(phrase("lorawan.station-gone", "the station is gone"))
        self._say(station.dnmsg(order, wall() or 0.0))


@contextlib.asynccontextmanager
async def serving(given: Station, config: Config, driver: Driver) -> AsyncIterator[int]:
    """Listen; yields the port. Raises NotReady when the address, the port or the certificate cannot be used."""
    context = await HttpServer.context(given.certificate, given.certificate_key)
    log = RequestLog(logging.getLogger("hub.lorawan.lns"), driver.dropped)
    runner = web.AppRunner(Server(given, config, driver).app, logger=log, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, given.address, given.port, ssl_context=context)
        try:
            await site.start()
        except OSError as error:
            raise hub.NotReady(sentence(given.address, given.port, error)) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
