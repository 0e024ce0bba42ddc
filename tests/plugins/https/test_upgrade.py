"""Backends are updated before hubs. Where it went the other way, nothing is lost: what an older backend understands it
takes, what it cannot read it says so of, and the hub keeps that and brings it again. See docs/how-to/upgrade.md."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from backend.api.hubs import HubApi
from backend.ingest import acks
from backend.ingest import core as ingest
from backend.owner import directory as owners
from hub.core.clock import SystemClock
from hub.core.errors import DecodeError
from hub.onboarding.other_hubs import OtherHubs
from hub.protocol.records import integers
from hub.protocol.records.rows import ALERTS, Column, Row, Shape
from hub.store_and_forward.backend_client import asked
from tests import stored

from .building import ROOM, Building, done, until

pytestmark = pytest.mark.real("network")

NOISE = Shape((Column("noise"),))
FIRST = {"/v1/trust", "/v1/enroll", "/v1/hubs/{hub}/records", "/v1/hubs/{hub}/state", "/v1/renewal",
         "/v1/hubs/{hub}/renewal"}  # fmt: skip


def of_the_first_release(patch: pytest.MonkeyPatch) -> None:
    """A backend that knows the first link protocol and the first columns, and no route that came later."""
    reply, message, route = ingest.pack_reply, ingest.open_message, HubApi.route

    def packed(acks: Any, need: Any, trust: bytes, certificate: bytes, speaks: int) -> bytes:
        return reply(acks, need, trust)

    def opened(body: bytes) -> Any:
        if body[:4] != b"ILM1":
            raise DecodeError("bad-magic", "a message starts with ILM1")
        return message(body)

    def tight(self: Any, width: int, count: int) -> Any:
        raise DecodeError("bad-width", f"{width} byte planes")

    class Routes:
        def __init__(self, router: Any) -> None:
            self.router = router

        def add_get(self, path: str, handler: Any) -> None:
            if path in FIRST:
                self.router.add_get(path, handler)

        def add_post(self, path: str, handler: Any) -> None:
            if path in FIRST:
                self.router.add_post(path, handler)

        def add_delete(self, path: str, handler: Any) -> None:
            if path in FIRST:
                self.router.add_delete(path, handler)

    patch.setattr(ingest, "pack_reply", packed)
    patch.setattr(ingest, "open_message", opened)
    patch.setattr(acks, "MAX_ACKS", 0)  # one ack for one run
    patch.setattr(integers.Reader, "_tight", tight)
    patch.setattr(HubApi, "route", lambda self, router: route(self, Routes(router)))  # type: ignore[arg-type]


@pytest.fixture
def building(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Building:
    owners.init(tmp_path / "owner", owner="Ville")
    monkeypatch.setattr("hub.store_and_forward.link.core.STATE_S", 0.2)
    monkeypatch.setattr("hub.store_and_forward.delivery.core.REJECTED_S", 0.5)
    return Building(tmp_path)


def noise(building: Building) -> list[float]:
    statement = "select r.value from readings r join series s on s.id = r.series where s.metric = 'noise'"
    with stored.asked(building.directory / "backend.db") as db:
        return [value for (value,) in db.execute(statement)]


def alarms(building: Building) -> list[tuple[str, str]]:
    with closing(apsw.Connection(str(building.directory / "backend.db"))) as db:
        return db.execute("select kind, detail from alarms where cleared_at is null").fetchall()  # type: ignore[return-value]


async def test_what_an_older_backend_cannot_read_is_kept_and_arrives_once_when_it_is_updated(
    building: Building,
) -> None:
    rng = random.Random(7)
    with pytest.MonkeyPatch.context() as patch:
        of_the_first_release(patch)
        async with building.backend() as running:
            await building.enrol(running)
            async with building.hub() as (buffer, link):
                await building.write(buffer, 20, evenly=True)  # at chance, their times may be columns of the new kind
                await building.write(buffer, 3, ALERTS, evenly=True)
                for n in range(400):
                    buffer.append(Row(ROOM, NOISE, building.begun_ms + n, True, (rng.getrandbits(3),), trust=1))
                await buffer.flush()
                await until(lambda: len(building.arrived()) == building.written and bool(link.status().rejected))
                assert noise(building) == []
                waiting = link.status().waiting
                assert waiting["rejected"] == sum(waiting.values()) > 0, "nothing but what it could not read waits"
                assert link.status().refused == {}
                ((kind, detail),) = alarms(building)
                assert kind == "unreadable"
                assert "of a newer release" in detail
        assert noise(building) == []
    async with building.backend(), building.hub() as (_, link):
        await until(lambda: done(link))
        assert len(noise(building)) == 400
    assert len(building.arrived()) == building.written


async def test_a_hub_asks_an_older_backend_for_what_that_does_not_know_and_goes_on_without(
    building: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_the_first_release(monkeypatch)
    async with building.backend() as running:
        await building.enrol(running)
        async with building.hub():
            http: Any = building.renewal._certifying._http
            for path in ("alerts", "erasures"):
                assert await asked(http, f"{running.url}/v1/{path}", dict, path) is None
            asking = OtherHubs(http=http, url=running.url, up=lambda: True, clock=SystemClock())
            assert await asking.ask(["lorawan:1"]) == {}
