"""The board within a scope, the point de situation, exports, and a drill that says so everywhere."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import Any
from zoneinfo import ZoneInfo

import pypdfium2
import pytest

from backend.city.city import City
from backend.city.crisis import drills, export, log, measures, pdf, snapshot
from backend.city.crisis.hubs import Alert
from backend.city.crisis.service import CrisisRoom, room_of
from backend.city.crisis.situation import Situation, gather
from backend.city.people.viewer import Role, Scope, Viewer, guard_of
from backend.storage.city import crisis as tables
from backend.storage.city.crisis import Sheet
from tests.backend.city.crisis.crisis_kit import HEAD, NOW, OPERATOR, asked, put_room, put_site, seen

ZONE = ZoneInfo("Europe/Paris")


def critical(hub: str, device: str, text: str = "Fuite d'eau") -> Alert:
    return Alert(hub, f"a-{device}", "raised", "Water leak", text, device, "", "s1", NOW - 60)


async def gathered(city: City, scope: Scope, **what: Any) -> Situation:
    state = what.pop("seen", seen(("hub-1", NOW - 10)))
    return await city.store.read(lambda r: gather(r, state, scope, city="Ville", now=what.pop("now", NOW), **what))


async def heat(city: City, **facts: Any) -> None:
    await city.store.write(
        lambda t: measures.take(
            t, measures.HEAT, "Canicule", {"threshold": 28.0, **facts}, who="Camille", now=NOW, expires=NOW + 7200,
            drill=0,
        )
    )  # fmt: skip


async def test_a_hub_is_silent_by_its_own_interval_and_read_only_by_its_own_word(city: City) -> None:
    state = seen(("hub-1", NOW - 100), ("hub-2", NOW - 200), ("hub-3", None))
    slow = state.hubs[1]._replace(hub="hub-4", every=1800.0, crisis="read-only")
    found = await gathered(city, Scope(), seen=state._replace(hubs=(*state.hubs, slow)))
    assert (found.hubs, found.heard, found.silent) == (4, 2, 2)
    assert [one.hub for one in found.silent_hubs] == ["hub-2", "hub-3"]
    assert [one.hub for one in found.read_only] == ["hub-4"]


async def test_a_head_of_a_service_sees_hubs_alerts_and_rooms_of_this_service_alone(city: City) -> None:
    def fill(t: Any) -> None:
        put_site(t, "s1", "École Jules-Ferry")
        put_room(t, 1, hub="hub-1", service="schools", value=31.0)
        put_room(t, 2, hub="hub-2", service="pools", value=32.0)
        put_room(t, 3, hub="hub-1", service="schools", privacy="personal", value=33.0)

    await city.store.write(fill)
    await heat(city)
    alerts = [critical("hub-1", "d1"), critical("hub-2", "d2"), critical("hub-1", "d3"), critical("hub-2", "")]
    alerts += [critical("hub-1", "unknown")]
    state = seen(("hub-1", NOW), ("hub-2", NOW), alerts=alerts)
    head = await gathered(city, HEAD.scope, seen=state, log=False)
    assert (head.hubs, head.critical, head.heat[0].all) == (1, 1, 1)
    assert [room.name for room in head.heat[0].rooms] == ["Salle 1"]
    whole = await gathered(city, Scope(), seen=state)
    assert (whole.hubs, whole.critical, whole.heat[0].all) == (2, 4, 2)  # the personal device stays out, in alerts too


async def test_a_heat_profile_ranks_the_rooms_of_its_own_scope(city: City) -> None:
    def fill(t: Any) -> None:
        put_site(t, "s1", "École")
        put_room(t, 1, site="s1", sector="north", value=28.0)
        put_room(t, 2, site="s2", sector="north", value=29.0)
        put_room(t, 3, site="s1", sector="south", value=30.0)
        put_room(t, 4, site="s1", sector="north", value=99.0, quality=2)
        put_room(t, 5, site="s1", sector="north", value=45.0, at=NOW - 4 * 3600)
        put_room(t, 6, site="s1", sector="north")

    await city.store.write(fill)
    await heat(city, sites=["s1"], sectors=["north"])
    (one,) = (await gathered(city, Scope())).heat
    assert (one.known, one.all) == (1, 4)  # bad, old and missing readings are not known
    assert [(room.name, room.site, room.over) for room in one.rooms] == [("Salle 1", "École", True)]
    assert (await gathered(city, Scope(), now=NOW + 7200)).heat == []


def text_of(data: bytes) -> tuple[int, str]:
    document = pypdfium2.PdfDocument(data)
    return len(document), "\n".join(page.get_textpage().get_text_range() for page in document)


async def full(city: City, drill: str = "") -> Situation:
    """Everything that there may be, and much of it."""

    def fill(t: Any) -> None:
        number = drills.begin(t, drill, who="Alix", now=NOW, seconds=3600).id if drill else 0
        put_site(t, "s1", "Groupe scolaire Jean-de-La-Fontaine, rue du Général-de-Gaulle")
        for n in range(1, 60):
            put_room(t, n, value=25.0 + n / 10)
            log.note(t, number, NOW, "Camille", "note", f"Appel {n} : le gardien signale une salle trop chaude " * 3)
        for n in range(20):
            for kind, facts in ((measures.MEASURE, {}), (measures.CREW, {"place": "Place de l'Église"})):
                measures.take(
                    t, kind, f"Décision {n} à long texte " * 5, facts, who="Alix", now=NOW, expires=NOW + 7200,
                    drill=number,
                )  # fmt: skip
        for n in range(2):
            measures.take(
                t, measures.HEAT, f"Canicule {n}", {"threshold": 28.0}, who="Alix", now=NOW, expires=NOW + 7200,
                drill=number,
            )  # fmt: skip

    await city.store.write(fill)
    hubs = [(f"hub-{n}", NOW - 3600.0 * n) for n in range(1, 400)]
    alerts = [critical(f"hub-{n}", "", f"Fuite d'eau au sous-sol numéro {n} de l'école") for n in range(1, 300)]
    return await gathered(city, Scope(), seen=seen(*hubs, alerts=alerts))


@pytest.mark.parametrize("drill", ["", "Rançongiciel à la mairie"])
@pytest.mark.parametrize("lang", ["fr", "en"])
async def test_the_point_of_situation_is_one_page_however_much_there_is(city: City, drill: str, lang: str) -> None:
    one = await full(city, drill)
    pages, text = text_of(pdf.point_of_situation(one, lang, ZONE))
    assert pages == 1
    assert one.log_head in text
    assert "399" in text
    assert ("EXERCICE" in text or "DRILL" in text) is bool(drill)
    made = pdf.point_of_situation(one, lang, ZONE)
    page = pypdfium2.PdfDocument(made)[0]
    boxes = [page.get_textpage().get_charbox(n) for n in range(page.get_textpage().count_chars())]
    assert min(box[0] for box in boxes) >= 0
    assert max(box[2] for box in boxes) <= page.get_width() - 20 or drill  # nothing runs over the edge
    assert min(box[1] for box in boxes) >= 0


async def test_an_export_says_what_it_is_and_its_digests_are_those_of_its_files(city: City) -> None:
    import hashlib

    name, data = export.archive(await full(city), who="Camille", scope="toute la ville", lang="fr", zone=ZONE)
    assert "EXERCICE" not in name
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        files = {one: packed.read(one) for one in packed.namelist()}
    digests = json.loads(files["MANIFEST.json"])["files"]
    assert {one: hashlib.sha256(files[one]).hexdigest() for one in digests} == digests
    assert "Camille" in files["LISEZ-MOI.txt"].decode()
    rows = list(csv.reader(io.StringIO(files["rooms.csv"].decode("utf-8-sig")), delimiter=";"))
    assert rows[1][2:5] == ["Groupe scolaire Jean-de-La-Fontaine, rue du Général-de-Gaulle", "Salle 59", "30,9"]


async def test_no_cell_of_an_export_is_a_formula(city: City) -> None:
    await city.store.write(lambda t: log.note(t, 0, NOW, "Camille", "note", "=HYPERLINK(1)"))
    _, data = export.archive(await gathered(city, Scope()), who="c", scope="", lang="en", zone=ZONE)
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        assert "'=HYPERLINK(1)" in packed.read("log.csv").decode()


@pytest.mark.real("network")
async def test_a_drill_is_said_on_every_page_and_in_every_document(city: City, monkeypatch: Any) -> None:
    monkeypatch.setattr(city, "clock", lambda: NOW)
    await city.store.write(lambda t: drills.begin(t, "Crue de la Loire", who="Alix", now=NOW, seconds=3600))
    room_of(city)._seen = seen(("hub-1", NOW - 10))
    await room_of(city).tick()
    async with asked(city, OPERATOR) as client:
        for path in ("/crisis", "/crisis/log", "/crisis/sheets", "/crisis/snapshot", "/crisis?lang=en"):
            answer = await client.get(path)
            text = await answer.text()
            assert answer.status == 200, text
            assert "EXERCICE" in text or "DRILL" in text, path
            assert "Crue de la Loire" in text, path
        answer = await client.get("/crisis/situation.pdf")
        assert "EXERCICE" in answer.headers["Content-Disposition"]
        assert "Crue de la Loire" in text_of(await answer.read())[1]
        answer = await client.get("/crisis/export.zip")
        assert "EXERCICE" in answer.headers["Content-Disposition"]
        with zipfile.ZipFile(io.BytesIO(await answer.read())) as packed:
            for name in packed.namelist():
                assert "Crue de la Loire" in packed.read(name).decode("utf-8-sig"), name
    files = snapshot.files(await gathered(city, Scope()), [], ZONE)
    for name, data in files.items():
        text = text_of(data)[1] if name.endswith(".pdf") else data.decode()
        assert "Crue de la Loire" in text, name


@pytest.mark.real("network")
async def test_what_is_written_on_the_pages_is_in_the_log_and_in_the_journal(city: City, monkeypatch: Any) -> None:
    monkeypatch.setattr(city, "clock", lambda: NOW)
    room_of(city)._seen = seen(("hub-1", NOW - 4000))
    async with asked(city, OPERATOR) as client:
        acts = [
            ("log", {"text": "Cellule ouverte", "kind": "note"}),
            ("measure", {"text": "Gymnase ouvert", "hours": "24"}),
            ("crew", {"text": "Équipe 3", "place": "Quai", "hours": "8"}),
            ("heat", {"text": "Canicule", "threshold": "28,5", "hours": "72"}),
            ("isolated", {"hub": "hub-1", "why": "gardien, par téléphone"}),
            ("end", {"id": "1"}),
            ("heard", {"hub": "hub-1"}),
        ]
        for path, fields in acts:
            answer = await client.post(f"/crisis/{path}", data=fields, allow_redirects=False)
            assert answer.status == 303, await answer.text()
        page = await (await client.get("/crisis")).text()
    assert "28,5" in page
    assert "Gymnase ouvert" in page  # in the log, since it ended
    kinds = [line.kind for line in await city.store.read(lambda r: tables.newest_lines(r, 0, 20))]
    assert kinds[::-1] == ["note", "measure", "crew", "heat", "hub", "end", "hub"]
    assert (await city.store.read(log.verify)).broken == 0
    noted = await city.store.read(lambda r: r.rows("select what from journal order by n"))
    assert [what for (what,) in noted] == [f"crisis.{path}" for path, _ in acts]


@pytest.mark.real("network")
async def test_what_is_refused_is_said_on_the_page_and_written_nowhere(city: City, monkeypatch: Any) -> None:
    monkeypatch.setattr(city, "clock", lambda: NOW)
    room_of(city)._seen = seen(("hub-1", NOW))
    async with asked(city, OPERATOR) as client:
        for path, fields in (
            ("measure", {"text": "sans fin", "hours": ""}),
            ("heat", {"text": "Canicule", "threshold": "chaud", "hours": "24"}),
            ("isolated", {"hub": "<script>", "why": "x"}),
            ("end", {"id": "9"}),
            ("drill/end", {}),
        ):
            answer = await client.post(f"/crisis/{path}", data=fields, allow_redirects=False)
            text = await answer.text()
            assert answer.status == 422, path
            assert 'role="alert"' in text
            assert "<script>" not in text.replace('<script src="/static', "")
    assert await city.store.read(lambda r: tables.newest_lines(r, 0, 9)) == []


@pytest.mark.real("network")
async def test_only_the_crisis_cell_writes_and_reads_the_log(city: City, monkeypatch: Any) -> None:
    monkeypatch.setattr(city, "clock", lambda: NOW)
    await city.store.write(lambda t: log.note(t, 0, NOW, "Camille", "note", "le maire est joint"))
    room_of(city)._seen = seen(("hub-1", NOW))
    narrow = Viewer("p:3", "Noa", Role.OPERATOR, Scope(sectors=frozenset({"north"})))
    for viewer in (HEAD, narrow):
        async with asked(city, viewer) as client:
            page = await client.get("/crisis")
            assert page.status == 200
            assert "le maire est joint" not in await page.text()
            with zipfile.ZipFile(io.BytesIO(await (await client.get("/crisis/export.zip")).read())) as packed:
                assert "le maire est joint" not in packed.read("situation.json").decode()
            assert "le maire est joint" not in text_of(await (await client.get("/crisis/situation.pdf")).read())[1]
    for role in (Role.CREW, Role.PROVIDER, Role.ELECTED, Role.DPO):
        async with asked(city, Viewer("p:4", "X", role, Scope())) as client:
            for path in ("/crisis", "/crisis/board.json", "/crisis/log", "/crisis/situation.pdf", "/crisis/snapshot"):
                assert (await client.get(path)).status == 403, (role, path)


async def test_sheets_are_shown_without_the_html_and_the_links_that_are_in_them(city: City, tmp_path: Any) -> None:
    from backend.city.crisis import sheets

    (tmp_path / "10-crue.md").write_text(
        "# Crue\n\n1. Fermer la vanne\n\n<img src=x onerror=alert(1)> [a](javascript:alert(1)) ![p](http://x/y.png)\n"
    )
    found = sheets.read(tmp_path)
    first = await city.store.write(lambda t: sheets.put(t, found, who="Camille", now=NOW))
    again = await city.store.write(lambda t: sheets.put(t, found, who="Camille", now=NOW))
    assert (first.new, again) == (["10-crue"], ([], [], []))
    html = sheets.rendered(found[0][2])
    assert "<img" not in html
    assert "href" not in html
    assert "<ol>" in html
    page = snapshot.page(
        await gathered(city, Scope()), [Sheet("10-crue", 1, "Crue", found[0][2], "c", NOW)], "fr", ZONE
    )
    assert "Fermer la vanne" in page


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.md", b"no title\n# later", "crisis-sheet-title"),
        ("a.md", b"", "crisis-sheet-title"),
        ("a.md", b"# \xff", "crisis-sheet-text"),
        ("a b.md", b"# x", "crisis-sheet-name"),
        ("a.md", b"# x\n" + b"y" * 70_000, "crisis-sheet-long"),
    ],
)
def test_a_sheet_that_will_not_do_is_refused_with_its_file(tmp_path: Any, name: str, data: bytes, code: str) -> None:
    from backend.city.crisis import sheets
    from hub.core.errors import ConfigError

    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError) as refused:
        sheets.read(tmp_path)
    assert refused.value.args[0].code == code
    assert name in str(refused.value)


def test_every_route_of_the_room_declares_who_may_ask(monkeypatch: Any) -> None:
    from aiohttp import web

    from backend.city.crisis import routes

    class Nothing(CrisisRoom):
        def __init__(self) -> None: ...

    class Bare:
        parts = {"crisis": Nothing()}  # noqa: RUF012

    router = web.Application().router
    monkeypatch.setattr(routes.pages, "add", lambda area: None)  # what other tests show goes on
    routes.route(router, Bare())  # type: ignore[arg-type]
    declared = {(one.method, one.resource.canonical): guard_of(one.handler) for one in router.routes() if one.resource}
    assert declared
    for key, guard in declared.items():
        assert guard is not None, key
        assert guard.roles is not None, key
        assert (guard.roles <= {Role.OPERATOR, Role.ADMIN}) or key[0] != "POST", key
