"""The connection to a gateway, for whoever may reach it: a session, a search, a probe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import hub
from hub.sdk.phrases import phrase, reason_of
from hub.sdk.session import Access

ANSWER_S = 5.0


class Line:
    """One connection: a question and its answer belong together, one at a time."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader, self._writer = reader, writer
        self._turn = asyncio.Lock()

    async def ask(self, line: bytes) -> bytes:
        """Raises NotReady when no answer comes."""
        async with self._turn:
            try:
                self._writer.write(line)
                async with asyncio.timeout(ANSWER_S):
                    await self._writer.drain()
                    return await self._reader.readuntil(b"\n")
            except (EOFError, OSError, asyncio.LimitOverrunError) as error:
                raise hub.NotReady(
                    phrase(
                        "boreal_mixer.silent",
                        "the gateway does not answer: {reason}",
                        reason=reason_of(error),
                    )
                ) from error


@asynccontextmanager
async def opened(ways: Access, url: str) -> AsyncIterator[Line]:
    """Raises NotReady when the gateway is away."""
    reader, writer = await ways.network.connect(url)
    try:
        yield Line(reader, writer)
    finally:
        writer.close()
