"""`ilot buffer status|verify|export|send|salvage`: the sealed log on the disk. Only the last two need a key."""

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
        output.say(phrase("buffer-on-disk", "no hub runs here; on disk, acknowledged readings included:"))
        output.table(("fact", "figure"), list(facts.items()))
        return
    from hub.cli.status import traffic_text

    oldest = facts["oldest_age_s"]
    unknown = phrase("rate-not-known", "not known before 10 minutes of running")
    rate = phrase(
        "buffer-rate",
        "{size}/s, {readings:.3g} readings/s",
        size=output.size(facts["rate"]),
        readings=float(facts["readings_rate"]),
    )
    output.table(
        ("fact", "figure"),
        [
            (
                phrase("buffer-waiting", "waiting"),
                phrase(
                    "readings-in-records",
                    "{readings} in {records}",
                    readings=output.counted("readings", facts["readings"]),
                    records=output.counted("records", facts["records"]),
                ),
            ),
            (
                phrase("buffer-oldest", "oldest"),
                phrase("buffer-none-waits", "none waits")
                if oldest is None
                else phrase("span-ago", "{span} ago", span=days_and_hours(oldest)),
            ),
            (phrase("buffer-bytes", "on disk"), _in_segments(facts)),
            (phrase("buffer-kept", "of it kept after its ack"), output.size(facts["kept"])),
            (phrase("buffer-rate-name", "rate"), rate if facts["autonomy"] else unknown),
            (phrase("buffer-autonomy", "autonomy"), facts["autonomy"] or unknown),
            (phrase("buffer-link", "link"), traffic_text(answer["link"])),
            (
                phrase("buffer-in-memory", "waiting in memory"),
                phrase(
                    "reports-of-bound",
                    "{waiting} of {bound} reports",
                    waiting=facts["pending_rows"],
                    bound=facts["pending_bound"],
                ),
            ),
            (phrase("buffer-given-up", "given up"), output.counted("segments", facts["evicted"])),
            (phrase("buffer-last-error", "last error"), facts["error"] or phrase("buffer-no-error", "none")),
        ],
    )
    for note in facts["notes"]:
        output.say(note)


def _in_segments(facts: dict[str, Any]) -> str:
    segments = output.counted("segments", facts["segments"])
    return phrase("bytes-in-segments", "{size} in {segments}", size=output.size(facts["bytes"]), segments=segments)


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
        if segment.torn:
            return phrase("segment-torn", "whole, {count} bytes of a torn tail", count=segment.torn)
        return phrase("segment-whole", "whole")
    said = [] if segment.epoch else [phrase("segment-no-epoch", "no readable epoch: nobody can open it")]
    said += [
        phrase("segment-missing", "numbers {first}-{last} missing", first=first, last=last)
        for first, last in segment.missing
    ]
    said += [
        phrase("segment-damaged-bytes", "damaged bytes {start}-{end}", start=start, end=end)
        for start, end in segment.damaged
    ]
    return output.in_a_row(said)


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
        output.echo(
            phrase(
                "buffer-exported",
                "{records}, {size} in {file}",
                records=output.counted("records", records),
                size=output.size(out.stat().st_size),
                file=out,
            )
        )
        if running:
            output.say(
                phrase("buffer-export-partial", "the hub is running: the segments it is writing now were left out")
            )


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
        output.echo(
            phrase(
                "buffer-sent",
                "{acked} of {records} in {segments} of {directory} are at the backend",
                acked=sent.acked,
                records=output.counted("records", sent.records),
                segments=output.counted("segments", sent.segments),
                directory=sent.directory,
            )
        )
        if sent.removed:
            output.echo(phrase("segments-removed", "{count} [segment|segments] removed", count=sent.removed))
        for why in sent.skipped:
            output.say(why)
        if sent.damaged:
            output.say(phrase("records-damaged", "{count} [record is|records are] damaged there", count=sent.damaged))
    if sent.left:
        raise NotReady(
            phrase(
                "records-not-delivered",
                "{count} [record is|records are] not delivered, run it again: {reason}",
                count=sent.left,
                reason=sent.error or phrase("no-more-time", "there was no more time"),
            )
        )
    if sent.damaged or sent.skipped:
        raise click.exceptions.Exit(StorageError.exit_code)


@buffer.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--seconds", type=float, default=86400.0, show_default=True, help="Give up after so long.")
@output.with_hub
def salvage(directory: Path, seconds: float, config: Path, state_dir: Path | None, json: bool) -> None:
    """Deliver what can be read of an old card's state directory, and declare the rest lost.

    Where `send` leaves what is damaged for another try, this is the last one. This hub must be the one that wrote it,
    restored for instance, and must not run meanwhile; the declarations leave at once too. The card is not written to,
    and what the backend has already is stored once. Exit code 4 when not everything could be delivered.
    """
    import asyncio

    from hub.core.process_hardening import harden
    from hub.core.state_dir import StateDir
    from hub.operations.salvage import salvage as salvaged
    from hub.plugin_host.registry import Registry

    harden()  # before a key is read
    state = StateDir(state_of(config, state_dir))
    done = asyncio.run(salvaged(state, config, directory, Registry.discover(), seconds=seconds))
    if json:
        output.data(msgspec.to_builtins(done))
    elif done.again:
        output.echo(phrase("salvaged-before", "{directory} was salvaged before", directory=done.directory))
    else:
        output.echo(
            phrase(
                "buffer-salvaged",
                "{readings} in {segments} of {directory} are at the backend; {count} [loss is|losses are] declared",
                readings=output.counted("readings", done.readings),
                segments=output.counted("segments", done.segments),
                directory=done.directory,
                count=done.declared,
            )
        )
    if not json:
        for why in done.skipped:
            output.say(why)
    if done.left:
        raise NotReady(
            phrase(
                "records-not-delivered",
                "{count} [record is|records are] not delivered, run it again: {reason}",
                count=done.left,
                reason=done.error or phrase("no-more-time", "there was no more time"),
            )
        )
