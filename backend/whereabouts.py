"""Which other hub heard a device last, for a hub that expects it and does not hear it (`hub.asking.whereabouts`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, cast

import apsw
import msgspec
from msgspec import Meta

MOST = 100


class Asked(msgspec.Struct, frozen=True):
    devices: Annotated[list[Annotated[str, Meta(max_length=160)]], Meta(max_length=MOST)]


def last(connection: apsw.Connection, hub: str, devices: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Device → {hub, name, last} of the other hub, not revoked, whose reading of it is the newest; and newer than what
    `hub` itself heard of it."""
    rows = connection.execute(
        "select series.device, series.hub, hubs.name, max(latest.time) from series join hubs using (hub)"
        " join latest on latest.series = series.id where series.device in (select value from json_each(?))"
        " and hubs.revoked_at is null group by series.device, series.hub",
        (msgspec.json.encode(devices).decode(),),
    )
    newest: dict[str, tuple[int, str, str]] = {}
    for device, other, name, at in cast("list[tuple[str, str, str, int]]", rows.fetchall()):
        newest[device] = max(newest.get(device, (0, "", "")), (at, other, name))
    return {
        device: {"hub": other, "name": name, "last": at / 1000}
        for device, (at, other, name) in newest.items()
        if other not in ("", hub)
    }
