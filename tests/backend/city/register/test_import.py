"""The operator's files: what is right is taken whole, what is wrong is told with its line."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from backend_kit import Desk
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from backend.city.city import City
from backend.city.people.viewer import Scope
from backend.city.register import files, importing
from backend.city.register.geometry import read_area
from backend.cli.main import backend as command
from backend.storage.city import register
from backend.storage.city.register import Thing
from hub.core.errors import DecodeError

SECTORS = {
    "type": "FeatureCollection",
    "features": [
        {"type": "Feature", "properties": {"id": "nord", "name": "Nord"},
         "geometry": {"type": "Polygon", "coordinates": [
             [[2, 48], [3, 48], [3, 49], [2, 49], [2, 48]], [[2.4, 48.4], [2.6, 48.4], [2.6, 48.6], [2.4, 48.6],
                                                             [2.4, 48.4]]]}},
        {"type": "Feature", "id": "sud", "properties": {},
         "geometry": {"type": "MultiPolygon", "coordinates": [[[[2, 47], [3, 47], [3, 48], [2, 48], [2, 47]]]]}},
    ],
}  # fmt: skip


def test_a_position_lies_in_a_polygon_but_not_in_its_hole() -> None:
    area = read_area(SECTORS["features"][0]["geometry"])  # type: ignore[index]
    assert area.holds(2.1, 48.1)
    assert not area.holds(2.5, 48.5)
    assert not area.holds(3.5, 48.1)


@given(st.floats(2, 3), st.floats(47, 49))
def test_a_position_lies_in_one_of_two_areas_that_share_a_border(longitude: float, latitude: float) -> None:
    north = read_area({"type": "Polygon", "coordinates": [[[2, 48], [3, 48], [3, 49], [2, 49], [2, 48]]]})
    south = read_area(SECTORS["features"][1]["geometry"])  # type: ignore[index]
    count = north.holds(longitude, latitude) + south.holds(longitude, latitude)
    assert count == (2 <= longitude < 3 and 47 <= latitude < 49)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("id,name,lat,lon\na,A,48.5,2.5\nb,B,91,2.5\n", [(3, "register-cell")]),
        ("id,name,lat,lon\na,A,48.5,\n", [(2, "register-half-position")]),
        ("id,name\n,A\n", [(2, "register-lacks")]),
        ("id,address\na,x\n\nb,y\na,z\n", [(5, "register-doubled")]),
        ("id,address\na,x,y\n", [(2, "register-cells")]),
        ('id,address\n"a,x\n', [(2, "register-csv")]),
        ("hub,device,kind\nh,d,rocket\nh,e,room\n", [(2, "register-cell")]),
        ("hub,device,mobile\nh,d,perhaps\n", [(2, "register-cell")]),
        (
            (
                '{"type": "FeatureCollection", "features": [\n{"properties": {"id": "a"},\n "geometry": null},\n'
                '{"properties": {"id": "b"}, "geometry": {"type": "Point", "coordinates": [200, 0]}}]}'
            ),
            [(4, "register-off-the-earth")],
        ),
        ('{"features": [\n{"properties": {"id": "a"},\n "geometry": nul}]}', [(3, "register-geojson")]),
        (
            (
                '{"features": [{"properties": {"id": "a"},\n "geometry": {"type": "Polygon", "coordinates":'
                " [[[0,0],[1,1],[0,1]]]}}]}"
            ),
            [(1, "register-short-ring")],
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, problems: list[tuple[int, str]]) -> None:
    assert [(one.line, one.said.code) for one in files.parse(text.encode()).problems] == problems


@pytest.mark.parametrize("text", ["", "id,colour\na,red\n", "name\nA\n", "id,id\na,b\n"])
def test_a_first_line_of_nothing_known_is_refused(text: str) -> None:
    with pytest.raises(DecodeError, match="has the columns"):
        files.parse(text.encode())


def test_a_file_of_another_encoding_is_refused_with_its_line() -> None:
    with pytest.raises(DecodeError, match="line 2"):
        files.parse("id,name\né,x\n".encode("latin-1"))


def test_spreadsheets_of_the_country_are_read() -> None:
    found = files.parse("\ufeffID;Name;Lat;Lon\r\nécole;L'école, au nord;48,5;2,5\r\n".encode())
    assert (found.what, found.problems) == (files.SITES, [])
    assert found.lines[0].values == {"id": "école", "name": "L'école, au nord", "lat": 48.5, "lon": 2.5}


@given(st.binary(max_size=300))
def test_any_bytes_are_lines_or_problems_or_refused(data: bytes) -> None:
    for given_data in (data, b"id,name,lat,lon,sectors\n" + data, b'{"features":[' + data + b"]}"):
        try:
            files.parse(given_data)
        except DecodeError:
            continue


async def put(city: City, text: str, hubs: Any = (), what: str = "") -> list[tuple[int, str]]:
    parsed = files.parse(text.encode(), what)
    problems = await city.store.write(lambda t: importing.apply(t, parsed, hubs, time.time()))
    return [(one.line, one.said.code) for one in problems]


async def things(city: City, scope: Scope | None = None) -> dict[str, Thing]:
    return {one.device: one for one in await city.store.read(lambda r: register.things(r, scope))}


async def test_things_take_over_position_service_and_sectors_of_their_site(city: City) -> None:
    assert await put(city, "id,name\nvoirie,Voirie\neaux,Eaux\n") == []
    assert await put(city, json.dumps(SECTORS)) == []
    assert await put(city, "id,lat,lon,service,sectors\necole,48.1,2.1,voirie,\npiscine,,,,sud\n") == []
    text = "hub,device,site,service,lat,lon\nh,a,ecole,,,\nh,b,ecole,eaux,47.5,2.5\nh,c,piscine,,,\nh,d,,,48.5,2.5\n"
    assert await put(city, text, {"h"}) == []
    found = await things(city)
    assert [(one.lat, one.lon, one.service) for one in found.values()] == [
        (48.1, 2.1, "voirie"), (47.5, 2.5, "eaux"), (None, None, ""), (48.5, 2.5, ""),
    ]  # fmt: skip
    sectors = await city.store.read(lambda r: r.rows("select thing, sector from thing_sectors order by 1, 2"))
    assert sectors == [(found["a"].id, "nord"), (found["b"].id, "sud"), (found["c"].id, "sud")]
    assert set(await things(city, Scope(sectors=frozenset({"sud"})))) == {"b", "c"}
    assert set(await things(city, Scope(services=frozenset({"voirie"})))) == {"a"}
    assert set(await things(city, Scope(services=frozenset()))) == set()
    assert set(await things(city, Scope(classes=frozenset({"public"})))) == set()
    assert await put(city, "id,lat,lon\necole,47.1,2.1\n") == []
    assert set(await things(city, Scope(sectors=frozenset({"sud"})))) == {"a", "b", "c"}


async def test_a_file_with_a_wrong_line_changes_nothing(city: City) -> None:
    assert await put(city, "id,name,service,sectors\na,A,,\nb,B,nobody,nowhere\n") == [
        (3, "register-no-sector"),
        (3, "register-no-service"),
    ]
    assert await put(city, "hub,device,site\nh,d,nowhere\n") == [(2, "register-no-hub"), (2, "register-no-site")]
    assert await city.store.read(register.sites) == []


def test_the_commands_import_and_list(ingest: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ILOT_DATABASE", str(ingest.address))
    directory, hub = str(ingest.owner.directory), ingest.enrol().hub

    def call(*words: str) -> Any:
        return CliRunner().invoke(command, ["city", *words])

    for name, text in (
        ("services.csv", "id,name\nvoirie,Voirie\n"),
        ("sites.csv", "id,name,lat,lon,service\necole,École,48.1,2.1,voirie\n"),
        ("things.csv", f"hub,device,site,kind\n{hub},lora:1,ecole,street-light\n"),
    ):
        (tmp_path / name).write_text(text)
        done = call("import", directory, str(tmp_path / name), "--json")
        assert (done.exit_code, json.loads(done.stdout)["lines"]) == (0, 1), done.output
    (line,) = call("things", directory, "--json").stdout.splitlines()
    assert {"device": "lora:1", "layer": "lighting", "lat": 48.1, "service": "voirie", "status": "unknown"}.items() <= (
        json.loads(line).items()
    )
    assert call("things", directory, "--site", "other").stdout == ""
    assert "École\t48.10000 2.10000\tvoirie" in call("sites", directory).stdout
    (tmp_path / "wrong.csv").write_text("id,name,lat,lon\nx,X,1,1\ny,Y,north,1\n")
    done = call("import", directory, str(tmp_path / "wrong.csv"))
    assert done.exit_code == 3
    assert "wrong.csv:3: " in done.stderr
    assert "nothing was imported" in done.stderr
    assert len(call("sites", directory).stdout.splitlines()) == 1
