"""The camera: which pages may ask for it, and what they load for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.page_kit import scanning
from hub.page_kit.request.guard import permissions

from .web_kit import Hub, Pages

NEVER = ("microphone=()", "payment=()", "usb=()")


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path, Hub()) as made:
        yield made


@pytest.mark.real("network")
async def test_only_pages_that_scan_may_ask_for_the_camera(pages: Pages) -> None:
    await pages.claimed()
    technician, stranger = await pages.person("technicien"), pages.browser()
    for browser, path, may in (
        (stranger, "/badge", True), (stranger, "/signin", False), (technician, "/", False),
        (technician, "/add", True), (technician, "/commissioning/scan", True),
        (technician, "/commissioning/site", False), (technician, "/commissioning", False),
    ):  # fmt: skip
        async with browser.session.get(pages.url + path) as answer:
            said = answer.headers["Permissions-Policy"]
            assert ("camera=(self)" in said) == may, path
            assert all(one in said for one in NEVER)
            text = await answer.text()
            assert ("/static/scan.js" in text) == ("data-scanner" in text) == may, path
            assert "unsafe" not in answer.headers["Content-Security-Policy"]


@pytest.mark.real("network")
async def test_a_refused_form_of_a_scanning_page_may_still_ask(pages: Pages) -> None:
    browser = pages.browser()
    form = {"csrf": await browser.token("/badge"), "badge": "no badge", "passphrase": "x"}
    async with browser.session.post(f"{pages.url}/badge", data=form, headers={"Origin": pages.url}) as answer:
        assert answer.status == 422
        assert "camera=(self)" in answer.headers["Permissions-Policy"]


@pytest.mark.real("network")
async def test_the_reader_is_served_as_it_was_installed_and_nothing_beside_it(pages: Pages) -> None:
    assert scanning.decoder_there(), "run `make setup`: it installs the pages' scripts"
    browser = pages.browser()
    for name, kind in scanning.FILES.items():
        async with browser.session.get(f"{pages.url}/static/{name}") as answer:
            assert (answer.status, answer.content_type) == (200, kind), name
            assert await answer.read() == (Path(scanning.__file__).parent / "static" / name).read_bytes()
    for name in ("qr/LICENSE", "qr/none.js", "qr/..%2Fstyle.css", "other/decode.js"):
        async with browser.session.get(f"{pages.url}/static/{name}") as answer:
            assert answer.status == 404, name


@pytest.mark.real("network")
async def test_a_page_without_the_reader_names_none_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "STATIC", tmp_path)
    async with Pages(tmp_path, Hub()) as pages:
        browser = pages.browser()
        text = (await browser.get("/badge"))[1]
        assert "data-scanner" in text
        assert "data-worker" not in text
        assert (await browser.get("/static/qr/decode.js"))[0] == 404
        assert (await browser.get("/static/scan.js"))[0] == 200


def test_a_page_asks_for_nothing_unless_it_is_made_for_it() -> None:
    assert "self" not in permissions()
    assert permissions(geolocation=True).count("self") == 1
