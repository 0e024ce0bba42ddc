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
    """Seal the devices and keys of TABLE (CSV) to the hub of --card, signed by the owner root.

    Rows that name a place are added on the hub at once, the others wait there for their device. Only that hub opens the
    file; `ilot device import` loads it there. Nothing is written while a row is wrong.
    """
    from backend.owner import directory as owners
    from backend.owner.key_files import owner_root
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
        raise ConfigError(phrase("fault-in-file", "{file}: {reason}", file=table, reason=error.detail)) from error
    wishes, faults = _keyed(read.wishes)
    faults = sorted([*read.faults, *faults], key=lambda fault: fault.line)
    for column in read.ignored:
        say(phrase("column-left-out", "column {column!r} means nothing here and is left out", column=column))
    for fault in faults:
        place = f"{table}:{fault.line}" + (f": {fault.column}" if fault.column else "")
        say(phrase("problem-at-place", "{place}: {reason}", place=place, reason=fault.en))
    facts = {
        "hub": hub.hub,
        "devices": len(wishes),
        "faults": [msgspec.structs.asdict(one) for one in faults],
        "file": str(out),
    }
    if faults:
        say(phrase("rows-wrong", "{count} [row is|rows are] wrong, nothing is written", count=len(faults)))
        show(facts, as_json, [])
        sys.exit(ConfigError.exit_code)
    if not dry_run:
        signer = owner_root(root or directory / "root", owner.settings.root)
        now = time.time()
        document = inventories.seal(wishes, hub, signer, owner=owner.settings.owner, number=int(now * 1000), made=now)
        write_atomically(out, document)
        say(
            phrase(
                "inventory-sealed",
                "The [key|keys] of {count} [device|devices], sealed to {hub}: {file}. On the hub: ilot device import "
                "{name}",
                count=len(wishes),
                hub=hub.hub,
                file=out,
                name=out.name,
            )
        )
        say(
            phrase(
                "table-holds-keys",
                "The table holds the keys in clear: delete it, or keep it as you keep the recovery key.",
            )
        )
    show(facts, as_json, [f"{name}\t{value}" for name, value in facts.items() if name != "faults"])


def _enrolled(directory: Path, hub: str) -> None:
    from backend.hubs.registry import Registry
    from hub.core.errors import ConfigError

    with database(directory) as storage:
        found = Registry(storage).find(hub)
    if found is None:
        raise ConfigError(
            phrase(
                "keys-for-unknown-hub",
                "{hub} is not enrolled here: its keys would go to nobody's hub. `ilot backend hubs` lists them",
                hub=hub,
            )
        )
    if found.revoked_at is not None:
        raise ConfigError(
            phrase(
                "keys-for-revoked-hub",
                "{hub} was revoked here: its keys would go to nobody's hub. `ilot backend hubs` lists them",
                hub=hub,
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
            faults.append(Fault(line=given.line, column="label", en=error.detail))
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
                    en=phrase("row-without-key-or-place", "this row has neither a key nor a place: it says nothing"),
                    device=wish.device,
                )
            )
        else:
            kept.append(wish)
    return kept, faults
