"""Output of commands: data on stdout, messages on stderr, plain tables, JSON on request."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
import msgspec

from hub.app.run import default_config
from hub.core.logs import tame
from hub.i18n.ambiguous_time import offset_if_ambiguous

F = TypeVar("F", bound=Callable[..., Any])


class Group(click.Group):
    """Command group whose help shows the whole first sentence of each command, wrapped."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under one heading."""
        with formatter.section("Commands"):
            formatter.write_dl(sentences(self, ctx, self.list_commands(ctx)))


def sentences(group: click.Group, ctx: click.Context, names: Iterable[str]) -> list[tuple[str, str]]:
    """Return name and first sentence of each command of a group."""
    found = ((name, group.get_command(ctx, name)) for name in names)
    return [(name, one.get_short_help_str(limit=400)) for name, one in found if one is not None and not one.hidden]


def as_json(command: F) -> F:
    """Add the `--json` option, as argument `json`."""
    return click.option("--json", "json", is_flag=True, help="Print one JSON object.")(command)


def with_config(command: F, readable: bool = True) -> F:
    """Add the `--config` option, as argument `config` (a Path); not `readable`: the command itself reports a file that
    it may not read."""
    return click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path, dir_okay=False, readable=readable),
        envvar="ILOT_CONFIG",
        default=lambda: Path(default_config()),
        show_default="config.yaml here, else /etc/ilot/config.yaml",
        help="The configuration file.",
    )(command)


def with_state(command: F) -> F:
    """Add the `--state-dir` option, as argument `state_dir` (a Path, or None: that of the configuration)."""
    return click.option(
        "--state-dir",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="ILOT_STATE_DIR",
        default=None,
        help="The state directory; by default what the configuration says.",
    )(command)


def with_hub(command: F) -> F:
    """Add the options of a command that calls the hub: arguments `config`, `state_dir` and `json`."""
    return with_config(with_state(as_json(command)))


def is_help_request(argument: str) -> bool:
    """Return whether the first argument of a command that passes its options on is a request for help, not a
    protocol."""
    return argument in ("-h", "--help")


def help_with(known: Iterable[str]) -> NoReturn:
    """Print the help of the running command with the possible values of PROTOCOL, and exit."""
    click.echo(f"{click.get_current_context().get_help()}\n\nPROTOCOL: {', '.join(known)}.")
    raise click.exceptions.Exit(0)


def data(value: Any) -> None:
    """Print one JSON value on stdout, on one line."""
    click.echo(msgspec.json.encode(value, enc_hook=str))


def say(text: str) -> None:
    """Print a message for people, on stderr."""
    click.echo(tame(text, "\n"), err=True)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a plain table on stdout; numbers right, text left. An empty one as its head, and a note on stderr."""
    body = [["" if cell is None else tame(str(cell), " ") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)] if body else [len(h) for h in head]
    for row in [list(head), *body]:
        cells = (
            cell.rjust(width) if _number(cell) else cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        )
        click.echo("  ".join(cells).rstrip())
    if not body:
        say("(none)")


def _number(cell: str) -> bool:
    return cell.replace(".", "", 1).replace("-", "", 1).replace(",", "").isdigit()


def french() -> bool:
    """Return whether this shell is French. POSIX.1-2024, XBD 8.2: LC_ALL, else LC_MESSAGES, else LANG."""
    said = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return next((one for one in said if one), "").startswith("fr")


def plural(number: int, noun: str) -> str:
    """Return 1 device, 2 devices."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float) -> str:
    """Return a span for people, in its two largest units: 42 s, 5 min 10 s, 3 h 20 min, 12 d 4 h."""
    left = round(seconds)
    days, hours, minutes = left // 86400, left // 3600 % 24, left // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left % 60} s" if minutes else f"{left} s"


def moment(unix_s: float) -> str:
    """Return a moment in this machine's time, to the second: 2026-11-28 02:37:19, with its offset in the hour that
    occurs twice."""
    local = datetime.fromtimestamp(unix_s)
    return f"{local:%Y-%m-%d %H:%M:%S} {offset_if_ambiguous(local)}".rstrip()


def minute(unix_s: float) -> str:
    """Return the moment to the minute."""
    local = datetime.fromtimestamp(unix_s)
    return f"{local:%Y-%m-%d %H:%M} {offset_if_ambiguous(local)}".rstrip()


def size(n: float) -> str:
    """Return bytes for people: 1.5 MB."""
    for unit in ("B", "kB", "MB"):
        if n < 1000:
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:.1f} GB"
