"""The data centre is lost, with either engine: the last snapshot is read on a phone, and a fresh backend takes over."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pgbackrest_kit
import postgres_kit as kit
import pytest
from backend_kit import NOW as NOW_MS
from backend_kit import Desk, Sender, row
from playwright.async_api import async_playwright
from postgres_desk import PostgresDesk

from backend.city.city import City
from backend.city.crisis import log, measures, sheets, snapshot
from backend.city.crisis.service import SNAPSHOT_TO, CrisisRoom
from backend.city.crisis.situation import Limits
from backend.city.people.viewer import Role, Scope, Viewer
from backend.city.store import CityStore
from backend.maintenance import copies
from backend.queries.views import Views
from backend.storage.city import crisis as tables
from backend.storage.city.database import open_city
from backend.storage.opening import begin_again, migrate_database, open_queries
from backend.storage.shared import SharedStorage
from hub.core.errors import StorageError
from tests.backend.city.waiting import PATIENCE_MS

CHROMIUM = "/usr/bin/chromium"
OPERATOR = Viewer("p:1", "Camille", Role.OPERATOR, Scope())


class Centre(Protocol):
    """A data centre: a backend in the directory `owner`, and where its copies are, which is elsewhere."""

    def begin(self) -> Desk: ...
    def copy(self, desk: Desk) -> None: ...
    def lose(self) -> None: ...
    def again(self) -> Desk:
        """Put the copy back on a fresh machine, in the directory `fresh`."""


class OfFiles:
    """SQLite, whose files are held for ransom."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def begin(self) -> Desk:
        return Desk(self._root / "owner")

    def copy(self, desk: Desk) -> None:
        copies.make(desk.owner.directory, self._root / "copy", lambda what, share: None)

    def lose(self) -> None:
        for name in ("backend.db", "city.db"):
            for path in (self._root / "owner").glob(f"{name}*"):
                path.write_bytes(b"PAY " * 10_000)

    def again(self) -> Desk:
        copies.restore(self._root / "copy", self._root / "fresh", lambda what, share: None)
        return Desk(self._root / "fresh")


class OfServer:
    """PostgreSQL, copied by pgBackRest, whose server and files are gone; the owner's directory was copied by hand."""

    def __init__(self, root: Path, server: kit.Cluster, where: Path) -> None:
        self._root, self._server = root, server
        self._copies = pgbackrest_kit.Copies(where, server)
        server.run(f"alter system set archive_command = '{self._copies.archive_command}'", "select pg_reload_conf()")
        self._url = server.url(server.create("town"))
        migrate_database(self._url, lambda *told: None)

    def begin(self) -> Desk:
        return PostgresDesk(self._root / "owner", self._url)

    def copy(self, desk: Desk) -> None:
        shutil.copytree(desk.owner.directory, self._root / "fresh")
        self._copies.do("stanza-create")
        self._copies.do("backup", "--type=full")

    def lose(self) -> None:
        self._server.end()
        shutil.rmtree(self._server.data)

    def again(self) -> Desk:
        self._copies.put_back("--target-action=promote", "--type=immediate")
        self._server.start(archive_mode="on")
        end = time.monotonic() + kit.START_S
        while self._server.run("select pg_is_in_recovery()") != [(False,)]:
            assert time.monotonic() < end, "it stays in recovery"
            time.sleep(0.1)
        self._copies.forget_recovery()
        begin_again(self._url)
        return PostgresDesk(self._root / "fresh", self._url)


@pytest.fixture(params=["sqlite", "postgresql"])
def centre(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Centre]:
    if request.param == "sqlite":
        yield OfFiles(tmp_path)
        return
    if not kit.available():
        pytest.skip(kit.MISSING)
    if shutil.which("pgbackrest") is None:
        pytest.skip(pgbackrest_kit.MISSING)
    with kit.cluster(archive_mode="on") as server, kit.folder() as where:
        yield OfServer(tmp_path, server, where)


@asynccontextmanager
async def city_of(desk: Desk) -> AsyncIterator[City]:
    queries, storage = open_queries(desk.address), SharedStorage(desk.address)
    city = City(
        directory=desk.owner.directory,
        owner=desk.owner,
        address=desk.address,
        store=CityStore(open_city(desk.owner.directory, desk.address)),
        queries=queries,
        views=Views(queries),
        storage=storage,
        clock=time.time,
    )
    yield city
    await city.store.close()
    await storage.close()


def speaks(desk: Desk, hub: Sender, **more: Any) -> None:
    """Have a hub state that it is there, as it does every 30 s."""
    desk.state(hub, hub.state(every=30, **more))


def texts(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.real("clock, network, processes")
async def test_the_snapshot_outlives_the_database_and_a_fresh_backend_takes_over(
    centre: Centre, tmp_path: Path
) -> None:
    desk = centre.begin()
    hubs = [desk.enrol() for _ in range(3)]
    segments = {one.hub: one.segment() for one in hubs}
    for one in hubs:
        speaks(desk, one)
        desk.post(one, segments[one.hub].message([segments[one.hub].block([row(NOW_MS, 21.0)])]))
    elsewhere = tmp_path / "usb" / "situation"
    (tmp_path / "fiches").mkdir()
    (tmp_path / "fiches" / "rancongiciel.md").write_text("# Rançongiciel\n\n1. Couper le lien\n2. Appeler le RSSI\n")
    async with city_of(desk) as city:
        room = CrisisRoom(city)

        def fill(t: Any) -> None:
            tables.set_setting(t, SNAPSHOT_TO, str(elsewhere))
            sheets.put(t, sheets.read(tmp_path / "fiches"), who="Camille", now=time.time())
            log.note(t, 0, time.time(), "Camille", "note", "Cellule de crise ouverte")
            measures.take(t, measures.MEASURE, "Gymnase ouvert", {}, who="Camille", now=time.time(),
                          expires=time.time() + 3600, drill=0)  # fmt: skip

        await city.store.write(fill)
        written = await room.tick()
        assert [one.problem for one in written] == ["", ""]
        centre.copy(desk)
        lacking = {one.hub: segments[one.hub].block([row(NOW_MS + 1, 22.0)]) for one in hubs}
        for one in hubs:
            desk.post(one, segments[one.hub].message([lacking[one.hub]]))
        desk.close()
        centre.lose()
        before = texts(elsewhere)
        with pytest.raises(StorageError):
            await CrisisRoom(city).tick()
        assert texts(elsewhere) == before
    await read_on_a_phone(elsewhere / "situation.html", "Cellule de crise ouverte", "Gymnase ouvert", "Couper le lien")
    told = json.loads(before["situation.json"])
    assert (told["hubs"], told["heard"]) == (3, 3)

    fresh = centre.again()
    async with city_of(fresh) as city:
        room = CrisisRoom(city)
        for one in hubs:
            speaks(fresh, one)
            again = [lacking[one.hub], segments[one.hub].block([row(NOW_MS + 2)])]
            (ack,) = fresh.post(one, segments[one.hub].message(again)).acks
            assert ack.through == 3  # hubs go on where they were, and send again what the copy lacks
        assert [one.value for one in fresh.stored() if one.metric == "temperature"] == [21.0, 22.0, 20.0] * 3
        one = await room.situation(OPERATOR, Limits())
        assert (one.hubs, one.heard, one.silent) == (3, 3, 0)
        assert [line.text for line in one.log][-1] == "rancongiciel"
        assert (await city.store.read(log.verify)).broken == 0
        assert [held.text for held in one.measures] == ["Gymnase ouvert"]
        assert [place.problem for place in await room.tick()] == ["", ""]
        assert texts(elsewhere)["situation.json"] != before["situation.json"]  # it goes on there too
    fresh.close()


async def read_on_a_phone(page: Path, *texts: str) -> None:
    """Read a file with a browser of 360 px that has no network; every text is to be seen, none beside the screen."""
    asked: list[str] = []
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS)
        context = await browser.new_context(viewport={"width": 360, "height": 740}, offline=True)
        context.set_default_timeout(PATIENCE_MS)
        tab = await context.new_page()
        tab.on("request", lambda request: asked.append(request.url))
        await tab.goto(page.as_uri())
        for details in await tab.locator("summary").all():
            await details.click()
        shown = await tab.locator("body").inner_text()
        for text in texts:
            assert text in shown
        assert await tab.evaluate("document.documentElement.scrollWidth") <= 360
        await browser.close()
    assert asked == [page.as_uri()]  # nothing else is needed


async def test_a_read_only_hub_is_on_the_board_and_an_isolated_one_once_somebody_says_so(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "owner")
    open_, frozen = desk.enrol(), desk.enrol()
    speaks(desk, open_)
    speaks(desk, frozen, crisis="read-only")
    async with city_of(desk) as city:
        room = CrisisRoom(city)
        one = await room.situation(OPERATOR)
        assert [hub.hub for hub in one.read_only] == [frozen.hub]
        later = time.time() + 600
        city.clock = lambda: later
        await city.store.write(
            lambda t: measures.declare_isolated(t, open_.hub, "gardien", who="Camille", now=later, drill=0)
        )
        room = CrisisRoom(city)
        one = await room.situation(OPERATOR)
        assert (one.silent, [hub.hub for hub in one.isolated]) == (2, [open_.hub])
        city.clock = time.time
    desk.close()


async def test_a_directory_that_refuses_keeps_no_other_from_being_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    made = snapshot.write({"situation.html": b"x"}, [tmp_path / "file" / "below", tmp_path / "good"])
    assert [bool(one.problem) for one in made] == [True, False]
    assert (tmp_path / "good" / "situation.html").read_bytes() == b"x"
    assert (tmp_path / "good").stat().st_mode & 0o077 == 0
