"""Channels against real peers: an SMTP server, HTTP servers that check signatures, a GLPI and an Open311 by their
documentation."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from dispatch_kit import Clock, arrive, change, mail_server, plan, turns

from backend.city.city import City
from backend.city.dispatch import wording
from backend.city.dispatch.channels.channel import Envelope, Later, Never, Sent
from backend.city.dispatch.channels.email import EmailChannel
from backend.city.dispatch.channels.http import GlpiChannel, Open311Channel, SmsChannel, WebhookChannel
from backend.city.dispatch.channels.settings import Email, Glpi, Open311, Sms, Webhook, load
from backend.city.dispatch.dispatcher import Dispatcher
from hub.core.errors import ConfigError

from .... import certificates

FACTS = wording.Facts(
    what="raised", hub="h1", alert="a1", n=1, rule="bin-full", severity="critical", text="bin 7 is full",
    text_fr="bac 7 plein\r\nBcc: everybody@ville.example", site="Square Œdipe", raised_at=1_793_493_000.0,
    link="https://ville.example/interventions/1",
)  # fmt: skip


def envelope(address: str, **more: Any) -> Envelope:
    given: dict[str, Any] = {"language": "fr", "facts": FACTS, "zone": "Europe/Paris", **more}
    return Envelope("0123456789abcdef", address, **given)


@pytest.mark.real("network")
async def test_an_alert_is_an_email_of_one_thread_with_an_id_that_a_repeat_keeps(city: City) -> None:
    city.clock = Clock()  # of an alert of long ago nobody is told
    await plan(city)
    async with mail_server() as box:
        (city.directory / "channels.yaml").write_text(
            f"email: {{host: 127.0.0.1, port: {box.port}, security: none, sender: ilot@ville.example}}\n"
        )
        one = Dispatcher(city, hold_s=0.0)
        await arrive(city, change())
        await turns(one)
        await arrive(city, change(n=2, state="cleared", by="rule:bin-full"))
        await turns(one)
        await one.close()
    first, second = box.letters
    assert first["To"] == "jeanne@ville.example"
    assert "bac 7 plein" in first["Subject"]
    assert second["References"] == first["Message-ID"]
    assert second["Message-ID"] != first["Message-ID"]
    assert f"{city.url}/interventions/1" in box.text(0)


@pytest.mark.real("network")
async def test_what_a_hub_says_adds_no_header_to_an_email() -> None:
    async with mail_server() as box:
        channel = EmailChannel(Email("127.0.0.1", "ilot@ville.example", box.port, "none"))
        assert isinstance(await channel.send(envelope("a@ville.example")), Sent)
    assert box.letters[0]["Bcc"] is None
    assert "\n" not in box.letters[0]["Subject"]


@pytest.mark.real("network")
async def test_an_address_that_is_refused_for_good_is_never_tried_again_and_a_busy_server_is() -> None:
    async with mail_server() as box:
        box.refused = {"gone@ville.example": "550 no such user", "busy@ville.example": "451 later"}
        channel = EmailChannel(Email("127.0.0.1", "ilot@ville.example", box.port, "none"))
        assert isinstance(await channel.send(envelope("gone@ville.example")), Never)
        assert isinstance(await channel.send(envelope("busy@ville.example")), Later)
        starttls = EmailChannel(Email("127.0.0.1", "ilot@ville.example", box.port, "starttls"))
        assert isinstance(await starttls.send(envelope("a@ville.example")), Later)  # never in clear instead
        assert box.letters == []
    assert isinstance(await channel.send(envelope("a@ville.example")), Later)  # nobody listens any more


@pytest.mark.real("network")
async def test_an_email_goes_by_starttls_to_a_server_whose_authority_is_known_and_to_no_other(tmp_path: Path) -> None:
    authority = certificates.made("District", ca=True, may_sign=True)
    leaf = certificates.made("mail", authority, names=("localhost",))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificates.files(leaf, tmp_path))
    known, other = tmp_path / "known.pem", tmp_path / "other.pem"
    known.write_text(authority.pem)
    other.write_text(certificates.made("Other", ca=True, may_sign=True).pem)
    async with mail_server(context) as box:
        for trusted, taken in ((other, Later), (known, Sent)):
            settings = Email("localhost", "ilot@ville.example", box.port, "starttls", str(trusted))
            assert isinstance(await EmailChannel(settings).send(envelope("a@ville.example")), taken)
        assert len(box.letters) == 1


class Peer:
    """An HTTP server that keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.status, self.answers, self.url = 200, {}, ""  # type: int, dict[str, Any], str

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path, dict(request.headers), await request.read()))
        return web.json_response(self.answers.get(request.path, {}), status=self.status)


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    made = Peer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


@pytest.mark.real("network")
async def test_a_webhook_is_signed_over_its_time_and_body(peer: Peer, session: aiohttp.ClientSession) -> None:
    channel = WebhookChannel(Webhook("a secret of some length"), session)
    assert isinstance(await channel.send(envelope(f"{peer.url}/hook")), Sent)
    [(_, _, headers, body)] = peer.asked
    time, mac = (part.partition("=")[2] for part in headers["X-Ilot-Signature"].split(","))
    expected = hmac.new(b"a secret of some length", f"{time}.".encode() + body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(mac, expected)
    assert headers["Idempotency-Key"] == "0123456789abcdef"
    assert json.loads(body)["alert"] == "a1"
    peer.status = 503
    assert isinstance(await channel.send(envelope(f"{peer.url}/hook")), Later)
    peer.status = 404
    assert isinstance(await channel.send(envelope(f"{peer.url}/hook")), Never)
    peer.status = 302
    assert isinstance(await channel.send(envelope(f"{peer.url}/hook")), Never)


@pytest.mark.real("network")
async def test_a_short_message_keeps_its_link_whole_and_fills_each_placeholder_once(
    peer: Peer, session: aiohttp.ClientSession
) -> None:
    channel = SmsChannel(Sms(f"{peer.url}/send", {"n": "{to}", "m": "{text}", "k": "{key}"}), session)
    long = wording.Facts(**{**{f: getattr(FACTS, f) for f in FACTS.__struct_fields__}, "text_fr": "{to} " * 200})
    assert isinstance(await channel.send(envelope("+33612345678", facts=long)), Sent)
    said = json.loads(peer.asked[0][3])
    assert said["n"] == "+33612345678"
    assert said["m"].endswith("https://ville.example/interventions/1")
    assert "{to}" in said["m"]
    assert len(said["m"]) <= 300
    assert "OEdipe" in wording.plain("Œdipe") or all(ord(c) < 256 for c in wording.plain("Œdipe"))


@pytest.mark.real("network")
async def test_glpi_gets_one_ticket_for_an_alert_and_follow_ups_after_it(
    peer: Peer, session: aiohttp.ClientSession
) -> None:
    peer.answers = {"/initSession": {"session_token": "s"}, "/Ticket": {"id": 42}}
    channel = GlpiChannel(Glpi(peer.url, "app", "user"), session)
    sent = await channel.send(envelope("3"))
    assert sent == Sent("42")
    assert [path for _, path, _, _ in peer.asked] == ["/initSession", "/Ticket", "/killSession"]
    ticket = json.loads(peer.asked[1][3])["input"]
    assert (ticket["entities_id"], ticket["urgency"]) == (3, 5)
    assert peer.asked[1][2]["Session-Token"] == "s"
    await channel.send(envelope("3", reference="42"))
    assert peer.asked[4][1] == "/Ticket/42/ITILFollowup"


@pytest.mark.real("network")
async def test_an_open311_report_names_its_place_and_keeps_the_number_it_gets(
    peer: Peer, session: aiohttp.ClientSession
) -> None:
    peer.answers = {"/requests.json": [{"service_request_id": "r7"}]}
    channel = Open311Channel(Open311(peer.url, "key", "ville.example"), session)
    assert await channel.send(envelope("bins")) == Sent("r7")
    assert b"service_code=bins" in peer.asked[0][3]


def test_settings_that_are_wrong_are_refused_without_showing_a_password(tmp_path: Path) -> None:
    (tmp_path / "channels.yaml").write_text("email: {host: h, sender: a@b, password: [topsecret]}\n")
    with pytest.raises(ConfigError) as refused:
        load(tmp_path)
    assert "topsecret" not in str(refused.value)
    (tmp_path / "channels.yaml").write_text('email: {password: "topsecret\n')
    with pytest.raises(ConfigError) as refused:
        load(tmp_path)
    assert "topsecret" not in str(refused.value)
