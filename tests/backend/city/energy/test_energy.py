"""Energy of a portfolio, against a naive account of the same readings."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import random
import re
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from backend_kit import Desk

from backend.city.city import City
from backend.city.energy import drifting, imports, overview, routes, service
from backend.city.energy.service import EnergyRoom, room_of
from backend.city.people.viewer import FORM_TOKEN, VIEWER, Role, Scope, Viewer, guard_of
from backend.storage.city import energy as tables
from backend.storage.city.energy import Building, MeterFacts
from hub.core.errors import ConfigError, HubError
from tests.backend.city.energy.energy_kit import (
    AIR,
    CALENDAR,
    ENERGY,
    GAS,
    naive,
    put_meter,
    put_site,
    town,
)

PARIS = ZoneInfo("Europe/Paris")
ALL = Viewer("p:1", "Camille", Role.OPERATOR, Scope())


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=PARIS).timestamp())


NOW = float(at("2026-04-10 12:00"))


def meter_points(seed: int, begin: str, end: str) -> list[tuple[int, float]]:
    """Readings of a meter every so often, with gaps of days, a restart at 0, and nothing at the edges of hours."""
    chance = random.Random(seed)
    moment, index, points = at(begin), 1000.0 * seed, []
    while moment < at(end):
        points.append((moment, round(index, 3)))
        moment += chance.choice((600, 613, 900, 1800, 7200, 3 * 86_400))
        index += chance.random() * 5
        if chance.random() < 0.003:
            index = chance.random()
    return points


async def test_months_hours_and_sums_are_those_of_a_naive_account(desk: Desk) -> None:
    async with town(desk, NOW) as one:
        hub = desk.enrol()
        segment = hub.segment()
        points = {place: meter_points(n, "2025-11-03 00:17", "2026-04-10 11:00") for n, place in enumerate("ab", 1)}
        for place, some in points.items():
            one.post(hub, segment, place, ENERGY, some)
        desk.settle()
        for n, place in enumerate("ab", 1):
            await one.register(lambda t, n=n, place=place: put_meter(t, n, hub.hub, place))
        room = EnergyRoom(one.city)
        await room.update()
        found = await room.figures(ALL, 2026)
        assert [row["month"] for row in found.meters[0]["months"]] == ["2026-01", "2026-02", "2026-03", "2026-04"]
        for meter in found.meters:
            some = points[meter["place"].rpartition("/")[2]]
            for n, row in enumerate(meter["months"]):
                begin, end = CALENDAR.month_start(2026 * 12 + n), CALENDAR.month_start(2026 * 12 + n + 1)
                due = naive(some, begin, min(end, int(NOW)))
                assert abs(row["used"] - float(due)) <= 0.001 * len(some) * 0.01 + 0.05, row
        for month in found.months:
            n = int(month.month[5:]) - 1
            begin, end = CALENDAR.month_start(2026 * 12 + n), CALENDAR.month_start(2026 * 12 + n + 1)
            due = sum(naive(some, begin, min(end, int(NOW))) for some in points.values())
            assert month.kwh == pytest.approx(float(due), abs=0.1)
        whole = await room.figures(ALL, 2025)
        both = sum(row.kwh or 0.0 for row in (*whole.months, *found.months))
        assert both == pytest.approx(
            float(sum(naive(some, 0, 1 << 40) for some in points.values())), abs=0.02
        )  # nothing is lost, nothing counted twice


async def test_what_comes_later_is_taken_in_by_the_next_reading_and_counted_once(desk: Desk) -> None:
    async with town(desk, NOW) as one:
        hub = desk.enrol()
        segment = hub.segment()
        points = [(at("2026-03-01 00:00") + 900 * n, round(10 + n * 0.25, 3)) for n in range(3000)]
        await one.register(lambda t: put_meter(t, 1, hub.hub, "a"))
        room = EnergyRoom(one.city)
        one.moment[0] = float(points[1000][0] + 60)
        one.post(hub, segment, "a", ENERGY, points[:1000])
        await room.update()
        one.moment[0] = float(points[2999][0] + 60)
        one.post(hub, segment, "a", ENERGY, points[1200:])  # a gap, which is filled later
        await room.update()
        one.post(hub, segment, "a", ENERGY, points[1000:1200])
        one.moment[0] += 3600.0
        await room.update()
        found = await room.figures(ALL, 2026)
        assert sum(row.kwh or 0.0 for row in found.months) == pytest.approx(2999 * 0.25, abs=0.01)
        again = EnergyRoom(one.city)
        await again.update()
        assert (await again.figures(ALL, 2026)).months == found.months


async def test_a_scope_counts_its_own_meters_and_a_submeter_once(desk: Desk) -> None:
    async with town(desk, NOW) as one:
        hub = desk.enrol()
        segment = hub.segment()
        for n, place in enumerate(("main", "sub", "pool"), 1):
            one.post(
                hub, segment, place, ENERGY, [(at("2026-02-01 00:00") + 3600 * h, n * h * 1.0) for h in range(500)]
            )
        desk.settle()

        def fill(t: Any) -> None:
            put_site(t, "s1", "École")
            main = put_meter(t, 1, hub.hub, "main", service="schools")
            sub = put_meter(t, 2, hub.hub, "sub", service="schools")
            put_meter(t, 3, hub.hub, "pool", site="s2", service="pools", provider="Dalkia")
            tables.put_meters(
                t,
                [
                    MeterFacts(main, "Général", "Veolia", "electricity", "", None, None, "", "123", "", "", None),
                    MeterFacts(sub, "Cuisine", "Veolia", "electricity", "", None, None, main, "", "", "", None),
                ],
            )

        await one.register(fill)
        room = room_of(one.city)
        await room.update()
        whole = await room.figures(ALL, 2026)
        assert whole.carriers == {"electricity": pytest.approx(499.0 * (1 + 3), abs=0.01)}
        assert whole.operators == ["Dalkia", "Veolia"]
        schools = Viewer("p:2", "D", Role.HEAD, Scope(services=frozenset({"schools"})))
        seen = await room.figures(schools, 2026)
        assert [site.name for site in seen.sites] == ["École"]
        assert seen.carriers == {"electricity": pytest.approx(499.0, abs=0.01)}
        assert seen.operators == ["Veolia"]
        with pytest.raises(HubError):
            await room.report(schools, "r175", 2026, "Dalkia", "html", "fr")
        html = (await room.report(ALL, "r175", 2026, "Veolia", "html", "fr")).decode()
        assert "Général" in html
        assert not re.search(r"\bpool\b", html)  # an id of a hub may hold these letters
        assert "ilot-evidence" not in html
        assert "Aucune liaison" not in html  # a district does not know it, and says so
        table = (await room.report(ALL, "operat", 2026, "", "csv", "fr")).decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(table), delimiter=";"))
        assert {row[1]: float(row[5].replace(",", ".")) for row in rows[1:]} == {
            "École": pytest.approx(499.0, abs=0.01), "s2": pytest.approx(3 * 499.0, abs=0.01),
        }  # fmt: skip
        told = json.loads(await room.report(ALL, "r175", 2026, "Dalkia", "json", "fr"))
        assert [row["place"] for row in told["meters"]] == [f"{hub.hub}/pool"]
        assert told["archive"][0]["missing"] == ["2026-03"]  # five years of months, and which are missing


async def test_gas_counts_kwh_once_its_factor_is_declared(desk: Desk) -> None:
    async with town(desk, NOW) as one:
        hub = desk.enrol()
        one.post(hub, hub.segment(), "g", GAS, [(at("2026-02-01 00:00") + 3600 * h, h * 1.0) for h in range(100)])
        series = f"{hub.hub}/g/gas"
        await one.register(lambda t: put_meter(t, 1, hub.hub, "g", metric="gas", unit="m3", device_class="gas"))
        room = EnergyRoom(one.city)
        await room.update()
        assert (await room.figures(ALL, 2026)).carriers == {}
        await one.register(
            lambda t: tables.put_meters(
                t, [MeterFacts(series, "", "", "gas", "chauffage", 11.2, None, "", "", "", "", None)]
            )
        )
        await room.update()
        assert (await room.figures(ALL, 2026)).carriers == {"gas": pytest.approx(99 * 11.2, abs=0.05)}


async def test_degree_days_and_the_worst_building_are_those_of_a_naive_account(desk: Desk) -> None:
    async with town(desk, NOW) as one:
        hub = desk.enrol()
        segment = hub.segment()
        hours = range((at("2026-04-10 00:00") - at("2026-01-01 00:00")) // 3600)
        start = at("2026-01-01 00:00")
        air = [(start + 3600 * h + 60 * m, 4.0 + (h // 24) % 7) for h in hours for m in (0, 30)]
        one.post(hub, segment, "roof", AIR, air)
        for n, place in enumerate(("a", "b"), 1):
            one.post(hub, segment, place, ENERGY, [(start + 3600 * h, n * h * 2.0) for h in hours])

        def fill(t: Any) -> None:
            for n, place in enumerate(("a", "b"), 1):
                series = put_meter(t, n, hub.hub, place, site=f"s{n}")
                tables.put_meters(
                    t,
                    [
                        *tables.meters(t).values(),
                        MeterFacts(series, "", "", "electricity", "Chauffage", None, None, "", "", "", "", None),
                    ],
                )
            put_meter(
                t, 9, hub.hub, "roof", metric="temperature", unit="Cel", device_class="temperature", kind="weather",
                state_class="measurement",
            )  # fmt: skip
            tables.put_buildings(t, [Building("s1", "", 100.0, ""), Building("s2", "", 1000.0, "")])

        await one.register(fill)
        room = EnergyRoom(one.city)
        await room.update()
        found = await room.figures(ALL, 2026)
        due = 0.0
        for day in CALENDAR.days(start, at("2026-04-10 00:00")):
            of_day = CALENDAR.hours(day, CALENDAR.next_day(day))
            mean = sum(4.0 + ((hour - start) // 3600 // 24) % 7 for hour in of_day) / len(of_day)
            due += max(0.0, 18.0 - mean)
        assert found.degree_days == pytest.approx(due, abs=3.0)
        worst = overview.worst(found.sites, "per_degree_day", 5)
        assert [site.site for site in worst] == ["s2", "s1"]
        assert worst[0].per_degree_day == pytest.approx((found.sites[1].kwh or 0) / (found.degree_days or 1), rel=1e-3)
        assert [site.site for site in overview.worst(found.sites, "per_area", 5)] == ["s1", "s2"]


async def test_a_building_that_uses_a_fifth_more_drifts_and_its_like_does_not(desk: Desk) -> None:
    async with town(desk, float(at("2026-11-20 12:00"))) as one:
        hub = desk.enrol()
        segment = hub.segment()
        chance = random.Random(5)
        start, last = at("2025-07-01 00:00"), at("2026-11-20 00:00")
        days = (last - start) // 86_400
        mild = [11.0 - 9.0 * (1 if (d // 91) % 4 in (2,) else -0.6) + chance.gauss(0, 2) for d in range(days)]
        air = [(start + 86_400 * d + 3600 * h, round(mild[d], 2)) for d in range(days) for h in range(24)]
        one.post(hub, segment, "roof", AIR, air)
        for place, more in (("a", 1.0), ("b", 1.2)):
            index, points = 0.0, [(start, 0.0)]
            for d in range(days):
                used = 50.0 + 8.0 * max(0.0, 15.0 - mild[d]) + chance.gauss(0, 2)
                used *= more if d > days - 60 else 1.0
                index += used
                points += [
                    (start + 86_400 * d + 3600 * q, round(index - used + used * q / 24, 3)) for q in range(1, 25)
                ]
            one.post(hub, segment, place, ENERGY, points)

        def fill(t: Any) -> None:
            put_meter(t, 1, hub.hub, "a", site="s1")
            put_meter(t, 2, hub.hub, "b", site="s2")
            put_meter(
                t, 9, hub.hub, "roof", metric="temperature", unit="Cel", device_class="temperature", kind="weather",
                state_class="measurement",
            )  # fmt: skip

        await one.register(fill)
        room = EnergyRoom(one.city)
        await room.update()
        found = await room.figures(ALL, 2026)
        drifts = {site.site: site.drift for site in found.sites}
        assert drifts["s1"] is None
        assert drifts["s2"] == pytest.approx(0.2, abs=0.06)
        with one.city.store.database.snapshot() as r:
            known = tables.drift(r)
        assert set(known) == {f"{hub.hub}/a/energy", f"{hub.hub}/b/energy"}
        meters = [(series, None, None) for series in known]
        later = one.city.clock() + drifting.AGAIN_S
        due = [len(drifting.due(one.city.store.database, meters, at)) for at in (one.city.clock(), later)]  # type: ignore[arg-type]
        assert due == [0, 2]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("a,b\n1,2\n", ["energy-csv-columns"]),
        ("", ["energy-csv-columns"]),
        ("series,kwh\nh/p/energy,beaucoup\n", ["energy-csv-where"]),
        ("series;carrier;kwh\nh/p/energy;vapeur;-1\nh/p;gas;1\n", ["energy-csv-where"] * 3),
        ("series,calibrated\nh/p/energy,hier\nh/p/energy,\n", ["energy-csv-where"] * 2),
        ("series,behind\nh/p/energy,h/p/energy\n", ["energy-csv-where"]),
        ("site,area\ns1,0\n,5\n", ["energy-csv-where"] * 2),
    ],
)
def test_a_file_that_will_not_do_is_refused_with_line_and_column(text: str, codes: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        imports.read("meters.csv", text.encode())
    said = str(refused.value).splitlines()
    assert len(said) == len(codes)
    if codes[0] == "energy-csv-where":
        assert all(line.startswith("meters.csv:") for line in said)


def test_files_of_meters_and_buildings_are_read_as_spreadsheets_write_them() -> None:
    (meter,) = imports.read("m.csv", "\ufeffseries;carrier;kwh;reference\r\nh/p/gas;gas;11,2;12000\r\n".encode())
    assert isinstance(meter, MeterFacts)
    assert (meter.series, meter.carrier, meter.kwh, meter.reference) == ("h/p/gas", "gas", 11.2, 12000.0)
    assert imports.read("b.csv", b"site,area\ns1,120.5\n") == [Building("s1", "", 120.5, "")]


async def asked(city: City, viewer: Viewer, *paths: str) -> list[tuple[int, str]]:
    @web.middleware
    async def signed_in(request: web.Request, handler: Any) -> web.StreamResponse:
        declared = guard_of(request.match_info.handler)
        assert declared is not None
        assert declared.roles is not None
        if viewer.role not in declared.roles:
            return web.Response(status=403)
        request[VIEWER], request[FORM_TOKEN] = viewer, "t"
        response: web.StreamResponse = await handler(request)
        return response

    app = web.Application(middlewares=[signed_in])
    routes.route(app.router, city)
    async with TestClient(TestServer(app)) as client:
        return [(answer.status, await answer.text()) for answer in [await client.get(path) for path in paths]]


@pytest.mark.real("network")
async def test_the_pages_show_the_figures_and_refuse_who_may_not_see_them(desk: Desk) -> None:
    async with town(desk, NOW) as one:
        hub = desk.enrol()
        one.post(hub, hub.segment(), "a", ENERGY, [(at("2026-02-01 00:00") + 3600 * h, h * 2.5) for h in range(672)])
        await one.register(lambda t: put_site(t, "s1", "=École <b>"))
        await one.register(lambda t: put_meter(t, 1, hub.hub, "a"))
        await room_of(one.city).update()
        (status, page), (_, english), (got, table) = await asked(
            one.city, ALL, "/energy", "/energy?lang=en", "/energy/buildings.csv?lang=en"
        )
        assert (status, got) == (200, 200)
        assert "&lt;b&gt;" in page
        assert "1,678" in english
        assert "the highest bar is 1,678" in english
        assert table.splitlines()[1].split(",")[1] == "'=École <b>"
        elected = Viewer("p:9", "Élue", Role.ELECTED, Scope())
        found = await asked(one.city, elected, "/elected?month=2026-02", "/energy", "/energy/report/r175")
        assert [status for status, _ in found] == [200, 403, 403]
        assert hub.hub not in found[0][1]  # aggregates, and nothing of a single device
        assert "=École" not in found[0][1]
        for role in (Role.PROVIDER, Role.CREW, Role.DPO):
            answers = await asked(one.city, Viewer("p:3", "X", role, Scope()), "/energy", "/elected")
            assert [status for status, _ in answers] == [403, 403]


@pytest.mark.real("network")
async def test_the_page_of_a_month_opens_on_the_last_whole_one_in_a_new_town_on_the_one_that_goes_on(
    desk: Desk,
) -> None:
    async with town(desk, NOW) as one:
        new, chosen = await asked(one.city, ALL, "/elected?lang=en", "/elected?lang=en&month=2026-03")
        assert "The city in April 2026" in new[1]
        assert "This month goes on" in new[1]
        assert "The city in March 2026" in chosen[1]
        hub = desk.enrol()
        one.post(hub, hub.segment(), "a", ENERGY, [(at("2026-03-01 00:00") + 3600 * h, h * 2.5) for h in range(743)])
        await one.register(lambda t: put_site(t, "s1", "École"))
        await one.register(lambda t: put_meter(t, 1, hub.hub, "a"))
        await room_of(one.city).update()
        ((_, later),) = await asked(one.city, ALL, "/elected?lang=en")
        assert "The city in March 2026" in later
        assert "This month goes on" not in later


async def test_meters_are_looked_for_again_soon_while_there_is_none(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 1:
            segment = hub.segment()
            one.post(hub, segment, "a", ENERGY, meter_points(1, "2026-04-09 00:00", "2026-04-10 11:00"))
            desk.settle()
            await one.register(lambda t: put_meter(t, 1, hub.hub, "a"))
        elif len(slept) == 2:
            raise asyncio.CancelledError

    async with town(desk, NOW) as one:
        hub = desk.enrol()
        monkeypatch.setattr(service, "asyncio", SimpleNamespace(sleep=sleep))
        with pytest.raises(asyncio.CancelledError):
            await EnergyRoom(one.city).keep()
    assert slept == [service.FIRST_S, service.EVERY_S]
