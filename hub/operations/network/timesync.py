"""Time servers of systemd-timesyncd, over D-Bus.

It takes servers for the present boot alone from somebody who is not root (`SetRuntimeNTPServers`, systemd 246), so the
hub keeps the list and says it again when timesyncd has started anew.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from hub.operations.network.bus import Bus

SERVICE = "org.freedesktop.timesync1"
PATH = "/org/freedesktop/timesync1"
MANAGER = f"{SERVICE}.Manager"
SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
"""Made by timesyncd when it first set the clock after a start (systemd-timesyncd.service(8))."""


async def shown(bus: Bus) -> dict[str, Any]:
    """Return {servers, others, server, synchronised}: those set by this hub, those of the system and the network, the
    one in use."""
    facts = await bus.properties(SERVICE, PATH, MANAGER)
    others = [
        *facts.get("SystemNTPServers", ()),
        *facts.get("LinkNTPServers", ()),
        *facts.get("FallbackNTPServers", ()),
    ]
    return {
        "servers": list(facts.get("RuntimeNTPServers", ())), "others": others[:16],
        "server": str(facts.get("ServerName", "")), "synchronised": await asyncio.to_thread(SYNCHRONISED.exists),
    }  # fmt: skip


async def use(bus: Bus, servers: tuple[str, ...]) -> bool:
    """Have it use these servers; return whether that changed anything. () leaves it to the system again."""
    now = (await bus.properties(SERVICE, PATH, MANAGER)).get("RuntimeNTPServers", ())
    if tuple(now) == servers:
        return False
    await bus.call(SERVICE, PATH, MANAGER, "SetRuntimeNTPServers", "as", list(servers))
    return True
