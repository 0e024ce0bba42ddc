"""Decoders of an isolated plugin: frames that no decoder of this process reads are passed to its process, one by one.

Whoever submits a frame waits for the answer, so a process that is late is left out until it has answered: one frame
costs WAIT_S, the next ones nothing. It is given the key of the device with the frame's own address, and of devices
whose scheme is its own id: not those of everybody in whose name it may speak.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from hub.core.counters import Counts
from hub.core.errors import DecodeError
from hub.core.model import Decoded, Frame, NeedKey
from hub.plugin_host.isolation.calls import Say
from hub.plugin_host.isolation.failures import raised
from hub.plugin_host.isolation.wire_base import Hostile
from hub.plugin_host.isolation.wire_roles import DecodedFrame, DecodeFrame, DecoderText
from hub.plugin_host.manifest import NOTHING, judged_answer, permissions_of
from hub.sdk.hookspecs import Decoder, Keys

if TYPE_CHECKING:
    from hub.plugin_host.registry import Plugin

WAIT_S = 1.0
MOST_WAITING = 16
_REASON = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
BUSY, LATE = "decoder-busy", "decoder-late"


class DecodersServed:
    """The decoders of one run of an isolated plugin, named by its instance. `say` sends its process a message."""

    def __init__(self, instance: str, plugin: Plugin, counts: Counts, say: Say) -> None:
        self._instance, self._plugin, self._counts, self._say = instance, plugin, counts, say
        self._waiting: dict[int, tuple[asyncio.Future[DecodedFrame], Keys]] = {}
        self._late: set[int] = set()
        self._n = 0

    def made(self, said: tuple[DecoderText, ...]) -> list[Decoder]:
        """Return the decoders that the process has."""
        return [self._made(one) for one in said]

    def _made(self, said: DecoderText) -> Decoder:
        async def apart(frame: Frame, keys: Keys) -> Decoded | NeedKey | None:
            return await self._decode(said.name, frame, keys)

        return Decoder(said.name, self._plugin.name, said.kind, _nobodys, (), None, apart=apart)

    def take(self, message: DecodedFrame) -> None:
        """Take an answer. Raises Hostile for one to a frame that was not passed."""
        if message.n in self._late:
            self._late.discard(message.n)
            return
        waiting, _ = self._waiting.get(message.n, (None, None))
        if waiting is None or waiting.done():
            raise Hostile(f"answers frame {message.n}, which it was not given")
        waiting.set_result(message)

    def key(self, device: str) -> bytes | None:
        """Return the key of a device that this plugin decodes, None for any other."""
        manifest, waiting = self._plugin.manifest, next(iter(self._waiting.values()), None)
        if manifest is None or waiting is None or device.partition(":")[0] != manifest.id:
            return None
        return waiting[1](device)

    def close(self) -> None:
        """The process is gone: its frames are nobody's."""
        for waiting, _ in self._waiting.values():
            waiting.cancel()

    async def _decode(self, name: str, frame: Frame, keys: Keys) -> Decoded | NeedKey | None:
        if self._late or len(self._waiting) >= MOST_WAITING:
            self._counts.add(BUSY, self._instance)
            return None
        self._n += 1
        n, answer = self._n, asyncio.get_running_loop().create_future()
        self._waiting[n] = answer, keys
        self._say(DecodeFrame(n, name, frame, keys(f"{frame.kind}:{frame.address}")))
        try:
            async with asyncio.timeout(WAIT_S):
                await asyncio.wait((answer,))
        except TimeoutError:
            self._late.add(n)
            self._counts.add(LATE, self._instance)
            return None
        finally:
            del self._waiting[n]
        return None if answer.cancelled() else self._judged(answer.result())

    def _judged(self, said: DecodedFrame) -> Decoded | NeedKey | None:
        """Return what counts of an answer. Raises DecodeError, PluginError."""
        if said.failure is not None:
            error = raised(said.failure)
            if not isinstance(error, DecodeError) or not _REASON.fullmatch(error.reason):
                raise DecodeError("decoder-mistake", str(error))
            raise error
        found = said.answer or said.needs
        if isinstance(found, Decoded) and not all(_REASON.fullmatch(one[:64]) for one in found.skipped[:64]):
            raise DecodeError("decoder-mistake")
        return judged_answer(found, self._plugin.name, permissions_of(self._plugin) or NOTHING)


def _nobodys(frame: Frame, keys: Keys) -> None:
    """Decode for who cannot wait for another process: it is nobody's frame there."""
