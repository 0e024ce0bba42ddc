"""A circulator, as a function at the other end of a stream."""

from __future__ import annotations

import asyncio

URL = "tcp://192.0.2.51:4001"


class Circulator:
    """It runs, and refuses to stop while `locked`."""

    def __init__(self, locked: bool = False) -> None:
        self.running = 1
        self.locked = locked
        self.calls: set[asyncio.StreamWriter] = set()

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.calls.add(writer)
        async for line in reader:
            writer.write(self.answer(line.split()))

    def hang_up(self) -> None:
        for writer in self.calls:
            writer.close()
        self.calls.clear()

    def answer(self, words: list[bytes]) -> bytes:
        if words == [b"GET"]:
            power = 312 * self.running
            return b"STATE sn=7 running=%d power=%d\n" % (self.running, power)
        if self.locked:
            return b"ERR locked at the device\n"
        self.running = int(words[1])
        return b"OK\n"
