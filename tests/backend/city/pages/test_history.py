"""Histories as charts and CSV, and the list of hubs with its gaps and silences."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest
from pages_kit import Sensor, store_history, store_hubs
from people_kit import Browser, Town

from backend.city.pages import history
from backend.city.pages.fleet import health_of
from backend.city.pages.history import with_gaps
from backend.city.people.viewer import Role, Scope

from ...compaction_kit import Town as Bodies

Enter = Callable[..., Awaitable[Browser]]
BIN, OTHER = "hub-0/dev-0/fill_level", "hub-10/dev-10/fill_level"
only_sqlite = pytest.mark.parametrize("city_address", ["sqlite"], indirect=True)


@pytest.fixture
def measured(town: Town, things: list[Sensor], city_address: Path | str) -> list[tuple[int, float]]:
    """Readings of the first bin and of others, each ten minutes; returns the first one's: (Unix s, value)."""
    bodies: Any
    if isinstance(city_address, Path):
        bodies = Bodies(city_address)
    else:
        from ...postgres_town import PostgresTown

        bodies = PostgresTown(city_address)
    now = town.now[0]
    store_history(bodies, things[:11], now)
    bodies.close()
    return [
        (at, round(40 + 25 * math.sin(at / 9000) + (at // 600) % 7, 1))
        for at in range(int(now) - 30 * 3600, int(now), 600)
        if not now - 8 * 3600 < at < now - 6 * 3600
    ]


async def drawn(browser: Browser, series: str, begin: float, end: float) -> list[list[Any]]:
    answer = await browser.get(f"/history/data?series={series}&from={int(begin)}&to={int(end)}&points=400")
    assert answer.status == 200, answer.text
    line: list[list[Any]] = json.loads(answer.text)["line"]
    return line


@pytest.mark.real("network")
async def test_a_chart_has_every_reading_of_some_hours_and_a_hole_where_none_came(
    town: Town, enter: Enter, measured: list[tuple[int, float]]
) -> None:
    browser, now = await enter(), int(town.now[0]) + 300  # between two readings
    line = await drawn(browser, BIN, now - 9 * 3600, now - 5 * 3600)
    inside = [(at // 60 * 60, value) for at, value in measured if now - 9 * 3600 <= at < now - 5 * 3600]
    assert [(at, value) for at, value in line if value is not None] == inside
    assert len([at for at, value in line if value is None]) == 1


@pytest.mark.real("network")
async def test_a_longer_time_is_drawn_by_hours_with_their_mean_lowest_and_highest(
    town: Town, enter: Enter, measured: list[tuple[int, float]]
) -> None:
    browser, now = await enter(), town.now[0]
    answer = await browser.get(f"/history/data?series={BIN}&from={int(now) - 7 * 86400}&to={int(now)}")
    told = json.loads(answer.text)
    hours: dict[int, list[float]] = {}
    for at, value in measured:
        hours.setdefault(at // 3600 * 3600, []).append(value)
    means = {at: value for at, value in told["line"] if value is not None}
    assert means.keys() == hours.keys()
    for at, values in hours.items():
        assert means[at] == pytest.approx(sum(values) / len(values))
    for at, low, high in told["spread"]:
        assert (low, high) == (min(hours[at]), max(hours[at]))


@pytest.mark.real("network")
async def test_csv_has_each_reading_in_the_form_of_the_page_s_language(
    town: Town, enter: Enter, measured: list[tuple[int, float]]
) -> None:
    browser, now = await enter(), int(town.now[0]) + 300
    ask = f"series={BIN}&series={OTHER}&from={int(now) - 3 * 3600}&to={int(now)}"
    french = (await browser.get(f"/history.csv?{ask}&lang=fr")).text
    english = (await browser.get(f"/history.csv?{ask}&lang=en")).text
    assert french.startswith("\ufeff")
    rows = list(csv.reader(io.StringIO(english)))
    inside = [value for at, value in measured if at >= now - 3 * 3600]
    assert [float(row[2]) for row in rows[1:] if row[0].startswith("Conteneur de")] == inside
    assert len({row[0] for row in rows[1:]}) == 2
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\+0[12]:00", row[1]) for row in rows[1:])
    in_french = list(csv.reader(io.StringIO(french.removeprefix("\ufeff")), delimiter=";"))
    assert [row[2].replace(",", ".") for row in in_french[1:]] == [row[2] for row in rows[1:]]
    by_hour = list(csv.reader(io.StringIO((await browser.get(f"/history.csv?{ask}&lang=en&step=hour")).text)))
    assert len(by_hour[0]) == 7
    assert 6 <= len(by_hour) - 1 <= 8


@pytest.mark.real("network")
async def test_csv_that_is_cut_says_so_in_its_last_line_and_a_whole_one_says_nothing(
    town: Town, enter: Enter, measured: list[tuple[int, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, now = await enter(), int(town.now[0]) + 300
    address = f"/history.csv?series={BIN}&from={now - 3 * 3600}&to={now}&lang=en"
    whole = list(csv.reader(io.StringIO((await browser.get(address)).text)))
    assert {len(row) for row in whole} == {4}
    monkeypatch.setattr(history, "CSV_PAGE", 5)
    monkeypatch.setattr(history, "MOST_CSV", 10)
    cut = list(csv.reader(io.StringIO((await browser.get(address)).text)))
    assert cut[:11] == whole[:11]
    assert cut[11:] == [["Cut after 10 rows, there are more: choose a shorter time or fewer series"]]
    monkeypatch.setattr(history, "MOST_CSV", len(whole) - 1)
    assert list(csv.reader(io.StringIO((await browser.get(address)).text))) == whole, "exactly as many are all"


@pytest.mark.real("network")
async def test_a_page_compares_series_and_offers_only_what_its_viewer_sees(
    town: Town, enter: Enter, measured: list[tuple[int, float]], things: list[Sensor]
) -> None:
    bins = Scope(services=frozenset({"proprete"}))
    browser = await enter(Role.CREW, bins)
    page = (await browser.get(f"/history?series={BIN}&series={OTHER}&span=24h&lang=en")).text
    assert page.count("&#34;src&#34;") == 2
    offered = re.findall(r'type="checkbox" name="series" value="([^"]+)"', page)
    assert offered
    assert {one.partition("/")[2].partition("/")[0] for one in offered} <= {
        one.device for one in things if one.layer == "waste"
    }
    foreign = (await browser.get("/history?series=hub-1/dev-1/pm25&lang=en")).text
    assert "not within your scope" in foreign
    assert things[1].name not in foreign


@pytest.mark.real("network")
@pytest.mark.parametrize("query", ["from=1&to=99999999999999", "from=5&to=1", "span=never", "from=x&to=-1", ""])
async def test_a_strange_time_is_some_time(town: Town, enter: Enter, measured: list[Any], query: str) -> None:
    browser = await enter()
    assert (await browser.get(f"/history/data?series={BIN}&{query}")).status == 200


def test_a_hole_is_where_values_are_three_times_as_far_apart_as_usual() -> None:
    points = [(0, 1.0), (10, 2.0), (20, 3.0), (60, 4.0), (70, 5.0), (99, 6.0)]
    assert [at for at, value in with_gaps(points) if value is None] == [40]
    assert with_gaps([]) == []
    assert with_gaps([(5, 1.0)]) == [(5, 1.0)]


@pytest.mark.parametrize(
    ("age", "every", "health"),
    [
        (20, 30, "ok"),
        (95, 30, "late"),
        (130, 30, "silent"),
        (3000, 1800, "ok"),
        (3700, 1800, "silent"),
        (None, 30, "never"),
    ],
)
def test_a_hub_is_judged_by_its_own_interval(age: float | None, every: float, health: str) -> None:
    assert health_of(None if age is None else 10_000 - age, every, 10_000, revoked=False) == health
    assert health_of(None if age is None else 10_000 - age, every, 10_000, revoked=True) == "revoked"


@pytest.mark.real("network")
@only_sqlite
async def test_the_fleet_lists_the_worst_first_with_release_and_things(town: Town, enter: Enter) -> None:
    store_hubs(town.city.directory / "backend.db", 30, town.now[0])
    browser = await enter()
    page = (await browser.get("/hubs?lang=en&size=200")).text
    hubs = re.findall(r'href="/things\?hub=(hub-\d+)"', page)
    assert len(hubs) == 30
    assert set(hubs[:3]) == {"hub-3", "hub-13", "hub-23"}
    assert hubs[3] == "hub-7"
    assert "2026.11" in page
    assert len(re.findall(r'<th scope="row"', (await browser.get("/hubs?health=silent")).text)) == 3
    assert len(re.findall(r'<th scope="row"', (await browser.get("/hubs?q=ecole 29")).text)) == 1
    silent = (await browser.get("/gaps?lang=en")).text
    assert "École 13" in silent
    assert "Compteur 4" in silent


@pytest.mark.real("network")
@only_sqlite
async def test_the_fleet_tells_of_each_hub_what_is_not_stored_and_the_gaps_it_declared(
    town: Town, enter: Enter
) -> None:
    database = town.city.directory / "backend.db"
    store_hubs(database, 30, town.now[0])
    with closing(apsw.Connection(str(database))) as db, db:
        for hub, announced, stored in (("hub-0", 9, [(1, 4), (6, 7)]), ("hub-1", 3, [(1, 3)])):
            db.execute(
                "insert into streams (hub, run, stream, stored, forked, readings, announced, started_at) "
                "values (?, ?, 'readings', ?, ?, 0, ?, 0)",
                (hub, b"r" * 16, msgspec.msgpack.encode(stored), msgspec.msgpack.encode([]), announced),
            )
        for number in (1, 2):
            db.execute(
                "insert into gaps (hub, run, stream, first, last, readings, from_s, to_s, reason, declared_by, "
                "received_at) "
                "values ('hub-0', ?, 'readings', 5, 5, 1, 0, 1, 'evicted', ?, 0)",
                (b"r" * 16, number),
            )
    page = (await (await enter()).get("/hubs?lang=en&size=200")).text
    line = re.compile(r'<tr role="row"><th scope="row".*?things\?hub=(hub-\d+)".*?</tr>', re.DOTALL)
    rows = {found[1]: found[0] for found in line.finditer(page)}
    assert "3 records" in rows["hub-0"]
    assert '<a href="/gaps?hub=hub-0">2</a>' in rows["hub-0"]
    assert "all stored" in rows["hub-1"]
    assert "/gaps?hub=" not in rows["hub-1"]
    assert "stored" not in rows["hub-2"].replace('data-head="Not stored"', "")


@pytest.mark.real("network")
@only_sqlite
async def test_a_crew_sees_only_hubs_that_have_something_of_theirs(town: Town, enter: Enter) -> None:
    store_hubs(town.city.directory / "backend.db", 30, town.now[0])
    crew = await enter(Role.CREW, Scope(services=frozenset({"proprete"})))
    page = (await crew.get("/hubs?size=200")).text
    assert set(re.findall(r'href="/things\?hub=(hub-\d+)"', page)) == {"hub-0", "hub-10"}
    assert "Compteur" not in (await crew.get("/gaps")).text


@pytest.mark.real("network")
async def test_a_feeds_series_is_charted_compared_and_downloaded_as_any_other(
    town: Town, enter: Enter, measured: list[tuple[int, float]]
) -> None:
    from backend.city.open_api import feeds

    now = int(town.now[0]) // 600 * 600
    told = [
        (at, 10 + (at // 600) % 5 / 2)
        for at in range(now - 30 * 3600, now, 600)
        if not now - 8 * 3600 < at < now - 6 * 3600
    ]
    said = {"temperature": told, "precipitation": [(at, 0.2) for at, _ in told]}
    lines = [
        {"point": "mairie", "metric": metric, "value": value, "time": datetime.fromtimestamp(at, UTC).isoformat()}
        for metric, values in said.items()
        for at, value in values
    ]
    point = {"id": "mairie", "name": "Station mairie", "lat": 48.85, "lon": 2.35}
    message = msgspec.convert({"points": [point], "readings": lines}, feeds.Message)
    await town.city.store.write(
        lambda t: feeds.take(t, "test", "weather", message, town.now[0], lambda lon, lat: [])  # type: ignore[arg-type]
    )
    series, browser = "feed:weather/mairie/temperature", await enter()
    line = await drawn(browser, series, now - 2 * 3600, now)
    assert [tuple(one) for one in line] == [one for one in told if one[0] >= now - 2 * 3600]
    hours = await drawn(browser, series, now - 30 * 3600, now)  # by minutes, with a hole
    assert any(value is None for _, value in hours)
    days = await drawn(browser, series, now - 70 * 86_400, now)
    assert days
    assert all(10 <= value <= 12 for _, value in days if value is not None)
    page = await browser.get(f"/history?series={series}&series={BIN}&span=24h")
    assert page.status == 200
    assert "Station mairie" in page.text
    assert 'data-src="/history/data?series=feed' in page.text.replace("%3A", ":") or "feed" in page.text
    both = await browser.get(f"/history.csv?series={series}&series={BIN}&from={now - 7200}&to={now}")
    rows = list(csv.reader(io.StringIO(both.text.lstrip("\ufeff")), delimiter=";"))
    assert len([row for row in rows if "Station mairie" in row[0]]) == 12
    assert len(rows) > 20
    month = await browser.get(f"/history.csv?series={series}&from={now - 30 * 86_400}&to={now}&step=month")
    assert 1 <= len(month.text.strip().splitlines()) - 1 <= 3
