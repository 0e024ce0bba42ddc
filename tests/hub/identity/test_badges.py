"""The list of withdrawn badges on a hub: newer ones of the owner count, whoever brings them; nothing else does."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub.core.errors import StorageError
from hub.core.store import Store
from hub.identity.badges import ASK_S, BadgeVerifier
from hub.protocol.documents.badges import BadBadge, Revoked, make_badge, make_revoked
from hub.protocol.documents.trust import BadgeKey, Trust
from hub.protocol.records.seal import kid_of
from hub.sdk.session import Reply
from hub.sdk.testing import ManualClock
from tests.hub.protocol.documents.test_badges import BADGE, KEY, NOW, OTHER
from tests.hub.protocol.documents.test_trust import TRUST


def trust(*keys: Ed25519PrivateKey) -> Trust:
    public = [key.public_key().public_bytes_raw() for key in keys]
    return msgspec.structs.replace(TRUST, badge_keys=tuple(BadgeKey(kid_of(one), one) for one in public))


class World:
    def __init__(self, store: Store) -> None:
        self.store, self.trust, self.up = store, trust(KEY), True
        self.clock = ManualClock()
        self.reply = Reply(404, {}, b"")
        self.asked = 0

    async def request(self, method: str, url: str, *, timeout: timedelta = timedelta(seconds=1)) -> Reply:
        assert (method, url) == ("GET", "https://data.example:8443/v1/badges/revoked")
        self.asked += 1
        return self.reply

    async def hub(self) -> BadgeVerifier:
        made = BadgeVerifier(
            self.store,
            self.clock,
            http=self,
            url="https://data.example:8443/",
            trust=lambda: self.trust,
            here={"ecole"},
            up=lambda: self.up,
        )
        await made.load()
        return made


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    store = await Store.open(tmp_path / "store.db", b"k" * 32)
    yield World(store)
    await store.close()


def withdrawn(number: int, *ids: bytes, key: Ed25519PrivateKey = KEY) -> bytes:
    return make_revoked(Revoked(number, NOW, ids), key)


async def test_a_list_is_asked_for_while_there_is_a_link_and_kept_over_a_restart(world: World) -> None:
    hub = await world.hub()
    text = make_badge(
        msgspec.structs.replace(BADGE, begin=int(world.clock.now()), until=int(world.clock.now()) + 99), KEY
    )
    assert hub.read(text).name == BADGE.name
    world.up = False
    await hub.turn()
    assert world.asked == 0
    world.up, world.reply = True, Reply(200, {}, withdrawn(7, BADGE.id))
    await hub.turn()
    await hub.turn()
    assert world.asked == 1
    with pytest.raises(BadBadge, match="withdrawn"):
        hub.read(text)
    again = await world.hub()
    assert again.status()["number"] == 7
    with pytest.raises(BadBadge, match="withdrawn"):
        again.read(text)
    await world.clock.advance(ASK_S + 1)
    await hub.turn()
    assert world.asked == 2


async def test_an_older_list_or_that_of_a_stranger_takes_nothing_back(world: World) -> None:
    hub = await world.hub()
    assert await hub.keep(withdrawn(7, BADGE.id), "backend")
    assert not await hub.keep(withdrawn(6), "backend")
    with pytest.raises(BadBadge, match="no key"):
        await hub.keep(withdrawn(9, key=OTHER), "backend")
    assert hub.status()["revoked"] == 1
    world.reply = Reply(200, {}, b"\0" * 40)
    await hub.turn()
    assert hub.status()["error"].code == "badge-list-cut-short"


async def test_a_list_comes_as_a_file_where_there_is_no_network(world: World) -> None:
    hub = await world.hub()
    document = base64.b64encode(withdrawn(8, BADGE.id)).decode()
    dry = await hub.calls()["badge.load"]({"document": document, "dry_run": True})
    assert dry == {"number": 8, "issued": NOW, "revoked": 1, "newer": True}
    assert hub.status()["number"] is None
    await hub.calls()["badge.load"]({"document": document, "by": "cli"})
    assert hub.status()["number"] == 8
    assert (await world.store.audited())[-1].what == {"badges": "list", "number": 8, "ids": 1}


async def test_a_new_badge_key_in_trust_makes_the_badges_and_lists_of_the_former_worth_nothing(world: World) -> None:
    hub = await world.hub()
    await hub.keep(withdrawn(7, BADGE.id), "backend")
    world.trust = trust(OTHER)
    with pytest.raises(BadBadge, match="no key"):
        hub.read(make_badge(BADGE, KEY))
    again = await world.hub()
    assert again.status()["number"] is None
    world.trust = TRUST
    assert not again.known


async def test_of_two_lists_that_come_together_the_newer_one_stays_and_each_is_kept_with_its_audit(
    world: World,
) -> None:
    hub = await world.hub()
    lists = [hub.keep(withdrawn(9, BADGE.id), "backend"), hub.keep(withdrawn(7), "agent")]
    assert await asyncio.gather(*lists) == [True, False]
    assert (await world.hub()).status()["number"] == hub.status()["number"] == 9
    assert [entry.what["number"] for entry in await world.store.audited()] == [9]


async def test_a_list_whose_audit_the_disk_refuses_is_not_kept_either(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = await world.hub()

    def refuse(*_: object) -> None:
        raise StorageError("the disk refuses")

    monkeypatch.setattr("hub.core.store.audit", refuse)
    with pytest.raises(StorageError):
        await hub.keep(withdrawn(7, BADGE.id), "backend")
    assert (await world.hub()).status()["number"] is None
