"""The page of the LoRa concentrator: what is wrong, and set-up in two steps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.hub.operations.concentrator.radio_kit import EUI, board, log, planned
from tests.hub.operations.concentrator.test_service import Around, Recorded
from tests.hub.web.web_kit import Hub, Pages

pytestmark = pytest.mark.real("network")


class RadioHub(Hub):
    """A hub on a machine with a HAT."""

    def __init__(self, at: Path) -> None:
        super().__init__()
        board(at)
        self.around = Around(Recorded(at, at / "radio.json", at / "station.log"), server=False)

    def calls(self) -> dict[str, Any]:
        return {**super().calls(), **self.around.calls}


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    (tmp_path / "machine").mkdir()
    async with Pages(tmp_path, RadioHub(tmp_path / "machine")) as pages:
        await pages.claimed()
        yield pages


async def test_a_technicien_sees_each_file_before_it_is_written(pages: Pages) -> None:
    browser = await pages.person("technicien")
    assert 'href="/radio/concentrator"' in (await browser.get("/radio"))[1]
    text = (await browser.get("/radio/concentrator"))[1]
    assert "dca632fffe010203" in text, "the EUI that the network card makes"
    form = {"model": "wm1302", "eui": EUI, "where": "FR"}
    status, text, _ = await browser.post("/radio/concentrator", "/radio/concentrator", **form, dry_run="1")
    assert status == 200
    assert "station.conf" in text
    assert "reset GPIO 17" in text
    around = pages.hub.around  # type: ignore[attr-defined]
    assert (around.happened, around.here.plan.exists()) == ([], False)
    status, _, headers = await browser.post("/radio/concentrator", "/radio/concentrator", **form)
    assert (status, headers["Location"]) == (303, "/radio/concentrator?said=concentrator-written")
    assert around.here.plan.exists()
    assert around.happened[-1][1] == "web:p-technicien"


async def test_what_does_not_fit_is_said_beside_the_form_that_keeps_what_was_typed(pages: Pages) -> None:
    browser = await pages.person("technicien")
    status, text, _ = await browser.post(
        "/radio/concentrator", "/radio/concentrator", model="wm1302", eui="<12>", dry_run="1"
    )
    assert status == 422
    assert "&lt;12&gt;" in text
    assert "<12>" not in text


async def test_a_fault_and_its_remedy_are_read_by_everybody_and_set_up_by_few(pages: Pages) -> None:
    around = pages.hub.around  # type: ignore[attr-defined]
    planned(around.here, "rak5146")
    log(around.here, "[HAL:INFO] [lgw_connect:1192] chip version is 0x00 (v0.0)")
    browser = await pages.person("lecteur")
    text = (await browser.get("/radio/concentrator"))[1]
    assert "GPIO 17" in text
    assert '<form method="post" action="/radio/concentrator"' not in text
    assert (await browser.post("/radio/concentrator", "/radio", model="rak5146", eui=EUI))[0] == 403
