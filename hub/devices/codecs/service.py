"""The hub's side of the worker: starts it with the first call, times every call, and restarts it.

A call that the worker does not answer in time, or that kills it, fails alone; the calls behind it are sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from hub.core.errors import DecodeError, NotReady
from hub.core.later import ZONES
from hub.core.text import phrase, reason_of
from hub.devices.codecs.messages import ENCODE, MAX_MESSAGE, UPLINK, Answer, Call, Codec, Unpacker, pack
from hub.sdk.sandboxed_process import ended

_log = logging.getLogger("hub.payload")

START_S = 30.0
"""Time for an interpreter and its imports on a machine that is still booting."""
CALL_S = 2.0
"""Worker processor time per call; the engine itself stops after 50 ms, or 1 s when it compiles a codec."""
STARVED_S = 30.0
"""Real time per call: a starved worker is given time, a hanging one is not waited for indefinitely."""
WAITING = 1024
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from hub.core.later import spare_worker; spare_worker(); "
    "from hub.devices.codecs.worker import main; main()"
)


class _Waiting:
    """A call that is queued or in flight."""

    def __init__(self, codec: Codec, function: str, argument: str, answer: asyncio.Future[Answer]) -> None:
        self.codec, self.function, self.argument, self.answer = codec, function, argument, answer


class Codecs:
    """The payload codecs: `async with Codecs() as codecs`. At most WAITING calls are queued; further ones are
    refused."""

    def __init__(self, *, call_s: float = CALL_S, starved_s: float = STARVED_S) -> None:
        self.restarts = 0  # number of workers that ended
        self._call_s, self._starved_s = call_s, starved_s
        self._queue: deque[_Waiting] = deque()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep(), name="payload codecs")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def decode_uplink(
        self, codec: Codec, payload: bytes, port: int, received: float | None = None
    ) -> dict[str, Any]:
        """Call `decodeUplink` and return its object: `data`, perhaps `warnings` and `errors`. `received` is Unix
        seconds.

        Raises DecodeError (reason `codec-…`), and NotReady when there is no worker.
        """
        argument = {"bytes": list(payload), "fPort": port, "recvTime": None if received is None else received * 1000}
        return await self.call(codec, UPLINK, argument)

    async def encode_downlink(self, codec: Codec, data: Any, port: int = 1) -> dict[str, Any]:
        return await self.call(codec, ENCODE, {"data": data, "fPort": port})

    async def call(self, codec: Codec, function: str, argument: Any) -> dict[str, Any]:
        """Call a function with an argument that can be encoded as JSON. Raises as `decode_uplink` does."""
        if len(self._queue) >= WAITING:
            raise NotReady(phrase("codec-queue-full", "{limit} payloads wait for their codecs already", limit=WAITING))
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(codec, function, msgspec.json.encode(argument).decode(), answer))
        self._woken.set()
        return (await answer).object()

    async def _keep(self) -> None:
        while True:
            await self._woken.wait()
            if not self._queue:
                self._woken.clear()
                continue
            try:
                await self._serve()
            except (OSError, NotReady) as error:
                said = phrase(
                    "codec-process-unstartable",
                    "the codecs' process cannot be started: {reason}",
                    reason=reason_of(error),
                )
                self._fail_all(NotReady(said))
            self.restarts += 1

    async def _serve(self) -> None:
        """Run one worker until it dies or takes too long for a call."""
        async with _worker() as (reader, writer, used_s):
            sent: deque[_Waiting] = deque()  # in flight, in order
            known: set[bytes] = set()
            unpacker, number = Unpacker(), 0
            try:
                while True:
                    while self._queue and len(sent) < 64:
                        waiting = self._queue.popleft()
                        if waiting.answer.done():
                            continue
                        number += 1
                        digest = waiting.codec.digest
                        codec = None if digest in known else waiting.codec
                        message = pack(Call(number, digest, waiting.function, waiting.argument, codec))
                        if (
                            len(message) > MAX_MESSAGE
                        ):  # it would kill the worker, and all calls in flight would start again
                            most = phrase(
                                "codec-call-too-large",
                                "a codec, its files and a call have {limit} MiB at most",
                                limit=MAX_MESSAGE >> 20,
                            )
                            _settle(waiting, Answer(number, most, "codec-memory"))
                            continue
                        known.add(digest)
                        writer.write(message)
                        sent.append(waiting)
                    if not sent:
                        self._woken.clear()
                        await self._woken.wait()
                        if reader.at_eof():  # it died while idle: no call is to blame
                            return
                        continue
                    data = await self._heard(reader, used_s)
                    if not data:
                        raise DecodeError("codec-crash", phrase("codec-process-died", "the codecs' process died of it"))
                    for body in unpacker.feed(data):
                        answer = msgspec.msgpack.decode(
                            body, type=Answer
                        )  # decode before popping: a bad message is blamed on its call
                        _settle(sent.popleft(), answer)
            except TimeoutError as error:
                _settle(sent.popleft(), Answer(0, reason_of(error), "codec-time"))
            except (DecodeError, msgspec.MsgspecError, UnicodeDecodeError, ConnectionError, IndexError) as error:
                reason = error.reason if isinstance(error, DecodeError) else "codec-crash"
                if sent:
                    _settle(
                        sent.popleft(),
                        Answer(0, error.detail if isinstance(error, DecodeError) else reason_of(error), reason),
                    )
            finally:
                self._queue.extendleft(reversed(sent))
                self._woken.set()

    async def _heard(self, reader: asyncio.StreamReader, used_s: Callable[[], float]) -> bytes:
        """Read the worker's next bytes. Raises TimeoutError when it computes or stays silent for too long."""
        loop = asyncio.get_running_loop()
        began, used = loop.time(), used_s()
        coming = asyncio.ensure_future(reader.read(1 << 16))
        try:
            while not (await asyncio.wait([coming], timeout=min(self._call_s, self._starved_s)))[0]:
                waited = loop.time() - began
                if waited >= self._starved_s or used_s() - used >= self._call_s:
                    raise TimeoutError(
                        phrase("codec-no-answer-within", "no answer within {seconds:.3g} s", seconds=waited)
                    )
            return coming.result()
        finally:
            coming.cancel()

    def _fail_all(self, error: NotReady) -> None:
        _log.error(reason_of(error))
        while self._queue:
            waiting = self._queue.popleft()
            if not waiting.answer.done():
                waiting.answer.set_exception(error)


def _settle(waiting: _Waiting, answer: Answer) -> None:
    if not waiting.answer.done():
        waiting.answer.set_result(answer)


def _used_s(pid: int) -> float:
    """Return the processor seconds of a process, 0 when it is gone.

    Uses the process's CPU-time clock (clock_getcpuclockid(3)), forty times faster than parsing proc(5): it is read at
    each call.
    """
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0


def _command() -> list[str]:
    """Return the command of the worker: Python with the import path of this process, and without the site module, which
    only builds that path again."""
    path = [str(Path(__file__).parents[3]), *filter(None, sys.path)]
    return [sys.executable, "-I", "-S", "-c", _BOOT, msgspec.json.encode(path).decode()]


@contextlib.asynccontextmanager
async def _worker() -> Any:
    """Start a worker and wait until it is ready; yields (reader, writer, function that returns its processor seconds).

    Raises OSError, NotReady.
    """
    process = await asyncio.create_subprocess_exec(
        *_command(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={"PATH": os.defpath, "PYTHONTZPATH": ZONES},
        close_fds=True,
    )
    if process.stdin is None or process.stdout is None:
        raise OSError(phrase("codec-process-without-pipes", "no pipes to the codecs' process"))
    try:
        try:
            async with asyncio.timeout(START_S):
                size = int.from_bytes(await process.stdout.readexactly(4), "big")
                await process.stdout.readexactly(min(size, 1024))
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            raise NotReady(
                phrase("codec-process-not-started", "it did not come up; its message is in the log above")
            ) from error
        yield process.stdout, process.stdin, lambda: _used_s(process.pid)
    finally:
        await ended(process)
