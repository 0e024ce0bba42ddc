"""Walks a server's address space at a limited rate: one request at a time, with limits on nodes and depth.

OPC 10000-4, 5.8.2; from the Objects folder by hierarchical references. Objects of the standard itself are left out (the
Server object, aliases, locations), and so are the properties and fields of variables.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from hub.sdk.phrases import phrase, reason_of
from integrations.opcua import messages as m
from integrations.opcua.link import Link, Refusal

STANDARD = "http://opcfoundation.org/UA/"
OBJECTS = "i=85"
OBJECT, VARIABLE = 1, 2
_OWN = {"Server", "Aliases", "Locations", "Quantities", "UnitSets", "InterfaceTypes"}
PAUSE_S = 0.05


class Variable(NamedTuple):
    """A variable and its path: (namespace URI, browse name) from the Objects folder; `titles` are the display names of
    the same steps."""

    steps: tuple[tuple[str, str], ...]
    titles: tuple[str, ...]
    node: str


class Walk:
    """A walk. `skipped`: what was left out because of the limits or a refusal of the server."""

    def __init__(
        self, link: Link, *, depth: int, most: int, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._link, self._depth, self._most, self._sleep = link, depth, most, sleep
        self.skipped: list[str] = []

    async def variables(self) -> AsyncIterator[Variable]:
        """Yield the variables, breadth first. Raises NotReady."""
        seen = {OBJECTS}
        waiting = deque([Variable((), (), OBJECTS)])
        found = 0
        while waiting:
            at = waiting.popleft()
            async for reference in self._references(at):
                if reference.node in seen or (reference.uri == STANDARD and reference.name in _OWN):
                    continue
                seen.add(reference.node)
                titles = (*at.titles, reference.title or reference.name)
                below = Variable((*at.steps, (reference.uri, reference.name)), titles, reference.node)
                if reference.node_class == VARIABLE:
                    found += 1
                    if found > self._most:
                        self.skipped.append(
                            phrase(
                                "opcua.too-many-variables",
                                "there are more than {most} variables: the rest was not looked at",
                                most=self._most,
                            )
                        )
                        return
                    yield below
                elif reference.node_class == OBJECT and len(below.steps) < self._depth:
                    waiting.append(below)
                elif reference.node_class == OBJECT:
                    self.skipped.append(phrase("opcua.object-too-deep", "{object}: too deep", object="/".join(titles)))

    async def _references(self, at: Variable) -> AsyncIterator[m.Reference]:
        more = b""
        for _ in range(1 + self._most // m.REFERENCES):
            await self._sleep(PAUSE_S)
            try:
                answer = await self._link.ask(m.Browse(at.node, more), m.References)
            except Refusal as error:
                self.skipped.append(
                    phrase(
                        "opcua.object-refused",
                        "{object}: {reason}",
                        object="/".join(at.titles) or "Objects",
                        reason=reason_of(error),
                    )
                )
                return
            for reference in answer.references:
                yield reference
            more = answer.more
            if not more:
                return
