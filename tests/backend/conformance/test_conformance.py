"""The conformance suite passes on this backend, and fails on one that is broken in any way it claims to check."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from backend.api import hubs as api_hubs
from backend.api import nonces, requests
from backend.conformance.checks import Result
from backend.conformance.suite import run_suite
from backend.hubs import states as hub_states
from backend.hubs.registry import Registry
from backend.ingest import acks, record_writer, verifier
from backend.ingest import core as ingest
from backend.ingest import received_streams as received
from backend.owner import directory as owners
from backend.processes import ingest_process as server
from backend.processes.ingest_process import Running, serving
from backend.storage.opening import open_queries, open_storage
from backend.storage.sqlite import registry
from backend.storage.sqlite.notes import AckNumbers
from hub.core.errors import AuthFailed, ConfigError, DecodeError, NotReady
from hub.protocol.ranges import Ranges
from hub.protocol.records import integers

from ..conftest import token_for

pytestmark = pytest.mark.real("network, processes")

PASSED = 30
"""Checks of the suite."""


async def test_this_backend_passes(served: Running) -> None:
    results = await run_suite(served.url, token_for(served))
    assert [result for result in results if not result.passed] == []
    assert len(results) == PASSED
    assert len({result.name for result in results}) == len(results)


async def test_this_backend_passes_over_postgresql_and_leaves_no_hub(postgres_url: str, tmp_path: Path) -> None:
    owner = owners.init(tmp_path / "owner", owner="Ville")
    async with serving(tmp_path / "owner", port=0, database=postgres_url) as running:
        with closing(open_storage(postgres_url)) as storage:
            made = Registry(storage).issue(
                url=running.url, root=owner.settings.root, name="t", now=time.time(), lifetime=3600.0
            )
            with storage.transaction():
                storage.trials.expect(made.id)
        results = await run_suite(running.url, str(made))
    assert [result for result in results if not result.passed] == []
    assert len(results) == PASSED
    with open_queries(postgres_url).snapshot() as snapshot:
        assert list(snapshot.hubs()) == []
        assert list(snapshot.alarms()) == []


def dedup_without_digest(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(received.Received, "add_fork", lambda *arguments: None)


def no_duplicates(patch: pytest.MonkeyPatch) -> None:
    real = ingest.Ingest._record

    def record(self: Any, work: Any, stream: Any, epoch: Any, item: Any) -> None:
        if item.opened.seq in stream.stored:
            raise DecodeError("seen", "again")
        real(self, work, stream, epoch, item)

    patch.setattr(ingest.Ingest, "_record", record)
    patch.setattr(acks.Acks, "of", lambda self, hub, told, owner: [b""])


def acks_what_never_came(patch: pytest.MonkeyPatch) -> None:
    real = acks.Acks._durable

    def durable(self: Any, stream: Any, told: Any) -> Any:
        more = dataclasses.replace(stream, stored=Ranges([(1, max(1, stream.stored.last()))]))
        return real(self, more, told)

    patch.setattr(acks.Acks, "_durable", durable)


def no_signature_of_records(patch: pytest.MonkeyPatch) -> None:
    class Anything:
        def verify(self, *arguments: Any) -> None: ...

    class Believing:
        @staticmethod
        def from_public_bytes(public: bytes) -> Anything:
            return Anything()

    patch.setattr("hub.protocol.records.opening.Ed25519PublicKey", Believing)
    assert Ed25519PublicKey is not Believing


def hub_of_epoch_unchecked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(verifier, "_check_hub", lambda epoch, hub: None)


def acks_by_a_key_outside_trust(patch: pytest.MonkeyPatch) -> None:
    real = server.make_ingest

    def make(owner: owners.Owner, **options: Any) -> Any:
        return real(dataclasses.replace(owner, ack_key=Ed25519PrivateKey.generate()), **options)

    patch.setattr(server, "make_ingest", make)


def certificates_unchecked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(requests, "certified", lambda request: request.match_info["hub"])


def need_never_said(patch: pytest.MonkeyPatch) -> None:
    real = ingest.pack_reply
    patch.setattr(ingest, "pack_reply", lambda acks, need, *rest: real(acks, (), *rest))


def a_lost_table_is_asked_for_without_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(verifier.Verifier, "_ask", lambda self, eid: None)


def a_bad_record_ends_the_message(patch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any, stream: Any, epoch: Any, item: Any) -> None:
        raise AuthFailed("no")

    patch.setattr(record_writer.RecordWriter, "refuse", refuse)


def tokens_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(registry.Hubs, "use_token", lambda *told: None)


def tls_1_2(patch: pytest.MonkeyPatch) -> None:
    real = server.tls_context

    def context(directory: Path) -> Any:
        made = real(directory)
        made.minimum_version = made.maximum_version.TLSv1_2
        return made

    patch.setattr(server, "tls_context", context)


def n_stands_still(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(AckNumbers, "draw", lambda self, hub, count: 1)


def damage_is_passed_over(patch: pytest.MonkeyPatch) -> None:
    real = ingest.open_message

    def read(body: bytes) -> Any:
        try:
            return real(body)
        except DecodeError:
            return b"", []

    patch.setattr(ingest, "open_message", read)


def a_state_with_records_is_passed_over(patch: pytest.MonkeyPatch) -> None:
    real = ingest.open_message
    patch.setattr(ingest, "open_message", lambda body: (b"", real(body)[1]))


def whole_planes_alone(patch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any, width: int, count: int) -> Any:
        raise DecodeError("bad-width", f"{width} byte planes")

    patch.setattr(integers.Reader, "_tight", refuse)


def old_states_are_news(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(hub_states.HubStates, "_taken_at", lambda self, hub: -1.0)


def numbers_decide_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(hub_states.HubStates, "_taken_at", lambda self, hub: float("inf"))


def trust_is_never_handed_over(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(hub_states.HubStates, "trust_due", lambda self, state, version, now: False)


def anybody_is_certified(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(api_hubs, "verify", lambda public, signed, signature: None)


def no_nonce_is_asked_of_a_renewal(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(nonces.Nonces, "check", lambda self, nonce: None)


def a_lapsed_certificate_locks_out(patch: pytest.MonkeyPatch) -> None:
    real = api_hubs.HubApi.renew

    async def renew(self: Any, request: Any) -> Any:
        requests.hub_of_path(request)
        return await real(self, request)

    patch.setattr(api_hubs.HubApi, "renew", renew)


@pytest.mark.parametrize(
    ("twin", "caught"),
    [
        (dedup_without_digest, {"fork"}),
        (no_duplicates, {"good message", "duplicate"}),
        (acks_what_never_came, {"any order"}),
        (no_signature_of_records, {"signature does not hold", "another identity"}),
        (hub_of_epoch_unchecked, {"names another hub"}),
        (acks_by_a_key_outside_trust, {"good message"}),
        (certificates_unchecked, {"without a client certificate"}),
        (need_never_said, {"asked for"}),
        (a_lost_table_is_asked_for_without_end, {"holds up none behind it"}),
        (a_bad_record_ends_the_message, {"does not keep the good ones"}),
        (tokens_for_ever, {"second hub"}),
        (tls_1_2, {"TLS 1.2"}),
        (n_stands_still, {"higher number n"}),
        (damage_is_passed_over, {"was cut"}),
        (a_state_with_records_is_passed_over, {"counts before them"}),
        (whole_planes_alone, {"cut to their bits"}),
        (old_states_are_news, {"comes again"}),
        (numbers_decide_alone, {"was set back"}),
        (trust_is_never_handed_over, {"newest TRUST"}),
        (anybody_is_certified, {"another identity's signature"}),
        (no_nonce_is_asked_of_a_renewal, {"a nonce that the backend did not make"}),
        (a_lapsed_certificate_locks_out, {"without the former one"}),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_a_broken_twin_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, twin: Callable[[pytest.MonkeyPatch], None], caught: set[str]
) -> None:
    owners.init(tmp_path / "owner", owner="Ville")
    twin(monkeypatch)
    async with serving(tmp_path / "owner", port=0) as running:
        results = await run_suite(running.url, token_for(running))
    failed: list[Result] = [result for result in results if not result.passed]
    for word in caught:
        assert any(word in result.name for result in failed), f"{word}: only {failed}"
    assert all(result.why for result in failed)


async def test_a_token_of_another_backend_is_not_used_up(served: Running) -> None:
    with pytest.raises(ConfigError, match="this token is for"):
        await run_suite("https://elsewhere.example", token_for(served))


async def test_a_backend_that_is_away_is_not_ready(tmp_path: Path) -> None:
    owners.init(tmp_path / "owner", owner="Ville")
    async with serving(tmp_path / "owner", port=0) as running:
        token = token_for(running)
    with pytest.raises(NotReady):
        await run_suite(running.url, token)
