"""Sends the callbacks of a capture again, as the operator, for `ilot replay sigfox --play`. The hub stores a message
once: what it has taken already counts as a repetition."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from hub.sdk.simulation import Replay, Script
from integrations.sigfox import decode
from integrations.sigfox.playing import SigfoxPlayer, play


class Operator:
    """The operator, who sends it all again."""

    environment: Mapping[str, str] = {}

    def __init__(self, player: SigfoxPlayer) -> None:
        self._player = player
        self.options = player.options

    async def joined(self) -> None:
        await self._player.joined(0)

    async def say(self, line: Mapping[str, Any]) -> None:
        callback, _ = decode.parts(decode.line(dict(line)))
        await self._player.send(callback.kind, {key: value for key, value in line.items() if key != "kind"})


@asynccontextmanager
async def replay(options: Any, lines: Sequence[Mapping[str, Any]], port: int) -> AsyncIterator[Operator]:
    async with play(Script("sigfox", "replay", (), options=options)) as player:
        yield Operator(player)


REPLAYERS: dict[str, Replay] = {"sigfox": replay}
