"""One setting of the owner says in which time zone the city's pages, files, banners and messages tell times."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from people_kit import Browser, Town

from backend.city import zone
from backend.city.crisis import drills
from backend.city.people.viewer import Role
from backend.storage.city import crisis as tables

from ..waiting import PATIENCE_S
from .test_history import BIN, measured

pytestmark = pytest.mark.real("network")

Enter = Callable[..., Awaitable[Browser]]
__all__ = ["measured"]


async def set_to(town: Town, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the zone as another process does, and wait until this one knows."""
    monkeypatch.setattr(zone, "FRESH_S", 0.0)
    await town.city.store.write(lambda t: tables.set_setting(t, zone.SETTING, name))
    async with asyncio.timeout(PATIENCE_S):
        while zone.zone_of(town.city).key != name:
            await asyncio.sleep(0.01)


async def test_pages_files_and_the_banner_tell_times_in_the_zone_that_is_set(
    town: Town, enter: Enter, measured: list[tuple[int, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, now = await enter(), int(town.now[0])

    async def told() -> dict[str, Any]:
        page = (await browser.get(f"/history?series={BIN}&lang=en")).text
        address = f"/history.csv?series={BIN}&from={now - 3 * 3600}&to={now}&lang=en"
        rows = list(csv.reader(io.StringIO((await browser.get(address)).text)))
        return {
            "live": re.findall(r'data-zone="([^"]+)"', (await browser.get("/things")).text)[:1],
            "chart": re.findall(r'<ilot-chart[^>]*data-zone="([^"]+)"', page),
            "offsets": {row[1][-6:] for row in rows[1:]},
        }

    before = await told()
    assert before["live"] == ["Europe/Paris"]
    assert before["offsets"] <= {"+01:00", "+02:00"}
    await set_to(town, "Indian/Reunion", monkeypatch)
    after = await told()
    assert after["live"] == ["Indian/Reunion"]
    assert after["offsets"] == {"+04:00"}
    assert (before["chart"], after["chart"]) == (["Europe/Paris"], ["Indian/Reunion"])


async def test_the_banner_and_the_journal_say_the_hour_of_the_zone(
    town: Town, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await set_to(town, "Pacific/Noumea", monkeypatch)  # eleven hours ahead, without a summer time
    browser, now = await enter(Role.ADMIN), town.now[0]
    await town.city.store.write(lambda t: drills.begin(t, "Crue", who="a", now=now, seconds=3600.0))
    await town.city.parts["crisis"]._look()
    page = (await browser.get("/people?lang=en")).text
    [banner] = re.findall(r'<p class="banner[^>]*>.*?</p>', page, re.DOTALL)
    assert f"{datetime.fromtimestamp(now + 3600, ZoneInfo('Pacific/Noumea')):%H:%M}" in banner
    rows = list(csv.reader(io.StringIO((await browser.get("/journal.csv")).text)))
    assert {row[1][-6:] for row in rows[1:]} == {"+11:00"}
