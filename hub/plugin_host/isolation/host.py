"""Runs one plugin in a process of its own, from the hub's side.

    start     a socket pair, a pipe for stderr, the process (`launch`), Start
    while     every second a Ping, and a look at what the process uses; frames in slices, so that others have a turn
    end       Ended, or the process dies, says what it may not say, or does not answer for HANGS_S: it is killed then,
              and the reason names it

What a child says is carried out by a `Serves`, which judges it again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import BinaryIO, Protocol

from hub.core.errors import PluginError
from hub.core.text import Phrase, from_data, phrase
from hub.plugin_host.error_text import RemoteError
from hub.plugin_host.isolation import framing, wire, wire_base
from hub.plugin_host.isolation.bucket import Bucket
from hub.plugin_host.isolation.calls import Say
from hub.plugin_host.isolation.failures import raised
from hub.plugin_host.isolation.launch import Running, Spec, launched
from hub.plugin_host.isolation.link import Writer
from hub.plugin_host.isolation.usage import ImportWatch
from hub.plugin_host.isolation.wire_base import Hostile

BEAT_S = 1.0
MISSES = 4
"""Beats without an answer after which a process hangs: it is killed within five seconds."""
HANGS_S = MISSES * BEAT_S
STARTS_S = 20.0
"""Until when it has imported the plugin; importing does not answer a Ping. `ImportWatch` ends one that hangs sooner."""
STOP_S = 3.0
"""How long a plugin may clean up."""
SLICE_S = 0.002
MOST_UNREAD = 8 << 20
"""Bytes that a child may leave unread."""
WORDS = 2000
"""Characters of a line that it logs."""

Launch = Callable[[Spec, socket.socket, int], AbstractAsyncContextManager[Running]]


class Serves(Protocol):
    """What a child may say, carried out."""

    def begin(self, start: wire.Start) -> wire.Start: ...
    async def take(self, message: wire.Up, size: int) -> None: ...
    async def close(self) -> None: ...
    @property
    def timezone(self) -> str: ...


class Host:
    """One run of a plugin's process. `serves` is built with the function that sends the process a message; `loaded` is
    told what the plugin registered, `uses` what its process uses."""

    def __init__(
        self,
        spec: Spec,
        start: wire.Start,
        serves: Callable[[Say], Serves],
        *,
        loaded: Callable[[wire.Loaded], None] = lambda _: None,
        uses: Callable[[int, int], None] = lambda processor, memory: None,
        launch: Launch = launched,
    ) -> None:
        self._spec, self._start, self._launch = spec, start, launch
        self._build, self._loaded, self._uses = serves, loaded, uses
        self._log = logging.getLogger(f"hub.{spec.instance}")
        self._lines = Bucket(10.0, 100)
        self._messages = Bucket(20_000.0, 40_000)
        self._left_out = 0
        self._pinged = self._ponged = 0
        self._is_loaded = False
        self._hung = self._pauses = False
        self._stuck: Phrase | None = None

    async def run(self) -> str:
        """Run it to its end and return what it said. Raises what the plugin raised, and PluginError when the process
        had to be ended or died; killed when this is cancelled."""
        ours, theirs = socket.socketpair()
        errors, their_errors = os.pipe()
        with ours, os.fdopen(errors, "rb", buffering=0) as said:
            ours.setblocking(False)
            os.set_blocking(errors, False)
            async with AsyncExitStack() as stack:
                try:
                    running = await stack.enter_async_context(self._launch(self._spec, theirs, their_errors))
                finally:
                    theirs.close()
                    os.close(their_errors)
                return await self._run(running, ours, said)

    async def _run(self, running: Running, sock: socket.socket, said: BinaryIO) -> str:
        out = Writer(sock)
        serves = self._build(lambda message, *descriptors: self._send(out, message, *descriptors))
        self._send(out, serves.begin(self._start))
        reading = asyncio.create_task(self._read(sock, serves))
        tasks = [
            reading,
            asyncio.create_task(self._beat(running, out, serves)),
            asyncio.create_task(self._listen(said)),
            asyncio.create_task(self._measure(running)),
        ]
        try:
            await asyncio.wait(tasks[:2], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._send(out, wire.Stop())
            await asyncio.wait([reading], timeout=STOP_S)
            raise
        finally:
            running.kill()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            out.close()
            await serves.close()
        if self._stuck is not None:
            raise self._ended(self._stuck)
        if self._hung:
            raise self._ended(phrase("plugin-process-hangs", "it did not answer for {seconds:.0f} s", seconds=HANGS_S))
        failure = reading.exception()
        if isinstance(failure, Hostile):
            raise self._ended(
                phrase("plugin-process-hostile", "it said what it may not say: {reason}", reason=str(failure))
            )
        if failure is not None:
            raise failure
        if (ended := reading.result()) is None:
            raise self._died(await running.ended())
        if ended.failure is not None:
            raise raised(ended.failure)
        return ended.said

    def _send(self, out: Writer, message: wire_base.Message, *descriptors: int) -> None:
        if out.waiting > MOST_UNREAD:
            out.close()
            self._hung = True
            return
        out.write(framing.frame(message, framing.LARGEST_DOWN), descriptors)

    async def _read(self, sock: socket.socket, serves: Serves) -> wire.Ended | None:
        """Carry out what the child says until it says Ended; None when it is gone without."""
        loop, frames = asyncio.get_running_loop(), framing.Frames()
        turn = loop.time()
        while data := await _received(loop, sock):
            for body in frames.feed(data):
                message = framing.up(body)
                if type(message) is not wire.Emit:
                    if isinstance(message, wire.Ended):
                        return message
                    if wait := self._messages.take(loop.time()):
                        await asyncio.sleep(wait)
                if not self._takes(message):
                    self._pauses = True  # where reports wait for room, so does an answer to a ping
                    await serves.take(message, len(body))
                    self._pauses = False
                if loop.time() - turn > SLICE_S:
                    await asyncio.sleep(0)
                    turn = loop.time()
        return None

    def _takes(self, message: wire.Up) -> bool:
        """Take what is for the host itself."""
        match message:
            case wire.Pong(n):
                if not self._ponged < n <= self._pinged:
                    raise Hostile(f"answers ping {n}, which it was not sent")
                self._ponged = n
            case wire.Log():
                self._write_log(message)
            case wire.Loaded():
                if self._is_loaded:
                    raise Hostile("loads its plugin twice")
                self._is_loaded = True
                self._loaded(message)
            case _:
                return False
        return True

    async def _beat(self, running: Running, out: Writer, serves: Serves) -> None:
        """Ping the child until it does not answer. A hub that is late itself counts one miss, not many."""
        missed, beats, heard = 0, 0, -1
        while missed < MISSES and not self._hung and self._stuck is None:
            self._pinged += 1
            level = self._log.getEffectiveLevel()
            self._send(out, wire.Ping(self._pinged, level, serves.timezone))
            await asyncio.sleep(BEAT_S)
            beats += 1
            missed = 0 if self._ponged > heard else missed + 1
            heard = self._ponged
            if self._pauses or (not self._is_loaded and beats * BEAT_S < STARTS_S):
                missed = 0
        self._hung = True

    async def _measure(self, running: Running) -> None:
        """Ask what the process uses. Who started it knows: the hub's unit hides processes of other users from it."""
        importing = ImportWatch()
        while True:
            await asyncio.sleep(BEAT_S)
            use = await running.usage()
            if use.memory:
                self._uses(use.processor, use.memory)
            if not self._is_loaded and self._stuck is None:
                self._stuck = importing.stuck(use)

    async def _listen(self, said: BinaryIO) -> None:
        """Log what the child writes to stderr."""
        loop = asyncio.get_running_loop()
        rest = b""
        while True:
            ready = asyncio.Event()
            loop.add_reader(said, ready.set)  # perhaps more than once until this goes on
            try:
                await ready.wait()
            finally:
                loop.remove_reader(said)
            data = said.read(4096)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > WORDS:
                lines, rest = [*lines, rest], b""
            for line in filter(None, lines):
                self._line(logging.WARNING, line.decode(errors="replace")[:WORDS])
            if self._left_out:
                await asyncio.sleep(0.1)  # the pipe fills, and it waits

    def _write_log(self, message: wire.Log) -> None:
        trace = RemoteError("Traceback", "\n" + message.trace) if message.trace else None
        said = from_data(message.text, message.code)
        self._line(message.level, said if isinstance(said, Phrase) else said[:WORDS], trace)

    def _line(self, level: int, text: str, error: Exception | None = None) -> None:
        if not self._lines.passes(asyncio.get_running_loop().time()):
            self._left_out += 1
            return
        if self._left_out:
            self._log.warning(
                phrase(
                    "plugin-lines-left-out", "{count} [line was|lines were] left out: too many", count=self._left_out
                )
            )
            self._left_out = 0
        self._log.log(level, text, exc_info=error)

    def _ended(self, why: str) -> PluginError:
        return PluginError(phrase("plugin-process-ended", "its process was ended: {reason}", reason=why))

    def _died(self, status: int) -> PluginError:
        if status >= 0:
            return PluginError(
                phrase("plugin-process-exited", "its process ended by itself, with exit code {status}", status=status)
            )
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = str(-status)
        return PluginError(phrase("plugin-process-killed", "its process was killed by signal {signal}", signal=name))


async def _received(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> bytes:
    try:
        return await loop.sock_recv(sock, 1 << 16)
    except ConnectionError:
        return b""
