"""The background of the map is fetched from a map server of others, once, whatever stops it meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from pmtiles.reader import MmapSource, Reader, all_tiles

from backend.city.pages.ground import NAME, Ground
from backend.city.wmts import fetching
from backend.city.wmts.fetching import PART
from backend.cli.main import backend
from backend.owner import directory as owners
from backend.storage.city import register
from backend.storage.city.database import open_city

from .map_server import MapServer, map_server

pytestmark = pytest.mark.real("network")

BOX = ("--box", "-1.70", "48.08", "-1.62", "48.14")
ASKED = ("--layer", "plan", *BOX, "--zoom", "10-13")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MapServer]:
    with map_server(tmp_path_factory.mktemp("map")) as found:
        yield found


@pytest.fixture
def server(running: MapServer) -> MapServer:
    running.asked.clear()
    running.instead = lambda query, n: None
    return running


@pytest.fixture
def owner(tmp_path: Path) -> Path:
    owners.init(tmp_path / "owner", owner="Ville")
    return tmp_path / "owner"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "WAIT_S", 0.01)


def ground(owner: Path, *words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(backend, ["city", "ground", str(owner), *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def tiles(owner: Path) -> dict[tuple[int, int, int], bytes]:
    """As the format's own library reads them."""
    with (owner / NAME).open("rb") as file:
        return dict(all_tiles(MmapSource(file)))


def test_layers_that_fit_are_listed(owner: Path, server: MapServer) -> None:
    code, out, said = ground(owner, server.url, "--json")
    assert code == 0
    assert json.loads(out) == {"layer": "plan", "title": "Plan", "zooms": "0-18", "format": "image/png"}
    code, _, said = ground(owner, server.url, "--layer", "lambert", *BOX)
    assert (code, "EPSG:3857" in said) == (3, True)
    code, _, said = ground(owner, server.url, "--layer", "nothing", *BOX)
    assert (code, "no layer nothing" in said) == (3, True)


def test_every_picture_of_the_area_comes_and_is_the_servers(owner: Path, server: MapServer) -> None:
    code, out, said = ground(owner, server.url, *ASKED, "--json", "--credit", "<b>© Ville</b>")
    assert code == 0, said
    told = json.loads(out)
    found = tiles(owner)
    assert len(found) == told["pictures"] == len(server.tiles) == len(set(server.tiles))
    shown = Ground(owner / NAME)
    assert (shown.least, shown.most, shown.by, shown.kind) == (10, 13, "© Ville", "image/png")
    for (zoom, x, y), data in found.items():
        assert data == shown.tile(zoom, x, y) == server.tile(zoom, x, y)
    assert {(zoom, x, y) for zoom, x, y in found if zoom == 10} == {(10, 507, 355)}  # Rennes
    with (owner / NAME).open("rb") as file:
        assert Reader(MmapSource(file)).header()["min_lon_e7"] == -17_000_000
    assert not (owner / PART).exists()


def test_the_area_is_that_of_sectors_and_sites(owner: Path, server: MapServer) -> None:
    code, _, said = ground(owner, server.url, "--layer", "plan")
    assert (code, "--box" in said) == (3, True)
    city = open_city(owner, owner / "backend.db")
    with city.transaction() as t:
        area = {"type": "Polygon", "coordinates": [[[-1.70, 48.10], [-1.65, 48.10], [-1.65, 48.14], [-1.70, 48.10]]]}
        register.put_sectors(t, [("centre", "Centre", json.dumps(area))])
    city.close()
    code, out, _ = ground(owner, server.url, "--layer", "plan", "--dry-run", "--json")
    told = json.loads(out)
    assert code == 0
    assert told["box"] == pytest.approx([-1.705, 48.095, -1.645, 48.145])
    assert server.tiles == []


@pytest.mark.parametrize(
    "told", [(503, "text/plain", b"later"), (200, "text/html", b"<p>Please sign in"), (302, "", b"")]
)
def test_what_came_is_kept_when_the_server_fails_and_the_same_call_goes_on(
    owner: Path, server: MapServer, told: tuple[int, str, bytes]
) -> None:
    (owner / NAME).write_bytes(b"the former one")
    server.instead = lambda query, n: told if n > 9 else None
    code, _, said = ground(owner, server.url, *ASKED)
    assert code == 4
    assert "pictures are kept" in said
    assert (owner / NAME).read_bytes() == b"the former one"
    part = (owner / PART).read_bytes()
    (owner / PART).write_bytes(part[:-7])  # the last one was cut off by a kill
    first = len(set(server.tiles))
    server.asked.clear()
    server.instead = lambda query, n: None
    code, out, said = ground(owner, server.url, *ASKED, "--json")
    assert code == 0, said
    assert len(tiles(owner)) == json.loads(out)["pictures"]
    assert len(server.tiles) < json.loads(out)["pictures"] - first + 8, "what was there is not asked for again"
    assert all(data == server.tile(*place) for place, data in tiles(owner).items())


def test_another_request_begins_anew(owner: Path, server: MapServer) -> None:
    server.instead = lambda query, n: (503, "", b"") if n > 5 else None
    assert ground(owner, server.url, *ASKED)[0] == 4
    server.instead = lambda query, n: None
    assert ground(owner, server.url, *ASKED[:-1], "10-12")[0] == 0
    assert {zoom for zoom, _, _ in tiles(owner)} == {10, 11, 12}


def test_a_server_that_is_busy_is_asked_again(owner: Path, server: MapServer) -> None:
    refused: set[str] = set()

    def busy(query: str, n: int) -> tuple[int, str, bytes] | None:
        first = query not in refused
        refused.add(query)
        return (429, "text/plain", b"") if first else None

    server.instead = busy
    code, out, said = ground(owner, server.url, *ASKED, "--json")
    assert code == 0, said
    assert len(tiles(owner)) == json.loads(out)["pictures"] == len(refused)


def test_what_the_server_has_not_is_left_out_and_counted(owner: Path, server: MapServer) -> None:
    server.instead = lambda query, n: (404, "text/xml", b"<ExceptionReport/>") if "TILEMATRIX=13" in query else None
    code, out, _ = ground(owner, server.url, *ASKED, "--json")
    told = json.loads(out)
    assert (code, told["absent"] > 0) == (0, True)
    assert len(tiles(owner)) == told["pictures"] - told["absent"]
    server.instead = lambda query, n: (404, "text/xml", b"")
    code, _, said = ground(owner, server.url, *ASKED)
    assert (code, "no picture of this area" in said) == (4, True)
    assert tiles(owner), "the former one stays"


def test_a_request_that_is_too_large_is_refused_before_the_first_picture(owner: Path, server: MapServer) -> None:
    code, _, said = ground(owner, server.url, "--layer", "plan", *BOX, "--most", "100")
    assert (code, "--most" in said) == (3, True)
    assert server.tiles == []
    code, _, said = ground(owner, server.url, "--layer", "plan", "--box", "-180", "-85", "180", "85", "--zoom", "0-20")
    assert code == 3


def test_an_answer_without_end_is_cut_off(owner: Path, server: MapServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "MOST_TILE", 1000)
    server.instead = lambda query, n: (200, "image/png", b"\x89PNG\r\n\x1a\n" + bytes(5000))
    code, _, said = ground(owner, server.url, *ASKED)
    assert (code, "longer than 1000" in said) == (4, True)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "file:///etc/passwd", "nothing", "http://127.0.0.1:1/"])
def test_an_address_that_leads_nowhere_is_told(owner: Path, url: str) -> None:
    code, _, said = ground(owner, url)
    assert code in (3, 4)
    assert url.rstrip("/") in said
