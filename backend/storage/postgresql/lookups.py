"""Look-ups of devices in PostgreSQL. See `backend.storage.tables.LookupTable`."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from backend.storage.postgresql.writing import Writing
from backend.storage.tables import Heard

_HEARD = (
    "select s.device, h.hub, h.name, max(s.site), array_agg(distinct s.metric), max(s.day) from series s"
    " join hubs h on h.number = s.hub where s.device = any(%s) and h.revoked_at is null"
    " group by s.device, h.hub, h.name"
)


class Lookups:
    """The table `lookups`, beside the series of devices."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    def heard(self, devices: Collection[str]) -> list[Heard]:
        rows = self._writing.ask(_HEARD, (list(devices),))
        return [Heard._make((*row, tuple(metrics), day)) for *row, metrics, day in rows]

    def reporting(self, devices: Collection[str], *, privacy: str, metric: str) -> set[str]:
        rows = self._writing.ask(
            "select distinct device from series where device = any(%s) and (privacy = %s or metric = %s)",
            (list(devices), privacy, metric),
        )
        return {str(device) for (device,) in rows}

    def since(self, hub: str, since: float) -> set[str]:
        rows = self._writing.ask("select device from lookups where hub = %s and last_at > %s", (hub, since))
        return {str(device) for (device,) in rows}

    def note(self, hub: str, devices: Iterable[str], now: float) -> None:
        self._writing.change_many(
            "insert into lookups (hub, device, first_at, last_at) values (%s, %s, %s, %s)"
            " on conflict (hub, device) do update set last_at = excluded.last_at",
            [(hub, device, now, now) for device in sorted(devices)],
        )

    def answered(self, hub: str, devices: Iterable[str], now: float) -> None:
        self._writing.change_many(
            "update lookups set told_at = %s where hub = %s and device = %s and told_at is null",
            [(now, hub, device) for device in sorted(devices)],
        )
