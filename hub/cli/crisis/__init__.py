"""`ilot crisis`: isolate a hub, make it read-only, export its data, and leave the crisis again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.crisis.raising import sampling
from hub.cli.hub_client import ask
from hub.config.state_dir import state_of
from hub.core.errors import HubError
from hub.core.system_errors import file_not_written
from hub.core.text import phrase

WAIT_S = 600.0


@click.group(cls=output.Group)
def crisis() -> None:
    """Isolate this hub, make it read-only, export what it has; works with no network, and across a restart."""


crisis.add_command(sampling)


def _says_why(command: Any) -> Any:
    return click.option("--why", required=True, help="The reason; it stands in the audit log and on every page.")(
        command
    )


@crisis.command()
@output.with_hub
def status(config: Path, state_dir: Path | None, json: bool) -> None:
    """Whether a crisis holds, and what would go on or stop if the hub were isolated. Exit code 6 while one holds."""
    answer = ask(config, state_dir, "crisis.status")
    _show(answer, json=json)
    if answer["isolated"] or answer["read_only"] or answer["sampling"] is not None:
        raise click.exceptions.Exit(6)


@crisis.command()
@click.option("--dry-run", is_flag=True, help="Only show what would go on and what would stop.")
@click.option("--why", default="", help="The reason; needed unless --dry-run.")
@output.with_hub
def isolate(dry_run: bool, why: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Cut this hub off: no link, no notifier, no exporter, no integration that speaks over somebody else's network.

    What hangs on its own lines goes on, and the buffer keeps everything until the crisis is over. Exit code 6 where it
    is done, and the disk refuses to remember it: a restart would undo it.
    """
    _enter("crisis.isolate", dry_run, why, config, state_dir, json)


@crisis.command()
@click.option("--dry-run", is_flag=True, help="Only show how it stands.")
@click.option("--why", default="", help="The reason; needed unless --dry-run.")
@output.with_hub
def readonly(dry_run: bool, why: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Refuse every write to a device and every change of this hub. Alerts are still answered. Exit code 6 where it is
    done, and the disk refuses to remember it: a restart would undo it."""
    _enter("crisis.readonly", dry_run, why, config, state_dir, json)


@crisis.command()
@_says_why
@output.with_hub
def end(why: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Leave the crisis; says whether the configuration is still what it was at its beginning. Exit code 6 when not."""
    answer = ask(config, state_dir, "crisis.end", timeout=WAIT_S, why=why)
    if json:
        output.data(answer)
    else:
        output.say(
            phrase("crisis-over-same", "the crisis is over; the configuration is the same as before")
            if answer["same"]
            else phrase("crisis-over-changed", "the crisis is over; the configuration is another one")
        )
        if answer["error"]:
            output.say(
                phrase(
                    "crisis-end-not-audited",
                    "the audit log has nothing of it yet, it is tried again: {reason}",
                    reason=answer["error"],
                )
            )
    if not answer["same"]:
        raise click.exceptions.Exit(6)


@crisis.command()
@click.argument("directory", type=click.Path(path_type=Path))
@output.with_hub
def export(directory: Path, config: Path, state_dir: Path | None, json: bool) -> None:
    """Write a new folder DIRECTORY, on a USB stick for instance: sealed readings and state, status, alerts, audit log.

    It is signed by this hub. Readings and state in it are opened by the owner alone; names of devices and places are in
    clear. Exit code 6 where something could not be made or read: the rest is there.
    """
    answer = ask(config, state_dir, "crisis.export", timeout=WAIT_S, directory=str(directory.absolute()))
    if json:
        output.data(answer)
    else:
        output.say(
            phrase(
                "crisis-exported",
                "{directory}: {count} [file|files], {size}",
                directory=answer["directory"],
                count=answer["files"],
                size=output.size(answer["bytes"]),
            )
        )
        for name in answer["missing"]:
            output.say(
                phrase("export-part-missing", "{name} could not be made or read: {name}.error.txt says why", name=name)
            )
    if answer["missing"]:
        raise click.exceptions.Exit(6)


@crisis.command()
@click.argument("directory", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--hub",
    default="",
    metavar="ID",
    help="The hub's id, as on its label and in the backend's list; by default that of the hub on this machine.",
)
@output.with_hub
def verify(directory: Path, hub: str, config: Path, state_dir: Path | None, json: bool) -> None:
    """Check an export on any machine: is it whole, and of that hub? Exit code 7 when it is not.

    Without --hub it is held against the hub of this machine.
    """
    from hub.operations.crisis.export import verify as check

    hub = hub or _hub_here(config, state_dir)
    wrong = check(directory, hub)
    if json:
        output.data({"wrong": wrong})
    else:
        for sentence in wrong:
            output.echo(sentence)
        if not wrong:
            output.say(phrase("export-whole", "whole, and signed by {hub}", hub=hub))
    if wrong:
        raise click.exceptions.Exit(7)


@crisis.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
@output.with_config
@output.with_state
def runbook(out: Path | None, config: Path, state_dir: Path | None) -> None:
    """The sheet to print and to keep beside the hub, in French (HTML)."""
    html = ask(config, state_dir, "crisis.runbook")["html"]
    if out is None:
        click.echo(html)
        return
    try:
        out.write_text(html, "utf-8")
    except OSError as error:
        raise HubError(file_not_written(out, error)) from error
    output.say(phrase("runbook-written", "{file}: open it in a browser and print it", file=out))


def _hub_here(config: Path, state_dir: Path | None) -> str:
    """Return the id of the hub enrolled on this machine. Raises UsageError where there is none."""
    from hub.identity.enrolment import load

    try:
        return load(state_of(config, state_dir))[0].hub
    except (HubError, OSError):
        raise click.UsageError(
            phrase(
                "name-hub-of-export",
                "say whose export this must be: --hub ID, the id on the hub's label or in the backend's list. No "
                "hub is enrolled on this machine, and what the folder says of itself proves nothing.",
            )
        ) from None


def _enter(name: str, dry_run: bool, why: str, config: Path, state_dir: Path | None, json: bool) -> None:
    if not dry_run and not why:
        raise click.UsageError(phrase("reason-missing", 'say why: --why "…"'))
    answer = ask(config, state_dir, name, timeout=WAIT_S, why=why, dry_run=dry_run)
    _show(answer, json=json)
    if not (dry_run or answer["remembered"]):
        raise click.exceptions.Exit(6)


def _show(answer: dict[str, Any], *, json: bool) -> None:
    if json:
        output.data(answer)
        return
    if answer["sampling"] is not None:
        output.say(phrase("sampling-raised", "sampling is not as ever: `ilot crisis sampling status` says how far"))
    if answer["isolated"] and answer["read_only"]:
        state = phrase("isolated-read-only", "isolated and read-only")
    else:
        state = phrase("crisis-isolated", "isolated") if answer["isolated"] else phrase("crisis-read-only", "read-only")
    if answer["isolated"] or answer["read_only"]:
        output.say(
            phrase(
                "crisis-since",
                "{state} since {moment}, by {by}: {reason}",
                state=state,
                moment=output.minute(answer["since"]),
                by=answer["by"],
                reason=answer["why"],
            )
        )
    elif answer["sampling"] is None:
        output.say(phrase("no-crisis", "no crisis holds"))
    if not answer["remembered"]:
        output.say(
            phrase(
                "crisis-not-remembered",
                "the disk does not remember this, a restart or a power cut would undo it. The hub asks the disk again "
                "by itself; `ilot crisis status` says when it is done: {reason}",
                reason=answer["error"],
            )
        )
    output.table(
        ("part", "when-isolated", "because"),
        [
            (
                part["name"],
                phrase("part-goes-on", "goes on") if part["goes_on"] else phrase("part-stops", "stops"),
                part["why"],
            )
            for part in answer["parts"]
        ],
    )
