"""A Boreal gateway with two units, as a function at the other end of a stream; `python gateway.py PORT` serves it."""

from __future__ import annotations

import asyncio
import sys

URL = "tcp://192.0.2.60:4100"


class Station:
    """Units 3 and 8; unit 8 is locked."""

    def __init__(self) -> None:
        self.wanted = {3: 36.0, 8: 30.0}
        self.calls: set[asyncio.StreamWriter] = set()

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.calls.add(writer)
        async for line in reader:
            writer.write(self.answer(line.decode().split()))

    def hang_up(self) -> None:
        for writer in self.calls:
            writer.close()
        self.calls.clear()

    def answer(self, words: list[str]) -> bytes:
        if words == ["LIST"]:
            return b"UNITS 3 8\n"
        number = int(words[1])
        if number not in self.wanted:
            return b"ERR no such unit\n"
        if words[0] == "SET":
            if number == 8:
                return b"ERR locked at the unit\n"
            self.wanted[number] = float(words[2])
            return b"OK\n"
        return b"UNIT %d flow=%.1f set=%.1f\n" % (
            number,
            self.wanted[number] - 0.5,
            self.wanted[number],
        )


async def main(port: int) -> None:
    async with await asyncio.start_server(Station().serve, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
