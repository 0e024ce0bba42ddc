"""A worker process, from the hub's side: started, asked, and killed at the end.

Its answers are checked and timed: `Lost` says that it can no longer be used, and which parser was at work.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from hub.sdk.phrases import phrase, reason_of
from hub.sdk.sandboxed_process import SandboxedProcess
from integrations.bluetooth.strangers.messages import PACKET, UNREADABLE, Answer, Ask, Hello, at_work

START_S, RESTING_S, STARTING_S = 60.0, 60.0, 900.0
"""Limits of a start: processor seconds to import the parsers; seconds in which it must compute something; and seconds
in all. It gives way to the hub, so that on a busy machine a start takes minutes."""

ANSWER_S, STARVED_S = 1.0, 10.0
"""Seconds that it may take with one advertisement: the first when it computed all the while, for it has 50 ms of
processor time; the second when it did not, because the machine is busy with other things, or it sleeps."""

COMPUTED_S = 0.2
"""Processor time that is more than a starved worker gets and less than a hanging one takes."""

RESTS_S = 0.02
"""Processor time in RESTING_S of a worker that sleeps, and of none that has work to do."""

MODULE = "integrations.bluetooth.strangers"

_DIED = phrase("bluetooth.worker-died", "the worker died")
_NONSENSE = phrase("bluetooth.worker-unreadable", "the worker talked nonsense")

_TICKS = os.sysconf("SC_CLK_TCK")


class Lost(Exception):
    """The worker is gone or sends invalid answers; `parser` was at work, "" when none was."""

    def __init__(self, why: str, parser: str = "") -> None:
        self.parser = parser
        super().__init__(why)


class NoParsers(Exception):
    """There is nothing to run, or no way to run it safely."""


class Worker:
    """A running worker. `asked` raises Lost; the caller then leaves the block that started it."""

    def __init__(self, channel: socket.socket, page: mmap.mmap, pid: int) -> None:
        self._channel = channel
        self._page = page
        self._pid = pid
        self._number = 0
        self._encoder = msgspec.msgpack.Encoder()
        self._answers = msgspec.msgpack.Decoder(Answer)
        self.parsers: list[tuple[str, str]] = []
        self.broken: list[tuple[str, str]] = []

    async def hello(self) -> None:
        before = 0.0

        def given_up(waited: float, computed: float) -> bool:
            nonlocal before
            rests, before = computed - before < RESTS_S, computed
            return rests or computed >= START_S or waited >= STARTING_S

        packet = await self._receive(RESTING_S, given_up)
        try:
            hello = msgspec.msgpack.decode(packet, type=Hello)
        except UNREADABLE as error:
            raise Lost(_NONSENSE, self._blame()) from error
        self.parsers, self.broken = hello.parsers, hello.broken

    async def asked(self, ask: Ask, patience: float, starved: float = STARVED_S) -> tuple[Answer, bytes]:
        """Return the answer to one advertisement, and its bytes. `patience` and `starved` are in seconds, as above."""
        self._number = (self._number + 1) & 0xFFFFFFFF
        packet = self._encoder.encode(msgspec.structs.replace(ask, number=self._number))
        try:
            await asyncio.get_running_loop().sock_sendall(self._channel, packet)
        except OSError as error:
            raise Lost(_DIED, self._blame()) from error
        packet = await self._receive(patience, lambda waited, computed: waited >= starved or computed >= COMPUTED_S)
        try:
            answer = self._answers.decode(packet)
        except UNREADABLE as error:
            raise Lost(_NONSENSE, self._blame()) from error
        if answer.number != self._number:
            raise Lost(phrase("bluetooth.worker-other-answer", "the worker answered another question"), self._blame())
        return answer, packet

    async def _receive(self, patience: float, given_up: Callable[[float, float], bool]) -> bytes:
        """Wait for a packet. `given_up` is asked every `patience` seconds: the seconds that passed, and those that it
        computed."""
        loop = asyncio.get_running_loop()
        began, computed = loop.time(), cpu_s(self._pid)
        # one wait, however often the clock is read: cancelling it may lose data that has just arrived
        coming = asyncio.ensure_future(loop.sock_recv(self._channel, PACKET))
        try:
            while not (await asyncio.wait([coming], timeout=patience))[0]:
                waited = loop.time() - began
                if given_up(waited, cpu_s(self._pid) - computed):
                    raise Lost(
                        phrase(
                            "bluetooth.worker-too-slow",
                            "the worker did not answer within {seconds:.1f} s",
                            seconds=waited,
                        ),
                        self._blame(),
                    )
            packet = coming.result()
        except OSError as error:
            raise Lost(_DIED, self._blame()) from error
        finally:
            coming.cancel()
        if not packet:
            raise Lost(_DIED, self._blame())
        return packet

    def _blame(self) -> str:
        return at_work(self._page[:])


@asynccontextmanager
async def worker(left_out: Sequence[str], command: Sequence[str] | None = None) -> AsyncIterator[Worker]:
    """Start a worker and wait for its hello; it is killed at the end of the block. Raises Lost, or NoParsers when it
    cannot start."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    shared = os.memfd_create("ilot-parser")
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(ours)
        stack.callback(os.close, shared)
        with theirs:
            os.ftruncate(shared, mmap.PAGESIZE)
            page = stack.enter_context(mmap.mmap(shared, mmap.PAGESIZE))
            ours.setblocking(False)
            passed = (theirs.fileno(), shared)
            words = [*(command or own_command()), *map(str, passed), *left_out]
            child = await stack.enter_async_context(SandboxedProcess.started(words, passed))
        talking = Worker(ours, page, child.pid)
        try:
            await talking.hello()
        except Lost as error:
            if error.parser:
                raise
            raise NoParsers(await child.last_words() or reason_of(error)) from error
        if not talking.parsers:
            raise NoParsers(_none(talking.broken))
        yield talking


def _none(broken: Sequence[tuple[str, str]]) -> str:
    """Return that there is no parser, and why those that are installed do not count."""
    if not broken:
        return phrase("bluetooth.no-parser-installed", "no parser is installed: pip install 'ilot[ble-sensors]'")
    return phrase(
        "bluetooth.parsers-broken",
        "no parser can be used: {reasons}",
        reasons=[
            phrase("bluetooth.parser-not-imported", "{parser} cannot be imported: {reason}", parser=name, reason=why)
            for name, why in broken
        ],
    )


def cpu_s(pid: int) -> float:
    """Return the processor seconds of a process (proc(5)); 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def own_command() -> list[str]:
    return SandboxedProcess.command(MODULE, Path(__file__).parents[3])
