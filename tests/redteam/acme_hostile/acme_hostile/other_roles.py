"""What the plugin does in a search for devices, and as a decoder, beyond what either may do."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import hub
from hub.core.model import Frame
from hub.plugin_host import manifest
from hub.plugin_host.isolation import wire
from hub.plugin_host.isolation.framing import frame
from hub.plugin_host.isolation.wire_roles import FoundOne
from hub.sdk.finding import Finder, Found, Lent, Tried

BIG = 1 << 40


async def finds_foreign(config: Any, lent: Any) -> None:
    lent.found(Found(address="1", device="modbus:9"))


async def finds_without_end(config: Any, lent: Any) -> None:
    for at in range(60):
        lent.found(Found(address=str(at), device="acme:x", settings={"filler": "x" * 60_000}))
        await asyncio.sleep(0)


async def finds_beyond_bounds(config: Any, lent: Any) -> None:
    lent._link._write(frame(FoundOne(Found(address="1", device="acme:x", title="x" * 5_000)), BIG))


async def reports_in_a_search(config: Any, lent: Any) -> None:
    for message in (wire.Emit(0, (hub.Report(device="acme:is_steady", values={"temperature": 33.25}),)),):
        lent._link._write(frame(message, BIG))


async def searches_elsewhere(config: Any, lent: Any) -> None:
    await lent.network.connect(f"tcp://{config.other}")


async def holds_its_search(config: Any, lent: Any) -> None:
    time.sleep(3600)


DEEDS = (
    finds_foreign, finds_without_end, finds_beyond_bounds, reports_in_a_search, searches_elsewhere, holds_its_search,
)  # fmt: skip


async def search(config: Any, addresses: str, lent: Lent) -> None:
    await next(one for one in DEEDS if one.__name__ == addresses)(config, lent)


async def read(config: Any, settings: Any, lent: Lent) -> Tried:
    return Tried()


manifest.judged_answer = lambda found, *_: found  # in this process nobody judges
FINDER: Any = Finder(search, read, options=("peer",))


def decode(heard: Frame, keys: Any) -> Any:
    said = heard.data.get("acme", b"").decode()
    if said == "asks_for_keys":
        return hub.Decoded(device="acme:told", values={}, model=(keys("source:1") or b"").decode())
    if said == "decodes_for_another":
        return hub.Decoded(device="source:1", values={"uptime": 31_337.0})
    return None
