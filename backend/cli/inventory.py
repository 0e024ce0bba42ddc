"""`ilot backend inventory`: keys of devices for one hub, sealed to it and signed by the owner."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from backend.cli.console import DIRECTORY, JSON, ROOT, database, handles_errors, say, show
from hub.core.text import phrase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.protocol.device_labels.device_request import DeviceRequest
    from hub.protocol.device_labels.table import Fault

_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command()
@DIRECTORY
@click.argument("table", type=_FILE)
@click.option("--card", type=_FILE, required=True, help="The hub's card: `ilot inventory card` writes it there.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Write it to this file.")
@ROOT
@click.option("--dry-run", is_flag=True, help="Check the table and write nothing.")
@JSON
@handles_errors
def inventory(
    directory: Path, table: Path, card: Path, out: Path, root: Path | None, dry_run: bool, as_json: bool
) -> None:
    """Seal the devices and keys of TABLE (CSV) to the hub of --card, signed by the owner.

    Rows that name a place are added on the hub at once, the others wait there for their device. Only that hub opens the
    file; `ilot device import` loads it there. Nothing is written while a row is wrong.
    """
    from backend import owner as owners
    from backend.key_files import owner_root
    from hub.core.disk.atomic_files import write_atomically
    from hub.core.errors import ConfigError
    from hub.protocol.device_labels import Unreadable
    from hub.protocol.device_labels.table import read_table
    from hub.protocol.documents import inventory as inventories

    owner = owners.load(directory)
    hub = inventories.read_card(card.read_bytes())
    _enrolled(directory, hub.hub)
    try:
        read = read_table(table.read_bytes())
    except Unreadable as error:
        raise ConfigError(f"{table}: {error.detail}") from error
    wishes, faults = _keyed(read.wishes)
    faults = sorted([*read.faults, *faults], key=lambda fault: fault.line)
    for column in read.ignored:
        say(f"column {column!r} means nothing here and is left out")
    for fault in faults:
        say(f"{table}:{fault.line}: {fault.column + ': ' if fault.column else ''}{fault.en}")
    facts = {"hub": hub.hub, "devices": len(wishes), "faults": msgspec.to_builtins(faults), "file": str(out)}
    if faults:
        say(f"{len(faults)} rows are wrong, nothing is written")
        show(facts, as_json, [])
        sys.exit(ConfigError.exit_code)
    if not dry_run:
        signer = owner_root(root or directory / "root", owner.settings.root)
        now = time.time()
        document = inventories.seal(wishes, hub, signer, owner=owner.settings.owner, number=int(now * 1000), made=now)
        write_atomically(out, document)
        what = "The key of 1 device" if len(wishes) == 1 else f"The keys of {len(wishes)} devices"
        say(f"{what}, sealed to {hub.hub}: {out}. On the hub: ilot device import {out.name}")
        say("The table holds the keys in clear: delete it, or keep it as you keep the recovery key.")
    show(facts, as_json, [f"{name}\t{value}" for name, value in facts.items() if name != "faults"])


def _enrolled(directory: Path, hub: str) -> None:
    from backend.registry import Registry
    from hub.core.errors import ConfigError

    with database(directory) as db:
        found = Registry(db).find(hub)
    if found is None or found.revoked_at is not None:
        state = "was revoked" if found is not None else "is not enrolled"
        raise ConfigError(
            phrase(
                "here-keys-would",
                "{hub} {state} here: its keys would go to nobody's hub. `ilot backend hubs` lists them",
                hub=hub,
                state=state,
            )
        )


def _keyed(wishes: Sequence[DeviceRequest]) -> tuple[list[DeviceRequest], list[Fault]]:
    """Return the devices with the ids that the hub will know them by, and errors for those with neither key nor
    place."""
    from hub.protocol.device_labels import Unreadable, read
    from hub.protocol.device_labels.device_request import DeviceRequest
    from hub.protocol.device_labels.table import Fault

    kept, faults = list[DeviceRequest](), list[Fault]()
    for given in wishes:
        try:
            label = read(given.label) if given.label else None
        except Unreadable as error:
            faults.append(Fault(line=given.line, column="label", en=error.detail, fr=error.fr))
            continue
        wish = given
        if label is not None:
            wish = msgspec.structs.replace(
                given,
                device=given.device or label.device,
                key=given.key or (label.key.hex() if label.key else ""),
                settings={**label.settings, **given.settings},
            )
        if not wish.key and not wish.place:
            faults.append(
                Fault(
                    line=wish.line,
                    column="key",
                    en=phrase("row-has-neither", "this row has neither a key nor a place: it says nothing"),
                    fr=phrase("cette-ligne-na", "cette ligne n'a ni clé ni emplacement"),
                    device=wish.device,
                )
            )
        else:
            kept.append(wish)
    return kept, faults
