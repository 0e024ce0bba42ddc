"""`ilot buffer status|verify|export|send`: the sealed log on the disk. Only `send` needs a key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from hub.cli import output
from hub.cli.hub_client import ask
from hub.config.state_dir import state_of
from hub.core.errors import NotReady, StorageError
from hub.core.text import phrase
from hub.rpc.autonomy import days_and_hours


@click.group(cls=output.Group)
def buffer() -> None:
    """The sealed store-and-forward buffer."""


@buffer.command("status")
@output.with_hub
def status(config: Path, state_dir: Path | None, json: bool) -> None:
    """How full it is, and how long it lasts without the backend at today's rate. Without a running hub: what the
    disk shows."""
    state = state_of(config, state_dir)
    try:
        answer = ask(config, state_dir, "status")
        facts: dict[str, Any] = {"running": True, **answer["buffer"], "month": answer["link"]["month"]}
    except NotReady:
        from hub.store_and_forward.buffer.inspect import verify

        segments = verify(state / "buffer")
        facts = {
            "running": False,
            "segments": len(segments),
            "records": sum(segment.records for segment in segments),
            "readings": sum(segment.readings for segment in segments),
            "bytes": sum(segment.bytes for segment in segments),
        }
    if json:
        output.data(facts)
        return
    if not facts["running"]:
        output.say("no hub runs here; on disk, acknowledged readings included:")
        output.table(("what", "figure"), list(facts.items()))
        return
    from hub.cli.status import traffic_text

    oldest, rate = facts["oldest_age_s"], f"{output.size(facts['rate'])}/s, {facts['readings_rate']:.3g} readings/s"
    output.table(
        ("what", "figure"),
        [
            (
                "waiting",
                f"{output.plural(facts['readings'], 'reading')} in {output.plural(facts['records'], 'record')}",
            ),
            ("oldest", "none waits" if oldest is None else f"{days_and_hours(oldest)} ago"),
            ("on disk", f"{output.size(facts['bytes'])} in {output.plural(facts['segments'], 'segment')}"),
            ("of it kept after its ack", output.size(facts["kept"])),
            ("rate", rate if facts["autonomy"] else "not known before 10 minutes of running"),
            ("autonomy", facts["autonomy"] or "not known before 10 minutes of running"),
            ("link", traffic_text(answer["link"])),
            ("waiting in memory", f"{facts['pending_rows']} of {facts['pending_bound']} reports"),
            ("given up", output.plural(facts["evicted"], "segment")),
            ("last error", facts["error"] or "none"),
        ],
    )
    for note in facts["notes"]:
        output.say(str(note))


@buffer.command("verify")
@output.with_hub
def verify_(config: Path, state_dir: Path | None, json: bool) -> None:
    """Check every record of every segment by its checksums. Exit code 7 when something is damaged."""
    from hub.store_and_forward.buffer.inspect import verify

    segments = verify(state_of(config, state_dir) / "buffer")
    if json:
        output.data([{**msgspec.to_builtins(segment), "whole": segment.whole} for segment in segments])
    else:
        output.table(
            ("segment", "stream", "numbers", "readings", "bytes", "found"),
            [
                (s.segment, s.stream, f"{s.first}-{s.last}" if s.records else "", s.readings, s.bytes, _found(s))
                for s in segments
            ],
        )
    if not all(segment.whole for segment in segments):
        raise click.exceptions.Exit(StorageError.exit_code)


def _found(segment: Any) -> str:
    if segment.whole:
        return f"whole, {segment.torn} bytes of a torn tail" if segment.torn else "whole"
    said = [] if segment.epoch else ["no readable epoch: nobody can open it"]
    said += [f"numbers {first}-{last} missing" for first, last in segment.missing]
    said += [f"damaged bytes {start}-{end}" for start, end in segment.damaged]
    return "; ".join(said)


@buffer.command()
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@output.with_hub
def export(out: Path, config: Path, state_dir: Path | None, json: bool) -> None:
    """Copy the sealed records to OUT, for `ilot backend open` with a recipient's key. Nothing is removed."""
    from hub.store_and_forward.buffer.inspect import export as copy

    state = state_of(config, state_dir)
    try:
        ask(config, state_dir, "status")
        running = True
    except NotReady:
        running = False
    records = copy(state / "buffer", out, running=running)
    if json:
        output.data({"file": str(out), "records": records, "bytes": out.stat().st_size, "running": running})
    else:
        click.echo(f"{records} records, {output.size(out.stat().st_size)} in {out}")
        if running:
            output.say("the hub is running: the segments it is writing now were left out")


@buffer.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--remove", is_flag=True, help="Remove the segments of which everything is acknowledged.")
@click.option("--seconds", type=float, default=86400.0, show_default=True, help="Give up after so long.")
@output.with_hub
def send(directory: Path, remove: bool, seconds: float, config: Path, state_dir: Path | None, json: bool) -> None:
    """Deliver the segments in DIRECTORY: the copies of `buffer.mirror`, or an old card's state directory or buffer.

    This hub must be the one that wrote them, restored for instance, and must not run meanwhile. What the backend has
    already is stored once. Exit code 4 when not everything could be delivered, 7 when something is damaged.
    """
    import asyncio

    from hub.core.process_hardening import harden
    from hub.core.state_dir import StateDir
    from hub.operations.buffer_forwarding import send as forward
    from hub.plugin_host.registry import Registry

    harden()  # before a key is read
    state = StateDir(state_of(config, state_dir))
    sent = asyncio.run(forward(state, config, directory, Registry.discover(), seconds=seconds, remove=remove))
    if json:
        output.data(msgspec.to_builtins(sent))
    else:
        click.echo(
            f"{sent.acked} of {output.plural(sent.records, 'record')} in "
            f"{output.plural(sent.segments, 'segment')} of {sent.directory} are at the backend"
        )
        if sent.removed:
            click.echo(f"{output.plural(sent.removed, 'segment')} removed")
        for why in sent.skipped:
            output.say(why)
        if sent.damaged:
            output.say(f"{sent.damaged} records are damaged there")
    if sent.left:
        raise NotReady(
            phrase(
                "records-not-delivered",
                "{left} records are not delivered: {error}; run it again",
                left=sent.left,
                error=sent.error or "there was no more time",
            )
        )
    if sent.damaged or sent.skipped:
        raise click.exceptions.Exit(StorageError.exit_code)
