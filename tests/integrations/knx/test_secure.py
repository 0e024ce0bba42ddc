"""KNX IP Secure and KNX Data Secure with an ETS keyring, against a server of the tests' own (`secure_kit`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from knxd_kit import until

import hub
from hub.sdk.testing import FakeSession
from integrations import knx
from integrations.knx import addresses, keyring
from integrations.knx.sim.building import float16, telegram

from .secure_kit import KeyringFile, SecureInterface, secured

Start = Callable[[Any], "asyncio.Task[None]"]
PASSWORD, USER, AUTHENTICATION = "clé-du-projet", "tunnel-2", "appareil"
KEY = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
SENDER, PLAIN, SECRET = 0x110A, "1/0/1", "1/0/2"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = KeyringFile(PASSWORD, user=USER, authentication=AUTHENTICATION, groups={SECRET: KEY}, sender="1.1.10")
    return made.write(tmp_path / "ecole.knxkeys")


def configured(file: Path, port: int, password: str = PASSWORD, connection: str = "tunnelling-secure") -> knx.Config:
    return knx.Config(connection=connection, host="127.0.0.1", port=port, keyring=file, keyring_password=password)


def put(session: FakeSession) -> None:
    groups = {
        PLAIN: {"dpt": "9.001", "metric": "temperature"},
        SECRET: {"dpt": "9.008", "metric": "co2", "write": SECRET},
    }
    session.devices.put(hub.Device(id="knx:1.1.10", integration="knx", place="p", settings={"groups": groups}))


def secret(sequence: int, value: float, key: bytes = KEY) -> bytes:
    return secured(telegram(SENDER, SECRET, 0x80, float16(value)), key, sequence)


async def opened(interface: SecureInterface) -> None:
    assert interface.server is not None
    await until(lambda: interface.server.channels, "a tunnel")  # type: ignore[union-attr]


@pytest.mark.real("network")
async def test_a_secure_tunnel_opens_with_the_keyrings_passwords_and_carries_telegrams(
    file: Path, session: FakeSession, start: Start
) -> None:
    put(session)
    async with SecureInterface(USER, AUTHENTICATION) as interface:
        start(knx.run(configured(file, interface.port), session))
        await opened(interface)
        interface.say(telegram(SENDER, PLAIN, 0x80, float16(19.5)))
        await until(lambda: session.reports, "a report")
        session.commands.give(hub.Command(id="c", device="knx:1.1.10", metric="co2", value=800))
        await until(lambda: len(session.commands.answers) == 2, "the command's end")
    assert session.reports[0].values == {"temperature": 19.5}
    assert session.reports[0].proof == hub.Proof(scheme="knx"), "a safe tunnel says nothing of the bus behind it"
    [sent] = [cemi for cemi in interface.heard if cemi[4:6] != SENDER.to_bytes(2, "big")]
    assert sent[9:11] == b"\x03\xf1", "to a secured address nothing is written in clear"
    assert float16(800) not in sent


@pytest.mark.real("network")
async def test_secured_telegrams_are_authenticated_and_a_replay_or_a_forgery_is_refused_and_counted(
    file: Path, session: FakeSession, start: Start
) -> None:
    put(session)
    async with SecureInterface(USER, AUTHENTICATION) as interface:
        start(knx.run(configured(file, interface.port), session))
        await opened(interface)
        interface.say(secret(101, 700))
        interface.say(secret(101, 700))  # a replay
        interface.say(secret(99, 500))  # older than what the keyring knows
        interface.say(secret(102, 900, bytes(16)))  # a wrong key
        interface.say(telegram(SENDER, SECRET, 0x80, float16(400)))  # in clear
        interface.say(secret(103, 750))
        await until(lambda: len(session.reports) >= 2, "two reports")
    assert [r.values for r in session.reports] == [{"co2": 700.16}, {"co2": 750.08}]
    assert all(r.proof == hub.Proof("knx-data-secure", authenticated=True, sealed=True) for r in session.reports)
    assert session.drops == [("knx:1.1.10", "knx-data-secure")] * 4


@pytest.mark.real("network")
async def test_what_a_sender_had_counted_to_is_remembered_over_a_restart(
    file: Path, session: FakeSession, start: Start
) -> None:
    put(session)
    async with SecureInterface(USER, AUTHENTICATION) as interface:
        first = start(knx.run(configured(file, interface.port), session))
        await opened(interface)
        interface.say(secret(500, 700))
        await until(lambda: session.reports, "a report")
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert session.state["sequences"] == {"1.1.10": 500}
        await until(lambda: not interface.server.channels, "the tunnel's end")  # type: ignore[union-attr]
        start(knx.run(configured(file, interface.port), session))
        await opened(interface)
        interface.say(secret(500, 700))
        interface.say(secret(501, 800))
        await until(lambda: len(session.reports) == 2, "the fresh one")
    assert session.drops == [("knx:1.1.10", "knx-data-secure")]


@pytest.mark.real("network")
async def test_a_kill_forgets_no_counter_of_a_telegram_whose_reading_was_taken(
    file: Path, session: FakeSession, start: Start
) -> None:
    put(session)
    async with SecureInterface(USER, AUTHENTICATION) as interface:
        first = start(knx.run(configured(file, interface.port), session))
        await opened(interface)
        for count in (500, 501):
            interface.say(secret(count, 700))
        await until(lambda: len(session.reports) == 2, "two reports")
        killed = dict(session.state)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        session.state.clear()  # what was put at the end does not count
        session.state.update(killed)
        await until(lambda: not interface.server.channels, "the tunnel's end")  # type: ignore[union-attr]
        start(knx.run(configured(file, interface.port), session))
        await opened(interface)
        interface.say(secret(501, 700))
        interface.say(secret(502, 800))
        await until(lambda: len(session.reports) == 3, "the fresh one")
    assert session.reports[-1].values == {"co2": 800.0}
    assert session.drops == [("knx:1.1.10", "knx-data-secure")]


@pytest.mark.real("network")
async def test_a_kill_while_a_reading_waits_for_room_uses_no_counter_up(file: Path, start: Start) -> None:
    class Waiting(FakeSession):
        asked = 0

        async def emit(self, *reports: hub.Report, **more: Any) -> None:
            self.asked += 1
            await super().emit(*reports, **more)

    session = Waiting("knx")
    put(session)
    session.room.clear()
    async with SecureInterface(USER, AUTHENTICATION) as interface:
        first = start(knx.run(configured(file, interface.port), session))
        await opened(interface)
        interface.say(secret(500, 800))
        await until(lambda: session.asked, "a reading that waits")
        killed = dict(session.state)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        session.state.clear()  # what was put at the end does not count
        session.state.update(killed)
        session.room.set()
        await until(lambda: not interface.server.channels, "the tunnel's end")  # type: ignore[union-attr]
        start(knx.run(configured(file, interface.port), session))
        await opened(interface)
        interface.say(secret(500, 800))
        await until(lambda: session.reports or session.drops, "an answer to it")
    assert [report.values for report in session.reports] == [{"co2": 800.0}]
    assert session.drops == []


@pytest.mark.real("network")
async def test_a_gateway_with_another_password_stops_the_plugin_and_says_what_to_do(
    file: Path, session: FakeSession
) -> None:
    async with SecureInterface("other", AUTHENTICATION) as interface:
        with pytest.raises(hub.AuthFailed, match="refuses the keyring's password: export the keyring"):
            await knx.run(configured(file, interface.port), session)


@pytest.mark.real("network")
async def test_a_gateway_that_is_not_the_keyrings_is_refused(file: Path, session: FakeSession) -> None:
    async with SecureInterface(USER, "impostor") as interface:
        with pytest.raises(hub.AuthFailed, match="refuses the keyring's password"):
            await knx.run(configured(file, interface.port), session)


async def test_a_wrong_keyring_password_is_an_operators_to_correct(file: Path, session: FakeSession) -> None:
    with pytest.raises(hub.AuthFailed, match="does not open: check `keyring_password`"):
        await knx.run(configured(file, 9, password="autre"), session)


async def test_a_keyring_that_was_changed_is_refused(file: Path, session: FakeSession) -> None:
    file.write_bytes(file.read_bytes().replace(b'UserID="2"', b'UserID="3"'))
    with pytest.raises(hub.AuthFailed, match="does not open"):
        await knx.run(configured(file, 9), session)


@pytest.mark.parametrize(
    "text",
    [
        b'<!DOCTYPE k [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Keyring Created="&b;"/>',
        b"<Keyring",
        b"",
        b"\x00\xff",
        b'<Keyring Signature="AAAA"/>',
    ],
)
async def test_what_is_no_keyring_is_refused_without_expanding_anything(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "k.knxkeys"
    path.write_bytes(text)
    with pytest.raises(hub.AuthFailed):
        await keyring.load(path, "p", {})


async def test_a_keyring_of_another_size_than_keyrings_have_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "k.knxkeys"
    with path.open("wb") as sparse:
        sparse.truncate(keyring.LARGEST + 1)
    with pytest.raises(hub.AuthFailed, match="more than 8 MB"):
        await keyring.load(path, "p", {})
    with pytest.raises(hub.NotReady, match="cannot be read"):
        await keyring.load(tmp_path / "missing", "p", {})


async def test_the_keyring_gives_the_backbone_key_of_secure_routing_and_the_group_keys(file: Path) -> None:
    found = await keyring.load(file, PASSWORD, {"1.1.10": 700, "1.1.77": 5})
    assert found.backbone is not None
    assert found.backbone.decrypted_key == bytes(range(16))
    assert found.backbone.latency == 2000
    [tunnel] = found.interfaces
    assert (tunnel.decrypted_password, tunnel.decrypted_authentication) == (USER, AUTHENTICATION)
    keys = {address.raw: key for address, key in found.get_data_secure_group_keys().items()}
    assert keys == {addresses.group(SECRET): KEY}
    senders = {str(address): last for address, last in found.get_data_secure_senders().items()}
    assert senders == {"1.1.10": 700, "1.1.77": 5}, "the higher of what the file and what the hub knows"


def test_the_password_is_a_secret_and_secure_connections_need_a_keyring(file: Path) -> None:
    assert PASSWORD not in repr(configured(file, 9))
    with pytest.raises(ValueError, match="tunnelling-secure needs the ETS keyring"):
        knx.Config(connection="tunnelling-secure", host="192.0.2.1")
    with pytest.raises(ValueError, match="needs `keyring_password`"):
        knx.Config(connection="tunnelling", host="192.0.2.1", keyring=file)
