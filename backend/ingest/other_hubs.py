"""Look-up of a LoRaWAN device at other hubs, for the hub that expects it (`hub.onboarding.other_hubs`).

A LoRaWAN device that has joined another hub is silent for this one, and no frame says why: to a technician it looks
broken. (Other radios are heard by every hub near, so nothing is answered for them.) The asking hub is enrolled, but may
be compromised: not every building may know where devices are in a district. So it is told little, and each request is
stored:

    what      whether another hub, not revoked, heard the device since it was last heard here, within RECENT_S; and the
              site where it stands, or that hub's name where there is none. Not when, nor which hub
    never     of a device that reports anything personal, or its position: it may go where somebody goes
    how much  MAX_DEVICES at once, a request in EVERY_S, DEVICES_A_DAY different devices in 24 hours; the rest is not
              answered, with an alarm
    stored    each device that a hub asked for, when first and last, and since when it is answered:
              `GET /v1/whereabouts`
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from backend.hubs.alarms import raise_alarm
from backend.queries.series_history import SeriesHistory
from hub.core.errors import NotReady
from hub.core.text import phrase

if TYPE_CHECKING:
    from backend.storage.engine import Storage
    from backend.storage.tables import Heard

MAX_DEVICES = 100
KIND = "lorawan:"
EVERY_S = 5.0
DAY, DEVICES_A_DAY = 86_400.0, 1000
RECENT_S = 31 * DAY
PERSONAL, POSITION = "personal", "latitude"
"""Privacy class, and metric, of devices that may go where somebody goes."""
ALARM = "asks-much"
DETAIL = phrase("hub-asks-much", "it asks where more devices are than anybody commissions in a day")


class LookupRequest(msgspec.Struct, frozen=True):
    devices: Annotated[list[Annotated[str, Meta(max_length=160)]], Meta(max_length=MAX_DEVICES)]


class OtherHubs:
    """Answers of one database, each in a transaction of its own; one thread."""

    def __init__(self, storage: Storage) -> None:
        self._storage, self._lookups = storage, storage.lookups
        self._at: dict[str, float] = {}

    def answer(self, hub: str, devices: Iterable[str], now: float) -> dict[str, dict[str, Any]]:
        """Return device → {hub, name} of those at another hub; `hub` is present but empty, since hubs of former
        releases require it. `now` is Unix seconds. Raises NotReady when this hub asked a moment ago."""
        if 0.0 <= now - self._at.get(hub, -EVERY_S) < EVERY_S:
            raise NotReady(
                phrase("hub-asks-too-often", "{hub} has only just asked", hub=hub)
            )  # before the transaction, since a failed one discards all caches
        self._at[hub] = now
        with self._storage.transaction():
            return self._answer(hub, devices, now)

    def _answer(self, hub: str, devices: Iterable[str], now: float) -> dict[str, dict[str, Any]]:
        asked = self._noted(hub, [device for device in dict.fromkeys(devices) if device.startswith(KIND)], now)
        told = set(asked) - self._lookups.reporting(asked, privacy=PERSONAL, metric=POSITION)
        newest: dict[str, tuple[int, str, str]] = {}
        for one in self._lookups.heard(told):
            heard = self._newest(one, int((now + DAY) * 1000))
            if heard is not None and heard >= (now - RECENT_S) * 1000:
                here = heard, one.hub, one.site or one.hub_name
                newest[one.device] = max(newest.get(one.device, (0, "", "")), here)
        found = {device: where for device, (_, other, where) in newest.items() if other != hub}
        self._lookups.answered(hub, found, now)
        return {device: {"hub": "", "name": where} for device, where in found.items()}

    def _newest(self, heard: Heard, before: int) -> int | None:
        """Return the Unix ms of the newest reading of a device at a hub, before a moment."""
        seen = self._storage.seen(heard.hub)
        found = (SeriesHistory(seen, heard.device, metric).latest(before, heard.day) for metric in heard.metrics)
        return max((one.time_ms for one in found if one is not None), default=None)

    def _noted(self, hub: str, devices: list[str], now: float) -> list[str]:
        """Return the devices that this hub may ask for, and store the request once a day."""
        today = self._lookups.since(hub, now - DAY)
        fresh = [device for device in devices if device not in today][: max(0, DEVICES_A_DAY - len(today))]
        self._lookups.note(hub, fresh, now)
        may = today.union(fresh)
        if not may.issuperset(devices):
            raise_alarm(self._storage, ALARM, hub, DETAIL)
        return [device for device in devices if device in may]
