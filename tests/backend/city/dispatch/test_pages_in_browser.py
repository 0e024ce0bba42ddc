"""A crew's phone and an operator's desk in a browser, judged by axe."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dispatch_kit import Ear, arrive, change, dispatcher, plan, turns
from playwright.async_api import expect

from backend.city.city import City
from backend.city.people.viewer import Role, Scope

from ..people.people_kit import PASSWORD, Town, served
from ..people.test_people_in_browser import DESK, PHONE, browser, judged
from .test_pages import png

pytestmark = [pytest.mark.real("network, processes"), pytest.mark.long("starts a browser", of="tests/backend/city")]


@pytest.fixture
def city_address(tmp_path: Path) -> Path:
    """One engine: a browser sees no difference."""
    return tmp_path / "owner" / "backend.db"


@pytest.fixture
async def town(city: City, tmp_path: Path) -> AsyncIterator[Town]:
    """A served city with a plan, two incidents and an intervention of a waste crew."""
    await plan(city)
    one = dispatcher(city, Ear())
    now = city.clock()
    for rule in ("loop", "lift"):
        await arrive(city, *(change(f"{rule}{n}", hub=f"h{n}", site=f"s{n}", rule=rule, at=now) for n in range(3)))
    await arrive(city, change(at=now, severity="critical"))
    await turns(one)
    async with served(city, tmp_path / "served") as made:
        yield made


async def enter(town: Town, page: object, name: str, role: Role, scope: Scope | None = None) -> None:
    code = await town.add(name, role, scope)
    await page.goto(f"{town.url}/signin/code")  # type: ignore[attr-defined]
    for field, text in (("name", name), ("code", code), ("password", PASSWORD), ("again", PASSWORD)):
        await page.locator(f"main input[name={field}]").fill(text)  # type: ignore[attr-defined]
    await page.locator("main button").first.click()  # type: ignore[attr-defined]
    await page.wait_for_url(lambda url: "/signin" not in url)  # type: ignore[attr-defined]


async def test_a_crew_works_on_an_intervention_on_its_phone(town: Town, tmp_path: Path) -> None:
    photo = tmp_path / "bac.png"
    photo.write_bytes(png())
    async with browser(town, PHONE, "en-GB") as context:
        page = context.pages[0]
        await enter(town, page, "jeanne", Role.CREW, Scope(services=frozenset({"waste"})))
        await page.goto(f"{town.url}/interventions?lang=en")
        await judged(page, "interventions", PHONE)
        await page.get_by_role("link", name="bin 7 is full").click()
        await page.wait_for_url("**/interventions/*")
        await judged(page, "intervention", PHONE)
        for button in await page.locator("main button").all():
            box = await button.bounding_box()
            assert box is not None
            assert box["height"] >= 44
        await page.get_by_role("button", name="I take it").click()
        await expect(page.get_by_text("taken, jeanne")).to_be_visible()
        await page.get_by_label("Note").fill("couvercle cassé")
        await page.get_by_label("Photograph").set_input_files(photo)
        await page.get_by_role("button", name="It is done").click()
        await expect(page.get_by_role("img")).to_have_count(1)
        await judged(page, "intervention-done", PHONE)


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_an_operator_reads_alerts_incidents_rota_and_routes(town: Town, size: dict[str, int]) -> None:
    async with browser(town, size) as context:
        page = context.pages[0]
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        await enter(town, page, "omar", Role.OPERATOR)
        for path in ("/alerts", "/alerts/h1/a1", "/incidents/1", "/duty", "/dispatch-routes"):
            answer = await page.goto(f"{town.url}{path}")
            assert answer is not None
            assert answer.status == 200
            await judged(page, path.strip("/").replace("/", "-"), size)
        assert errors == []
