"""`ilot device add`, `remove` and `import`: devices added and removed while the hub runs."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.cli import output
from hub.cli.hub_client import Hub, ask, hub_of
from hub.cli.key_input import key_of
from hub.core.errors import ConfigError, HubError, NotReady
from hub.core.text import phrase, reason_of, system_error

if TYPE_CHECKING:
    from hub.protocol.device_labels.device_request import DeviceRequest
    from hub.protocol.device_labels.table import Fault, Table

BATCH, DRY_BATCH = 50, 1000
"""Rows in one call: each answered batch is durable. A dry run checks a file as a whole, if it fits."""
_CALL_S = 120.0

FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)
DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would happen and change nothing.")
UPDATE = click.option("--update", is_flag=True, help="Change what is there already with other values.")


@click.command()
@click.argument("device", required=False)
@click.option("--label", default="", help="The text of its label or QR code, when that holds no key.")
@click.option("--label-file", type=FILE, help="The same from a file; - is stdin.")
@click.option("--place", default="", help="What it stands for.")
@click.option("--zone", default="", help="The zone of that place, where the place is to be made.")
@click.option("--integration", default="", help="The integration that speaks to it, where that is not clear.")
@click.option("--pack", default="", help="The pack that reads its payloads.")
@click.option("--name", default="", help="Its name, for people.")
@click.option("--model", default="", help="Its maker's model.")
@click.option("--key-file", type=FILE, help="Its key in hexadecimal; - is stdin.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of its integration; repeat.")
@UPDATE
@DRY_RUN
@output.with_hub
def add(
    device: str | None,
    label: str,
    label_file: Path | None,
    key_file: Path | None,
    settings: tuple[str, ...],
    update: bool,
    dry_run: bool,
    config: Path,
    state_dir: Path | None,
    json: bool,
    **said: str,
) -> None:
    """Add a device to the running hub: by the text of its label, by the DEVICE's id, or one that is heard.

    Keys never stand on the command line, where other users see them: they come from --key-file, from --label-file, or
    from the inventory that was imported before. Without a label and an id, what is heard and not admitted is listed.
    """
    import msgspec

    from hub.protocol.device_labels.device_request import DeviceRequest

    hub = hub_of(config, state_dir)
    if label and label_file is not None:
        raise click.UsageError(phrase("either-label-or-file", "either --label or --label-file"))
    text = _text(label_file).strip() if label_file is not None else _without_a_key(label)
    if not text and not device:
        _candidates(hub)
    given = {"label": text, "device": device or "", "key": _key(key_file), **said}
    wish = msgspec.convert({**given, "settings": dict(_setting(one) for one in settings)}, DeviceRequest)
    row = _call(hub, "device.add", [wish], dry_run=dry_run, update=update)[0]
    if json:
        output.data(row)
    elif row["state"] != "wrong":
        echo_row(row, dry_run)
        if sentence := output.of_both(row):
            output.say(sentence)
        if row["state"] == "added" and not dry_run:
            output.say(phrase("device-added-next", "it is green in `ilot devices` once its first report is in"))
    if row["state"] == "wrong":
        raise ConfigError(fault_of(row, column="" if json else row["column"]))


@click.command()
@click.argument("device")
@DRY_RUN
@output.with_hub
def remove(device: str, dry_run: bool, config: Path, state_dir: Path | None, json: bool) -> None:
    """Remove a DEVICE that a command added. Its place, its series and its history stay."""
    answer = ask(config, state_dir, "device.remove", device=device, dry_run=dry_run)
    if json:
        output.data(answer)
    else:
        place = answer["place"] or phrase("no-place", "no place")
        output.echo(
            phrase("would-be-removed", "{device} would be removed from {place}", device=device, place=place)
            if dry_run
            else phrase("was-removed", "{device} was removed from {place}", device=device, place=place)
        )


@click.command("import")
@click.argument("file", type=FILE, required=False)
@click.option("--template", is_flag=True, help="Print a table to start from.")
@click.option("--zone", default="", help="The zone of the places that the table names and that are to be made.")
@UPDATE
@DRY_RUN
@output.with_hub
def import_(
    file: Path | None,
    template: bool,
    zone: str,
    update: bool,
    dry_run: bool,
    config: Path,
    state_dir: Path | None,
    json: bool,
) -> None:
    """Import devices from FILE: a table (CSV), an inventory of the owner's, or another tool's list of keys.

    A result for each row; a row is imported whole or not at all, and importing twice changes nothing. A place is named
    by its name or its id; one that is not there is made in the row's zone, or in --zone. A table without a column
    `place` is a list of keys: they are kept until the devices are added. Exit code 3 when a row is wrong.
    """
    from hub.protocol.device_labels import Unreadable
    from hub.protocol.device_labels.table import TEMPLATE, read_table
    from hub.protocol.documents import inventory

    if template:
        click.echo(TEMPLATE, nl=False)
        return
    if file is None:
        raise click.UsageError(phrase("file-or-template-missing", "name the file, or --template"))
    hub, data = hub_of(config, state_dir), _bytes(file)
    if inventory.is_one(data):
        document = base64.b64encode(data).decode()
        answer = hub("inventory.load", timeout=_CALL_S, document=document, dry_run=dry_run)
        output.say(
            phrase("inventory-loaded", "inventory {number} of {owner}", number=answer["number"], owner=answer["owner"])
        )
        report(answer["rows"], [], dry_run, json)
        return
    try:
        table = read_table(data)
    except Unreadable as error:
        raise ConfigError(phrase("file-refused", "{file}: {reason}", file=file, reason=error.detail)) from error
    for column in table.ignored:
        output.say(phrase("column-left-out", "column {column!r} means nothing here and is left out", column=column))
    if not table.placed:
        output.say(
            phrase("table-keys-kept", "the table names no places: its keys are kept until the devices are added")
        )
    rows = [_as_row(fault) for fault in table.faults]
    rows += [_titled(row, table) for row in _imported(hub, table, zone, update=update, dry_run=dry_run)]
    report(sorted(rows, key=lambda row: row["line"]), table.ignored, dry_run, json)


def placed(file: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Return devices and places of a table (CSV), and its unknown columns. Raises ConfigError."""
    import msgspec

    from hub.protocol.device_labels import Unreadable
    from hub.protocol.device_labels.table import read_table

    try:
        table = read_table(_bytes(file))
    except Unreadable as error:
        raise ConfigError(phrase("file-refused", "{file}: {reason}", file=file, reason=error.detail)) from error
    if table.faults:
        fault = table.faults[0]
        raise ConfigError(
            phrase(
                "fault-at-line",
                "{file}:{line}: {column}: {reason}",
                file=file,
                line=fault.line,
                column=fault.column,
                reason=fault.en,
            )
        )
    if not table.placed:
        raise ConfigError(
            phrase("table-without-places", "{file}: a table for bulk adoption has a column `place`", file=file)
        )
    return msgspec.to_builtins(table.wishes), list(table.ignored)


def _imported(hub: Hub, table: Table, zone: str, *, update: bool, dry_run: bool) -> Iterator[dict[str, Any]]:
    """Yield the result of each row, batch by batch, with progress on stderr; `zone` is that of places to be made."""
    from msgspec import structs

    name = "device.add" if table.placed else "device.keep"
    size, done, many = DRY_BATCH if dry_run else BATCH, 0, len(table.wishes)
    with click.progressbar(length=many, file=sys.stderr, hidden=not sys.stderr.isatty(), show_pos=True) as bar:
        for start in range(0, many, size):
            batch = table.wishes[start : start + size]
            try:
                rows = _call(hub, name, batch, dry_run=dry_run, update=update)
                lost = [row["line"] for row in rows if zone and row.get("why") == "no-such-place"]
                if lost:
                    again = [structs.replace(one, zone=zone) for one in batch if one.line in lost]
                    made = {row["line"]: row for row in _call(hub, name, again, dry_run=dry_run, update=update)}
                    rows = [made.get(row["line"], row) for row in rows]
                yield from rows
            except HubError as error:
                if error.exit_code != NotReady.exit_code:
                    raise
                raise NotReady(
                    phrase(
                        "hub-gone-during-import",
                        "the hub went away after {done} of {count} rows; what was imported stays: import the file "
                        "again when it is back: {reason}",
                        done=done,
                        count=many,
                        reason=reason_of(error),
                    )
                ) from error
            done += len(batch)
            bar.update(len(batch))
            if bar.hidden and not dry_run and done < many:
                output.say(phrase("rows-done", "{done} of {count}", done=done, count=many))


def _call(hub: Hub, name: str, wishes: list[DeviceRequest], **arguments: Any) -> list[dict[str, Any]]:
    import msgspec

    answer = hub(name, timeout=_CALL_S, wishes=msgspec.to_builtins(wishes), **arguments)
    return list(answer["rows"])


def report(rows: list[dict[str, Any]], ignored: list[str], dry_run: bool, json: bool) -> None:
    """Print every row, then the number of each kind. Exit code 3 when one is wrong."""
    summary: dict[str, int] = {}
    for row in rows:
        summary[row["state"]] = summary.get(row["state"], 0) + 1
    if json:
        output.data({"dry_run": dry_run, "summary": summary, "ignored": ignored, "rows": rows})
    else:
        output.table(
            ("line", "device", "place", "result", "column", "what"),
            [
                (row["line"] or "", row["device"], row["place"], _done(row["state"], dry_run), row["column"],
                 output.of_both(row))
                for row in rows
            ],
        )  # fmt: skip
    told = [f"{count} {output.translated(_done(state, dry_run))}" for state, count in summary.items()]
    output.say(
        phrase(
            "rows-by-result",
            "{count} [row|rows]: {results}",
            count=len(rows),
            results=told or phrase("results-none", "none"),
        )
    )
    if summary.get("wrong"):
        raise click.exceptions.Exit(ConfigError.exit_code)


_DONE = {
    "added": phrase("row-added", "added"),
    "changed": phrase("row-changed", "changed"),
    "kept": phrase("row-kept", "kept"),
    "already": phrase("row-already", "is there already"),
    "wrong": phrase("row-wrong", "wrong"),
}
_WOULD = {
    "added": phrase("row-would-be-added", "would be added"),
    "changed": phrase("row-would-be-changed", "would be changed"),
    "kept": phrase("row-would-be-kept", "would be kept"),
}


def _done(state: str, dry_run: bool) -> str:
    """Return the result of a row in words."""
    return _WOULD[state] if dry_run and state in _WOULD else _DONE[state]


def echo_row(row: dict[str, Any], dry_run: bool) -> None:
    """Print what became of one device."""
    output.echo(
        phrase(
            "device-row",
            "{device} {result} at {place} (zone {zone})",
            device=row["device"],
            result=_done(row["state"], dry_run),
            place=row["place"],
            zone=row["zone"],
        )
    )


def fault_of(row: dict[str, Any], *, column: str) -> str:
    """Return what is wrong with a row, in the language of the shell; `column` "": without the name of its column."""
    said = output.of_both(row)
    return phrase("fault-in-column", "{column}: {reason}", column=column, reason=said) if column else said


def _as_row(fault: Fault) -> dict[str, Any]:
    from hub.i18n.catalogues import translate

    return {
        "line": fault.line, "device": fault.device, "state": "wrong", "place": "", "zone": "", "integration": "",
        "pack": "", "key_from": "", "column": fault.column, "en": fault.en, "fr": translate(fault.en, "fr"),
    }  # fmt: skip


def _titled(row: dict[str, Any], table: Table) -> dict[str, Any]:
    """Return the row with columns by the names in the file."""
    return {**row, "column": table.columns.get(row["column"], row["column"])}


def _candidates(hub: Hub) -> None:
    """List the senders that are not admitted, with the command that adds one."""
    heard = [one for one in hub("devices")["quarantine"] if not one["known"]]
    rows = [(one["id"], one["model"], one["integration"], one["reason"], one["count"]) for one in heard]
    output.table(("heard-not-admitted", "model", "integration", "why", "times"), rows)
    raise click.UsageError(phrase("name-a-device", "name one: `ilot device add DEVICE --place PLACE`, or give --label"))


def _setting(text: str) -> tuple[str, str]:
    name, sep, value = text.partition("=")
    if not sep or not name:
        raise click.UsageError(phrase("setting-form-wrong", "--set {name}: expected NAME=VALUE", name=name))
    return name, value


def _without_a_key(label: str) -> str:
    from hub.protocol.device_labels import Unreadable, read

    try:
        keyed = bool(label) and read(label).key is not None
    except Unreadable:
        return label  # a pack may recognise it
    if keyed:
        raise click.UsageError(
            phrase(
                "label-holds-key",
                "this label holds a key, which others can see here: give it by --label-file, - is stdin",
            )
        )
    return label


def _key(path: Path | None) -> str:
    if path is None:
        return ""
    return key_of(path).hex()


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.UsageError(phrase("file-not-text", "{file} is not text", file=path)) from error


def _bytes(path: Path) -> bytes:
    from hub.protocol.device_labels.table import MAX_TABLE

    try:
        if str(path) == "-":
            return sys.stdin.buffer.read(MAX_TABLE + 1)
        with path.open("rb") as file:
            return file.read(MAX_TABLE + 1)
    except OSError as error:
        raise HubError(
            phrase("file-not-read", "{file} cannot be read: {reason}", file=path, reason=system_error(error))
        ) from error
