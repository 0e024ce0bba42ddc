"""A phone that trusts the district's authority keeps the hub among its apps, and every open page outlives a hub that is
away. Chromium judges both, with a certificate that it checks."""

from __future__ import annotations

import asyncio
import datetime
import json
import re
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from hub.config.parts.web import Web as Options
from hub.protocol.pem import private_pem
from hub.web.areas.offline import ICONS
from hub.web.render import HERE
from hub.web.sockets.certificate import CERTIFICATE, KEY
from tests import axe

from .web_kit import NAME, PASSWORD, Hub, Pages

CHROMIUM = "/usr/bin/chromium"
FIGURES = {"green": 0, "devices": 3, "todo": 0, "raised": 0, "link": "up"}
KEPT = """async () => {
  const found = {};
  for (const name of await caches.keys()) {
    const kept = await (await caches.open(name)).keys();
    for (const one of kept) found[new URL(one.url).pathname] = name.replace(/-[0-9a-f]+$/, "");
  }
  return found;
}"""

expect.set_options(timeout=60_000)


def certified(path: Path) -> Path:
    """Give the pages in `path` a certificate of an authority; return the authority's."""
    now = datetime.datetime.now(datetime.UTC)
    root, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def begun(name: str, issuer: str, public: ec.EllipticCurvePublicKey, *, ca: bool) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )

    authority = begun("District", "District", root.public_key(), ca=True).sign(root, hashes.SHA256())
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    leaf = begun("hub-test", "District", key.public_key(), ca=False).add_extension(names, False)
    leaf = leaf.add_extension(usage, False)
    (path / KEY).write_bytes(private_pem(key, b""))
    (path / CERTIFICATE).write_bytes(leaf.sign(root, hashes.SHA256()).public_bytes(Encoding.PEM))
    (path / "authority.pem").write_bytes(authority.public_bytes(Encoding.PEM))
    return path / "authority.pem"


@asynccontextmanager
async def phone(home: Path, *authorities: Path) -> AsyncIterator[BrowserContext]:
    """A phone whose owner installed these authorities; no error of a certificate is ignored."""
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    store = ["certutil", "-d", f"sql:{database}"]
    subprocess.run([*store, "-N", "--empty-password"], check=True, capture_output=True)
    for one in authorities:
        subprocess.run([*store, "-A", "-t", "C,,", "-n", one.stem, "-i", str(one)], check=True, capture_output=True)
    async with async_playwright() as play:
        context = await play.chromium.launch_persistent_context(
            home / "profile",
            executable_path=CHROMIUM,
            args=["--no-sandbox"],
            env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
            locale="fr-FR",
            timezone_id=about_noon(),
            viewport={"width": 360, "height": 740},
        )
        yield context
        await context.close()


class Served:
    """Pages that are there, go away, and come back at the same address."""

    def __init__(self, path: Path) -> None:
        self.path, self.hub, self.port = path, Hub(), 0
        self.pages: Pages | None = None

    async def start(self) -> Pages:
        self.pages = await Pages(self.path, self.hub, Options(address="127.0.0.1", port=self.port)).__aenter__()
        self.port = self.pages.port
        return self.pages

    async def stop(self) -> None:
        if self.pages is not None:
            await self.pages.__aexit__()
        self.pages = None


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    served = Served(tmp_path)
    yield served
    await served.stop()


async def comes_true(page: Page, expression: str) -> None:
    """Wait for an asynchronous function of the page. `wait_for_function` takes its promise for a true value, and waits
    for nothing."""
    async with asyncio.timeout(60):
        while not await page.evaluate(expression):
            await page.wait_for_timeout(50)


def about_noon() -> str:
    """Return a time zone in which it is about noon: what happened just now is of today."""
    ahead = 12 - datetime.datetime.now(datetime.UTC).hour
    return f"Etc/GMT{-ahead:+d}"  # POSIX counts to the west


async def faults(page: Page) -> list[str]:
    """What axe-core finds in a page as it stands."""
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
    return [one["id"] for one in (await page.evaluate(axe.run(), rules))["violations"]]


async def sign_in(page: Page, url: str) -> None:
    await page.goto(f"{url}/signin")
    await page.fill("#name", NAME)
    await page.fill("#password", PASSWORD)
    await page.click("main button")
    await page.wait_for_selector("#menu")


@pytest.mark.real("network, processes")
async def test_a_phone_that_trusts_the_authority_installs_the_hub_and_says_what_it_last_knew(
    tmp_path: Path, served: Served
) -> None:
    authority = certified(tmp_path)
    pages = await served.start()
    await pages.site.accounts.put(NAME, PASSWORD, "administrateur", "test")
    async with phone(tmp_path / "phone", authority) as context:
        page = context.pages[0]
        said: list[str] = []
        page.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
        await sign_in(page, pages.url)
        await page.evaluate("navigator.serviceWorker.ready")
        devtools = await context.new_cdp_session(page)
        errors: Any = await devtools.send("Page.getInstallabilityErrors")
        assert errors["installabilityErrors"] == []
        manifest: Any = await devtools.send("Page.getAppManifest")
        assert manifest["errors"] == []
        assert json.loads(manifest["data"])["lang"] == "fr"
        assert said == [], "its rules of content let all of that happen"

        await page.goto(f"{pages.url}/devices")
        await comes_true(page, "async () => !!await caches.match('/last')")
        kept = await page.evaluate(KEPT)
        assert set(kept.values()) == {"ilot-shell", "ilot-last"}
        shell = {path for path, name in kept.items() if name == "ilot-shell"}
        assert shell == {"/offline/fr", "/offline/en", "/static/style.css", "/static/shell.js", "/static/icon.svg"}
        last = await page.evaluate("async () => (await caches.match('/last')).json()")
        assert set(last) == {"at", "lang", "sum"}
        assert last["sum"] == FIGURES

        await served.stop()
        await page.reload()
        await expect(page.locator("h1")).to_have_text("Le concentrateur ne répond pas")
        await expect(page.locator("#seen")).to_have_text(re.compile(r"^Vu pour la dernière fois à \d\d:\d\d$"))
        await expect(page.locator('[data-sum="devices"]')).to_have_text("3")
        assert "salle" not in (await page.inner_text("main")).lower()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        assert await faults(page) == []
        await served.start()
        await page.wait_for_selector("#menu")
        assert page.url.endswith("/devices"), "signed in as before, at the page that was wanted"

        await page.evaluate("document.querySelector('.leave button').click()")
        await page.wait_for_selector("#password")
        await comes_true(page, "async () => !await caches.has('ilot-last')")
        assert await page.evaluate("async () => (await navigator.serviceWorker.getRegistrations()).length") == 0
        assert await page.evaluate(KEPT) == {}


@pytest.mark.real("network, processes")
async def test_figures_of_a_session_that_is_over_are_erased_and_can_be_erased_by_hand(
    tmp_path: Path, served: Served
) -> None:
    authority = certified(tmp_path)
    pages = await served.start()
    await pages.site.accounts.put(NAME, PASSWORD, "administrateur", "test")
    async with phone(tmp_path / "phone", authority) as context:
        page = context.pages[0]
        await sign_in(page, pages.url)
        await page.evaluate("navigator.serviceWorker.ready")
        await page.goto(f"{pages.url}/devices")
        await comes_true(page, "async () => !!await caches.match('/last')")
        pages.site.sessions.end_all(NAME)
        await comes_true(page, "async () => !await caches.has('ilot-last')")

        keep = """async (hours) => {
          const sum = {green: 1, devices: 2, todo: 3, raised: 4, link: "down"};
          const last = JSON.stringify({at: Date.now() - hours * 3600000, lang: "fr", sum});
          await (await caches.open("ilot-last")).put("/last", new Response(last));
        }"""
        await page.evaluate(keep, 13)
        await served.stop()
        await page.goto(f"{pages.url}/")
        await expect(page.locator("#seen")).to_have_text("Cet appareil n'a rien gardé du concentrateur.")
        await comes_true(page, "async () => !await caches.has('ilot-last')")
        await page.evaluate(keep, 11)
        await page.reload()
        await expect(page.locator("#then")).to_be_visible()
        await page.click("#forget")
        await expect(page.locator("#then")).to_be_hidden()
        await comes_true(page, "async () => !await caches.has('ilot-last')")


@pytest.mark.real("network, processes")
@pytest.mark.parametrize("lang", ["fr", "en"])
async def test_an_open_page_keeps_its_values_while_the_hub_is_away_and_goes_on_by_itself(
    tmp_path: Path, served: Served, lang: str
) -> None:
    certified(tmp_path)
    served.hub.hear(0, 21.5)
    pages = await served.start()
    await pages.site.accounts.put(NAME, PASSWORD, "administrateur", "test")
    async with phone(tmp_path / "phone") as context:  # it does not trust the certificate: somebody accepted it
        page = context.pages[0]
        with pytest.raises(Exception, match="ERR_CERT_AUTHORITY_INVALID"):
            await page.goto(f"{pages.url}/signin")
        await page.wait_for_selector("#details-button")  # the browser's own warning takes no word before it is there
        await page.keyboard.type("thisisunsafe")
        await page.wait_for_selector("#password")
        await sign_in(page, pages.url)
        await page.goto(f"{pages.url}/devices?lang={lang}")
        await page.wait_for_selector('html[data-stream="on"]')
        assert await page.evaluate("async () => (await navigator.serviceWorker.getRegistrations()).length") == 0

        await served.stop()
        await page.wait_for_selector('html[data-stream="off"]')
        await page.evaluate("document.querySelector('#menu a[href=\"/alerts\"]').click()")
        box = page.locator("#away")
        await expect(box).to_contain_text("La page choisie s'ouvrira" if lang == "fr" else "The page you chose opens")
        assert "/devices" in page.url
        assert "21" in await page.inner_text("main")
        assert await faults(page) == []
        await box.locator("button").click()
        await expect(box.locator("button")).to_be_hidden()
        await page.fill("#q", "Sonde 0")
        await page.press("#q", "Enter")
        await expect(box.locator("button")).to_be_visible()
        await served.start()
        await page.wait_for_url("**/devices?*q=Sonde*")
        await page.wait_for_selector('html[data-stream="on"]')


def test_each_icon_is_as_large_as_the_manifest_says() -> None:
    for name, (width, _) in ICONS.items():
        data = (HERE / "static" / name).read_bytes()
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        assert struct.unpack(">II", data[16:24]) == (width, width), name


@pytest.mark.real("network")
async def test_what_a_phone_installs_is_public_holds_nothing_of_the_building_and_renews_itself(tmp_path: Path) -> None:
    async with Pages(tmp_path) as pages:
        await pages.claimed()
        stranger = pages.browser()
        for path in ("/manifest.webmanifest", "/service-worker.js", "/offline/fr", "/offline/en"):
            async with stranger.session.get(pages.url + path) as answer:
                text = await answer.text()
                assert answer.status == 200
                assert answer.headers["Cache-Control"] == "no-cache"
                assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
                assert not answer.cookies
                assert "Sonde" not in text
                assert "salle" not in text.lower()
        assert (await stranger.get("/offline/xx"))[0] == 404
        before = (await stranger.get("/service-worker.js"))[1].splitlines()[0]
        pages.site.parts = pages.site.parts._replace(title="Lycée")
        assert (await stranger.get("/service-worker.js"))[1].splitlines()[0] != before
        manifest = json.loads((await stranger.get("/manifest.webmanifest?lang=en"))[1])
        assert (manifest["lang"], manifest["name"], manifest["start_url"]) == ("en", "Lycée · Îlot", "/")
