"""Callbacks fetched from a backend: what is done, what waits, and a backend that is away or none."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

import hub
from hub.sdk.session import Reply
from hub.sdk.testing import FakeSession
from integrations.sigfox.downlinks import Downlinks
from integrations.sigfox.fetching import Fetcher
from integrations.sigfox.intake import Intake
from integrations.sigfox.metrics import METRICS
from integrations.sigfox.settings import Config

ROOM = hub.Device(
    id="sigfox:1D2F3",
    integration="sigfox",
    place="room",
    settings={"format": "level::uint:16", "values": {"distance": {"field": "level"}}, "downlink": "00" * 8},
)


def frame(number: int, kind: str = "uplink", answered: str = "", **said: Any) -> dict[str, Any]:
    fields = {"device": "1D2F3", "time": 1_760_000_000 + number, "seqNumber": number, "data": "0010", **said}
    return {"id": number, "kind": kind, "fields": fields, "answered": answered}


class Backend:
    """Answers a plugin's requests from a list; keeps what it is told."""

    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)
        self.told: list[dict[str, Any]] = []

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: timedelta = timedelta(seconds=10),
    ) -> Reply:
        assert url == "https://backend.example.org:8443/v1/sigfox"
        if method == "POST":
            self.told.append(json.loads(body or b""))
            return Reply(200, {}, b"{}")
        reply = self.replies.pop(0) if self.replies else {"frames": [], "more": False}
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, Reply):
            return reply
        return Reply(200, {}, json.dumps(reply).encode())


class Stage:
    def __init__(self, *replies: Any) -> None:
        self.session = FakeSession("sigfox", [ROOM], metrics=METRICS)
        self.backend = self.session.http = Backend(*replies)  # type: ignore[assignment]
        self.downlinks = Downlinks(self.session)
        self.intake = Intake(self.session, self.downlinks)
        config = Config.model_validate({"backend": "https://backend.example.org:8443"})
        self.fetcher = Fetcher(config, self.session, self.intake, self.downlinks)

    async def run(self, turns: int = 1, *, alone: bool = True) -> None:
        self.session.turns = turns
        await self.fetcher.run(alone=alone)

    @property
    def levels(self) -> list[float]:
        return [report.time or 0 for report in self.session.reports if report.values]


async def test_what_is_durable_is_done_batch_after_batch_in_one_turn() -> None:
    stage = Stage(
        {"frames": [frame(n) for n in range(1, 41)], "more": True},
        {"frames": [frame(41)], "more": False},
    )
    await stage.run()
    assert stage.levels == [1_760_000_000 + n for n in range(1, 42)]
    assert [one["done"] for one in stage.backend.told] == [list(range(1, 41)), [41]]


async def test_a_frame_that_cannot_be_kept_now_waits_and_the_others_are_done() -> None:
    stage = Stage({"frames": [frame(1), frame(2)], "more": False})
    emit = stage.session.emit

    async def full(*reports: hub.Report, durable: bool = False, note: Any = None) -> None:
        if any(report.time == 1_760_000_001 for report in reports):
            raise hub.NotReady("the disk is full")
        await emit(*reports, durable=durable, note=note)

    stage.session.emit = full  # type: ignore[method-assign]
    await stage.run()
    assert [one["done"] for one in stage.backend.told] == [[2]]


async def test_frames_that_a_full_disk_refuses_wait_at_the_backend_and_are_kept_once() -> None:
    frames = {"frames": [frame(1), frame(2)], "more": False}
    stage = Stage(frames, frames)
    stage.session.disk_error = OSError("no room")
    assert not await stage.fetcher.turn()
    stage.session.disk_error = None
    await stage.fetcher.turn()
    assert [one["done"] for one in stage.backend.told] == [[], [1, 2]]
    assert len(stage.levels) == 2


async def test_a_frame_told_again_is_done_again_and_kept_once() -> None:
    stage = Stage({"frames": [frame(1)]}, {"frames": [frame(1)]})
    await stage.run(2)
    assert len(stage.levels) == 1
    assert [one["done"] for one in stage.backend.told] == [[1], [1]]


async def test_a_frame_that_another_release_wrote_is_counted_and_does_not_block() -> None:
    stage = Stage({"frames": [{"id": 7, "kind": "batch", "fields": {}}, frame(8)]})
    await stage.run()
    assert stage.backend.told[0]["done"] == [7, 8]
    assert ("", "unknown-kind") in stage.session.drops


async def test_the_backend_is_told_what_devices_may_be_answered_when_that_changes() -> None:
    stage = Stage()
    await stage.run(3)
    assert stage.backend.told == [{"done": [], "downlinks": {"1D2F3": {"id": "", "data": "00" * 8, "until": None}}}]


async def test_a_downlink_that_the_backend_gave_away_is_sent() -> None:
    stage = Stage({"frames": [frame(1, kind="bidir", answered="c1", ack=True)]})
    stage.session.packs.downlinks[ROOM.id, "period", ()] = (1, bytes(8))
    command = hub.Command(id="c1", device=ROOM.id, metric="period", values={}, expires=4e9)
    stage.session.commands.give(command)
    taking = asyncio.create_task(stage.downlinks.run())
    while not stage.session.commands.answers:
        await asyncio.sleep(0)
    await stage.run()
    taking.cancel()
    assert [state for _, state, _ in stage.session.commands.answers] == ["queued", "sent"]


async def test_a_backend_that_is_away_is_said_once_and_its_return_too(caplog: pytest.LogCaptureFixture) -> None:
    away = hub.NotReady("does not answer")
    stage = Stage(away, away, {"frames": [frame(1)]})
    with caplog.at_level(logging.INFO):
        await stage.run(4, alone=False)
    said = [record.getMessage() for record in caplog.records if "fetched" in record.getMessage()]
    assert said == ["callbacks are not fetched: does not answer", "callbacks are fetched from the backend again"]
    assert len(stage.levels) == 1


@pytest.mark.parametrize(
    ("reply", "error", "says"),
    [
        (hub.NotReady("away"), hub.NotReady, "away"),
        (Reply(403, {}, b"revoked"), hub.AuthFailed, "refuses this hub"),
        (Reply(404, {}, b""), hub.NotReady, "is this a backend that takes callbacks"),
        (Reply(200, {}, b"<html>"), hub.NotReady, "cannot be read"),
        (Reply(200, {}, b'{"frames": [{"id": "x"}]}'), hub.NotReady, "cannot be read"),
    ],
)
async def test_where_nothing_else_comes_this_way_the_failure_is_the_plugin_s(
    reply: Any, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        await Stage(reply).run()
