"""`ilot backup` and `ilot restore`: this hub's state, sealed to the owner's recovery key."""

from __future__ import annotations

import asyncio
import base64
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from hub.cli import output
from hub.config.state_dir import state_of
from hub.core.state_dir import StateDir
from hub.core.system_errors import file_not_written
from hub.core.text import phrase, reason_of

if TYPE_CHECKING:
    from hub.operations.backups.restore import Plan

_CALL_S = 300.0


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file and nowhere else.")
@click.option("--show", is_flag=True, help="Make none; say when the last one was made, and where it is.")
@output.with_hub
def backup(out: Path | None, show: bool, config: Path, state_dir: Path | None, json: bool) -> None:
    """Back up this hub's state now, sealed to the owner's recovery key.

    A running hub keeps it in `backup.directory` and sends it to its backend, as it does by itself every night. With
    --out it is written to a file instead; that works on a stopped hub too. Exit code 6 when it is not everywhere yet.
    """
    from hub.rpc.control_socket import call

    state = StateDir(state_of(config, state_dir))
    if out is not None:
        facts = _written(out, _document(state, config))
        lines: list[str] = [
            phrase(
                "backup-number-size",
                "backup {number}, {size}",
                number=facts["generation"],
                size=output.size(facts["bytes"]),
            ),
            phrase("backup-in-file", "in {file}; the recovery key opens it", file=out),
        ]
    else:
        facts = call(state.socket, "status")["backup"] if show else _made(state)
        lines = status_lines(facts)
    if json:
        output.data(facts)
    else:
        for line in lines:
            output.echo(line)
    if out is None and backup_problems(facts):
        raise click.exceptions.Exit(6)


def status_lines(facts: dict[str, Any]) -> list[str]:
    """Return the state of the last backup, one fact a line."""
    if facts["made"] is None:
        if facts["error"]:
            return [phrase("backup-none-made-because", "none was made yet: {reason}", reason=facts["error"])]
        return [phrase("backup-none-made", "none was made yet")]
    backend, directory = facts["backend"], facts["directory"]
    lines: list[str] = [
        phrase(
            "backup-number-size-date",
            "backup {number}, {size}, made {moment}",
            number=facts["generation"],
            size=output.size(facts["bytes"]),
            moment=_when(facts["made"]),
        )
    ]
    there = _place(backend, facts["generation"])
    lines.append(phrase("backup-at-backend", "at the backend {state}", state=there))
    if directory["path"]:
        there = _place(directory, facts["generation"])
        lines.append(phrase("backup-in-directory", "in {directory} {state}", directory=directory["path"], state=there))
    if facts["error"]:
        lines.append(phrase("backup-next-impossible", "the next one cannot be made: {reason}", reason=facts["error"]))
    return lines


def backup_problems(facts: dict[str, Any]) -> list[str]:
    """Return what is wrong with it; empty when nothing is."""
    places = [facts["backend"], *([facts["directory"]] if facts["directory"]["path"] else [])]
    return [error for error in [facts["error"], *(place["error"] for place in places)] if error]


def restoration_notes(plan: Plan, forgotten: list[str], *, dry_run: bool) -> list[str]:
    """Return notes about other restorations of this backup: former ones, and any later one."""
    from hub.protocol.documents.backup import SENT_EVERY_S, SENT_MOST

    said: list[str] = []
    if plan.lived > plan.generation:
        said.append(
            phrase(
                "restore-hub-lived-on",
                "this hub lived on after this backup, to generation {generation}: its counters begin beyond that",
                generation=plan.lived,
            )
        )
    if time.time() < plan.made:
        said.append(
            phrase(
                "restore-clock-before-backup",
                "this machine's clock stands before the backup was made: set it first, it tells lives apart",
            )
        )
    if time.time() - plan.made > SENT_MOST * SENT_EVERY_S:
        said.append(
            phrase(
                "restore-backup-old",
                "this backup is old: a device that was sent more than {count} frames since refuses some until it "
                "joins again or has new keys",
                count=plan.jump,
            )
        )
    if dry_run:
        return said
    said += [
        phrase("restore-not-noted", "not noted that it was restored: {reason}", reason=reason) for reason in forgotten
    ]
    if forgotten:
        said.append(
            phrase(
                "restore-again-anywhere",
                "the hub makes a new backup as soon as it runs: take that one from now on. Should this one ever be "
                "restored again from anywhere, add `--lived {generation}`: else counters could be sent a second time",
                generation=plan.starts_at,
            )
        )
    else:
        said.append(
            phrase(
                "restore-again-another-copy",
                "the hub makes a new backup as soon as it runs: take that one from now on. Should this one ever be "
                "restored again from another copy, add `--lived {generation}`: else counters could be sent a second "
                "time",
                generation=plan.starts_at,
            )
        )
    return said


def _place(place: dict[str, Any], newest: int) -> str:
    if place["at"] is None:
        there = phrase("backup-place-none", "none")
    else:
        moment = _when(place["at"])
        if place["generation"] == newest:
            return phrase("backup-place-since", "since {moment}", moment=moment)
        there = phrase(
            "backup-place-former", "number {number}, since {moment}", number=place["generation"], moment=moment
        )
    if place["error"]:
        return phrase("backup-place-late-because", "not yet: {there}; {reason}", there=there, reason=place["error"])
    return phrase("backup-place-late", "not yet: {there}", there=there)


def _when(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _made(state: StateDir) -> dict[str, Any]:
    from hub.core.errors import NotReady
    from hub.rpc.control_socket import call

    try:
        return dict(call(state.socket, "backup", timeout=_CALL_S))
    except NotReady as error:
        raise NotReady(
            phrase(
                "backup-of-stopped-hub",
                "of a stopped hub, `ilot backup --out FILE` writes one to a file: {reason}",
                reason=reason_of(error),
            )
        ) from error


def _document(state: StateDir, config: Path) -> str:
    from hub.core.errors import NotReady
    from hub.rpc.control_socket import call

    try:
        return str(call(state.socket, "backup", timeout=_CALL_S, document=True)["document"])
    except NotReady:
        from hub.operations.backups.gather import of_stopped

        return base64.b64encode(asyncio.run(of_stopped(state, config))).decode()


def _written(out: Path, document: str) -> dict[str, Any]:
    from hub.core.disk.atomic_files import write_atomically
    from hub.core.errors import StorageError
    from hub.protocol.documents.backup import read

    data = base64.b64decode(document)
    try:
        write_atomically(out, data)
    except OSError as error:
        raise StorageError(file_not_written(out, error)) from error
    head = read(data).head
    return {"hub": head.hub, "generation": head.generation, "made": head.made, "bytes": len(data), "file": str(out)}


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--recovery-key-file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="The owner's recovery.key; - is stdin.",
)
@click.option(
    "--config-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/etc/ilot"),
    show_default=True,
    help="Where the configuration files go.",
)
@click.option("--hub", default="", help="The hub it must be; needed when FILE is a directory of several hubs' backups.")
@click.option("--at-least", type=int, default=0, help="Refuse a backup of an older generation than this.")
@click.option(
    "--lived",
    type=click.IntRange(min=0),
    default=0,
    help="The highest generation known of this hub, as `ilot backend backups` prints it: its counters begin beyond.",
)
@click.option(
    "--set-aside",
    is_flag=True,
    help="Move what is in the way (an enrolled state directory's contents, other configuration files) to former-…",
)
@click.option("--dry-run", is_flag=True, help="Open and check everything, change nothing.")
@output.with_state
@output.as_json
def restore(
    file: Path,
    recovery_key_file: Path,
    config_dir: Path,
    hub: str,
    at_least: int,
    lived: int,
    set_aside: bool,
    dry_run: bool,
    state_dir: Path | None,
    json: bool,
) -> None:
    """Make this machine the hub whose backup FILE is (or, of a directory, the newest in it).

    The old machine must not run any more. Sensors keep their keys and need no visit: what the old hub accepted is
    refused here, what it sent is skipped. Nothing that is there is overwritten. Where FILE lies, a note stays that it
    was restored: the same backup restored again from there skips what the hub sent meanwhile.
    """
    from hub.core.errors import DecodeError, StorageError
    from hub.core.process_hardening import harden
    from hub.operations.backups.restore import KnownHub, Restoration, read_file
    from hub.protocol.documents.recovery_key_file import read_recovery_key
    from hub.store_and_forward.buffer.external_segments import homes

    harden()  # before any key is read
    try:
        key = sys.stdin.buffer.read() if str(recovery_key_file) == "-" else recovery_key_file.read_bytes()
    except OSError as error:
        raise click.UsageError(
            phrase(
                "recovery-key-file-not-read", "the recovery key file cannot be read: {reason}", reason=reason_of(error)
            )
        ) from error
    try:
        found = Restoration(
            read_file(file, hub),
            read_recovery_key(key),
            config_dir=config_dir,
            state_dir=state_dir,
            known=KnownHub(hub, at_least, lived),
            came_from=file if file.is_dir() else file.absolute().parent,
            set_aside=set_aside,
        )
    except DecodeError as error:
        raise StorageError(
            phrase("backup-unreadable", "use another copy than {file}: {reason}", file=file, reason=reason_of(error))
        ) from error
    plan = found.plan
    generation = None
    if dry_run:
        found.check()
    else:
        generation = found.apply()
    if json:
        facts = msgspec.to_builtins(plan)
        output.data({**facts, "restored": not dry_run, "starts_at": generation, "forgotten": found.forgotten})
        return
    facts = {
        "hub": plan.hub,
        "number": plan.generation,
        "moment": _when(plan.made),
        "age": (time.time() - plan.made) / 3600,
    }
    if dry_run:
        output.echo(
            phrase("would-restore", "would restore {hub}, backup {number} of {moment} ({age:.1f} h old)", **facts)
        )
    else:
        output.echo(phrase("hub-restored", "restored {hub}, backup {number} of {moment} ({age:.1f} h old)", **facts))
    output.echo(
        phrase(
            "restored-where", "state in {directory}, configuration {file}", directory=plan.state_dir, file=plan.config
        )
    )
    output.echo(
        phrase(
            "restored-counters",
            "{count} replay [window|windows] kept, sent counters {jump} ahead, a new run",
            count=plan.windows,
            jump=plan.jump,
        )
    )
    for sentence in restoration_notes(plan, found.forgotten, dry_run=dry_run):
        output.say(sentence)
    for path in plan.set_aside:
        output.echo(
            phrase("would-move-aside", "would move {file} aside", file=path)
            if dry_run
            else phrase("moved-aside", "moved {file} aside", file=path)
        )
    if plan.undelivered:
        output.say(
            phrase(
                "restore-undelivered",
                "{count} [record was|records were] not acknowledged when this backup was made. Where the old disk's "
                "buffer or its mirror can be read, `ilot buffer send` delivers them",
                count=plan.undelivered,
            )
        )
    if plan.plugins:
        output.say(
            phrase(
                "restore-plugins",
                "the backup holds no code of vendors: install {plugins} again (`ilot plugin install FILE`); until then "
                "their instances do not start",
                plugins=plan.plugins,
            )
        )
    if not dry_run and file.is_dir() and next(homes(file, plan.hub), None):
        output.say(
            phrase(
                "restore-next-send",
                "next: `ilot buffer send {directory} --config {config} --state-dir {state}` delivers the readings that "
                "are on it; then",
                directory=file,
                config=plan.config,
                state=plan.state_dir,
            )
        )
    if not dry_run:
        output.say(
            phrase(
                "restore-next-run",
                "next: `ilot run --config {config} --state-dir {state}`; keep the old machine off",
                config=plan.config,
                state=plan.state_dir,
            )
        )
