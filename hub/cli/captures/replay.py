"""`ilot replay`: a capture read again, into a report, or said again to a hub."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path
from typing import Any

import click

from hub.cli import output
from hub.cli.captures.lines import MOST_TOLD, Bad, lines_of
from hub.cli.captures.sources import Source, expect_known
from hub.core.errors import DecodeError, HubError
from hub.core.text import phrase

LONGEST_WAIT_S = 3600.0


@click.command()
@click.argument("protocol")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--play", is_flag=True, help="Say the lines again, to a hub for trials, in the place of a report.")
@click.option(
    "--speed", type=click.FloatRange(0.01, 100_000), default=1.0, show_default=True, help="--play: how much faster."
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="--play: where to listen; 0: any.")
@output.with_hub
def replay(
    protocol: str,
    file: Path,
    play: bool,
    speed: float,
    port: int,
    config: Path,
    state_dir: Path | None,
    json: bool,
) -> None:
    """Read the capture FILE of PROTOCOL through the hub's own decoders and packs, and say what would have been read.

    Keys and the meaning of registers, topics and group addresses are those of the configuration. Exit code 6 when a
    line is not read. With --play the same is said again, over the protocol, to a hub for trials.
    """
    source = Source(protocol, config, state_dir)
    expect_known(protocol, source.plugins)
    if play:
        asyncio.run(_until_told(_played(source, file, speed, port, json)))
        return
    from hub.cli.captures.report import report_of
    from hub.cli.pack import library_of

    found = asyncio.run(report_of(file, source, library_of(config, state_dir)))
    if json:
        output.data(found.as_data())
    else:
        output.table(
            ("device", "metric", "count", "low", "high", "last"),
            [
                (device, metric, one.count, _short(one.low), _short(one.high), _short(one.last))
                for (device, metric), one in sorted(found.series.items())
            ],
        )
        for bad in found.wrong:
            _tell_bad(file, bad)
        if (more := found.refused.total() - len(found.wrong)) > 0:
            output.say(phrase("capture-more-bad", "and {count} [line|lines] more", count=more))
        output.say(
            phrase(
                "replay-done",
                "{lines} lines: {refused} not read, {unknown} of nothing that is known",
                lines=found.lines,
                refused=found.refused.total(),
                unknown=found.unknown,
            )
        )
    if found.refused:
        raise click.exceptions.Exit(6)


def _tell_bad(file: Path, bad: Bad) -> None:
    output.say(
        phrase(
            "capture-line-bad",
            "{file}:{line}: {reason}: {detail}",
            file=file,
            line=bad.number,
            reason=bad.reason,
            detail=bad.detail or bad.reason,
        )
    )


def _short(value: Any) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


async def _played(source: Source, file: Path, speed: float, port: int, json: bool) -> None:
    replayer = source.replayer()
    if replayer is None:
        raise HubError(
            phrase(
                "capture-not-played",
                "lines of {protocol} are not said again: they hold who announces itself, and no values",
                protocol=source.protocol,
            )
        )
    lines: list[tuple[int, dict[str, Any]]] = []
    bad = 0
    for one in await asyncio.to_thread(lambda: list(lines_of(file))):
        if isinstance(one, Bad):
            bad += 1
            if bad <= MOST_TOLD:
                _tell_bad(file, one)
        else:
            lines.append(one)
    async with replayer(source.options, [line for _, line in lines], port) as player:
        if json:
            output.data({"event": "lines", "integrations": player.options, "environment": player.environment})
        else:
            from hub.cli.sim.lines import flow

            output.say(phrase("replay-lines-needed", "The hub for trials hears this with these options:"))
            output.echo(flow({source.type or source.protocol: player.options}))
            for name, value in player.environment.items():
                output.echo(f"{name}={value}")
        await player.joined()
        said = await _say(player, file, lines, speed)
        left = len(lines) - said + bad
        if json:
            output.data({"event": "end", "said": said, "left_out": left})
        else:
            output.say(phrase("replay-said", "{said} lines said again, {left} left out", said=said, left=left))


async def _say(player: Any, file: Path, lines: list[tuple[int, dict[str, Any]]], speed: float) -> int:
    """Say all lines at their own pace; return how many were said."""
    began, first, said, told = time.monotonic(), None, 0, 0
    for number, line in lines:
        at = line.get("time")
        if at is not None:
            first = at if first is None else first
            wait = (at - first) / speed - (time.monotonic() - began)
            await asyncio.sleep(min(max(0.0, wait), LONGEST_WAIT_S))
        try:
            await player.say(line)
            said += 1
        except DecodeError as error:
            told += 1
            if told <= MOST_TOLD:
                _tell_bad(file, Bad(number, error.reason, error.detail))
    return said


async def _until_told(work: Any) -> None:
    task = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
