"""Changes of an interface, which come back unless somebody confirms them.

A profile is written and used under a checkpoint of NetworkManager. Whoever made it confirms it within two minutes, from
wherever the hub is reached then; else NetworkManager restores what was before, also when this hub has died meanwhile. A
connection that is not established is taken back at once.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, NamedTuple

from hub.core.actor import asker
from hub.core.errors import HubError, NotReady
from hub.core.text import phrase, reason_of
from hub.operations.network import settings
from hub.operations.network.access_point import Audit, Ticking
from hub.operations.network.bus import system_bus
from hub.operations.network.manager import CONFIRM_S, Interface, NetworkManager
from hub.operations.network.profiles import Profile

LEAVES_S = 1.5
"""Before the address changes, so that whoever asked reads the answer."""
FOLLOW_S, FOLLOWED_S = 0.5, 90.0

_log = logging.getLogger("hub.network")


class Change(NamedTuple):
    """A change under way."""

    id: str
    interface: str
    by: str
    url: str = ""


async def refuse_waiting(manager: NetworkManager) -> None:
    """Raise NotReady while a change waits for its confirmation."""
    if (waiting := await manager.pending()) is not None:
        raise NotReady(
            phrase(
                "network-change-waits",
                "a change of {interface} waits for its confirmation, {seconds:.0f} s: confirm or revert it first",
                interface=list(waiting.interfaces),
                seconds=waiting.left_s,
            )
        )


class Changes:
    """`last` tells how the last change ended: {interface, how, why}."""

    def __init__(self, clock: Ticking, audit: Audit) -> None:
        self._clock, self._audit = clock, audit
        self._change: Change | None = None
        self.last: dict[str, Any] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def url(self, id: str) -> str:
        """Return the address of the pages after a change that waits, "" where it is not known."""
        return self._change.url if self._change is not None and self._change.id == id else ""

    def stop(self) -> None:
        """Follow nothing any longer: NetworkManager takes back by itself what nobody confirms."""
        for task in self._tasks:
            task.cancel()

    async def apply(
        self,
        manager: NetworkManager,
        one: Interface,
        profile: Profile,
        noted: dict[str, Any],
        arguments: dict[str, Any],
        url: str,
    ) -> dict[str, Any]:
        """Write a profile under a checkpoint, and use it a moment later."""
        await refuse_waiting(manager)
        answer = {"interface": one.name, "confirm_s": CONFIRM_S, "url": url}
        if settings.truth(arguments.get("dry_run", False)):
            return {**answer, "id": "", "would": noted}
        by = asker(arguments)
        checkpoint = await manager.checkpoint(one.path)
        try:
            await self._audit(by, {"network": "changed", **noted})
            stored = await manager.write(profile)
        except BaseException:
            await manager.revert(checkpoint)
            raise
        self._change, self.last = Change(checkpoint, one.name, by, url), {}
        task = asyncio.create_task(self._use(self._change, stored, one.path))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return {**answer, "id": checkpoint}

    async def _use(self, change: Change, profile: str, interface: str) -> None:
        """Use a profile; take it back when it fails, and note when nobody confirmed it."""
        try:
            await self._clock.sleep(LEAVES_S)
            async with system_bus() as bus:
                manager = NetworkManager(bus)
                await self._establish(manager, change, profile, interface)
                while self._change == change and (waiting := await manager.pending()) and waiting.id == change.id:
                    await self._clock.sleep(min(2.0, max(0.2, waiting.left_s)))
            if self._change == change:
                await self._ended(change, "hub", "taken back", phrase("network-not-confirmed", "nobody confirmed it"))
        except HubError as error:
            _log.error(
                phrase(
                    "network-change-lost",
                    "the change of {interface} is not followed: {reason}",
                    interface=change.interface,
                    reason=reason_of(error),
                )
            )

    async def _establish(self, manager: NetworkManager, change: Change, profile: str, interface: str) -> None:
        why = ""
        try:
            active = await manager.activate(profile, interface)
            tries = int(FOLLOWED_S / FOLLOW_S)
            while (up := await manager.is_up(active)) is None and tries and self._change == change:
                tries -= 1
                await self._clock.sleep(FOLLOW_S)
            if up is not True:
                why = phrase(
                    "network-not-connected",
                    "the connection was not established: cable, Wi-Fi key, or no answer of a DHCP server",
                )
        except HubError as error:
            why = reason_of(error)
        if why and self._change == change:
            await manager.revert(change.id)
            await self._ended(change, "hub", "taken back", why)

    async def _ended(self, change: Change, by: str, how: str, why: str = "") -> None:
        self._change = None
        self.last = {"interface": change.interface, "how": how, "why": why}
        await self._audit(by, {"network": how, "interface": change.interface, **({"why": why} if why else {})})

    async def confirm(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Keep the change {id}, or the one that waits."""
        return await self._decide(arguments, "confirmed")

    async def revert(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Take the change {id} back now, or the one that waits."""
        return await self._decide(arguments, "taken back")

    async def _decide(self, arguments: dict[str, Any], how: str) -> dict[str, Any]:
        async with system_bus() as bus:
            manager = NetworkManager(bus)
            waiting, wanted = await manager.pending(), str(arguments.get("id") or "")
            if waiting is None or (wanted and waiting.id != wanted):
                raise HubError(
                    phrase(
                        "network-nothing-waits",
                        "no change waits for its confirmation: it was confirmed, or has come back",
                    )
                )
            change = Change(waiting.id, ", ".join(waiting.interfaces), asker(arguments))
            former, self._change = self._change, None  # so that nobody else tells of its end
            try:
                await (manager.confirm if how == "confirmed" else manager.revert)(waiting.id)
            except HubError:
                self._change = former
                raise
        await self._ended(change, change.by, how)
        return {"interface": change.interface, "how": how}
