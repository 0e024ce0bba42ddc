"""The hub's own access point, by which a phone reaches a hub that has no network yet.

It is on from the start of a hub that nobody has claimed, where the Wi-Fi is free; whenever somebody asks for it; and
once for each file `ilot-access-point` that is put on the boot partition: it ends after 15 minutes. A claim ends it
earlier, where the hub has another network: else whoever has claimed it could not go on.

NetworkManager ends it too when the hub's connection to the bus ends, so that it never outlives the hub.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from hub.core.errors import HubError, NotReady
from hub.core.text import phrase, reason_of
from hub.operations.network import profiles
from hub.operations.network.bus import system_bus
from hub.operations.network.manager import Interface, NetworkManager
from hub.operations.network.own_facts import OwnFacts
from hub.operations.network.settings import is_wifi_key

REQUEST = Path("/boot/firmware/ilot-access-point")
WIRELESS = Path("/sys/class/net")
ON_S, GRACE_S, LOOK_S, AGAIN_S = 900.0, 60.0, 2.0, 5.0
"""How long it is on; how long after a claim; how often that is looked at; when it is tried again."""

_log = logging.getLogger("hub.network")

Audit = Callable[[str, Mapping[str, Any]], Awaitable[None]]


class Ticking(Protocol):
    """The part of a clock that is needed here."""

    def monotonic(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


class AccessPoint:
    """`claimed` returns whether somebody has claimed the hub, None where it does not know yet."""

    def __init__(
        self, own: OwnFacts, clock: Ticking, claimed: Callable[[], bool | None], audit: Audit, request: Path = REQUEST
    ) -> None:
        self._own, self._clock, self._claimed, self._audit, self._request = own, clock, claimed, audit, request
        self._until: float | None = None
        self._key = ""
        self._asked = False  # by somebody, rather than by itself
        self._changed = asyncio.Event()
        self.on = False
        self.error = ""

    @property
    def left_s(self) -> float | None:
        """Return the seconds until it ends; None while it is off."""
        return None if self._until is None else max(0.0, self._until - self._clock.monotonic())

    def switch(self, on: bool) -> None:
        """Switch it on for 15 minutes, or off."""
        self._begin("", asked=True) if on else self._end()

    def _begin(self, key: str, *, asked: bool) -> None:
        self._until, self._key, self._asked, self.error = self._clock.monotonic() + ON_S, key, asked, ""
        self._changed.set()

    def _end(self) -> None:
        self._until = None
        self._changed.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        await self._at_start()
        while True:
            if self._until is None:
                await self._changed.wait()
            self._changed.clear()
            if self._until is not None:
                await self._serve()

    async def _at_start(self) -> None:
        requested, key = await self._requested()
        if requested:
            await self._audit("hub", {"network": "access point asked for by card"})
            self._begin(key, asked=True)
        elif has_wifi():
            while (claimed := self._claimed()) is None:  # the pages are starting
                await self._clock.sleep(LOOK_S)
            if not claimed:
                self._begin("", asked=False)

    async def _requested(self) -> tuple[bool, str]:
        """Return whether a file on the boot partition asks for it that was not answered yet, and the key in that file.
        The hub may read there, and not remove anything."""
        seen, text = await asyncio.to_thread(_read, self._request)
        if not seen or seen == self._own.facts.request:
            return False, ""
        self._own.facts.request = seen
        with suppress(HubError):  # a full disk must not keep somebody out
            await self._own.save()
        return True, text if is_wifi_key(text) else ""

    async def _serve(self) -> None:
        """Keep it on until it is to end; try again while it cannot be."""
        try:
            async with system_bus() as bus:
                manager = NetworkManager(bus)
                card = await _card(manager, taken=self._asked)
                profile = profiles.access_point_profile(
                    self._own.facts.name, self._key or self._own.facts.key, card.name
                )
                active = await manager.activate_while_connected(profile, card.path)
                try:
                    await self._keep(manager, active, card)
                finally:
                    self.on = False
                    await manager.deactivate(active)
        except HubError as error:
            said = reason_of(error)
            if said != self.error:
                _log.warning(phrase("access-point-fails", "the access point is not on: {reason}", reason=said))
            self.error = said
            await self._pause(AGAIN_S)

    async def _keep(self, manager: NetworkManager, active: str, card: Interface) -> None:
        begun_claimed = self._claimed() is True
        while (left := self.left_s) is not None and left > 0 and not self._changed.is_set():
            up = await manager.is_up(active)
            if up is False:
                raise NotReady(
                    phrase("access-point-refused", "{interface} does not become an access point", interface=card.name)
                )
            if up and not self.on:
                self.on, self.error = True, ""
                _log.info(phrase("access-point-on", "the access point {name} is on", name=self._own.facts.name))
                await self._audit("hub", {"network": "access point on", "interface": card.name})
            if not begun_claimed and self._claimed():
                begun_claimed = True
                if await _reached_otherwise(manager, card):
                    self._until = min(self._until or 0.0, self._clock.monotonic() + GRACE_S)
            await self._pause(min(LOOK_S, max(0.0, left)))
        if not self._changed.is_set():
            self._until = None
        if self.on:
            await self._audit("hub", {"network": "access point off", "interface": card.name})

    async def _pause(self, seconds: float) -> None:
        """Sleep, or until somebody switches."""
        async with asyncio.TaskGroup() as race:
            alarm = race.create_task(self._clock.sleep(seconds))
            heard = race.create_task(self._changed.wait())
            await asyncio.wait({alarm, heard}, return_when=asyncio.FIRST_COMPLETED)
            alarm.cancel()
            heard.cancel()


def _read(path: Path) -> tuple[str, str]:
    """Return what tells this file from a later one, and its text; "" without one. Blocking."""
    try:
        stat = path.stat()
        with path.open("rb") as file:
            text = file.read(100).decode("utf-8", "replace").strip("\ufeff \t\r\n")
    except OSError:
        return "", ""
    return f"{stat.st_mtime_ns}-{stat.st_size}", text


async def _card(manager: NetworkManager, *, taken: bool) -> Interface:
    """Return the Wi-Fi interface that can be an access point; `taken`: also one that is connected to a Wi-Fi."""
    for one in await manager.interfaces():
        if one.kind != profiles.WIFI or one.state in ("unmanaged", "unavailable"):
            continue
        if (await manager.shown(one)).get("can_ap") and (taken or one.state != "connected"):
            return one
    raise NotReady(
        phrase(
            "access-point-no-card",
            "no Wi-Fi interface is free that can be an access point: none, switched off, or in use",
        )
    )


async def _reached_otherwise(manager: NetworkManager, card: Interface) -> bool:
    return any(one.state == "connected" and one.name != card.name for one in await manager.interfaces())


def has_wifi(root: Path = WIRELESS) -> bool:
    """Return whether this machine has a Wi-Fi interface, without asking anybody."""
    return any((one / "phy80211").exists() or (one / "wireless").exists() for one in root.glob("*"))
