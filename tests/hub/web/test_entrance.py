"""The other ways to the first page: a file on the card, and plain HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.config.parts.web import Web as Options
from hub.web.people import reset
from hub.web.sockets.redirect import answer

from .web_kit import NAME, PASSWORD, Pages

OURS = frozenset({"hub.example.org", "localhost"})


def say(text: str, *, port: int = 80, pages: int = 8443) -> str:
    return answer(text.encode(), OURS, "192.168.1.20", port, pages).decode()


def test_plain_http_leads_to_the_same_page_and_says_nothing_else() -> None:
    said = say("GET /claim?lang=fr HTTP/1.1\r\nHost: 192.168.1.20\r\nCookie: a=b\r\n\r\n")
    assert said.startswith("HTTP/1.1 307 ")
    assert "\r\nLocation: https://192.168.1.20:8443/claim?lang=fr\r\n" in said
    assert "Location: https://hub.example.org/\r\n" in say(
        "HEAD / HTTP/1.1\r\nHost: hub.example.org:80\r\n\r\n", pages=443
    )
    assert said.endswith("\r\n\r\n")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        ("GET / HTTP/1.1\r\nHost: 192.168.1.20:81\r\n\r\n", 421),
        ("GET / HTTP/1.1\r\n\r\n", 421),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 421),
        ("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        ("GET https://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("\x16\x03\x01\x02", 400),
    ],
)
def test_what_is_not_for_us_leads_nowhere(text: str, status: int) -> None:
    said = say(text)
    assert said.startswith(f"HTTP/1.1 {status} ")
    assert "Location" not in said


@given(st.binary(max_size=300))
def test_no_bytes_make_it_lead_to_another_host_or_bring_a_header(noise: bytes) -> None:
    for head in (noise, b"GET /" + noise + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        lines = answer(head, OURS, "192.168.1.20", 80, 8443).decode("latin-1").split("\r\n")
        assert len(lines) in (6, 7)
        assert all(
            not line.startswith("Location") or line.startswith("Location: https://localhost:8443/") for line in lines
        )


async def test_a_slashy_path_stays_on_this_host() -> None:
    assert "Location: https://localhost:8443/\r\n" in say("GET //evil.example HTTP/1.1\r\nHost: localhost\r\n\r\n")


@pytest.mark.real("network")
async def test_it_is_served_where_the_configuration_names_a_port(tmp_path: Path) -> None:
    async with Pages(tmp_path, options=Options(address="127.0.0.1", port=0, redirect_port=0)) as pages:
        reader, writer = await asyncio.open_connection("127.0.0.1", pages.web.redirected_port)
        writer.write(f"GET /claim HTTP/1.1\r\nHost: 127.0.0.1:{pages.web.redirected_port}\r\n\r\n".encode())
        said = await reader.read()
        assert f"Location: {pages.url}/claim\r\n".encode() in said
        writer.close()


@pytest.mark.real("network")
async def test_a_file_on_the_card_makes_one_new_claim_code_that_is_shown_there(tmp_path: Path) -> None:
    card = tmp_path / "boot"
    card.mkdir()
    options = Options(address="127.0.0.1", port=0, reset_directory=card)
    async with Pages(tmp_path, options=options) as pages:
        await pages.claimed()
    (card / reset.ASKED).touch()
    async with Pages(tmp_path, options=options) as pages:
        assert not (card / reset.ASKED).exists()
        code = (card / reset.CODE).read_text(encoding="utf-8-sig").splitlines()[0]
        assert [one.what for one in await pages.store.audited()][-1] == {"web": "claim code made"}
        assert (await pages.store.audited())[-1].who == "card"
        assert (await pages.browser().sign_in(NAME, PASSWORD))[0] == 303  # accounts stay as they are
        assert (await pages.browser().claim(code, password="une autre phrase secrète"))[0] == 303
        assert not (card / reset.CODE).exists()
        assert (await pages.browser().claim(code, name="mallory"))[0] == 422
    async with Pages(tmp_path, options=options) as pages:
        assert not pages.site.accounts.claimable


@pytest.mark.real("network")
async def test_a_card_that_takes_no_file_makes_no_code_and_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tmp_path / "boot"
    card.mkdir()
    (card / reset.ASKED).touch()

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(reset, "write_atomically", refuse)
    async with Pages(tmp_path, options=Options(address="127.0.0.1", port=0, reset_directory=card)) as pages:
        assert not pages.site.accounts.claimable
        assert "cannot be written there" in pages.web.complaints()[0]


@pytest.mark.real("network")
@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"address": "127.0.0.1"}, []),
        ({"address": "127.0.0.1", "hosts": ["hub.example.org"]}, ["127.0.0.1", "hub.example.org"]),
        ({"address": "127.0.0.1", "hosts": ["hub.example.org"], "district_certificate": False}, []),
    ],
)  # fmt: skip
async def test_the_district_is_asked_for_names_under_which_somebody_else_can_come(
    tmp_path: Path, options: dict[str, object], names: list[str]
) -> None:
    async with Pages(tmp_path, options=Options.model_validate({**options, "port": 0})) as pages:
        assert pages.web.names() == names


@pytest.mark.real("network")
async def test_a_certificate_of_the_district_is_shown_at_once_and_nobody_is_signed_out(tmp_path: Path) -> None:
    import ssl

    from hub.identity.page_certificate import FILE, fingerprint
    from hub.web.sockets.certificate import CERTIFICATE, prepare

    async with Pages(tmp_path, options=Options(address="127.0.0.1", port=0)) as pages:
        browser = await pages.claimed()
        before = pages.web.status()["fingerprint"]
        own = (tmp_path / CERTIFICATE).read_bytes()
        await asyncio.to_thread(_another, tmp_path)
        assert fingerprint((tmp_path / FILE).read_text()) != before
        await pages.web.recertify()
        assert pages.web.status()["fingerprint"] == fingerprint((tmp_path / FILE).read_text())
        seen = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", pages.web._port))
        assert fingerprint(seen) == pages.web.status()["fingerprint"]
        assert (await browser.get("/api/1/status"))[0] == 200
    assert (tmp_path / CERTIFICATE).read_bytes() == own
    assert prepare(tmp_path, "hub-test", ())[1] == before


def test_the_key_of_the_pages_lies_encrypted_and_one_that_lay_in_clear_no_longer_does(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from hub.web.sockets.certificate import KEY, prepare

    before = prepare(tmp_path, "hub-test", ())[1]  # as a former release left it
    clear = (tmp_path / KEY).read_bytes()
    assert prepare(tmp_path, "hub-test", (), password=b"secret")[1] == before
    assert b"ENCRYPTED" in (tmp_path / KEY).read_bytes()
    assert (tmp_path / KEY).stat().st_mode & 0o777 == 0o600
    found = load_pem_private_key((tmp_path / KEY).read_bytes(), b"secret")
    assert found.public_key() == load_pem_private_key(clear, None).public_key()
    assert prepare(tmp_path, "hub-test", (), password=b"secret")[1] == before
    assert prepare(tmp_path, "hub-test", (), password=b"of another store")[1] != before, "a new one, no dead pages"


def test_a_disk_that_is_full_keeps_nobody_from_pages_whose_key_still_lies_in_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from hub.web.sockets import certificate

    before = certificate.prepare(tmp_path, "hub-test", ())[1]
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(certificate, "write_atomically", full)
        assert certificate.prepare(tmp_path, "hub-test", (), password=b"secret")[1] == before
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert "lies in clear" in caplog.text
    assert certificate.prepare(tmp_path, "hub-test", (), password=b"secret")[1] == before
    assert b"ENCRYPTED" in (tmp_path / certificate.KEY).read_bytes()


def test_of_a_key_of_the_pages_that_lay_in_clear_the_disk_keeps_noise(tmp_path: Path) -> None:
    from hub.web.sockets.certificate import KEY, prepare

    prepare(tmp_path, "hub-test", ())
    clear = (tmp_path / KEY).read_bytes()
    with (tmp_path / KEY).open("rb") as former:  # what it was, whatever has its name by now
        prepare(tmp_path, "hub-test", (), password=b"secret")
        left = former.read()
    assert len(left) == len(clear)
    assert b"PRIVATE KEY" not in left


def _another(path: Path) -> None:
    """A certificate for the key of the pages, as an authority would give it."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

    from hub.identity.page_certificate import FILE
    from hub.web.sockets.certificate import KEY

    key = load_pem_private_key((path / KEY).read_bytes(), None)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "district")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())  # type: ignore[arg-type]
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(1))
        .not_valid_after(now + datetime.timedelta(30))
        .sign(key, hashes.SHA256())  # type: ignore[arg-type]
    )
    (path / FILE).write_bytes(made.public_bytes(Encoding.PEM))
