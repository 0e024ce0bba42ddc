"""The stream of events: what each page is told, and when it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pages_kit import Sensor, alert, raise_alerts, told_things
from people_kit import Browser, Town

from backend.city.pages import live
from backend.city.pages.live import live_of
from backend.city.people.viewer import Role, Scope

from ..waiting import PATIENCE_S

pytestmark = pytest.mark.real("network")

Enter = Callable[..., Awaitable[Browser]]
BINS = Scope(services=frozenset({"proprete"}))


class Events:
    """Events of an open stream."""

    def __init__(self, reply: Any) -> None:
        self._reply, self._rest = reply, ""

    async def next(self) -> tuple[str, Any]:
        """Return the next event; ("", None) at the end of the stream."""
        while True:
            block, sep, rest = self._rest.partition("\n\n")
            if sep:
                self._rest = rest
                lines = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
                if lines:
                    return lines["event"], json.loads(lines["data"])
                continue
            data = await self._reply.content.readany()
            if not data:
                return "", None
            self._rest += data.decode()

    async def of(self, kind: str) -> Any:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                found, data = await self.next()
                if found == kind:
                    return data
                assert found, f"the stream ended before {kind}"


@asynccontextmanager
async def stream(town: Town, browser: Browser, ask: str = "map=1") -> AsyncIterator[Events]:
    cookie = "; ".join(f"{name}={value}" for name, value in next(iter(browser.cookies.values())).items())
    async with town.session.get(f"{town.url}/events?{ask}", headers={"Cookie": cookie}) as reply:
        assert reply.status == 200, await reply.text()
        yield Events(reply)


async def test_an_alert_reaches_an_open_map_and_only_of_whom_it_concerns(
    town: Town, enter: Enter, things: list[Sensor]
) -> None:
    operator, crew = await enter(), await enter(Role.CREW, BINS)
    bin_, air = things[0], things[1]
    async with stream(town, operator) as all_, stream(town, crew) as some:
        assert (await some.of("summary"))["silent"] == 0
        assert (await all_.of("summary"))["silent"] == 2
        await raise_alerts(town.city, [alert(air.hub, air.device, town.now[0])])
        assert (await all_.of("things"))["things"][0][4] == 4
        assert (await all_.of("alerts"))[0]["name"] == air.name
        await raise_alerts(town.city, [alert(bin_.hub, bin_.device, town.now[0])])
        seen = []
        async with asyncio.timeout(PATIENCE_S):
            while not any(kind == "alerts" for kind, _ in seen):
                seen.append(await some.next())
        told = json.dumps(seen)
        assert [one["name"] for one in dict(seen)["alerts"]] == [bin_.name]
        assert air.device not in told
        assert air.name not in told
        assert [line[0] for line in dict(seen)["things"]["things"]] == [1]


async def test_what_a_page_of_somebody_else_is_shown_first_reaches_an_open_map_too(
    town: Town, enter: Enter, things: list[Sensor], monkeypatch: Any
) -> None:
    monkeypatch.setattr(live, "FRESH_S", 0.0)  # as after a look that took long
    operator, one = await enter(), things[0]
    async with stream(town, operator) as events:
        await events.of("summary")
        await raise_alerts(town.city, [alert(one.hub, one.device, town.now[0])])
        assert (await operator.get("/things")).status == 200
        assert (await events.of("things"))["things"][0][4] == 4
        assert (await events.of("alerts"))[0]["name"] == one.name


async def test_a_thing_that_leaves_the_scope_leaves_the_map(town: Town, enter: Enter) -> None:
    crew = await enter(Role.CREW, BINS)
    async with stream(town, crew) as events:
        await events.of("summary")
        await town.city.store.write(lambda t: t.run("update things set service = 'batiments' where id = 1"))
        assert (await events.of("things"))["things"] == [[1]]


async def test_a_page_is_told_the_newest_readings_of_its_own_series_within_its_scope(
    town: Town, enter: Enter, things: list[Sensor]
) -> None:
    crew = await enter(Role.CREW, BINS)
    mine = f"{things[0].hub}/{things[0].device}/fill_level"
    foreign = f"{things[1].hub}/{things[1].device}/pm25"
    async with stream(town, crew, f"series={mine}&series={foreign}") as events:
        first = await events.of("values")
        assert [(one["series"], one["value"]) for one in first] == [(mine, things[0].value)]

        def measure(t: Any) -> None:
            change = t.next("latest", 2)
            for series, at in ((1, change), (2, change + 1)):
                t.run("update latest set value = '99.5', number = 99.5, change = ? where series = ?", at, series)

        await town.city.store.write(measure)
        second = await events.of("values")
        assert [(one["series"], one["value"]) for one in second] == [(mine, 99.5)]


async def test_a_stream_ends_soon_after_the_session(town: Town, enter: Enter, monkeypatch: Any) -> None:
    monkeypatch.setattr(live, "CHECK_S", 0.5)
    monkeypatch.setattr(live, "BEAT_S", 0.3)
    browser = await enter()
    async with stream(town, browser) as events:
        await events.of("summary")
        assert (await browser.post("/signout", {})).status in (200, 303)
        assert await events.of("anew") == {}
        async with asyncio.timeout(PATIENCE_S):
            assert await events.next() == ("", None)
    cookie = "; ".join(f"{name}={value}" for name, value in next(iter(browser.cookies.values())).items())
    async with town.session.get(f"{town.url}/events", headers={"Cookie": cookie}) as reply:
        assert reply.status == 401


async def test_a_page_too_many_of_one_person_ends_the_oldest_and_nobody_elses(
    town: Town, enter: Enter, monkeypatch: Any
) -> None:
    monkeypatch.setattr(live, "MOST_EACH", 2)
    monkeypatch.setattr(live, "BEAT_S", 0.3)
    browser, other = await enter(), await enter(Role.CREW, BINS)
    async with stream(town, other) as foreign, stream(town, browser) as oldest, stream(town, browser) as second:
        await foreign.of("summary")
        await oldest.of("summary")
        await second.of("summary")
        async with stream(town, browser) as third:
            await third.of("summary")
            async with asyncio.timeout(PATIENCE_S):
                while (await oldest.next())[0]:
                    pass
            followers = [one.viewer.id for one in live_of(town.city)._followers]
            assert len(followers) == 3
            assert len(set(followers)) == 2


async def test_the_stamp_tells_a_map_that_it_was_loaded_from_another_board(
    town: Town, enter: Enter, things: list[Sensor]
) -> None:
    browser = await enter()
    loaded = told_things((await browser.get("/map/things")).body).head["stamp"]
    async with stream(town, browser) as events:
        assert (await events.of("board"))["stamp"] == loaded
    await raise_alerts(town.city, [alert(things[0].hub, things[0].device, town.now[0])])
    await live_of(town.city).renew()
    async with stream(town, browser) as events:
        assert (await events.of("board"))["stamp"] != loaded
