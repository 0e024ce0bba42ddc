"""The page of vendors' plugins, with the real installation behind it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.operations.plugins.service import PluginInstallation
from hub.protocol.documents.plugin_index import PluginIndex, Revoked, sign_index
from tests.hub.operations.plugins.plugins_kit import (
    DAY,
    DISTRICT,
    NOW,
    OTHER,
    Place,
    bundle,
    files,
    manifest,
    plain,
    wheel,
)

from .web_kit import Pages

pytestmark = pytest.mark.real("network")


class Served:
    """Pages, and a hub whose plugins they show."""

    def __init__(self, pages: Pages, place: Place) -> None:
        self.pages, self.place = pages, place
        self.noted: list[tuple[str, dict[str, Any]]] = []
        self.reloads = 0
        self.used: list[str] = []

        async def audit(who: str, what: dict[str, Any]) -> None:
            self.noted.append((who, what))

        async def reload() -> None:
            self.reloads += 1

        part = PluginInstallation(place.state, place.here, reload, lambda _: self.used, audit)
        pages.hub.answers.update(part.calls())

    @property
    def installed(self) -> list[str]:
        return (
            sorted(one.name for one in self.place.plugins.iterdir() if one.is_dir())
            if self.place.plugins.is_dir()
            else []
        )


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    for name in ("pages", "place"):
        (tmp_path / name).mkdir()
    async with Pages(tmp_path / "pages") as pages:
        yield Served(pages, Place(tmp_path / "place"))


def word(text: str) -> str:
    found = re.search(r'name="accept" value="([^"]*)"', text)
    assert found is not None
    return found[1]


async def test_what_a_plugin_may_do_is_read_and_accepted_before_it_is_installed(served: Served) -> None:
    browser = await served.pages.claimed()
    status, text, _ = await browser.upload("/plugins?lang=en", "/plugins", plain(), field="file")
    assert status == 200
    assert "acme_probe 1.0" in text
    assert "Accept and install" in text
    assert served.installed == [], "it is only shown yet"
    wrong = await browser.post("/plugins/install", "/plugins", accept="00000000")
    assert wrong[0] == 422
    assert served.installed == []
    status, _, headers = await browser.post("/plugins/install", "/plugins", accept=word(text))
    assert (status, headers["Location"]) == (303, "/plugins?said=plugin-installed")
    assert served.installed == ["acme_probe"]
    assert served.reloads == 1
    assert served.noted == [("web:camille", {"plugin": "installed", "id": "acme_probe", "version": "1.0"})]
    assert not (served.place.state / "plugin-inbox").exists()
    assert "Acme SAS" in (await browser.get("/plugins"))[1]


async def test_an_update_that_asks_for_no_more_is_installed_without_accepting_and_one_that_does_says_what(
    served: Served,
) -> None:
    browser = await served.pages.claimed()
    served.place.install(plain())
    _, text, _ = await browser.upload("/plugins?lang=en", "/plugins", plain("1.1", 101), field="file")
    assert "Accept and install" not in text
    more = manifest("1.2", "device_schemes: [acme], data_classes: [technical], hosts: [configured]")
    _, text, _ = await browser.upload("/plugins?lang=en", "/plugins", plain("1.2", 102, more), field="file")
    assert "Accept and install" in text
    assert "new: calls hosts" in text


async def test_a_strangers_plugin_is_refused_with_the_reason_and_its_file_forgotten(served: Served) -> None:
    browser = await served.pages.claimed()
    forged = bundle({"acme_probe-1.0-py3-none-any.whl": wheel(files())}, OTHER)
    for data in (forged, b"no plugin"):
        status, text, _ = await browser.upload("/plugins", "/plugins", data, field="file")
        assert status == 422
        assert 'role="alert"' in text
        assert not (served.place.state / "plugin-inbox").exists()
    assert served.installed == []
    assert (await browser.post("/plugins/install", "/plugins", accept=""))[0] == 422


async def test_a_plugin_in_use_is_not_removed_and_one_that_is_not_says_what_stays(served: Served) -> None:
    browser = await served.pages.claimed()
    served.place.install(plain())
    served.used = ["roof"]
    status, text, _ = await browser.post("/plugins/acme_probe/remove", "/plugins")
    assert status == 422
    assert "roof" in text
    served.used = []
    status, _, headers = await browser.post("/plugins/acme_probe/remove", "/plugins", with_state="1")
    assert (status, headers["Location"]) == (303, "/plugins?said=plugin-removed")
    assert not (served.place.plugins / "acme_probe" / "current").exists()
    assert (await browser.post("/plugins/no-such%2E/remove", "/plugins"))[0] == 422


async def test_an_index_is_taken_and_what_it_revokes_says_so(served: Served) -> None:
    browser = await served.pages.claimed()
    served.place.install(plain())
    index = PluginIndex(
        counter=5,
        issued=NOW,
        expires=NOW + DAY,
        listed=(),
        revoked=(Revoked(id="acme_probe", through=100, reason="a hole <b>"),),
    )
    status, _, headers = await browser.upload("/plugins/index", "/plugins", sign_index(index, [DISTRICT]), field="file")
    assert (status, headers["Location"]) == (303, "/plugins?said=plugin-index-taken")
    text = (await browser.get("/plugins?lang=en"))[1]
    assert "a hole &lt;b&gt;" in text
    assert "Index 5, 1 entry revoked" in text
    status, _, _ = await browser.upload("/plugins/index", "/plugins", sign_index(index, [OTHER]), field="file")
    assert status == 422


async def test_who_only_reads_sees_what_is_installed_and_changes_nothing(served: Served) -> None:
    await served.pages.claimed()
    served.place.install(plain())
    reader = await served.pages.person("lecteur")
    text = (await reader.get("/plugins"))[1]
    assert "acme_probe" in text
    assert 'type="file"' not in text
    assert (await reader.api("POST", "/plugins/acme_probe/remove", {}))[0] == 403
    assert (await reader.api("POST", "/plugins/install", {"accept": ""}))[0] == 403
