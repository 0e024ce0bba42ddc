"""What all peers have in common."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Beginning:
    """`async with ModbusServer({0: 215}) as server`: a peer that begins and ends with the block."""

    async def begin(self) -> None:
        """Begin to listen or to speak."""
        raise NotImplementedError

    async def end(self) -> None:
        """End, so that it can begin again on the same port."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        await self.begin()
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.end()
