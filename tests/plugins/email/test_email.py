"""E-mail against aiosmtpd: a mail server that is not ours. Certificates are made by openssl's library for the day."""

from __future__ import annotations

import datetime
import email
import email.policy
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from hub.automation.alerts import ACKNOWLEDGED, CLEARED
from hub.automation.alerts.lifecycle import transition
from hub.sdk.notification import Notification
from plugins.email import Config, run
from plugins.email.sending import message

from ..notify_kit import HUB, alert, notifying, until


class Letters:
    """The server's handler: answers as told, keeps what it took."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.answers: list[str] = []
        self.refuse: set[str] = set()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refuse:
            return "550 5.1.1 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer.startswith("250"):
            letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
            self.taken.append((envelope.mail_from, envelope.rcpt_tos, letter, session.ssl is not None))
        return answer


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("mail") / "mail.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return file, context


@asynccontextmanager
async def serving(letters: Letters, *, implicit: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[int]:
    import asyncio

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(letters, loop=loop, **options), "127.0.0.1", 0, ssl=implicit)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.fixture
def letters() -> Letters:
    return Letters()


def config(port: int, **more: Any) -> Config:
    facts = {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "sender": "ilot@ville.example",
        "to": ["a@b.example"],
    }
    return Config.model_validate({**facts, **more})


@pytest.mark.real("network")
async def test_each_change_is_a_letter_that_says_it_whole_and_answers_the_first(letters: Letters) -> None:
    async with (
        serving(letters) as port,
        notifying("email", run, config(port, to=["a@b.example", "c@d.example"])) as (queue, _, health),
    ):
        first = alert(value="51.2 °C")
        queue.offer(first)
        await until(lambda: letters.taken)
        seen = transition(first, ACKNOWLEDGED, first.changed + 60, "cli:jeanne", "on my way")
        assert seen is not None
        queue.offer(seen)
        await until(lambda: len(letters.taken) == 2)
        sender, people, letter, _ = letters.taken[0]
        assert (sender, people) == ("ilot@ville.example", ["a@b.example", "c@d.example"])
        assert letter["Subject"] == "[Îlot] Alerte (avertissement)\u00a0: Chaufferie\u00a0: boucle à 51.2\u202f°C"
        assert letter["Message-ID"] == "<a-1.0123456789abcdef@ville.example>"
        assert letter["Auto-Submitted"] == "auto-generated"
        assert "Lieu\u00a0: plant / boiler" in letter.get_content()
        assert "Valeur\u00a0: 51,2\u202f°C" in letter.get_content()
        assert "Déclenchée le\u00a0: 15/01/2027 09:00 (Europe/Paris)" in letter.get_content()
        second = letters.taken[1][2]
        assert second["References"] == letter["Message-ID"]
        assert second["Subject"].startswith("[Îlot] Prise en charge (jeanne)")
        assert "Motif\u00a0: on my way" in second.get_content()
        assert health.state == "running"


@pytest.mark.real("network")
async def test_the_password_is_sent_after_starttls_only_and_both_ways_of_tls_work(
    letters: Letters, certificate: tuple[Path, ssl.SSLContext]
) -> None:
    ca, context = certificate

    def known(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"ilot", b"s3cret"), handled=False)

    login = {"user": "ilot", "password": "s3cret", "ca": ca}
    async with serving(letters, tls_context=context, auth_required=True, authenticator=known) as port:
        async with notifying("email", run, config(port, security="starttls", **login)) as (queue, _, _):
            queue.offer(alert())
            await until(lambda: letters.taken)
            assert letters.taken[0][3] is True
        wrong = {**login, "password": "guess"}
        async with notifying("email", run, config(port, security="starttls", **wrong)) as (queue, _, health):
            queue.offer(alert("b"))
            await until(lambda: health.state == "stopped")
            assert "renew notifiers.email.password" in health.error
            assert "guess" not in health.error
    async with serving(letters, implicit=context) as port:
        async with notifying("email", run, config(port, security="tls", ca=ca)) as (queue, _, _):
            queue.offer(alert("c"))
            await until(lambda: len(letters.taken) == 2)
        async with notifying("email", run, config(port, security="tls")) as (queue, _, health):
            queue.offer(alert("d"))
            await until(lambda: health.state == "stopped")
            assert "not trusted" in health.error


@pytest.mark.real("network")
async def test_a_server_without_starttls_gets_nothing(letters: Letters) -> None:
    async with (
        serving(letters) as port,
        notifying("email", run, config(port, security="starttls")) as (queue, _, health),
    ):
        queue.offer(alert())
        await until(lambda: health.state == "stopped")
        assert "STARTTLS" in health.error
        assert letters.taken == []


@pytest.mark.real("network")
async def test_a_server_that_takes_nothing_now_is_tried_again_and_told_how_it_stands_then(letters: Letters) -> None:
    letters.answers = ["451 4.3.0 busy", "452 4.2.2 full"]
    async with serving(letters) as port, notifying("email", run, config(port)) as (queue, clock, health):
        first = alert()
        queue.offer(first)
        await until(lambda: health.state == "waiting" and health.error)
        over = transition(first, CLEARED, first.changed + 1, "rule:loop")
        assert over is not None
        queue.offer(over)
        while not letters.taken:
            await clock.advance(60)
            await until(lambda: health.state == "waiting" or letters.taken)
        assert [letter[2]["Message-ID"][:4] for letter in letters.taken] == ["<a-2"]


@pytest.mark.real("network")
async def test_one_wrong_address_keeps_nobody_else_from_being_told_and_all_wrong_stop_the_notifier(
    letters: Letters, caplog: pytest.LogCaptureFixture
) -> None:
    letters.refuse = {"gone@b.example"}
    async with serving(letters) as port:
        both = config(port, to=["gone@b.example", "here@b.example"])
        async with notifying("email", run, both) as (queue, _, health):
            queue.offer(alert())
            await until(lambda: letters.taken)
            assert letters.taken[0][1] == ["here@b.example"]
            await until(lambda: "refuses 1 of 2 addresses (550): correct notifiers.email.to" in caplog.text)
            assert "gone@" not in caplog.text, "no address in the log"
        async with notifying("email", run, config(port, to=["gone@b.example"])) as (queue, _, health):
            queue.offer(alert("b"))
            await until(lambda: health.state == "stopped")
            assert "refuses these addresses (550)" in health.error


@pytest.mark.real("network")
async def test_nobody_there_is_not_ready() -> None:
    async with notifying("email", run, config(1, timeout="PT1S")) as (queue, _, health):
        queue.offer(alert())
        await until(lambda: health.state == "waiting" and health.error)
        assert "127.0.0.1:1" in health.error


def test_no_text_of_an_alert_makes_a_header() -> None:
    evil = alert(text_fr="x\r\nBcc: all@b.example\r\n\r\nhello", why="a\nX: y")
    made = message(
        config(25),
        Notification(
            alert="a",
            n=1,
            rule="r",
            state="raised",
            severity="critical",
            text="t",
            text_fr=evil.text_fr,
            why=evil.why,
            raised=1.0,
            changed=1.0,
        ),
        HUB,
        "Europe/Paris",
    )
    again = email.message_from_bytes(made.as_bytes(), policy=email.policy.default)
    assert "Bcc" not in again
    assert "Bcc: all@b.example hello" in again["Subject"]


def test_both_languages_stand_in_one_letter() -> None:
    notice = Notification(
        alert="a",
        n=1,
        rule="r",
        state="escalated",
        severity="critical",
        text="cold",
        text_fr="froid",
        raised=1.0,
        changed=1.0,
    )
    said = message(config(25, language="both"), notice, HUB, "Indian/Reunion").get_content()
    assert "Sans réponse, escalade (critique)\u00a0: froid" in said
    assert "Déclenchée le\u00a0: 01/01/1970 04:00 (Indian/Reunion)" in said
    assert "Raised: 1970-01-01 04:00 (Indian/Reunion)" in said
    assert "No answer, escalated (critical): cold" in said


@pytest.mark.parametrize(
    "wrong",
    [
        {"user": "a", "password": "b"}, {"security": "tls", "user": "a"}, {"sender": "x"}, {"to": []},
        {"to": ["a@b.example\nBcc: x@y.example"]}, {"security": "ssl"},
    ],
)  # fmt: skip
def test_what_cannot_be_sent_safely_is_refused_beforehand(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(25, **wrong)
