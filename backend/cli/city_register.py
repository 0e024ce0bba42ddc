"""`ilot backend city import|sites|things`: what there is in the city."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from backend.cli.city_people import opened
from backend.cli.console import DIRECTORY, JSON, city_address, date, handles_errors, row, say, show
from hub.core.errors import ConfigError, DecodeError
from hub.core.text import phrase

if TYPE_CHECKING:
    from backend.city.register.files import Problem

MOST_SAID = 50
"""Problems of a file that are said one by one."""


@click.command("import")
@DIRECTORY
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--as",
    "what",
    type=click.Choice(("services", "sectors", "sites", "things")),
    default=None,
    help="What FILE holds. Default: what its columns say.",
)
@JSON
@handles_errors
def import_(directory: Path, file: Path, what: str | None, as_json: bool) -> None:
    """Import services, sectors, sites or things from FILE, CSV or GeoJSON: all of it, or nothing where a line is wrong.

    The server may run meanwhile. Lines that are there already are changed as FILE says.
    """
    from backend.city.people import journal
    from backend.city.register import files, importing
    from backend.storage.opening import open_queries

    try:
        parsed = files.parse(file.read_bytes(), what or "")
    except DecodeError as error:
        said = phrase("register-file-refused", "{file}: {reason}", file=file, reason=error.detail)
        raise ConfigError(said) from error
    with open_queries(city_address(directory)).snapshot() as seen:
        hubs = [line.hub.hub for line in seen.hubs()]
    with opened(directory) as city, city.transaction() as t:
        problems = importing.apply(t, parsed, hubs, time.time())
        if not problems:
            facts = {"file": file.name, "lines": len(parsed.lines)}
            journal.note(t, "cli", "register.import", parsed.what, facts)
    if problems:
        _refuse(file, problems, as_json)
    say(
        phrase(
            "register-imported", "{count} [line|lines] of {what} imported", count=len(parsed.lines), what=parsed.what
        )
    )
    show({"what": parsed.what, "lines": len(parsed.lines)}, as_json, [])


@click.command()
@DIRECTORY
@JSON
@handles_errors
def sites(directory: Path, as_json: bool) -> None:
    """List the sites: those that were imported, and those that hubs name."""
    from backend.storage.city import register

    with opened(directory) as city, city.snapshot() as now:
        of = register.sectors_of_sites(now)
        for one in register.sites(now):
            sectors = of.get(one.id, [])
            where = "-" if one.lat is None or one.lon is None else f"{one.lat:.5f} {one.lon:.5f}"
            cells = (one.id, one.name, where, one.service or "-", " ".join(sectors) or "-")
            show(one._asdict() | {"sectors": sectors}, as_json, [row(*cells)])


@click.command()
@DIRECTORY
@click.option("--site", default="", help="Only those of this site.")
@click.option("--kind", default="", help="Only those of this kind.")
@click.option("--layer", default="", help="Only those of this layer.")
@JSON
@handles_errors
def things(directory: Path, site: str, kind: str, layer: str, as_json: bool) -> None:
    """List the things: devices of the hubs, as the city's view has them."""
    from backend.storage.city import register

    with opened(directory) as city, city.snapshot() as now:
        for one in register.things(now, site=site, kind=kind, layer=layer):
            cells = (one.hub, one.device, one.name, one.kind, one.site or "-", one.status, date(one.seen_at))
            show(one._asdict(), as_json, [row(*cells)])


def _refuse(file: Path, problems: list[Problem], as_json: bool) -> None:
    for one in problems[:MOST_SAID]:
        say(phrase("register-line-wrong", "{file}:{line}: {reason}", file=file, line=one.line, reason=one.said))
    say(
        phrase(
            "register-nothing-imported",
            "{count} [line is|lines are] wrong: nothing was imported",
            count=len({one.line for one in problems}),
        )
    )
    show({"problems": [{"line": one.line, "said": one.said} for one in problems]}, as_json, [])
    sys.exit(ConfigError.exit_code)
