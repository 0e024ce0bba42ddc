"""SensorThings by example: addresses, options, pages, refusals."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.city.open_api import resources
from backend.city.open_api.evaluation import compile_filter
from backend.city.open_api.filters import parse_filter, parse_path
from backend.city.open_api.geometry import parse_wkt
from backend.city.open_api.model import SETS, Catalogue
from backend.city.open_api.options import parse_query
from backend.city.open_api.times import FIRST_MS, LAST_MS, parse_time, time_text
from backend.storage.city.register import Thing
from hub.core.errors import DecodeError

from .open_kit import NOW, Device

BASE = "/sta/v1.1"
WEST = "2.29 48.79,2.325 48.79,2.325 48.9,2.29 48.9,2.29 48.79"
WHEN = "2027-01-15T08:00:00.000Z"


async def get(client: Any, path: str, status: int = 200) -> Any:
    async with client.get(f"{BASE}{path}") as reply:
        body = await reply.read()
        assert reply.status == status, (path, reply.status, body)
        return None if status == 204 else await reply.json(content_type=None)


@pytest.mark.real("network")
async def test_the_root_lists_the_sets_and_what_conforms(client: Any) -> None:
    for path in ("", "/"):
        root = await get(client, path)
        assert [one["name"] for one in root["value"]] == [
            "Things", "Locations", "HistoricalLocations", "Datastreams", "Sensors", "ObservedProperties",
            "Observations", "FeaturesOfInterest",
        ]  # fmt: skip
        assert all(one["url"].startswith("http://127.0.0.1") for one in root["value"])
        told = root["serverSettings"]["conformance"]
        assert not [one for one in told if "create" in one or "built-in" in one or "batch" in one]


@pytest.mark.real("network")
async def test_every_link_of_every_entity_leads_somewhere(client: Any) -> None:
    sets = (await get(client, ""))["value"]
    asked = 0
    for one in sets:
        page = await get(client, f"/{one['name']}?$top=3")
        for entity in page["value"]:
            own = entity["@iot.selfLink"]
            again = await get(client, own.partition(BASE)[2])
            assert again == entity
            for name, link in entity.items():
                if name.endswith("@iot.navigationLink"):
                    asked += 1
                    async with client.get(BASE + link.partition(BASE)[2]) as reply:
                        assert reply.status == 200 or (reply.status == 404 and "Location" in link), link
    assert asked > 40


@pytest.mark.real("network")
async def test_a_property_and_its_value_stand_alone(client: Any) -> None:
    assert await get(client, "/Things(1)/name") == {"name": "air 1"}
    async with client.get(f"{BASE}/Things(1)/name/$value") as reply:
        assert (await reply.text(), reply.content_type) == ("air 1", "text/plain")
    assert await get(client, "/Things(1)/properties/kind") == {"kind": "air"}
    assert await get(client, "/Locations(1)/location") == {"location": {"type": "Point", "coordinates": [2.3, 48.8]}}
    await get(client, "/Things(8)/properties/lastSeen", 204)
    assert await get(client, f"/Observations('1-{NOW}')/resultTime") == {"resultTime": WHEN}


@pytest.mark.real("network")
async def test_references_are_addresses_and_nothing_else(client: Any) -> None:
    told = await get(client, "/Things(1)/Datastreams/$ref?$top=1&$count=true")
    assert [set(one) for one in told["value"]] == [{"@iot.selfLink"}]
    assert told["@iot.count"] == 2
    assert "/$ref?" in told["@iot.nextLink"]
    assert len((await get(client, told["@iot.nextLink"].partition(BASE)[2]))["value"]) == 1
    one = await get(client, "/Datastreams(1)/Thing/$ref")
    assert one["@iot.selfLink"].endswith("/Things(1)")


@pytest.mark.real("network")
async def test_observations_have_both_times_and_a_text_for_an_id(client: Any, devices: list[Device]) -> None:
    page = await get(client, "/Datastreams(1)/Observations?$top=2&$count=true")
    series = devices[0].series[0]
    assert page["@iot.count"] == len(series.readings)
    assert [one["phenomenonTime"] for one in page["value"]] == [WHEN, "2027-01-15T08:07:00.000Z"]
    assert all(one["resultTime"] == one["phenomenonTime"] for one in page["value"])
    assert [one["@iot.id"] for one in page["value"]] == [f"1-{NOW}", f"1-{NOW + 7 * 60_000}"]
    assert page["value"][0]["result"] == series.readings[0][1]


@pytest.mark.real("network")
async def test_pages_follow_each_other_without_a_gap_in_any_order(client: Any, devices: list[Device]) -> None:
    for options in (
        "",
        "$orderby=phenomenonTime desc&",
        "$orderby=result desc&",
        "$orderby=Datastream/id desc,result&",
    ):
        found: list[str] = []
        url = f"/Observations?{options}$top=37"
        while url:
            page = await get(client, url)
            found += [one["@iot.id"] for one in page["value"]]
            assert page.get("@iot.nextLink", "http://").startswith("http://")
            url = page.get("@iot.nextLink", "").partition(BASE)[2]
        assert len(found) == len(set(found)) == sum(len(s.readings) for one in devices for s in one.series), options


@pytest.mark.real("network")
async def test_nothing_of_a_top_of_zero_but_the_count(client: Any) -> None:
    assert await get(client, "/Things?$top=0&$count=true") == {"@iot.count": 8, "value": []}
    assert await get(client, "/Datastreams(1)/Observations?$top=0&$count=true") == {"@iot.count": 30, "value": []}


@pytest.mark.real("network")
async def test_expansions_go_into_each_other_by_path_and_in_parentheses(client: Any) -> None:
    nested = "Datastreams($select=name;$expand=ObservedProperty($select=name),Thing($select=id;$expand=Locations))"
    told = await get(client, f"/Things?$top=1&$expand={nested}")
    stream = told["value"][0]["Datastreams"][0]
    assert set(stream) == {"name", "ObservedProperty", "Thing"}
    assert stream["Thing"]["Locations"][0]["location"]["type"] == "Point"
    by_path = await get(client, "/Things(1)?$expand=Datastreams/Thing/Locations,Datastreams/Sensor")
    first = by_path["Datastreams"][0]
    assert first["Sensor"]["name"] == "ble:1"
    assert first["Thing"]["Locations"][0]["@iot.id"] == 1
    deep = "Datastreams/Thing/Locations/Things"
    assert (await get(client, f"/Things(1)?$expand={deep}"))["Datastreams"]
    refused = await get(client, f"/Things(1)?$expand={deep}/Datastreams", 400)
    assert "at most 4 deep" in refused["message"]


@pytest.mark.real("network")
async def test_the_newest_of_each_series_comes_out_of_the_table_and_is_the_same(
    client: Any, devices: list[Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/Datastreams?$filter=Thing/id ne 8&$expand=Observations($orderby=phenomenonTime desc;$top={top})"
    two = await get(client, path.format(top=2))
    monkeypatch.setattr("backend.city.open_api.observations.SeriesHistory", None)
    one = await get(client, path.format(top=1))
    for a, b in zip(one["value"], two["value"], strict=True):
        assert a["Observations"] == b["Observations"][:1]
        if a["Observations"]:
            after = a["Observations@iot.nextLink"].partition(BASE)[2]
            monkeypatch.undo()
            following = await get(client, after)
            assert following["value"] == b["Observations"][1:2]
            monkeypatch.setattr("backend.city.open_api.observations.SeriesHistory", None)


@pytest.mark.real("network")
@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("phenomenonTime ge 2027-01-15T09:00:00Z and phenomenonTime lt 2027-01-15T09:30:00Z", 4),
        ("phenomenonTime ge 2027-01-15T10:00:00%2B01:00 and phenomenonTime lt 2027-01-15T10:30:00%2B01:00", 4),
        ("phenomenonTime ge 2027-01-15T10:00:00+01:00 and phenomenonTime lt 2027-01-15T10:30:00+01:00", 4),
        ("2027-01-15T08:00:00Z eq resultTime", 1),
        ("phenomenonTime lt 2027-01-15T08:00:00.0005Z", 1),
        ("phenomenonTime gt 2027-01-15T08:00:00.0005Z and phenomenonTime le 2027-01-15T08:07:00Z", 1),
        ("phenomenonTime eq 2027-01-15T08:00:00.0005Z", 0),
        ("Datastream/Thing/name eq 'air 1' and result gt 24", 3),
        ("Datastream/Thing/name eq 'air 2'", 0),
    ],
)
async def test_conditions_of_time_and_series(client: Any, condition: str, found: int) -> None:
    told = await get(client, f"/Datastreams(1)/Observations?$filter={condition}&$count=true&$top=0")
    assert told["@iot.count"] == found
    assert len((await get(client, f"/Datastreams(1)/Observations?$filter={condition}"))["value"]) == found


@pytest.mark.real("network")
@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("startswith(name,'air')", [1, 7]),
        ("endswith(name,' 3') or substringof('light',name)", [3, 6]),
        ("not startswith(name,'air') and properties/service eq 'roads'", [3, 5]),
        ("Datastreams/ObservedProperty/name eq 'label'", [1, 2, 4, 5, 7, 8]),
        (f"geo.intersects(Locations/location,geography'POLYGON(({WEST}))')", [1, 2, 3]),
        ("id gt 6 and properties/mobile eq false", [7, 8]),
        ("properties/lastSeen eq null", [8]),
        ("Locations/id ne null", [1, 2, 3, 4, 5, 7, 8]),
    ],
)  # fmt: skip
async def test_conditions_of_things(client: Any, devices: list[Device], condition: str, found: list[int]) -> None:
    told = await get(client, f"/Things?$filter={condition}")
    if "label" in condition:
        found = [one.id for one in devices if any(s.metric == "label" for s in one.series)]
    assert [one["@iot.id"] for one in told["value"]] == found


@pytest.mark.real("network")
@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/Thing", 404, "there is no Thing"),
        ("/Things(99)", 404, "nothing at this address"),
        ("/Things(1)/Nothing", 404, "nothing at this address"),
        ("/Things('1')", 200, ""),
        ("/Things(99999999999)", 404, "nothing"),
        ("/Observations('x')", 404, "nothing"),
        ("/Observations('1-5')", 404, "nothing"),
        ("/Datastreams(2)/Observations('1-1800000000000')", 404, "nothing"),
        ("/Things?$filter=name", 400, "at character 5"),
        ("/Things?$filter=nme eq 'x'", 400, "have no nme"),
        ("/Things?$filter=name eq 5", 400, "not compared"),
        ("/Things?$filter=concat(name,'x') eq 'y'", 400, "concat is not offered"),
        ("/Things?$filter=name eq 'x", 400, "cannot be read at character 9"),
        ("/Things?$filter=Datastreams/Observations/result gt 1", 400, "cannot go over Observations"),
        ("/Things?$filter=geo.intersects(Locations/location,geography'POINT(200 0)')", 400, "no geometry"),
        ("/Things?$filter=geo.intersects(name,geography'POINT(2 0)')", 400, "geo.intersects takes"),
        ("/Datastreams(1)/Observations?$filter=phenomenonTime gt 2027-01-15T08:00:00", 400, "is no moment"),
        ("/Things?$filter=" + "(" * 30 + "id eq 1" + ")" * 30, 400, "at most 24 deep"),
        ("/Things?$filter=" + " or ".join(["id eq 1"] * 300), 400, "at most 200"),
        ("/Things?$top=-1", 400, "$top is a whole number"),
        ("/Things?$top=x", 400, "$top is a whole number"),
        ("/Things?$skip=1.5", 400, "$skip is a whole number"),
        ("/Things?$count=yes", 400, "$count is true or false"),
        ("/Things?$select=colour", 400, "have no colour"),
        ("/Things?$orderby=colour", 400, "have no colour"),
        ("/Things?$orderby=name up", 400, "asc or desc"),
        ("/Things?$orderby=Datastreams/name", 400, "has no order"),
        ("/Things?$expand=Observations", 400, "no Observations to expand"),
        ("/Things?$expand=Datastreams(", 400, "not closed"),
        ("/Things?$top=1&$top=2", 400, "given twice"),
        ("/Things?$search=x", 400, "no option $search"),
        ("/Things?$skiptoken=x", 400, "no cursor"),
        ("/Things?x", 400, "query cannot be read"),
        ("/Things/Datastreams", 404, "nothing"),
        ("/Things%ff", 400, "cannot be read"),
        ("/" + "/".join(["Things(1)"] * 13), 400, "at most 12"),
    ],
)
async def test_a_wrong_question_is_told_what_is_wrong(client: Any, path: str, status: int, said: str) -> None:
    told = await get(client, path, status)
    if status != 200:
        assert said in told["message"]
        assert (told["code"], told["type"], told["error"]) == (status, "error", told["message"])


@pytest.mark.real("network")
async def test_a_token_of_another_question_is_refused(client: Any) -> None:
    page = await get(client, "/Things?$top=2&$orderby=name desc")
    token = page["@iot.nextLink"].rpartition("$skiptoken=")[2]
    assert "another question" in (await get(client, f"/Things?$top=2&$skiptoken={token}", 400))["message"]


@pytest.mark.real("network")
async def test_nothing_is_written(client: Any) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for path in ("/Things", "/Things(1)", "/Datastreams(1)/Observations"):
            async with client.request(method, BASE + path, json={}) as reply:
                assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")
                assert (await reply.json())["code"] == 405
    async with client.head(f"{BASE}/Things") as reply:
        assert reply.status == 200
        assert not await reply.read()


@pytest.mark.real("network")
async def test_what_costs_too_much_is_refused_and_says_what_to_ask_instead(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.city.open_api.observations.MOST_READ", 60)
    assert "more than 60 observations" in (await get(client, "/Observations?$orderby=result", 400))["message"]
    monkeypatch.setattr("backend.city.open_api.observations.MOST_WRITTEN", 20)
    assert "more than 20 entities" in (await get(client, "/Datastreams?$expand=Thing,Sensor", 400))["message"]
    monkeypatch.setattr("backend.city.open_api.observations.MOST_MERGED", 2)
    assert "one order of time" in (await get(client, "/Observations?$orderby=phenomenonTime", 400))["message"]
    monkeypatch.setattr("backend.city.open_api.observations.LONGEST_S", -1.0)
    assert "takes longer than" in (await get(client, "/Datastreams(1)/Observations", 400))["message"]


@given(st.integers(FIRST_MS, LAST_MS))
def test_a_moment_is_written_as_the_calendar_has_it_and_read_back(time_ms: int) -> None:
    text = time_text(time_ms)
    assert text is not None
    assert parse_time(text) == time_ms * 1000
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
    assert text == at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@given(st.text(max_size=60))
def test_no_text_breaks_the_parsers(text: str) -> None:
    for parse in (parse_filter, parse_path, parse_time, parse_wkt, resources.parse_path):
        with suppress(DecodeError):
            parse(text)
    with suppress(DecodeError):
        parse_query(SETS["Things"], [("$filter", text), ("$expand", text), ("$orderby", text), ("$select", text)])


_WORDS = st.lists(
    st.sampled_from(
        ["(", ")", ",", "and", "or", "not", "eq", "gt", "name", "id", "/", "Datastreams", "'x'", "''", "'",
         "1",
         "null", "true", "2027-01-01T00:00:00Z", "startswith", "geo.intersects", "geography'POINT(2 48)'", "properties",
         "Locations", "location", " "]
    ),
    max_size=14,
)  # fmt: skip


@given(_WORDS)
def test_words_of_the_language_in_any_order_are_a_condition_or_refused(words: list[str]) -> None:
    with suppress(DecodeError):
        test = compile_filter(SETS["Things"], parse_filter(" ".join(words)))
        assert test(THING) in (True, False)


THING = Catalogue(
    [Thing(1, "h", "d", "s", "z", "p", "air", "air", "", "", "public", 0, 48.8, 2.3, "x", 1.0, "")], [], {}
).things[1]
