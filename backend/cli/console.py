"""Shared parts of the `ilot backend` commands: arguments, errors, output. Data on stdout, messages on stderr."""

from __future__ import annotations

import functools
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
import msgspec

from hub.core.errors import HubError
from hub.core.logs import IndentingFormatter, tame
from hub.core.text import phrase, reason_of, with_codes
from hub.i18n.catalogues import translate
from hub.i18n.shell import language
from hub.i18n.typography import ascii_spaces

if TYPE_CHECKING:
    from backend.queries.views import Views
    from backend.storage.engine import Storage

log = logging.getLogger(__name__)

DATABASE = "ILOT_DATABASE"
"""Variable of the environment that names another database than the one in the owner's directory: a URL or a file."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

F = TypeVar("F", bound=Callable[..., Any])


def log_to_stderr(process: str = "") -> None:
    """Write log lines to stderr, in the language of the service, each with the name of this `process` where several
    write there. What hubs say of themselves stands in them: none of it may begin a line of its own or move a terminal's
    cursor. Called again, it takes the place of the call before."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(process))
    root = logging.getLogger()
    for former in [one for one in root.handlers if type(one) is logging.StreamHandler]:
        root.removeHandler(former)
    root.addHandler(handler)
    root.setLevel(logging.INFO)


def log_uncaught() -> None:
    """Write what no code caught, in this thread or another, as lines of the log: Python prints it as it is."""
    said = phrase("error-not-caught", "an error that nothing caught")

    def log_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            log.critical(said, exc_info=args.exc_value)

    sys.excepthook = lambda kind, error, _: log.critical(said, exc_info=error)
    threading.excepthook = log_thread
    logging.raiseExceptions = False  # else a line that cannot be put together is printed as it is


def tame_warnings() -> None:
    """Give what a command logs by the way the form of a log's lines."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_formatter())


def _formatter(process: str = "") -> logging.Formatter:
    lang = language()
    form = f"%(levelname)s {process and f'[{process}] '}%(name)s: %(message)s"
    return IndentingFormatter(form, None, lambda sentence: translate(sentence, lang))


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
    help="Where the owner root lies, which this needs. Default: DIRECTORY/root.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


def handles_errors(command: F) -> F:
    """Decorate a command: an expected error becomes one line on stderr and its exit code."""

    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (HubError, OSError) as error:
            sys.exit(say_error(error))

    return cast(F, guarded)


def say_error(error: HubError | OSError) -> int:
    """Say an expected error on stderr; return its exit code."""
    say(phrase("error-is", "error: {reason}", reason=reason_of(error)))
    if isinstance(error, HubError):
        return error.exit_code
    return 5 if isinstance(error, PermissionError) else 4


def translated(sentence: str) -> str:
    """Return a sentence in the language of this shell."""
    return ascii_spaces(translate(sentence, language()))


def french() -> bool:
    """Return whether this shell is French."""
    return language() == "fr"


def say(sentence: str) -> None:
    """Print a sentence on stderr, in the language of this shell. What hubs say in it begins no line and moves no
    cursor."""
    click.echo(tame(translated(sentence)), err=True)


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
def database(directory: Path) -> Iterator[Storage]:
    """Open the database of the owner's directory, or the one that DATABASE names, and close it at the end of the block;
    the server may run meanwhile."""
    from backend.owner import directory as owners
    from backend.storage.opening import open_storage

    with closing(open_storage(_address(owners.load(directory).database))) as storage:
        yield storage


def reading(directory: Path, *, make: bool = True) -> Views:
    """Return what the database of the owner's directory answers; a database of a former release is brought up to date
    first. Where there is none, it is made, or its answers raise StorageError."""
    from backend.owner import directory as owners
    from backend.queries.views import Views
    from backend.storage.opening import open_queries, open_storage

    path = owners.load(directory).database
    address = _address(path)
    if address is path and (make or path.exists()):
        open_storage(path).close()
    return Views(open_queries(address))


def city_address(directory: Path) -> Path | str:
    """Return the address of the backend's database, beside which the city's own is."""
    from backend.owner import directory as owners

    return _address(owners.load(directory).database)


def _address(path: Path) -> Path | str:
    return os.environ.get(DATABASE) or path
