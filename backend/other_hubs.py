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

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, cast

import apsw
import msgspec
from msgspec import Meta

from hub.core.errors import NotReady
from hub.core.text import phrase

if TYPE_CHECKING:
    from backend.storage import Storage

MAX_DEVICES = 100
KIND = "lorawan:"
EVERY_S = 5.0
DAY, DEVICES_A_DAY = 86_400.0, 1000
RECENT_S = 31 * DAY
ALARM = "asks-much"
DETAIL = phrase("hub-asks-much", "it asks where more devices are than anybody commissions in a day")
_LAST = """
select s.device, s.hub, h.name, s.site, max(l.time)
from series s join hubs h using (hub) join latest l on l.series = s.id
where s.device in (select value from json_each(?1)) and h.revoked_at is null and l.time between ?2 and ?3
    and not exists (
        select 1 from series p where p.device = s.device and (p.privacy = 'personal' or p.metric = 'latitude'))
group by s.device, s.hub
"""


class LookupRequest(msgspec.Struct, frozen=True):
    devices: Annotated[list[Annotated[str, Meta(max_length=160)]], Meta(max_length=MAX_DEVICES)]


class OtherHubs:
    """Answers of one database, each in a transaction of its own; one thread."""

    def __init__(self, storage: Storage) -> None:
        self._storage, self._db = storage, storage.connection
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
        span = int((now - RECENT_S) * 1000), int((now + DAY) * 1000)
        rows = self._db.execute(_LAST, (msgspec.json.encode(asked).decode(), *span)).fetchall()
        newest: dict[str, tuple[int, str, str]] = {}
        for device, other, name, site, at in cast("list[tuple[str, str, str, str, int]]", rows):
            newest[device] = max(newest.get(device, (0, "", "")), (at, other, site or name))
        found = {device: where for device, (_, other, where) in newest.items() if other != hub}
        self._db.executemany(
            "update asked set told_at = ? where hub = ? and device = ? and told_at is null",
            [(now, hub, device) for device in found],
        )
        return {device: {"hub": "", "name": where} for device, where in found.items()}

    def _noted(self, hub: str, devices: list[str], now: float) -> list[str]:
        """Return the devices that this hub may ask for, and store the request once a day."""
        since = now - DAY
        today = {
            str(device)
            for (device,) in self._db.execute("select device from asked where hub = ? and last_at > ?", (hub, since))
        }
        fresh = [device for device in devices if device not in today][: max(0, DEVICES_A_DAY - len(today))]
        self._db.executemany(
            "insert into asked (hub, device, first_at, last_at) values (?1, ?2, ?3, ?3)"
            " on conflict (hub, device) do update set last_at = excluded.last_at",
            [(hub, device, now) for device in fresh],
        )
        may = today.union(fresh)
        if not may.issuperset(devices):
            self._storage.alarm(ALARM, hub, DETAIL)
        return [device for device in devices if device in may]


def listed(db: apsw.Connection, hub: str = "", limit: int = 1000) -> Iterator[dict[str, Any]]:
    """Yield which hub asked for which device, the newest first."""
    names = ("hub", "device", "first_at", "last_at", "told_at")
    rows = db.execute(
        "select hub, device, first_at, last_at, told_at from asked where ?1 in ('', hub)"
        " order by last_at desc, hub, device limit ?2",
        (hub, limit),
    )
    for row in rows:
        yield dict(zip(names, row, strict=True))
