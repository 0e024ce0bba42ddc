"""A write that waits for its station's turn does not leave once nobody wants it any more."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from bacnet_kit import HOST, config, free_port

import hub
from hub.sdk.testing import settle
from integrations.bacnet import names, tags, writing
from integrations.bacnet.decode import Station
from integrations.bacnet.link import Link, Silent

pytestmark = pytest.mark.real("network")


def poller(station: Station) -> Any:
    """What `writing` asks of a device's poller."""
    point = SimpleNamespace(
        object=names.ObjectId(2, 1),
        point=SimpleNamespace(priority=10),
        translation=SimpleNamespace(raw=lambda _value: tags.application(tags.REAL, 21.0)),
    )
    return SimpleNamespace(point=lambda _metric: point, asker=SimpleNamespace(station=station))


@pytest.mark.parametrize("how", ["stopped", "expired"])
async def test_a_write_that_waits_for_its_turn_when_it_ends_does_not_leave(how: str) -> None:
    station = Station(HOST, free_port())
    wanted, said, now = True, list[str](), time.time()
    command = hub.Command(id="1", device="bacnet:1", metric="setpoint", value=21.0, expires=now + 60)
    async with Link(config(timeout=0.5)) as link, asyncio.TaskGroup() as tasks:
        first = tasks.create_task(_silent(link, station))
        await settle()
        second = tasks.create_task(
            writing.write(
                command, poller(station), link, lambda state, _detail: said.append(state), lambda: now, lambda: wanted
            )
        )
        await settle()
        assert (link.requests, said) == (1, []), "it waits, and says nothing yet"
        if how == "stopped":
            wanted = False
        else:
            now += 60
        await asyncio.gather(first, second)
        assert link.requests == 1
    assert said == (["expired"] if how == "expired" else [])


async def _silent(link: Link, station: Station) -> None:
    with pytest.raises(Silent):
        await link.request(station, names.READ_PROPERTY, b"")
