"""Keys are changed while a hub runs, or while it is cut off: it follows by itself, and nothing is lost or sealed to
a key that nobody has. Whoever plays an older trust document is counted, and changes nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from backend.owner import directory as owners
from backend.owner.key_files import owner_root, write_key_file
from backend.owner.key_rotation import rotate
from backend.processes import owner_reload as following
from hub.core.disk.atomic_files import write_atomically
from hub.core.errors import ConfigError
from hub.identity import enrolment
from hub.protocol.documents.trust import sign_trust
from hub.protocol.link_messages import pack_reply, read_reply
from hub.protocol.records.opening import verify_epoch
from hub.store_and_forward.link import UP

from .building import Building, done, until

pytestmark = pytest.mark.real("network")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_S", 0.05)
    monkeypatch.setattr("hub.store_and_forward.link.core.STATE_S", 0.2)


@pytest.fixture
def building(tmp_path: Path) -> Building:
    owners.init(tmp_path / "owner", owner="Ville")
    return Building(tmp_path)


async def epochs(running: Any, building: Building) -> list[tuple[int, set[bytes]]]:
    """Trust version and recipients of every epoch that arrived, oldest first."""

    def read(ingest: Any) -> list[tuple[int, set[bytes]]]:
        hub = ingest.registry.hubs()[0]
        rows = ingest.storage.connection.execute("select raw from epochs order by id").fetchall()
        opened = [verify_epoch(bytes(raw), hub.identity) for (raw,) in rows]
        return [(epoch.trust_version, set(epoch.kids)) for epoch in opened]

    return list(await running.worker.call(read))


async def test_a_hub_that_is_cut_off_during_the_change_delivers_what_it_sealed_to_the_former_key(
    building: Building,
) -> None:
    async with building.backend() as running:
        await building.enrol(running)
        async with building.hub() as (buffer, link):
            await building.write(buffer, 20)
            await until(lambda: done(link))
    before = owners.load(building.directory)
    async with building.hub() as (buffer, link):
        await building.write(buffer, 30)
        after = rotate(building.directory)
        async with building.backend() as running:
            await until(lambda: building.following.trust == after.trust)
            await building.write(buffer, 10)
            await until(lambda: done(link) and len(building.arrived()) == building.written)
            sealed = await epochs(running, building)
            status = link.status()
    former, newer = before.trust.recipients, after.trust.recipients
    assert former[0] != newer[0]
    assert former[1] == newer[1], "the recovery key stays"
    versions = before.trust.version, after.trust.version
    assert [kids for version, kids in sealed if version == versions[0]] == [{r.kid for r in former}] * 2
    assert [kids for version, kids in sealed if version == versions[1]] == [{r.kid for r in newer}]
    assert status.refused == {}
    assert enrolment.load(building.state)[1] == after.trust


async def test_a_running_hub_follows_a_running_backend_and_no_ack_is_refused(building: Building) -> None:
    async with building.backend() as running:
        await building.enrol(running)
        async with building.hub() as (buffer, link):
            for _ in range(3):
                await building.write(buffer, 10)
                changed = await asyncio.to_thread(rotate, building.directory)
                while building.following.trust.version < changed.trust.version:
                    await building.write(buffer, 1)
                    await asyncio.sleep(0.02)
            await until(lambda: done(link) and len(building.arrived()) == building.written)
            assert link.status().refused == {}
            assert link.status().uplinks[0].failures == 0


async def test_a_withdrawn_key_is_believed_no_longer_than_the_hub_needs_to_hear_of_it(building: Building) -> None:
    async with building.backend() as running:
        await building.enrol(running)
        async with building.hub() as (buffer, link):
            await building.write(buffer, 10)
            await until(lambda: done(link))
            former = running.owner.ack_key.public_key().public_bytes_raw()
            changed = await asyncio.to_thread(rotate, building.directory, ingest=False, withdraw=True)
            assert changed.trust.recipients == running.owner.trust.recipients
            await until(lambda: building.following.trust == changed.trust)
            assert former not in {key.public for key in link.delivery.acceptance.trust.ack_keys}
            await building.write(buffer, 10)
            await until(lambda: done(link))
            assert set(link.status().refused) <= {"withdrawn-key"}
            assert link.status().uplinks[0].state == UP


async def test_a_hub_two_versions_behind_is_answered_with_a_key_that_it_knows(building: Building) -> None:
    async with building.backend() as running:
        await building.enrol(running)
    first = owners.load(building.directory)
    for _ in range(2):
        last = rotate(building.directory, withdraw=True)
    version = first.trust.version
    assert last.ack_key_for(version).private_bytes_raw() == first.ack_key.private_bytes_raw()
    assert last.ack_key_for(version + 2) is last.ack_key_for(None) is last.ack_key
    async with building.backend(), building.hub() as (buffer, link):
        await building.write(buffer, 10)
        await until(lambda: building.following.trust == last.trust)
        await building.write(buffer, 10)
        await until(lambda: done(link) and len(building.arrived()) == building.written)
        assert set(link.status().refused) <= {"withdrawn-key"}


@pytest.mark.parametrize("kind", ["older", "another of the same version", "altered", "another root", "garbage"])
async def test_a_document_that_is_not_the_owners_newest_word_is_refused_and_counted(
    building: Building, kind: str, tmp_path: Path
) -> None:
    async with building.backend() as running:
        await building.enrol(running)
    old = (building.state / "trust.bin").read_bytes()
    owner = rotate(building.directory)
    root = owner_root(building.directory / "root", owner.settings.root)
    other = owners.init(tmp_path / "other", owner="Else")
    stranger = owner_root(other.directory / "root", other.settings.root)
    bad = {
        "older": old,
        "another of the same version": sign_trust(root, msgspec.structs.replace(owner.trust, owner="Else")),
        "altered": owner.trust_document[:-5] + bytes([owner.trust_document[-5] ^ 1]) + owner.trust_document[-4:],
        "another root": sign_trust(stranger, msgspec.structs.replace(owner.trust, version=9)),
        "garbage": b"<html>sign in to the wifi</html>",
    }[kind]
    async with building.backend(), building.hub() as (buffer, link):
        await until(lambda: building.following.trust == owner.trust)
        await building.write(buffer, 3)
        for times in (1, 2, 3):
            building.following.offer(bad)
            await until(lambda times=times: building.following.refused == times)
        assert building.following.status()["error"]
        assert len(building.following.complaints()) == 1
        await until(lambda: done(link))
        building.following.offer(owner.trust_document)
        await until(lambda: building.following.error == "")
        assert building.following.trust == owner.trust
    assert enrolment.load(building.state)[1] == owner.trust


async def test_a_broker_that_plays_an_old_document_into_every_answer_achieves_nothing(
    building: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with building.backend() as running:
        await building.enrol(running)
    old = (building.state / "trust.bin").read_bytes()
    owner = rotate(building.directory)
    async with building.backend(), building.hub() as (buffer, link):
        await until(lambda: building.following.trust == owner.trust)
        real = link.delivery.apply_reply

        def answered(message: int, body: bytes, now: float) -> Any:
            reply = read_reply(body)
            return real(message, pack_reply(reply.acks, reply.need, old), now)

        link.delivery.apply_reply = answered  # type: ignore[method-assign]
        for _ in range(5):
            await building.write(buffer, 5)
            await until(lambda: done(link))
        await until(lambda: building.following.refused > 1)
        assert building.following.trust == owner.trust
        assert len(building.arrived()) == building.written


async def test_a_host_that_the_owner_takes_back_is_not_called_any_more(building: Building) -> None:
    async with building.backend() as running:
        await building.enrol(running)
        async with building.hub() as (buffer, link):
            await building.write(buffer, 3)
            await until(lambda: done(link))
            root = owner_root(building.directory / "root", running.owner.settings.root)
            trust = msgspec.structs.replace(running.owner.trust, version=8, egress=())
            write_atomically(building.directory / "trust.bin", sign_trust(root, trust))
            await until(lambda: "is not declared" in link.status().error)
            await building.write(buffer, 3)
            assert link.status().waiting["live"] + link.status().waiting["backlog"] > 0
            write_atomically(
                building.directory / "trust.bin",
                sign_trust(root, msgspec.structs.replace(running.owner.trust, version=9)),
            )
            building.following.offer((building.directory / "trust.bin").read_bytes())
            await until(lambda: done(link) and len(building.arrived()) == 6)


def test_a_machine_that_stops_during_the_change_leaves_a_directory_that_serves(
    building: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop before each write in turn; then the change is made again."""
    calls = 0

    class Stopped(Exception):
        pass

    def stop_at(stop: int) -> None:
        nonlocal calls
        calls = 0

        def write(*what: Any) -> None:
            nonlocal calls
            calls += 1
            if calls == stop:
                raise Stopped
            write_key_file(*what)

        monkeypatch.setattr("backend.owner.key_rotation.write_key_file", write)

    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if self.name == owners.NEXT_ACK_KEY:
            raise Stopped
        return real(self, target)

    for stop in range(1, 5):
        stop_at(stop)
        with pytest.raises(Stopped):
            rotate(building.directory, withdraw=True)
        owners.load(building.directory)
    stop_at(0)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        with pytest.raises(Stopped):
            rotate(building.directory, withdraw=True)
    again = owners.load(building.directory)
    assert again.ack_key.public_key().public_bytes_raw() == again.trust.ack_keys[0].public
    monkeypatch.undo()
    assert rotate(building.directory, withdraw=True).trust.version == again.trust.version + 1


def test_a_change_needs_the_owners_root_and_no_other(building: Building, tmp_path: Path) -> None:
    away = tmp_path / "offline"
    (building.directory / "root").rename(away)
    with pytest.raises(ConfigError, match="cannot be read"):
        rotate(building.directory)
    assert rotate(building.directory, root=away).trust.version == 2
    owners.init(tmp_path / "other", owner="Else")
    with pytest.raises(ConfigError, match="another owner"):
        rotate(building.directory, root=tmp_path / "other" / "root")
    with pytest.raises(ConfigError, match="nothing to change"):
        rotate(building.directory, ingest=False, ack=False, root=away)
    assert owners.load(building.directory).trust.version == 2
