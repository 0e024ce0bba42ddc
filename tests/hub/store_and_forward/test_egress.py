"""The way out, against real TLS servers with certificates made here."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import os
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from hub.core.errors import AuthFailed, DecodeError, LedElsewhere, NotReady
from hub.protocol.documents.trust import Egress as Declared
from hub.protocol.documents.trust import Trust
from hub.sdk.http import HttpClient
from hub.sdk.testing import ManualClock
from hub.store_and_forward.egress import Egress, Host, NotDeclared, hybrid
from hub.store_and_forward.egress_http import MAX_REPLY, EgressHttp

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


class Authority:
    """A certificate authority in a directory."""

    def __init__(self, directory: Path, name: str = "test CA") -> None:
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._build(self.name, self.key.public_key(), NOW - DAY, NOW + DAY, ca=True)
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(
        self, name: str, *, start: dt.datetime = NOW - DAY, end: dt.datetime = NOW + DAY, host: str = "127.0.0.1"
    ) -> tuple[Path, Path]:
        """Certificate and key files for a server at `host`, or a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        made = self._build(subject, key.public_key(), start, end, extra=alternative)
        paths = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return paths

    def _build(
        self,
        subject: x509.Name,
        public: ec.EllipticCurvePublicKey,
        start: dt.datetime,
        end: dt.datetime,
        *,
        ca: bool = False,
        extra: x509.ExtensionType | None = None,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if extra is not None:
            builder = builder.add_extension(extra, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def server(self, paths: tuple[Path, Path], *, most: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """Asks for a client certificate of this authority, and does without one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*paths)
        context.load_verify_locations(cadata=self.pem)
        context.verify_mode = ssl.CERT_OPTIONAL
        if most is not None:
            context.maximum_version = most
        return context


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def trust(*declared: tuple[str, int, str]) -> Trust:
    return Trust(version=1, owner="o", recipients=(), ack_keys=(), egress=tuple(Declared(*one) for one in declared))


def unset() -> Egress:
    return Egress(trust(("backend.test", 8443, "pem")), ManualClock())


Handler = Callable[[web.Request], Any]


@asynccontextmanager
async def serving(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on 127.0.0.1; its port."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    finally:
        await runner.cleanup()


async def shown(request: web.Request) -> web.Response:
    """What the server saw: TLS version and the client's name."""
    tls = request.transport.get_extra_info("ssl_object")
    peer = tls.getpeercert() or {}
    names = [value for part in peer.get("subject", ()) for _, value in part]
    return web.json_response([tls.version(), *names])


@pytest.mark.real("network")
async def test_the_owners_host_is_reached_by_tls_1_3_with_the_client_certificate(ca: Authority) -> None:
    certificate, key = ca.issue("hub-a")
    async with serving(shown, ca.server(ca.issue("server"))) as port:
        egress = Egress(trust(("127.0.0.1", port, ca.pem)), ManualClock(), certificate=certificate, key=key)
        http = EgressHttp(egress)
        reply = await http.request("GET", f"https://127.0.0.1:{port}/")
        await http.close()
    assert (reply.status, reply.json()) == (200, ["TLSv1.3", "hub-a"])
    assert egress.refused == {}


@pytest.mark.real("network")
@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("ca", "unable to get local issuer|self.signed"),
        ("tls", "does not answer"),
        ("name", "IP address mismatch|not valid for"),
    ],
)
@pytest.mark.parametrize("sure", [True, False])
async def test_another_ca_an_older_tls_and_another_name_are_refused_whatever_the_clock(
    ca: Authority, tmp_path: Path, broken: str, says: str, sure: bool
) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other", "other CA")
    paths = (other if broken == "ca" else ca).issue("server", host="127.0.0.9" if broken == "name" else "127.0.0.1")
    most = ssl.TLSVersion.TLSv1_2 if broken == "tls" else None
    async with serving(shown, ca.server(paths, most=most)) as port:
        http = EgressHttp(Egress(trust(("127.0.0.1", port, ca.pem)), ManualClock(sure=sure)))
        with pytest.raises(NotReady, match=f"(?i){says}"):
            await http.request("GET", f"https://127.0.0.1:{port}/")
        await http.close()


@pytest.mark.real("network")
async def test_a_lapsed_certificate_is_refused_only_while_the_clock_is_sure(ca: Authority) -> None:
    clock = ManualClock(sure=False)
    async with serving(shown, ca.server(ca.issue("server", end=NOW - DAY / 2))) as port:
        url = f"https://127.0.0.1:{port}/"
        egress = Egress(trust(("127.0.0.1", port, ca.pem)), clock)
        http = EgressHttp(egress)
        assert (await http.request("GET", url)).status == 200
        first = egress.connection(url).context
        assert egress.connection(url).context is first
        clock.set(clock.now(), sure=True)
        assert egress.connection(url).context is not first
        with pytest.raises(NotReady, match="expired"):
            await http.request("GET", url)
        await http.close()


@pytest.mark.real("network")
async def test_a_configured_host_never_sees_the_client_certificate(ca: Authority) -> None:
    certificate, key = ca.issue("hub-a")
    async with serving(shown, ca.server(ca.issue("server"), most=ssl.TLSVersion.TLSv1_2)) as port:
        hosts = [Host(host="127.0.0.1", port=port, ca_pem=ca.pem)]
        http = EgressHttp(Egress(trust(), ManualClock(), certificate=certificate, key=key, hosts=hosts))
        reply = await http.request("GET", f"https://127.0.0.1:{port}/")
        await http.close()
    assert reply.json() == ["TLSv1.2"]


@pytest.mark.real("network")
async def test_a_renewed_client_certificate_is_shown_at_the_next_connection(ca: Authority) -> None:
    certificate, key = ca.issue("hub-a")
    async with serving(shown, ca.server(ca.issue("server"))) as port:
        url = f"https://127.0.0.1:{port}/"
        egress = Egress(trust(("127.0.0.1", port, ca.pem)), ManualClock(), certificate=certificate, key=key)
        first = egress.connection(url).context
        for old, new in zip((certificate, key), ca.issue("hub-b"), strict=True):
            new.replace(old)
        os.utime(certificate, ns=(1, 1))
        assert egress.connection(url).context is not first
        http = EgressHttp(egress)
        assert (await http.request("GET", url)).json() == ["TLSv1.3", "hub-b"]
        await http.close()


@pytest.fixture
def hybrid_only(ca: Authority) -> Iterator[int]:
    """OpenSSL's own server, which knows one key exchange: X25519MLKEM768. Its port."""
    certificate, key = ca.issue("server")
    command = [
        *("openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", str(certificate), "-key", str(key)),
        *("-tls1_3", "-groups", "X25519MLKEM768", "-www", "-naccept", "1"),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    ) as server:
        port = next(int(line.rsplit(b":", 1)[1]) for line in server.stdout if line.startswith(b"ACCEPT"))
        yield port
        server.kill()


@pytest.mark.real("network, processes")
async def test_the_key_exchange_is_hybrid_where_openssl_can(ca: Authority, hybrid_only: int) -> None:
    assert hybrid()
    context = Egress(trust(("127.0.0.1", hybrid_only, ca.pem)), ManualClock()).connection(
        f"https://127.0.0.1:{hybrid_only}/"
    )[0]
    reader, writer = await asyncio.open_connection("127.0.0.1", hybrid_only, ssl=context)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    page = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    with suppress(ssl.SSLError):
        await writer.wait_closed()
    assert b"X25519MLKEM768" in page


def test_an_undeclared_host_is_refused_by_name_with_the_remedy_and_counted() -> None:
    egress = unset()
    for _ in range(2):
        with pytest.raises(NotDeclared, match=r"telemetry\.example\.com:443 is not declared.*trust document.*plugin's"):
            egress.connection("https://telemetry.example.com/collect")
    with pytest.raises(NotDeclared):
        egress.connection("https://backend.test:8444/")
    assert egress.refused == {"telemetry.example.com:443": 2, "backend.test:8444": 1}
    assert egress.hosts() == ["backend.test:8443"]


def test_a_declared_host_is_not_called_without_tls() -> None:
    egress = unset()
    with pytest.raises(NotDeclared, match="https only"):
        egress.connection("http://backend.test:8443/")
    meter = Egress(trust(), ManualClock(), hosts=[Host(host="meter", port=80, plain=True)])
    assert meter.connection("http://METER/values") == (None, None)
    with pytest.raises(NotDeclared):
        Egress(trust(), ManualClock(), hosts=[Host(host="meter", port=80)]).connection("http://meter/")


@given(
    st.text(max_size=60)
    | st.builds("{}://{}:{}/{}".format, st.text(max_size=6), st.text(max_size=9), st.text(), st.text())
)
def test_no_text_opens_a_way_out_that_was_not_declared(url: str) -> None:
    with pytest.raises(NotDeclared):
        unset().connection(url)


@pytest.mark.parametrize("url", ["https://backend.test:8443@evil.example/", "https://backend.test.evil.example:8443/"])
def test_a_name_that_only_looks_declared_is_refused(url: str) -> None:
    with pytest.raises(NotDeclared, match=r"evil\.example"):
        unset().connection(url)


def test_refusals_do_not_grow_without_bound() -> None:
    egress = unset()
    for number in range(1000):
        with pytest.raises(NotDeclared):
            egress.connection(f"https://host-{number}/")
    assert len(egress.refused) <= 257
    assert egress.refused.total() == 1000


def test_a_host_that_a_new_trust_document_no_longer_names_is_refused(ca: Authority) -> None:
    egress = Egress(trust(("a", 443, ca.pem)), ManualClock(), proxy="http://proxy:3128")
    assert egress.connection("https://A/").proxy == "http://proxy:3128"
    egress.update_trust(trust(("b", 443, ca.pem)))
    with pytest.raises(NotDeclared):
        egress.connection("https://a/")
    assert egress.connection("https://b/").context is not None


def test_a_ca_or_client_certificate_that_is_none_says_who_repairs_it(ca: Authority, tmp_path: Path) -> None:
    with pytest.raises(AuthFailed, match="owner signs"):
        Egress(trust(("a", 443, "no pem")), ManualClock()).connection("https://a/")
    with pytest.raises(AuthFailed, match="configuration"):
        Egress(trust(), ManualClock(), hosts=[Host(host="a", port=443, ca_pem="x")]).connection("https://a/")
    certificate, _ = ca.issue("hub-a")
    _, other = ca.issue("hub-b")
    mixed = Egress(trust(("a", 443, ca.pem)), ManualClock(), certificate=certificate, key=other)
    with pytest.raises(AuthFailed, match="restore both"):
        mixed.connection("https://a/")


@pytest.mark.real("network")
async def test_a_redirect_is_followed_to_declared_hosts_only_and_without_credentials() -> None:
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.path, request.headers.get("Authorization")))
        target = {"/away": "http://undeclared.example/", "/there": there, "/round": "/round"}.get(request.path)
        return web.Response(status=302, headers={"Location": target}) if target else web.Response(text="done")

    async with serving(handler) as port, serving(handler) as second:
        there = f"http://127.0.0.1:{second}/end"
        hosts = [Host(host="127.0.0.1", port=number, plain=True) for number in (port, second)]
        egress = Egress(trust(), ManualClock(), hosts=hosts)
        http = EgressHttp(egress)
        base, headers = f"http://127.0.0.1:{port}", {"Authorization": "Bearer x"}
        assert (await http.request("GET", f"{base}/there", headers=headers)).body == b"done"
        assert seen == [("/there", "Bearer x"), ("/end", None)]
        with pytest.raises(LedElsewhere, match=r"undeclared\.example:80"):
            await http.request("GET", f"{base}/away")
        with pytest.raises(NotReady, match="redirects more than"):
            await http.request("GET", f"{base}/round")
        posted = await http.request("POST", f"{base}/away", body=b"x")
        assert posted.status == 302
        await http.close()
    assert egress.refused == {}, "a redirection is told as such"


@pytest.mark.real("network")
async def test_a_reply_beyond_one_mebibyte_is_cut_off() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse()
        await reply.prepare(request)
        with suppress(ConnectionError):
            for _ in range(64):
                await reply.write(bytes(MAX_REPLY // 8))
        return reply

    async with serving(handler) as port:
        http = EgressHttp(Egress(trust(), ManualClock(), hosts=[Host(host="127.0.0.1", port=port, plain=True)]))
        with pytest.raises(DecodeError, match="too-large"):
            await http.request("GET", f"http://127.0.0.1:{port}/")
        await http.close()


@pytest.mark.real("network")
async def test_the_owners_host_is_asked_over_an_idle_connection_that_was_lent_and_anonymously_over_none(
    ca: Authority,
) -> None:
    peers: list[Any] = []
    free = asyncio.Event()

    async def seen(request: web.Request) -> web.Response:
        peers.append(request.transport.get_extra_info("peername"))
        if request.path == "/slow":
            await free.wait()
        return web.Response()

    certificate, key = ca.issue("hub-a")
    async with serving(seen, ca.server(ca.issue("server"))) as port:
        url = f"https://127.0.0.1:{port}/"
        egress = Egress(trust(("127.0.0.1", port, ca.pem)), ManualClock(), certificate=certificate, key=key)
        http, uplink = EgressHttp(egress), HttpClient()
        context = egress.connection(url).context
        await uplink.call("POST", url, context=context, limit=10, timeout_s=60.0)
        egress.lend(uplink)
        await http.request("GET", url)
        await http.request("POST", url, body=b"backup")
        assert len(set(peers)) == 1, "one connection for all three"
        await http.request("GET", url, anonymous=True)
        assert len(set(peers)) == 2
        busy = asyncio.create_task(uplink.call("POST", f"{url}slow", context=context, limit=10, timeout_s=60.0))
        while len(peers) < 5:
            await asyncio.sleep(0.001)
        await http.request("GET", url)
        assert peers[5] not in (peers[4], peers[3]), "one that is busy is not waited for"
        free.set()
        await busy
        egress.take_back(uplink)
        egress.take_back(uplink)
        await http.request("GET", url)
        assert peers[6] == peers[5]
        egress.lend(uplink)
        egress.update_trust(trust(("127.0.0.1", port, ca.pem), ("other", 443, ca.pem)))
        await http.request("GET", url)
        assert peers[7] not in peers[:5], "it was made under what the owner said before"
        await http.close()
        await uplink.close()


@pytest.mark.real("network")
async def test_a_host_that_does_not_answer_is_not_ready() -> None:
    async def silent(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async with serving(silent) as port:
        http = EgressHttp(Egress(trust(), ManualClock(), hosts=[Host(host="127.0.0.1", port=port, plain=True)]))
        with pytest.raises(NotReady, match="does not answer"):
            await http.request("GET", f"http://127.0.0.1:{port}/", timeout=dt.timedelta(seconds=0.05))
    with pytest.raises(NotReady, match="does not answer"):
        await http.request("GET", f"http://127.0.0.1:{port}/")
    await http.close()


@pytest.mark.real("network")
async def test_a_redirect_to_what_is_no_address_is_the_servers_fault_and_no_bug_of_who_asked() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://[nonsense/"})

    async with serving(handler) as port:
        http = EgressHttp(Egress(trust(), ManualClock(), hosts=[Host(host="127.0.0.1", port=port, plain=True)]))
        with pytest.raises(NotReady, match="no address"):
            await http.request("GET", f"http://127.0.0.1:{port}/")
        await http.close()


@pytest.mark.real("network")
async def test_no_header_of_whatever_name_takes_a_credential_to_another_host() -> None:
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append({name for name in request.headers if name in ("X-Api-Key", "Accept")})
        return web.Response(status=302, headers={"Location": there}) if len(seen) == 1 else web.Response()

    async with serving(handler) as port, serving(handler) as second:
        there = f"http://127.0.0.1:{second}/"
        hosts = [Host(host="127.0.0.1", port=number, plain=True) for number in (port, second)]
        http = EgressHttp(Egress(trust(), ManualClock(), hosts=hosts))
        given = {"X-Api-Key": "s3cret", "Accept": "text/plain"}
        assert (await http.request("GET", f"http://127.0.0.1:{port}/", headers=given)).status == 200
        await http.close()
    assert seen == [{"X-Api-Key", "Accept"}, {"Accept"}]


@pytest.mark.real("network")
async def test_what_goes_wrong_names_the_server_and_neither_user_path_nor_query() -> None:
    http = EgressHttp(Egress(trust(), ManualClock(), hosts=[Host(host="127.0.0.1", port=9, plain=True)]))
    with pytest.raises(NotReady, match=r"http://127\.0\.0\.1:9 does not answer") as caught:
        await http.request("GET", "http://me:s3cret@127.0.0.1:9/hooks/s3cret?token=s3cret")
    assert "s3cret" not in str(caught.value)
    await http.close()


def test_a_host_that_is_configured_with_another_ca_is_no_longer_believed_by_the_former(ca: Authority) -> None:
    egress = Egress(trust(), ManualClock(), hosts=[Host(host="a", port=443, ca_pem=ca.pem)])
    before = egress.connection("https://a/").context
    other = Authority(ca.directory, "another CA")
    egress.declare([Host(host="a", port=443, ca_pem=other.pem)], None)
    after = egress.connection("https://a/").context
    assert before is not None and after is not None  # noqa: PT018
    names = [context.get_ca_certs()[0]["subject"][0][0][1] for context in (before, after)]
    assert names == ["test CA", "another CA"]
