"""The link between a buffer and an uplink that the tests hold, on a clock of theirs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.protocol.link_messages import Ack, key_id, pack_reply, sign_ack
from hub.sdk.testing import ManualClock, settle
from hub.sdk.transport import Message, Transport
from hub.store_and_forward.acked_ranges import RunRanges
from hub.store_and_forward.egress import NotDeclared
from hub.store_and_forward.link import AnswerHandlers, Line, Link, Sender, UplinkConfig
from tests.hub.store_and_forward.delivery.delivery_kit import Held, Record

IDENTITY = Ed25519PrivateKey.from_private_bytes(b"i" * 32)
ACK_KEY = Ed25519PrivateKey.from_private_bytes(b"a" * 32)
RUN = b"r" * 16


class Key(msgspec.Struct, frozen=True):
    kid: bytes
    public: bytes


class Trust(msgspec.Struct, frozen=True):
    version: int
    ack_keys: tuple[Key, ...]


PUBLIC = ACK_KEY.public_key().public_bytes_raw()
TRUST = Trust(3, (Key(key_id(PUBLIC), PUBLIC),))


class Durable(NamedTuple):
    stream: str
    run: bytes
    first: int
    last: int
    readings: int
    bytes: int
    deferrable: bool = False


class Buffer:
    """Counts 1, 2, 3… of one stream. `broken`: what reading raises."""

    def __init__(self) -> None:
        self.run = RUN
        self.local: dict[str, Any] = {}
        self.acks = RunRanges()
        self.last = 0
        self.told: list[tuple[str, bytes, list[tuple[int, int]]]] = []
        self.asked: list[tuple[str, bytes, list[tuple[int, int]]]] = []
        self.forgotten = self.flushed = 0
        self.broken: Exception | None = None

    def streams(self) -> list[Held]:
        return [Held("readings", RUN, 1, self.last, b"d" * 32)] if self.last else []

    def read(self, stream: str, run: bytes, first: int, last: int, max_bytes: int) -> list[Record]:
        if self.broken is not None:
            raise self.broken
        return [Record(2, seq, 10, b"e" * 32, b"%8d" % seq) for seq in range(first, last + 1)]

    def acked(self, stream: str, run: bytes, ranges: list[tuple[int, int]]) -> None:
        self.told.append((stream, run, ranges))

    def unacked(self, stream: str, run: bytes, ranges: list[tuple[int, int]]) -> None:
        self.asked.append((stream, run, ranges))

    def forget_acks(self) -> None:
        self.forgotten += 1

    def put_local(self, key: str, value: Any) -> None:
        self.local[key] = value

    async def flush(self) -> None:
        self.flushed += 1
        if self.broken is not None:
            raise self.broken


class Egress:
    def __init__(self) -> None:
        self.lent: list[Any] = []
        self.noted: list[tuple[str, str]] = []

    def note(self, whose: str, error: Any) -> None:
        self.noted.append((whose, str(error)))

    def lend(self, client: Any) -> None:
        self.lent.append(client)

    def take_back(self, client: Any) -> None:
        self.lent.remove(client)

    def connection(self, url: str) -> Any:
        raise NotDeclared(f"{url} is not declared")


class Peer:
    """The plugin and the backend in one: hands each message to the test, answers when told."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.replies: asyncio.Queue[bytes | Exception] = asyncio.Queue()
        self.runs = self.n = 0
        self.through = 0
        self.ended = False

    async def run(self, config: Any, uplink: Transport) -> None:
        self.runs += 1
        async for message in uplink.messages():
            self.messages.put_nowait(message)
            reply = await self.replies.get()
            if isinstance(reply, Exception):
                raise reply
            uplink.answered(message, reply)
        self.ended = True

    async def get(self) -> Message:
        return await asyncio.wait_for(self.messages.get(), 60)

    def ack(self, through: int, db: bytes = b"d" * 16, key: Ed25519PrivateKey = ACK_KEY, **more: Any) -> bytes:
        self.n += 1
        ack = Ack(hub="hub-a", stream="readings", run=RUN, db=db, n=self.n, through=through, **more)
        return pack_reply([sign_ack(ack, key)])


class Bench:
    def __init__(self, **options: Any) -> None:
        self.buffer, self.clock, self.peer = Buffer(), ManualClock(), Peer()
        self.link = self.make(**options)

    def make(self, run: Callable[..., Any] | None = None, *, metered: bool = False, **handlers: Any) -> Link:
        return Link(
            Sender("hub-a", IDENTITY),
            Line([UplinkConfig("https", None, run or self.peer.run)], metered),
            trust=TRUST,
            buffer=self.buffer,
            egress=Egress(),
            clock=self.clock,
            handlers=AnswerHandlers(**handlers),
        )

    def commit(self, count: int) -> None:
        first, self.buffer.last = self.buffer.last + 1, self.buffer.last + count
        self.link.durable(Durable("readings", RUN, first, self.buffer.last, count * 10, count * 8))

    async def answer(self, reply: bytes | None = None) -> None:
        self.peer.replies.put_nowait(reply or pack_reply())
        await settle()

    async def up(self) -> None:
        """The first state is answered."""
        assert (await self.peer.get()).kind == "state"
        self.peer.replies.put_nowait(pack_reply())
        await settle()


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Bench]:
    task = asyncio.create_task(bench.link.run())
    try:
        yield bench
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and task.exception():
            raise task.exception()
