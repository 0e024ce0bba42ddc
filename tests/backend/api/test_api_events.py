"""Live events: each change once, gone on with where a follower was cut off, and bounded for who reads slowly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from backend.api import event_stream
from backend.queries import event_feed
from backend.queries.event_feed import EventFeed, Found
from backend.storage.opening import open_queries
from hub.core.errors import StorageError
from tests.journeys.patience import PATIENCE_S

from ..api_kit import Office
from ..compaction_kit import HOUR, NOW, count

COUNT = "hub-001/room-1/count"


class Told(NamedTuple):
    """An event as it arrives."""

    id: str
    kind: str
    data: Any


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.setattr(event_stream, "LOOK_S", 0.02)
    monkeypatch.setattr(event_feed, "HUBS_EVERY_S", 0.0)
    made = Office(tmp_path / "owner")
    made.fill()
    async with made.serving():
        made.api.events._feed._wall = lambda: NOW / 1000 + 86_400  # no reading is ahead, whatever the date
        yield made
    made.close()


class Follower:
    """A client that reads events one by one."""

    def __init__(self, reply: aiohttp.ClientResponse) -> None:
        self._reply = reply

    async def next(self) -> Told:
        """Return the next event; beats are passed over."""
        found: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE_S):
            while True:
                line = (await self._reply.content.readline()).decode()
                if not line:
                    raise EOFError
                name, _, value = line.rstrip("\n").partition(": ")
                if name:
                    found[name] = value
                elif "event" in found:
                    return Told(found.get("id", ""), found["event"], json.loads(found["data"]))

    async def ended(self) -> bool:
        try:
            while True:
                await self.next()
        except EOFError:
            return True


@asynccontextmanager
async def following(desk: Office, query: str = "", last: str | None = None) -> AsyncIterator[Follower]:
    headers = desk.token if last is None else desk.token | {"Last-Event-ID": last}
    async with desk.client.get(f"/v1/events{query}", headers=headers) as reply:
        assert (reply.status, reply.content_type) == (200, "text/event-stream")
        yield Follower(reply)


@pytest.mark.real("network")
async def test_a_new_alarm_is_told_and_that_it_is_over(desk: Office) -> None:
    async with following(desk, "?kind=alarm") as follower:
        assert (await follower.next()).kind == "begin"
        desk.alarm(40)
        raised = await follower.next()
        assert (raised.kind, raised.data["detail"], raised.data["cleared_at"]) == ("alarm", "alarm 40", None)
        desk.clear(40)
        over = await follower.next()
        assert over.data == raised.data | {"cleared_at": NOW / 1000 + 140}


@pytest.mark.real("network")
async def test_each_state_of_an_alert_and_each_new_hub_is_told(desk: Office) -> None:
    async with following(desk) as follower:
        await follower.next()
        for n, state in enumerate(("raised", "acknowledged", "cleared"), 1):
            desk.alert(20, state, n)
            told = await follower.next()
            assert (told.kind, told.data["alert"], told.data["state"], told.data["n"]) == (
                "alert",
                "alert-20",
                state,
                n,
            )
        hub = desk.enrol(7)
        new = await follower.next()
        assert (new.kind, new.data["hub"], new.data["revoked_at"]) == ("hub", hub, None)
        with desk.storage.transaction():
            desk.storage.registry.revoke(hub, 5000.0)
        assert (await follower.next()).data["revoked_at"] == 5000.0


@pytest.mark.real("network")
async def test_the_newest_reading_of_a_series_is_told_at_once_and_when_it_changes(desk: Office) -> None:
    async with following(desk, f"?series={COUNT}&kind=latest") as follower:
        assert (await follower.next()).kind == "begin"
        now = await follower.next()
        assert (now.kind, now.data["id"], now.data["value"]) == ("latest", COUNT, 19)
        record(desk, 77)
        newer = await follower.next()
        assert (newer.kind, newer.data["value"], newer.data["time"]) == ("latest", 77, NOW + 9 * HOUR)


def record(desk: Office, value: int) -> None:
    """Let a reading arrive as ingest stores it: its stream counts it."""
    desk.town.arrive("hub-001", [count(NOW + 9 * HOUR, value)])
    desk.town.sql(
        "insert into streams (hub, run, stream, started_at, stored, forked, readings)"
        " values ('hub-001', randomblob(16), 'readings', 0, x'90', x'90', ?)",
        value,
    )


@pytest.mark.real("network")
async def test_who_was_cut_off_goes_on_where_it_was(desk: Office) -> None:
    async with following(desk) as follower:
        begun = await follower.next()
        desk.alarm(41)
        first = await follower.next()
    desk.alarm(42)
    desk.alarm(43)
    async with following(desk, last=first.id) as follower:
        assert [(await follower.next()).data["detail"] for _ in range(2)] == ["alarm 42", "alarm 43"]
    async with following(desk, "?kind=alarm", last=begun.id) as follower:
        assert [(await follower.next()).data["detail"] for _ in range(3)] == ["alarm 41", "alarm 42", "alarm 43"]


@pytest.mark.real("network")
@pytest.mark.parametrize("last", ["", "x", "00000000-1", "{life}-99999", "{life}-x", "{life}-" + "9" * 40])
async def test_who_was_somewhere_that_is_not_known_is_told_to_read_the_lists_again(desk: Office, last: str) -> None:
    async with following(desk) as follower:
        life = (await follower.next()).id.partition("-")[0]
    async with following(desk, last=last.format(life=life)) as follower:
        again = await follower.next()
        assert (again.kind, again.id.partition("-")[0]) == ("reset", life)
        desk.alarm(44)
        assert (await follower.next()).data["detail"] == "alarm 44"


@pytest.mark.real("network")
async def test_more_followers_and_series_than_there_is_room_for_are_refused(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "MOST", 2)
    monkeypatch.setattr(event_stream, "MOST_SERIES", 1)
    async with following(desk, f"?series={COUNT}") as follower:
        await follower.next()
        assert "too many follow" in (await desk.get("/v1/events?series=hub-002/room-1/count", status=503))["detail"]
        async with following(desk, f"?series={COUNT}"):
            await desk.get("/v1/events", status=503)


@pytest.mark.real("network")
async def test_a_follower_whose_token_is_no_more_the_operators_is_told_nothing_further(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "BEAT_S", 0.02)
    async with following(desk) as follower:
        await follower.next()
        desk.owner.api_token = "another" * 8
        assert await follower.ended()


@pytest.mark.real("network")
async def test_the_server_ends_while_somebody_follows(desk: Office) -> None:
    async with following(desk) as follower:
        await follower.next()
        async with asyncio.timeout(PATIENCE_S):
            await desk.api.events.stop()
            assert await follower.ended()


@pytest.mark.real("network")
async def test_a_follower_that_does_not_read_is_hung_up_on(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "WRITE_S", 0.1)
    async with following(desk) as follower:
        await follower.next()
        big = b'"' + b"x" * (1 << 20) + b'"'
        async with asyncio.timeout(PATIENCE_S):
            while desk.api.events._followers:
                desk.api.events._feed.keep([Found("alarm", "", big)] * 4)
                desk.api.events._turn.set()
                desk.api.events._turn = asyncio.Event()
                await asyncio.sleep(0.01)


@pytest.mark.real("network")
async def test_a_database_that_refuses_for_a_while_ends_no_stream(
    desk: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    look, refusing = EventFeed.look, True

    def refuse(feed: EventFeed, series: Any) -> list[Found]:
        if refusing:
            raise StorageError("the disk is away")
        return look(feed, series)

    async with following(desk) as follower:
        await follower.next()
        monkeypatch.setattr(EventFeed, "look", refuse)
        async with asyncio.timeout(PATIENCE_S):
            while "the disk is away" not in caplog.text:
                await asyncio.sleep(0.01)
        desk.alarm(45)
        refusing = False
        assert (await follower.next()).data["detail"] == "alarm 45"
    assert caplog.text.count("the disk is away") == 1


def test_only_so_many_events_are_kept_and_a_hole_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_feed, "KEPT", 3)
    feed = EventFeed(open_queries(tmp_path / "none.db"))
    feed.keep([Found("alarm", "", b"%d" % n) for n in range(5)])
    assert [event.data for event in feed.since(2) or ()] == [b"2", b"3", b"4"]
    assert (feed.since(5), feed.since(1), feed.since(6)) == ([], None, None)
    monkeypatch.setattr(event_feed, "KEPT_BYTES", 8)
    feed.keep([Found("alarm", "", b"x" * 8)])
    assert [event.data for event in feed.since(5) or ()] == [b"x" * 8]
    assert feed.since(4) is None
    feed.forget()
    assert feed.since(6) is None
    assert feed.since(feed.number) == []
