"""Pages of alerts, interventions, rota and routes, in the roles of those who use them."""

from __future__ import annotations

import logging
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from struct import pack
from typing import Any

import pytest
from aiohttp import FormData
from aiohttp.test_utils import TestClient, TestServer
from dispatch_kit import PLAN, Clock, Ear, arrive, change, dispatcher, plan, turns

from backend.city.city import City
from backend.city.dispatch import plan_table
from backend.city.people.viewer import Role, Scope
from backend.city.server import application
from backend.hubs.alerts import requested_changes
from backend.storage.city import dispatch as table
from backend.storage.city import register
from hub.core.request_log import RequestLog

pytestmark = pytest.mark.real("network")

SignedIn = Callable[..., Awaitable[dict[str, str]]]
WASTE = Scope(services=frozenset({"waste"}))
HEAT = Scope(services=frozenset({"heat"}))
PAGE = {"Accept": "text/html"}


@pytest.fixture
def clock(city: City) -> Clock:
    made = Clock()
    city.clock = made
    return made


@pytest.fixture
async def client(city: City, clock: Clock) -> AsyncIterator[TestClient[Any, Any]]:
    app = application(city, RequestLog(logging.getLogger("test")))
    async with TestClient(TestServer(app)) as made:
        yield made


def png() -> bytes:
    """A picture of 32 pixels a side, with a place in its metadata."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"".join(b"\0" + b"\x80" * 32 for _ in range(32)))
    head = pack(">IIBBBBB", 32, 32, 8, 0, 0, 0, 0)
    secret = chunk(b"tEXt", b"Comment\x0048.85,2.35")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + secret + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


async def test_a_crew_takes_an_alert_on_a_phone_and_it_closes_when_the_hub_says_so(
    city: City, clock: Clock, client: TestClient[Any, Any], signed_in: SignedIn
) -> None:
    await plan(city)
    one = dispatcher(city, Ear())
    await arrive(city, change())
    await turns(one)
    crew = await signed_in(Role.CREW, WASTE, "jeanne")
    listed = await client.get("/interventions", headers=crew | PAGE)
    assert "bac 7 plein" in await listed.text()
    page = await client.get("/interventions/1?lang=en", headers=crew | PAGE)
    text = await page.text()
    assert "I take it" in text
    assert "Number, here and at the hub" in text
    form = FormData({"do": "taken", "note": "j'y vais"})
    assert (await client.post("/interventions/1", data=form, headers=crew, allow_redirects=False)).status == 303
    await turns(one)
    [asked] = await city.storage.call(lambda storage: requested_changes(storage.alerts, "h1"))
    assert (asked["alert"], asked["by"], asked["state"]) == ("a1", "jeanne", "acknowledged")
    form = FormData({"do": "done", "note": "vidé"})
    form.add_field("photo", png(), filename="bac.png", content_type="image/png")
    assert (await client.post("/interventions/1", data=form, headers=crew, allow_redirects=False)).status == 303
    shown = await client.get("/interventions/1/pictures/2", headers=crew)
    body = await shown.read()
    assert shown.content_type == "image/png"
    assert b"48.85" not in body
    await arrive(city, change(n=2, state="cleared", by="rule:bin-full", at=clock.now + 600))
    clock.now += 600
    await turns(one)
    said = await (await client.get("/interventions/1?lang=en", headers=crew | PAGE)).text()
    assert "closed by the hub" in said
    said = await (await client.get("/alerts?lang=en", headers=(await signed_in(Role.OPERATOR)) | PAGE)).text()
    assert "Delays of the last 30 days" in said
    assert "10\u202fmin" in said or "10 min" in said or "10\u00a0min" in said


async def test_nobody_sees_or_changes_what_is_of_another_service(
    city: City, clock: Clock, client: TestClient[Any, Any], signed_in: SignedIn
) -> None:
    await plan(city)
    one = dispatcher(city, Ear())
    await arrive(city, change())
    await turns(one)
    other = await signed_in(Role.CREW, HEAT, "paul")
    for path in ("/alerts", "/interventions"):
        assert "bac 7 plein" not in await (await client.get(path, headers=other | PAGE)).text()
    for path in ("/alerts/h1/a1", "/interventions/1", "/interventions/1/pictures/1"):
        assert (await client.get(path, headers=other | PAGE)).status == 404
    for path, do in (("/alerts/h1/a1", "clear"), ("/interventions/1", "taken")):
        assert (await client.post(path, data={"do": do}, headers=other)).status == 404
    assert (await client.get("/dispatch-routes", headers=other | PAGE)).status == 403
    assert (await client.post("/duty", data={}, headers=other)).status == 403
    assert (await client.get("/alerts", headers=await signed_in(Role.ELECTED))).status == 403
    assert await city.store.read(lambda r: table.acts_of(r, "h1", "a1")) == []


async def test_a_page_of_an_alert_says_value_service_and_device_as_people_do(
    city: City, client: TestClient[Any, Any], clock: Clock, signed_in: SignedIn
) -> None:
    await plan(city)
    await city.store.write(lambda t: register.put_services(t, [("waste", "Propreté urbaine")]))
    await city.store.write(
        lambda t: t.run(
            "insert into things values (1, 'h1', 'lorawan:b7', 'square', '', 'b7', 'waste-container', 'waste', 'waste',"
            " '', 'internal', 0, null, null, 'Bac de la place', null, null, 'heard', '[]')"
        )
    )
    one = dispatcher(city, Ear())
    await arrive(city, change(value="2.71 m"), change("a2", text_fr="bac 8 plein", device="", severity="critical"))
    await turns(one)
    operator = await signed_in(Role.OPERATOR) | PAGE
    page = await (await client.get("/alerts/h1/a1?lang=fr", headers=operator)).text()
    assert "2,71" in page
    assert "2.71" not in page
    assert '<a href="/things/h1/lorawan%3Ab7">Bac de la place</a>' in page
    assert "Propreté urbaine" in page
    assert "Propreté urbaine" in await (await client.get("/alerts?lang=fr", headers=operator)).text()
    listed = await (await client.get("/interventions?lang=fr", headers=operator)).text()
    assert 0 < listed.index("bac 8 plein") < listed.index("bac 7 plein")  # the gravest first
    await arrive(city, change("a2", n=2, state="cleared", text_fr="bac 8 plein", device="", severity="critical"))
    await turns(one)
    listed = await (await client.get("/interventions?lang=fr", headers=operator)).text()
    assert listed.index("bac 7 plein") < listed.index("Closes depuis") < listed.index("bac 8 plein")


async def test_a_form_from_elsewhere_changes_nothing(
    city: City, clock: Clock, client: TestClient[Any, Any], signed_in: SignedIn
) -> None:
    await plan(city)
    one = dispatcher(city, Ear())
    await arrive(city, change())
    await turns(one)
    crew = await signed_in(Role.CREW, WASTE)
    del crew["X-CSRF"]
    crew["Sec-Fetch-Site"] = "cross-site"
    assert (await client.post("/alerts/h1/a1", data={"do": "take"}, headers=crew)).status in (400, 403)


async def test_a_head_of_service_changes_own_routes_and_swaps_alone(
    city: City, clock: Clock, client: TestClient[Any, Any], signed_in: SignedIn
) -> None:
    await plan(city)
    head = await signed_in(Role.HEAD, WASTE)
    added = {"do": "add", "id": "cans", "service": "waste", "rules": "can-*", "chain": "0:email 10m:sms@night"}
    assert (await client.post("/dispatch-routes", data=added, headers=head, allow_redirects=False)).status == 303
    _, now = await city.store.read(plan_table.current)
    assert [route.id for route in now.routes] == ["bins", "heat", "cans", "rest"]
    moved = {"do": "up", "route": "cans"}
    assert (await client.post("/dispatch-routes", data=moved, headers=head, allow_redirects=False)).status == 303
    _, now = await city.store.read(plan_table.current)
    assert [route.id for route in now.routes] == ["bins", "cans", "heat", "rest"]
    for wrong in ({"do": "remove", "route": "heat"}, {"do": "remove", "route": "rest"}):
        assert (await client.post("/dispatch-routes", data=wrong, headers=head)).status == 422
    form = FormData({"do": "import"})
    form.add_field("file", PLAN.replace("paul@ville", "evil@ville").encode(), filename="plan.yaml")
    assert (await client.post("/dispatch-routes", data=form, headers=head)).status == 422
    swap = {
        "service": "waste",
        "person": "jeanne",
        "instead": "",
        "begin": "2027-02-01T00:00",
        "end": "2027-02-08T00:00",
    }
    assert (await client.post("/duty", data=swap, headers=head, allow_redirects=False)).status == 303
    assert (await client.post("/duty", data=swap | {"service": "heat"}, headers=head)).status == 404
    assert (await client.post("/duty", data=swap | {"end": "yesterday"}, headers=head)).status == 422
    said = await (await client.get("/dispatch-routes?lang=en", headers=head | PAGE)).text()
    assert "without anybody" in said  # jeanne is away
    assert (await client.post("/duty", data={"cancel": "1"}, headers=head, allow_redirects=False)).status == 303
    said = await (await client.get("/dispatch-routes?lang=en", headers=head | PAGE)).text()
    assert "Somebody is there at each of" in said
    assert "Jeanne" in await (await client.get("/duty", headers=head | PAGE)).text()


async def test_an_error_of_an_imported_file_is_shown_with_its_line(
    city: City, clock: Clock, client: TestClient[Any, Any], signed_in: SignedIn
) -> None:
    operator = await signed_in(Role.OPERATOR)
    form = FormData({"do": "import"})
    form.add_field("file", PLAN.replace("rules:", "ruels:").encode(), filename="plan.yaml")
    answer = await client.post("/dispatch-routes", data=form, headers=operator | PAGE)
    assert answer.status == 422
    line = next(n for n, said in enumerate(PLAN.splitlines(), 1) if "rules:" in said)
    assert f"plan.yaml:{line}:" in await answer.text()
    form = FormData({"do": "import"})
    form.add_field("file", PLAN.encode(), filename="plan.yaml")
    answer = await client.post("/dispatch-routes", data=form, headers=operator, allow_redirects=False)
    assert answer.status == 303
    exported = await (await client.get("/dispatch-routes/plan.yaml", headers=operator)).text()
    assert "jeanne@ville.example" in exported


async def test_an_incident_is_taken_split_and_merged_by_hand_on_its_page(
    city: City, clock: Clock, client: TestClient[Any, Any], signed_in: SignedIn
) -> None:
    await plan(city)
    one = dispatcher(city, Ear())
    for rule in ("bin-full", "loop"):
        await arrive(city, *(change(f"{rule}{n}", hub=f"h{n}", site=f"s{n}", rule=rule) for n in range(3)))
    await turns(one)
    operator = await signed_in(Role.OPERATOR)
    said = await (await client.get("/incidents/1?lang=en", headers=operator | PAGE)).text()
    assert "Why these are one" in said
    assert (
        await client.post("/incidents/1", data={"do": "take"}, headers=operator, allow_redirects=False)
    ).status == 303
    await turns(one)
    asked = await city.storage.call(lambda storage: requested_changes(storage.alerts, "h1"))
    assert [act["alert"] for act in asked] == ["bin-full1"]
    split = {"do": "split", "hub": "h1", "alert": "bin-full1"}
    assert (await client.post("/incidents/1", data=split, headers=operator, allow_redirects=False)).status == 303
    merge = {"do": "merge", "into": "1"}
    assert (await client.post("/incidents/2", data=merge, headers=operator, allow_redirects=False)).status == 303
    assert len(await city.store.read(lambda r: table.children(r, 1))) == 5
    assert (await client.post("/incidents/1", data=merge, headers=operator)).status == 422
    crew = await signed_in(Role.CREW, HEAT)
    assert (await client.post("/incidents/1", data={"do": "take"}, headers=crew)).status == 403
    seen = await (await client.get("/incidents/1?lang=en", headers=crew | PAGE)).text()
    assert "Why these are one" not in seen  # evidence names what is of other services


async def test_a_script_in_the_text_of_an_alert_is_text(
    city: City, clock: Clock, client: TestClient[Any, Any], signed_in: SignedIn
) -> None:
    await plan(city)
    one = dispatcher(city, Ear())
    evil = "<script>alert(1)</script>"
    await arrive(city, change(text=evil, text_fr=evil, site=evil, value=evil))
    await turns(one)
    operator = await signed_in(Role.OPERATOR)
    for path in ("/alerts", "/alerts/h1/a1", "/interventions", "/interventions/1"):
        answer = await client.get(path, headers=operator | PAGE)
        assert answer.status == 200
        assert evil not in await answer.text()


@pytest.mark.parametrize("lang", ["fr", "en"])
async def test_each_page_is_there_without_a_plan_too(
    city: City, clock: Clock, client: TestClient[Any, Any], signed_in: SignedIn, lang: str
) -> None:
    operator = await signed_in(Role.OPERATOR)
    for path in ("/alerts", "/interventions", "/duty", "/dispatch-routes"):
        answer = await client.get(f"{path}?lang={lang}", headers=operator | PAGE)
        assert answer.status == 200, (path, await answer.text())


async def test_a_rota_overseas_is_shown_and_swapped_in_its_own_time(
    city: City, client: TestClient[Any, Any], signed_in: SignedIn
) -> None:
    await plan(city, PLAN.replace("waste: {name: Propreté}", "waste: {name: Propreté, zone: America/Miquelon}"))
    head = await signed_in(Role.HEAD, name="head")
    swap = {
        "service": "waste",
        "person": "jeanne",
        "instead": "",
        "begin": "2027-03-14T00:00",
        "end": "2027-03-15T00:00",
    }
    for service in ("waste", "heat"):
        answer = await client.post("/duty", data=swap | {"service": service}, headers=head, allow_redirects=False)
        assert answer.status == 303
    found = await city.store.read(lambda r: {one.service: (one.begin_at, one.end_at) for one in table.swaps(r, 0.0)})
    assert found["waste"] == (1_804_993_200.0, 1_804_993_200.0 + 23 * 3600)  # that day has 23 hours there
    assert found["heat"] == (1_804_978_800.0, 1_804_978_800.0 + 24 * 3600)
    page = await (await client.get("/duty?lang=en", headers=head | PAGE)).text()
    assert "Times of America/Miquelon" in page
    assert "Times of Europe/Paris" in page
    assert page.count("2027-03-14 00:00") >= 2


async def test_the_directory_says_what_each_person_can_do_here(
    city: City, client: TestClient[Any, Any], signed_in: SignedIn
) -> None:
    await plan(city)
    admin = await signed_in(Role.ADMIN, name="admin")
    await signed_in(Role.CREW, WASTE, "jeanne")

    async def standing(name: str) -> str:
        text = await (await client.get("/duty?lang=en", headers=admin | PAGE)).text()
        row = text[text.rindex(f'role="rowheader">{name}<') :]
        return row[: row.index("</tr>")]

    assert "takes it and reports" in await standing("Jeanne")
    assert "not there yet" in await standing("Paul")
    assert "No account" in await standing("Nour")
    await signed_in(Role.DPO, name="paul")
    assert "takes nothing" in await standing("Paul")
    answer = await client.post("/people/jeanne/disable", headers=admin, allow_redirects=False)
    assert answer.status == 303
    assert "told of nothing" in await standing("Jeanne")
