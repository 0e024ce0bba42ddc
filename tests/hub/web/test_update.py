"""The page of releases, with the hub's real calls behind it: nothing is installed here, all of it is handed over."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hub.core.clock import SystemClock
from hub.operations.releases import pace
from hub.operations.releases.inbox import RETURN, TakenInbox
from hub.operations.releases.offers import Releases, Signs
from hub.page_kit.request import visit as visit_module

sys.path.insert(0, str(Path(__file__).parents[1] / "operations" / "releases"))
from releases_kit import OTHER, Place

from .web_kit import Pages

pytestmark = pytest.mark.real("network")


class Served:
    """Pages, and a machine whose releases they show."""

    def __init__(self, pages: Pages, place: Place) -> None:
        self.pages, self.place = pages, place
        self.noted: list[tuple[str, dict[str, Any]]] = []
        self.inbox = TakenInbox(place.state)

        async def audit(who: str, what: dict[str, Any]) -> None:
            self.noted.append((who, what))

        signs = Signs(dict, lambda: (0, 0), lambda: True, lambda: 0.0, lambda: 0, lambda: "")
        part = Releases(
            place.state, signs, SystemClock(), audit, root=place.root, package=place.package, own=place.package
        )
        pages.hub.answers.update(part.calls())

    def mine(self, counter: int, **facts: Any) -> bytes:
        """A bundle for this machine, which is of the architecture and time of the test's."""
        import platform
        import time

        found = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
        python = next(path.name.removeprefix("python") for path in Path("/usr/bin").glob("python3.*[0-9]"))
        now = time.time()
        known = {"architecture": found, "python": python, "issued": now - 60, "expires": now + 86_400, **facts}
        return self.place.bundle(counter, **known)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with Pages(tmp_path / "pages") as pages:
        yield Served(pages, Place(tmp_path / "place"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()


async def test_a_bundle_says_what_it_is_before_it_is_installed_and_is_then_handed_over(served: Served) -> None:
    browser = await served.pages.claimed()
    assert "Release 100" in (await browser.get("/update", **{"Accept-Language": "en"}))[1]
    data = served.mine(101, notes="Fewer words <b>")
    status, text, _ = await browser.upload("/update", "/update", data, field="bundle")
    assert status == 200
    assert "101" in text
    assert "Fewer words &lt;b&gt;" in text
    assert served.inbox.take() is None, "it is only shown yet"
    status, _, headers = await browser.post("/update/install", "/update")
    assert (status, headers["Location"]) == (303, "/update?said=release-asked")
    assert served.noted == [("web:camille", {"release": "install", "counter": 101})]
    with served.inbox.bundle() as taken:
        assert taken.read() == data
    request = served.inbox.take()
    assert request is not None
    assert (request.do, request.by, request.again) == ("install", "web:camille", False)


async def test_what_is_not_for_this_hub_is_said_so_and_what_nobody_signed_is_forgotten(served: Served) -> None:
    browser = await served.pages.claimed()
    status, text, _ = await browser.upload("/update", "/update", served.mine(99), field="bundle")
    assert (status, "/update/install" in text) == (200, False)
    assert (await browser.post("/update/install", "/update"))[0] == 422, "nor by another way"
    for data in (b"x" * 100, served.place.bundle(101, OTHER), served.mine(101)[:-40] + b"y" * 40):
        status, _, _ = await browser.upload("/update", "/update", data, field="bundle")
        found = status == 422
        assert found or data.endswith(b"y"), "what is packed is root's to look at"
    assert served.inbox.take() is None


async def test_only_an_administrateur_installs_and_everybody_may_look(served: Served) -> None:
    await served.pages.claimed()
    worker = await served.pages.person("technicien")
    assert (await worker.get("/update"))[0] == 200
    assert (await worker.upload("/update", "/account", served.mine(101), field="bundle"))[0] == 403
    assert (await worker.post("/update/return", "/account"))[0] == 403
    assert not (served.place.state / "release-inbox").exists()


async def test_going_back_is_handed_over_too(served: Served) -> None:
    browser = await served.pages.claimed()
    assert (await browser.post("/update/return", "/account"))[0] == 303
    request = served.inbox.take()
    assert request is not None
    assert (request.do, request.by) == (RETURN, "web:camille")


async def test_a_bundle_that_comes_too_slowly_or_while_another_waits_is_dropped(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = await served.pages.claimed()
    monkeypatch.setattr(pace, "GRACE_S", -1e9)
    status, _, _ = await browser.upload("/update", "/update", served.mine(101), field="bundle")
    assert status == 408
    monkeypatch.setattr(pace, "GRACE_S", 60.0)
    await asyncio.sleep(0)
    assert (await browser.post("/update/return", "/account"))[0] == 303
    status, _, _ = await browser.upload("/update", "/account", served.mine(101), field="bundle")
    assert status == 422, "an update is under way already"


async def test_a_card_that_fills_while_a_bundle_comes_is_said(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = await served.pages.claimed()

    def full(self: object, target: object, chunk: bytes) -> None:
        self._not_stored = visit_module.StorageError("no space")  # type: ignore[attr-defined]

    monkeypatch.setattr(visit_module.Visit, "_write", full)
    status, text, _ = await browser.upload("/update", "/update", served.mine(101), field="bundle")
    assert (status, "no space" in text) == (422, True)
