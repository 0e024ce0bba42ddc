"""Executes the hub's requests with asyncua, and passes on the changes of a subscription."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Coroutine
from typing import Any, NoReturn

from asyncua import ua

from integrations.opcua import messages as m
from integrations.opcua.worker.channel import Channel, Denied
from integrations.opcua.worker.relay import Relay
from integrations.opcua.worker.services import Services
from integrations.opcua.worker.values import text

TIMEOUT, CLOSED, UNREADABLE, UNKNOWN = 0x800A0000, 0x80AE0000, 0x80070000, 0x80010000
"""BadTimeout, BadConnectionClosed, BadDecodingError, BadUnexpectedError."""


class Engine:
    """Runs one worker on one packet socket."""

    def __init__(self, hub: socket.socket) -> None:
        self._hub = hub
        self._outbox: deque[bytes] = deque()
        self._written = asyncio.Event()
        self._taken = asyncio.Event()
        self._relay: Relay | None = None
        self._channel: Channel | None = None
        self._services: Services | None = None
        self._publishing: asyncio.Task[None] | None = None

    async def run(self) -> NoReturn:
        """Run until the hub closes its end. Then raises SystemExit: pending work is of no use any more."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self._flush())
            while packet := await loop.sock_recv(self._hub, m.PACKET):
                self._take(m.to_worker(packet))
            raise SystemExit
        raise SystemExit

    def _take(self, message: m.ToWorker) -> None:
        match message:
            case m.Data() if self._relay is not None:
                self._relay.feed(message.data)
            case m.Gone() if self._relay is not None:
                self._relay.lost()
            case m.Ask():
                self._tasks.create_task(self._answer(message.number, message.question))
            case m.Taken():
                self._taken.set()

    # -- to the hub ---------------------------------------------------------------------------------------------------

    def send(self, message: m.FromWorker) -> None:
        self._outbox.append(m.encode(message))
        self._written.set()

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while self._outbox:
                await loop.sock_sendall(self._hub, self._outbox.popleft())
            self._written.clear()
            await self._written.wait()

    def _dial(self) -> Relay:
        """Return the connection that the hub has opened."""

        def send(data: bytes) -> None:
            for at in range(0, len(data), m.CHUNK):
                self.send(m.Data(data[at : at + m.CHUNK]))

        self._relay = Relay(send, lambda why: self.send(m.Gone(text(why))))
        return self._relay

    # -- questions ----------------------------------------------------------------------------------------------------

    async def _answer(self, number: int, question: m.Question) -> None:
        try:
            self.send(m.Told(number, await self._ask(question)))
        except Denied as error:
            self.send(m.Refused(number, error.code, text(str(error))))
        except Exception as error:
            self.send(m.Refused(number, *judged(error)))

    async def _ask(self, question: m.Question) -> m.Answer:
        match question:
            case m.Ping():
                return m.Done()
            case m.Discover():
                return await Channel(self._dial, question.url, question.timeout_s).endpoints()
            case m.Open():
                return await self._open(question)
            case m.Close():
                return await self._close()
        if self._services is None:
            raise ConnectionError("no session")
        match question:
            case m.Resolve():
                return await self._services.nodes.resolve(question.nodes)
            case m.Subscribe():
                return await self._subscribe(question, self._services)
            case m.Watch():
                return await self._services.watch(question.items)
            case m.Read():
                return await self._services.read(question.items, question.oldest_ms)
            case m.Write():
                return await self._services.write(question.node, question.kind, question.value)
            case m.Browse():
                return await self._services.nodes.browse(question.node, question.more)
        raise TypeError(type(question).__name__)

    async def _open(self, question: m.Open) -> m.Opened:
        self._channel = Channel(self._dial, question.url, question.timeout_s)
        self._services = Services(await self._channel.open(question), question.timeout_s)
        self._start(self._channel.renewing())
        return await self._services.calls.about()

    async def _close(self) -> m.Done:
        if self._publishing is not None:
            self._publishing.cancel()
        if self._channel is not None:
            await self._channel.close()
        return m.Done()

    async def _subscribe(self, question: m.Subscribe, services: Services) -> m.Subscribed:
        if self._publishing is not None:
            self._publishing.cancel()
        told = await services.subscribe(question)
        self._publishing = self._start(self._publish(services))
        return told

    async def _publish(self, services: Services) -> None:
        """Pass changes on as fast as the hub takes them; meanwhile they wait in the server's queues."""
        async for changes in services.changes():
            for at in range(0, len(changes), m.BATCH):
                self._taken.clear()
                self.send(m.Changes(changes[at : at + m.BATCH]))
                await self._taken.wait()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a background task. When it fails, the session cannot be used any more, and the hub is notified."""

        async def guarded() -> None:
            try:
                await work
            except Exception as error:
                self.send(m.Stopped(*judged(error)))

        return self._tasks.create_task(guarded())


def judged(error: Exception) -> tuple[int, str]:
    """Return code and name of an error. asyncua raises many kinds of error on unexpected messages."""
    match error:
        case MemoryError():
            raise SystemExit("out of memory")
        case ua.UaStatusCodeError():
            code = int(error.code or UNKNOWN) & 0xFFFFFFFF
        case TimeoutError():
            code = TIMEOUT
        case ConnectionError():
            code = CLOSED
        case RecursionError():  # asyncua is pure Python: same depth on each version
            return UNREADABLE, m.TOO_DEEP
        case _:
            return UNREADABLE, text(f"{type(error).__name__}: {error}")
    name, _ = ua.status_codes.get_name_and_doc(code & 0xFFFF0000)
    return code, text(name)
