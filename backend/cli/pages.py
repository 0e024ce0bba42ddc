"""`ilot backend pages`: the authority that certifies the hubs' own pages."""

from __future__ import annotations

from pathlib import Path

import click

from backend.cli.console import DIRECTORY, JSON, handles_errors, say, show
from hub.core.text import phrase


@click.command()
@DIRECTORY
@click.option("--grant", "hub", metavar="HUB", help="Let this hub's page go by the names that follow, and no others.")
@click.argument("names", nargs=-1)
@JSON
@handles_errors
def pages(directory: Path, hub: str | None, names: tuple[str, ...], as_json: bool) -> None:
    """Where the authority's certificate is, to install on phones; with --grant, names of a hub's page."""
    from backend.owner import directory as owners
    from backend.owner import page_authority as authority

    owner = owners.load(directory)
    authority.authority(directory, owner.settings.owner)
    if hub is not None:
        authority.grant(directory, hub, names)
    elif names:
        raise click.UsageError(phrase("names-without-hub", "names belong to a hub: --grant HUB NAME…"))
    known = authority.granted(directory)
    say(
        phrase(
            "install-page-ca",
            "Install {file} on technicians' phones: then hubs' pages bring no warning there.",
            file=directory / authority.CA,
        )
    )
    facts = {"certificate": str(directory / authority.CA), "granted": known}
    lines = [f"{one}\t{' '.join(its)}" for one, its in known.items()]
    show(facts, as_json, [f"certificate\t{facts['certificate']}", *lines])
