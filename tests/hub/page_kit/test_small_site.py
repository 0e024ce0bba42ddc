"""A site of nothing but the kit: signed in to, read, written to, in two languages, and in a browser."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests import certificates
from tests.hub.page_kit.small_site import NAME, PASSWORD, Harbour, harbour

Opened = tuple[Harbour, str, aiohttp.ClientSession]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    made = certificates.made("localhost")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificates.files(made, tmp_path))
    trusting = ssl.create_default_context(cadata=made.pem)
    async with (
        harbour(tls) as (site, url),
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trusting), headers={"Origin": url, "Accept-Language": "fr"}
        ) as session,
    ):
        yield site, url, session


async def page(session: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    async with session.get(url) as answer:
        return answer.status, await answer.text()


async def send(session: aiohttp.ClientSession, url: str, **fields: str) -> tuple[int, str]:
    async with session.post(url, data=fields, allow_redirects=False) as answer:
        return answer.status, await answer.text()


def form_token(text: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', text)
    assert found is not None
    return found[1]


async def sign_in(opened: Opened) -> None:
    _, url, session = opened
    _, text = await page(session, f"{url}/")
    assert (await send(session, f"{url}/signin", csrf=form_token(text), name=NAME, password=PASSWORD))[0] == 303


@pytest.mark.real("network")
async def test_a_stranger_meets_the_sign_in_and_nothing_of_the_site(opened: Opened) -> None:
    site, url, session = opened
    status, text = await page(session, f"{url}/")
    assert (status, "Se connecter" in text, "ilot-chart" in text) == (401, True, False)
    assert (await send(session, f"{url}/signin", name=NAME, password=PASSWORD))[0] == 403
    assert (await send(session, f"{url}/signin", csrf=form_token(text), name=NAME, password="x"))[0] == 422
    assert site.refused == {"form-token": 1}


@pytest.mark.real("network")
async def test_whoever_signed_in_sees_menu_chart_and_table_in_each_language(opened: Opened) -> None:
    _, url, session = opened
    await sign_in(opened)
    status, text = await page(session, f"{url}/")
    assert status == 200
    assert re.findall(r'href="(/\w*)" ?(?:aria-current="page")?><svg', text) == ["/", "/log"]
    assert '<ilot-chart table="tide" kind="line"' in text
    assert re.findall(r">(lacune|5,25)<", text)[:2] == ["lacune", "5,25"]
    _, english = await page(session, f"{url}/?lang=en")
    assert re.findall(r">(gap|5\.25)<", english)[:2] == ["gap", "5.25"]
    assert (await page(session, f"{url}/tide.csv?lang=en"))[1] == "'=1+1,3.5\r\n"


@pytest.mark.real("network")
async def test_a_form_is_written_once_and_a_refusal_says_why(opened: Opened) -> None:
    site, url, session = opened
    await sign_in(opened)
    token = form_token((await page(session, f"{url}/log"))[1])
    status, text = await send(session, f"{url}/log", csrf=token, text="")
    assert (status, "Write something first." in text) == (422, True)
    assert (await send(session, f"{url}/log", csrf=token, text="calme <b>"))[0] == 303
    assert (await send(session, f"{url}/log", text="of another site"))[0] == 403
    assert site.log == ["calme <b>"]
    assert "calme &lt;b&gt;" in (await page(session, f"{url}/log?said=log-said"))[1]


@pytest.mark.real("network")
async def test_headers_files_and_errors_are_the_kits(opened: Opened) -> None:
    _, url, session = opened
    async with session.get(f"{url}/static/live.js") as answer:
        assert (answer.status, answer.content_type) == (200, "text/javascript")
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert (await page(session, f"{url}/static/none.js"))[0] == 404
    await sign_in(opened)
    async with session.get(f"{url}/none", headers={"Accept": "text/html"}) as answer:
        assert (answer.status, "Page introuvable" in await answer.text()) == (404, True)
    async with session.get(f"{url}/", headers={"Host": "elsewhere.example"}) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (421, "host")


def test_a_site_that_does_not_name_its_own_machine_is_told_what_it_lacks() -> None:
    from hub.page_kit.phrasebook import Phrasebook

    with pytest.raises(ValueError, match="does not: host, no-page, session-silent, cam-lost, cam-private, overview"):
        Phrasebook("harbour", [])
