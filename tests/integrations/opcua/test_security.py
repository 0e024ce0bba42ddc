"""Who is believed and who is let in, against open62541 with mbedTLS: another implementation of every policy."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

import hub
from integrations.opcua import entering, identity, probe, run
from integrations.opcua import messages as m
from integrations.opcua.entering import entered
from integrations.opcua.trust import KEPT, POLICIES, keep
from tests.integrations.opcua.conftest import Keys, ended, make_keys, plain, secure

pytestmark = pytest.mark.long("servers with certificates", of="tests/integrations")

NODES = {"/Boiler/FlowTemperature": {"metric": "flow_temperature"}}


@pytest.mark.real("network, processes")
@pytest.mark.parametrize(
    ("policy", "security"), [*((policy, "sign-and-encrypt") for policy in POLICIES), ("Basic256Sha256", "sign")]
)
async def test_every_policy_brings_values_under_the_servers_own_key(
    session: Any, start: Any, serve: Any, keys: Keys, ours: Path, policy: str, security: str
) -> None:
    peer = await serve(keys, ours / identity.PUBLIC)  # it trusts this hub's certificate and no other
    session.put("opcua:boiler", NODES)
    start(run(secure(peer, keys, ours, policy=policy, security=security), session))
    report = await session.reported("flow_temperature", 63.5)
    assert report.proof == hub.Proof(scheme="opcua", authenticated=True, sealed=security == "sign-and-encrypt")
    await peer.set("FlowTemperature", 70.0)
    await session.reported("flow_temperature", 70.0)


@pytest.mark.real("network, processes")
async def test_the_strongest_policy_of_both_is_taken(serve: Any, keys: Keys, ours: Path) -> None:
    peer = await serve(keys)
    said = await probe(secure(peer, keys, ours))
    assert "sign-and-encrypt with Aes256_Sha256_RsaPss" in said
    assert identity.sha1(identity.load(ours).certificate) in said


@pytest.mark.real("network, processes")
async def test_an_unknown_server_is_told_nothing_and_waits_in_quarantine(
    session: Any, serve: Any, keys: Keys, tmp_path: Path
) -> None:
    peer = await serve(keys)
    session.put("opcua:boiler", NODES)
    with pytest.raises(hub.AuthFailed, match="is not trusted; nothing was sent") as refused:
        await ended(run(secure(peer, keys, tmp_path, trusted=()), session))
    assert f"trusted: [{keys.sha256}]" in str(refused.value)
    assert "boiler" in str(refused.value)
    assert (tmp_path / "rejected" / f"{keys.sha256}.der").read_bytes() == keys.der
    (candidate,) = session.candidates
    assert candidate.id == f"opcua:server-127.0.0.1:{peer.port}"
    assert candidate.evidence["sha256"] == keys.sha256
    assert candidate.evidence["sha1"] == identity.sha1(keys.der)
    assert session.drops == [("", "opcua-untrusted")]
    assert session.reports == []
    assert await peer.sessions() == 0


@pytest.mark.real("network, processes")
async def test_a_server_whose_certificate_changed_is_refused(
    session: Any, serve: Any, keys: Keys, ours: Path, tmp_path: Path
) -> None:
    peer = await serve(make_keys(tmp_path, "impostor"))
    session.put("opcua:boiler", NODES)
    with pytest.raises(hub.AuthFailed, match="changed and is not trusted"):
        await ended(run(secure(peer, keys, ours), session))
    assert session.reports == []


@pytest.mark.real("network, processes")
async def test_who_has_the_trusted_certificate_but_not_its_key_is_refused(
    session: Any, serve: Any, keys: Keys, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_keys(ours, "other")
    peer = await serve(other)
    session.put("opcua:boiler", NODES)
    choose = entering.choose

    def believing(config: Any, offered: m.Endpoints) -> Any:
        """As if the endpoints had been forged on the way: they show the trusted certificate."""
        shown = [
            m.Certificate(keys.der, one.subject, one.uri, one.begins, one.ends, one.bits)
            for one in offered.certificates
        ]
        return choose(config, m.Endpoints(offered.endpoints, shown))

    monkeypatch.setattr(entering, "choose", believing)
    with pytest.raises(hub.NotReady):
        await ended(run(secure(peer, keys, ours), session))
    assert session.reports == []
    assert await peer.sessions() == 0


@pytest.mark.real("network, processes")
async def test_a_wrong_password_stops_the_plugin(session: Any, serve: Any, keys: Keys, ours: Path) -> None:
    peer = await serve(keys)
    with pytest.raises(hub.AuthFailed, match="check `user` and `password`"):
        await ended(run(secure(peer, keys, ours, password="wrong"), session))
    with pytest.raises(hub.AuthFailed, match="set `user`"):
        await ended(run(secure(peer, keys, ours, user="", password=""), session))
    assert await peer.sessions() == 0


@pytest.mark.real("network, processes")
async def test_a_password_never_leaves_in_clear(session: Any, serve: Any, keys: Keys, ours: Path) -> None:
    peer = await serve(keys, PEER_CLEAR="1")
    with pytest.raises(hub.AuthFailed, match="wants the password in clear"):
        await ended(run(secure(peer, keys, ours, security="sign"), session))
    assert await peer.sessions() == 0


@pytest.mark.real("network, processes")
async def test_a_user_may_have_a_certificate_in_place_of_a_password(
    session: Any, start: Any, serve: Any, keys: Keys, ours: Path, tmp_path: Path
) -> None:
    peer = await serve(keys)
    own = make_keys(tmp_path, "technician")
    pem = tmp_path / "user.pem"
    pem.write_bytes(x509.load_der_x509_certificate(own.der).public_bytes(serialization.Encoding.PEM))
    loaded = serialization.load_der_private_key(own.key.read_bytes(), None)
    secret = loaded.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    config = secure(peer, keys, ours, user="", password="", user_certificate=pem, user_key=secret)
    assert secret not in repr(config)
    session.put("opcua:boiler", NODES)
    start(run(config, session))
    await session.reported("flow_temperature", 63.5)
    with pytest.raises(hub.AuthFailed, match="cannot be read"):
        await probe(secure(peer, keys, ours, user="", password="", user_certificate=tmp_path / "no.pem", user_key="x"))


@pytest.mark.real("network, processes")
async def test_a_server_that_does_not_trust_this_hub_is_tried_again_and_the_thumbprint_told(
    session: Any, start: Any, serve: Any, keys: Keys, ours: Path, tmp_path: Path
) -> None:
    peer = await serve(keys, make_keys(tmp_path, "somebody").certificate)
    session.put("opcua:boiler", NODES)
    with pytest.raises(hub.NotReady, match="does not trust this hub yet") as refused:
        await ended(run(secure(peer, keys, ours), session))
    assert identity.sha1(identity.load(ours).certificate) in str(refused.value)
    assert str(ours / identity.PUBLIC) in str(refused.value)


@pytest.mark.real("network, processes")
async def test_a_server_without_the_wanted_security_is_not_spoken_to(serve: Any, keys: Keys, ours: Path) -> None:
    peer = await serve()  # no certificate: security none only
    with pytest.raises(hub.AuthFailed, match=r"does not offer sign-and-encrypt .*it offers none/None"):
        await probe(secure(peer, keys, ours))


@pytest.mark.real("network, processes")
async def test_security_none_is_reported_with_what_the_server_offers_instead(
    session: Any, start: Any, serve: Any, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    peer = await serve(keys, PEER_ANONYMOUS="1")
    session.put("opcua:boiler", NODES)
    start(run(plain(peer), session))
    assert (await session.reported("flow_temperature", 63.5)).proof == hub.Proof(scheme="opcua")
    (line,) = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert "security is none" in line
    assert "sign-and-encrypt with Basic256Sha256" in line


@pytest.mark.real("network, processes")
async def test_a_channel_is_renewed_while_values_come(
    session: Any, serve: Any, keys: Keys, ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await serve(keys)
    opening = entering._opening
    monkeypatch.setattr(
        entering, "_opening", lambda *arguments: m.msgspec.structs.replace(opening(*arguments), channel_ms=3000)
    )
    async with entered(secure(peer, keys, ours), "test") as inside:
        await inside.link.ask(m.Subscribe(50, 4, 100), m.Subscribed)
        await inside.link.ask(m.Watch([m.Item(1, "ns=1;s=FlowTemperature", sampling_ms=50)]), m.Statuses)
        seen: list[Any] = []
        async with asyncio.timeout(60):
            async for changes in inside.link.changes():
                seen += [change.value for change in changes]
                if len(seen) == 4:
                    break
                await asyncio.sleep(1.7)  # longer than a lifetime and its grace in all: without renewal, gone
                await peer.set("FlowTemperature", 70.0 + len(seen))
    assert seen == [63.5, 71.0, 72.0, 73.0]


def test_the_hubs_key_is_its_own_and_stays(tmp_path: Path) -> None:
    directory = tmp_path / "state" / "opcua"
    made = identity.load(directory)
    assert identity.load(directory) == made
    assert (directory / identity.FILE).stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700
    assert (directory / identity.PUBLIC).read_bytes() == made.certificate
    assert re.fullmatch(r"urn:[A-Za-z0-9.-]+:ilot:opcua:[0-9a-f]{8}", made.uri)
    assert "PRIVATE" not in repr(made)
    assert made.key not in repr(made).encode()


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    identity.load(tmp_path)
    (tmp_path / identity.FILE).chmod(0o640)
    with pytest.raises(hub.AuthFailed, match="chmod 600"):
        identity.load(tmp_path)


def test_a_key_file_that_is_none_is_refused_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / identity.FILE).write_text("nothing")
    (tmp_path / identity.FILE).chmod(0o600)
    with pytest.raises(hub.AuthFailed, match="move it away"):
        identity.load(tmp_path)
    assert (tmp_path / identity.FILE).read_text() == "nothing"


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(hub.NotReady, match="set `directory`"):
        identity.load(tmp_path / "file" / "opcua")


def test_no_more_than_a_few_unknown_certificates_are_kept(tmp_path: Path) -> None:
    for number in range(KEPT + 5):
        path = keep(tmp_path, m.Certificate(bytes([number]) * 100))
        assert path is not None
        os.utime(path, (number, number))
    assert len(list((tmp_path / "rejected").iterdir())) == KEPT
