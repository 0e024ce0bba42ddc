"""A client certificate is renewed before it lapses, and after: no date locks a hub out."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from backend.api.nonces import GOOD_FOR_S, NONCE_BYTES, Nonces
from backend.owner import directory as owners
from backend.owner import pki
from backend.owner.key_files import certificate_key
from backend.processes import owner_reload as following
from hub.core.errors import AuthFailed, ConfigError, NotReady
from hub.core.text import code_of
from hub.identity import certificate_renewal, enrolment, keys
from hub.identity.certificate_renewal import AGAIN_S, LOOK_S, SILENT_S, CertificateRenewal
from hub.identity.certificate_validity import Validity
from hub.protocol.enrolment import make_csr, renewal_statement
from hub.sdk.session import Reply
from hub.sdk.testing import ManualClock, settle
from hub.store_and_forward.link import UP

from .building import Building, done, until

SECONDS = 1 / 86_400


@pytest.fixture
def building(tmp_path: Path) -> Building:
    owners.init(tmp_path / "owner", owner="Ville")
    return Building(tmp_path)


def certificates_last(building: Building, seconds: float) -> None:
    """Those that the backend gives from now on (its next start)."""
    path = building.directory / "backend.json"
    settings = msgspec.json.decode(path.read_bytes(), type=owners.Settings)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(settings, certificate_days=seconds * SECONDS)))


def shown(building: Building) -> x509.Certificate:
    return x509.load_pem_x509_certificate((building.state / enrolment.CERTIFICATE).read_bytes())


def ends(building: Building) -> float:
    return shown(building).not_valid_after_utc.timestamp()


@pytest.mark.real("network")
async def test_a_certificate_is_renewed_after_two_thirds_of_its_life_and_the_hub_stays_up(
    building: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate_renewal, "LOOK_S", 0.05)
    certificates_last(building, 3.0)
    async with building.backend() as running:
        await building.enrol(running)
        begun = ends(building)
        async with building.hub() as (buffer, link):
            async with asyncio.timeout(120):
                while ends(building) <= begun + 4.0:  # renewed more than once by then
                    await building.write(buffer, 1)
                    await asyncio.sleep(0.1)
            await until(lambda: done(link) and building.renewal.status()["error"] == "")
        assert len(building.arrived()) == building.written


@pytest.mark.real("network")
async def test_a_hub_whose_certificate_lapsed_while_it_was_off_is_given_another_and_delivers(
    building: Building,
) -> None:
    certificates_last(building, 1.0)
    async with building.backend() as running:
        await building.enrol(running)
    async with building.hub() as (buffer, _):
        await building.write(buffer, 10)
    await asyncio.sleep(max(0.0, ends(building) + 1.0 - time.time()))
    certificates_last(building, 3600.0)
    key = (building.state / "keys" / "tls.pem").read_bytes()
    async with building.backend(), building.hub() as (buffer, link):
        await until(lambda: done(link))
        assert link.status().uplinks[0].state == UP
    assert ends(building) > time.time() + 3000
    assert (building.state / "keys" / "tls.pem").read_bytes() == key
    assert building.arrived() == [n / 100 for n in range(1, 11)]


@pytest.mark.real("network")
async def test_without_renewal_the_same_hub_stays_out(building: Building, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: what the test above shows is the renewal's doing."""
    certificates_last(building, 1.0)
    async with building.backend() as running:
        await building.enrol(running)
    monkeypatch.setattr(CertificateRenewal, "_due", lambda self: False)
    await asyncio.sleep(max(0.0, ends(building) + 1.0 - time.time()))
    async with building.backend(), building.hub() as (buffer, link):
        await building.write(buffer, 1)
        await until(lambda: link.status().uplinks[0].failures > 3)
        assert link.status().uplinks[0].state != UP
    assert building.arrived() == []


@pytest.mark.real("network")
async def test_a_revoked_hub_is_given_none(building: Building) -> None:
    certificates_last(building, 1.0)
    async with building.backend() as running:
        await building.enrol(running)
        hub = enrolment.load(building.state)[0].hub
        await running.worker.call(lambda ingest: ingest.registry.revoke(hub, time.time()))
        async with building.hub():
            await until(lambda: "revoked" in building.renewal.error)
    assert shown(building).not_valid_after_utc.timestamp() < time.time() + 2


@pytest.mark.real("network")
async def test_the_servers_own_certificate_is_renewed_while_it_serves(
    building: Building, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LOOK_S", 0.05)
    monkeypatch.setattr(following, "CERTIFICATE_EVERY_S", 0.1)
    path = building.directory / "server.pem"
    async with building.backend() as running:
        await building.enrol(running)
        owner, fresh = running.owner, path.read_bytes()
        assert not owner.renew_own_certificate(time.time())
        public = certificate_key(building.directory / "server.key").public_key()
        old = pki.make_server_certificate(
            owner.ca, owner.ca_key, public, list(owner.settings.names), timedelta(seconds=2)
        )
        path.write_bytes(pki.pem(old))
        await until(lambda: path.read_bytes() not in (fresh, pki.pem(old)))
        renewed = x509.load_pem_x509_certificate(path.read_bytes())
        assert renewed.public_key() == public
        assert renewed.not_valid_after_utc.timestamp() > time.time() + 700 * 86_400
        while await served(running.port) != renewed.public_bytes(Encoding.DER):
            await asyncio.sleep(0.01)
        async with building.hub() as (buffer, link):
            await building.write(buffer, 5)
            await until(lambda: done(link))
    path.write_bytes(b"garbage")
    with pytest.raises(ConfigError, match="damaged"):
        owner.renew_own_certificate(time.time())


async def served(port: int) -> bytes:
    """The certificate that a new connection is shown."""
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=blind)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return bytes(shown)


# -- when, and what is believed --------------------------------------------------------------------------------------


class Backend:
    """Answers the two requests. `reply` overrides the second."""

    def __init__(self, owner: owners.Owner) -> None:
        self.owner, self.asked = owner, 0
        self.reply: Reply | Exception | None = None
        self.anonymous: list[bool] = []

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, timeout: Any, anonymous: bool
    ) -> Reply:
        self.anonymous.append(anonymous)
        if method == "GET":
            return Reply(200, {}, msgspec.json.encode({"nonce": bytes(32)}))
        self.asked += 1
        if isinstance(self.reply, Exception):
            raise self.reply
        if self.reply is not None:
            return self.reply
        assert body is not None
        csr = msgspec.json.decode(body)["csr"].encode()
        certificate = self.owner.certify(csr, url.split("/")[-2]).decode()
        return Reply(200, {}, msgspec.json.encode({"certificate": certificate}))


class Bench:
    def __init__(self, tmp_path: Path) -> None:
        self.owner = owners.init(tmp_path / "owner", owner="Ville")
        self.state = tmp_path / "hub"
        self.state.mkdir()
        self.keys = keys.create(self.state / "keys")
        self.clock, self.backend, self.up, self.renewed = ManualClock(time.time()), Backend(self.owner), True, 0
        self.stated: list[bytes] = []
        enrolled = enrolment.Enrolment(hub=self.keys.hub_id, url="https://localhost:1", root="00")
        csr = make_csr(enrolment.certificate_key(self.keys), self.keys.hub_id)
        (self.state / enrolment.CERTIFICATE).write_bytes(self.owner.certify(csr, self.keys.hub_id))
        link: Any = SimpleNamespace(up=lambda: self.up, reconnect=self._renewed, ask_certificate=self.stated.append)
        self.renewal = CertificateRenewal(
            self.state,
            enrolled,
            self.keys,
            http=self.backend,
            clock=self.clock,
            link=link,
            cas=lambda: [pki.pem(self.owner.ca).decode()],
        )
        self._busy = 0
        for name in ("_try", "_take"):
            setattr(self.renewal, name, self._counted(getattr(self.renewal, name)))

    def _renewed(self) -> None:
        self.renewed += 1

    async def pass_days(self, days: float) -> None:
        """Without living through every look."""
        self.clock.set(self.clock.now() + days * 86_400, sure=self.clock.sure())
        await self.looks()

    async def looks(self) -> None:
        await self.clock.advance(LOOK_S)
        await self.quiet()

    async def quiet(self) -> None:
        """Until all that the last look began is done."""
        await settle()
        await until(lambda: self.renewal._life is not None and not self._busy)  # files are written in a thread
        await settle()

    def _counted(self, work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def counted(*given: Any) -> Any:
            self._busy += 1
            try:
                return await work(*given)
            finally:
                self._busy -= 1

        return counted


@pytest.fixture
async def bench(tmp_path: Path) -> Any:
    made = Bench(tmp_path)
    task = asyncio.create_task(made.renewal.run())
    await made.looks()
    yield made
    task.cancel()
    await asyncio.wait([task])


def test_a_third_of_its_life_is_left_for_trying() -> None:
    life = Validity(1000.0, 1900.0)
    assert [life.due(at) for at in (1000.0, 1599.0, 1600.0, 5000.0)] == [False, False, True, True]


async def test_nothing_is_asked_before_it_is_due_and_then_once_without_the_certificate(bench: Bench) -> None:
    await bench.pass_days(540)
    assert bench.backend.asked == 0
    await bench.pass_days(20)
    assert (bench.backend.asked, bench.renewed) == (1, 1)
    assert all(bench.backend.anonymous)
    assert bench.renewal.complaints() == []


async def test_where_the_address_of_the_enrolment_does_not_answer_the_states_ask(bench: Bench, tmp_path: Path) -> None:
    bench.backend.reply = NotReady("no way there")
    await bench.pass_days(500)
    assert bench.stated == []
    await bench.pass_days(60)
    (csr,) = bench.stated
    before = (bench.state / enrolment.CERTIFICATE).read_bytes()
    other = owners.init(tmp_path / "another", owner="Mallory")
    hostile = [b"", b"\xff", other.certify(csr, bench.keys.hub_id), bench.owner.certify(csr, "somebody"), before]
    for given in hostile:
        bench.renewal.offer(given)
        await bench.looks()
        assert (bench.state / enrolment.CERTIFICATE).read_bytes() == before, "taken from somebody on the way"
        assert bench.renewal.error
    good = bench.owner.certify(csr, bench.keys.hub_id)
    await asyncio.sleep(1.1)  # a certificate's end is told in whole seconds
    good = bench.owner.certify(csr, bench.keys.hub_id)
    bench.clock.set(time.time(), sure=True)  # it begins today, and is not due again at once
    bench.renewal.offer(good)
    await until(lambda: bench.renewed == 1)
    await bench.looks()
    assert (bench.state / enrolment.CERTIFICATE).read_bytes() == good
    assert (bench.renewed, bench.renewal.error, bench.stated[-1]) == (1, "", b"")
    bench.renewal.offer(before)
    await bench.looks()
    assert (bench.state / enrolment.CERTIFICATE).read_bytes() == good, "nobody asked"


async def test_one_that_comes_with_an_answer_while_the_next_try_fails_is_not_asked_for_again(bench: Bench) -> None:
    bench.backend.reply = NotReady("no way there")
    await bench.pass_days(560)
    (csr,) = bench.stated
    await asyncio.sleep(1.1)  # a certificate's end is told in whole seconds
    asking, go_on, made = threading.Event(), threading.Event(), 0

    def slowly() -> bytes:
        nonlocal made
        made += 1
        if made == 2:  # the first went to the address of the enrolment, this one is for the states
            asking.set()
            assert go_on.wait(60)
        return csr

    bench.renewal._csr = slowly  # type: ignore[method-assign]
    await bench.clock.advance(AGAIN_S)
    assert await asyncio.to_thread(asking.wait, 60)
    bench.clock.set(time.time(), sure=True)  # it begins today, and is not due again at once
    bench.renewal.offer(bench.owner.certify(csr, bench.keys.hub_id))
    await until(lambda: bench.stated == [csr, b""])
    go_on.set()
    await bench.looks()
    await bench.looks()
    assert (bench.stated, bench.renewed, bench.renewal.error) == ([csr, b""], 1, "")


async def test_a_hub_that_cannot_tell_the_time_asks_when_it_has_been_cut_off_for_ten_minutes(bench: Bench) -> None:
    bench.clock.set(0.0, sure=False)
    await bench.clock.advance(SILENT_S + LOOK_S)
    await bench.looks()
    assert bench.backend.asked == 0, "a link that is up says that the certificate is good"
    bench.up = False
    await bench.clock.advance(SILENT_S - 3 * LOOK_S)
    await bench.looks()
    assert bench.backend.asked == 0
    bench.backend.reply = NotReady("no answer")
    await bench.clock.advance(3 * LOOK_S)
    await bench.looks()
    assert bench.backend.asked == 1
    for _ in range(30):
        await bench.clock.advance(600.0)
    await bench.looks()
    assert bench.backend.asked == 1, "and then four times a day"
    await bench.clock.advance(AGAIN_S)
    await bench.looks()
    assert bench.backend.asked == 2
    assert bench.renewal.complaints() == [], "nobody knows whether it lapsed"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(403, {}, b"hub-x was revoked"), "hub-x was revoked"),
        (Reply(503, {}, b""), "answers 503"),
        (Reply(200, {}, b"<html>wifi</html>"), "something other than a certificate"),
        (Reply(200, {}, b'{"certificate": "none"}'), "without a certificate"),
        (Reply(200, {}, b"[" * 100_000), "something other than a certificate"),
        (NotReady("no way there"), "no way there"),
        ("another key", "another hub's certificate"),
        ("another name", "another hub's certificate"),
    ],
)
async def test_what_is_no_certificate_of_ours_is_not_kept_and_the_operator_is_told_in_time(
    bench: Bench, reply: Any, said: str, tmp_path: Path
) -> None:
    before = (bench.state / enrolment.CERTIFICATE).read_bytes()
    if isinstance(reply, str):
        other = keys.create(tmp_path / "other")
        mine = enrolment.certificate_key(bench.keys if reply == "another name" else other)
        csr = make_csr(mine, "x")
        name = "hub-aaaaaaaaaaaaaaaa" if reply == "another name" else bench.keys.hub_id
        reply = Reply(200, {}, msgspec.json.encode({"certificate": bench.owner.certify(csr, name).decode()}))
    bench.backend.reply = reply
    await bench.pass_days(560)
    assert said in bench.renewal.status()["error"]
    assert bench.renewal.complaints() == []
    await bench.pass_days(200)
    assert said in bench.renewal.complaints()[0]
    assert "ends in" in bench.renewal.complaints()[0]
    await bench.pass_days(100)
    assert code_of(bench.renewal.complaints()[0]) == "client-certificate-expired"
    assert (bench.state / enrolment.CERTIFICATE).read_bytes() == before
    assert bench.renewed == 0
    bench.backend.reply = None
    assert await bench.clock.advance_to_next()  # one look: by this clock what is made today has lapsed as well
    await bench.quiet()
    assert bench.renewed == 1
    assert bench.renewal.status()["error"] == ""


def test_a_nonce_is_good_for_five_minutes_and_only_where_it_was_made() -> None:
    now = 100.0
    nonces = Nonces(bytes(32), lambda: now)
    nonce = nonces.make()
    assert len(nonce) == NONCE_BYTES
    nonces.check(nonce)
    now += GOOD_FOR_S - 1
    nonces.check(nonce)
    for bad in (
        bytes(32),
        nonce[:-1] + bytes([nonce[-1] ^ 1]),
        bytes([1]) + nonce[1:],
        Nonces(b"k" * 32, lambda: now).make(),
    ):
        with pytest.raises(AuthFailed):
            nonces.check(bad)
    now += 1
    with pytest.raises(AuthFailed):
        nonces.check(nonce)


def test_what_is_signed_names_the_hub_and_the_request() -> None:
    key = Ed25519PrivateKey.generate()
    said = {renewal_statement(nonce, hub, csr) for nonce in (b"a", b"b") for hub in ("x", "y") for csr in (b"1", b"2")}
    assert len(said) == 8
    assert all(text.startswith(b"\0\0\0\x0dilot/renew/1\0") for text in said)
    assert key.sign(next(iter(said)))


async def test_a_key_that_the_disk_does_not_give_today_is_told_and_ends_nothing(bench: Bench) -> None:
    key = bench.keys.tls_key.read_bytes()
    for broken in (bench.keys.tls_key.unlink, lambda: bench.keys.tls_key.write_bytes(b"noise")):
        broken()
        await bench.pass_days(560)
        assert "tls.pem" in bench.renewal.status()["error"]
    bench.keys.tls_key.write_bytes(key)
    for _ in range(10):  # it is tried less often by now
        await bench.looks()
    assert bench.renewed
    assert bench.renewal.status()["error"] == ""
