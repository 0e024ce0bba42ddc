"""Link to one server: the connection, held by this process, and the worker that speaks OPC UA over it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import hub
from hub.sdk.phrases import phrase, reason_of
from integrations.opcua import messages as m
from integrations.opcua.child import Child, Lost, worker
from integrations.opcua.settings import Config

PING_S, PONG_S = 15.0, 30.0
"""Interval at which the worker is pinged, and the time it may take to answer: the machine may be busy."""

MARGIN_S = 5.0
"""Seconds that an answer may take beyond the server's own time: the worker shares the processor."""

CLOSE_S = 2.0
MOST_WAITING = 3
"""Maximum batches of changes in transit from a worker that waits for its turn, even while it subscribes again."""

SETTLE_S = 0.2

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Wanted = TypeVar("Wanted", bound=m.Answer)


_TOO_DEEP = phrase("opcua.values-too-deep", "values that lie too deep within each other")


class Nonsense(hub.NotReady):
    """The data received are not OPC UA."""

    def __init__(self, peer: str, what: str) -> None:
        said = _nonsense(what)
        super().__init__(phrase("opcua.not-opc-ua", "{peer} does not speak OPC UA: {reason}", peer=peer, reason=said))


class Refusal(Exception):
    """A request that the server refused, or did not answer. `code` is an OPC UA status code, `name` its name."""

    def __init__(self, code: int, name: str) -> None:
        self.code, self.name = code, name
        super().__init__(_TOO_DEEP if name == m.TOO_DEEP else name or f"0x{code:08X}")


class Link:
    """Talks to the server through the worker. Every method raises NotReady when either is gone."""

    def __init__(self, child: Child, config: Config, tasks: asyncio.TaskGroup, connection: Connection) -> None:
        """`connection` is the first one; nothing has been sent on it yet."""
        self.peer = f"{config.host}:{config.port}"
        self.nonsense = ""
        self._child, self._config, self._tasks = child, config, tasks
        self._number = 0
        self._asked: dict[int, asyncio.Future[m.Told | m.Refused]] = {}
        self._late: set[int] = set()  # requests that nobody waits for any more
        self._brought: asyncio.Queue[m.Changes | m.Stopped] = asyncio.Queue()
        self._fresh: Connection | None = connection
        self._writer: asyncio.StreamWriter | None = None
        self._pump: asyncio.Task[None] | None = None
        self._needed = False

    async def ask(self, question: m.Question, wanted: type[Wanted], *, seconds: float | None = None) -> Wanted:
        """Send a request and return the answer. Raises Refusal."""
        self._number += 1
        number = self._number
        limit = seconds or self._config.timeout.total_seconds() + MARGIN_S
        answer: asyncio.Future[m.Told | m.Refused] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            async with asyncio.timeout(limit):
                await self._child.send(m.Ask(number, question))
                told = await answer
        except TimeoutError:
            raise hub.NotReady(
                phrase(
                    "opcua.does-not-answer",
                    "{peer} does not answer within {seconds:.0f} s",
                    peer=self.peer,
                    seconds=limit,
                )
            ) from None
        finally:
            del self._asked[number]
            if not answer.done() or answer.cancelled():
                self._late.add(number)
        if isinstance(told, m.Refused):
            raise Refusal(told.code, told.name)
        if not isinstance(told.answer, wanted):
            raise Lost(phrase("opcua.worker-other-answer", "the OPC UA worker answered another question"))
        return told.answer

    async def changes(self) -> AsyncIterator[Sequence[m.Change]]:
        """Yield the changes of the subscription; the next batch comes when the last was processed. Raises Refusal when
        it ends."""
        while True:
            brought = await self._brought.get()
            if isinstance(brought, m.Stopped):
                raise Refusal(brought.code, brought.name)
            yield brought.values
            await self._child.send(m.Taken())

    # -- the connection -----------------------------------------------------------------------------------------------

    async def dial(self, *, needed: bool) -> None:
        """Open a new connection in place of the old one; if `needed`, its end ends the link."""
        await self.hang_up()
        fresh, self._fresh = self._fresh, None
        if fresh is not None and (fresh[0].at_eof() or fresh[1].is_closing()):
            fresh = None  # the worker took longer to start than this server waits for the first word: 10 s, of some
        reader, self._writer = fresh or await dialled(self._config)
        self._needed, self.nonsense = needed, ""
        self._pump = self._tasks.create_task(self._from_server(reader), name=f"opcua {self.peer}")

    async def hang_up(self) -> None:
        self._needed = False
        if self._pump is not None:
            self._pump.cancel()
            self._pump = None
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()
            try:
                async with asyncio.timeout(CLOSE_S):  # waits until all is sent, but the server may not read
                    await writer.wait_closed()
            except OSError:  # includes TimeoutError
                pass
            finally:
                writer.transport.abort()

    async def _from_server(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(m.CHUNK):
                await self._child.send(m.Data(data))
        await self._child.send(m.Gone())
        await self._connection_ended()

    async def _connection_ended(self) -> None:
        """Handle the end of the connection. Pending answers explain it better, and are processed first."""
        if self._asked:
            await asyncio.wait(list(self._asked.values()), timeout=MARGIN_S)
            await asyncio.sleep(SETTLE_S)
        if self._needed and self.nonsense:
            raise Nonsense(self.peer, self.nonsense)
        if self._needed:
            raise hub.NotReady(phrase("opcua.closed-connection", "{peer} closed the connection", peer=self.peer))

    async def from_worker(self) -> None:
        """Dispatch the worker's messages until it ends."""
        while True:
            match message := await self._child.receive():
                case m.Data():
                    if self._writer is not None:
                        with contextlib.suppress(OSError):  # the reader notices its end
                            self._writer.write(message.data)
                            await self._writer.drain()
                case m.Gone():
                    told, self.nonsense = bool(self.nonsense), self.nonsense or message.nonsense
                    if self._writer is not None:
                        self._writer.close()
                    if self.nonsense and not told and self._needed:
                        self._tasks.create_task(self._connection_ended())
                case m.Told() | m.Refused():
                    waiting = self._asked.get(message.number)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(message)
                    elif message.number in self._late:
                        self._late.remove(message.number)
                    elif waiting is None:
                        raise Lost(
                            phrase("opcua.worker-unasked-answer", "the OPC UA worker answered what nobody asked")
                        )
                case m.Changes() | m.Stopped():
                    if self._brought.qsize() > MOST_WAITING:
                        raise Lost(phrase("opcua.worker-out-of-turn", "the OPC UA worker does not wait for its turn"))
                    self._brought.put_nowait(message)
                case m.Hello():
                    raise Lost(phrase("opcua.worker-unreadable", "the OPC UA worker talked nonsense"))

    async def watched(self) -> None:
        """Ping the worker at intervals. Raises Lost."""
        while True:
            await asyncio.sleep(PING_S)
            try:
                await self.ask(m.Ping(), m.Done, seconds=PONG_S)
            except hub.NotReady as error:
                raise Lost(
                    phrase("opcua.worker-hangs", "the OPC UA worker hangs: {reason}", reason=reason_of(error))
                ) from error

    async def close(self) -> None:
        """Close the session as the server expects: many allow only a few, and keep one that was not closed for
        minutes."""
        self._needed = False
        with contextlib.suppress(hub.NotReady, Refusal):
            await self.ask(m.Close(), m.Done, seconds=CLOSE_S)


@asynccontextmanager
async def linked(config: Config) -> AsyncIterator[Link]:
    """Open a link to a server that accepts connections. Raises NotReady: no worker is started for one that does not."""
    connection = await dialled(config)
    try:
        async with worker() as child, asyncio.TaskGroup() as tasks:
            link = Link(child, config, tasks, connection)
            background = [tasks.create_task(link.from_worker()), tasks.create_task(link.watched())]
            try:
                yield link
            finally:
                try:
                    if not background[0].done():
                        await link.close()
                finally:  # also when the worker dies of it, which cancels this, or on a second cancellation
                    await link.hang_up()
                    for task in background:
                        task.cancel()
    except BaseExceptionGroup as failures:
        raise _most_severe(config, failures) from failures
    finally:
        connection[1].transport.abort()


async def dialled(config: Config) -> Connection:
    """Open a TCP connection. Raises NotReady."""
    peer = f"{config.host}:{config.port}"
    try:
        async with asyncio.timeout(config.timeout.total_seconds()):
            return await asyncio.open_connection(config.host, config.port)
    except (OSError, TimeoutError) as error:
        raise hub.NotReady(
            phrase(
                "opcua.accepts-no-connection",
                "{peer} accepts no connection: check its power, the network and `url`",
                peer=peer,
            )
        ) from error


def _nonsense(what: str) -> str:
    """Return why data are not OPC UA, from a worker's word for it."""
    word, _, size = what.partition(" ")
    match word:
        case m.CHUNK_SIZE if size.isdecimal():
            return phrase("opcua.wrong-chunk-size", "a chunk of {size} bytes", size=int(size))
        case m.MESSAGE_SIZE if size.isdecimal():
            return phrase("opcua.message-too-long", "a message of more than {most} bytes", most=int(size))
        case m.UNREAD:
            return phrase("opcua.message-unreadable", "a message that cannot be read")
        case _:
            return phrase("opcua.other-protocol", "this is not OPC UA")


def _most_severe(config: Config, failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that counts: first bugs, then errors that need a person, then unavailability."""
    flat = list(_flat(failures))
    known = (hub.AuthFailed, hub.NotReady, Refusal)
    order = [e for e in flat if not isinstance(e, known)] + [e for kind in known for e in flat if isinstance(e, kind)]
    if isinstance(order[0], Refusal):
        return hub.NotReady(
            phrase(
                "opcua.refuses",
                "{peer} refuses: {reason}",
                peer=f"{config.host}:{config.port}",
                reason=reason_of(order[0]),
            )
        )
    return order[0]


def _flat(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _flat(inner)
    else:
        yield error
