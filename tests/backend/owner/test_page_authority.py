"""The district certifies a hub's pages: for its own names only, by an authority that opens nothing else."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from backend.cli.main import backend
from backend.conformance.probe import Probe
from backend.owner import page_authority, pki
from backend.processes.ingest_process import Running
from hub.core.errors import DecodeError
from hub.identity.keys import page_password
from hub.identity.page_certificate import AGAIN_S, FILE, PageCertificate
from hub.protocol.enrolment import make_csr
from hub.sdk.session import Reply
from hub.sdk.testing import ManualClock
from hub.web.sockets import certificate

HUB = "hub-abc"


def verified(pem: bytes, ca: x509.Certificate, name: x509.GeneralName) -> None:
    """By cryptography's own path validation, RFC 5280 and what browsers ask of a server."""
    leaf = x509.load_pem_x509_certificate(pem)
    policy = PolicyBuilder().store(Store([ca])).build_server_verifier(name)  # type: ignore[arg-type]
    policy.verify(leaf, [])


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "owner").mkdir()
    return tmp_path / "owner"


def certify(directory: Path, *names: str, hub: str = HUB) -> bytes:
    return page_authority.certify(directory, "Ville", hub, make_csr(pki.new_key(), hub), names)


def test_a_browser_that_knows_the_authority_accepts_the_hubs_private_address_and_its_name(directory: Path) -> None:
    pem = certify(directory, "192.168.1.20", "fd00::20")
    ca, _ = page_authority.authority(directory, "Ville")
    for address in ("192.168.1.20", "fd00::20"):
        verified(pem, ca, x509.IPAddress(ip_address(address)))
    verified(pem, ca, x509.DNSName("hub-abc.local"))
    with pytest.raises(VerificationError):
        verified(pem, ca, x509.IPAddress(ip_address("192.168.1.21")))
    with pytest.raises(VerificationError):
        verified(pem, pki.make_ca(pki.new_key(), "Ville"), x509.DNSName("hub-abc.local"))
    leaf = x509.load_pem_x509_certificate(pem)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc < timedelta(days=400)


def test_names_that_are_not_the_hubs_are_left_out_unless_the_owner_granted_them(directory: Path) -> None:
    asked = ("data.example.org", "203.0.113.7", "8.8.8.8", "127.0.0.1", "hub-other.local", "bank.example", "0.0.0.0")

    def names(pem: bytes) -> list[str]:
        leaf = x509.load_pem_x509_certificate(pem)
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return [str(one.value) for one in found]

    assert set(names(certify(directory, *asked))) <= {"hub-abc.local", "203.0.113.7"}
    assert "data.example.org" not in names(certify(directory, *asked))
    page_authority.grant(directory, HUB, ["data.example.org"])
    assert "data.example.org" in names(certify(directory, *asked))
    assert "data.example.org" not in names(certify(directory, *asked, hub="hub-x"))
    with pytest.raises(Exception, match="hub-abc's"):
        page_authority.grant(directory, "hub-x", ["data.example.org"])
    with pytest.raises(DecodeError):
        page_authority.certify(directory, "Ville", HUB, b"no request", ())


class Http:
    """What the egress does for the hub: without client certificate."""

    def __init__(self, probe: Probe) -> None:
        self.probe, self.asked = probe, 0

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, timeout: timedelta, anonymous: bool
    ) -> Reply:
        assert anonymous
        self.asked += 1
        context = self.probe.tls(certificate=False)
        async with self.probe.session.request(method, url, data=body, ssl=context) as answer:
            return Reply(answer.status, {}, await answer.read())


def _pages(names: Callable[[], list[str]], recertify: Callable[[], Awaitable[None]]) -> Any:
    return SimpleNamespace(names=names, recertify=recertify)


@pytest.mark.real("network")
async def test_a_hub_has_its_pages_certified_shows_it_at_once_and_asks_again_for_another_address(
    served: Running, probe: Probe, tmp_path: Path
) -> None:
    http, clock, where, changed = Http(probe), ManualClock(), ["192.168.1.20"], list[int]()
    import time

    clock._now = time.time()
    context, own = certificate.prepare(tmp_path, probe.hub, (), clock.date(), password=page_password(probe.keys))

    refresh = partial(certificate.refresh, password=page_password(probe.keys))

    async def now() -> None:
        changed.append(1)

    up = [True]
    part = PageCertificate(
        tmp_path / certificate.KEY,
        probe.hub,
        probe.url,
        probe.keys,
        http=http,
        clock=clock,
        up=lambda: up[0],
        pages=_pages(lambda: where, now),
    )
    await part.turn()
    assert (part.error, len(changed)) == ("", 1)
    shown = refresh(context, tmp_path, clock.date())
    assert shown != own
    async with probe.session.get(f"{probe.url}/v1/pages-ca", ssl=probe.tls(certificate=False)) as answer:
        ca = x509.load_pem_x509_certificate(await answer.read())
    verified((tmp_path / FILE).read_bytes(), ca, x509.IPAddress(ip_address("192.168.1.20")))
    asked = http.asked
    await part.turn()
    assert http.asked == asked
    where[0] = "10.1.2.3"
    await part.turn()
    verified((tmp_path / FILE).read_bytes(), ca, x509.IPAddress(ip_address("10.1.2.3")))
    # while the backend is away it lapses: the pages are told, once
    up[0], told = False, len(changed)
    clock._now += 500 * 86_400
    await part.turn()
    await part.turn()
    assert len(changed) == told + 1
    clock._now -= 500 * 86_400
    # once it has lapsed, or is another key's, the self-signed one is shown again
    assert refresh(context, tmp_path, clock.now() + 500 * 86_400) == own
    assert refresh(context, tmp_path, None) != own
    (tmp_path / FILE).write_bytes(certify(served.owner.directory))
    assert refresh(context, tmp_path, clock.date()) == own


@pytest.mark.real("network")
async def test_nobody_but_the_hub_itself_is_certified_in_its_name(
    served: Running, probe: Probe, tmp_path: Path
) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    certificate.prepare(tmp_path, probe.hub, (), password=page_password(probe.keys))

    class Thief:
        identity, store_key = Ed25519PrivateKey.generate(), probe.keys.store_key

    async def never() -> None:
        raise AssertionError

    part = PageCertificate(
        tmp_path / certificate.KEY,
        probe.hub,
        probe.url,
        Thief(),
        http=Http(probe),
        clock=ManualClock(),  # type: ignore[arg-type]
        up=lambda: True,
        pages=_pages(lambda: ["10.0.0.1"], never),
    )
    await part.turn()
    assert "403" in part.error
    assert not (tmp_path / FILE).exists()


def test_the_command_says_where_the_authority_is_and_grants_names(tmp_path: Path) -> None:
    from backend.owner import directory as owners

    owners.init(tmp_path / "owner", owner="Ville")
    done = CliRunner().invoke(
        backend, ["pages", str(tmp_path / "owner"), "--grant", HUB, "hub.ecole.example.org", "--json"]
    )
    assert done.exit_code == 0, done.stderr
    assert page_authority.granted(tmp_path / "owner") == {HUB: ["hub.ecole.example.org"]}
    ssl.create_default_context(cafile=tmp_path / "owner" / page_authority.CA)


def test_two_first_requests_at_once_are_given_one_authority_with_its_own_key(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, both = pki.make_ca, threading.Barrier(2)

    def slow(*arguments: Any) -> x509.Certificate:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.2)  # the other one may come in here, where it can
        return make(*arguments)

    monkeypatch.setattr(page_authority.pki, "make_ca", slow)
    with ThreadPoolExecutor(2) as threads:
        made = [threads.submit(page_authority.authority, directory, "Ville") for _ in range(2)]
    found = {pki.pem(one.result()[0]) for one in made}
    ca, key = page_authority.authority(directory, "Ville")
    assert found == {pki.pem(ca)}
    assert ca.public_key() == key.public_key()


@pytest.mark.real("network")
async def test_names_do_not_count_as_certified_when_their_certificate_did_not_reach_its_place(
    served: Running, probe: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate.prepare(tmp_path, probe.hub, (), password=page_password(probe.keys))
    clock = ManualClock()

    async def now() -> None: ...

    part = PageCertificate(
        tmp_path / certificate.KEY,
        probe.hub,
        probe.url,
        probe.keys,
        http=Http(probe),
        clock=clock,
        up=lambda: True,
        pages=_pages(lambda: ["10.1.2.3"], now),
    )
    (tmp_path / FILE).write_bytes(certify(served.owner.directory, "192.168.1.20"))
    place = Path.replace

    def refuse(path: Path, target: Path) -> Path:
        if Path(target).name == FILE:
            raise OSError(5, "Input/output error")
        return place(path, target)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", refuse)
        await part.turn()
    assert "Input/output error" in part.error
    await clock.advance(AGAIN_S)
    await part.turn()
    ca, _ = page_authority.authority(served.owner.directory, "Ville")
    verified((tmp_path / FILE).read_bytes(), ca, x509.IPAddress(ip_address("10.1.2.3")))
