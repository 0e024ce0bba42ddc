"""Tokens: one hub, once, in time, and only for who holds the secret."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backend_kit import Desk

from backend.hubs.registry import Registry
from backend.storage.engine import Storage
from backend.storage.sqlite.schema import open_database
from hub.core.errors import AuthFailed, ConfigError, StorageError
from hub.protocol.enrolment import Token, read_token, token_proof
from hub.protocol.hub_id import hub_id

IDENTITY, CSR = b"i" * 32, b"csr"


@pytest.fixture
def registry(opened: Callable[[], Storage]) -> Registry:
    return Registry(opened())


def issue(registry: Registry, **more: Any) -> Token:
    return registry.issue(
        **{"url": "https://h:1", "root": "00" * 32, "name": "n", "now": 0.0, "lifetime": 60.0, **more}
    )


def admit(registry: Registry, token: Token, **more: Any) -> str:
    secret, identity, csr = more.pop("secret", token.secret), more.pop("identity", IDENTITY), more.pop("csr", CSR)
    mac = token_proof(secret, more.pop("proved", identity), csr)
    told = {"token_id": token.id, "identity": identity, "csr": csr, "name": "", "mac": mac, "now": 1.0, **more}
    return registry.admit(**told)


def test_a_token_admits_the_hub_of_its_identity(registry: Registry) -> None:
    token = issue(registry, name="gymnase")
    hub = admit(registry, token)
    found = registry.find(hub)
    assert found is not None
    assert (hub, found.name, found.identity, found.revoked_at) == (hub_id(IDENTITY), "gymnase", IDENTITY, None)


def test_a_name_cannot_command_the_terminal_that_lists_it(registry: Registry) -> None:
    admit(registry, issue(registry), name="\x1b]0;owned\x07gym\nnase" + "x" * 500)
    (hub,) = registry.hubs()
    assert hub.name.startswith("]0;ownedgymnase")
    assert len(hub.name) == 128


def test_a_tokens_text_reads_back(registry: Registry) -> None:
    token = issue(registry)
    assert read_token(str(token)) == token
    assert token.secret.hex() not in repr(token)


def test_a_token_is_used_once_and_its_secret_is_forgotten(registry: Registry) -> None:
    token = issue(registry)
    admit(registry, token)
    with pytest.raises(AuthFailed, match="used already"):
        admit(registry, token, identity=b"j" * 32)
    assert [one.secret for one in registry.tokens()] == [None]


def test_an_expired_token_admits_nobody(registry: Registry) -> None:
    with pytest.raises(AuthFailed, match="expired"):
        admit(registry, issue(registry), now=60.0)
    assert registry.hubs() == []


@pytest.mark.parametrize(
    "wrong", [{"secret": b"x" * 16}, {"proved": b"j" * 32}, {"mac": bytes(32)}, {"mac": b""}, {"token_id": "nobody"}]
)
def test_a_wrong_proof_admits_nobody_and_costs_the_token_nothing(registry: Registry, wrong: dict[str, Any]) -> None:
    token = issue(registry)
    with pytest.raises(AuthFailed):
        admit(registry, token, **wrong)
    assert registry.hubs() == []
    assert admit(registry, token)


def test_a_revoked_identity_is_not_admitted_again(registry: Registry) -> None:
    hub = admit(registry, issue(registry))
    registry.revoke(hub, 5.0)
    registry.revoke(hub, 9.0)
    assert registry.hubs()[0].revoked_at == 5.0
    with pytest.raises(AuthFailed, match="revoked"):
        admit(registry, issue(registry))
    assert registry.hubs()[0].revoked_at == 5.0


def test_revoking_a_hub_nobody_knows_is_an_error(registry: Registry) -> None:
    with pytest.raises(ConfigError, match="no hub 'hub-x'"):
        registry.revoke("hub-x", 1.0)


def test_a_token_in_a_race_admits_one(registry: Registry, opened: Callable[[], Storage]) -> None:
    first = registry
    token = issue(first)
    outcome: list[str] = []

    def run(n: int) -> None:
        registry = Registry(opened())
        try:
            outcome.append(admit(registry, token, identity=bytes([n]) * 32))
        except AuthFailed:
            outcome.append("")

    threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome)[:7] == [""] * 7
    assert len(first.hubs()) == 1


def test_a_database_of_a_later_release_is_not_touched(plain: Desk, tmp_path: Path) -> None:
    connection = open_database(tmp_path / "later.db")
    connection.pragma("user_version", 99)
    connection.close()
    with pytest.raises(StorageError, match="format 99"):
        open_database(tmp_path / "later.db")
    (tmp_path / "noise.db").write_bytes(b"no database" * 500)
    with pytest.raises(StorageError, match="cannot open"):
        open_database(tmp_path / "noise.db")
