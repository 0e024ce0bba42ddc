"""The page of a meter says by which model it is judged, and how well that fits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .web_kit import Pages

pytestmark = pytest.mark.real("network")


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path) as pages:
        yield pages


async def test_a_meter_tells_its_model_and_how_well_it_fits(pages: Pages) -> None:
    browser = await pages.claimed()
    status, text, _ = await browser.ask("GET", "/energy/meters/salle-0")
    assert status == 200
    text = text.replace("\u00a0", " ").replace("\u202f", " ")
    assert "Modèle à 5 paramètres : socle, chauffage sous 15,5 °C, froid au-dessus de 21,0 °C." in text
    assert "CV(RMSE) 8 %, biais NMBE -0,4 %" in text
    assert "dérive de 12 % depuis le 02/03/2026" in text
    assert "Référence du 01/01/2025 au 31/12/2025." in text
    english = (await browser.get("/energy/meters/salle-0?lang=en"))[1]
    assert 'since <span class="whole">2026-03-02</span>' in english
