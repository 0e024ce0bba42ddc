"""`ilot backend rotate` and `want`: new keys, and requests for missing records."""

from __future__ import annotations

import time
from pathlib import Path

import click

from backend.cli.console import DIRECTORY, JSON, ROOT, database, handles_errors, row, say, show
from hub.core.text import phrase


@click.command()
@DIRECTORY
@click.option("--ingest/--no-ingest", default=True, show_default=True, help="A new key to which hubs seal.")
@click.option("--ack/--no-ack", default=True, show_default=True, help="A new key that acknowledges.")
@click.option("--withdraw", is_flag=True, help="The former acknowledgement key is in wrong hands: hubs refuse it.")
@ROOT
@JSON
@handles_errors
def rotate(directory: Path, ingest: bool, ack: bool, withdraw: bool, root: Path | None, as_json: bool) -> None:
    """Make new keys in DIRECTORY and sign the trust document that names them; needs the owner root. A running backend
    follows by itself."""
    from backend.owner.key_rotation import rotate as change

    owner = change(directory, ingest=ingest, ack=ack, withdraw=withdraw, root=root)
    say(
        phrase(
            "new-keys-named",
            "Trust document, version {version}, names the new keys. Hubs follow with their next state.",
            version=owner.trust.version,
        )
    )
    if ingest:
        say(
            phrase(
                "keep-former-keys",
                "Keep the former keys in recipients/ until no hub has anything sealed to them: see `ilot backend "
                "hubs`.",
            )
        )
    facts = {
        "trust_version": owner.trust.version,
        "recipients": {one.role: one.kid.hex() for one in owner.trust.recipients},
        "ack_keys": [key.kid.hex() for key in owner.trust.ack_keys],
    }
    lines = [f"trust_version\t{owner.trust.version}"]
    lines += [f"{one.role}\t{one.kid.hex()}" for one in owner.trust.recipients]
    lines += [f"ack\t{key.kid.hex()}" for key in owner.trust.ack_keys]
    show(facts, as_json, lines)


@click.command()
@DIRECTORY
@click.argument("hub")
@JSON
@handles_errors
def want(directory: Path, hub: str, as_json: bool) -> None:
    """Ask HUB again, with the answer to its next state, for every record that is missing here."""
    from backend.ingest import resend_requests

    with database(directory) as storage:
        missing = resend_requests.request(storage, hub, time.time())
    say(
        phrase(
            "hub-asked-for-missing",
            "{hub} is asked for what is missing when it next states what it holds; what its disk no longer has stays "
            "lost.",
            hub=hub,
        )
    )
    facts = {"hub": hub, "missing": sum(one["missing"] for one in missing), "streams": missing}
    show(facts, as_json, [row(one["stream"], one["run"], _missing(one["missing"])) for one in missing])


def _missing(count: int) -> str:
    return phrase("records-missing", "{count} missing", count=count)
