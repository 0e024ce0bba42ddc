"""The child's end of the socket pair: what the plugin says goes out, what the hub answers comes back to who asked.

`tell` never waits, `call` waits in its own task, `ask` lets the whole process wait: for members of the session that
are no coroutines. The hub answers these at once.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from hub.core.errors import NotReady, PluginError
from hub.core.text import phrase, reason_of
from hub.plugin_host.isolation import framing, wire, wire_base
from hub.plugin_host.isolation.failures import raised, told
from hub.plugin_host.isolation.link import Writer

C = TypeVar("C", bound=wire_base.Call)
_CALLS_AT_ONCE = wire_base.MOST_CALLS - 24
_HELD = wire_base.MOST_HELD // 2
_WAITING = 1 << 18
"""Bytes on their way out from where on whoever can wait does."""
LOST = -1
"""In place of a descriptor that came when this process had as many as it may."""
_BLOCKING = 8 << 20
"""Bytes on their way out from where on everybody waits."""


class HubLink:
    """Calls to the hub; `hears` is given all that it says."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.hears: Callable[[wire.Down], None] = lambda _: None
        self._sock = sock
        self._out = Writer(sock)
        self._frames = framing.Frames(framing.LARGEST_DOWN)
        self._bodies: deque[bytes] = deque()
        self._loop = asyncio.get_running_loop()
        self._calls: dict[int, tuple[asyncio.Future[bytes] | None, int]] = {}  # the future of a caller, and bytes
        self._asked: dict[int, wire.Answered | wire.Failed | None] = {}
        self._judges: dict[int, Callable[[bytes], int | None]] = {}
        self._opened: dict[int, asyncio.Future[int]] = {}
        self._descriptors: deque[int] = deque()
        self._n = self._held = 0
        self._room = asyncio.Event()
        self._loop.add_reader(sock, self._readable)

    def tell(self, message: wire_base.Message) -> None:
        """Say something. Raises PluginError for what cannot be passed on."""
        self._write(framed(message))

    def _write(self, frame: bytes) -> None:
        self._out.write(frame)
        while self._out.waiting > _BLOCKING:  # a plugin that says more than the hub listens to
            self._out.block()
            if self._out.waiting > _BLOCKING:
                self._out.wait_writable(1.0)
                self._receive()

    async def room(self) -> None:
        """Wait until what was said before is on its way."""
        if self._out.waiting > _WAITING:
            await self._out.below(_WAITING // 2)

    def number(self) -> int:
        """Return the number of the next call."""
        self._n += 1
        return self._n

    async def call(self, kind: type[C], *rest: Any, judge: Callable[[bytes], int | None] | None = None) -> Any:
        """Make a call and return its answer. Raises what the hub answers, and PluginError for what cannot be passed."""
        await self.slot()
        n = self.number()
        frame = framed(kind(n, *rest))
        if judge is not None:
            self._judges[n] = judge
        return msgspec.msgpack.decode(await self.answered(n, frame), type=kind.answer)

    async def open(self, how: str, url: str, ca: str, seconds: float) -> int:
        """Return the descriptor of what the hub opens. Raises as `call` does."""
        await self.slot()
        n = self.number()
        made: asyncio.Future[int] = self._loop.create_future()
        self._opened[n] = made
        try:
            await self.answered(n, framed(wire.Open(n, how, url, ca, seconds)))
            return made.result()
        except BaseException:
            if made.done():
                os.close(made.result())
            raise
        finally:
            del self._opened[n]

    async def slot(self) -> None:
        """Wait until another call may be made."""
        while len(self._calls) >= _CALLS_AT_ONCE or self._held > _HELD:
            self._room.clear()
            await self._room.wait()

    async def answered(self, n: int, frame: bytes) -> bytes:
        """Send the frame of a call and return what comes back."""
        future: asyncio.Future[bytes] = self._loop.create_future()
        self._calls[n] = future, len(frame)
        self._held += len(frame)
        self._write(frame)
        try:
            return await future
        except asyncio.CancelledError:
            if n in self._calls:
                self._calls[n] = None, len(frame)
                self.tell(wire.Cancel(n))
            raise
        finally:
            self._judges.pop(n, None)

    def ask(self, kind: type[C], *rest: Any) -> Any:
        """Make a call and return its answer, while nothing else goes on here."""
        n = self.number()
        self._asked[n] = None
        self._write(framed(kind(n, *rest)))
        while (answer := self._asked[n]) is None:
            self._out.block()
            self._out.wait_writable(1.0)
            self._receive()
        del self._asked[n]
        if isinstance(answer, wire.Failed):
            raise raised(answer.failure)
        return msgspec.msgpack.decode(answer.value, type=kind.answer)

    def last_words(self, message: wire_base.Message, seconds: float) -> None:
        """Say this and wait until it is on its way."""
        self.tell(message)
        for _ in range(max(1, int(seconds * 10))):
            self._out.block()
            if not self._out.waiting or self._out.broken:
                return
            self._out.wait_writable(0.1)

    def _readable(self) -> None:
        self._receive()

    def _receive(self) -> None:
        try:
            data, passed, flags, _ = socket.recv_fds(self._sock, 1 << 18, 8)
            self._descriptors.extend(passed or ([LOST] if flags & socket.MSG_CTRUNC else []))
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            os._exit(0)  # the hub is gone, or has nothing more to say to this process
        self._bodies.extend(self._frames.feed(data))
        while self._bodies:  # a plugin that is asked here may ask the hub, which comes back to here
            self._hear(framing.down(self._bodies.popleft()))

    def _hear(self, message: wire.Down) -> None:
        if isinstance(message, wire.Part):
            self._judge(message)
            return
        if isinstance(message, wire.Passed):
            message = self._take(message.n, self._descriptors.popleft())
        self.hears(message)
        if isinstance(message, wire.Answered | wire.Failed) and message.n:
            self._answer(message)

    def _take(self, n: int, descriptor: int) -> wire.Answered | wire.Failed:
        """Take a descriptor for who asked for it."""
        if descriptor == LOST:
            why = phrase("plugin-has-too-many-files", "this plugin has too many open connections and files")
            return wire.Failed(n, told(NotReady(why)))
        if (opened := self._opened.get(n)) is None or self._calls[n][0] is None:
            os.close(descriptor)  # whoever asked waits no more
        else:
            opened.set_result(descriptor)
        return wire.Answered(n)

    def _answer(self, message: wire.Answered | wire.Failed) -> None:
        if message.n in self._asked:
            self._asked[message.n] = message
            return
        future, size = self._calls.pop(message.n, (None, 0))
        self._held -= size
        self._room.set()
        if future is None or future.done():
            return
        if isinstance(message, wire.Failed):
            future.set_exception(raised(message.failure))
        else:
            future.set_result(bytes(message.value))

    def _judge(self, part: wire.Part) -> None:
        """Ask the plugin whether a bus has answered in full. What it raises is raised where it called."""
        whole = self._judges.get(part.n)
        future, size = self._calls.get(part.n, (None, 0))
        if whole is None or future is None:
            self.tell(wire.Judged(part.n, None, failed=True))
            return
        try:
            judged = wire.Judged(part.n, whole(part.data))
        except Exception as error:
            self._calls[part.n] = None, size
            judged = wire.Judged(part.n, None, failed=True)
            if not future.done():
                future.set_exception(error)
        self.tell(judged)


def framed(message: wire_base.Message) -> bytes:
    try:
        return framing.frame(message, wire.most_of(message))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise PluginError(
            phrase(
                "not-for-another-process",
                "what the plugin hands over ({what}) cannot be passed to the hub: {reason}",
                what=type(message).__name__,
                reason=reason_of(error),
            )
        ) from error
