"""`ilot backend city crisis|energy`: log, reflex sheets and snapshots of a crisis; what is declared of meters."""

from __future__ import annotations

import time
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from backend.cli.city_people import BY, opened
from backend.cli.console import DIRECTORY, JSON, Group, handles_errors, row, say, show
from hub.core.errors import ConfigError, StorageError
from hub.core.text import phrase, system_error


@click.group(cls=Group)
def crisis() -> None:
    """Crisis over the city: what works without a browser."""


@crisis.command()
@DIRECTORY
@click.option("--verify", is_flag=True, help="Only check the chain; exit code 7 where it is broken.")
@click.option("--drill", type=int, default=0, help="Number of a drill whose log is meant; 0 is the real one.")
@JSON
@handles_errors
def log(directory: Path, verify: bool, drill: int, as_json: bool) -> None:
    """The main courante, from its first line."""
    from backend.city.crisis import log as chain
    from backend.storage.city import crisis as tables

    with opened(directory) as city, city.snapshot() as reader:
        verdict = chain.verify(reader, drill)
        lines = [] if verify else list(tables.all_lines(reader, drill))
    for one in lines:
        facts = {"n": one.n, "at": one.at, "who": one.who, "kind": one.kind, "text": one.text, "facts": one.facts,
                 "digest": one.digest.hex()}  # fmt: skip
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.at))
        show(facts, as_json, [row(str(one.n), at, one.who, one.kind, one.text)])
    if verdict.broken:
        raise StorageError(
            phrase(
                "crisis-chain-broken",
                "the chain of the log is broken at line {n}: the database was changed",
                n=verdict.broken,
            )
        )
    head = verdict.head or "-"
    say(
        phrase(
            "crisis-chain-holds", "the chain holds: {count} lines, last digest {head}", count=verdict.lines, head=head
        )
    )


@crisis.command()
@DIRECTORY
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@JSON
@handles_errors
def sheets(directory: Path, folder: Path, dry_run: bool, as_json: bool) -> None:
    """Put the Markdown files of FOLDER in the place of all reflex sheets."""
    from backend.city.crisis import sheets as reflex
    from backend.storage.city import crisis as tables

    found = reflex.read(folder)
    with opened(directory) as city:
        if dry_run:
            with city.snapshot() as reader:
                before = {one.name for one in tables.sheets(reader)}
            names = {name for name, _, _ in found}
            done = reflex.Imported(sorted(names - before), sorted(names & before), sorted(before - names))
        else:
            with city.transaction() as t:
                done = reflex.put(t, found, who=BY, now=time.time())
    show(done._asdict(), as_json, [row(kind, *names) for kind, names in done._asdict().items() if names])


@crisis.command("snapshot-to")
@DIRECTORY
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
@handles_errors
def snapshot_to(directory: Path, folder: Path | None) -> None:
    """Write the last snapshot to FOLDER too, every minute: a share of another machine, a stick. Without FOLDER, only
    below the owner's directory."""
    from backend.city.crisis.service import SNAPSHOT_TO
    from backend.storage.city import crisis as tables

    if folder is not None:
        folder = folder.absolute()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ".ilot-test").write_bytes(b"")
            (folder / ".ilot-test").unlink()
        except OSError as error:
            raise ConfigError(
                phrase(
                    "crisis-folder-refused",
                    "{folder} cannot be written to: {reason}",
                    folder=folder,
                    reason=system_error(error),
                )
            ) from error
    with opened(directory) as city, city.transaction() as t:
        tables.set_setting(t, SNAPSHOT_TO, "" if folder is None else str(folder))
    if folder is None:
        say(phrase("crisis-snapshot-here", "snapshots are written below the owner's directory only"))
    else:
        say(
            phrase(
                "crisis-snapshot-there", "snapshots are written to {folder} too, from the next minute on", folder=folder
            )
        )


@crisis.command("time-zone")
@DIRECTORY
@click.argument("name")
@handles_errors
def time_zone(directory: Path, name: str) -> None:
    """Tell times on pages, in documents and in messages in this IANA time zone: Indian/Reunion, America/Martinique.
    Energy is then counted anew, by its months, within the hour."""
    from backend.city.zone import SETTING, read_zone
    from backend.storage.city import crisis as tables
    from backend.storage.city import energy as meters

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConfigError(phrase("crisis-zone-unknown", "there is no time zone {name!r}", name=name[:64])) from None
    with opened(directory) as city, city.transaction() as t:
        changes = read_zone(t).key != name
        tables.set_setting(t, SETTING, name)
        for one in meters.followed(t).values() if changes else ():  # its hours lie by months of the former zone
            meters.forget_series(t, one.n)


@click.group(cls=Group)
def energy() -> None:
    """Energy over buildings."""


@energy.command("import")
@DIRECTORY
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Only check the file.")
@JSON
@handles_errors
def import_energy(directory: Path, file: Path, dry_run: bool, as_json: bool) -> None:
    """Put the meters or the buildings of FILE, CSV, in the place of those that were declared."""
    from backend.city.energy import imports
    from backend.storage.city import energy as tables
    from backend.storage.city.energy import Building, MeterFacts

    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(
            phrase("energy-file-unread", "{file} cannot be read: {reason}", file=file, reason=system_error(error))
        ) from error
    found = imports.read(file.name, data)
    some_meters = [one for one in found if isinstance(one, MeterFacts)]
    some_buildings = [one for one in found if isinstance(one, Building)]
    if not dry_run:
        with opened(directory) as city, city.transaction() as t:
            if some_meters:
                tables.put_meters(t, some_meters)
            else:
                tables.put_buildings(t, some_buildings)
    facts = {"meters": len(some_meters), "buildings": len(some_buildings), "dry_run": dry_run}
    show(facts, as_json, [row(*(f"{name} {value}" for name, value in facts.items()))])


@energy.command()
@DIRECTORY
@click.argument("series", required=False, default="")
@click.option("--dry-run", is_flag=True, help="Only count them.")
@JSON
@handles_errors
def reread(directory: Path, series: str, dry_run: bool, as_json: bool) -> None:
    """Drop the hours and months of SERIES, or of all, so that they are read anew within the hour: after a hub delivered
    what is more than eight days old."""
    from backend.storage.city import energy as tables

    with opened(directory) as city, city.transaction() as t:
        known = tables.followed(t)
        found = [one for one in known.values() if series in ("", one.series)]
        if series and not found:
            raise ConfigError(phrase("energy-series-unknown", "no meter {series} is read", series=series[:200]))
        for one in found if not dry_run else ():
            tables.forget_series(t, one.n)
    show({"series": len(found), "dry_run": dry_run}, as_json, [row("series", str(len(found)))])
