"""Floor plans and the map: where marks stand, what is drawn, and what is never shown."""

from __future__ import annotations

import math
import re
import struct
import time
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.model import Place, Position, Report
from hub.web.areas.plan import floors

from .areas.test_overview import ALERT
from .web_kit import Pages, roster

NEAR = st.tuples(st.floats(-0.02, 0.02), st.floats(-0.02, 0.02))


def great_circle(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Metres, by the haversine formula."""
    (a, b), (c, d) = (tuple(map(math.radians, point)) for point in (one, other))
    share = math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
    return 2 * 6_371_008.8 * math.asin(math.sqrt(share))


@given(st.floats(-60, 60), st.floats(-180, 180), st.lists(NEAR, min_size=1, max_size=8))
def test_a_length_on_the_map_is_that_on_earth_by_its_bar_and_north_is_up(
    latitude: float, longitude: float, offsets: list[tuple[float, float]]
) -> None:
    places = [(latitude + up, (longitude + right + 180) % 360 - 180) for up, right in offsets]
    drawn = floors.projected(places)
    metre = drawn.bar / drawn.bar_m
    for here, at in zip(places, drawn.points, strict=True):
        assert 0 <= at[0] <= drawn.width
        assert 0 <= at[1] <= drawn.height
        for there, to in zip(places, drawn.points, strict=True):
            assert math.dist(at, to) / metre == pytest.approx(great_circle(here, there), rel=2e-3, abs=0.5 / metre)
            assert (here[0] <= there[0]) or at[1] <= to[1]
    assert drawn.bar <= drawn.width / 3 + 0.1


def test_the_bar_is_a_round_length() -> None:
    assert [floors.round_length(most) for most in (1.0, 1.9, 49.9, 50.0, 999.0, 7300.0)] == [1, 1, 20, 50, 500, 5000]


def png(width: int, height: int) -> bytes:
    """A black picture."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async with Pages(tmp_path) as pages:
        yield pages


async def put_plan(pages: Pages, **pins: tuple[float, float]) -> None:
    body = png(200, 100)
    insert = "INSERT INTO plans (id, name, kind, body, at) VALUES ('ab12', 'Rez-de-chaussée', 'image/png', ?, 1)"
    await pages.store.call(lambda db: db.execute(insert, (body,)) and None)
    pinned = {place: {"plan": "ab12", "x": x, "y": y} for place, (x, y) in pins.items()}

    async def shown(arguments: Any) -> Any:
        return {**roster([]), "pins": pinned}

    pages.hub.answers["roster.show"] = shown


def outdoors(pages: Pages, *places: Place, dwellings: frozenset[str] = frozenset()) -> None:
    parts = pages.site.parts
    parts.places.assign([*parts.places, *places])
    pages.site.set_services(parts._replace(dwellings=dwellings))


def test_devices_of_one_place_stand_beside_each_other_and_an_alert_is_at_its_device() -> None:
    device = {"place": "hall", "name": "", "state": "green", "fr": "", "en": "", "last_seen_s": 1.0}
    alert = {"device": "b", "place": "hall"}
    drawn = floors.marks(
        {"hall": (10.0, 20.0), "attic": (1.0, 2.0)},
        {"hall": "rooms"},
        [{**device, "id": "b"}, {**device, "id": "a"}, {**device, "id": "c", "place": "elsewhere"}],
        [alert, {"device": "", "place": "attic"}],
        5.0,
    )
    assert [(one["number"], one["device"], one["x"], one["y"], len(one["alerts"])) for one in drawn] == [
        (1, "", 1.0, 2.0, 1),
        (2, "a", 10.0, 20.0, 0),
        (3, "b", 15.0, 20.0, 1),
    ]
    assert drawn[0]["state"] == floors.NO_DEVICE


@pytest.mark.real("network")
async def test_a_plan_shows_each_place_where_it_was_put_with_its_state_and_a_table_says_the_same(pages: Pages) -> None:
    browser = await pages.claimed()
    await put_plan(pages, **{"salle-0": (0.25, 0.5), "salle-1": (0.75, 0.5), "gone": (0.1, 0.1)})
    pages.hub.hear(0, 20.0)
    text = (await browser.get("/plan?lang=fr"))[1]
    assert '<image href="/plans/ab12" width="200" height="100">' in text
    assert re.findall(r'<svg class="at[^"]*" x="([\d.]+)%" y="([\d.]+)%"', text) == [("25.0", "50.0"), ("75.0", "50.0")]
    first, second = (one["id"] for one in (pages.hub.row(device) for device in pages.hub.devices[:2]))
    assert re.findall(r'<tr role="row" data-device="([^"]+)">', text) == [first, second]
    assert "1 emplacement avec un appareil " in text  # salle-2
    status, answer = await browser.api("GET", "/plan")
    assert status == 200
    assert [(one["place"], one["state"]) for one in answer["marks"]] == [("salle-0", "green"), ("salle-1", "waiting")]
    only = (await browser.get("/plan?chosen=1&zones=1"))[1]
    assert 'class="at"' not in only
    assert '<rect class="zone ' in only
    assert "Aucun emplacement de cette zone" in (await browser.get("/plan?zone=other&lang=fr"))[1]


@pytest.mark.real("network")
async def test_the_map_shows_positions_of_the_configuration_never_those_of_devices_or_dwellings(pages: Pages) -> None:
    browser = await pages.claimed()
    outdoors(
        pages,
        Place(id="mat", site="school", zone="yard", position=Position(latitude=48.1, longitude=-1.6)),
        Place(id="logis", site="school", zone="homes", position=Position(latitude=48.7654, longitude=-1.61234)),
        dwellings=frozenset({"homes"}),
    )
    slot = pages.hub.slots[pages.hub.devices[0].id]
    slot.report = Report(device=pages.hub.devices[0].id, values={}, position=Position(latitude=47.4321, longitude=-2.0))
    status, answer = await browser.api("GET", "/plan")
    assert (status, answer["view"], answer["hidden"]) == (200, "map", 1)
    assert answer["positions"] == {"mat": [48.1, -1.6]}
    text = (await browser.get("/plan?view=map&lang=fr"))[1]
    assert "48,10000°" in text
    assert not re.search(r"47[.,]4321|48[.,]7654|logis\b", text)
    assert not re.search(r'(?:href|src)="(?:https?:)?//', text)


@pytest.mark.real("network")
async def test_without_a_plan_the_page_says_what_to_do_next_to_who_may_do_it(pages: Pages) -> None:
    text = (await (await pages.claimed()).get("/plan"))[1]
    assert 'href="/commissioning/plan"' in text
    text = (await (await pages.person("lecteur")).get("/plan?lang=fr"))[1]
    assert "Demandez-le à un technicien." in text
    await put_plan(pages)
    assert "Aucun emplacement ne s'y trouve" in (await (await pages.person("technicien")).get("/plan?lang=fr"))[
        1
    ].replace("&#39;", "'")


async def put_outlines(pages: Pages, **corners: list[list[float]]) -> None:
    told = pages.hub.answers["roster.show"]

    async def shown(arguments: Any) -> Any:
        return {**await told(arguments), "outlines": {"ab12": corners}}

    pages.hub.answers["roster.show"] = shown


@pytest.mark.real("network")
async def test_a_mark_shows_the_main_value_of_its_device_judged_as_on_the_overview_and_says_when_it_is_old(
    pages: Pages,
) -> None:
    browser = await pages.claimed()
    await put_plan(pages, **{"salle-0": (0.25, 0.5), "salle-1": (0.75, 0.5)})
    pages.site.set_services(pages.site.parts._replace(rooms=frozenset({"rooms"})))
    pages.hub.hear(0, 17.24)
    pages.hub.hear(1, 21.0)
    pages.hub.slots[pages.hub.devices[1].id].time = time.time()
    text = (await browser.get("/plan?lang=fr"))[1]
    first, second = text.split('<svg class="at')[1:3]
    assert first.startswith(" aged")
    assert second.startswith('" ')
    value = r'data-series="salle-0/temperature"[^>]*>17,2</tspan>&#8239;°C<tspan dx="4" class="state waiting"'
    assert re.search(value, first)
    assert '<tspan class="word">▼</tspan>' in first, "colour is never alone"
    assert '<tspan class="word">✓</tspan>' in second
    assert 'href="/plan/places/salle-0"' in first
    assert "frais" in text.split("<table", 1)[1], "the table says the same in words"


@pytest.mark.real("network")
async def test_a_zone_has_the_colour_and_the_sign_of_its_worst_mark_and_the_outline_that_somebody_drew(
    pages: Pages,
) -> None:
    browser = await pages.claimed()
    await put_plan(pages, **{"salle-0": (0.25, 0.5)})
    pages.hub.hear(0, 20.0)
    assert '<rect class="zone green" data-zone-shape="rooms"' in (await browser.get("/plan"))[1]
    await put_outlines(pages, rooms=[[0.0, 0.0], [0.5, 0.0], [0.5, 1.0]], gone=[[0, 0], [1, 0], [1, 1]])
    pages.hub.alerts = [{**ALERT, "place": "salle-0", "device": ""}]
    text = (await browser.get("/plan"))[1]
    polygons = re.findall(r'<polygon class="zone (\w+)" data-zone-shape="(\w+)" points="([^"]*)"', text)
    assert polygons == [("alarmed", "rooms", "0.0,0.0 100.0,0.0 100.0,100.0 ")]
    assert '<tspan data-zone-sign="rooms">▲</tspan>' in text


def test_what_is_worst_in_a_zone_is_a_device_in_trouble_then_an_alert_then_comfort() -> None:
    def mark(state: str, *, alerts: int = 0, comfort: str = "") -> dict[str, Any]:
        values = [{"comfort": {"state": comfort} if comfort else None}]
        return {"state": state, "alerts": [{}] * alerts, "values": values}

    states = [mark("green"), mark("green", comfort="waiting"), mark("green", alerts=1), mark("trouble", alerts=1)]
    assert [floors.state_of(one) for one in states] == ["green", "waiting", "alarmed", "trouble"]
    assert floors.worst([]) == floors.NO_DEVICE
    assert floors.worst(["none", "green", "waiting"]) == "waiting"


@pytest.mark.real("network")
async def test_marks_are_moved_and_zones_outlined_by_who_works_here_and_nobody_else(pages: Pages) -> None:
    await pages.claimed()
    technician, reader = await pages.person("technicien"), await pages.person("lecteur")
    pin = {"place": "salle-0", "plan": "ab12", "x": 0.5, "y": 0.25}
    outline = {"zone": "rooms", "plan": "ab12", "points": [[0, 0], [1, 0], [1, 1]]}
    for path, fields, name in (("/plan/pins", pin, "roster.pin"), ("/plan/outlines", outline, "roster.outline")):
        assert (await technician.api("POST", path, fields))[0] == 200
        assert [told for said, told in pages.hub.asked if said == name] == [{**fields, "by": "web:p-technicien"}]
        assert (await reader.api("POST", path, fields))[0] == 403
    await put_plan(pages, **{"salle-0": (0.5, 0.5)})
    assert "data-unplaced" in (await technician.get("/plan"))[1]
    assert "data-unplaced" not in (await reader.get("/plan"))[1]


@pytest.mark.real("network")
async def test_a_place_has_a_page_with_its_values_their_age_and_a_chart_and_an_unknown_one_has_none(
    pages: Pages,
) -> None:
    browser = await pages.claimed()
    pages.hub.hear(0, 20.5)
    status, text, _ = await browser.get("/plan/places/salle-0?lang=fr")
    assert status == 200
    part = text.split("<article data-sheet-part>")[1]
    assert re.search(r'data-series="salle-0/temperature"[^>]*>20,5<', part)
    assert 'data-age="salle-0/temperature"' in part
    assert "/api/1/history?device=lorawan%3A0000000000000000&amp;metric=temperature" in part
    assert f'href="/devices/{quote(pages.hub.devices[0].id, safe="")}"' in part
    assert (await browser.get("/plan/places/nowhere"))[0] == 404
