"""Look-ups of devices in SQLite. See `backend.storage.tables.LookupTable`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, cast

import apsw
import msgspec

from backend.storage.sqlite.errors import refusals
from backend.storage.tables import Heard

TABLES = """
create table if not exists asked (
    hub text, device text, first_at real not null, last_at real not null, told_at real, primary key (hub, device)
) without rowid;
create index if not exists asked_lately on asked (hub, last_at);
create index if not exists series_of_device on series (device);
"""
_HEARD = """
select s.device, s.hub, h.name, max(s.site), json_group_array(distinct s.metric), coalesce(max(s.day), 0)
from series s join hubs h using (hub)
where s.device in (select value from json_each(?1)) and h.revoked_at is null
group by s.device, s.hub
"""
_REPORTING = """
select distinct device from series
where device in (select value from json_each(?1)) and (privacy = ?2 or metric = ?3)
"""


class Lookups:
    """The table `asked`, beside the newest readings of devices."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._db = connection

    @refusals()
    def heard(self, devices: Collection[str]) -> list[Heard]:
        rows = cast("list[Any]", self._db.execute(_HEARD, (_array(devices),)).fetchall())
        return [Heard._make((*row, tuple(msgspec.json.decode(metrics)), day)) for *row, metrics, day in rows]

    @refusals()
    def reporting(self, devices: Collection[str], *, privacy: str, metric: str) -> set[str]:
        return {str(one) for (one,) in self._db.execute(_REPORTING, (_array(devices), privacy, metric))}

    @refusals()
    def since(self, hub: str, since: float) -> set[str]:
        rows = self._db.execute("select device from asked where hub = ? and last_at > ?", (hub, since))
        return {str(device) for (device,) in rows}

    @refusals()
    def note(self, hub: str, devices: Iterable[str], now: float) -> None:
        self._db.executemany(
            "insert into asked (hub, device, first_at, last_at) values (?1, ?2, ?3, ?3)"
            " on conflict (hub, device) do update set last_at = excluded.last_at",
            [(hub, device, now) for device in devices],
        )

    @refusals()
    def answered(self, hub: str, devices: Iterable[str], now: float) -> None:
        self._db.executemany(
            "update asked set told_at = ? where hub = ? and device = ? and told_at is null",
            [(now, hub, device) for device in devices],
        )


def _array(devices: Collection[str]) -> str:
    return msgspec.json.encode(list(devices)).decode()
