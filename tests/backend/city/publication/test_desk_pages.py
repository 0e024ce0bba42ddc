"""The desk in a browser: a proposal with its preview, a second person, withdrawals."""

from __future__ import annotations

import re

import pytest
from people_kit import Browser, Town

from backend.city.people.viewer import Role
from backend.storage.city import publication as table

from .attack import Thing
from .publication_kit import put

pytestmark = pytest.mark.real("network")

FORM = {
    "id": "air", "family": "ambient", "title_fr": "Air", "summary_fr": "Particules fines.", "kinds": "air",
    "metrics": "pm2_5", "space": "thing", "cell_s": "3600", "delay_days": "0", "since": "2026-06-01",
    "licence": "etalab-2.0", "theme": "ENVI", "keywords": "air", "contact": "DPD", "mail": "dpd@ville.example",
}  # fmt: skip


async def people(town: Town) -> tuple[Browser, Browser]:
    await put(
        town.city, [Thing(1, "pm2_5", "air", "public", "square", ""), Thing(2, "pm2_5", "air", "public", "park", "")]
    )
    return await town.enter("cheffe", Role.HEAD), await town.enter("deleguee", Role.DPO)


async def test_a_data_set_is_proposed_previewed_and_allowed_by_another_person(town: Town) -> None:
    head, officer = await people(town)
    preview = await head.post("/publication/new", {**FORM, "do": "preview"})
    assert preview.status == 200
    assert "Device 1 · pm2_5" in preview.text
    assert await town.city.store.read(table.data_sets) == [], "a preview stores nothing"
    proposed = await head.post("/publication/new", {**FORM, "do": "propose"})
    assert (proposed.status, proposed.location) == (303, "/publication/air?said=pub-done-proposed")
    page = await head.get("/publication/air")
    digest = re.search(r'name="digest" value="([0-9a-f]{64})"', page.text)
    assert digest is not None
    same = await head.post("/publication/air/allow", {"digest": digest[1]})
    assert same.status == 422
    allowed = await officer.post("/publication/air/allow", {"digest": digest[1]})
    assert (allowed.status, allowed.location) == (303, "/publication/air?said=pub-done-allowed")
    assert (await town.browser().get("/data/air")).status == 200
    gone = await officer.post("/publication/air/withdraw", {"why": "capteurs faux"})
    assert gone.status == 303
    assert (await town.browser().get("/data/air")).status == 410
    whats = [line.what for line in await town.lines() if line.what.startswith("publication.")]
    assert whats == ["publication.proposed", "publication.allowed", "publication.withdrawn"]


async def test_what_is_wrong_in_a_form_is_said_and_nothing_is_lost(town: Town) -> None:
    head, _ = await people(town)
    answer = await head.post("/publication/new", {**FORM, "family": "homes", "cell_s": "900", "do": "propose"})
    assert answer.status == 422
    assert answer.text.count('class="note bad"') >= 3
    assert "Particules fines." in answer.text
    for field, value in (("since", "yesterday"), ("delay_days", "x"), ("owners", "no equals sign")):
        assert (await head.post("/publication/new", {**FORM, field: value, "do": "propose"})).status == 422
    assert await town.city.store.read(table.data_sets) == []


async def test_kinds_quantities_sectors_and_sites_are_picked_by_their_names(town: Town) -> None:
    head, _ = await people(town)
    await put(town.city, [Thing(3, "fill_level", "waste-container", "public", "square", "", ("north",))])
    page = (await head.get("/publication/new?lang=en")).text
    for name, value, text in (
        ("kinds", "waste-container", "Waste container"), ("metrics", "fill_level", "Fill level"),
        ("sectors", "north", "north"), ("sites", "square", "Square"),
    ):  # fmt: skip
        assert re.search(rf'name="{name}" value="{value}"> <span>{text}</span>', page), name
    picked = {"kinds": ["air", "gone"], "metrics": ["pm2_5"], "sites": ["park"], "do": "preview"}
    again = (await head.post("/publication/new", {**FORM, **picked})).text
    for name, value in (("kinds", "air"), ("kinds", "gone"), ("metrics", "pm2_5"), ("sites", "park")):
        assert f'name="{name}" value="{value}" checked' in again, "nothing is lost, not even what is unknown"


async def test_strangers_and_crews_have_no_desk(town: Town) -> None:
    crew = await town.enter("equipe", Role.CREW)
    for path in ("/publication", "/publication/new", "/publication/about"):
        assert (await crew.get(path)).status == 403
        assert (await town.browser().get(path)).status in (303, 401)
    operator = await town.enter("operatrice", Role.OPERATOR)
    assert (await operator.get("/publication")).status == 200
    assert (await operator.post("/publication/new", {**FORM, "do": "propose"}, csrf="x")).status == 403


async def test_purposes_of_sensors_are_declared_at_the_desk(town: Town) -> None:
    _, officer = await people(town)
    assert "Air quality" in (await officer.get("/publication/about?lang=en")).text
    form = {"kind": "air", "fr": "Plan climat", "owner": "Ville", "basis": "mission de service public"}
    assert (await officer.post("/publication/purposes", form)).status == 303
    assert (await town.city.store.read(table.purposes))["air"] == ('{"fr":"Plan climat"}', "Ville", form["basis"])
