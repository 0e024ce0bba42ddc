"""Shared parts of the `ilot backend` commands: arguments, errors, output. Data on stdout, messages on stderr."""

from __future__ import annotations

import functools
import logging
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
import msgspec

from hub.core.errors import HubError
from hub.core.logs import IndentingFormatter
from hub.core.text import phrase, reason_of, with_codes
from hub.i18n.catalogues import translate
from hub.i18n.shell import language
from hub.i18n.typography import ascii_spaces

if TYPE_CHECKING:
    import apsw

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

F = TypeVar("F", bound=Callable[..., Any])


def log_to_stderr() -> None:
    """Write log lines to stderr, in the language of the service. What hubs say of themselves stands in them: none of it
    may begin a line of its own or move a terminal's cursor."""
    handler = logging.StreamHandler(sys.stderr)
    form = "%(levelname)s %(name)s: %(message)s"
    lang = language()
    handler.setFormatter(IndentingFormatter(form, None, lambda sentence: translate(sentence, lang)))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)


class Group(click.Group):
    """Command group whose help shows the whole first sentence of each command, wrapped."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under one heading."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(limit=400)) for name, one in found if one is not None])


class Lifetime(click.ParamType[float]):
    """Click parameter: a duration such as `90s`, `30m`, `24h`, `7d`, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = re.fullmatch(r"(\d{1,6})([smhd])", str(value))
        if match is None or int(match[1]) == 0:
            said = phrase("no-duration", "{text!r} is no duration: write 90s, 30m, 24h or 7d", text=str(value))
            self.fail(said, param, ctx)
        return float(int(match[1]) * _UNITS[match[2]])


DIRECTORY = click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
ROOT = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the owner root lies. Default: DIRECTORY/root.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


def handles_errors(command: F) -> F:
    """Decorate a command: an expected error becomes one line on stderr and its exit code."""

    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except HubError as error:
            say(phrase("error-is", "error: {reason}", reason=reason_of(error)))
            sys.exit(error.exit_code)
        except OSError as error:
            say(phrase("error-is", "error: {reason}", reason=reason_of(error)))
            sys.exit(5 if isinstance(error, PermissionError) else 4)

    return cast(F, guarded)


def translated(sentence: str) -> str:
    """Return a sentence in the language of this shell."""
    return ascii_spaces(translate(sentence, language()))


def french() -> bool:
    """Return whether this shell is French."""
    return language() == "fr"


def say(sentence: str) -> None:
    """Print a sentence on stderr, in the language of this shell."""
    click.echo(translated(sentence), err=True)


def show(value: Any, as_json: bool, lines: Sequence[str]) -> None:
    """Print `value` as JSON, or `lines` in the language of this shell. Control characters in text from hubs are
    escaped, so that it neither commands the terminal nor begins a new line."""
    if as_json:
        click.echo(msgspec.json.encode(with_codes(value)).decode())
    else:
        for line in lines:
            click.echo("".join(map(_shown, translated(line))))
    sys.stdout.flush()


def _shown(letter: str) -> str:
    return letter if letter == "\t" or letter.isprintable() else letter.encode("unicode_escape").decode()


def row(*cells: Any) -> str:
    """Return a line of cells with tabs between them, each in the language of this shell."""
    return "\t".join(translated(cell) if isinstance(cell, str) else str(cell) for cell in cells)


def date(seconds: float | None) -> str:
    if seconds is None:
        return translated(phrase("at-no-time", "never"))
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def state_of(revoked_at: float | None) -> str:
    """Return whether something that can be revoked was."""
    return phrase("state-active", "active") if revoked_at is None else phrase("state-revoked", "revoked")


@contextmanager
def database(directory: Path) -> Iterator[apsw.Connection]:
    """Open the database of the owner's directory, and close it at the end of the block; the server may run
    meanwhile."""
    from backend import owner as owners
    from backend.schema import open_database

    with closing(open_database(owners.load(directory).database)) as db:
        yield db
