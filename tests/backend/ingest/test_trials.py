"""Hubs on trial: nothing of them stays, and nobody else can have anything deleted."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import apsw
import pytest
from backend_kit import NOW, Desk, Sender, row
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec

from backend.city.dispatch.intake import Intake
from backend.cli.main import backend
from backend.conformance.probe import Probe
from backend.conformance.suite import run_suite
from backend.hubs.alarms import raise_alarm
from backend.ingest import trials
from backend.owner import directory as owners
from backend.processes.ingest_process import Running, serving
from backend.storage.opening import open_queries, open_storage
from backend.storage.sqlite.trials import TAKEN
from hub.core.errors import AuthFailed, HubError
from hub.core.text import phrase
from hub.protocol.enrolment import make_csr, read_token, token_proof

from ..conftest import token_for

OF_NO_HUB = {"meta", "processes", "retention", "sqlite_sequence"}
PASSING = {"n", "clock", "journal", "challenge"}
"""Keys of `meta` that move while a backend runs."""


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table."""
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as db:
        names = [str(name) for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
        rows = {name: sorted(db.execute(f"select * from {name}").fetchall(), key=repr) for name in names}
    rows["meta"] = [one for one in rows["meta"] if one[0] not in PASSING]
    return {name: found for name, found in rows.items() if name not in ("processes", "sqlite_sequence")}


def trial_token(directory: Path) -> str:
    done = CliRunner().invoke(backend, ["token", str(directory), "--trial"])
    assert done.exit_code == 0, done.output
    assert "ilot backend check" in done.stderr
    return done.stdout.strip()


@pytest.mark.real("network")
async def test_the_conformance_suite_leaves_nothing_behind(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "owner")
    hub = desk.enrol()
    segment = hub.segment()
    desk.post(hub, segment.message([segment.block([row(NOW + n)]) for n in range(3)]))
    desk.state(hub, hub.state(segment))
    desk.close()
    left: list[str] = []
    async with serving(tmp_path / "owner", port=0) as running:
        before = contents(running.owner.database)
        results = await run_suite(running.url, trial_token(running.owner.directory), left.append)
        assert [one for one in results if not one.passed] == []
        assert left == []
        assert contents(running.owner.database) == before
        await running.worker.call(lambda ingest: ingest.holes.check(ingest.received, time.time() + 9e3))
        assert contents(running.owner.database) == before, "no hole of it raises an alarm afterwards"


@pytest.mark.real("network")
async def test_with_an_ordinary_token_the_suite_says_that_its_hub_stays(served: Running) -> None:
    left: list[str] = []
    await run_suite(served.url, token_for(served), left.append)
    assert len(left) == 1
    assert "--trial" in left[0]
    assert len(contents(served.owner.database)["hubs"]) == 1


@pytest.mark.real("network")
async def test_a_hub_that_is_not_on_trial_has_nothing_of_it_deleted(served: Running, probe: Probe) -> None:
    segment = probe.segment()
    await probe.post(segment.message([segment.block([row()])]))
    before = contents(served.owner.database)
    async with probe.session.delete(f"{probe.url}/v1/hubs/{probe.hub}", ssl=probe.tls()) as reply:
        assert reply.status == 403
    async with probe.session.delete(f"{probe.url}/v1/hubs/hub-aaaaaaaaaaaaaaaa", ssl=probe.tls()) as reply:
        assert reply.status == 403
    async with aiohttp.ClientSession() as stranger:
        url = f"{probe.url}/v1/hubs/{probe.hub}"
        async with stranger.delete(url, ssl=probe.tls(certificate=False)) as reply:
            assert reply.status == 403
    assert contents(served.owner.database) == before


def on_trial(desk: Desk) -> Sender:
    """Enrol a hub by a token for a trial."""
    sender, now = Sender(desk.owner), time.time()
    registry = desk.ingest.registry
    token = registry.issue(url="https://localhost:1", root=desk.owner.settings.root, name="t", now=now, lifetime=60)
    with desk.ingest.storage.transaction():
        desk.ingest.storage.trials.expect(token.id)
    csr = make_csr(ec.generate_private_key(ec.SECP256R1()), "x")
    proof = token_proof(token.secret, sender.public, csr)
    registry.admit(token_id=token.id, identity=sender.public, csr=csr, name="test", now=now, mac=proof)
    return sender


def fill(desk: Desk, hub: Sender) -> None:
    segment = hub.segment()
    desk.post(hub, segment.message([segment.block([row(NOW + n)]) for n in range(9)]))
    desk.post(hub, segment.message([segment.block([row(5, sure=False)], b"b" * 16)]))
    desk.settle()


@pytest.mark.of_files
def test_a_trial_that_nobody_ended_is_over_after_an_hour(desk: Desk) -> None:
    real = desk.enrol()
    fill(desk, real)
    before = contents(desk.owner.database)
    hub = on_trial(desk)
    fill(desk, hub)
    now = time.time()
    assert not desk.ingest.trials.expire(now + 3500)
    assert contents(desk.owner.database)["hubs"] != before["hubs"]
    assert not desk.ingest.trials.expire(now + 3700)
    assert contents(desk.owner.database) == before
    assert isinstance(desk.answer(hub, hub.segment().message([])), HubError)
    again = real.segment()
    assert 1 in desk.post(real, again.message([again.block([row()])])).taken(again)


def test_nobody_is_called_for_the_alarms_of_a_hub_on_trial(desk: Desk) -> None:
    real, hub = desk.enrol(), on_trial(desk)
    with desk.ingest.storage.transaction():
        for one in (real, hub):
            raise_alarm(desk.ingest.storage, "forged", one.hub, phrase("x", "a record is forged"))
    queries = open_queries(desk.address)
    looked = Intake(queries, time.time).look({})
    assert [one.hub for one in looked.changes] == [real.hub]
    with queries.snapshot() as seen:
        assert seen.on_trial() == {hub.hub}


@pytest.mark.of_files
def test_a_token_for_a_trial_that_nobody_used_is_deleted_once_it_expired(desk: Desk) -> None:
    before = contents(desk.owner.database)
    token = read_token(trial_token(desk.owner.directory))
    desk.ingest.trials.expire(token.expires - 1)
    assert contents(desk.owner.database) != before
    desk.ingest.trials.expire(token.expires + 1)
    assert contents(desk.owner.database) == before


def test_a_trial_is_deleted_in_pieces_and_its_hub_is_refused_meanwhile(
    plain: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(plain.owner.database)
    hub = on_trial(plain)
    fill(plain, hub)
    monkeypatch.setattr(trials, "MAX_DELETED", 5)
    assert not plain.ingest.trials.end(hub.hub, time.time())
    segment = hub.segment()
    assert isinstance(plain.answer(hub, segment.message([segment.block([row()])])), HubError)
    for _ in range(20):
        if plain.ingest.trials.end(hub.hub, time.time()):
            break
    assert contents(plain.owner.database) == before


def test_an_enrolled_hub_does_not_become_one_on_trial(plain: Desk) -> None:
    real = plain.enrol()
    token = read_token(trial_token(plain.owner.directory))
    with pytest.raises(AuthFailed, match="trial"):
        plain.ingest.trials.check(token.id, real.public)
    plain.ingest.trials.check(token.id, Sender(plain.owner).public)
    with pytest.raises(AuthFailed):
        plain.ingest.trials.end(real.hub, time.time())


def test_every_table_is_known_to_hold_something_of_a_hub_or_nothing(tmp_path: Path) -> None:
    owner = owners.init(tmp_path / "owner", owner="Ville")
    open_storage(owner.database).close()
    with closing(apsw.Connection(str(owner.database))) as db:
        tables = {str(name) for (name,) in db.execute("select name from sqlite_master where type = 'table'")}
    assert tables == TAKEN | OF_NO_HUB
