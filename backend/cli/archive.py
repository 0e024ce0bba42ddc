"""`ilot backend export`, `import` and `check-archive`: all that was received, in open formats, and back."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from backend.cli.console import DIRECTORY, JSON, date, handles_errors, row, say, show
from hub.core.errors import ConfigError, StorageError
from hub.core.text import phrase

if TYPE_CHECKING:
    from backend.archive.exporting import Of
    from backend.archive.reading import Archive

TELL_S = 5.0
DAY_S = 86_400.0
ENDPOINT = click.option("--endpoint", default="", help="URL of storage that speaks S3, where that is not AWS.")
AS_OF = click.option("--as-of", help="Take the archive as it was at this moment, 2026-11-30T12:00:00Z.")
DATABASE = click.option("--database", "url", default="", envvar="ILOT_DATABASE", help="A PostgreSQL URL.")


def _teller() -> Callable[[str, float], None]:
    """Return what says how far something is, each TELL_S."""
    last = 0.0

    def tell(what: str, share: float) -> None:
        nonlocal last
        now = time.monotonic()
        if share in (0.0, 1.0) or now - last >= TELL_S:
            last = now
            say(phrase("share-done", "{what}: {share:.0f}%", what=what, share=100.0 * share))

    return tell


@click.command()
@DIRECTORY
@click.argument("target")
@click.option("--all", "everything", is_flag=True, help="All that there is, not readings alone: it can be imported.")
@click.option("--lock", type=click.IntRange(1, 36_500), help="Have the storage keep it from everybody for DAYS.")
@ENDPOINT
@DATABASE
@JSON
@handles_errors
def export(
    directory: Path, target: str, everything: bool, lock: int | None, endpoint: str, url: str, as_json: bool
) -> None:
    """Write what the backend of DIRECTORY has received to TARGET, a folder or s3://BUCKET/PREFIX, while it runs.

    The first time all of it, then what changed: readings as Parquet by day and hub, the rest as JSON lines. Each file
    is read back. An interrupted export goes on when it is called again. It holds names and personal data in clear, and
    no key. It needs no root key.
    """
    from backend.archive.exporting import Exporter
    from backend.archive.stores import open_store
    from backend.owner.lock import exporting_alone
    from backend.storage.opening import open_archive_source

    of, path = _owner(directory)
    store = open_store(target, endpoint)
    with exporting_alone(directory), closing(open_archive_source(url or path)) as source:
        exporter = Exporter(
            source, store, of, everything=everything, lock_s=(lock or 0) * DAY_S, say=_teller()
        )  # fmt: skip
        done = exporter.run()
    for sentence in done.damaged:
        say(phrase("archive-without", "left out, since it cannot be read: {what}", what=sentence))
    if done.left:
        say(
            phrase(
                "archive-old-files-left",
                "{count} [file|files] that no manifest needs any more could not be deleted, and [stays|stay].",
                count=done.left,
            )
        )
    _show(done, as_json)
    if done.damaged:
        sys.exit(StorageError.exit_code)


@click.command("import")
@click.argument("source")
@DIRECTORY
@AS_OF
@ENDPOINT
@DATABASE
@JSON
@handles_errors
def import_(source: str, directory: Path, as_of: str | None, endpoint: str, url: str, as_json: bool) -> None:
    """Fill the fresh database of DIRECTORY from the archive SOURCE, made by `ilot backend export --all`.

    DIRECTORY holds the keys of the same owner, and no server runs on it. Hubs send again what the archive lacks. An
    interrupted import goes on when it is called again. With --as-of, on storage with versions, nothing counts that was
    done to the archive after that moment. It needs no root key.
    """
    from backend.archive.importing import Importer
    from backend.storage.opening import open_archive_target, open_chunks

    of, path = _owner(directory)
    archive, manifest = _archive(source, endpoint, as_of)
    where = url or path
    with closing(open_archive_target(where)) as target, closing(open_chunks(where)) as chunks:
        done = Importer(archive, manifest, target, chunks, of, say=_teller()).run()
    say(
        phrase(
            "archive-imported",
            "The archive of {moment} is in the database, with {count} [hub|hubs]. Start the backend: hubs send again "
            "what it lacks, as far as their disks hold it. Tokens that were not used admit nobody.",
            moment=date(done.made_at),
            count=done.hubs,
        )
    )
    _show(done, as_json)


@click.command("check-archive")
@click.argument("source")
@AS_OF
@ENDPOINT
@JSON
@handles_errors
def check_archive(source: str, as_of: str | None, endpoint: str, as_json: bool) -> None:
    """Read all of the archive SOURCE, and compare it with its digests."""
    from backend.archive.checking import check

    archive, manifest = _archive(source, endpoint, as_of)
    _show(check(archive, manifest, _teller()), as_json)


def _owner(directory: Path) -> tuple[Of, Path]:
    """Return whose backend this is, and its database."""
    from backend.archive.exporting import Of
    from backend.owner import directory as owners

    owner = owners.load(directory)
    return Of(owner.settings.owner, owner.settings.root), owner.database


def _archive(source: str, endpoint: str, as_of: str | None) -> tuple[Archive, str]:
    """Return an archive and its newest manifest that is complete."""
    from backend.archive.reading import Archive
    from backend.archive.stores import open_store

    archive = Archive(open_store(source, endpoint), None if as_of is None else _moment(as_of))
    manifest = archive.newest(complete=True)
    if manifest is None:
        raise ConfigError(
            phrase(
                "no-archive-here",
                "{place} holds no archive whose export came to its end; --as-of finds one that was deleted",
                place=source,
            )
        )
    return archive, manifest


def _moment(text: str) -> float:
    try:
        at = datetime.fromisoformat(text[:40])
    except ValueError as error:
        raise ConfigError(
            phrase("moment-wrong", "{text!r} is no moment: write 2026-11-30T12:00:00Z", text=text[:40])
        ) from error
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()


def _show(done: msgspec.Struct, as_json: bool) -> None:
    facts: dict[str, Any] = msgspec.structs.asdict(done)
    show(facts, as_json, [row(name, value) for name, value in facts.items() if name != "damaged"])
