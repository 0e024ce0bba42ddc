"""The pages of imported packs, over the real calls: what a person reads, sends and is refused."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.hub.devices.packs.importing_kit import CODEC, SCALE, TTN, zipped
from tests.hub.rpc.test_pack_imports import Hub
from tests.hub.web.web_kit import Hub as SimulatedHub
from tests.hub.web.web_kit import Pages

pytestmark = pytest.mark.real("network, processes")

WIND = {name: text for name, text in TTN.items() if name.partition("-")[0] not in ("bare", "gone", "up")}
HERE = "/packs/imports/windco-wind"


@pytest.fixture
async def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path / "state")


@pytest.fixture
async def pages(tmp_path: Path, hub: Hub) -> AsyncIterator[Pages]:
    async with Pages(tmp_path) as pages:
        pages.hub.answers.update(hub.calls)
        yield pages


async def test_an_import_leads_to_its_review_and_that_to_an_installed_pack(pages: Pages, hub: Hub) -> None:
    browser = await pages.claimed()
    status, _, headers = await browser.upload("/packs/import", "/packs", zipped(WIND, "windco/"))
    assert (status, headers["Location"]) == (303, HERE)
    assert "windco Wind sensor" in (await browser.get("/packs"))[1]
    for lang, says in (("fr", "Vient de The Things Network"), ("en", "From The Things Network")):
        status, text, _ = await browser.get(f"{HERE}?lang={lang}")
        assert status == 200
        assert says in text
        assert text.count("<select name=") == 3
        assert '<option value="take" selected>' in text, "a sure guess is proposed"
    status, text, _ = await browser.post(HERE, HERE, d0="take", d1="leave", d2="other", m2="humidty", s2="0.5")
    assert status == 422
    assert "humidity" in text
    assert 'value="humidty"' in text, "what was typed stays"
    status, text, _ = await browser.post(HERE, HERE, d0="take", d1="leave")
    assert status == 422
    assert hub.library.names() == []
    sent = {"d0": "take", "d1": "leave", "d2": "other", "m2": "humidity", "s2": "0,5"}
    status, _, headers = await browser.post(HERE, HERE, **sent, vendor="Wind & Co", mac="1.0.3", **{"class": "A"})
    assert (status, headers["Location"]) == (303, "/packs?said=pack-installed")
    assert hub.library.get("windco-wind").keys.vendor == "Wind & Co"
    assert (await browser.get(HERE))[0] == 422, "decided is decided"


async def test_what_strangers_wrote_is_text_on_the_page(pages: Pages) -> None:
    browser = await pages.claimed()
    evil = '<script>alert("1")</script>'
    code = f"function Decode(p, b) {{ return {{ {evil!r}: {evil!r}, temperature: 1 }}; }}"
    files = {"vendor.toml": f"[vendor]\nname = '{evil}'\n", "codecs/x.js": code, "codecs/test_decode_x.json":
             '[{"input": {"fPort": 1, "bytes": [1]}, "expected": {"data": {"temperature": 1}}}]'}  # fmt: skip
    status, _, headers = await browser.upload("/packs/import", "/packs", zipped(files, "x/"))
    assert status == 303
    text = (await browser.get(headers["Location"]))[1]
    assert evil not in text
    assert html.escape(evil, quote=False)[:20] in text
    assert evil not in (await browser.get("/packs"))[1]


async def test_what_cannot_be_imported_is_said_beside_what_can(pages: Pages) -> None:
    browser = await pages.claimed()
    status, text, _ = await browser.upload("/packs/import", "/packs", zipped(TTN, "windco/"))
    assert status == 200
    assert "up-codec" in text
    assert "/packs/imports/windco-bare" in text
    status, text, _ = await browser.upload("/packs/import", "/packs", b"nothing")
    assert status == 422
    status, text, _ = await browser.upload("/packs/import", "/packs", b"")
    assert status == 422


async def test_an_untested_pack_is_installed_with_the_mark_only_and_a_draft_is_discarded(
    pages: Pages, hub: Hub
) -> None:
    browser, code = await pages.claimed(), SCALE.replace("module.exports =", "const scale =") + CODEC.partition("\n")[2]
    status, _, headers = await browser.upload("/packs/import", "/packs", zipped({"acme-t.js": code}), payload="2:d728")
    assert (status, headers["Location"]) == (303, "/packs/imports/acme-t")
    here, sent = "/packs/imports/acme-t", {"d0": "take", "d1": "leave", "d2": "leave"}
    assert (await browser.post(here, here, **sent))[0] == 422
    assert (await browser.post(here, here, **sent, untested="1"))[0] == 303
    assert hub.library.get("acme-t").keys.untested
    await browser.upload("/packs/import", "/packs", zipped({"acme-t.js": code}))
    assert (await browser.post(here, here, act="discard"))[0] == 303
    assert (await hub.call("pack.drafts"))["drafts"] == []


@pytest.mark.parametrize("untested", [True, False])
async def test_a_device_s_page_says_that_its_pack_is_untested(tmp_path: Path, untested: bool) -> None:
    async def listed(arguments: dict[str, object]) -> dict[str, object]:
        return {"packs": [{"pack": "acme-t", "untested": untested}]}

    simulated = SimulatedHub()
    simulated.devices[0] = msgspec.structs.replace(simulated.devices[0], pack="acme-t")
    simulated.answers["pack.list"] = listed
    async with Pages(tmp_path, simulated) as pages:
        browser = await pages.claimed()
        text = (await browser.get(f"/devices/{simulated.devices[0].id.replace(':', '%3A')}?lang=en"))[1]
    assert "acme-t" in text
    assert ("(not tested)" in text) is untested


async def test_who_may_only_read_sees_no_review_and_the_api_decides_as_the_page_does(pages: Pages, hub: Hub) -> None:
    browser = await pages.claimed()
    await browser.upload("/packs/import", "/packs", zipped(WIND, "windco/"))
    reader = await pages.person("lecteur")
    assert (await reader.get(HERE))[0] == 403
    assert (await reader.get("/packs"))[0] == 200
    assert (await reader.get(f"/api/1{HERE}"))[0] == 403
    status, draft = await browser.api("GET", HERE)
    assert (status, [one["path"] for one in draft["proposed"]]) == (200, ["temperature", "Ünit", "humidity"])
    decisions = [{"path": one["path"], "decision": "leave"} for one in draft["proposed"]]
    assert (await browser.api("POST", HERE, {"decisions": decisions[:1]}))[0] == 422
    assert (await browser.api("POST", HERE, {"decisions": "x"}))[0] == 422
    status, answer = await browser.api("POST", HERE, {"decisions": decisions})
    assert (status, answer["installed"]) == (200, True)
    assert (await browser.api("DELETE", HERE))[0] == 422
