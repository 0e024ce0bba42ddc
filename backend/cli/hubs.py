"""`ilot backend hubs`, `revoke`, `readmit` and `tag`: the registry of hubs."""

from __future__ import annotations

import time
from pathlib import Path

import click

from backend.cli.console import DIRECTORY, JSON, database, date, handles_errors, reading, row, say, show, state_of
from hub.core.text import phrase

_LEFT_OUT = ("streams", "streams_in_all", "state_at")


@click.command()
@DIRECTORY
@click.option("--tag", default="", help="Only those with this tag.")
@JSON
@handles_errors
def hubs(directory: Path, tag: str, as_json: bool) -> None:
    """List the hubs enrolled in DIRECTORY, their tags, and the trust version that each follows."""
    from backend.queries.views import MAX_HUBS

    views, after = reading(directory), ""
    while page := views.hubs(after=after, limit=MAX_HUBS):
        after = page[-1]["hub"]
        for hub in page:
            if tag and tag not in hub["tags"]:
                continue
            facts = {name: value for name, value in hub.items() if name not in _LEFT_OUT}
            follows = phrase("follows-trust", "trust {version}", version=hub["trust_version"] or "-")
            seen = phrase("seen-at", "seen {moment}", moment=date(hub["seen_at"]))
            cells = [hub["hub"], state_of(hub["revoked_at"]), hub["name"] or "-", seen, follows, " ".join(hub["tags"])]
            show(facts, as_json, [row(*(cells if hub["tags"] else cells[:-1]))])


@click.command()
@DIRECTORY
@click.argument("hub")
@JSON
@handles_errors
def revoke(directory: Path, hub: str, as_json: bool) -> None:
    """Refuse HUB from its next message on."""
    from backend.hubs.registry import Registry

    with database(directory) as storage:
        registry = Registry(storage)
        registry.revoke(hub, time.time())
        found = registry.find(hub)
    revoked_at = found.revoked_at if found is not None else None
    say(
        phrase(
            "hub-is-revoked",
            "{hub} is revoked. What it sends from now on is refused and kept in quarantine; change every secret it "
            "held.",
            hub=hub,
        )
    )
    show({"hub": hub, "revoked_at": revoked_at}, as_json, [])


@click.command()
@DIRECTORY
@click.argument("hub")
@JSON
@handles_errors
def readmit(directory: Path, hub: str, as_json: bool) -> None:
    """Accept HUB again, which was revoked: for one that was found, and never in other hands."""
    from backend.hubs.registry import Registry

    with database(directory) as storage:
        was = Registry(storage).readmit(hub)
    say(
        phrase(
            "hub-is-readmitted",
            "{hub}, revoked {moment}, is accepted from its next message on, with the keys that it had: it sends what "
            "it holds. One that was in other hands starts with an empty state directory and a new token instead.",
            hub=hub,
            moment=date(was.revoked_at),
        )
    )
    show({"hub": hub, "revoked_at": None, "was_revoked_at": was.revoked_at}, as_json, [])


@click.command()
@DIRECTORY
@click.argument("hub")
@click.argument("tags", nargs=-1)
@JSON
@handles_errors
def tag(directory: Path, hub: str, tags: tuple[str, ...], as_json: bool) -> None:
    """Give HUB these TAGS in the place of those that it has; none: take them away."""
    from backend.hubs.enrolment_tables import read_tags
    from backend.hubs.registry import Registry

    given = read_tags(" ".join(tags))
    with database(directory) as storage:
        Registry(storage).tag(hub, given)
    show({"hub": hub, "tags": given}, as_json, [row(hub, " ".join(given))])
