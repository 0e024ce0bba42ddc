"""`ilot backend city ground`: fetches the background of the map from a map server."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backend.cli.city_people import opened
from backend.cli.console import DIRECTORY, JSON, handles_errors, row, say, show
from hub.core.errors import ConfigError, HubError, NotReady
from hub.core.text import phrase

if TYPE_CHECKING:
    from backend.city.wmts.fetching import Box, Progress

TELL_S = 2.0


class Zooms(click.ParamType[range]):
    """Click parameter: zooms such as `10-17`."""

    name = "zooms"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> range:
        match = re.fullmatch(r"(\d{1,2})-(\d{1,2})", str(value))
        if match is None or not int(match[1]) <= int(match[2]) <= 20:
            self.fail(phrase("wmts-no-zooms", "{text!r} is no range of zooms up to 20: write 10-17", text=str(value)))
        return range(int(match[1]), int(match[2]) + 1)


@click.command()
@DIRECTORY
@click.argument("url")
@click.option("--layer", "wanted", default="", help="Layer to fetch. Without it, those that fit are listed.")
@click.option("--zoom", "zooms", type=Zooms(), default="10-17", show_default=True, help="First and last zoom.")
@click.option("--box", nargs=4, type=float, default=None, metavar="WEST SOUTH EAST NORTH",
              help="Area in degrees. Default: around all sectors and sites of the register.")  # fmt: skip
@click.option("--credit", default="", help="Whom the map names. Default: the provider that the server names.")
@click.option("--ca", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=None,
              help="File of the authority that the server's certificate is of. Default: this machine's.")  # fmt: skip
@click.option("--most", type=click.IntRange(1, 2_000_000), default=50_000, show_default=True,
              help="Pictures that may be fetched; one takes 5 to 40 kB.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only say how many pictures it would be.")
@JSON
@handles_errors
def ground(
    directory: Path,
    url: str,
    wanted: str,
    zooms: range,
    box: tuple[float, float, float, float] | None,
    credit: str,
    ca: Path | None,
    most: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Fetch the background of the map from the WMTS at URL, once: nobody who looks at the map is seen there.

    URL is the address of the service or of its capabilities. Stopped, the same call goes on where it was. The server
    may run meanwhile; its map shows the new background when the page is loaded again.
    """
    from backend.city.wmts import capabilities, fetching
    from hub.core import tls

    context = tls.client(file=ca)
    service = capabilities.read(asyncio.run(fetching.capabilities(url, context)))
    if not wanted:
        for one in service.layers:
            span = f"{min(one.levels)}-{max(one.levels)}"
            listed = {"layer": one.name, "title": one.title, "zooms": span, "format": one.format}
            show(listed, as_json, [row(one.name, one.title, span, one.format)])
        said = phrase("wmts-layers", "{count} [layer|layers] can lie below the map; choose with --layer",
                      count=len(service.layers))  # fmt: skip
        say(said)
        return
    layer = next((one for one in service.layers if one.name == wanted), None)
    if layer is None:
        raise ConfigError(_no_layer(wanted, wanted in service.unfit))
    area = fetching.Box(*box) if box else _area(directory)
    if area is None or not (area.west < area.east and area.south < area.north):
        raise ConfigError(
            phrase(
                "wmts-no-area", "no area: name one with --box WEST SOUTH EAST NORTH, or import sectors or sites first"
            )
        )
    total = fetching.count(layer, area, zooms)
    facts: dict[str, object] = {
        "layer": layer.name,
        "box": list(area),
        "zooms": [zooms[0], zooms[-1]],
        "pictures": total,
    }
    if dry_run:
        show(facts, as_json, [row(name, value) for name, value in facts.items()])
        return
    if not 0 < total <= most:
        raise ConfigError(
            phrase("wmts-too-many", "it would be {count} pictures, and {most} may be fetched: fewer zooms, a smaller "
                   "--box, or more with --most", count=total, most=most)
        )  # fmt: skip
    asked = {"address": layer.address, "box": list(area), "zooms": [zooms[0], zooms[-1]]}
    part, began = fetching.Part(directory, asked), time.monotonic()
    try:
        asyncio.run(fetching.fetch(part, layer, area, zooms, context, _teller()))
    except HubError:
        part.close()
        say(phrase("wmts-stopped", "{done} of {total} pictures are kept: the same call goes on there",
                   done=len(part.places), total=total))  # fmt: skip
        raise
    if part.absent == len(part.places):
        part.forget()
        raise NotReady(phrase("wmts-nothing", "the server has no picture of this area"))
    facts |= {"absent": part.absent, "bytes": part.bytes, "seconds": round(time.monotonic() - began, 1)}
    facts["file"] = str(fetching.write(part, directory, layer, area, credit or service.provider))
    show(facts, as_json, [row(name, value) for name, value in facts.items()])


def _no_layer(name: str, there: bool) -> str:
    if there:
        return phrase(
            "wmts-unfit", "the layer {name} has no pictures of 256 pixels in Web Mercator (EPSG:3857)", name=name
        )
    return phrase("wmts-no-layer", "the server has no layer {name}: without --layer they are listed", name=name)


def _area(directory: Path) -> Box | None:
    """The area around the register's sectors and sites."""
    from backend.city.register.sync import areas_of
    from backend.city.wmts.fetching import Box, around
    from backend.storage.city import register

    with opened(directory) as city, city.snapshot() as now:
        areas = [Box(one.west, one.south, one.east, one.north) for one in areas_of(now).all()]
        sites = [(one.lon, one.lat) for one in register.sites(now)]
    return around([*areas, *(Box(lon, lat, lon, lat) for lon, lat in sites if lon is not None and lat is not None)])


def _teller() -> Callable[[Progress], None]:
    last = time.monotonic()

    def tell(now: Progress) -> None:
        nonlocal last
        if time.monotonic() - last >= TELL_S:
            last = time.monotonic()
            say(phrase("wmts-so-far", "{done} of {total} pictures, {size:.1f} MB",
                       done=now.done, total=now.total, size=now.bytes / 1e6))  # fmt: skip

    return tell
