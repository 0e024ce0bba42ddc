"""Output of commands: data on stdout, messages on stderr, plain tables, JSON on request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
import msgspec

from hub.cli import counts, heads, words
from hub.cli.distribution import is_whole, not_in_sdk
from hub.config.state_dir import default_config
from hub.core.logs import tame
from hub.core.text import Phrase, of_table, phrase, with_codes
from hub.i18n.ambiguous_time import offset_if_ambiguous
from hub.i18n.shell import language

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=click.Command)
_OF_HUB: list[click.Command] = []


class Group(click.Group):
    """Command group whose help shows the whole first sentence of each command, wrapped. Commands that need a hub
    (`of_hub`) are none of it where there is none, in the SDK."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in super().list_commands(ctx) if self.get_command(ctx, name) is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = super().get_command(ctx, cmd_name)
        return None if found in _OF_HUB and not is_whole() else found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] in self.commands and self.get_command(ctx, args[0]) is None:
            raise click.UsageError(not_in_sdk(args[0]), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under one heading."""
        with formatter.section("Commands"):
            formatter.write_dl(sentences(self, ctx, self.list_commands(ctx)))


def of_hub(command: C) -> C:
    """Mark a command that needs rooms of a running hub, which `ilot-sdk` has not."""
    _OF_HUB.append(command)
    return command


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


def data(value: Any, *, err: bool = False) -> None:
    """Print one JSON value on one line, on stdout, or on stderr where a command ends by it."""
    click.echo(msgspec.json.encode(with_codes(value), enc_hook=str), err=err)


def translated(sentence: str) -> str:
    """Return a sentence in the language of this shell, with the spaces of a keyboard."""
    lang = language()
    if lang == "en" or not isinstance(sentence, Phrase):
        return str(sentence)
    from hub.i18n.catalogues import translate  # imported late: a shell in English needs no catalogue
    from hub.i18n.typography import ascii_spaces

    return ascii_spaces(translate(sentence, lang))


def of_both(row: Mapping[str, Any]) -> str:
    """Return the text of a row that has it in English, under "en", and in French, under "fr"."""
    english: str = row["en"]
    if not french() or isinstance(english, Phrase):
        return english
    from hub.i18n.typography import ascii_spaces

    return ascii_spaces(str(row.get("fr") or english))


def say(sentence: str) -> None:
    """Print a message for people, on stderr, in the language of this shell."""
    click.echo(tame(translated(sentence), "\n"), err=True)


def echo(sentence: str) -> None:
    """Print a sentence on stdout, in the language of this shell."""
    click.echo(tame(translated(sentence), "\n"))


def confirm(question: str, *, abort: bool = False, err: bool = False) -> bool:
    """Ask a question that is answered by yes or no, in the language of this shell."""
    return click.confirm(tame(translated(question), "\n"), abort=abort, err=err)


def counted(noun: str, count: int) -> Phrase:
    """Return 1 device, 2 devices: a number of what `hub.cli.counts` names."""
    return of_table(f"count-{noun}", counts.PHRASES[f"count-{noun}"], count=count)


def word(group: str, token: Any) -> str:
    """Return the word for a token of a group of `hub.cli.words`; the token where there is none."""
    english = words.PHRASES.get(f"word-{group}-{token}")
    return str(token) if english is None else of_table(f"word-{group}-{token}", english)


def waiting_reason(reason: str) -> str:
    """Return why a sender waits in quarantine; the reason as it is where there is no word for it."""
    said = word("waiting", reason.replace(" ", "-"))
    return said if isinstance(said, Phrase) else reason


def in_a_row(sentences: Iterable[str]) -> str:
    """Return sentences in the language of this shell, with a semicolon between them."""
    return (" ; " if french() else "; ").join(map(translated, sentences))


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a plain table on stdout; numbers right, text left. An empty one as its head, and a note on stderr.

    `head` are names of `hub.cli.heads`, or phrases; "" is a column without a head."""
    heads = [_head(one) for one in head]
    body = [["" if cell is None else tame(_cell(cell), " ") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *body, strict=True)] if body else [len(h) for h in heads]
    for row in [heads, *body]:
        cells = (
            cell.rjust(width) if _number(cell) else cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        )
        click.echo("  ".join(cells).rstrip())
    if not body:
        say(phrase("table-empty", "(none)"))


def _head(name: str) -> str:
    if isinstance(name, Phrase) or not name:
        return translated(name)
    return translated(of_table(f"head-{name}", heads.PHRASES[f"head-{name}"]))


def _cell(cell: Any) -> str:
    return translated(cell) if isinstance(cell, str) else str(cell)


def _number(cell: str) -> bool:
    return cell.replace(".", "", 1).replace("-", "", 1).replace(",", "").isdigit()


def french() -> bool:
    """Return whether this shell is French."""
    return language() == "fr"


def duration(seconds: float) -> Phrase:
    """Return a span for people, in its two largest units: 42 s, 5 min 10 s, 3 h 20 min, 12 d 4 h."""
    left = round(seconds)
    days, hours, minutes = left // 86400, left // 3600 % 24, left // 60 % 60
    if days:
        return phrase("span-days-hours", "{days} d {hours} h", days=days, hours=hours)
    if hours:
        return phrase("span-hours-minutes", "{hours} h {minutes} min", hours=hours, minutes=minutes)
    if minutes:
        return phrase("span-minutes-seconds", "{minutes} min {seconds} s", minutes=minutes, seconds=left % 60)
    return phrase("span-seconds", "{seconds} s", seconds=left)


def ago(seconds: float | None) -> Phrase:
    """Return how long ago something was: 0:05:10 ago; "never" of None."""
    if seconds is None:
        return phrase("at-no-time", "never")
    return phrase("span-ago", "{span} ago", span=str(timedelta(seconds=round(max(0.0, seconds)))))


def moment(unix_s: float) -> str:
    """Return a moment in this machine's time, to the second: 2026-11-28 02:37:19, with its offset in the hour that
    occurs twice."""
    local = datetime.fromtimestamp(unix_s)
    return f"{local:%Y-%m-%d %H:%M:%S} {offset_if_ambiguous(local)}".rstrip()


def minute(unix_s: float) -> str:
    """Return the moment to the minute."""
    local = datetime.fromtimestamp(unix_s)
    return f"{local:%Y-%m-%d %H:%M} {offset_if_ambiguous(local)}".rstrip()


def size(n: float) -> Phrase:
    """Return bytes for people: 1.5 MB."""
    n = float(n)
    if n < 1000:
        return phrase("size-bytes", "{n:.0f} B", n=n)
    if n < 1e6:
        return phrase("size-kilobytes", "{n:.1f} kB", n=n / 1e3)
    if n < 1e9:
        return phrase("size-megabytes", "{n:.1f} MB", n=n / 1e6)
    return phrase("size-gigabytes", "{n:.1f} GB", n=n / 1e9)
