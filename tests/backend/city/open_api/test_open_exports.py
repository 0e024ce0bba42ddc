"""Exports by example, read by others: DuckDB for Parquet, the Smart Data Models' own list for NGSI-LD."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from backend.city.city import City
from backend.city.open_api import ngsi_ld
from backend.city.open_api.ngsi_ld import Newest, ThingToTell
from backend.city.people.viewer import Scope

from .open_kit import NOW, Device, person, serving

RANGE = "from=2027-01-15T08:00:00Z&to=2027-01-16T00:00:00%2B01:00"


async def get(client: Any, path: str, status: int = 200, **headers: str) -> tuple[bytes, Any]:
    async with client.get(f"/open/{path}", headers=headers) as reply:
        body = await reply.read()
        assert reply.status == status, (path, body)
        return body, reply


@pytest.mark.real("network")
async def test_things_are_a_feature_collection_page_by_page(client: Any, devices: list[Device]) -> None:
    found, url = [], "things?limit=3"
    while url:
        body, reply = await get(client, url)
        assert reply.content_type == "application/geo+json"
        found += json.loads(body)["features"]
        url = str(reply.links["next"]["url"]).partition("/open/")[2] if "next" in reply.links else ""
    assert [one["id"] for one in found] == [one.id for one in devices]
    assert found[0]["geometry"] == {"type": "Point", "coordinates": [2.3, 48.8]}
    assert found[5]["geometry"] is None
    series = devices[0].series[0]
    assert found[0]["properties"]["values"]["temperature"]["value"] == series.readings[-1][1]
    body, _ = await get(client, "things.geojson?kind=air&service=roads")
    assert [one["id"] for one in json.loads(body)["features"]] == [1, 7]


@pytest.mark.real("network")
async def test_things_and_series_as_csv_and_parquet_hold_the_same(
    client: Any, devices: list[Device], tmp_path: Path
) -> None:
    duckdb = pytest.importorskip("duckdb")
    for name, count in (("things", 8), ("series", sum(len(one.series) for one in devices))):
        body, reply = await get(client, f"{name}.csv")
        assert reply.content_type == "text/csv"
        rows = list(csv.DictReader(io.StringIO(body.decode(), newline="")))
        body, _ = await get(client, name, Accept="application/vnd.apache.parquet")
        (tmp_path / "x.parquet").write_bytes(body)
        read = duckdb.sql(f"select * from '{tmp_path / 'x.parquet'}' order by id")
        assert read.columns == list(rows[0])
        assert [str(row[0]) for row in read.fetchall()] == [row["id"] for row in rows]
        assert len(rows) == count


@pytest.mark.real("network")
async def test_a_name_is_no_formula_of_a_spreadsheet(client: Any, town: City) -> None:
    await town.store.write(lambda t: t.run("update things set name = '=1+1' where id = 1"))
    body, _ = await get(client, "things.csv?limit=1")
    assert "'=1+1" in body.decode()


@pytest.mark.real("network")
@pytest.mark.parametrize("form", ["json", "csv", "ndjson", "parquet"])
async def test_readings_are_those_of_the_series_page_by_page(
    client: Any, devices: list[Device], tmp_path: Path, form: str
) -> None:
    duckdb = pytest.importorskip("duckdb")
    chosen = [devices[0].series[0], devices[1].series[0]]
    url: str = f"readings.{form}?series={chosen[1].id}&series={chosen[0].id}&{RANGE}&limit=25"
    found: list[tuple[str, float]] = []
    while url:
        body, reply = await get(client, url)
        if form == "json":
            found += [(row["device"], row["value"]) for row in json.loads(body)["rows"]]
        elif form == "ndjson":
            found += [(row["device"], row["value"]) for row in map(json.loads, body.splitlines())]
        elif form == "csv":
            text = io.StringIO(body.decode(), newline="")
            found += [(row["device"], float(row["value"])) for row in csv.DictReader(text)]
        else:
            (tmp_path / "x.parquet").write_bytes(body)
            found += duckdb.sql(f"select device, value from '{tmp_path / 'x.parquet'}'").fetchall()
        url = str(reply.links["next"]["url"]).partition("/open/")[2] if "next" in reply.links else ""
    expected = [(f"ble:{at + 1}", value) for at, one in enumerate(chosen) for _, value, _ in one.readings]
    assert found == expected


@pytest.mark.real("network")
@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        (f"readings?series=99&{RANGE}", 404, "no such series"),
        (f"readings?series=x&{RANGE}", 404, "no such series"),
        (f"readings?{RANGE}", 400, "1 to 50 times"),
        ("readings?series=1&from=2027-01-15T08:00:00Z&to=2027-01-15T08:00:00Z", 400, "lies after"),
        ("readings?series=1&from=2027-01-15T08:00:00Z&to=2029-01-15T08:00:00Z", 400, "at most 366 days"),
        ("readings?series=1&from=2027-01-15&to=2029-01-15T08:00:00Z", 400, "no moment"),
        (f"readings?series=1&{RANGE}&after=xyz", 400, "no cursor"),
        ("things?colour=red", 400, "no parameter colour"),
        ("things?limit=99999", 400, "limit lies between"),
        ("ngsi-ld?type=Car", 400, "type is one of"),
        ("things.pdf", 404, ""),
    ],
)
async def test_a_wrong_question_is_told_what_is_wrong(client: Any, path: str, status: int, said: str) -> None:
    body, _ = await get(client, path, status)
    assert said in body.decode()
    await get(client, "things", 406, Accept="image/png")


@pytest.mark.real("network")
async def test_exports_keep_to_the_scope(town: City, devices: list[Device]) -> None:
    scope = Scope(frozenset({"parks"}), classes=frozenset({"public"}))
    own = [one.id for one in devices if one.service == "parks" and one.privacy == "public"]
    other = next(one for one in devices if one.id not in own)
    async with serving(town, person(scope)) as client:
        body, _ = await get(client, "things")
        assert [one["id"] for one in json.loads(body)["features"]] == own
        body, _ = await get(client, "series")
        assert {one["thing"] for one in json.loads(body)["series"]} == set(own)
        await get(client, f"readings?series={other.series[0].id}&{RANGE}", 404)
        body, _ = await get(client, "ngsi-ld")
        assert {one["serialNumber"]["value"] for one in json.loads(body) if one["type"] == "Device"} == {
            f"ble:{number}" for number in own
        }
        body, _ = await get(client, "ngsi-ld?type=Building")
        assert {one["id"].rpartition(":")[2] for one in json.loads(body)} == {
            one.site for one in devices if one.id in own
        }


@cache
def models() -> tuple[dict[str, dict[str, Any]], dict[str, list[str]]]:
    """Return attributes and required ones of each model, as the programme publishes them."""
    found = importlib.util.find_spec("pysmartdatamodels")
    if found is None or found.origin is None:
        pytest.skip("pysmartdatamodels is not installed")
    folder = Path(found.origin).parent / "model-assets"
    attributes: dict[str, dict[str, Any]] = {}
    with gzip.open(folder / "smartdatamodels.json.gz") as file:
        for one in json.load(file):
            if one["repoName"] == ngsi_ld.TYPES.get(one["dataModel"]):
                attributes.setdefault(one["dataModel"], {})[one["property"]] = one
    required = {
        one["dataModel"]: one["required"]
        for one in json.loads((folder / "datamodels_metadata.json").read_text())
        if one["subject"] == ngsi_ld.TYPES.get(one["dataModel"])
    }
    return attributes, required


def check(entity: dict[str, Any]) -> None:
    """Hold an entity to the programme's own description of its model."""
    attributes, required = models()
    model = entity["type"]
    assert set(required[model]) <= set(entity), (model, entity)
    kinds = {"number": (int, float), "string": str, "array": list, "object": dict, "boolean": bool}
    for name, value in entity.items():
        if name in ("id", "type", "@context"):
            continue
        described = attributes[model][name]
        assert value["type"] == described["typeNGSI"], (model, name)
        inner = value["object"] if value["type"] == "Relationship" else value["value"]
        assert isinstance(inner, kinds[described["type"]]), (model, name, inner)
        if described.get("enum"):
            assert inner in described["enum"], (model, name, inner)
        if value["type"] == "Relationship":
            assert all(one.startswith("urn:ngsi-ld:") for one in (inner if isinstance(inner, list) else [inner]))


@pytest.mark.real("network")
async def test_entities_are_what_the_smart_data_models_say(client: Any, devices: list[Device]) -> None:
    seen = set()
    for model in ("", *ngsi_ld.TYPES):
        body, reply = await get(client, f"ngsi-ld?type={model}")
        assert reply.content_type == "application/ld+json"
        for entity in json.loads(body):
            check(entity)
            seen.add(entity["type"])
            assert entity["@context"][-1] == ngsi_ld.CORE
            assert len(entity["@context"]) == 2
    assert seen == set(ngsi_ld.TYPES) - {"Streetlight"}  # the only one has no position, which its model demands


VALUES: dict[str, Any] = {
    "temperature": 21.5, "humidity": 45, "fill_level": 80, "pm10": 12, "pm2_5": 7, "co2": 600, "light": True,
    "dimmer": 50, "occupancy": False, "pressure": 1013, "speed": 3.2, "direction": 180, "precipitation": 1.5,
    "irradiance": 300, "dew_point": 9, "illuminance": 1000, "fault": True,
}  # fmt: skip


@pytest.mark.parametrize("kind", [*ngsi_ld.MODEL_OF, "room"])
def test_each_rule_gives_what_its_model_has(kind: str) -> None:
    newest = {metric: Newest(value, "", NOW) for metric, value in VALUES.items()}
    thing = ThingToTell(1, "hub-1", "ble:1", kind, "A thing", "école", "", "acme", (2.3, 48.8), NOW, newest)
    made = ngsi_ld.entities(thing)
    for entity in made:
        check(entity)
    if kind == "room":
        assert [one["type"] for one in made] == ["Device"]
        return
    model = ngsi_ld.MODEL_OF[kind]
    told = {rule.attribute for rule in ngsi_ld.RULES[model] if rule.metric in VALUES}
    assert told <= set(made[1])
    shares = [made[1][name]["value"] for name in ("fillingLevel", "relativeHumidity") if name in made[1]]
    assert all(0 <= one <= 1 for one in shares)
    check(ngsi_ld.building("école 1", "École", "1 rue des Écoles", "school", (2.3, 48.8)))


def test_what_a_model_demands_and_nobody_knows_is_not_made_up() -> None:
    thing = ThingToTell(1, "hub-1", "ble:1", "air", "A thing", "s", "", "", (2.3, 48.8), NOW, {})
    assert [one["type"] for one in ngsi_ld.entities(thing)] == ["Device"]
    nowhere = thing._replace(kind="waste-container", point=None)
    assert [one["type"] for one in ngsi_ld.entities(nowhere)] == ["Device"]
