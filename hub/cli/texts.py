"""`ilot texts`: compile the catalogues of a plugin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.cli import output
from hub.core.errors import HubError
from hub.core.system_errors import file_not_written
from hub.core.text import phrase, system_error

if TYPE_CHECKING:
    from hub.i18n.compiling import Entry


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True), default=".")
def texts(folder: Path) -> None:
    """Compile the translations of a plugin: each .po file in a LC_MESSAGES below FOLDER becomes the .mo file beside it.

    Exit code 6 when an entry has no translation, or an unsure one (`fuzzy`): it stays English.
    """
    sources = sorted(folder.rglob("LC_MESSAGES/*.po"))
    if not sources:
        raise HubError(
            phrase("no-catalogue-below", "no folder LC_MESSAGES below {folder} has a .po file", folder=folder)
        )
    missing = [one for source in sources for one in _compile(source)]
    if missing:
        raise click.exceptions.Exit(6)


def _compile(source: Path) -> list[Entry]:
    """Write one .mo file, and return the entries without a translation. Raises HubError."""
    from hub.i18n.compiling import compiled, parsed

    try:
        entries = parsed(source.read_text("utf-8"))
    except ValueError as error:
        raise HubError(phrase("catalogue-not-read", "{file}: {reason}", file=source, reason=str(error))) from error
    except OSError as error:
        raise HubError(
            phrase("catalogue-not-read", "{file}: {reason}", file=source, reason=system_error(error))
        ) from error
    target = source.with_suffix(".mo")
    try:
        target.write_bytes(compiled(entries))
    except OSError as error:
        raise HubError(file_not_written(target, error)) from error
    missing = [one for one in entries if not one.translation]
    output.echo(
        phrase(
            "catalogue-compiled",
            "{file}: {count} [translation|translations]",
            file=target,
            count=sum(bool(one.code) for one in entries) - len(missing),
        )
    )
    for one in missing:
        output.say("  " + output.translated(_not_translated(one)))
    return missing


def _not_translated(entry: Entry) -> str:
    return phrase("entry-not-translated", "{code} stays English: {english}", code=entry.code, english=entry.english)
