"""Tiles of a background, read from files that the format's own library wrote."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from people_kit import Browser, Town
from PIL import Image
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer

from backend.city.pages.ground import NAME, Ground, Grounds, Unfit, number_of
from backend.city.people.viewer import Role, Scope

pytestmark = pytest.mark.long("fetches pictures from map servers", of="tests/backend/city")

Enter = Callable[..., Awaitable[Browser]]


def picture(zoom: int, x: int, y: int) -> bytes:
    data = BytesIO()
    Image.new("RGB", (256, 256), (40 * zoom % 256, x * 7 % 256, y * 11 % 256)).save(data, "PNG")
    return data.getvalue()


def write(path: Path, tiles: dict[tuple[int, int, int], bytes], *, kind: TileType = TileType.PNG, **more: Any) -> None:
    """Write a file of tiles by the format's own library."""
    with path.open("wb") as file:
        writer = Writer(file)
        for where in sorted(tiles, key=lambda one: zxy_to_tileid(*one)):
            writer.write_tile(zxy_to_tileid(*where), tiles[where])
        header = {
            "tile_type": kind, "tile_compression": Compression.NONE, "min_lon_e7": -20_000_000,
            "min_lat_e7": 480_000_000, "max_lon_e7": -15_000_000, "max_lat_e7": 482_000_000, "center_zoom": 3,
            "center_lon_e7": 0, "center_lat_e7": 0,
        }  # fmt: skip
        writer.finalize(header, {"attribution": '<a href="https://x.example">© Ville</a>', **more})


def test_tiles_have_the_numbers_that_the_format_gives_them() -> None:
    for zoom in range(7):
        for x in range(1 << zoom):
            for y in range(1 << zoom):
                assert number_of(zoom, x, y) == zxy_to_tileid(zoom, x, y)
    assert number_of(18, 129_500, 90_123) == zxy_to_tileid(18, 129_500, 90_123)


def test_every_tile_is_found_also_in_leaf_directories_and_runs(tmp_path: Path) -> None:
    same = picture(0, 0, 0)
    tiles = {(z, x, y): picture(z, x, y) for z in range(6) for x in range(1 << z) for y in range(1 << z)}
    tiles |= {(6, x, y): same for x in range(64) for y in range(64)}  # one run
    tiles |= {(9, x, y): bytes([x % 256, y % 256, x // 256]) for x in range(0, 512, 3) for y in range(0, 512, 2)}
    write(tmp_path / NAME, tiles)
    ground = Ground(tmp_path / NAME)
    for where, data in tiles.items():
        assert ground.tile(*where) == data, where
    assert ground.tile(9, 1, 0) is None
    assert ground.tile(10, 0, 0) is None
    assert ground.tile(3, 8, 0) is None
    assert (ground.least, ground.most, ground.kind, ground.by) == (0, 9, "image/png", "© Ville")


def test_what_is_no_picture_or_no_such_file_is_not_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    grounds = Grounds(tmp_path)
    assert grounds.open() is None
    write(tmp_path / NAME, {(0, 0, 0): b"vector"}, kind=TileType.MVT)
    assert grounds.open() is None
    assert grounds.open() is None
    assert len(caplog.records) == 1, "it is told once"
    (tmp_path / NAME).write_bytes(b"PMTiles\x03" + b"\xff" * 200)
    assert grounds.open() is None
    write(tmp_path / NAME, {(0, 0, 0): picture(0, 0, 0)})
    found = grounds.open()
    assert found is not None
    assert found.tile(0, 0, 0) == picture(0, 0, 0)


def test_a_damaged_file_never_gives_a_fault(tmp_path: Path) -> None:
    path = tmp_path / NAME
    write(path, {(z, x, y): picture(z, x, y) for z in range(4) for x in range(1 << z) for y in range(1 << z)})
    whole = path.read_bytes()
    for at in range(700):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x5A]) + whole[at + 1 :])
        try:
            ground = Ground(path)
            for where in ((0, 0, 0), (3, 7, 7)):
                ground.tile(*where)
        except (Unfit, OSError):
            pass


@pytest.mark.real("network")
async def test_tiles_are_for_people_who_see_the_map(town: Town, enter: Enter) -> None:
    write(town.city.directory / NAME, {(3, 3, 2): b"a picture"})
    browser = await enter()
    page = (await browser.get("/")).text
    assert 'data-ground="3 3"' in page
    assert "© Ville" in page
    answer = await browser.get("/map/ground/3/3/2")
    assert (answer.status, answer.text, answer.headers["Content-Type"]) == (200, "a picture", "image/png")
    assert (await browser.get("/map/ground/3/0/0")).status == 204
    elected = await enter(Role.ELECTED, Scope(), "elu")
    assert (await elected.get("/map/ground/3/3/2")).status == 403
    assert (await town.browser().get("/map/ground/3/3/2", Accept="image/png")).status == 401
